import ArgumentParser
import Foundation
import LinuxSystem
import Output
import RunStore
import SampleModel
import Sampler

/// `lbsample export RUN`: the samples of a stored run, in the formats of the live stream or of
/// other tools.
struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write the samples of a stored run.",
    discussion: """
      EXAMPLES
        lbsample export last --format csv > run.csv
        lbsample export last --format ndjson --repetition 3 --metric 'cpu.*[all]'
        lbsample export host.lbsample --format table --from 10s --to 20s
        lbsample export last --format parquet --output tables
        lbsample export last --format perfetto --output run.pftrace
        lbsample export last --format openmetrics --output run.om
        lbsample export last --format lb --output results
      """)
  @OptionGroup var options: RunOptions
  @Option(
    name: .customLong("format"),
    help: ArgumentHelp(OutputFormat.help(of: .stored), valueName: "format"))
  var format = "csv"
  @Flag(
    name: .customLong("raw"),
    help: "Write cumulative values in ns, bytes and counts instead of rates; perfetto has both.")
  var raw = false
  @OptionGroup(title: "Part of the run") var part: PartOptions
  @Option(
    name: .customLong("metric"),
    help: ArgumentHelp("Write only columns that match; may be repeated.", valueName: "glob"))
  var metrics: [String] = []
  @OptionGroup(title: "CSV") var csv: CSVOptions
  @OptionGroup(title: "Parquet") var tables: TableOptions
  @OptionGroup(title: "Perfetto") var trace: TraceOptions
  @Flag(name: .customLong("per-cpu"), help: "Show each CPU in the table.")
  var perCPU = false
  @Option(
    name: [.customShort("o"), .customLong("output")],
    help: ArgumentHelp(
      "Write to this file instead of standard output; with parquet and lb, a new directory.",
      valueName: "file"))
  var output: String?
  @Argument(
    help: ArgumentHelp("A run's id, a unique prefix of one, last, or a file.", valueName: "run"))
  var runName = "last"

  func run() throws {
    try Formats.check(format, of: OutputFormat.names(of: .stored))
    try csv.check(format)
    try tables.check(format, hasOutput: output != nil)
    try trace.check(format, hasOutput: output != nil)
    if format == "lb" { return try exportSuite() }
    if raw, format == "table" {
      throw LBError(.configuration, "--raw needs --format csv or ndjson: the table shows rates")
    }
    let reader = try options.open(runName)
    defer { reader.close() }
    var files = NamedFiles()
    files.writes("--output", output)
    files.reads("the run", reader.path)
    try files.check()
    if format == "parquet" { return try exportTables(reader) }
    if format == "perfetto" { return try exportTrace(reader) }
    if format == "openmetrics" { return try exportOpenMetrics(reader) }
    // The last line of ndjson needs the accounts; no format needs the attempts' metrics.
    let result = try reader.result(format == "ndjson" ? .accounts : [])
    let labels = result.attemptsByBracket()
    let selection = try selection(reader, result)
    let origin = try RunReplay.firstStart(reader)
    let destination = try TextDestination(path: output)
    let writer: TextWriter = { bytes throws(LBError) in try destination.write(bytes) }
    let shown: TextWriter = { bytes throws(LBError) in
      try destination.write(Console.shown(bytes))
    }
    let isQuiet = options.log.quiet
    let notice: (String) -> Void = { if !isQuiet { Console.say("lbsample: \($0)") } }
    let stream = StreamReader(
      raw: raw, labels: Dictionary(labels, uniquingKeysWith: { first, _ in first }), origin: origin)
    let replay = RunReplay(reader, selection: selection)
    let count: Int
    switch format {
    case "ndjson":
      let host = result.host.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
      let sink = NDJSONSink(
        reader: stream, host: host, configuration: result.configuration, writer: writer)
      count = try replay.play(into: sink)
      let played = attempts(result, selection.brackets)
      try sink.end(
        ledger: .merged(played.map(\.ledger)), overhead: .merged(played.compactMap(\.overhead)))
    case "table":
      let settings = try Settings(
        file: nil, environment: [:])
      var style = TableStyle.current(
        settings, perCPU: perCPU, isFile: output != nil,
        // That of the recorded host: the layout may not list all CPUs.
        cpuCount: result.host["cpus"].flatMap { Int($0) })
      style.showsAll = !metrics.isEmpty
      let sink = TableSink(
        reader: stream, style: style,
        clock: Console.clock(interval: try RunReplay.interval(reader)), writer: writer,
        notice: notice, detail: options.log.verbose ? notice : { _ in })
      count = try replay.play(into: sink)
    default:
      let layouts = try replay.layouts()
      count = try replay.play(
        into: csv.sink(
          stream, of: layouts, writer: isShown ? shown : writer, notice: notice))
    }
    // Also if nothing was written.
    try destination.empty()
    if count == 0 {
      notice(
        "no sample lies in \(part.words); --from and --to count from the first sample of the run")
    }
    try options.checkWhole(reader)
  }

  /// The part of the run that the options select.
  func selection(_ reader: RunReader, _ result: RunResult) throws(LBError) -> RunReplay.Selection {
    var selection = RunReplay.Selection()
    try part.choose(
      &selection, result.attemptsByBracket(), result, origin: try RunReplay.firstStart(reader))
    try MetricGlobs.check(metrics, try reader.metricNames())
    let filter = ColumnFilter(only: metrics)
    selection.passes = { filter.passes($0) }
    return selection
  }

  /// Whether names are escaped: a terminal would interpret control characters in them.
  private var isShown: Bool { output == nil && Console.outputIsTerminal }

  private func exportSuite() throws {
    guard let output else {
      throw LBError(.configuration, "--format lb writes a directory: name it with --output DIR")
    }
    guard part.phases.isEmpty, part.repetitions.isEmpty else {
      throw LBError(
        .configuration, "--format lb writes all repetitions: remove --phase and --repetition")
    }
    if let user = Trust.otherLink(at: output) {
      throw LBError(
        .resultPersistence,
        "\(output): a link of user \(user), which root does not follow; name the directory",
        context: ErrorContext(path: output, errno: EACCES))
    }
    let reader = try options.open(runName)
    defer { reader.close() }
    let count = try SuiteExport(reader: reader, directory: output).write()
    if !options.log.quiet { Console.say("\(Counted.text(count, "repetition")) in \(output)") }
    try options.checkWhole(reader)
  }

  /// The attempts whose brackets are written.
  private func attempts(_ result: RunResult, _ brackets: Set<UInt32>?) -> [AttemptResult] {
    result.phases.flatMap(\.repetitions).flatMap(\.attempts).filter { attempt in
      brackets.map { all in attempt.bracket.map(all.contains) ?? false } ?? true
    }
  }
}
