import Glibc
package import RunAnalysis
import SampleModel

/// The cells of a comparison as text, for all formats for people.
package enum ComparisonWords {
  /// A share with its sign, in percent: two decimals below 10 %, one below 1,000 %.
  static func percent(_ share: Double, signed: Bool = true) -> String {
    let percent = share * 100
    let decimals = percent.magnitude < 9.995 ? 2 : percent.magnitude < 999.95 ? 1 : 0
    let digits = percent.magnitude < 1e12 ? Readable.fixed(percent.magnitude, decimals) : ">1e12"
    let isZero = !digits.contains { $0 != "0" && $0 != "." }
    let sign = isZero || (!signed && percent > 0) ? "" : percent < 0 ? "-" : "+"
    return "\(sign)\(digits) %"
  }

  /// An amount with its sign and unit.
  private static func amount(_ value: Double, _ unit: String, signed: Bool = true) -> String {
    let sign = value < 0 ? "-" : signed && value > 0 ? "+" : ""
    return sign + RunReport.value(value.magnitude, unit)
  }

  private static func number(
    _ value: Double, _ kind: Comparison.Effect.Kind, _ unit: String, signed: Bool = true
  ) -> String {
    kind == .ratio
      ? percent(value, signed: signed) : amount(value, unit, signed: signed)
  }

  /// A side's median.
  package static func level(_ level: Comparison.Level?, _ unit: String) -> String {
    level.map { $0.median < 0 ? amount($0.median, unit) : RunReport.value($0.median, unit) } ?? "-"
  }

  /// The effect alone.
  package static func effect(_ row: Comparison.Row) -> String {
    row.effect.map { number($0.value, $0.kind, row.unit) } ?? "-"
  }

  /// The effect's 95 % interval.
  package static func interval(_ row: Comparison.Row) -> String {
    guard let effect = row.effect, let interval = effect.interval else { return "-" }
    return number(interval.low, effect.kind, row.unit) + " … "
      + number(interval.high, effect.kind, row.unit)
  }

  /// What could have been found.
  package static func detectable(_ row: Comparison.Row) -> String {
    guard let effect = row.effect, let least = row.detectable else { return "-" }
    return number(least, effect.kind, row.unit, signed: false)
  }

  /// What the column of it means.
  package static let detectableLegend =
    "detectable: the smallest effect that these repetitions would show with a probability of 80 %"

  /// The text of an undecided row without an estimate of how many more repetitions would decide it.
  static let noNumberIsEnough = "no number of repetitions is known to be enough"

  /// The verdict, with the direction of the change where it is known.
  package static func verdict(_ row: Comparison.Row, _ pair: Comparison.Pair) -> String {
    switch row.verdict {
    case .changed:
      switch pair.isBetter(row) {
      case true?: row.metric == RunSummary.wallTime ? "faster" : "better"
      case false?: row.metric == RunSummary.wallTime ? "slower" : "worse"
      case nil: "changed"
      }
    case .same: "same"
    case .undecided: "undecided"
    case .notComparable: "not comparable"
    }
  }

  /// Why a row is undecided, and what would help; nil for other rows.
  package static func remark(_ row: Comparison.Row) -> String? {
    if row.verdict == .changed {
      guard let bound = row.betweenSessions, !row.exceedsSessions else { return nil }
      return "identical runs differ by up to \(percent(expm1(bound.reach), signed: false))"
    }
    let needs =
      row.needs.map { "add about \(Counted.text($0, "repetition")) per side" }
      ?? (row.verdict == .undecided ? noNumberIsEnough : nil)
    let parts = [row.why, needs].compactMap(\.self)
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }

  /// A side in one line: its name, its run and phase, and the number of its repetitions.
  package static func side(_ side: ComparedSide, count: Int?, _ design: Comparison.Design?)
    -> String
  {
    let phases = side.phases.map { "\($0.run):\($0.phase)" }
    let what = Counted.list(phases)
    var text = side.name == what ? what : "\(side.name) = \(what)"
    if let count {
      text += ", " + Counted.text(count, design == .runs ? "run" : "repetition")
    }
    return text
  }

  /// The design, and the conclusions that it allows.
  package static func design(_ pair: Comparison.Pair) -> String {
    switch pair.design {
    case .paired: "one run, repetitions in turns: \(Counted.text(pair.counts.a, "pair"))"
    case .mixed: "one run, repetitions in mixed order: two samples"
    case .sequential:
      "one run, one phase after the other: a drift of the host shows up as a difference (lbsample "
        + "run --order interleaved avoids that)"
    case .separate: separate(pair)
    case .runs:
      "\(pair.counts.a) and \(pair.counts.b) runs: each run counts as one value, so the intervals "
        + "include the noise between sessions"
    }
  }

  /// What is known of how much two runs differ by themselves.
  private static func separate(_ pair: Comparison.Pair) -> String {
    let wall = pair.rows.first { $0.metric == RunSummary.wallTime }?.betweenSessions
    guard let wall else {
      let found = pair.sessionPairs ?? 0
      let known =
        found > 0 ? " (\(Counted.text(found, "pair")) of stored runs, \(needed) needed)" : ""
      return "two runs: the noise between sessions on this host is unknown\(known), so a change "
        + "may come from the host (compare several runs a side, or one run with --order "
        + "interleaved)"
    }
    return "two runs: identical runs on this host differ by up to "
      + "\(percent(expm1(wall.reach), signed: false)) in wall_time (95 %, from "
      + "\(Counted.text(wall.pairs, "pair")) of stored runs); a smaller change may be noise"
  }

  private static let needed = SessionNoise.fewestPairs

  /// What differs, one line a fact; of variables, whose values are not kept, their names alone.
  package static func differences(_ all: [Comparison.Difference]) -> [String] {
    let start = ComparedFact.variable
    let variables = all.filter { $0.name.hasPrefix(start) }
    var lines: [String] = []
    var isTold = false
    for one in all {
      guard one.name.hasPrefix(start) else {
        lines.append(difference(one))
        continue
      }
      if !isTold { lines.append(environment(variables)) }
      isTold = true
    }
    return lines
  }

  private static func environment(_ variables: [Comparison.Difference]) -> String {
    func names(_ filter: (Comparison.Difference) -> Bool) -> String? {
      let found = variables.filter(filter).map {
        String($0.name.dropFirst(ComparedFact.variable.count))
      }
      return found.isEmpty ? nil : Counted.list(found)
    }
    let parts = [
      names { $0.a != nil && $0.b != nil }.map { "other values of \($0)" },
      names { $0.b == nil }.map { "only A has \($0)" },
      names { $0.a == nil }.map { "A does not have \($0)" },
    ]
    return "environment: " + parts.compactMap(\.self).joined(separator: "; ")
  }

  /// Facts that differ; long values are cut.
  static func difference(_ one: Comparison.Difference) -> String {
    func short(_ value: String?) -> String {
      guard let value else { return "(none)" }
      return value.count > 60 ? "\(value.prefix(59))…" : value.isEmpty ? "(empty)" : value
    }
    return "\(one.name): \(short(one.a)) → \(short(one.b))"
  }

  /// Warnings about a side.
  package static func note(_ note: Comparison.Note) -> String {
    switch note {
    case .leftOut(let side, let count, let reasons):
      "left out of \(side): \(Counted.text(count, "contaminated repetition")) "
        + "(\(Counted.list(reasons))); --contaminated includes them"
    case .contaminated(let side, let count):
      "\(side) includes \(Counted.text(count, "contaminated repetition"))"
    case .failed(let side, let count):
      "\(side): \(Counted.text(count, "repetition")) did not complete"
    case .withoutPair(let side, let count):
      "left out of \(side): \(Counted.text(count, "repetition")) whose pair is incomplete"
    case .drifts(let side, let metric, let rises, let p):
      "\(metric) of \(side) \(rises ? "rises" : "falls") from repetition to repetition "
        + "(Mann-Kendall, p = \(probability(p)))"
    case .steps(let side, let metric, let repetition):
      "\(metric) of \(side) changes at repetition \(repetition) (E-divisive)"
    }
  }

  /// Warnings of a pair: limits of its design, and facts that were not recorded.
  package static func warnings(_ pair: Comparison.Pair, _ base: ComparedSide) -> [String] {
    let phases = base.phases + pair.other.phases
    guard Set(phases.map(\.origin)).count > 1 else { return [] }
    func all(_ matches: (ComparedFact) -> Bool) -> Bool {
      phases.allSatisfy { $0.facts.contains(where: matches) }
    }
    var warnings: [String] = []
    if !all({ $0.name == ComparedFact.executable }) {
      warnings.append(
        "whether executables or input files changed between the runs: their contents are not "
          + "recorded")
    } else if !all({ $0.name.hasPrefix(ComparedFact.input) }) {
      warnings.append(
        "whether input files changed between the runs: run --depends FILE records the contents")
    }
    var masked: [String] = []
    for fact in phases.flatMap(\.facts)
    where fact.value == PhaseProvenance.hidden && fact.name.hasPrefix(ComparedFact.variable) {
      let name = String(fact.name.dropFirst(ComparedFact.variable.count))
      if !masked.contains(name) { masked.append(name) }
    }
    if !masked.isEmpty {
      warnings.append(
        "whether variables whose values are not recorded (run.mask) changed between the runs: "
          + Counted.list(masked))
    }
    return warnings
  }

  /// A p value with two significant digits.
  static func probability(_ p: Double) -> String {
    if p >= 0.001 { return Readable.fixed(p, p >= 0.1 ? 2 : p >= 0.01 ? 3 : 4) }
    return p < 1e-6 ? "<0.000001" : Readable.fixed(p, 6)
  }

  /// `changed 23 of 412 that moved`, and what chance has part in it.
  package static func findings(
    _ pair: Comparison.Pair, _ settings: Comparison.Settings
  ) -> String {
    let others = pair.rows.filter { !$0.isPrimary }
    let changed = pair.rows(.changed, primary: false).count
    let moved = others.count { $0.verdict != .notComparable }
    if let fewest = pair.fewestForFindings {
      return "too few repetitions to find a change of the other \(Counted.text(moved, "metric")): "
        + "that takes at least \(fewest) a side"
    }
    let rate = percent(settings.falseDiscoveryRate, signed: false)
    return "changed: \(changed) of the \(Counted.text(moved, "other metric")) that moved"
      + (changed > 0 ? " (false discovery rate \(rate))" : "")
  }
}
