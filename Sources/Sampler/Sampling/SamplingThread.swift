import Glibc
import LinuxSystem
import SampleModel
import SampleRing
import Synchronization

/// One pinned thread that reads its collectors at absolute deadlines into its ring.
///
/// It is parked or it samples. Commands change its state: the controller writes the parameters,
/// stores the next command word and waits for the same value in the acknowledged word. Between
/// start and stop it waits in one futex call on the command word with the deadline. Apart from that
/// and its collectors' calls it makes one more system call, to wake a drain whose ring fills.
///
/// The streams, the ring's producer and the ticks belong to the thread that `owner` names, so that
/// the controller can take an edge itself while the sampling thread sleeps: that saves two context
/// switches.
@safe
final class SamplingThread: @unchecked Sendable {
  // Sendable: ownership of parameters and results changes only at the command word, the
  // acknowledged word and `owner`.

  let index: Int
  let cpu: Int?
  let time: TimeSource
  /// Set before `open`; read by the thread after the command word or as the owner.
  var bracket = Bracket()
  /// An `Operation` with the number of the command above it.
  let command = FutexWord()
  /// The last command that was completed.
  let acknowledged = FutexWord(.max)
  /// The controller's: the last command sent, and the last one whose acknowledgement is awaited.
  var sent: UInt32 = 0
  var awaited: UInt32?
  /// The thread did not answer: the session continues without it, and checks again before each
  /// bracket.
  let isUnresponsive = Atomic<Bool>(false)
  var thread: SystemThread?
  /// Which thread may access the state shared by the thread and the controller.
  let owner = Atomic<Owner>(.controller)
  /// The deadline of the present or last sleep; UInt64.max without one.
  let sleepsUntil = Atomic<UInt64>(.max)
  /// Whether the controller takes edges itself: no collector of the thread can block.
  let samplesEdgesOnCaller: Bool
  /// The clock of the thread's CPU time, for other threads to read.
  private(set) var clock: clockid_t = 0
  /// All frames that start before this time are published; UInt64.max while parked.
  let lowWatermark = Atomic<UInt64>(.max)
  /// The stream of the last acquisition begun.
  let reading = Atomic<UInt16>(0)
  /// All deadlines up to the limit have passed.
  let finished = Atomic<Bool>(false)

  private let priority: SchedulingPriority
  private let drain: Signal
  let streams: UnsafeMutableBufferPointer<StreamState>
  /// The index of each stream's next deadline, UInt64.max for a stream that is disabled or has
  /// nothing to read in this bracket.
  let due: UnsafeMutableBufferPointer<UInt64>
  let mailboxes: [Mailbox]
  /// A mailbox is not empty, or there is a larger ring.
  let hasMail = Atomic<Bool>(false)
  /// A larger ring, unmanaged: the drain keeps it alive until it is adopted.
  let nextRing = Atomic<UInt>(0)
  /// The ring's producer, in memory of its own rather than a property: this avoids exclusivity
  /// checks in the tick.
  let producer: UnsafeMutablePointer<RingProducer>
  /// Free words of the ring at which the drain is woken.
  var wakeRoom: Int
  /// Words written when the drain was last woken because the ring was filling.
  var wokenAt: UInt64?
  private let wakesEveryTick: Bool
  /// Records offered to the ring, and those of them that were dropped for lack of room.
  var pushed: UInt64 = 0
  var dropped: UInt64 = 0
  /// The share of one CPU that the process may use, 0 for no limit.
  let budget: Double
  /// Whether a budget or a stream's own limit must be kept.
  private let hasBounds: Bool
  let cadences: CadenceBoard
  var checkedAt: UInt64 = 0
  var cpuAtCheck: UInt64 = 0

  /// Written by the thread before it acknowledges.
  private(set) var setupFailure: SystemError?
  private(set) var ticks = TickLedger()
  /// The counts of the present bracket while it lasts, for other threads.
  let published = PublishedCounts()
  /// CPU time of the thread from the opening to the closing edge, and of the controller for the
  /// edges that it took.
  private var threadNanoseconds: UInt64 = 0
  var edgeNanoseconds: UInt64 = 0
  private(set) var openStart: UInt64 = 0
  private(set) var closeEnd: UInt64 = 0
  private var cpuAtOpen: UInt64 = 0
  var nextIndex: UInt64 = 1
  private var edge = BracketEdge.none

  /// The arguments of a thread's initialiser.
  struct Parts: ~Copyable {
    var streams: [StreamState]
    var mailboxes: [Mailbox]
    var producer: RingProducer
    /// Words in the ring at which the drain is woken.
    var wakeFill: Int
    var wakesEveryTick: Bool
    var budget: Double
    var samplesEdgesOnCaller: Bool
  }

