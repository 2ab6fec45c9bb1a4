import Glibc
import LinuxSystem
import SampleModel
import SampleRing
import Synchronization

/// One pinned thread that reads its collectors at absolute deadlines into its ring.
///
/// It is parked, or it samples. A command moves it: the controller writes the parameters, stores
/// the next command word and waits for the same in the acknowledged word. Between start and stop
/// it waits in one futex call on the command word with the deadline, and makes no other system
/// calls than its collectors', but for one that wakes a drain which is behind.
///
/// The streams, the ring's end and the ticks belong to whoever holds `turn`, so that the
/// controller can take an edge itself while the thread sleeps: two switches less for each.
@safe
final class SamplingThread: @unchecked Sendable {
  // Sendable: parameters and results change hands at the command and acknowledged words and at
  // `turn` only.

  let index: Int
  let cpu: Int?
  let time: TimeSource
  /// Set before `open`; read by the thread after the command word or with `turn`.
  var bracket = Bracket()
  /// An `Operation` with the number of the command above it.
  let command = FutexWord()
  /// The last command that was done.
  let acknowledged = FutexWord(.max)
  /// The controller's: the last command, and the last that an answer is awaited of.
  var sent: UInt32 = 0
  var awaited: UInt32?
  /// It has not answered: the session goes on without it, and looks again before each bracket.
  let isLeftAlone = Atomic<Bool>(false)
  var thread: SystemThread?
  /// Who may touch what the thread and the controller share.
  let turn = Atomic<Turn>(.controller)
  /// The deadline of the sleep that the thread is in or has been in last; UInt64.max without one.
  let sleepsUntil = Atomic<UInt64>(.max)
  /// Whether the controller may take edges itself: no collector of the thread can hang.
  let lendsEdges: Bool
  /// Of the thread's CPU time, for others to read.
  private(set) var clock: clockid_t = 0
  /// No frame that starts before this is still to come; UInt64.max while parked.
  let floor = Atomic<UInt64>(.max)
  /// The stream of the last acquisition that was begun.
  let reading = Atomic<UInt16>(0)
  /// All deadlines up to the limit have passed.
  let finished = Atomic<Bool>(false)

  private let priority: SchedulingPriority
  private let drain: Signal
  let streams: UnsafeMutableBufferPointer<StreamState>
  /// The first deadline index at which each stream is due again, UInt64.max for one that is
  /// disabled, or has nothing to read in this bracket.
  let due: UnsafeMutableBufferPointer<UInt64>
  let mailboxes: [Mailbox]
  /// Something is in a mailbox, or a larger ring is there.
  let hasMail = Atomic<Bool>(false)
  /// A larger ring, unmanaged: the drain keeps it until it is taken.
  let nextRing = Atomic<UInt>(0)
  /// The ring's writing end, in memory of its own rather than a property: a tick then meets no
  /// exclusivity check.
  let producer: UnsafeMutablePointer<RingProducer>
  /// Free words of the ring below which the drain is woken.
  var wakeRoom: Int
  /// Words that had been written when the drain was woken last, since it was behind.
  var wokenAt: UInt64?
  private let wakesEveryTick: Bool
  /// Records offered to the ring, those dropped included, and those that found no room.
  var pushed: UInt64 = 0
  var dropped: UInt64 = 0
  /// The share of one CPU that the process may use, 0 for no bound.
  let budget: Double
  /// Whether there is anything to keep: a budget, or a stream's own limit.
  private let hasBounds: Bool
  let cadences: CadenceBoard
  var checkedAt: UInt64 = 0
  var cpuAtCheck: UInt64 = 0

  /// Filled in by the thread before it acknowledges.
  private(set) var setupFailure: SystemError?
  private(set) var ticks = TickLedger()
  /// CPU time of the thread from the opening to the closing edge, and of the controller for those
  /// that it took.
  private var threadNanoseconds: UInt64 = 0
  var edgeNanoseconds: UInt64 = 0
  private(set) var openStart: UInt64 = 0
  private(set) var closeEnd: UInt64 = 0
  private var cpuAtOpen: UInt64 = 0
  var nextIndex: UInt64 = 1
  private var edge = BracketEdge.none

