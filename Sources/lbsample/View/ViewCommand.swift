import ArgumentParser
import LinuxSystem
import Output
import RunStore
import SampleModel
import Sampler

/// `lbsample view RUN`: the table of a stored run, full screen.
struct ViewCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "view", abstract: "Browse the table of a stored run in full screen.",
    discussion: """
      EXAMPLES
        lbsample view last
        lbsample view last --repetition 3 --cpu --disk
        lbsample view host.lbsample --only 'net.*[eth0]' --from 10m

      The keys are those of less: j and k, space and b, g and G, / and n; e goes
      to the next event, r to the next repetition, t to a time, h shows all keys,
      q quits. A terminal that cannot show a view (TERM=dumb, a pipe, too small)
      gets the table as text.
      """)
  @OptionGroup var options: RunOptions
  @OptionGroup(title: "Part of the run") var part: PartOptions
  @Flag(help: "Show this collector.")
  var chosen: [CollectorFlag] = []
  @Option(
    name: [.customLong("only"), .customLong("metric")],
    help: ArgumentHelp(
      "Show only columns that match, as in 'net.*[eth0]'; may be repeated.", valueName: "glob"))
  var only: [String] = []
  @Option(
    name: .customLong("except"),
    help: ArgumentHelp("Leave out columns that match; may be repeated.", valueName: "glob"))
  var except: [String] = []
  @Flag(name: .customLong("per-cpu"), help: "Show each CPU.")
  var perCPU = false
  @Argument(
    help: ArgumentHelp("A run's id, a unique prefix of one, last, or a file.", valueName: "run"))
  var runName = "last"

  func run() throws {
    let (terminal, reason) = FullScreen.terminal()
    // Signals are blocked before another thread starts, so that only the signal reader gets them.
    let signals = try terminal.map { _ throws(LBError) in
      try ownErrors { () throws(SystemError) in try TerminalSignals.reader() }
    }
    let stops = try StopSignals()
    let reader = try options.open(runName)
    defer { reader.close() }
    let result = try reader.result([])
    let labels = Dictionary(result.attemptsByBracket(), uniquingKeysWith: { first, _ in first })
    let origin = try RunReplay.firstStart(reader)
    var selection = RunReplay.Selection()
    try part.choose(&selection, result.attemptsByBracket(), result, origin: origin)
    try MetricGlobs.check(only, try reader.metricNames(), option: "--only")
    selection.passes = try filter(reader)
    let interval = try RunReplay.interval(reader)
    let stream = StreamReader(raw: false, labels: labels, origin: origin)
    var style = TableStyle.current(
      try options.settings(), perCPU: perCPU, isFile: false,
      // The number of CPUs of the recorded host: the layout may not list all of them.
      cpuCount: result.host["cpus"].flatMap { Int($0) })
    style.named = Set(chosen.map(\.rawValue))
    style.showsAll = !only.isEmpty
    let replay = RunReplay(reader, selection: selection)
    let stretches = try reader.sampledStretches().filter { stretch in
      selection.brackets?.contains(stretch.bracket) ?? true
    }.sorted { ($0.start, $0.bracket) < ($1.start, $1.bracket) }
    if let terminal, let signals, let keys = Self.keys(stretches, selection, interval) {
      let columns = ViewColumns()
      let clock = Console.clock(interval: interval)
      let browser = TableBrowser(
        StoredView(
          replay, selection, stretches: stretches, interval: interval, columns: columns,
          style: style, stream: stream, clock: clock,
          isStopped: { stops.first.raised != nil }),
        columns: columns,
        marks: try ViewMarks.all(replay, result, stretches, labels: labels).filter {
          keys.contains($0.key)
        }, whole: keys, origin: origin,
        style: ViewStyle.current(style, title: result.runID, clock: clock) { bracket in
          labels[bracket].map(ViewMarks.text)
        })
      try FullScreen(terminal, signals, browser).run(unless: stops.first)
    } else {
      if terminal == nil, !options.log.quiet { Console.say("lbsample: no view: \(reason)") }
      try writeTable(replay, stream, style, interval)
    }
    if let stop = stops.first.raised { throw ExitCode(LBError.stopped(by: stop).exitCode) }
    try options.checkWhole(reader)
  }

  /// The filter of the chosen collectors, `--only` and `--except`.
  private func filter(_ reader: RunReader) throws -> @Sendable (String) -> Bool {
    let filter = ColumnFilter(only: only, except: except)
    let names = Set(chosen.map(\.rawValue))
    if !names.isEmpty {
      let known = Set(try reader.metricNames().map { String($0.prefix { $0 != "." }) })
      if let absent = names.subtracting(known).sorted().first {
        throw LBError(
          .configuration,
          "--\(absent): this run has no such metrics; it has "
            + known.sorted().joined(separator: ", "))
      }
    }
    return { name in
      filter.passes(name) && (names.isEmpty || names.contains(String(name.prefix { $0 != "." })))
    }
  }

  /// The range of the rows' keys; nil without rows.
  private static func keys(
    _ stretches: [RunReader.SampledStretch], _ selection: RunReplay.Selection, _ interval: UInt64
  ) -> ClosedRange<UInt64>? {
    guard let first = stretches.map(\.start).min(), let last = stretches.map(\.end).max() else {
      return nil
    }
    // A row's key is its deadline, which precedes its samples.
    let from = max(selection.from ?? 0, first - min(first, interval))
    let to = min(selection.to ?? .max, last)
    return from <= to ? from...to : nil
  }

  private func writeTable(
    _ replay: RunReplay, _ stream: StreamReader, _ style: TableSink.Style, _ interval: UInt64
  ) throws(LBError) {
    let isQuiet = options.log.quiet
    let count = try replay.play(
      into: TableSink(
        reader: stream, style: style, clock: Console.clock(interval: interval),
        writer: { bytes throws(LBError) in
          try Console.write(bytes, to: 1, path: Console.outputName)
        },
        notice: { if !isQuiet { Console.say("lbsample: \($0)") } }))
    if count == 0, !isQuiet { Console.say("lbsample: no sample lies in \(part.words)") }
  }
}

/// The style of a view on this terminal.
enum ViewStyle {
  static func current(
    _ table: TableSink.Style, title: String, clock: @escaping (UInt64) -> String,
    label: @escaping (UInt32) -> String?
  ) -> TableBrowser.Style {
    var style = TableBrowser.Style(title: title, clock: clock, label: label)
    style.colour = table.colour
    style.ellipsis = table.ellipsis
    if TableStyle.isUTF8(ProgramEnvironment.variables) { style.marks = .blocks }
    return style
  }
}
