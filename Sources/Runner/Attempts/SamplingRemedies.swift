import Glibc
import Logging
import SampleModel
import Sampler

/// What is done between two attempts about sampling that went wrong in the one before.
struct SamplingRemedies {
  static let ringGrown = "ring.grown"
  static let collectorDisabled = "collector.disabled"
  static let samplingDegraded = "sampling.degraded"
  /// Nanoseconds between two tries at what may pass.
  private static let pause: UInt64 = 100_000_000

  private var watch = CollectorWatch()

  /// Arms anew what was let go of while the run waited, and says what cannot be had any more; false
  /// when a stop came first.
  static func resume(
    _ collectors: any CollectorLifecycle, _ session: RunSession, _ context: RunContext,
    at place: AttemptPlace
  ) throws(LBError) -> Bool {
    while true {
      do throws(LBError) {
        try collectors.resume()
        return true
      } catch {
        guard try treat(error, hasBegun: false, collectors, session, context, at: place) != nil
        else { throw error }
        if context.services.pause(pause) { return false }
      }
    }
  }

  /// Mends what made an attempt fail, if it lies in the sampling; gives whether the workload never
  /// began, and may the next time.
  static func mendFailure(
    of outcome: inout AttemptOutcome, _ collectors: any CollectorLifecycle,
    _ session: RunSession, _ context: RunContext, at place: AttemptPlace
  ) throws(LBError) -> Bool {
    if let lost = outcome.lostSampling {
      _ = try treat(lost, hasBegun: true, collectors, session, context, at: place)
    }
    guard let error = outcome.result.error else { return false }
    if error.category == .workload {
      return error.context.errno == EAGAIN || error.context.errno == ETXTBSY
    }
    // Where it is not what ends the run, something graver does.
    guard error.category == .metricCollection, outcome.fatal == error,
      let remedy = try treat(
        error, hasBegun: outcome.hasBegun, collectors, session, context, at: place)
    else { return false }
    if remedy != .retry { outcome.fatal = nil }
    if let stop = context.services.stopError {
      (outcome.result.status, outcome.result.error) = (.interrupted, stop)
      outcome.fatal = nil
    }
    return !outcome.hasBegun
  }

  /// Does what there is to do about a failure of sampling, and says it; nil where that is nothing.
  private static func treat(
    _ error: LBError, hasBegun: Bool, _ collectors: any CollectorLifecycle,
    _ session: RunSession, _ context: RunContext, at place: AttemptPlace
  ) throws(LBError) -> Diagnosis.Remedy? {
    var failure = Diagnosis.Failure(error)
    failure.hasBegun = hasBegun
    failure.sampling = collectors.outlook(after: error)
    let (kind, consequence): (String, String)
    let remedy = session.diagnosis.remedy(for: failure, phase: place.phase)
    switch remedy {
    case .retry: return remedy
    case .disable(let collector):
      guard collectors.disable(collector) else { return nil }
      (kind, consequence) = (collectorDisabled, "it is read no more")
    case .degrade:
      collectors.degrade()
      (kind, consequence) = (
        samplingDegraded, "nothing is sampled any more, what follows has its times alone"
      )
    case .skipPhase, .ask, .abort: return nil
    }
    let message = "\(error.message): \(consequence)"
    session.result.warnings.append(message)
    try context.journal.record(.warning, kind, message, at: place)
    return remedy
  }

  /// Mends what it can; gives whether every ring that was too small has more room now.
  mutating func mend(
    after attempt: AttemptResult, _ collectors: any CollectorLifecycle, _ session: RunSession,
    _ context: RunContext, at place: AttemptPlace
  ) throws(LBError) -> Bool {
    for name in watch.observe(attempt.ledger) {
      let failure = LBError(
        .metricCollection, "\(name) gave nothing in \(CollectorWatch.limit) attempts running",
        context: ErrorContext(collector: name))
      _ = try Self.treat(failure, hasBegun: true, collectors, session, context, at: place)
    }
    let full = attempt.ledger.threads.filter { $0.ring.dropped > 0 }
    guard !full.isEmpty else { return false }
    let limit = context.specification.quota.ringBytes.map { Int(clamping: $0) } ?? .max
    let grown: [RingGrowth]
    do throws(LBError) {
      grown = try collectors.growRings(of: full.map(\.thread), limit: limit)
    } catch {
      // What was measured stands; the next attempt has the ring that there was.
      session.result.warnings.append(error.message)
      try context.journal.record(.warning, Self.ringGrown, error.message, at: place, error: error)
      return false
    }
    for growth in grown {
      let lost = full.first { $0.thread == growth.thread }?.ring.dropped ?? 0
      try context.journal.record(
        .notice, Self.ringGrown,
        "thread=\(growth.thread) dropped=\(lost) from_bytes=\(growth.from) to_bytes=\(growth.to)",
        at: place)
    }
    return grown.count == full.count
  }
}
