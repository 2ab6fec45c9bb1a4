import ArgumentParser
import Foundation
import LinuxSystem
import Output
import RunAnalysis
import RunStore
import Runner
import SampleModel
import Sampler

/// `lbsample runs show RUN`.
struct RunsShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show a run: status, repetitions, digest, overhead.")
  @OptionGroup var options: RunOptions
  @Option(
    name: .customLong("format"),
    help: ArgumentHelp("text, json or yaml.", valueName: "format"))
  var format = "text"
  @Flag(
    name: .customLong("all"),
    help: ArgumentHelp(
      "Also show a line for each repetition and the table of all metrics. The default is the "
        + "digest, whose rows are set in [digest] of collectors.conf."))
  var all = false
  @Option(
    name: .customLong("metrics"),
    help: ArgumentHelp(
      "Show the table of the metrics that match instead of the digest; may be repeated.",
      valueName: "glob"))
  var chosen: [String] = []
  @Option(
    name: .customLong("metric"), help: ArgumentHelp(visibility: .hidden))
  var otherChosen: [String] = []
  @Option(
    name: .customLong("sort"),
    help: ArgumentHelp(
      "Order of the table of --all or --metrics: name, median (by unit, the greatest first), or "
        + "spread (MAD divided by median; of a recording, 95th percentile by median).",
      valueName: "order"))
  var sort: String?
  @Option(
    name: .customLong("plot"),
    help: ArgumentHelp(
      "Show only the repetitions' values of this metric: marks along a line on a terminal, "
        + "otherwise a line for each value.", valueName: "metric"))
  var plot: String?
  @Flag(name: .customLong("journal"), help: "Also show the journal of events.")
  var journal = false
  @Flag(name: .customLong("show-output"), help: "Also show the workload's kept output.")
  var showOutput = false
  @Argument(
    help: ArgumentHelp("A run's id, a unique prefix of one, last, or a file.", valueName: "run"))
  var runName = "last"

  private var metrics: [String] { chosen + otherChosen }

  func run() throws {
    try Formats.check(format, of: ResultText.formats)
    let order = try order()
    try checkPlot()
    let definition = try options.settings().digest
    let reader = try options.open(runName)
    defer { reader.close() }
    var (result, failure) = try read(reader, definition)
    if let plot { return try show(plot, of: result, reader) }
    // Before metrics are chosen: findings and the digest are of all.
    let findings = RunFindings(result)
    let rows = format == "text" ? [] : DigestDocument.rows(result, definition)
    if !metrics.isEmpty {
      let summaries = result.phases.flatMap(\.metrics).map(\.metric)
      try MetricGlobs.check(
        metrics, try reader.metricNames().union(summaries),
        option: chosen.isEmpty ? "--metric" : "--metrics")
      choose(&result)
    }
    let journal = self.journal ? try reader.journal(run: result.runID) : nil
    if format != "text" {
      let digest = try RecordingReport(reader, result, definition)
      let shown = ShownRun(
        result, findings: findings, digest: rows, recorded: digest,
        recording: try recording(reader, result), journal: journal)
      try Console.write(try ResultText.encode(shown, format))
      return try options.checkWhole(reader)
    }
    var text = RunReport.text(
      result, all: all || !metrics.isEmpty, name: runName, findings: findings,
      digest: metrics.isEmpty && failure == nil ? definition : nil, sort: order)
    text += try missing(reader, result)
    // What cannot be read of the samples leaves the rest to be shown.
    do throws(LBError) {
      text += try samples(reader, result, definition, order)
    } catch {
      failure = failure ?? error
    }
    if let journal { text += "\n" + Self.text(journal) }
    try Console.show(text)
    if showOutput { try writeOutputs(reader, result) }
    if let failure { throw failure }
    try options.checkWhole(reader)
  }

  /// The result, of a text with those metrics of the attempts alone that are shown: the phases have
  /// summaries of all. Where the attempts' metrics cannot be read, without them, and why.
  private func read(
    _ reader: RunReader, _ definition: DigestDefinition
  ) throws(LBError) -> (RunResult, failure: LBError?) {
    guard format == "text" else { return (try reader.summarised(), nil) }
    guard metrics.isEmpty else { return (try reader.summarised([]), nil) }
    let plot = plot
    do throws(LBError) {
      let result = try reader.summarised(.metrics) { name in
        plot.map { $0 == name || $0 == name + ".max" || $0 == name + ".min" }
          ?? definition.uses(name)
      }
      return (result, nil)
    } catch {
      guard plot == nil else { throw error }
      return (try reader.summarised([]), error)
    }
  }

  private func order() throws(LBError) -> MetricOrder? {
    guard let sort else { return nil }
    try Formats.check(sort, of: MetricOrder.allCases.map(\.rawValue), option: "--sort")
    guard all || !metrics.isEmpty else {
      throw LBError(
        .configuration,
        "--sort has no effect without --all or --metrics: the digest keeps its order")
    }
    return MetricOrder(rawValue: sort)
  }

  private func checkPlot() throws(LBError) {
    guard plot != nil else { return }
    let others = [
      ("--all", all), ("--metrics", !metrics.isEmpty), ("--journal", journal),
      ("--show-output", showOutput), ("--format \(format)", format != "text"),
    ]
    if let other = others.first(where: \.1) {
      throw LBError(
        .configuration, "--plot prints the values of one metric alone: leave out \(other.0)")
    }
  }

  /// The repetitions' values of one metric.
  private func show(_ metric: String, of result: RunResult, _ reader: RunReader) throws {
    guard let strip = RepetitionStrip(metric, result) else {
      guard result.kind != "sample" else {
        throw LBError(
          .configuration,
          "--plot \(metric): a recording has no repetitions; lbsample export has its samples")
      }
      let names = Set(result.phases.flatMap(\.metrics).map(\.metric)).sorted()
      throw LBError(
        .configuration,
        "--plot \(metric): no completed repetition of this run has this metric"
          + Nearest.hint(Nearest.word(to: metric, in: names))
          + "; 'lbsample runs show \(result.runID) --all' lists the metrics")
    }
    if Console.outputIsTerminal {
      try Console.show(strip.text(columns: Console.terminalSize().columns))
    } else {
      try Console.write(strip.plain)
    }
    try options.checkWhole(reader)
  }

  /// What a plain recording's samples were: its digest, or the table of its metrics.
  private func samples(
    _ reader: RunReader, _ result: RunResult, _ definition: DigestDefinition,
    _ order: MetricOrder?
  ) throws(LBError) -> String {
    var lines: [String] = []
    if metrics.isEmpty, let report = try RecordingReport(reader, result, definition) {
      lines += report.lines
      if !all {
        let count = try reader.metricNames().count
        lines.append(
          "(\(Counted.text(count, "metric")) in all: lbsample runs show \(runName) --all, or "
            + "--metrics GLOB)")
      }
    }
    if all || !metrics.isEmpty, let summary = try recording(reader, result) {
      lines += RunReport.lines(summary, all: true, sort: order)
    }
    return lines.map { $0.shownInLine + "\n" }.joined()
  }

  /// What a plain recording has; nil of a run, or where nothing was sampled.
  private func recording(
    _ reader: RunReader, _ result: RunResult
  ) throws(LBError) -> RecordingSummary? {
    guard result.kind == "sample", try reader.frameCount() > 0 else { return nil }
    var selection = RunReplay.Selection()
    let filter = ColumnFilter(only: metrics)
    selection.passes = { filter.passes($0) }
    let sink = RecordingSink()
    try RunReplay(reader, selection: selection).play(into: sink)
    return sink.summary
  }

  /// Leaves the metrics that were asked for, with what they were between the edges.
  private func choose(_ result: inout RunResult) {
    let filter = ColumnFilter(only: metrics)
    let isChosen: (MetricSummary) -> Bool = { row in
      filter.passes(row.metric) || MetricCourse.base(of: row.metric).map(filter.passes) ?? false
    }
    for index in result.phases.indices {
      result.phases[index].metrics.removeAll { !isChosen($0) }
      result.phases[index].cleanMetrics.removeAll { !isChosen($0) }
    }
    result.promoteOnlySummary()
  }
}

