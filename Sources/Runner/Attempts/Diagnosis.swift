package import SampleModel

/// Decides what follows a failure that is not the workload's own: pure.
///
/// What the workload does is judged by `AttemptMachine`; a ring without room, and a collector that
/// gives nothing any more, are `SamplingRemedies`'.
package struct Diagnosis: Sendable {
  /// What may follow.
  package enum Remedy: Sendable, Hashable {
    /// The same again: nothing had begun.
    case retry
    /// The run goes on behind this phase.
    case skipPhase
    /// A person says whether it goes on behind this phase, which others may lean on.
    case ask
    /// The run ends.
    case abort
  }

  /// Remedies for one phase, and for the whole run, before failures abort it.
  static let phaseLimit = 2
  static let runLimit = 10

  private var perPhase: [String: Int] = [:]
  private var inRun = 0

  /// Nothing has failed yet.
  package init() {}

  /// What follows `error` in `phase`. `hasBegun`: whether a workload was let go; `isMeasured`:
  /// whether nothing else leans on the phase; `mayAsk`: whether a person is there to be asked.
  package mutating func remedy(
    for error: LBError, phase: String, hasBegun: Bool, isMeasured: Bool, mayAsk: Bool = false
  ) -> Remedy {
    let remedy = Self.wish(error, hasBegun: hasBegun, isMeasured: isMeasured, mayAsk: mayAsk)
    guard remedy != .abort else { return .abort }
    guard perPhase[phase, default: 0] < Self.phaseLimit, inRun < Self.runLimit else {
      return .abort
    }
    perPhase[phase, default: 0] += 1
    inRun += 1
    return remedy
  }

  private static func wish(
    _ error: LBError, hasBegun: Bool, isMeasured: Bool, mayAsk: Bool
  ) -> Remedy {
    let last: Remedy = mayAsk ? .ask : .abort
    switch error.category {
    case .metricCollection, .collectorUnavailable: return hasBegun ? last : .retry
    // A phase that cannot be set up takes nothing from those that do not lean on it.
    case .workload, .outputParse, .remoteExecution, .configuration:
      return isMeasured ? .skipPhase : last
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
