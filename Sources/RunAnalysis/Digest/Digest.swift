package import SampleModel

/// The digest of a phase: each row over the completed attempts at its counted repetitions.
package struct Digest: Sendable, Equatable {
  /// A row with its values.
  package struct Entry: Sendable, Equatable {
    /// The row; one that was expanded has the name of its metric.
    package let row: DigestRow
    /// The base unit of all amounts.
    package let unit: String
    /// The formula that is in force; of an absent row, the first.
    package let formula: String
    /// Attempts that it is made of.
    package let count: Int
    /// Its median, and the median absolute deviation from it; nil of an absent row.
    package let median: Double?
    package let spread: Double?
    /// Encloses the median with at least 95 %; nil below six attempts.
    package let interval: Statistics.Interval?
    /// The least and the greatest amount.
    package let range: Statistics.Interval?
    /// Why there is no amount; nil where there is one.
    package let reason: String?

    /// Whether it was 0 in every attempt.
    package var isZero: Bool { range.map { $0.low == 0 && $0.high == 0 } ?? false }
  }

  /// In the order of groups, as they first appear in the definition, and rows.
  package let entries: [Entry]
  /// Completed attempts at counted repetitions.
  package let attempts: Int
  /// Rows beyond the most that there may be.
  package let leftOut: Int

  /// The rows of `definition` over a phase.
  ///
  /// An interval is from the k-th smallest to the k-th largest amount. Its k is that of the wall
  /// time's own interval in the phase's summary where both are of as many attempts: where
  /// repetitions were added until an interval was narrow enough, that one holds for all looks.
  package init(_ phase: PhaseResult, _ definition: DigestDefinition) {
    let attempts = phase.repetitions.filter { !$0.warmUp }.flatMap(\.attempts).filter {
      $0.status == .completed
    }
    let values = AttemptValues(attempts, phase)
    var entries: [Entry] = []
    var leftOut = 0
    for row in definition.rows.inOrderOfGroups {
      for row in values.expanded(row) {
        if entries.count < DigestDefinition.mostRows {
          entries.append(values.entry(row))
        } else {
          leftOut += 1
        }
      }
    }
    self.entries = entries
    self.attempts = attempts.count
    self.leftOut = leftOut
  }

  /// Rows that have an amount.
  package var present: [Entry] { entries.filter { $0.median != nil } }
}

extension [DigestRow] {
  /// Rows of one group together, groups in the order of their first row.
  package var inOrderOfGroups: [DigestRow] {
    var order: [String] = []
    for row in self where !order.contains(row.group) { order.append(row.group) }
    return order.flatMap { group in filter { $0.group == group } }
  }
}

/// What the attempts have, by the names that formulas use.
private struct AttemptValues {
  private let attempts: [AttemptResult]
  private let own: [[String: Double]]
  private let names: [String]
  private let known: Set<String>
  private let units: [String: String]
  /// The attempts of the wall time's summary, and the rank of its interval; nil without one.
  private let summarised: (count: Int, rank: Int?)?

  init(_ attempts: [AttemptResult], _ phase: PhaseResult) {
    self.attempts = attempts
    own = attempts.map { attempt in
      var values = Dictionary(
        RunSummary.ownValues(of: attempt).map { ($0.name, $0.value) }
      ) { first, _ in first }
      if attempt.bracketNanoseconds > 0 {
        values[DigestName.bracketTime] = Double(attempt.bracketNanoseconds)
      }
      return values
    }
    known = attempts.reduce(into: Set(own.flatMap(\.keys))) { $0.formUnion($1.metrics.keys) }
    names = known.sorted()
    units = Dictionary(phase.metrics.map { ($0.metric, $0.unit) }) { first, _ in first }
      .merging(RunSummary.ownUnits) { first, _ in first }
    let wall = attempts.compactMap(\.wallNanoseconds).map { Double($0) }.sorted()
    summarised = phase.metrics.first { $0.metric == RunSummary.wallTime }.map { row in
      (row.count, row.medianLow.flatMap { low in wall.firstIndex(of: low).map { $0 + 1 } })
    }
  }

  /// The row itself, or one for each metric that its pattern matches.
  func expanded(_ row: DigestRow) -> [DigestRow] {
    guard row.isOfEach else { return [row] }
    return DigestName.metrics(row.rules[0].expression.names[0], among: names, known)
      .compactMap { row.row(of: $0) }
  }

  func entry(_ row: DigestRow) -> Digest.Entry {
    var missing: [String] = []
    var isUndefined = false
    var best: (rule: DigestRow.Rule, amounts: [Double])?
    for rule in row.rules {
      let parts = rule.expression.names.map { metrics($0) }
      if let index = parts.firstIndex(of: []) {
        missing.append(rule.expression.names[index])
        continue
      }
      let amounts = attempts.indices.compactMap { amount(rule, parts, $0) }
      if amounts.isEmpty {
        isUndefined = true
        continue
      }
      // An earlier formula that few repetitions have would say less, and of these alone.
      if amounts.count > best?.amounts.count ?? 0 { best = (rule, amounts) }
      if amounts.count == attempts.count { break }
    }
    if let best { return entry(row, best.rule, best.amounts) }
    let reason =
      attempts.isEmpty
      ? "no completed repetition"
      : isUndefined
        ? "no repetition has all of its metrics, or it divides by zero"
        : "not measured: \(missing.joined(separator: ", "))"
    return Digest.Entry(
      row: row, unit: row.unit, formula: row.rules[0].text, count: 0, median: nil, spread: nil,
      interval: nil, range: nil, reason: reason)
  }

  /// The metrics that a name means. A level that stood still has no `.min` and `.max`: it is both.
  private func metrics(_ name: String) -> [String] {
    let found = DigestName.metrics(name, among: names, known)
    guard found.isEmpty, name.hasSuffix(".min") || name.hasSuffix(".max") else { return found }
    let level = String(name.dropLast(4))
    return known.contains(level) ? [name] : []
  }

  private func amount(_ rule: DigestRow.Rule, _ parts: [[String]], _ index: Int) -> Double? {
    rule.expression.evaluate(
      parts.map { metrics in
        let values = metrics.compactMap { value($0, index) }
        return values.isEmpty ? nil : values.reduce(0, +)
      })
  }

  private func value(_ metric: String, _ index: Int) -> Double? {
    if let own = own[index][metric] { return own }
    return RunSummary.amount(metric) { attempts[index].metrics[$0] }
  }

  private func entry(
    _ row: DigestRow, _ rule: DigestRow.Rule, _ amounts: [Double]
  ) -> Digest.Entry {
    let sorted = amounts.sorted()
    var unit = row.unit
    if unit.isEmpty, let name = rule.expression.names.first {
      unit = metrics(name).first.flatMap { units[$0] } ?? ""
    }
    return Digest.Entry(
      row: row, unit: unit, formula: rule.text, count: amounts.count,
      median: Statistics.median(sorted),
      spread: Statistics.medianAbsoluteDeviation(sorted), interval: interval(sorted),
      range: Statistics.Interval(low: sorted[0], high: sorted[sorted.count - 1]), reason: nil)
  }

  private func interval(_ sorted: [Double]) -> Statistics.Interval? {
    guard let summarised, summarised.count == sorted.count else {
      return Statistics.medianInterval(sorted)
    }
    guard let rank = summarised.rank, rank <= sorted.count / 2 else { return nil }
    return Statistics.Interval(low: sorted[rank - 1], high: sorted[sorted.count - rank])
  }
}
