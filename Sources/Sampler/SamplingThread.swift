import LinuxSystem
import SampleModel
import SampleRing
import Synchronization

/// One pinned thread that reads its collectors at absolute deadlines into its ring.
///
/// It is parked, or it samples. A command moves it: the controller writes the parameters, bumps
/// the command word and waits for the same number in the acknowledged word. Between start and
/// stop it waits in one futex call on the command word with the deadline, and makes no other
/// system calls than its collectors'.
@safe
final class SamplingThread: @unchecked Sendable {
  // Sendable: parameters and results change hands at the command and acknowledged words only.

  let index: Int
  let cpu: Int?
  /// Set before `open`; read by the thread after the command word.
  var bracket = Bracket()
  /// Atomic: a thread that hangs is told to end before it has answered.
  let operation = Atomic<Operation>(.park)
  private let command = FutexWord()
  private let acknowledged = FutexWord()
  private var sent: UInt32 = 0
  private var thread: SystemThread?
  /// No frame that starts before this is still to come; UInt64.max while parked.
  let floor = Atomic<UInt64>(.max)
  /// The stream of the last acquisition that was begun.
  let reading = Atomic<UInt16>(0)
  /// All deadlines up to the limit have passed.
  let finished = Atomic<Bool>(false)

  private let priority: SchedulingPriority
  private let drainWord: DrainSignal
  let streams: UnsafeMutableBufferPointer<StreamState>
  private let mailboxes: [Mailbox]
  let scratch: Mapping
  var producer: RingProducer
  private var wakeFill: Int
  private let wakesEveryTick: Bool
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
  private(set) var cpuNanoseconds: UInt64 = 0
  private(set) var openStart: UInt64 = 0
  private(set) var closeEnd: UInt64 = 0
  private var cpuAtOpen: UInt64 = 0
  var nextIndex: UInt64 = 1

  init(
    index: Int, cpu: Int?, priority: SchedulingPriority, streams: [StreamState],
    mailboxes: [Mailbox], scratch: Mapping, producer: consuming RingProducer, wakeFill: Int,
    wakesEveryTick: Bool, budget: Double, drain: DrainSignal
  ) {
    self.budget = budget
    hasBounds = budget > 0 || streams.contains { $0.costLimit > 0 }
    cadences = CadenceBoard(streams.map(\.cadence))
    self.index = index
    self.cpu = cpu
    self.priority = priority
    unsafe self.streams = .allocate(capacity: streams.count)
    _ = unsafe self.streams.initialize(from: streams)
    self.mailboxes = mailboxes
    self.scratch = scratch
    self.producer = producer
    self.wakeFill = wakeFill
    self.wakesEveryTick = wakesEveryTick
    drainWord = drain
  }

  deinit {
    unsafe streams.deinitialize()
    unsafe streams.deallocate()
  }

  // MARK: The controller's side

  /// Starts the pthread and waits until it is parked.
  func launch(stack: Mapping) throws(SystemError) {
    let thread = try SystemThread(name: "lb-sample-\(index)", stack: stack) { [unowned self] in
      main()
    }
    self.thread = thread
    _ = awaitAcknowledged(1, until: Futex.forever)
    sent = 0
    if let setupFailure {
      thread.join()
      throw setupFailure
    }
  }

  /// Hands over `operation` without waiting.
  func send(_ operation: Operation) {
    self.operation.store(operation, ordering: .relaxed)
    sent &+= 1
    command.bump()
  }

  /// Waits until what was sent last is done; false when it is not within `limit` nanoseconds.
  func awaitDone(within limit: UInt64) -> Bool {
    awaitAcknowledged(sent &+ 1, until: Clock.monotonic() &+ limit)
  }

  /// Ends the thread and waits for it; false when it does not end within `limit` nanoseconds: it
  /// then hangs in an acquisition, and everything that it uses must stay.
  func shutDown(within limit: UInt64) -> Bool {
    guard let thread else { return true }
    send(.exit)
    guard awaitDone(within: limit) else {
      thread.detach()
      return false
    }
    thread.join()
    self.thread = nil
    return true
  }

  private func awaitAcknowledged(_ value: UInt32, until deadline: UInt64) -> Bool {
    while true {
      let seen = acknowledged.load()
      if seen == value { return true }
      if Clock.monotonic() >= deadline { return false }
      Futex.wait(acknowledged, whileEqualTo: seen, until: deadline)
    }
  }

