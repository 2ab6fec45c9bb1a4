package import SampleModel

/// What sampling can go on with after a failure of its own.
package enum SamplingOutlook: Sendable, Hashable {
  /// All that was armed; the failure may pass.
  case whole
  /// All but this collector, which is optional.
  case without(String)
  /// Nothing, and nothing of it was required.
  case dispensable
  /// Nothing, and some of it was required.
  case lost
}

/// Decides what follows a failure that is not the workload's own: pure.
///
/// What the workload does is judged by `AttemptMachine`; a ring without room is
/// `SamplingRemedies`'.
package struct Diagnosis: Sendable {
  /// A failure, with what its remedy hangs on.
  package struct Failure: Sendable, Hashable {
    package var error: LBError
    /// Whether a workload was let go.
    package var hasBegun = true
    /// Whether nothing else leans on the phase.
    package var isMeasured = true
    /// Whether a person is there to be asked.
    package var mayAsk = false
    package var sampling = SamplingOutlook.whole

    /// A failure of a measured workload.
    package init(_ error: LBError) { self.error = error }
  }

  /// What may follow.
  package enum Remedy: Sendable, Hashable {
    /// The same again: nothing had begun.
    case retry
    /// This collector is read no more.
    case disable(String)
    /// Nothing is sampled any more: what follows has its times alone.
    case degrade
    /// The run goes on behind this phase.
    case skipPhase
    /// A person says whether it goes on behind this phase, which others may lean on.
    case ask
    /// The run ends.
    case abort
  }

  /// Remedies for one phase, and for the whole run, before failures abort it. Phases that nothing
  /// leans on are passed over without a bound: of a matrix of a hundred, fifty may be impossible.
  static let phaseLimit = 2
  static let runLimit = 10

  private var perPhase: [String: Int] = [:]
  private var inRun = 0

  /// Nothing has failed yet.
  package init() {}

  /// What follows `failure` in `phase`.
  package mutating func remedy(for failure: Failure, phase: String) -> Remedy {
    let remedy = Self.wish(failure)
    switch remedy {
    case .abort: return .abort
    // There are as many of these as collectors, and none comes twice.
    case .disable, .degrade: return remedy
    case .retry, .skipPhase, .ask: break
    }
    let isCounted = remedy != .skipPhase
    guard perPhase[phase, default: 0] < Self.phaseLimit, !isCounted || inRun < Self.runLimit else {
      return .abort
    }
    perPhase[phase, default: 0] += 1
    if isCounted { inRun += 1 }
    return remedy
  }

  private static func wish(_ failure: Failure) -> Remedy {
    let last: Remedy = failure.mayAsk ? .ask : .abort
    switch failure.error.category {
    case .metricCollection, .collectorUnavailable:
      switch failure.sampling {
      case .whole: return failure.hasBegun ? last : .retry
      case .without(let collector): return .disable(collector)
      case .dispensable: return .degrade
      case .lost: return last
      }
    // A phase that cannot be set up takes nothing from those that do not lean on it.
    case .workload, .outputParse, .remoteExecution, .configuration:
      return failure.isMeasured ? .skipPhase : last
    case .gate, .quota, .stopRequested, .resultPersistence, .internal: return .abort
    }
  }
}

/// Notices collectors that give nothing any more: pure.
package struct CollectorWatch: Sendable {
  /// Attempts in a row without one value.
  static let limit = 5

  private var failures: [String: Int] = [:]

  /// Nothing seen yet.
  package init() {}

  /// Looks at an attempt's account; gives the collectors that have now failed too often.
  package mutating func observe(_ ledger: Ledger) -> [String] {
    var gone: [String] = []
    for line in ledger.threads.flatMap(\.collectors) where line.acquisitions > 0 {
      let gaps = line.gaps.values.reduce(0, &+)
      guard gaps >= line.acquisitions else {
        failures[line.collector] = 0
        continue
      }
      failures[line.collector, default: 0] += 1
      if failures[line.collector] == Self.limit { gone.append(line.collector) }
    }
    return gone
  }
}