  init(
    index: Int, cpu: Int?, priority: SchedulingPriority, _ parts: consuming Parts, drain: Signal
  ) {
    budget = parts.budget
    samplesEdgesOnCaller = parts.samplesEdgesOnCaller
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

  /// CPU time of sampling since the bracket was opened. After `close`.
  var cpuNanoseconds: UInt64 { threadNanoseconds &+ edgeNanoseconds }

  /// Records offered to and refused by the ring so far. For the controller, while parked.
  var ringCounts: (pushed: UInt64, dropped: UInt64) { (pushed, dropped) }

  /// The session's number of the thread's stream number `index`; fixed at launch.
  func stream(_ index: Int) -> UInt16 { unsafe streams[index].stream }

  /// Counts and last outcome by stream. For the controller, while parked or at an edge.
  func withStreams<R>(_ body: (Span<StreamState>) -> R) -> R {
    unsafe body(UnsafeBufferPointer(streams).span)
  }

  // MARK: On the owner's thread

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
        // Sequentially consistent with the command word: either the controller sees that it must
        // end this sleep, or the sleep does not begin.
        sleepsUntil.store(.max, ordering: .sequentiallyConsistent)
        time.wait(command, whileEqualTo: seen, until: Futex.forever)
        continue
      }
      seen = current
      let operation = Operation(command: current)
      switch operation {
      case .open:
        openBracket()
        owner.store(.sleeping, ordering: .releasing)
      case .sample: break
      case .retryEdge: retryEdge()
      case .close, .park:
        closeBracket(sampling: operation == .close)
        owner.store(.controller, ordering: .releasing)
      case .exit: break
      }
      // Sampling also begins after a retried opening edge.
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

  /// Takes the opening edge. On the owner's thread.
  func openBracket() {
    checkedAt = time.monotonic()
    if hasBounds { cpuAtCheck = time.processCPU() }
    ticks = TickLedger()
    nextIndex = 1
    finished.store(false, ordering: .relaxed)
    cpuAtOpen = Clock.read(clock)
    openMail()
    for index in unsafe streams.indices {
      // Every bracket begins with the configured cadences, so that repetitions are alike.
      unsafe streams[index].cadence = streams[index].askedCadence
      cadences[index] = unsafe streams[index].cadence
      unsafe streams[index].spent = 0
      unsafe streams[index].counts = StreamCounts()
      unsafe streams[index].edgeOutcome = .complete
      unsafe due[index] = streams[index].isRead ? streams[index].cadence : .max
    }
    // Relaxed: the drain's maximum watermark withholds all frames until the edge has been taken.
    lowWatermark.store(bracket.base, ordering: .relaxed)
    openStart = time.monotonic()
    edge = .open
    takeEdge(onlyFailed: false, at: openStart)
  }

  private func retryEdge() { takeEdge(onlyFailed: true, at: time.monotonic()) }