  /// Messages offered to and refused by the ring so far. For the controller, while parked.
  var ringCounts: (pushed: UInt64, dropped: UInt64) { (producer.pushed, producer.dropped) }

  /// Another ring from the next bracket on. For the controller, while parked and drained.
  func replaceRing(_ producer: consuming RingProducer, wakeFill: Int) {
    self.producer = producer
    self.wakeFill = wakeFill
  }

  /// Reads this stream no more. For the controller, while parked.
  func disable(_ index: Int) { unsafe streams[index].isDisabled = true }

  /// The session's number of the thread's stream number `index`; fixed at launch.
  func stream(_ index: Int) -> UInt16 { unsafe streams[index].stream }

  /// Counts and last outcome by stream. For the controller, while parked or at an edge.
  func withStreams<R>(_ body: (Span<StreamState>) -> R) -> R {
    unsafe body(UnsafeBufferPointer(streams).span)
  }

  // MARK: The thread's side

  private func main() {
    do throws(SystemError) {
      try prepare()
    } catch {
      setupFailure = error
      acknowledged.bump()
      return
    }
    acknowledged.bump()
    var seen: UInt32 = 0
    while true {
      let current = command.load()
      if current == seen {
        Futex.wait(command, whileEqualTo: seen, until: Futex.forever)
        continue
      }
      seen = current
      // Relaxed: the command word orders it.
      let operation = operation.load(ordering: .relaxed)
      switch operation {
      case .open: openBracket()
      case .retryEdge: retryEdge()
      case .close: closeBracket(sampling: true)
      case .park: closeBracket(sampling: false)
      case .exit:
        acknowledged.bump()
        return
      }
      // An opening edge that must be taken again is gone on from just as well.
      let isSampling = operation == .open || operation == .retryEdge && edge == .open
      acknowledged.bump()
      if isSampling { sampleUntilCommanded(seen) }
    }
  }

  private func prepare() throws(SystemError) {
    if let cpu { try CPUSet([cpu]).applyToThisThread() }
    try SystemThread.setTimerSlack(nanoseconds: 1)
    try priority.applyToThisThread()
  }

  private func openBracket() {
    checkedAt = Clock.monotonic()
    cpuAtCheck = Clock.processCPU()
    ticks = TickLedger()
    nextIndex = 1
    finished.store(false, ordering: .relaxed)
    cpuAtOpen = Clock.threadCPU()
    for index in unsafe streams.indices {
      // Every bracket begins as it was asked for: repetitions are to be alike.
      unsafe streams[index].cadence = streams[index].askedCadence
      cadences[index] = unsafe streams[index].cadence
      unsafe streams[index].spent = 0
      unsafe streams[index].counts = StreamCounts()
      unsafe streams[index].nextDue = streams[index].isDisabled ? .max : streams[index].cadence
    }
    // Relaxed: the command word orders it for the drain, which runs a pass after the open.
    floor.store(bracket.base, ordering: .relaxed)
    openStart = Clock.monotonic()
    edge = .open
    takeEdge(onlyFailed: false, at: openStart)
  }

  private var edge = BracketEdge.none

  private func retryEdge() { takeEdge(onlyFailed: true, at: Clock.monotonic()) }

  private func closeBracket(sampling: Bool) {
    let now = Clock.monotonic()
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
    cpuNanoseconds = Clock.threadCPU() &- cpuAtOpen
  }

  private func takeEdge(onlyFailed: Bool, at time: UInt64) {
    fetchReplacements()
    var now = time
    for index in unsafe streams.indices where unsafe !streams[index].isDisabled {
      if onlyFailed, unsafe !streams[index].edgeOutcome.needsRearm { continue }
      now = acquire(index, edge: edge, deadlineIndex: nextIndex &- 1, deadline: time, at: now)
      unsafe streams[index].edgeOutcome = streams[index].lastOutcome
      unsafe streams[index].edgeEpoch = streams[index].epoch
    }
    producer.publish()
    closeEnd = now
  }

