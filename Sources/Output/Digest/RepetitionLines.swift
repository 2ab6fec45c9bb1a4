import RunAnalysis
import SampleModel

/// The repetitions of a phase: a line each of a few, quantiles of many.
enum RepetitionLines {
  /// Repetitions, warm-ups too, that have a line each.
  static let few = 10
  /// Disturbed or failed ones of many that are named.
  private static let named = 20

  /// The lines of a phase; a line for each repetition where all are asked for.
  static func lines(_ phase: PhaseResult, all: Bool) -> [String] {
    guard !phase.repetitions.isEmpty else { return [] }
    return (all || phase.repetitions.count <= few ? table(phase) : quantiles(phase))
      + repeated(phase)
  }

  /// Names the repetitions of which another attempt is not shown.
  private static func repeated(_ phase: PhaseResult) -> [String] {
    let repeated = phase.repetitions.filter { $0.attempts.count > 1 }
    guard !repeated.isEmpty else { return [] }
    let names = some(repeated.map { "\(name($0)) (\($0.attempts.count) attempts)" })
    return ["executed again: \(names); shown is the last attempt with the repetition's status"]
  }

  /// "3", or "warm-up 1".
  static func name(_ repetition: RepetitionResult) -> String {
    repetition.warmUp ? "warm-up \(repetition.repetition)" : "\(repetition.repetition)"
  }

  private static func table(_ phase: PhaseResult) -> [String] {
    var rows = [
      [
        "repetition", "status", "exit", "wall", "user", "system", "samples", "late", "skipped",
        "overhead",
      ]
    ]
    let isDisturbed = phase.repetitions.contains { !reasons($0).isEmpty }
    if isDisturbed { rows[0].append("contaminated by") }
    for repetition in phase.repetitions {
      guard let attempt = repetition.standing else {
        rows.append([name(repetition), repetition.status.rawValue])
        continue
      }
      let ticks = attempt.ledger.ticks
      let taken = ticks.onTime &+ ticks.late &+ 2
      rows.append([
        name(repetition), repetition.status.rawValue,
        attempt.exitCode.map { "\($0)" } ?? attempt.signal.map { "sig \($0)" } ?? "-",
        attempt.wallNanoseconds.map(Readable.duration) ?? "-",
        attempt.userNanoseconds.map(Readable.duration) ?? "-",
        attempt.systemNanoseconds.map(Readable.duration) ?? "-",
        attempt.overhead == nil ? "-" : "\(taken)",
        attempt.overhead == nil ? "-" : "\(ticks.late)",
        attempt.overhead == nil ? "-" : "\(ticks.skipped)",
        attempt.overhead.map { Readable.percent($0.processFraction) } ?? "-",
      ])
      if isDisturbed {
        rows[rows.count - 1].append(GateNames.gates(of: attempt.contamination))
      }
    }
    return [""] + TextTable.lines(rows, leftColumns: 2)
  }

  private static func reasons(_ repetition: RepetitionResult) -> [String] {
    repetition.standing?.contamination ?? []
  }

  private static func quantiles(_ phase: PhaseResult) -> [String] {
    let counted = phase.repetitions.filter { !$0.warmUp }
    let completed = counted.filter { $0.status == .completed }.compactMap(\.standing)
    var heading = "\(completed.count) of \(Counted.text(counted.count, "repetition")) completed"
    if counted.count < phase.repetitions.count {
      heading += ", after \(Counted.text(phase.repetitions.count - counted.count, "warm-up"))"
    }
    var lines = ["", heading]
    var rows = [["", "min", "25 %", "median", "75 %", "95 %", "max"]]
    for (title, value) in [
      ("wall", \AttemptResult.wallNanoseconds), ("user", \.userNanoseconds),
      ("system", \.systemNanoseconds),
    ] {
      let values = completed.compactMap { $0[keyPath: value] }.map { Double($0) }.sorted()
      guard let median = Statistics.median(values) else { continue }
      let shown = [
        values[0], quantile(values, 0.25), median, quantile(values, 0.75), quantile(values, 0.95),
        values[values.count - 1],
      ]
      rows.append([title] + shown.map { DigestText.value($0, "ns") })
    }
    if rows.count > 1 { lines += TextTable.lines(rows, leftColumns: 1) }
    let others = counted.filter { $0.status != .completed }
    if !others.isEmpty {
      lines.append(
        "not completed: "
          + some(
            others.map { one in
              let cause = one.standing?.exitCode.map { ", exit code \($0)" } ?? ""
              return "\(name(one)) (\(one.status.rawValue)\(cause))"
            }))
    }
    let disturbed = phase.repetitions.filter { !reasons($0).isEmpty }
    if !disturbed.isEmpty {
      lines.append(
        "contaminated: "
          + some(disturbed.map { "\(name($0)) (\(GateNames.gates(of: reasons($0))))" }))
    }
    return lines
  }

  private static func some(_ texts: [String]) -> String {
    let rest = texts.count - named
    return texts.prefix(named).joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
  }

  /// The least value that at least this share of all are at or below, of values in order: the
  /// inverse of the empirical distribution function (Hyndman and Fan 1996, type 1).
  static func quantile(_ sorted: [Double], _ share: Double) -> Double {
    let rank = (share * Double(sorted.count)).rounded(.up)
    return sorted[max(1, min(sorted.count, Int(rank))) - 1]
  }
}