  /// What a thread is made of.
  struct Parts: ~Copyable {
    var streams: [StreamState]
    var mailboxes: [Mailbox]
    var producer: RingProducer
    /// Words of the ring that may fill before the drain is woken.
    var wakeFill: Int
    var wakesEveryTick: Bool
    var budget: Double
    var lendsEdges: Bool
  }

  init(
    index: Int, cpu: Int?, priority: SchedulingPriority, _ parts: consuming Parts, drain: Signal
  ) {
    budget = parts.budget
    lendsEdges = parts.lendsEdges
    hasBounds = parts.budget > 0 || parts.streams.contains { $0.costLimit > 0 }
    cadences = CadenceBoard(parts.streams.map(\.cadence))
    self.index = index
    self.cpu = cpu
    self.priority = priority
    self.drain = drain
    time = drain.time
    unsafe streams = .allocate(capacity: parts.streams.count)
    _ = unsafe streams.initialize(from: parts.streams)
    unsafe due = .allocate(capacity: parts.streams.count)
    unsafe due.initialize(repeating: 1)
    mailboxes = parts.mailboxes
    wakesEveryTick = parts.wakesEveryTick
    let wakeFill = parts.wakeFill
    unsafe producer = .allocate(capacity: 1)
    unsafe producer.initialize(to: parts.producer)
    unsafe wakeRoom = producer.pointee.capacity - wakeFill
  }

  deinit {
    unsafe streams.deinitialize()
    unsafe streams.deallocate()
    unsafe due.deallocate()
    unsafe producer.deinitialize(count: 1)
    unsafe producer.deallocate()
  }

  /// What sampling cost since the bracket was opened. After `close`.
  var cpuNanoseconds: UInt64 { threadNanoseconds &+ edgeNanoseconds }

  /// Records offered to and refused by the ring so far. For the controller, while parked.
  var ringCounts: (pushed: UInt64, dropped: UInt64) { (pushed, dropped) }

  /// The session's number of the thread's stream number `index`; fixed at launch.
  func stream(_ index: Int) -> UInt16 { unsafe streams[index].stream }

  /// Counts and last outcome by stream. For the controller, while parked or at an edge.
  func withStreams<R>(_ body: (Span<StreamState>) -> R) -> R {
    unsafe body(UnsafeBufferPointer(streams).span)
  }

  // MARK: Whoever has the turn

  func main() {
    do throws(SystemError) {
      try prepare()
    } catch {
      setupFailure = error
    }
    acknowledge(0)
    if setupFailure != nil { return }
    var seen: UInt32 = 0
    while true {
      let current = command.load()
      if current == seen {
        // In order with the command: either the controller sees that nothing but it ends this
        // sleep, or the sleep does not begin.
        sleepsUntil.store(.max, ordering: .sequentiallyConsistent)
        time.wait(command, whileEqualTo: seen, until: Futex.forever)
        continue
      }
      seen = current
      let operation = Operation(command: current)
      switch operation {
      case .open:
        openBracket()
        turn.store(.sleeping, ordering: .releasing)
      case .sample: break
      case .retryEdge: retryEdge()
      case .close, .park:
        closeBracket(sampling: operation == .close)
        turn.store(.controller, ordering: .releasing)
      case .exit: break
      }
      // An opening edge that must be taken again is gone on from just as well.
      let isSampling =
        operation == .open || operation == .sample || operation == .retryEdge && edge == .open
      if operation != .sample { acknowledge(current) }
      if operation == .exit { return }
      if isSampling { sampleUntilCommanded(seen) }
    }
  }

  private func acknowledge(_ value: UInt32) {
    acknowledged.store(value)
    time.wakeAll(acknowledged)
  }

  private func prepare() throws(SystemError) {
    if let cpu { try CPUSet([cpu]).applyToThisThread() }
    try SystemThread.setTimerSlack(nanoseconds: 1)
    try priority.applyToThisThread()
    _ = unsafe pthread_getcpuclockid(pthread_self(), &clock)
  }

