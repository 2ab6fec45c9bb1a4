package import SampleModel

/// When and how often a repetition gets another attempt.
package struct AttemptPolicy: Sendable, Hashable {
  /// Attempts after a failure or a timeout of the workload.
  package var retries = 0
  /// Attempts after an end by the idle timeout; nil: these count as `retries`.
  package var idleRetries: Int?
  /// Nanoseconds before the first, the second, … retry; the last value holds for all later ones.
  package var backoff: [UInt64] = [0, 5_000_000_000, 15_000_000_000]
  /// Whether the workload may be executed again once it has begun: it has no side effects that
  /// would add up.
  package var isIdempotent = false
  /// The key path of the plan that asks for retries, for messages; nil where no plan does. Retries
  /// from a configuration file are for all runs, so that it is no mistake if this run has none.
  package var requestedAt: String?
  /// Attempts after contaminated ones.
  package var contaminatedRepeats = 3
  /// Attempts at a repetition in all, the first one included.
  package var maximum = 10

  /// The default policy: a workload that has begun is not executed again.
  package init() {}
}

/// The outcome of an attempt, as far as it decides whether there is another one.
package struct AttemptVerdict: Sendable, Hashable {
  package var status: RunStatus
  /// Whether the workload never began, for a reason that passes (EAGAIN, ETXTBSY).
  package var failedToStart = false
  /// Whether the idle timeout ended it.
  package var isIdle = false
  /// What the gates found.
  package var findings: [GateFinding] = []
  /// What a `RetryPolicy` of the calling program decided after a failure; nil without one.
  package var custom: Custom?

  /// Why another attempt follows: the end of a sentence that begins with the attempt's name.
  fileprivate var reason: String {
    if isIdle { return "was ended by --idle-timeout: retry" }
    return status == .timeout ? "ran longer than --timeout: retry" : "failed: retry"
  }

  /// The decision of a `RetryPolicy`.
  package struct Custom: Sendable, Hashable {
    /// Nanoseconds until the next attempt; nil: there is none.
    package let pause: UInt64?
  }

  /// A verdict about an attempt that ended with `status`.
  package init(_ status: RunStatus, failedToStart: Bool = false, findings: [GateFinding] = []) {
    self.status = status
    self.failedToStart = failedToStart
    self.findings = findings
  }
}

/// Decides after each attempt at a repetition whether there is another one: pure.
package struct AttemptMachine: Sendable {
  /// What follows an attempt.
  package enum Decision: Sendable, Hashable {
    /// The attempt is the repetition's result.
    case accept
    /// Another attempt after this many nanoseconds; `because` is the end of a sentence that begins
    /// with the attempt's name.
    case again(after: UInt64, because: String)
  }

  /// Retries of a start that failed for a transient reason, and nanoseconds before each.
  static let startLimit = 5
  static let startPause: UInt64 = 100_000_000

  private let policy: AttemptPolicy
  package private(set) var attempts = 0
  private var failures = 0
  private var idleEnds = 0
  private var contaminated = 0
  private var failedStarts = 0
  private var lastFindings: Set<String> = []

  /// Before the first attempt of this session. Attempts that ended in `earlier` sessions count.
  package init(_ policy: AttemptPolicy, after earlier: [AttemptResult] = []) {
    self.policy = policy
    for attempt in earlier where attempt.status != .interrupted {
      attempts += 1
      if [.failed, .timeout].contains(attempt.status) { failures += 1 }
      // The result does not tell which limit ended it: it counts as ended by the idle timeout too.
      if attempt.status == .timeout { idleEnds += 1 }
      if attempt.status == .completed, !attempt.contamination.isEmpty { contaminated += 1 }
    }
  }

  /// What follows an attempt with this verdict.
  package mutating func decide(_ verdict: AttemptVerdict) -> Decision {
    attempts += 1
    guard attempts < policy.maximum else { return .accept }
    if verdict.failedToStart {
      failedStarts += 1
      return failedStarts <= Self.startLimit
        ? .again(after: Self.startPause, because: "could not be started yet: retry")
        : .accept
    }
    guard policy.isIdempotent else { return .accept }
    switch verdict.status {
    case .failed, .timeout:
      if let custom = verdict.custom {
        failures += 1
        let reason = "\(verdict.reason) by the program's own policy"
        return custom.pause.map { .again(after: $0, because: reason) } ?? .accept
      }
      guard verdict.isIdle, let limit = policy.idleRetries else {
        failures += 1
        return again(failures, of: policy.retries, verdict.reason)
      }
      idleEnds += 1
      return again(idleEnds, of: limit, verdict.reason)
    case .completed:
      let blocking = verdict.findings.filter { $0.severity == .block }
      guard !blocking.isEmpty else { return .accept }
      contaminated += 1
      // A finding that is not transient would be found each time: the second time ends the repeats.
      let persistent = Set(blocking.filter { !$0.isTransient }.map(\.gate))
      let isTheSame = !persistent.isEmpty && persistent == lastFindings
      lastFindings = persistent
      guard contaminated <= policy.contaminatedRepeats, !isTheSame else { return .accept }
      return .again(after: 0, because: "is contaminated (\(blocking[0].message)): repeat")
    default: return .accept
    }
  }

  /// The `count`-th retry of at most `limit`, after its pause.
  private func again(_ count: Int, of limit: Int, _ reason: String) -> Decision {
    guard count <= limit, let last = policy.backoff.last else { return .accept }
    let pause = count <= policy.backoff.count ? policy.backoff[count - 1] : last
    return .again(after: pause, because: reason)
  }
}
