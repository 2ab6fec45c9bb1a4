import LinuxSystem
import SampleModel
import Sampler
import TestSupport

/// Sessions in virtual time, for tests whose expectations are exact.
struct VirtualSession {
  let scheduler: VirtualScheduler
  var configuration: SamplerConfiguration

  /// The configuration of a session in the time of `scheduler`, with `threads` sampling threads.
  init(
    _ scheduler: VirtualScheduler, interval: UInt64 = 1_000_000, limit: UInt64? = nil,
    threads: Int = 1
  ) {
    self.scheduler = scheduler
    configuration = SamplerConfiguration(
      interval: interval, cpus: Array(repeating: CPUSet.allowed().members[0], count: threads),
      context: CollectorContext(roots: MountRoots(proc: "/nowhere", sys: "/nowhere")))
    configuration.limit = limit
    configuration.lockMemory = false
    configuration.time = scheduler.source
  }

  /// A session that is armed.
  func arm(_ requests: [CollectorRequest], _ sinks: [any SampleSink]) throws -> SamplerSession {
    let session = SamplerSession(configuration, requests: requests, sinks: sinks)
    try session.arm()
    return session
  }

  /// Runs `body` on a thread in the time of a scheduler of `seed`, and all threads that it starts
  /// to their end.
  static func run<Answer>(
    seed: UInt64, spurious: Double = 0, _ body: @escaping (VirtualScheduler) throws -> Answer
  ) throws -> Answer {
    var options = VirtualScheduler.Options(seed: seed)
    options.spurious = spurious
    let scheduler = VirtualScheduler(options)
    return try scheduler.run { try body(scheduler) }
  }

  /// Waits until every deadline of the limit has passed, or a sink has failed.
  func waitUntilFinished(_ session: SamplerSession) {
    while !session.isFinished, session.failure == nil {
      _ = scheduler.wait(readable: [session.attentionDescriptor], until: nil)
    }
  }
}

/// What a session of one bracket gave.
struct BracketOutcome {
  var account: BracketAccount
  var sink: CollectingSink
  /// When it was opened and when it was to be closed, CLOCK_MONOTONIC.
  var base: UInt64
  var closing: UInt64
  var failure: LBError?
  var meta: StreamMeta?
  var frames: [CollectingSink.Frame] { sink.frames }
}

extension VirtualSession {
  /// One bracket up to the limit, or of `length` nanoseconds without one, whose sinks are `others`
  /// and the one of the outcome.
  static func bracket(
    seed: UInt64, interval: UInt64 = 1_000_000, limit: UInt64? = 20, length: UInt64 = 0,
    threads: Int = 1, others: [CollectingSink] = [],
    _ requests: @escaping (VirtualScheduler) -> [CollectorRequest]
  ) throws -> BracketOutcome {
    try run(seed: seed, spurious: 0.1) { scheduler in
      let sink = CollectingSink()
      let virtual = VirtualSession(scheduler, interval: interval, limit: limit, threads: threads)
      let session = try virtual.arm(requests(scheduler), others + [sink])
      let base = scheduler.monotonic()
      _ = try session.start()
      if limit != nil {
        virtual.waitUntilFinished(session)
      } else if base + length > scheduler.monotonic() {
        scheduler.sleep(base + length - scheduler.monotonic())
      }
      let closing = scheduler.monotonic()
      let account = try session.stop(sampling: limit == nil)
      session.disarm()
      return BracketOutcome(
        account: account, sink: sink, base: base, closing: closing, failure: session.failure,
        meta: session.meta)
    }
  }
}

extension [CollectingSink.Frame] {
  /// Those of a stream, edges left out.
  func ticks(of stream: UInt16 = 0) -> [CollectingSink.Frame] {
    filter { $0.header.stream == stream && $0.header.edge == .none }
  }
}

extension RingLedger {
  /// An account of these counts.
  init(pushed: UInt64, drained: UInt64, dropped: UInt64) {
    self.init()
    (self.pushed, self.drained, self.dropped) = (pushed, drained, dropped)
  }
}
