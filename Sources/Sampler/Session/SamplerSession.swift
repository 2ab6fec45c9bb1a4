import Glibc
import LinuxSystem
package import SampleModel
import SampleRing
import Synchronization

/// A set of collectors on their sampling threads, armed once and bracketed many times.
///
/// Order of calls: `arm`, then `start` and `stop` in pairs, then `disarm`. What starts last stops
/// first. `start` returns when the opening samples are taken, `stop` when everything up to the
/// closing ones has reached the sinks.
package final class SamplerSession {
  let configuration: SamplerConfiguration
  let requests: [CollectorRequest]
  let sinks: [any SampleSink]
  let signal: Signal
  let time: TimeSource
  let table: StreamTable
  let worker: ArmingWorker
  var drain: Drain?
  var threads: [SamplingThread] = []
  /// Bytes that are locked in memory beside the rings'.
  var stacksLocked: UInt64 = 0
  /// The last bracket's.
  package private(set) var bracketNumber: UInt32 = 0
  private let resident = ResidentMemory()
  private var before = Baseline()
  var edgeFailure: LBError?
  /// A required collector is read no more.
  var lostFailure: LBError?
  /// A sampling thread has not answered: the session is of no more use but to be disarmed.
  package internal(set) var isSilent = false
  /// Streams that hold nothing of their source, until `resume`.
  var suspended: [(stream: UInt16, arming: UInt32)] = []
  /// Nothing was sampled since the drain last delivered everything.
  var isDrained = false
  /// How long the last start took, in nanoseconds.
  private var startNanoseconds: UInt64 = 0

  /// Counts at the start of a bracket, to take off at its end.
  private struct Baseline: Sendable {
    var pushed: [UInt64] = []
    var drained: [UInt64] = []
    var dropped: [UInt64] = []
    var drainCPU: UInt64 = 0
    var processCPU: UInt64 = 0
    var written: UInt64 = 0
  }

  /// What was armed and what was not, after `arm`.
  package internal(set) var meta: StreamMeta?

  /// A session that will feed `sinks`.
  package init(
    _ configuration: SamplerConfiguration, requests: [CollectorRequest],
    sinks: [any SampleSink]
  ) {
    var configuration = configuration
    configuration.context.samplingCPUs = configuration.cpus
    self.configuration = configuration
    self.requests = requests
    self.sinks = sinks
    table = StreamTable(context: configuration.context, time: configuration.time)
    time = configuration.time
    signal = Signal(time)
    worker = ArmingWorker(time)
  }

  /// Readable when a sink failed or every deadline of the limit has passed. After `arm`.
  package var attentionDescriptor: Int32 { drain?.attention.pollDescriptor ?? -1 }

  /// The first failure of a sink, or of a required collector for good or at this bracket's edge.
  package var failure: LBError? { sinkFailure ?? lostFailure ?? edgeFailure }
  /// The first failure of a sink.
  package var sinkFailure: LBError? { drain?.failure }

  /// Whether every deadline of the limit has passed.
  package var isFinished: Bool {
    drain?.isOver.load(ordering: .acquiring) == true
      || threads.allSatisfy { $0.finished.load(ordering: .acquiring) }
  }

  /// The first sampling thread's CPU: who opens and closes brackets runs there.
  package var bracketCPU: Int? { threads.first?.cpu }

  // MARK: Bracket

  /// Takes the opening samples and begins to sample. Gives the bracket's number.
  package func start() throws(LBError) -> UInt32 {
    guard let drain, suspended.isEmpty else {
      throw LBError(.internal, "start before arm or resume")
    }
    guard !isSilent else {
      throw LBError(.metricCollection, "a sampling thread is blocked; nothing more can be sampled")
    }
    let called = time.monotonic()
    if !isDrained { try park(drain) }
    isDrained = false
    bracketNumber += 1
    edgeFailure = nil
    welcomeBack()
    before = drain.hold {
      drain.forgetCounts()
      return counts(drain)
    }
    let bracket = SamplingThread.Bracket(
      number: bracketNumber, base: openingBase(), interval: configuration.interval,
      limit: configuration.limit ?? .max)
    let last = configuration.limit.map { bracket.base &+ $0 &* configuration.interval }
    drain.lastDeadline.store(last ?? .max, ordering: .releasing)
    drain.isOver.store(false, ordering: .releasing)
    // The first thread's edge may be taken here: the others take theirs meanwhile.
    for thread in answering.reversed() { thread.open(bracket) }
    try awaitAll(within: configuration.answerLimit)
    try retryFailedEdges(within: configuration.answerLimit)
    drain.lift()
    startNanoseconds = time.monotonic() - called
    return bracketNumber
  }

  /// Takes the closing samples (unless `sampling` is false: the limit has been reached), drains
  /// everything and gives the account.
  package func stop(sampling: Bool) throws(LBError) -> BracketAccount {
    guard let drain else { throw LBError(.internal, "stop before arm") }
    let called = time.monotonic()
    drain.hold {}
    for thread in answering.reversed() { thread.close(sampling: sampling) }
    try awaitAll(within: configuration.answerLimit)
    if sampling { try retryFailedEdges(within: Self.closingPatience) }
    drain.lift()
    let closeEnd = answering.map(\.closeEnd).max() ?? 0
    let stopNanoseconds = time.monotonic() - called
    drain.flush()
    isDrained = true
    var account = account(drain, closeEnd: closeEnd)
    account.overhead.startNanoseconds = startNanoseconds
    account.overhead.stopNanoseconds = stopNanoseconds
    return account
  }

  /// Nanoseconds that a closing edge waits for a collector to be armed anew.
  private static let closingPatience: UInt64 = 150_000_000

  /// Threads, rings and collectors go, what came last first. Harmless when nothing is armed.
  package func disarm() {
    welcomeBack()
    var hanging = false
    for thread in threads.reversed()
    where !thread.shutDown(
      within: isSilent || thread.isLeftAlone.load(ordering: .relaxed)
        ? 0 : configuration.answerLimit)
    {
      hanging = true
    }
    drain?.shutDown()
    worker.shutDown()
    if hanging {
      // A thread that comes back still finds its ring and its descriptors: this session stays.
      _ = unsafe Unmanaged.passRetained(self)
      return
    }
    threads = []
    table.disarmAll()
  }

  /// A collector whose layout changed just at an edge is armed anew and read again: without its
  /// edge value a bracket would have no differences. One that cannot be armed stays a gap, which
  /// the drain reports; for a required collector it is the bracket's failure.
  private func retryFailedEdges(within limit: UInt64) throws(LBError) {
    for _ in 0..<3 {
      var failed: [(stream: UInt16, arming: UInt32)] = []
      for thread in answering { failed += thread.failedEdges() }
      if failed.isEmpty { return }
      for (stream, arming) in failed {
        guard let failure = rearm(stream, after: arming, within: limit) else { continue }
        let isRequired = meta?.streams.first { $0.stream == stream }?.required ?? true
        if isRequired, edgeFailure == nil { edgeFailure = failure }
      }
      for thread in answering { thread.send(.retryEdge) }
      try awaitAll(within: configuration.answerLimit)
    }
  }

  /// Arms a stream anew on the arming thread and waits for it, at the most for `limit` nanoseconds.
  func rearm(_ stream: UInt16, after arming: UInt32, within limit: UInt64) -> LBError? {
    let failure = Box(Mutex<LBError?>(nil))
    let table = table
    let outcome = worker.run(stream, within: limit) {
      do throws(LBError) { _ = try table.rearm(stream, after: arming) } catch {
        failure.value.withLock { $0 = error }
      }
    }
    drain?.inTurn { drain?.makeRoom(stream) }
    for thread in threads { thread.announceMail() }
    if outcome == .done { return failure.value.withLock { $0 } }
    return LBError(
      .metricCollection,
      "\(table.name(stream)): re-arming timed out after \(Durations.text(limit))",
      context: ErrorContext(collector: table.name(stream)))
  }

  private func counts(_ drain: Drain) -> Baseline {
    Baseline(
      pushed: threads.map(\.ringCounts.pushed),
      drained: threads.indices.map { drain.drained($0) },
      dropped: threads.map(\.ringCounts.dropped),
      drainCPU: drain.cpuNanoseconds, processCPU: time.processCPU(),
      written: sinks.reduce(0) { $0 + $1.bytesWritten })
  }

  private func account(_ drain: Drain, closeEnd: UInt64) -> BracketAccount {
    let after = drain.inTurn { counts(drain) }
    var ledger = Ledger()
    var overhead = Overhead()
    for (index, thread) in threads.enumerated()
    where !thread.isLeftAlone.load(ordering: .relaxed) {
      var line = ThreadLedger(thread: index, cpu: thread.cpu)
      line.ticks = thread.ticks
      line.ring.pushed = after.pushed[index] - before.pushed[index]
      line.ring.drained = after.drained[index] - before.drained[index]
      line.ring.dropped = after.dropped[index] - before.dropped[index]
      thread.withStreams { streams in
        for place in streams.indices {
          let stream = streams[place].stream
          var collector = streams[place].counts.ledger(
            collector: table.name(stream), decoding: drain.takeGaps(Int(stream)))
          let steps = drain.takeSteps(Int(stream))
          collector.stepsBack = steps.stepsBack
          collector.resets = steps.resets
          collector.wraps = steps.wraps
          line.collectors.append(collector)
        }
      }
      ledger.threads.append(line)
      overhead.samplingThreadNanoseconds.append(thread.cpuNanoseconds)
    }
    let openStart = answering.map(\.openStart).min() ?? 0
    overhead.drainNanoseconds = after.drainCPU - before.drainCPU
    overhead.processNanoseconds = after.processCPU - before.processCPU
    overhead.bytesWritten = after.written - before.written
    overhead.memoryLocked = memoryLocked(drain)
    overhead.memoryResident = resident.bytes()
    overhead.elapsedNanoseconds = time.monotonic() - openStart
    return BracketAccount(
      number: bracketNumber, openStart: openStart, closeEnd: max(closeEnd, openStart),
      ledger: ledger, overhead: overhead)
  }

  private func memoryLocked(_ drain: Drain) -> UInt64 {
    drain.inTurn {
      drain.sources.reduce(stacksLocked) { $0 + UInt64($1.ring.memory.lockedBytes) }
    }
  }
}

/// A lock that closures may hold.
final class Box<Value: ~Copyable & Sendable>: Sendable {
  let value: Value
  init(_ value: consuming Value) { self.value = value }
}