  /// Takes the closing edge if `sampling`, and ends the account. On the owner's thread.
  func closeBracket(sampling: Bool) {
    let now = time.monotonic()
    let elapsed = (now &- bracket.base) / bracket.interval
    if nextIndex &- 1 > elapsed {
      // Idle deadlines were counted in advance.
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
    // Release: pairs with the drain's acquire; all frames of the bracket are published.
    lowWatermark.store(.max, ordering: .releasing)
    threadNanoseconds = Clock.read(clock) &- cpuAtOpen
  }

  private func takeEdge(onlyFailed: Bool, at start: UInt64) {
    openMail()
    var now = start
    for index in unsafe streams.indices where unsafe due[index] != .max {
      if onlyFailed, unsafe !streams[index].edgeOutcome.needsRearm { continue }
      // A retried opening sample is numbered after the idle deadlines already skipped.
      let passed = edge == .open ? 0 : nextIndex &- 1
      now = acquire(index, edge: edge, deadlineIndex: passed, deadline: start, at: now)
      unsafe streams[index].edgeOutcome = streams[index].lastOutcome
      unsafe streams[index].edgeArming = streams[index].arming
    }
    unsafe producer.pointee.publish()
    closeEnd = now
  }

  /// The sampling loop: returns when the command word no longer holds `seen`, when the controller
  /// has taken ownership, or at the limit.
  private func sampleUntilCommanded(_ seen: UInt32) {
    guard transferOwnership(from: .sleeping, to: .thread) else { return }
    if sampleAsOwner(seen) { owner.store(.sleeping, ordering: .releasing) }
  }

  /// Returns whether the thread is still the owner.
  private func sampleAsOwner(_ seen: UInt32) -> Bool {
    let number = bracket.number
    let base = bracket.base
    let interval = bracket.interval
    var now = time.monotonic()
    while nextIndex <= bracket.limit {
      passIdleTicks()
      var deadline = nextDeadline
      // Release: pairs with the drain's acquire; all frames that start before this are published.
      lowWatermark.store(deadline, ordering: .releasing)
      if now < deadline {
        guard let woken = sleep(until: deadline, unless: seen, bracket: number) else {
          return !samplesEdgesOnCaller
        }
        now = woken
      } else if command.load() != seen {
        return true
      }
      if now &- deadline >= interval {
        let latest = (now &- base) / interval
        // The limit plus one means that all deadlines have passed.
        let passed = latest > bracket.limit ? bracket.limit &+ 1 : latest
        ticks.skipped &+= passed &- nextIndex
        nextIndex = passed
        if nextIndex > bracket.limit { break }
        deadline = base &+ nextIndex &* interval
      }
      let lateness = now &- deadline
      if lateness &* 2 <= interval { ticks.onTime &+= 1 } else { ticks.late &+= 1 }
      ticks.latenessMaximum = max(ticks.latenessMaximum, lateness)
      // Relaxed: only a hint; `openMail` orders the contents.
      if hasMail.load(ordering: .relaxed) { openMail() }
      var hasGap = false
      for index in unsafe due.indices where unsafe due[index] <= nextIndex {
        let cadence = unsafe streams[index].cadence
        let next = unsafe due[index] &+ cadence
        // After skipped deadlines: the next multiple of the cadence.
        unsafe due[index] = next > nextIndex ? next : (nextIndex / cadence &+ 1) &* cadence
        now = acquire(index, edge: .none, deadlineIndex: nextIndex, deadline: deadline, at: now)
        if unsafe streams[index].lastOutcome.needsRearm { hasGap = true }
      }
      unsafe producer.pointee.publish()
      closeEnd = now
      published.store(ticks, pushed: pushed, dropped: dropped)
      nextIndex &+= 1
      if hasBounds, now &- checkedAt >= Self.checkInterval { keepBounds(now) }
      if wakesEveryTick || hasGap {
        lowWatermark.store(base &+ nextIndex &* interval, ordering: .releasing)
        drain.wake()
      } else if unsafe producer.pointee.reservable < wakeRoom {
        wakeIfBehind(base &+ nextIndex &* interval)
      }
    }
    ticks.deadlines = bracket.limit
    // Release: pairs with the drain's acquire; the last frames are published.
    lowWatermark.store(.max, ordering: .releasing)
    finished.store(true, ordering: .releasing)
    drain.wake()
    return true
  }

  /// Wakes the drain if the ring is still filling after the consumer's position was read again:
  /// once, and again for each further sixteenth of the ring. All frames that start before `next`
  /// are published, so the drain takes them all.
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
    lowWatermark.store(next, ordering: .releasing)
    drain.wake()
  }

  /// Sleeps until `deadline` and returns the time. Where the controller may take edges, ownership
  /// is given up meanwhile. Nil, and without ownership, if a command came or the controller closed
  /// the bracket.
  @inline(__always)
  private func sleep(
    until deadline: UInt64, unless seen: UInt32, bracket number: UInt32
  ) -> UInt64? {
    var now: UInt64
    if samplesEdgesOnCaller {
      // Sequentially consistent with the command word, as when parked.
      sleepsUntil.store(deadline, ordering: .sequentiallyConsistent)
      owner.store(.sleeping, ordering: .releasing)
    }
    repeat {
      time.wait(command, whileEqualTo: seen, until: deadline)
      if command.load() != seen { return nil }
      now = time.monotonic()
    } while now < deadline
    guard samplesEdgesOnCaller else { return now }
    guard transferOwnership(from: .sleeping, to: .thread) else { return nil }
    if command.load() == seen, bracket.number == number { return now }
    // Woken into the next bracket, whose command has not been stored yet: give ownership back.
    owner.store(.sleeping, ordering: .releasing)
    return nil
  }

  /// Skips deadlines at which nothing is due. The last one is waited for; without a limit, and with
  /// every stream disabled, the thread sleeps until a command comes.
  @inline(__always)
  func passIdleTicks() {
    var earliest = bracket.limit
    for index in unsafe due.indices { earliest = min(earliest, unsafe due[index]) }
    guard earliest > nextIndex else { return }
    ticks.onTime &+= earliest &- nextIndex
    nextIndex = earliest
  }
}
