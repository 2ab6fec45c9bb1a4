import Output
import Report
import RunAnalysis
import RunStore
import Runner
import SampleModel
import Sampler

/// Reads stored runs for a report page: results, and samples as series.
struct ReportedRuns {
  /// Limits for the buckets of a series, and for those of all series of a page, which bound its
  /// size and the time to make it.
  private static let mostBuckets = 800
  private static let fewestBuckets = 40
  private static let mostCells = 4_000_000
  /// The maximum size of a page, unless `--full` is given.
  private static let mostBytes = 9_500_000
  /// The divisor of a run's time that gives the first part, from which sizes are estimated.
  private static let partOfEstimate: UInt64 = 16

  private struct Stored {
    let name: String
    let letter: String
    let reader: RunReader
    let result: RunResult
    let findings: RunFindings
    let recorded: RecordingReport?
    let journal: [JournalEntry]
    /// The number of metrics with their instances.
    let columns: Int
  }

  private let stored: [Stored]
  private let full: [String]
  private let definition: DigestDefinition
  private var lacks: [[String]]
  /// Messages for the user about the page.
  private(set) var notices: [String] = []
  /// The first error: the page lacks the part that could not be read.
  private(set) var failure: LBError?

  /// Reads the runs of these sides. Throws where a side names a phase that its run does not have.
  init(
    _ options: RunOptions, _ named: NamedSides, full: [String], _ definition: DigestDefinition
  ) throws(LBError) {
    self.full = full
    self.definition = definition
    let runs = named.runs
    lacks = runs.map { _ in [] }
    var stored: [Stored] = []
    var metrics = Set<String>()
    for (index, run) in runs.enumerated() {
      let reader = try options.open(run.path)
      var result: RunResult
      do throws(LBError) {
        result = try reader.summarised()
      } catch {
        // Without the metrics of its attempts, the rest of the result can still be shown.
        result = try reader.summarised([])
        failure = failure ?? error
        lacks[index].append(error.message)
      }
      for part in named.sides.flatMap(\.parts) where ExactText(part.path) == ExactText(run.path) {
        if let phase = part.phase { _ = try NamedSides.check(phase, in: result) }
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
          name: run.run, letter: named.letter(ofFile: run.path), reader: reader, result: result,
          findings: RunFindings(result), recorded: recorded,
          journal: try reader.journal(run: result.runID), columns: own.count))
    }
    self.stored = stored
    try MetricGlobs.check(full, metrics, option: "--full")
  }

  /// Whether part of the samples could not be read, which has been reported.
  var isDamaged: Bool { stored.contains { $0.reader.damage != nil } }

  var paths: [String] { stored.map(\.reader.path) }

  /// The page, with fewer buckets if it would be too large.
  mutating func page(_ comparison: Comparison?, incomparable: String?) throws(LBError) -> [UInt8] {
    let columns = stored.reduce(1) { $0 + $1.columns }
    var buckets = max(Self.fewestBuckets, min(Self.mostBuckets, Self.mostCells / columns))
    if full.isEmpty, columns * buckets > Self.mostBytes / RunSeries.mostBytesOfBucket {
      buckets = try fitting(buckets)
    }
    while true {
      let runs = try reported(buckets: buckets)
      let page = ReportPage(
        runs: runs, comparison: comparison, incomparable: incomparable, version: Lbsample.version
      ).html()
      guard page.count > Self.mostBytes else { return page }
      let envelopes = runs.reduce(0) { $0 + ($1.series?.bytes ?? 0) }
      let room = Self.mostBytes - (page.count - envelopes)
      let fewer = Int(0.9 * Double(buckets) * Double(room) / Double(max(1, envelopes)))
      guard full.isEmpty, fewer >= Self.fewestBuckets else {
        notices.append("the page has \(page.count / 1_000_000) MB and may open slowly")
        return page
      }
      buckets = fewer
    }
  }

  private mutating func reported(buckets: Int) throws(LBError) -> [ReportedRun] {
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
          name: one.name, letter: one.letter, result: one.result, findings: one.findings,
          digest: definition,
          series: series, lacks: lacks,
          recorded: one.recorded.map { ($0.digest, $0.processes) }, journal: one.journal))
    }
    return runs
  }

  /// The number of buckets, at most `most`, with which the page is probably small enough, estimated
  /// from the first part of each run. Without it, large runs would be read twice.
  private func fitting(_ most: Int) throws(LBError) -> Int {
    var estimate = 0.0
    for one in stored {
      let stretches = try self.stretches(of: one)
      guard let start = stretches.map(\.start).min(), let end = stretches.map(\.end).max() else {
        continue
      }
      let grid = TimeGrid(stretches, buckets: most, interval: try RunReplay.interval(one.reader))
      let part = start + (end - start) / Self.partOfEstimate
      let whole = grid.segments.prefix { $0.stretch.end <= part }.reduce(0) {
        $0 + $1.buckets.count
      }
      let rest = grid.segments.first { $0.stretch.end > part }.map { segment in
        segment.bucket(at: part) - segment.buckets.lowerBound
      }
      let buckets = max(1, whole + (rest ?? 0))
      do throws(LBError) {
        let series = try self.series(one, grid, upTo: part)
        estimate += Double(series.bytes) / Double(buckets) * Double(grid.bucketCount)
      } catch {
        // The error is reported when the charts are made.
        continue
      }
    }
    // The longer buckets are, the fewer of them have one value only, which takes less space.
    let share = 0.85 * Double(Self.mostBytes) / max(1, estimate)
    return share >= 0.85 ? most : max(Self.fewestBuckets, Int(Double(most) * share))
  }

  private func stretches(of one: Stored) throws(LBError) -> [TimeGrid.Stretch] {
    try one.reader.sampledStretches().map {
      TimeGrid.Stretch(bracket: $0.bracket, start: $0.start, end: $0.end)
    }
  }

  private func series(_ one: Stored, buckets: Int) throws(LBError) -> RunSeries? {
    let stretches = try stretches(of: one)
    guard !stretches.isEmpty else { return nil }
    let interval = try RunReplay.interval(one.reader)
    return try series(one, TimeGrid(stretches, buckets: buckets, interval: interval))
  }

  /// The series of a run, or of its part up to a time on its time line.
  private func series(
    _ one: Stored, _ grid: TimeGrid, upTo end: UInt64? = nil
  ) throws(LBError) -> RunSeries {
    let filter = ColumnFilter(only: full)
    let sink = SeriesSink(
      grid, origin: try RunReplay.firstStart(one.reader),
      mostSeries: max(100, Self.mostCells / max(1, grid.bucketCount)),
      isWhole: { !full.isEmpty && filter.passes($0) })
    var selection = RunReplay.Selection()
    if let end { (selection.to, selection.isSeeking) = (end, true) }
    try RunReplay(one.reader, selection: selection).play(into: sink)
    return sink.finish()
  }
}
