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
  private let requests: [CollectorRequest]
  private let sinks: [any SampleSink]
  private let signal = DrainSignal()
  let table: StreamTable
  private(set) var drain: Drain?
  private(set) var threads: [SamplingThread] = []
  /// Words of each thread's ring.
  var ringCapacities: [Int] = []
  /// Bytes of each that are locked in memory.
  var lockedOfRing: [UInt64] = []
  private var streamsOfThread: [[Int]] = []
  var memoryLocked: UInt64 = 0
  /// The last bracket's.
  package private(set) var bracketNumber: UInt32 = 0
  private let resident = ResidentMemory()
  private var before = Baseline()
  private var edgeFailure: LBError?
  /// A sampling thread has not answered: the session is of no more use but to be disarmed.
  package internal(set) var isSilent = false
  /// Streams that hold nothing of their source, until `resume`.
  var suspended: [(stream: UInt16, epoch: UInt32)] = []
  /// Nothing was sampled since the drain last delivered everything.
  private(set) var isDrained = false
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
  package private(set) var meta: StreamMeta?

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
    table = StreamTable(context: configuration.context)
  }

  /// Readable when a sink failed or every deadline of the limit has passed. After `arm`.
  package var attentionDescriptor: Int32 { drain?.attention.pollDescriptor ?? -1 }

  /// The first failure of a sink, or of a required collector at an edge of this bracket.
  package var failure: LBError? { sinkFailure ?? edgeFailure }
  /// The first failure of a sink.
  package var sinkFailure: LBError? { drain?.failure }

  /// Whether every deadline of the limit has passed.
  package var isFinished: Bool {
    threads.allSatisfy { $0.finished.load(ordering: .acquiring) }
  }

  /// The first sampling thread's CPU: who opens and closes brackets runs there.
  package var bracketCPU: Int? { threads.first?.cpu }

  // MARK: Arm

  /// Probes, opens, sizes, allocates, starts the threads. Everything expensive is here.
  package func arm() throws(LBError) {
    var unavailable: [StreamMeta.Unavailable] = []
    let armed = try armCollectors(&unavailable)
    guard !armed.isEmpty else {
      let reasons = unavailable.map { "\($0.collector): \($0.reason)" }.joined(separator: "; ")
      throw LBError(.collectorUnavailable, "no collector can be sampled here: \(reasons)")
    }
    guard table.layouts.contains(where: { !$0.columns.isEmpty }) else {
      let notes = table.notes
      table.disarmAll()
      throw LBError(
        .configuration,
        (["no column passes --only and --except; lbsample collectors lists the metrics"] + notes)
          .joined(separator: "; "))
    }
    do throws(SystemError) {
      let drain = try Drain(
        signal: signal, table: table, sinks: sinks, period: drainPeriod,
        clock: configuration.clock)
      self.drain = drain
      var notes = slowerByDefault(armed) + table.notes
      let fitted = fit(armed, &notes)
      notes += coarserThanAsked(fitted)
      var streams: [StreamMeta.Stream] = []
      for (index, mine) in shared(fitted).enumerated() {
        streams += try addThread(index, mine, drain, &notes)
      }
      streams.sort { $0.stream < $1.stream }
      let meta = StreamMeta(
        interval: configuration.interval, streams: streams, unavailable: unavailable,
        records: armed.compactMap { table.schema(UInt16($0.stream)) },
        anchor: ClockWatch.read(configuration.clock), notes: notes)
      self.meta = meta
      try drain.launch(meta: meta, cpus: configuration.drainCPUs)
      drain.flush()
      isDrained = true
    } catch {
      disarm()
      throw LBError(
        .configuration,
        "the sampling threads could not be set up: \(error); \(ArmingFailure.fix(error))",
        context: ErrorContext(errno: error.errno))
    }
    if let failure = drain?.failure {
      disarm()
      throw failure
    }
  }

  private func armCollectors(
    _ unavailable: inout [StreamMeta.Unavailable]
  ) throws(LBError) -> [Armed] {
    var armed: [Armed] = []
    let cadences = try requests.map { request throws(LBError) in try cadence(of: request) }
    for (request, cadence) in zip(requests, cadences) {
      let name = request.collector.description.name
      let availability = configuration.context.probes.availability(
        of: request.collector, configuration.context)
      var outcome = availability.word
      var reason: String?
      if availability == .available {
        do throws(LBError) {
          try table.add(request.collector)
          armed.append(Armed(stream: armed.count, request: request, cadence: cadence))
        } catch {
          configuration.context.probes.forget(name)
          if request.required {
            table.disarmAll()
            throw error
          }
          outcome = ArmingFailure.outcome(of: error)
          reason = error.description
        }
      } else {
        reason = availability.reason
      }
      guard let reason else { continue }
      if request.required {
        table.disarmAll()
        throw ArmingFailure.unavailable(name, availability)
      }
      unavailable.append(
        StreamMeta.Unavailable(collector: name, outcome: outcome, reason: reason))
    }
    return armed
  }

  /// Words of one ring: at least five seconds of frames, five times what a drain lets wait.
  private func ringCapacity(_ states: [StreamState]) -> Int {
    let seconds = 5.0
    let ticks = max(seconds * 1e9 / Double(configuration.interval), 8)
    var words = 0.0
    for state in states {
      let message = Double(FrameHeader.wordCount + 1 + state.valueCount)
      words += message * (ticks / Double(state.cadence) + 4)
      if state.recordWords > 0 {
        // A tick full of records is the exception: beyond a share of the ring they are lost.
        let full = Double(state.recordWords * state.recordRows)
        let share: Double = max(full * 4, 262_144)
        words += min(full * ticks / Double(state.cadence), share)
      }
    }
    return RingStorage.capacity(atLeast: Int(min(max(words, 4096), Double(1 << 27))))
  }

  private func addThread(
    _ index: Int, _ armed: [Armed], _ drain: Drain, _ notes: inout [String]
  ) throws(SystemError) -> [StreamMeta.Stream] {
    let cpu = cpu(ofThread: index)
    var states = armed.map { table.threadState($0.stream, cadence: $0.cadence) }
    for (place, one) in armed.enumerated() {
      states[place].0.isFixed = one.request.interval != nil
      states[place].0.costLimit = one.request.interval == nil ? table.costLimit(one.stream) : 0
    }
    let node = memoryNode(ofCPU: cpu)
    let capacity = ringCapacity(states.map(\.0))
    let (storage, ringMemory) = try ring(index, capacity: capacity)
    let scratchWords = FrameHeader.wordCount + (states.map(\.words).max() ?? 0)
    let plain = Mapping.Wishes(node: node, locked: configuration.lockMemory)
    let scratch = try Mapping(
      bytes: scratchWords * 8, purpose: "scratch \(index)", wishes: plain)
    let stack = try Mapping(
      bytes: 1 << 18, purpose: "stack \(index)", wishes: plain, guardPage: true)
    let thread = SamplingThread(
      index: index, cpu: cpu, priority: configuration.priority, streams: states.map(\.0),
      mailboxes: states.map(\.1), scratch: scratch, producer: storage.takeProducer(),
      wakeFill: capacity / 2,
      wakesEveryTick: configuration.liveWithin.map { configuration.interval >= $0 } ?? false,
      budget: configuration.budget ?? 0, lendsEdges: index == 0 && canLendEdges(armed),
      drain: signal)
    for mapping in [ringMemory, scratch, stack] {
      notes += mapping.notes
      memoryLocked += UInt64(mapping.lockedBytes)
    }
    try thread.launch(stack: stack)
    drain.add(thread, storage.takeConsumer())
    threads.append(thread)
    ringCapacities.append(capacity)
    lockedOfRing.append(UInt64(ringMemory.lockedBytes))
    streamsOfThread.append(armed.map(\.stream))
    return armed.map {
      StreamMeta.Stream(
        collector: $0.request.collector.description.name, stream: UInt16($0.stream),
        thread: index, cpu: cpu, cadence: $0.cadence, required: $0.request.required)
    }
  }

  /// Nine tenths of a second: with the commit itself, within the promised second.
  private static let recordingPeriod: UInt64 = 900_000_000

  /// At longer intervals a live drain is woken by each tick and need not look by itself.
  private var drainPeriod: UInt64 {
    guard let period = configuration.liveWithin, configuration.interval < period else {
      return Self.recordingPeriod
    }
    return period
  }

  // MARK: Bracket

  /// Opens what belongs to the next bracket alone, so that its opening sample only reads. What
  /// cannot be armed anew here is tried again at the edge. Not between `start` and `stop`.
  package func prepare() {
    for (stream, epoch) in table.prepare() {
      do throws(LBError) {
        _ = try table.rearm(stream, after: epoch)
        _ = table.prepare()
      } catch {
        edgeFailure = error
      }
    }
  }

  /// Takes the opening samples and begins to sample. Gives the bracket's number.
  package func start() throws(LBError) -> UInt32 {
    guard let drain, suspended.isEmpty else {
      throw LBError(.internal, "start before arm or resume")
    }
    guard !isSilent else {
      throw LBError(.metricCollection, "a sampling thread hangs: nothing can be sampled any more")
    }
    let called = Clock.monotonic()
    if !isDrained { try park(drain) }
    isDrained = false
    bracketNumber += 1
    before = baseline(drain)
    edgeFailure = nil
    drain.ceiling.store(Clock.monotonic(), ordering: .releasing)
    let base = openingBase()
    let bracket = SamplingThread.Bracket(
      number: bracketNumber, base: base, interval: configuration.interval,
      limit: configuration.limit ?? .max)
    // The first thread's edge may be taken here: the others take theirs meanwhile.
    for thread in threads.reversed() { thread.open(bracket) }
    try awaitAll()
    try retryFailedEdges()
    drain.ceiling.store(.max, ordering: .releasing)
    startNanoseconds = Clock.monotonic() - called
    return bracketNumber
  }

  /// Takes the closing samples (unless `sampling` is false: the limit has been reached), drains
  /// everything and gives the account.
  package func stop(sampling: Bool) throws(LBError) -> BracketAccount {
    guard let drain else { throw LBError(.internal, "stop before arm") }
    let called = Clock.monotonic()
    drain.ceiling.store(called, ordering: .releasing)
    for thread in threads.reversed() { thread.close(sampling: sampling) }
    try awaitAll()
    if sampling { try retryFailedEdges() }
    drain.ceiling.store(.max, ordering: .releasing)
    let closeEnd = threads.map(\.closeEnd).max() ?? 0
    let stopNanoseconds = Clock.monotonic() - called
    drain.flush()
    isDrained = true
    var account = account(drain, closeEnd: closeEnd)
    account.overhead.startNanoseconds = startNanoseconds
    account.overhead.stopNanoseconds = stopNanoseconds
    return account
  }

  /// Threads, rings and collectors go, what came last first. Harmless when nothing is armed.
  package func disarm() {
    var hanging = false
    for thread in threads.reversed()
    where !thread.shutDown(within: isSilent ? 0 : configuration.answerLimit) {
      hanging = true
    }
    drain?.shutDown()
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
  private func retryFailedEdges() throws(LBError) {
    for _ in 0..<3 {
      var failed: [(UInt16, UInt32)] = []
      for thread in threads {
        thread.withStreams { streams in
          for index in streams.indices where streams[index].edgeOutcome.needsRearm {
            if streams[index].isDisabled { continue }
            failed.append((streams[index].stream, streams[index].edgeEpoch))
          }
        }
      }
      if failed.isEmpty { return }
      for (stream, epoch) in failed {
        do throws(LBError) {
          _ = try table.rearm(stream, after: epoch)
        } catch {
          let isRequired = meta?.streams.first { $0.stream == stream }?.required ?? true
          if isRequired, edgeFailure == nil { edgeFailure = error }
        }
      }
      for thread in threads { thread.send(.retryEdge) }
      try awaitAll()
    }
  }

  private func baseline(_ drain: Drain) -> Baseline { drain.inTurn { counts(drain) } }

  private func counts(_ drain: Drain) -> Baseline {
    Baseline(
      pushed: threads.map(\.ringCounts.pushed),
      drained: threads.indices.map { drain.drained($0) },
      dropped: threads.map(\.ringCounts.dropped),
      drainCPU: drain.cpuNanoseconds, processCPU: Clock.processCPU(),
      written: sinks.reduce(0) { $0 + $1.bytesWritten })
  }

  private func account(_ drain: Drain, closeEnd: UInt64) -> BracketAccount {
    let after = baseline(drain)
    var ledger = Ledger()
    var overhead = Overhead()
    for (index, thread) in threads.enumerated() {
      var line = ThreadLedger(thread: index, cpu: thread.cpu)
      line.ticks = thread.ticks
      line.ring.pushed = after.pushed[index] - before.pushed[index]
      line.ring.drained = after.drained[index] - before.drained[index]
      line.ring.dropped = after.dropped[index] - before.dropped[index]
      thread.withStreams { streams in
        for place in streams.indices {
          let stream = streams[place].stream
          let name = table.layout(stream, epoch: streams[place].epoch)?.collector ?? "?"
          var collector = streams[place].counts.ledger(collector: name)
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
    let openStart = threads.map(\.openStart).min() ?? 0
    overhead.drainNanoseconds = after.drainCPU - before.drainCPU
    overhead.processNanoseconds = after.processCPU - before.processCPU
    overhead.bytesWritten = after.written - before.written
    overhead.memoryLocked = memoryLocked
    overhead.memoryResident = resident.bytes()
    overhead.elapsedNanoseconds = Clock.monotonic() - openStart
    return BracketAccount(
      number: bracketNumber, openStart: openStart, closeEnd: max(closeEnd, openStart),
      ledger: ledger, overhead: overhead)
  }
}
