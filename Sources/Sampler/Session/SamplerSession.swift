import Glibc
import LinuxSystem
package import SampleModel
import SampleRing
import Synchronization

/// A set of collectors on their sampling threads, armed once and bracketed many times.
///
/// Order of calls: `arm`, then `start` and `stop` in pairs, then `disarm`. `start` returns when the
/// opening samples are taken, `stop` when all frames up to the closing ones have reached the sinks.
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
  /// Bytes locked in memory, without the rings.
  var stacksLocked: UInt64 = 0
  /// The number of the last bracket.
  package private(set) var bracketNumber: UInt32 = 0
  private let resident = ResidentMemory()
  private var before = Baseline()
  var edgeFailure: LBError?
  /// The error of a required collector that was disabled.
  var lostFailure: LBError?
  /// A sampling thread did not answer, and the session can only be disarmed.
  package internal(set) var isUnresponsive = false
  /// Streams whose sources are closed until `resume`.
  var suspended: [(stream: UInt16, arming: UInt32)] = []
  /// All frames are delivered.
  var isDrained = false
  /// How long the last start took, in nanoseconds.
  private var startNanoseconds: UInt64 = 0

  /// Counts at the start of a bracket, subtracted at its end.
  private struct Baseline: Sendable {
    var pushed: [UInt64] = []
    var drained: [UInt64] = []
    var dropped: [UInt64] = []
    var drainCPU: UInt64 = 0
    var processCPU: UInt64 = 0
    var written: UInt64 = 0
  }

  /// The streams armed, and the collectors that are unavailable, after `arm`.
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

  /// The first failure of a sink, or of a required collector (permanently, or at this bracket's
  /// edge).
  package var failure: LBError? { sinkFailure ?? lostFailure ?? edgeFailure }
  /// The first failure of a sink.
  package var sinkFailure: LBError? { drain?.failure }

  /// Whether every deadline of the limit has passed.
  package var isFinished: Bool {
    drain?.isOver.load(ordering: .acquiring) == true
      || threads.allSatisfy { $0.finished.load(ordering: .acquiring) }
  }

  /// The first sampling thread's CPU: brackets are opened and closed there.
  package var bracketCPU: Int? { threads.first?.cpu }

  // MARK: Bracket

  /// Takes the opening samples and starts sampling. Returns the bracket's number.
  package func start() throws(LBError) -> UInt32 {
    guard let drain, suspended.isEmpty else {
      throw LBError(.internal, "start before arm or resume")
    }
    guard !isUnresponsive else {
      throw LBError(.metricCollection, "a sampling thread is blocked; nothing more can be sampled")
    }
    let called = time.monotonic()
    if !isDrained { try park(drain) }
    isDrained = false
    bracketNumber += 1
    edgeFailure = nil
    readmitThreads()
    before = drain.hold {
      drain.discardCounts()
      return counts(drain)
    }
    let bracket = SamplingThread.Bracket(
      number: bracketNumber, base: openingBase(), interval: configuration.interval,
      limit: configuration.limit ?? .max)
    let last = configuration.limit.map { bracket.base &+ $0 &* configuration.interval }
    drain.lastDeadline.store(last ?? .max, ordering: .releasing)
    drain.isOver.store(false, ordering: .releasing)
    // In reverse: the first thread's edge may be taken here, while the others take theirs.
    for thread in responsiveThreads.reversed() { thread.open(bracket) }
    try awaitAll(within: configuration.responseTimeout)
    try retryFailedEdges(within: configuration.responseTimeout)
    drain.lift()
    startNanoseconds = time.monotonic() - called
    return bracketNumber
  }

  /// Takes the closing samples (unless `sampling` is false: the limit was reached), drains
  /// everything and returns the account.
  package func stop(sampling: Bool) throws(LBError) -> BracketAccount {
    guard let drain else { throw LBError(.internal, "stop before arm") }
    let called = time.monotonic()
    drain.hold {}
    for thread in responsiveThreads.reversed() { thread.close(sampling: sampling) }
    try awaitAll(within: configuration.responseTimeout)
    if sampling { try retryFailedEdges(within: Self.closingPatience) }
    drain.lift()
    let closeEnd = responsiveThreads.map(\.closeEnd).max() ?? 0
    let stopNanoseconds = time.monotonic() - called
    drain.flush()
    isDrained = true
    var account = account(drain, closeEnd: closeEnd)
    account.overhead.startNanoseconds = startNanoseconds
    account.overhead.stopNanoseconds = stopNanoseconds
    return account
  }

  /// Nanoseconds that a closing edge waits for a collector to be re-armed.
  private static let closingPatience: UInt64 = 150_000_000

  /// Ends threads, rings and collectors in reverse order. Has no effect if nothing is armed.
  package func disarm() {
    readmitThreads()
    var hanging = false
    for thread in threads.reversed()
    where !thread.shutDown(
      within: isUnresponsive || thread.isUnresponsive.load(ordering: .relaxed)
        ? 0 : configuration.responseTimeout)
    {
      hanging = true
    }
    drain?.shutDown()
    worker.shutDown()
    if hanging {
      // The session is leaked: a hanging thread may still use its ring and descriptors.
      _ = unsafe Unmanaged.passRetained(self)
      return
    }
    threads = []
    table.disarmAll()
  }

  /// Re-arms collectors whose layout changed at an edge, and reads them again: without an edge
  /// value the bracket has no differences. If re-arming fails, the gap remains and the drain
  /// reports it; for a required collector it is the bracket's failure.
  private func retryFailedEdges(within limit: UInt64) throws(LBError) {
    for _ in 0..<3 {
      var failed: [(stream: UInt16, arming: UInt32)] = []
      for thread in responsiveThreads { failed += thread.failedEdges() }
      if failed.isEmpty { return }
      for (stream, arming) in failed {
        guard let failure = rearm(stream, after: arming, within: limit) else { continue }
        let isRequired = meta?.streams.first { $0.stream == stream }?.required ?? true
        if isRequired, edgeFailure == nil { edgeFailure = failure }
      }
      for thread in responsiveThreads { thread.send(.retryEdge) }
      try awaitAll(within: configuration.responseTimeout)
    }
  }

  /// Re-arms a stream on the arming thread and waits for it, for up to `limit` nanoseconds.
  func rearm(_ stream: UInt16, after arming: UInt32, within limit: UInt64) -> LBError? {
    let failure = Box(Mutex<LBError?>(nil))
    let table = table
    let outcome = worker.run(stream, within: limit) {
      do throws(LBError) { _ = try table.rearm(stream, after: arming) } catch {
        failure.value.withLock { $0 = error }
      }
    }
    drain?.withPassLock { drain?.makeRoom(stream) }
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
    let after = drain.withPassLock { counts(drain) }
    var ledger = Ledger()
    var overhead = Overhead()
    for (index, thread) in threads.enumerated()
    where !thread.isUnresponsive.load(ordering: .relaxed) {
      var line = ThreadLedger(thread: index, cpu: thread.cpu)
      line.ticks = thread.ticks
      line.ring.pushed = after.pushed[index] - before.pushed[index]
      line.ring.drained = after.drained[index] - before.drained[index]
      line.ring.dropped = after.dropped[index] - before.dropped[index]
      thread.withStreams { streams in
        for position in streams.indices {
          let stream = streams[position].stream
          var collector = streams[position].counts.ledger(
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
    let openStart = responsiveThreads.map(\.openStart).min() ?? 0
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
    drain.withPassLock {
      drain.sources.reduce(stacksLocked) { $0 + UInt64($1.ring.memory.lockedBytes) }
    }
  }
}

/// A mutex that closures can capture.
final class Box<Value: ~Copyable & Sendable>: Sendable {
  let value: Value
  init(_ value: consuming Value) { self.value = value }
}
