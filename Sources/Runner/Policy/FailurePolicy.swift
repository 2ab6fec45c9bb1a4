package import SampleModel

/// What can still be sampled after a failure of sampling.
package enum SamplingOutlook: Sendable, Hashable {
  /// All collectors that were armed: the failure may be transient.
  case whole
  /// All collectors but this optional one.
  case without(String)
  /// No collector; none of them was required.
  case dispensable
  /// No collector; some of them were required.
  case lost
}

/// What is done about a failure that is not the workload's own.
package enum RecoveryAction: Sendable, Hashable {
  /// Try the same again: no workload had begun.
  case retry
  /// Read this collector no more.
  case disable(String)
  /// Sample nothing any more: later brackets have their times only.
  case degrade
  /// Continue the run after this phase.
  case skipPhase
  /// Ask a person whether the run continues after this phase, which later phases may need.
  case ask
  /// End the run.
  case abort
}

/// Decides what is done about failures that are not the workload's own: pure.
///
/// `AttemptMachine` decides about failures of the workload, `SamplingRecovery` about full rings.
package struct FailurePolicy: Sendable {
  /// A failure, with what the decision depends on.
  package struct Failure: Sendable, Hashable {
    package var error: LBError
    /// Whether the workload had passed its start gate.
    package var hasBegun = true
    /// Whether the phase is measured: no other phase depends on it.
    package var isMeasured = true
    /// Whether a person may be asked (--ask).
    package var mayAsk = false
    package var sampling = SamplingOutlook.whole

    /// A failure of a measured workload.
    package init(_ error: LBError) { self.error = error }
  }

  /// Most recoveries in one phase; the next failure of it ends the run. A run of many phases has
  /// no limit of its own: half of a parameter matrix may be impossible to execute.
  static let phaseLimit = 2

  private var countByPhase: [String: Int] = [:]

  /// Nothing has failed yet.
  package init() {}

  /// What is done about `failure` in `phase`.
  package mutating func action(after failure: Failure, phase: String) -> RecoveryAction {
    let action = Self.proposedAction(failure)
    switch action {
    case .abort: return .abort
    // The number of collectors bounds these: each is disabled once.
    case .disable, .degrade: return action
    case .retry, .skipPhase, .ask: break
    }
    guard countByPhase[phase, default: 0] < Self.phaseLimit else { return .abort }
    countByPhase[phase, default: 0] += 1
    return action
  }

  private static func proposedAction(_ failure: Failure) -> RecoveryAction {
    let last: RecoveryAction = failure.mayAsk ? .ask : .abort
    switch failure.error.category {
    case .metricCollection, .collectorUnavailable:
      switch failure.sampling {
      case .whole: return failure.hasBegun ? last : .retry
      case .without(let collector): return .disable(collector)
      case .dispensable: return .degrade
      case .lost: return last
      }
    // A phase that cannot be set up does not affect the phases that do not depend on it.
    case .workload, .outputParse, .remoteExecution, .configuration:
      return failure.isMeasured ? .skipPhase : last
    case .gate, .quota, .stopRequested, .resultPersistence, .internal: return .abort
    }
  }
}

/// Finds collectors that have stopped giving values: pure.
package struct CollectorWatch: Sendable {
  /// Consecutive attempts without one value after which a collector is disabled.
  static let limit = 5

  private var failures: [String: Int] = [:]

  /// No attempt yet.
  package init() {}

  /// Adds an attempt's ledger; returns the collectors that have reached the limit with it.
  package mutating func observe(_ ledger: Ledger) -> [String] {
    var failed: [String] = []
    for line in ledger.threads.flatMap(\.collectors) where line.acquisitions > 0 {
      let gaps = line.gaps.values.reduce(0, &+)
      guard gaps >= line.acquisitions else {
        failures[line.collector] = 0
        continue
      }
      failures[line.collector, default: 0] += 1
      if failures[line.collector] == Self.limit { failed.append(line.collector) }
    }
    return failed
  }
}