  /// Takes the opening edge. For whoever has the turn.
  func openBracket() {
    checkedAt = time.monotonic()
    if hasBounds { cpuAtCheck = time.processCPU() }
    ticks = TickLedger()
    nextIndex = 1
    finished.store(false, ordering: .relaxed)
    cpuAtOpen = Clock.read(clock)
    openMail()
    for index in unsafe streams.indices {
      // Every bracket begins as it was asked for: repetitions are to be alike.
      unsafe streams[index].cadence = streams[index].askedCadence
      cadences[index] = unsafe streams[index].cadence
      unsafe streams[index].spent = 0
      unsafe streams[index].counts = StreamCounts()
      unsafe streams[index].edgeOutcome = .complete
      unsafe due[index] = streams[index].isRead ? streams[index].cadence : .max
    }
    // Relaxed: the drain's ceiling holds everything back until the edge has been taken.
    floor.store(bracket.base, ordering: .relaxed)
    openStart = time.monotonic()
    edge = .open
    takeEdge(onlyFailed: false, at: openStart)
  }

  private func retryEdge() { takeEdge(onlyFailed: true, at: time.monotonic()) }

  /// Takes the closing edge, if wanted, and ends the account. For whoever has the turn.
  func closeBracket(sampling: Bool) {
    let now = time.monotonic()
    let elapsed = (now &- bracket.base) / bracket.interval
    if nextIndex &- 1 > elapsed {
      // Deadlines that nothing was due at were counted before they came.
      ticks.onTime &-= nextIndex &- 1 &- elapsed
      nextIndex = elapsed &+ 1
    }
    ticks.deadlines = min(bracket.limit, elapsed)
    ticks.skipped &+= ticks.deadlines &- (nextIndex &- 1)
    nextIndex = ticks.deadlines &+ 1
    if sampling {
      edge = .close
      takeEdge(onlyFailed: false, at: now)
    }
    // Release: partner of the drain's acquire; all frames of the bracket are published.
    floor.store(.max, ordering: .releasing)
    threadNanoseconds = Clock.read(clock) &- cpuAtOpen
  }

  private func takeEdge(onlyFailed: Bool, at start: UInt64) {
    openMail()
    var now = start
    for index in unsafe streams.indices where unsafe due[index] != .max {
      if onlyFailed, unsafe !streams[index].edgeOutcome.needsRearm { continue }
      // An opening edge that is taken again comes behind the idle deadlines that were passed over.
      let passed = edge == .open ? 0 : nextIndex &- 1
      now = acquire(index, edge: edge, deadlineIndex: passed, deadline: start, at: now)
      unsafe streams[index].edgeOutcome = streams[index].lastOutcome
      unsafe streams[index].edgeArming = streams[index].arming
    }
    unsafe producer.pointee.publish()
    closeEnd = now
  }

  /// The sampling loop: returns when the command word no longer holds `seen`, when the controller
  /// has taken over, or at the limit.
  private func sampleUntilCommanded(_ seen: UInt32) {
    guard passTurn(from: .sleeping, to: .thread) else { return }
    if sampleInTurn(seen) { turn.store(.sleeping, ordering: .releasing) }
  }

