package import RunAnalysis
import SampleModel

/// A history for people.
package struct HistoryText {
  /// Columns of a line where there is no terminal.
  package static let plainWidth = 80

  private let history: RunHistory
  private let title: String
  private let notes: [String]
  private let width: Int
  private let marks: Sparkline.Marks

  /// A history called `title`, with `notes` on what is not in it, for `width` columns.
  package init(
    _ history: RunHistory, title: String, notes: [String] = [],
    width: Int = HistoryText.plainWidth, marks: Sparkline.Marks = .digits
  ) {
    self.history = history
    self.title = title
    self.notes = notes
    self.width = width
    self.marks = marks
  }

  // MARK: Text

  /// For a terminal or a file.
  package var text: String {
    var lines = ["history  \(title): \(span)"]
    for note in notes { lines.append("note     \(note)") }
    let isOnly = Set(history.series.map(\.phase)).count == 1
    for series in history.series {
      let name = isOnly ? series.metric : "\(series.metric) of \(series.phase)"
      lines += ["", name]
      let spark = sparkline(series)
      lines.append("\(spark.line)  \(range(series))")
      if !spark.changes.isEmpty { lines.append(spark.changes) }
      lines += table(series)
      lines.append(conclusion(series))
    }
    return lines.map { $0.shownInLine + "\n" }.joined()
  }

  /// How many runs, and from when to when.
  private var span: String {
    guard let first = history.runs.first, let last = history.runs.last else { return "no run" }
    let runs = Counted.text(history.runs.count, "run")
    let start = Self.date(first.startUnixNanoseconds)
    guard history.runs.count > 1 else { return "\(runs), of \(start) UTC" }
    return "\(runs), from \(start) to \(Self.date(last.startUnixNanoseconds)) UTC"
  }

  private func range(_ series: RunHistory.Series) -> String {
    let medians = series.points.map(\.median)
    let (low, high) = (medians.min() ?? 0, medians.max() ?? 0)
    return "\(Self.value(low, series.unit)) … \(Self.value(high, series.unit))"
  }

  private func sparkline(_ series: RunHistory.Series) -> Sparkline {
    Sparkline(
      series.points.map(\.median), changes: series.changes.map(\.point),
      width: width - range(series).count - 2, marks: marks)
  }

  private static let columns = ["run", "started (UTC)", "n", "median", "95 % CI", "change"]

  private func cells(_ series: RunHistory.Series) -> [[String]] {
    let changes = Dictionary(series.changes.map { ($0.point, $0) }) { first, _ in first }
    return series.points.enumerated().map { index, point in
      let run = history.runs[point.run]
      let interval = point.interval.map {
        "\(Self.value($0.low, series.unit)) … \(Self.value($0.high, series.unit))"
      }
      return [
        run.run, Self.date(run.startUnixNanoseconds), "\(point.count)",
        Self.value(point.median, series.unit), interval ?? "-",
        changes[index].map { Self.change($0, series.unit) } ?? "",
      ]
    }
  }

  private func table(_ series: RunHistory.Series) -> [String] {
    var rows = [Self.columns] + cells(series)
    // The last column is left-aligned by hand.
    let width = rows.map { $0[5].count }.max() ?? 0
    for index in rows.indices {
      rows[index][5] += String(repeating: " ", count: width - rows[index][5].count)
    }
    return TextTable.lines(rows, leftColumns: 2)
  }

  // MARK: Words

  /// `+5.03 % (p = 0.0010)`.
  static func change(_ change: RunHistory.Change, _ unit: String) -> String {
    let size: String
    if let share = change.share {
      size = ComparisonWords.percent(share)
    } else {
      let sign = change.difference < 0 ? "-" : "+"
      size = sign + RunReport.value(change.difference.magnitude, unit)
    }
    let command = change.changesCommand ? ", the command changes too" : ""
    return "\(size) (p = \(ComparisonWords.probability(change.p))\(command))"
  }

  /// What the tests found, and what they could not.
  private func conclusion(_ series: RunHistory.Series) -> String {
    let settings = history.settings
    let chance = ComparisonWords.percent(settings.alpha, signed: false)
    let fewest = ChangePoints.fewest(alpha: settings.alpha)
    guard series.points.count >= fewest else {
      return "at least \(fewest) runs are needed to find a change"
    }
    let test =
      "E-divisive, \(settings.permutations) permutations, false-positive rate at most \(chance) "
      + "per series"
    let unexamined =
      series.unexamined > 0
      ? "; not searched: the \(Counted.text(series.unexamined, "oldest run"))" : ""
    let found =
      series.changes.isEmpty ? "no change found" : Counted.text(series.changes.count, "change")
    return "\(found) (\(test)\(unexamined))"
  }

  private static func value(_ value: Double, _ unit: String) -> String {
    (value < 0 ? "-" : "") + RunReport.value(value.magnitude, unit)
  }

  private static func date(_ unixNanoseconds: UInt64) -> String {
    CivilTime(unixSeconds: Int64(unixNanoseconds / 1_000_000_000)).text
  }

  // MARK: Markdown

  /// For a pull request or a page: GitHub's tables.
  package var markdown: String {
    var lines = ["### History of \(ComparisonText.code(title))", ""]
    lines.append("- \(ComparisonText.escaped(span))")
    for note in notes { lines.append("- \(ComparisonText.escaped(note))") }
    let isOnly = Set(history.series.map(\.phase)).count == 1
    for series in history.series {
      let phase = isOnly ? "" : " of \(ComparisonText.code(series.phase))"
      lines += ["", "#### \(ComparisonText.code(series.metric))\(phase)", ""]
      lines.append(
        "\(ComparisonText.code(sparkline(series).line)) "
          + ComparisonText.escaped(range(series)))
      lines += ["", "| \(Self.columns.joined(separator: " | ")) |", "|---|---|---:|---:|---:|---|"]
      for row in cells(series) {
        let cells =
          [ComparisonText.code(row[0])] + row[1...4].map(ComparisonText.escaped)
          + [row[5].isEmpty ? "" : "**\(ComparisonText.escaped(row[5]))**"]
        lines.append("| \(cells.joined(separator: " | ")) |")
      }
      lines += ["", "\(ComparisonText.escaped(conclusion(series)))."]
    }
    return lines.map { $0.shownInLine + "\n" }.joined()
  }
}
