package import SampleModel

/// How often what went wrong is tried again.
package struct AttemptPolicy: Sendable, Hashable {
  /// Attempts after a failure or a timeout of the workload.
  package var retries = 0
  /// Attempts after an end by the idle timeout; nil for as many as `retries`, counted with them.
  package var idleRetries: Int?
  /// Nanoseconds before the first, the second, … of them; the last is repeated.
  package var backoff: [UInt64] = [0, 5_000_000_000, 15_000_000_000]
  /// Whether the workload may be executed again once it has begun: it has no side effects that
  /// would add up.
  package var isIdempotent = false
  /// Where a plan asks for retries, nil where none does: the word of a configuration for all runs
  /// is not about this one.
  package var askedFor: String?
  /// Attempts after contaminated ones.
  package var contaminatedRepeats = 3
  /// Attempts in all, whatever their cause.
  package var maximum = 10

  /// The standard policy: nothing that has begun is tried again.
  package init() {}
}

/// What one attempt came to, as far as it decides about another one.
package struct AttemptVerdict: Sendable, Hashable {
  package var status: RunStatus
  /// Whether the workload never began, for a reason that passes (EAGAIN, ETXTBSY).
  package var failedToStart = false
  /// Whether it was ended since it did nothing for as long as it may.
  package var isIdle = false
  /// What disturbed it.
  package var findings: [GateFinding] = []
  /// What a policy of the program's own says of a failure.
  package var own: Own?

  /// Why it is followed by another one, in words behind its place.
  fileprivate var reason: String {
    if isIdle { return "was ended by --idle-timeout: retry" }
    return status == .timeout ? "ran longer than --timeout: retry" : "failed: retry"
  }

  /// The word of a `RetryPolicy`.
  package struct Own: Sendable, Hashable {
    /// Nanoseconds until the next attempt, nil for none.
    package let pause: UInt64?
  }

  /// A verdict.
  package init(_ status: RunStatus, failedToStart: Bool = false, findings: [GateFinding] = []) {
    self.status = status
    self.failedToStart = failedToStart
    self.findings = findings
  }
}

/// Decides after each attempt at a repetition whether there is another one: pure.
package struct AttemptMachine: Sendable {
  /// What follows.
  package enum Decision: Sendable, Hashable {
    /// The attempt stands as the repetition's.
    case accept
    /// Another one, after so many nanoseconds; why, in words behind the attempt's place.
    case again(after: UInt64, because: String)
  }

  /// Starts that fail for a reason that passes are tried so often, each a tenth of a second later.
  static let startLimit = 5
  static let startPause: UInt64 = 100_000_000

  private let policy: AttemptPolicy
  package private(set) var attempts = 0
  private var failures = 0
  private var idleEnds = 0
  private var contaminated = 0
  private var failedStarts = 0
  private var lastFindings: Set<String> = []

  /// Before the first attempt of this session; those of earlier ones that came to an end count.
  package init(_ policy: AttemptPolicy, after earlier: [AttemptResult] = []) {
    self.policy = policy
    for attempt in earlier where attempt.status != .interrupted {
      attempts += 1
      if [.failed, .timeout].contains(attempt.status) { failures += 1 }
      // Which limit ended one is not known any more: it counts as an idle end too.
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
      if let own = verdict.own {
        failures += 1
        let reason = "\(verdict.reason) by the program's own policy"
        return own.pause.map { .again(after: $0, because: reason) } ?? .accept
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
      // What lies in the sampling itself comes again each time: the second time is enough.
      let lasting = Set(blocking.filter { !$0.passes }.map(\.gate))
      let isTheSame = !lasting.isEmpty && lasting == lastFindings
      lastFindings = lasting
      guard contaminated <= policy.contaminatedRepeats, !isTheSame else { return .accept }
      return .again(after: 0, because: "is contaminated (\(blocking[0].message)): repeat")
    default: return .accept
    }
  }

  /// Another attempt behind the `count`-th of at most `limit`, after the pause that is its turn.
  private func again(_ count: Int, of limit: Int, _ reason: String) -> Decision {
    guard count <= limit, let last = policy.backoff.last else { return .accept }
    let pause = count <= policy.backoff.count ? policy.backoff[count - 1] : last
    return .again(after: pause, because: reason)
  }
}
