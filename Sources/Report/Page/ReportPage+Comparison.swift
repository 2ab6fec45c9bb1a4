import Output
import RunAnalysis
import SampleModel

/// The comparison of the sides, with the words and numbers of `compare`.
extension ReportPage {
  func compare(_ comparison: Comparison, _ page: inout Markup) {
    page.own("<section id=\"comparison\"><h2>Comparison</h2>\n")
    for (index, pair) in comparison.pairs.enumerated() {
      let letter = Comparison.letter(index + 1)
      page.element("h3", "\(letter) against A")
      page.list(
        [
          "A: " + ComparisonWords.side(comparison.base, count: pair.counts.a, pair.design),
          "\(letter): " + ComparisonWords.side(pair.other, count: pair.counts.b, pair.design),
          "design: " + ComparisonWords.design(pair),
        ]
          + (pair.differences.isEmpty
            ? ["differs: nothing that is recorded"]
            : ComparisonWords.differences(pair.differences).map { "differs: \($0)" })
          + pair.notes.map(ComparisonWords.note)
          + ComparisonWords.warnings(pair, comparison.base).map { "unknown: \($0)" }
          + FindingLines.text(comparison.base, "A", pair.other, letter).map { "finding \($0)" }
          + [ComparisonWords.findings(pair, comparison.settings)])
      table(pair, letter, index).write(to: &page)
      page.element("p", ComparisonWords.detectableLegend + ".")
      if !pair.neverMoved.isEmpty {
        page.element(
          "p",
          "\(Counted.text(pair.neverMoved.count, "metric")) never moved"
            + (pair.belowResolution.isEmpty
              ? "." : "; \(pair.belowResolution.count) moved by no more than their source's steps.")
        )
      }
    }
    page.own("</section>\n")
  }

  private func table(_ pair: Comparison.Pair, _ letter: String, _ index: Int) -> MarkupTable {
    var table = MarkupTable(
      "\(letter) against A, the primary metrics first",
      [
        ("metric", false), ("A", true), (letter, true), ("\(letter) against A", true),
        ("95 % CI", true), ("detectable", true), ("verdict", false),
      ])
    table.id = "compare-\(index + 1)"
    table.isSortable = true
    for row in pair.rows {
      let verdict = ComparisonWords.verdict(row, pair)
      let remark = ComparisonWords.remark(row).map { " (\($0))" } ?? ""
      let direction = pair.isBetter(row).map { $0 ? "good" : "bad" }
      let style = direction ?? (row.verdict == .changed ? "changed" : "")
      table.rows.append([
        .init(row.metric, style: row.isPrimary ? "primary" : ""),
        .init(ComparisonWords.level(row.a, row.unit), row.a?.median),
        .init(ComparisonWords.level(row.b, row.unit), row.b?.median),
        .init(ComparisonWords.effect(row), row.effect?.value),
        .init(ComparisonWords.interval(row), row.effect?.interval?.low),
        .init(ComparisonWords.detectable(row), row.detectable),
        .init(verdict + remark, style: style),
      ])
    }
    return table
  }
}
