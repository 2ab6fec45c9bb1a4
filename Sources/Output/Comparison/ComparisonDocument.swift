package import RunAnalysis
import SampleModel

/// A comparison for programs; docs/reference/comparing.md describes every key.
///
/// All keys are always present: an unknown value is null, and `reasons` of its object has the
/// reason.
package struct ComparisonDocument: Encodable {
  /// Incremented when a key changes its meaning or is removed, not when a key is added.
  package static let schema = 1

  private let schema = Self.schema
  private let alpha: Double
  private let falseDiscoveryRate: Double
  private let margin: Double
  private let primary: [String]
  private let includesContaminated: Bool
  private let base: Side
  private let comparisons: [Pair]

  struct Side: Encodable {
    struct Phase: Encodable {
      let run: String
      let phase: String
      let repetitions: Int
      let failed: Int
    }
    let name: String
    let phases: [Phase]

    init(_ side: ComparedSide) {
      name = side.name
      phases = side.phases.map {
        Phase(
          run: $0.run, phase: $0.phase, repetitions: $0.repetitions.count, failed: $0.failed)
      }
    }
  }

  struct Difference: Encodable {
    let name: String
    let base: Known<String>
    let side: Known<String>
  }

  struct Level: Encodable {
    let count: Int
    let median: Known<Double>
    let low: Known<Double>
    let high: Known<Double>

    init(_ level: Comparison.Level) {
      count = level.count
      median = Known.finite(level.median)
      low = Known.finite(level.interval?.low)
      high = Known.finite(level.interval?.high)
    }
  }

  struct Effect: Encodable {
    let kind: String
    let value: Known<Double>
    let low: Known<Double>
    let high: Known<Double>
    let confidence: Double

    init(_ effect: Comparison.Effect) {
      kind = effect.kind.rawValue
      value = Known.finite(effect.value)
      low = Known.finite(effect.interval?.low)
      high = Known.finite(effect.interval?.high)
      confidence = 0.95
    }
  }

  struct Test: Encodable {
    let name: String
    let p: Known<Double>
    let floor: Known<Double>
    let adjusted: Known<Double>

    init(_ test: Comparison.Test) {
      name = test.name
      p = Known.finite(test.p)
      floor = Known.finite(test.floor)
      adjusted = Known.finite(test.adjusted)
    }
  }

  struct Metric: Encodable {
    let metric: String
    let unit: String
    let family: String
    let better: Known<String>
    let base: Known<Level>
    let side: Known<Level>
    let effect: Known<Effect>
    let test: Known<Test>
    let detectable: Known<Double>
    let verdict: String
    let direction: Known<String>
    let needs: Known<Int>
    let why: Known<String>
    let betweenSessions: Known<Double>
    let reasons: [String: String]

    init(_ row: Comparison.Row, _ pair: Comparison.Pair) {
      metric = row.metric
      unit = row.unit
      family = row.isPrimary ? "primary" : "other"
      better = Known(row.better?.rawValue)
      base = Known(row.a.map(Level.init))
      side = Known(row.b.map(Level.init))
      effect = Known(row.effect.map(Effect.init))
      test = Known(row.test.map(Test.init))
      detectable = Known.finite(row.detectable)
      verdict = row.verdict.rawValue
      let isBetter = pair.isBetter(row)
      direction = Known(isBetter.map { $0 ? "better" : "worse" })
      needs = Known(row.needs)
      why = Known(row.why)
      betweenSessions = Known.finite(row.betweenSessions?.deviation)
      reasons = Self.reasons(row, pair)
    }

    /// Why values are null, by key.
    private static func reasons(
      _ row: Comparison.Row, _ pair: Comparison.Pair
    ) -> [String: String] {
      var reasons: [String: String] = [:]
      func note(_ key: String, _ isMissing: Bool, _ reason: String) {
        if isMissing { reasons[key] = reason }
      }
      let tooFew = row.why ?? "too few repetitions"
      note("better", row.better == nil, "no direction of it is known to be better")
      note("base", row.a == nil, tooFew)
      note("side", row.b == nil, tooFew)
      for (key, level) in [("base", row.a), ("side", row.b)] where level != nil {
        note("\(key).low", level?.interval == nil, "a median's 95 % interval takes six values")
        note("\(key).high", level?.interval == nil, "a median's 95 % interval takes six values")
      }
      note("effect", row.effect == nil, tooFew)
      if let effect = row.effect {
        let reason = "so few repetitions have no 95 % interval"
        note("effect.low", effect.interval == nil, reason)
        note("effect.high", effect.interval == nil, reason)
      }
      note("test", row.test == nil, tooFew)
      if let test = row.test {
        note("test.floor", test.floor == nil, "the p of this test is continuous")
      }
      note("detectable", row.detectable == nil, tooFew)
      let isChanged = row.verdict == .changed
      note(
        "direction", pair.isBetter(row) == nil,
        !isChanged
          ? "it is not proven to have changed"
          : pair.design.isConfounded && !row.exceedsSessions
            ? row.betweenSessions == nil
              ? "the host may have changed in the meantime"
              : "identical runs differ by as much on this host"
            : "no direction of it is known to be better")
      note(
        "betweenSessions", row.betweenSessions == nil,
        pair.sessionPairs == nil
          ? "the sides are not two runs"
          : "fewer than \(SessionNoise.fewestPairs) pairs of identical stored runs have it")
      note(
        "needs", row.needs == nil,
        row.verdict == .undecided
          ? ComparisonWords.noNumberIsEnough : "it is decided")
      note("why", row.why == nil, "there is no more to say")
      return reasons
    }
  }

  /// What each side shows and the other one does not.
  struct Findings: Encodable {
    let base: [FindingDocument]
    let side: [FindingDocument]

    init(_ base: ComparedSide, _ side: ComparedSide) {
      func documents(_ list: [FindingLines.OfSide]) -> [FindingDocument] {
        list.map { FindingDocument($0.finding, unjudged: $0.unjudged) }
      }
      self.base = documents(FindingLines.only(base, not: side))
      self.side = documents(FindingLines.only(side, not: base))
    }
  }

  struct Counts: Encodable {
    let base: Int
    let side: Int
  }

  struct Pair: Encodable {
    let side: Side
    let design: String
    let isConfounded: Bool
    let counts: Counts
    let betweenSessions: Known<Double>
    let differences: [Difference]
    let notes: [String]
    let findings: Findings
    let metrics: [Metric]
    let neverMoved: [String]
    let belowResolution: [String]
    let fewestForFindings: Known<Int>
    let reasons: [String: String]

    init(_ pair: Comparison.Pair, _ base: ComparedSide, passes: (String) -> Bool) {
      side = Side(pair.other)
      design = pair.design.rawValue
      isConfounded = pair.design.isConfounded
      counts = Counts(base: pair.counts.a, side: pair.counts.b)
      let wall = pair.rows.first { $0.metric == RunSummary.wallTime }?.betweenSessions
      betweenSessions = Known.finite(wall?.deviation)
      differences = pair.differences.map {
        Difference(name: $0.name, base: Known($0.a), side: Known($0.b))
      }
      notes =
        pair.notes.map(ComparisonWords.note) + ComparisonWords.warnings(pair, base)
      findings = Findings(base, pair.other)
      metrics = pair.rows.filter { passes($0.metric) }.map { Metric($0, pair) }
      neverMoved = pair.neverMoved.filter(passes)
      belowResolution = pair.belowResolution.filter(passes)
      fewestForFindings = Known(pair.fewestForFindings)
      var reasons = ["betweenSessions": "how much identical runs differ here is not known"]
      switch pair.design {
      case .paired, .mixed: reasons["betweenSessions"] = "one session"
      case .runs: reasons["betweenSessions"] = "the intervals have it in them"
      case .separate: if wall != nil { reasons["betweenSessions"] = nil }
      case .sequential: break
      }
      if pair.fewestForFindings == nil {
        reasons["fewestForFindings"] = "there are enough repetitions"
      }
      self.reasons = reasons
    }
  }

  /// A comparison with the metrics that pass.
  package init(_ comparison: Comparison, passes: (String) -> Bool) {
    let settings = comparison.settings
    alpha = settings.alpha
    falseDiscoveryRate = settings.falseDiscoveryRate
    margin = settings.margin
    primary = settings.primary
    includesContaminated = settings.includesContaminated
    base = Side(comparison.base)
    comparisons = comparison.pairs.map { Pair($0, comparison.base, passes: passes) }
  }
}