  /// The sampling loop: returns when the command word no longer holds `seen`, or at the limit.
  private func sampleUntilCommanded(_ seen: UInt32) {
    let base = bracket.base
    let interval = bracket.interval
    var wokenAtPush: UInt64 = 0
    while nextIndex <= bracket.limit {
      passIdleTicks()
      var deadline = base &+ nextIndex &* interval
      // Release: partner of the drain's acquire: what starts before this is published.
      floor.store(deadline, ordering: .releasing)
      var now = Clock.monotonic()
      while now < deadline {
        Futex.wait(command, whileEqualTo: seen, until: deadline)
        if command.load() != seen { return }
        now = Clock.monotonic()
      }
      if command.load() != seen { return }
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
      fetchReplacements()
      var gap = false
      for index in unsafe streams.indices where unsafe streams[index].nextDue <= nextIndex {
        let cadence = unsafe streams[index].cadence
        unsafe streams[index].nextDue = (nextIndex / cadence &+ 1) &* cadence
        now = acquire(
          index, edge: .none, deadlineIndex: nextIndex, deadline: deadline, at: now)
        if unsafe streams[index].lastOutcome.needsRearm { gap = true }
      }
      producer.publish()
      closeEnd = now
      nextIndex &+= 1
      if hasBounds, now &- checkedAt >= Self.checkInterval { keepBounds(now) }
      if wakesEveryTick || gap {
        floor.store(base &+ nextIndex &* interval, ordering: .releasing)
        drainWord.wake()
      } else if producer.pushed &- wokenAtPush >= 64 {
        wokenAtPush = producer.pushed
        if producer.fill() > wakeFill { drainWord.wake() }
      }
    }
    ticks.deadlines = bracket.limit
    // Release: partner of the drain's acquire; the last frames are published.
    floor.store(.max, ordering: .releasing)
    finished.store(true, ordering: .releasing)
    drainWord.wake()
  }

  /// Deadlines at which nothing is due are slept through. The limit's own is waited for.
  @inline(__always)
  private func passIdleTicks() {
    var due = bracket.limit
    for index in unsafe streams.indices { due = min(due, unsafe streams[index].nextDue) }
    guard due > nextIndex else { return }
    ticks.onTime &+= due &- nextIndex
    nextIndex = due
  }

  /// Takes newly armed collectors into use. Allocates nothing: the old ones wait in the table.
  @inline(__always)
  private func fetchReplacements() {
    for index in unsafe streams.indices where mailboxes[index].isFull {
      guard let replacement = unsafe mailboxes[index].fetch() else { continue }
      unsafe replacement._withUnsafeGuaranteedRef {
        unsafe streams[index].armed = .passUnretained($0.armed)
        unsafe streams[index].epoch = $0.epoch
        unsafe streams[index].valueCount = $0.armed.columns.count
      }
    }
  }

  /// One acquisition of one collector into the ring; gives the time at its end.
  @inline(__always)
  private func acquire(
    _ index: Int, edge: BracketEdge, deadlineIndex: UInt64, deadline: UInt64, at start: UInt64
  ) -> UInt64 {
    let state = unsafe streams.baseAddress.unsafelyUnwrapped + index
    let headerWords = FrameHeader.wordCount
    // Safe: the scratch was sized for the largest layout of any of its streams at arm time, and
    // the stream table refuses a layout that outgrows it.
    let words = unsafe UnsafeMutableBufferPointer(
      start: scratch.memory.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt64.self),
      count: headerWords + state.pointee.valueCount)
    var values = unsafe UnsafeMutableBufferPointer(rebasing: words[headerWords...]).mutableSpan
    // Relaxed: it says where a thread hangs that does not answer, and orders nothing.
    reading.store(unsafe state.pointee.stream, ordering: .relaxed)
    let outcome = unsafe state.pointee.armed._withUnsafeGuaranteedRef {
      $0.edge = edge
      return $0.sample(into: &values)
    }
    let end = Clock.monotonic()
    let header = unsafe FrameHeader(
      outcome: outcome, edge: edge, stream: state.pointee.stream, epoch: state.pointee.epoch,
      bracket: bracket.number, deadlineIndex: deadlineIndex, deadline: deadline, start: start,
      end: end)
    var front = unsafe words.mutableSpan
    header.encode(into: &front)
    let message = unsafe UnsafeBufferPointer(
      start: words.baseAddress, count: outcome == .complete ? words.count : headerWords)
    _ = unsafe producer.push(message.span)
    unsafe state.pointee.lastOutcome = outcome
    unsafe state.pointee.counts.acquisitions &+= 1
    unsafe state.pointee.counts.nanoseconds &+= end &- start
    unsafe state.pointee.spent &+= end &- start
    unsafe state.pointee.counts.systemCalls &+= state.pointee.armed._withUnsafeGuaranteedRef {
      $0.systemCallsOfSample
    }
    if outcome != .complete {
      unsafe state.pointee.counts.gap(outcome)
    } else if unsafe state.pointee.recordWords > 0 {
      return unsafe pushRecords(state, header)
    }
    return end
  }
}
