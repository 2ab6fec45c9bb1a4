package import RunAnalysis
import SampleModel

/// A history for programs; docs/reference/history.md describes every key.
///
/// Every key is always there: what is not known is null, and `reasons` of its object says why.
package struct HistoryDocument: Encodable {
  /// Goes up where a key changes its meaning or goes; new keys leave it as it is.
  package static let schema = 1

  private let schema = Self.schema
  private let title: String
  private let notes: [String]
  private let alpha: Double
  private let permutations: Int
  private let seed: UInt64
  private let leastPart: Int
  private let fewestRuns: Int
  private let includesContaminated: Bool
  private let runs: [Run]
  private let series: [Series]

  private static func finite(_ number: Double?) -> Known<Double> {
    Known(number.flatMap { $0.isFinite ? $0 : nil })
  }

  private struct Run: Encodable {
    let run: String
    let startUnixNanoseconds: UInt64
    let status: String
    let host: Known<String>
    let command: [String]
    let reasons: [String: String]

    init(_ run: RunHistory.Run) {
      self.run = run.run
      startUnixNanoseconds = run.startUnixNanoseconds
      status = run.status
      host = Known(run.host)
      command = run.command
      reasons = run.host == nil ? ["host": "the result does not name its host"] : [:]
    }
  }

  private struct Value: Encodable {
    let run: String
    let count: Int
    let leftOut: Int
    let median: Known<Double>
    let low: Known<Double>
    let high: Known<Double>
    let reasons: [String: String]

    init(_ point: RunHistory.Point, _ run: RunHistory.Run) {
      self.run = run.run
      count = point.count
      leftOut = point.leftOut
      median = HistoryDocument.finite(point.median)
      low = HistoryDocument.finite(point.interval?.low)
      high = HistoryDocument.finite(point.interval?.high)
      let reason = "a median's 95 % interval takes six values"
      reasons = point.interval == nil ? ["low": reason, "high": reason] : [:]
    }
  }

  private struct Change: Encodable {
    let run: String
    let index: Int
    let before: Known<Double>
    let after: Known<Double>
    let difference: Known<Double>
    let share: Known<Double>
    let p: Double
    let changesCommand: Bool
    let reasons: [String: String]

    init(_ change: RunHistory.Change, _ run: RunHistory.Run) {
      self.run = run.run
      index = change.point
      before = HistoryDocument.finite(change.before)
      after = HistoryDocument.finite(change.after)
      difference = HistoryDocument.finite(change.difference)
      share = HistoryDocument.finite(change.share)
      p = change.p
      changesCommand = change.changesCommand
      reasons = change.share == nil ? ["share": "the value before is not above 0"] : [:]
    }
  }

  private struct Series: Encodable {
    let phase: String
    let metric: String
    let unit: String
    let values: [Value]
    let changes: [Change]
    let unexamined: Int
    let isTooShort: Bool

    init(_ series: RunHistory.Series, _ history: RunHistory, fewest: Int) {
      phase = series.phase
      metric = series.metric
      unit = series.unit
      values = series.points.map { Value($0, history.runs[$0.run]) }
      changes = series.changes.map { Change($0, history.runs[series.points[$0.point].run]) }
      unexamined = series.unexamined
      isTooShort = series.points.count < fewest
    }
  }

  /// A history called `title`, with `notes` on what is not in it.
  package init(_ history: RunHistory, title: String, notes: [String]) {
    self.title = title
    self.notes = notes
    alpha = history.settings.alpha
    permutations = history.settings.permutations
    seed = history.settings.seed
    leastPart = ChangePoints.leastPart
    let fewest = ChangePoints.fewest(alpha: history.settings.alpha)
    fewestRuns = fewest
    includesContaminated = history.settings.includesContaminated
    runs = history.runs.map(Run.init)
    series = history.series.map { Series($0, history, fewest: fewest) }
  }
}

/// A history as CSV: one row for each run of each series, all numbers in base units and shares, an
/// empty cell where there is none.
package enum HistoryCSV {
  private static let header = [
    "run", "start_unix_ns", "status", "host", "phase", "metric", "unit", "count", "left_out",
    "median", "low", "high", "change_before", "change_after", "change_share", "change_p",
  ]

  /// All rows.
  package static func text(_ history: RunHistory) -> String {
    var buffer = TextBuffer()
    buffer.append(header.joined(separator: ",") + "\n")
    func word(_ text: String?) { buffer.append("," + CSVSink.quoted(text ?? "")) }
    func number(_ number: Double?) {
      buffer.append(ascii: ",")
      if let number, number.isFinite { buffer.append(real: number) }
    }
    for series in history.series {
      let changes = Dictionary(series.changes.map { ($0.point, $0) }) { first, _ in first }
      for (index, point) in series.points.enumerated() {
        let run = history.runs[point.run]
        buffer.append(CSVSink.quoted(run.run))
        buffer.append(",\(run.startUnixNanoseconds)")
        word(run.status)
        word(run.host)
        word(series.phase)
        word(series.metric)
        word(series.unit)
        buffer.append(",\(point.count),\(point.leftOut)")
        number(point.median)
        number(point.interval?.low)
        number(point.interval?.high)
        number(changes[index]?.before)
        number(changes[index]?.after)
        number(changes[index]?.share)
        number(changes[index]?.p)
        buffer.append(ascii: "\n")
      }
    }
    return String(decoding: buffer.bytes, as: UTF8.self)
  }
}