/// What `runs show` prints beside the report.
extension RunsShow {
  /// A journal's events, one line each.
  static func text(_ journal: [JournalEntry]) -> String {
    journal.reduce(into: "") { text, entry in
      let time = CivilTime(unixSeconds: Int64(entry.unixNanoseconds / 1_000_000_000)).text
      text += "\(time) \(entry.level) \(entry.kind): \(entry.message)".shownInLine + "\n"
    }
  }

  /// What an ended run lacks.
  func missing(_ reader: RunReader, _ result: RunResult) throws(LBError) -> String {
    var lines = ""
    let isOpen = [.running, .waiting].contains(result.status)
    if isOpen {
      let name = (reader.path.parts("/").last ?? "").shownInLine
      lines +=
        "note     recording in progress; the newest samples are in \(name)-wal and \(name)-tail\n"
    }
    let all = result.phases.flatMap(\.repetitions)
    if let planned = try reader.planned() {
      let counted = all.filter { !$0.warmUp && $0.status != .running }.count
      if counted < planned.repetitions, !isOpen {
        lines +=
          "not begun  \(planned.repetitions - counted) of "
          + "\(Counted.text(planned.repetitions, "repetition"))"
        let begun = all.count { !$0.warmUp && $0.status == .interrupted }
        if result.status == .interrupted, begun > 0 {
          let was = begun == 1 ? "was" : "were"
          lines += " (\(begun) more \(was) interrupted; --resume executes both kinds)"
        }
        lines += "\n"
      }
    }
    if result.status == .interrupted, all.contains(where: { $0.status == .interrupted }) {
      let frames = "\(Counted.text(try reader.frameCount(), "frame")) recovered"
      let what = result.kind == "sample" ? "recording" : "repetition"
      lines +=
        result.durationNanoseconds == nil
        ? "note     interrupted \(what): its ledger, overhead and closing sample are lost; "
          + "\(frames) in all\n"
        : "note     \(frames)\n"
    }
    return lines
  }

