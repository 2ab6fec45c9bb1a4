import Output
import Report
import RunAnalysis
import RunStore
import Runner
import SampleModel
import Sampler

/// Reads stored runs for a page: their results, and their samples as series.
struct ReportedRuns {
  /// Buckets of a series, and those of all series of a page together, which bound its size and the
  /// time to make it.
  private static let mostBuckets = 800
  private static let fewestBuckets = 40
  private static let mostCells = 4_000_000
  /// What a page has at most, unless series are asked for whole.
  private static let mostBytes = 9_500_000

  private struct Stored {
    let name: String
    let reader: RunReader
    let result: RunResult
    let findings: RunFindings
    let recorded: RecordingReport?
    let journal: [JournalEntry]
    /// Series by name; of a layout's columns, those of its first appearance.
    let columns: Int
  }

  private let stored: [Stored]
  private let full: [String]
  private let definition: DigestDefinition
  private var lacks: [[String]]
  /// Notices for the caller, beside the page.
  private(set) var notices: [String] = []
  /// The first part that could not be read: the page is without it.
  private(set) var failure: LBError?

  /// Reads the runs of these names.
  init(
    _ options: RunOptions, names: [String], full: [String], _ definition: DigestDefinition
  ) throws(LBError) {
    self.full = full
    self.definition = definition
    lacks = names.map { _ in [] }
    var stored: [Stored] = []
    var metrics = Set<String>()
    for (index, name) in names.enumerated() {
      let reader = try options.open(name)
      var result: RunResult
      do throws(LBError) {
        result = try reader.summarised()
      } catch {
        // What cannot be read of the attempts' metrics leaves the rest to be shown.
        result = try reader.summarised([])
        failure = failure ?? error
        lacks[index].append(error.message)
      }
      var recorded: RecordingReport?
      do throws(LBError) {
        recorded = try RecordingReport(reader, result, definition)
      } catch {
        failure = failure ?? error
        lacks[index].append(error.message)
      }
      let own = try reader.metricNames()
      metrics.formUnion(own)
      stored.append(
        Stored(
          name: name, reader: reader, result: result, findings: RunFindings(result),
          recorded: recorded, journal: try reader.journal(run: result.runID),
          columns: own.count))
    }
    self.stored = stored
    try MetricGlobs.check(full, metrics, option: "--full")
  }

  /// Whether part of a run's samples could not be read, which has been reported.
  var isDamaged: Bool { stored.contains { $0.reader.damage != nil } }

  var paths: [String] { stored.map(\.reader.path) }

  /// The page; with fewer buckets where it would be too large.
  mutating func page(_ comparison: Comparison?, incomparable: String?) throws(LBError) -> [UInt8] {
    let columns = stored.reduce(1) { $0 + $1.columns }
    var buckets = max(Self.fewestBuckets, min(Self.mostBuckets, Self.mostCells / columns))
    while true {
      let page = try page(comparison, incomparable, buckets: buckets)
      guard full.isEmpty, page.count > Self.mostBytes else { return page }
      let fewer = Int(Double(buckets) * 0.9 * Double(Self.mostBytes) / Double(page.count))
      guard fewer >= Self.fewestBuckets else {
        notices.append(
          "the page has \(page.count / 1_000_000) MB: many metrics; it may open slowly")
        return page
      }
      buckets = fewer
    }
  }

  private mutating func page(
    _ comparison: Comparison?, _ incomparable: String?, buckets: Int
  ) throws(LBError) -> [UInt8] {
    var runs: [ReportedRun] = []
    for (index, one) in stored.enumerated() {
      var lacks = lacks[index]
      var series: RunSeries?
      do throws(LBError) {
        series = try self.series(one, buckets: buckets)
        if series == nil { lacks.append("No samples: nothing was sampled before it ended.") }
      } catch {
        failure = failure ?? error
        lacks.append("No charts: \(error.message)")
      }
      if let damage = one.reader.damage { lacks.append("Part of the samples is lost: \(damage)") }
      runs.append(
        ReportedRun(
          name: one.name, result: one.result, findings: one.findings, digest: definition,
          series: series, lacks: lacks,
          recorded: one.recorded.map { ($0.digest, $0.processes) }, journal: one.journal))
    }
    return ReportPage(
      runs: runs, comparison: comparison, incomparable: incomparable, version: Lbsample.version
    ).html()
  }

  private func series(_ one: Stored, buckets: Int) throws(LBError) -> RunSeries? {
    let stretches = try one.reader.sampledStretches().map {
      TimeGrid.Stretch(bracket: $0.bracket, start: $0.start, end: $0.end)
    }
    guard !stretches.isEmpty else { return nil }
    let interval = try RunReplay.interval(one.reader)
    let grid = TimeGrid(stretches, buckets: buckets, interval: interval)
    let filter = ColumnFilter(only: full)
    let sink = SeriesSink(
      grid, origin: try RunReplay.firstStart(one.reader),
      mostSeries: max(100, Self.mostCells / max(1, grid.bucketCount)),
      isWhole: { !full.isEmpty && filter.passes($0) })
    try RunReplay(one.reader).play(into: sink)
    return sink.finish()
  }
}