  /// Gives whether the thread has the turn still.
  private func sampleInTurn(_ seen: UInt32) -> Bool {
    let number = bracket.number
    let base = bracket.base
    let interval = bracket.interval
    var now = time.monotonic()
    while nextIndex <= bracket.limit {
      passIdleTicks()
      var deadline = nextDeadline
      // Release: partner of the drain's acquire: what starts before this is published.
      floor.store(deadline, ordering: .releasing)
      if now < deadline {
        guard let woken = sleep(until: deadline, unless: seen, bracket: number) else {
          return !lendsEdges
        }
        now = woken
      } else if command.load() != seen {
        return true
      }
      if now &- deadline >= interval {
        let latest = (now &- base) / interval
        // One behind the limit stands for "all of them".
        let passed = latest > bracket.limit ? bracket.limit &+ 1 : latest
        ticks.skipped &+= passed &- nextIndex
        nextIndex = passed
        if nextIndex > bracket.limit { break }
        deadline = base &+ nextIndex &* interval
      }
      let lateness = now &- deadline
      if lateness &* 2 <= interval { ticks.onTime &+= 1 } else { ticks.late &+= 1 }
      ticks.latenessMaximum = max(ticks.latenessMaximum, lateness)
      // Relaxed: a flag only; what it stands for is read in order.
      if hasMail.load(ordering: .relaxed) { openMail() }
      var hasGap = false
      for index in unsafe due.indices where unsafe due[index] <= nextIndex {
        let cadence = unsafe streams[index].cadence
        let next = unsafe due[index] &+ cadence
        // Behind skipped deadlines the next multiple is further away.
        unsafe due[index] = next > nextIndex ? next : (nextIndex / cadence &+ 1) &* cadence
        now = acquire(index, edge: .none, deadlineIndex: nextIndex, deadline: deadline, at: now)
        if unsafe streams[index].lastOutcome.needsRearm { hasGap = true }
      }
      unsafe producer.pointee.publish()
      closeEnd = now
      nextIndex &+= 1
      if hasBounds, now &- checkedAt >= Self.checkInterval { keepBounds(now) }
      if wakesEveryTick || hasGap {
        floor.store(base &+ nextIndex &* interval, ordering: .releasing)
        drain.wake()
      } else if unsafe producer.pointee.reservable < wakeRoom {
        wakeIfBehind(base &+ nextIndex &* interval)
      }
    }
    ticks.deadlines = bracket.limit
    // Release: partner of the drain's acquire; the last frames are published.
    floor.store(.max, ordering: .releasing)
    finished.store(true, ordering: .releasing)
    drain.wake()
    return true
  }

  /// Wakes the drain when the ring is really as full as it seems: once, and again for each further
  /// sixteenth of it. Everything that starts before `next` is published: the drain is to take it
  /// all.
  @inline(never)
  private func wakeIfBehind(_ next: UInt64) {
    guard unsafe producer.pointee.refill() < wakeRoom else {
      wokenAt = nil
      return
    }
    let step = unsafe producer.pointee.capacity / 16
    let written = unsafe producer.pointee.written
    if let wokenAt, written &- wokenAt < UInt64(step) { return }
    wokenAt = written
    floor.store(next, ordering: .releasing)
    drain.wake()
  }

  /// Sleeps, without the turn where edges are lent, and gives the time; nil, and still without it,
  /// when a command has come or the controller has closed the bracket.
  @inline(__always)
  private func sleep(
    until deadline: UInt64, unless seen: UInt32, bracket number: UInt32
  ) -> UInt64? {
    var now: UInt64
    if lendsEdges {
      // In order with the command, as when parked.
      sleepsUntil.store(deadline, ordering: .sequentiallyConsistent)
      turn.store(.sleeping, ordering: .releasing)
    }
    repeat {
      time.wait(command, whileEqualTo: seen, until: deadline)
      if command.load() != seen { return nil }
      now = time.monotonic()
    } while now < deadline
    guard lendsEdges else { return now }
    guard passTurn(from: .sleeping, to: .thread) else { return nil }
    if command.load() == seen, bracket.number == number { return now }
    // It is the next bracket's, whose command is on its way.
    turn.store(.sleeping, ordering: .releasing)
    return nil
  }

  /// CLOCK_MONOTONIC of the next deadline that is waited for; UInt64.max where there is none.
  @inline(__always)
  var nextDeadline: UInt64 {
    nextIndex == .max ? .max : bracket.base &+ nextIndex &* bracket.interval
  }

  /// Deadlines at which nothing is due are slept through. The limit's own is waited for; without
  /// one, and with every stream disabled, the thread sleeps until it is told something.
  @inline(__always)
  func passIdleTicks() {
    var earliest = bracket.limit
    for index in unsafe due.indices { earliest = min(earliest, unsafe due[index]) }
    guard earliest > nextIndex else { return }
    ticks.onTime &+= earliest &- nextIndex
    nextIndex = earliest
  }
}
