import Glibc
import Logging
import SampleModel
import Sampler

/// Recovers from failures of sampling, between two attempts.
struct SamplingRecovery {
  static let ringGrown = "ring.grown"
  static let collectorDisabled = "collector.disabled"
  static let samplingDegraded = "sampling.degraded"
  /// Nanoseconds before arming is tried again.
  private static let pause: UInt64 = 100_000_000

  private var watch = CollectorWatch()

  /// Arms again the collectors that were suspended while the run waited, and records those that
  /// cannot be armed any more. Returns false when a stop request came first.
  static func resume(
    _ collectors: any CollectorLifecycle, _ session: RunSession, _ context: RunContext,
    at attempt: AttemptID
  ) throws(LBError) -> Bool {
    while true {
      do throws(LBError) {
        try collectors.resume()
        return true
      } catch {
        guard try apply(error, hasBegun: false, collectors, session, context, at: attempt) != nil
        else { throw error }
        if context.services.pause(pause) { return false }
      }
    }
  }

  /// Recovers from a failure of sampling that made an attempt fail. Returns whether the workload
  /// did not begin, for a reason that may be gone at the next attempt.
  static func recoverAttempt(
    _ outcome: inout AttemptOutcome, _ collectors: any CollectorLifecycle,
    _ session: RunSession, _ context: RunContext, at attempt: AttemptID
  ) throws(LBError) -> Bool {
    if let lost = outcome.lostSampling {
      _ = try apply(lost, hasBegun: true, collectors, session, context, at: attempt)
    }
    guard let error = outcome.result.error else { return false }
    if error.category == .workload {
      return error.context.errno == EAGAIN || error.context.errno == ETXTBSY
    }
    // Where another error ends the run, recovering from this one would not help.
    guard error.category == .metricCollection, outcome.fatal == error,
      let action = try apply(
        error, hasBegun: outcome.hasBegun, collectors, session, context, at: attempt)
    else { return false }
    if action != .retry { outcome.fatal = nil }
    if let stop = context.services.stopError {
      (outcome.result.status, outcome.result.error) = (.interrupted, stop)
      outcome.fatal = nil
    }
    return !outcome.hasBegun
  }

  /// Applies the action of the failure policy, and records it. Returns nil where the policy has no
  /// action but to end the phase or the run.
  private static func apply(
    _ error: LBError, hasBegun: Bool, _ collectors: any CollectorLifecycle,
    _ session: RunSession, _ context: RunContext, at attempt: AttemptID
  ) throws(LBError) -> RecoveryAction? {
    var failure = FailurePolicy.Failure(error)
    failure.hasBegun = hasBegun
    failure.sampling = collectors.outlook(after: error)
    let (kind, message): (String, String)
    let action = session.failurePolicy.action(after: failure, phase: attempt.phase)
    switch action {
    case .retry: return action
    case .disable(let collector):
      guard collectors.disable(collector) else { return nil }
      (kind, message) = (collectorDisabled, "\(error.message); collector \(collector) is disabled")
    case .degrade:
      collectors.degrade()
      (kind, message) = (
        samplingDegraded, "\(error.message): sampling ends; later attempts have times only"
      )
    case .skipPhase, .ask, .abort: return nil
    }
    session.result.warnings.append(message)
    // The error names the collector, for a session that resumes the run.
    try context.journal.record(.warning, kind, message, at: attempt, error: error)
    return action
  }

  /// Disables collectors that give no values and grows rings that were full, after an attempt with
  /// this `result`. Returns whether every ring that was full is larger now.
  mutating func recover(
    after result: AttemptResult, _ collectors: any CollectorLifecycle, _ session: RunSession,
    _ context: RunContext, at attempt: AttemptID
  ) throws(LBError) -> Bool {
    for name in watch.observe(result.ledger) {
      let failure = LBError(
        .metricCollection, "\(name) gave no values in \(CollectorWatch.limit) consecutive attempts",
        context: ErrorContext(collector: name))
      _ = try Self.apply(failure, hasBegun: true, collectors, session, context, at: attempt)
    }
    let full = result.ledger.threads.filter { $0.ring.dropped > 0 }
    guard !full.isEmpty else { return false }
    let limit = context.specification.quota.ringBytes.map { Int(clamping: $0) } ?? .max
    let grown: [RingGrowth]
    do throws(LBError) {
      grown = try collectors.growRings(of: full.map(\.thread), limit: limit)
    } catch {
      // The attempt is kept; the next one has the same ring.
      session.result.warnings.append(error.message)
      try context.journal.record(.warning, Self.ringGrown, error.message, at: attempt, error: error)
      return false
    }
    for growth in grown {
      let dropped = full.first { $0.thread == growth.thread }?.ring.dropped ?? 0
      try context.journal.record(
        .notice, Self.ringGrown, GrownRing(growth, dropped: dropped).journalMessage, at: attempt)
    }
    return grown.count == full.count
  }
}