  func writeOutputs(_ reader: RunReader, _ result: RunResult) throws(LBError) {
    let attempts = result.phases.flatMap(\.repetitions).flatMap(\.attempts)
    let totals = Dictionary(
      attempts.compactMap { attempt in attempt.bracket.map { ($0, attempt.outputBytes) } },
      uniquingKeysWith: { first, _ in first })
    let isOnly = result.phases.count == 1
    for (bracket, label) in result.attemptsByBracket() {
      let output = try reader.output(bracket: bracket)
      let kind = label.warmUp ? "warm-up" : "repetition"
      let phase = isOnly ? "" : "\(label.phase), "
      let attempt = label.attempt > 1 ? ", attempt \(label.attempt)" : ""
      let kept = Counted.text(output.count, "byte")
      try Console.write(
        "--- output of \(phase)\(kind) \(label.repetition)\(attempt) (\(kept) kept)\n")
      let total = totals[bracket] ?? 0
      // The first half of what is kept is the beginning, the second one the end.
      let missing = total > UInt64(output.count) ? total - UInt64(output.count) : 0
      let head = missing == 0 ? output.count : output.count - output.count / 2
      try Self.write(output[..<head])
      if missing > 0 {
        let verb = missing == 1 ? "is" : "are"
        try Console.write("\n--- \(Counted.text(missing, "byte")) \(verb) not kept\n")
      }
      try Self.write(output[head...])
      if let last = output.last, last != UInt8(ascii: "\n") { try Console.write("\n") }
    }
  }

  /// A program gets the output as it was; a terminal would act on what is in it.
  private static func write(_ output: ArraySlice<UInt8>) throws(LBError) {
    let bytes = Console.outputIsTerminal ? Console.shown(output) : Array(output)
    try Console.write(bytes, to: STDOUT_FILENO, path: Console.outputName)
  }
}
