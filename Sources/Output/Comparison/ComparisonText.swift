package import RunAnalysis
import SampleModel

/// A comparison for people.
package struct ComparisonText {
  /// Findings that are shown unless all are asked for.
  private static let shownFindings = 20

  private let comparison: Comparison
  /// Every metric, rather than the primary family and what changed.
  private let all: Bool
  /// The metrics that were asked for; nil for all.
  private let passes: ((String) -> Bool)?

  /// A comparison, of which all metrics are shown or those that pass.
  package init(_ comparison: Comparison, all: Bool = false, passes: ((String) -> Bool)? = nil) {
    self.comparison = comparison
    self.all = all
    self.passes = passes
  }

  private func isShown(_ row: Comparison.Row) -> Bool { passes?(row.metric) ?? true }

  /// Findings first those that are surest, and how many are left out.
  private func findings(_ pair: Comparison.Pair) -> (rows: [Comparison.Row], hidden: Int) {
    let sorted = pair.rows(.changed, primary: false).filter(isShown).sorted {
      ($0.test?.adjusted ?? 1, $0.metric) < ($1.test?.adjusted ?? 1, $1.metric)
    }
    guard !all, passes == nil, sorted.count > Self.shownFindings else { return (sorted, 0) }
    return (Array(sorted.prefix(Self.shownFindings)), sorted.count - Self.shownFindings)
  }

  /// The rows beside primary ones and findings, where they are asked for.
  private func rest(_ pair: Comparison.Pair) -> [Comparison.Row] {
    guard all || passes != nil else { return [] }
    return pair.rows.filter { !$0.isPrimary && $0.verdict != .changed && isShown($0) }
  }

  // MARK: Text

  /// For a terminal or a file.
  package var text: String {
    var lines: [String] = []
    for (index, pair) in comparison.pairs.enumerated() {
      if index > 0 { lines.append("") }
      lines += section(pair, Comparison.letter(index + 1))
    }
    return lines.map { $0.shownInLine + "\n" }.joined()
  }

  private func section(_ pair: Comparison.Pair, _ letter: String) -> [String] {
    let counts = pair.counts
    var lines = [
      "A        "
        + ComparisonWords.side(comparison.base, count: counts.a, pair.design),
      "\(letter)        " + ComparisonWords.side(pair.other, count: counts.b, pair.design),
      "design   \(ComparisonWords.design(pair))",
    ]
    for one in ComparisonWords.differences(pair.differences) { lines.append("differs  \(one)") }
    if pair.differences.isEmpty { lines.append("differs  nothing that is recorded") }
    for note in pair.notes { lines.append("note     \(ComparisonWords.note(note))") }
    for warning in ComparisonWords.warnings(pair, comparison.base) {
      lines.append("unknown  \(warning)")
    }
    for line in FindingLines.text(comparison.base, "A", pair.other, letter) {
      lines.append("finding  \(line)")
    }
    let primary = pair.rows.filter { $0.isPrimary && isShown($0) }
    let legend = [ComparisonWords.detectableLegend]
    if !primary.isEmpty { lines += [""] + table(primary, pair, letter) + legend }
    lines.append("")
    lines.append(ComparisonWords.findings(pair, comparison.settings))
    let (findings, hidden) = findings(pair)
    if !findings.isEmpty { lines += table(findings, pair, letter) }
    if hidden > 0 { lines.append("… \(hidden) more: --all") }
    let rest = rest(pair)
    if !rest.isEmpty { lines += [""] + table(rest, pair, letter) }
    if primary.isEmpty, !findings.isEmpty || !rest.isEmpty { lines += legend }
    return lines + summary(pair)
  }

  private func table(
    _ rows: [Comparison.Row], _ pair: Comparison.Pair, _ letter: String
  ) -> [String] {
    var cells = [["", "A", letter, "\(letter) against A", "95 % CI", "detectable", "verdict"]]
    for row in rows {
      cells.append([
        row.metric, ComparisonWords.level(row.a, row.unit), ComparisonWords.level(row.b, row.unit),
        ComparisonWords.effect(row), ComparisonWords.interval(row),
        ComparisonWords.detectable(row), ComparisonWords.verdict(row, pair),
      ])
    }
    // The last column is left-aligned by hand, since remarks follow it.
    let width = cells.map { $0[6].count }.max() ?? 0
    for index in cells.indices {
      cells[index][6] += String(repeating: " ", count: width - cells[index][6].count)
    }
    var lines = TextTable.lines(cells, leftColumns: 1)
    for (index, row) in rows.enumerated() {
      if let remark = ComparisonWords.remark(row) { lines[index + 1] += " (\(remark))" }
    }
    return lines
  }

  private func summary(_ pair: Comparison.Pair) -> [String] {
    let margin = ComparisonWords.percent(comparison.settings.margin, signed: false)
    let undecided = pair.rows(.undecided, primary: false)
    var counts = [
      "same within \(margin): \(pair.rows(.same, primary: false).count)",
      "undecided: \(undecided.count)",
      "never moved: \(pair.neverMoved.count)",
    ]
    if !pair.belowResolution.isEmpty {
      counts.append("moved by less than two steps of their source: \(pair.belowResolution.count)")
    }
    let lone = pair.rows(.notComparable, primary: false)
    var lines: [String] = []
    var reasons: [String: Int] = [:]
    for row in lone { reasons[row.why ?? "", default: 0] += 1 }
    for (why, count) in reasons.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
      lines.append("not comparable: \(count) (\(why))")
    }
    if lines.count > 1 {
      counts.append("not comparable: \(lone.count)")
    } else {
      counts += lines
      lines = []
    }
    return [counts.joined(separator: " · ")] + lines
  }

  // MARK: Markdown

  /// For a pull request or a page: GitHub's tables.
  package var markdown: String {
    var lines: [String] = []
    for (index, pair) in comparison.pairs.enumerated() {
      let letter = Comparison.letter(index + 1)
      lines += ["### \(letter) against A", ""]
      lines.append(
        "- A: "
          + Self.code(ComparisonWords.side(comparison.base, count: pair.counts.a, pair.design)))
      lines.append(
        "- \(letter): "
          + Self.code(ComparisonWords.side(pair.other, count: pair.counts.b, pair.design)))
      lines.append("- design: \(Self.escaped(ComparisonWords.design(pair)))")
      for one in ComparisonWords.differences(pair.differences) {
        lines.append("- differs: \(Self.code(one))")
      }
      for note in pair.notes { lines.append("- \(Self.escaped(ComparisonWords.note(note)))") }
      for warning in ComparisonWords.warnings(pair, comparison.base) {
        lines.append("- \(Self.escaped(warning))")
      }
      for line in FindingLines.text(comparison.base, "A", pair.other, letter) {
        lines.append("- finding, \(Self.escaped(line))")
      }
      let primary = pair.rows.filter { $0.isPrimary && isShown($0) }
      let legend = ["", Self.escaped(ComparisonWords.detectableLegend) + "."]
      if !primary.isEmpty { lines += [""] + markdownTable(primary, pair, letter) + legend }
      lines += ["", Self.escaped(ComparisonWords.findings(pair, comparison.settings)) + "."]
      let (findings, hidden) = findings(pair)
      if !findings.isEmpty { lines += [""] + markdownTable(findings, pair, letter) }
      if hidden > 0 { lines += ["", "\(hidden) more are not shown."] }
      let rest = rest(pair)
      if !rest.isEmpty { lines += [""] + markdownTable(rest, pair, letter) }
      if primary.isEmpty, !findings.isEmpty || !rest.isEmpty { lines += legend }
      lines += [""] + summary(pair).map(Self.escaped) + [""]
    }
    return lines.map(\.shownInLine).joined(separator: "\n")
  }

  private func markdownTable(
    _ rows: [Comparison.Row], _ pair: Comparison.Pair, _ letter: String
  ) -> [String] {
    var lines = [
      "| metric | A | \(letter) | \(letter) against A | 95 % CI | detectable | verdict |",
      "|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows {
      var verdict = ComparisonWords.verdict(row, pair)
      if let remark = ComparisonWords.remark(row) {
        verdict += " (\(remark))"
      }
      let cells =
        [
          Self.code(row.metric), ComparisonWords.level(row.a, row.unit),
          ComparisonWords.level(row.b, row.unit), ComparisonWords.effect(row),
          ComparisonWords.interval(row), ComparisonWords.detectable(row),
        ] + [Self.escaped(verdict)]
      lines.append("| " + cells.joined(separator: " | ") + " |")
    }
    return lines
  }

  /// Text that means itself, in a code span where nothing else means anything; a bar would end a
  /// table's cell there too.
  static func code(_ text: String) -> String {
    let plain = text.map { character -> String in
      switch character {
      case "`": "'"
      case "|": "\\|"
      default: character.isNewline ? " " : "\(character)"
      }
    }.joined(separator: "")
    return "`\(plain)`"
  }

  static func escaped(_ text: String) -> String {
    text.map { character in
      "\\`*_<>[]|#".contains(character)
        ? "\\\(character)" : character.isNewline ? " " : "\(character)"
    }.joined(separator: "")
  }
}
