import ArgumentParser
import Exchange
import Foundation
import LinuxSystem
import Logging
import Output
import RunStore
import Runner
import SampleModel
import Sampler

/// `lbsample [sample]`: live or recorded sampling.
struct SampleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sample",
    abstract: "Watch or record the host (the default command).",
    discussion: """
      EXAMPLES
        lbsample --cpu --net
        lbsample 1 5
        lbsample --cpu --per-cpu --interval 100ms --duration 10s --format ndjson
        lbsample --all --record host.lbsample --duration 1h
        lbsample --view --cpu --disk
        lbsample --cpu --net --interval 15s --textfile lbsample.prom

      The first row comes after one interval, with rates over that interval.
      Counters become rates per second. CPU time is a fraction of one CPU:
      cpu.user[all] of 2 CPUs is at most 2. The table shows the cpu columns in
      percent of all CPUs. Ctrl-C ends sampling with exit code 0, or with 130 if
      --count or --duration was to end it.
      """)

  @OptionGroup(title: "Collectors") var collectors: CollectorOptions
  // Not nested in another group: the time of the parser's own checks grows steeply with nesting.
  @OptionGroup(title: "Intervals") var cadences: CadenceOptions
  @OptionGroup(title: "Sampling") var sampling: SamplingOptions

  @Option("sample.interval") var interval: Given?
  @Option(
    name: [.customShort("c"), .customLong("count")], parsing: .unconditional,
    help: ArgumentHelp(
      "End after this many intervals; one whose sample was missed counts too.", valueName: "n"))
  var count: String?
  @Option(
    name: .customLong("duration"), parsing: .unconditional,
    help: ArgumentHelp("End after this time.", valueName: "time"))
  var duration: String?
  @Option("sample.format") var format: Given?
  @Flag(
    name: .customLong("view"),
    help: "Show the table on the whole screen, with the history of each column; q quits, h helps.")
  var isView = false
  @Flag(
    name: .customLong("raw"),
    help: "Write cumulative values in ns, bytes and counts instead of rates.")
  var raw = false
  @Option(
    name: [.customShort("o"), .customLong("output")],
    help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file"))
  var output: String?
  @Option(
    name: .customLong("record"),
    help: ArgumentHelp("Record into this new result file.", valueName: "file"))
  var record: String?
  @Option(
    name: .customLong("textfile"),
    help: ArgumentHelp(
      "Keep the last readings in this file, which the textfile collector of Prometheus' "
        + "node_exporter reads; replaced at most once a second.", valueName: "file.prom"))
  var textfile: String?
  @Option(
    name: .customLong("name"),
    help: ArgumentHelp("Name of the recording.", valueName: "name"))
  var name = "sample"
  @OptionGroup(title: "CSV") var csv: CSVOptions
  @OptionGroup(title: "Messages") var log: LogOptions
  @Argument(
    help: ArgumentHelp(
      "Interval in seconds, then count, as in vmstat; --interval and --count take precedence.",
      valueName: "n"))
  var intervalAndCount: [String] = []

  struct Plan {
    var settings: Settings
    var interval: UInt64
    var limit: UInt64?
  }

  func run() throws {
    let plan = try plan()
    var files = NamedFiles()
    files.writes("--output", output)
    files.writes("--record", record)
    files.writes("--textfile", textfile)
    files.writes("--log-file", log.logFile)
    files.reads("--packets-file", collectors.packets.file)
    files.reads("--config", sampling.config)
    try files.check()
    if let file = collectors.packets.file {
      try replay(file, plan)
      return
    }
    // Signals are blocked before any other thread exists, so that only the signal reader gets them.
    let live =
      isView
      ? try LiveView(clock: Console.clock(interval: plan.interval), isQuiet: log.quiet) : nil
    let stops = try StopSignals(endLimit: Self.endLimit)
    let requests = try collectors.requests(plan.settings, sampling.roots)
    var configuration = try sampling.configuration(
      plan.settings, interval: "sample.interval",
      filter: ColumnFilter(only: collectors.only, except: collectors.except), workload: nil)
    configuration.limit = plan.limit
    configuration.stop = stops.first
    let host = HostFacts.read(sampling.roots)
    var sinks: [any SampleSink] = []
    let log = try EventLog(self.log)
    let shown = try self.view(plan.settings, host: host, stop: stops.first) {
      log.file?.notice("\($0)")
    }
    let view = shown?.sink
    if let view { sinks.append(view) }
    if let table = view as? TableSink { live?.take(over: table) }
    // The table and CSV sinks report the events of the sampling themselves.
    if !(view is TableSink || view is CSVSink) { sinks.append(EventNotices(log.logger)) }
    // Programs get new rows ten times a second. For a person two times are enough, unless the rows
    // are so rare that each can be shown at once.
    if let view {
      let rows: UInt64 = plan.interval >= 250_000_000 ? 250_000_000 : 450_000_000
      configuration.maximumDeliveryLatency = view is TableSink ? rows : 100_000_000
    }
    // Files that may fail to open are opened before anything is armed or made.
    let facts = SelfFacts()
    if let textfile {
      sinks.append(try TextfileSink(textfile, version: Lbsample.version) { facts.read() })
    }
    let recording = try record.map { path throws(LBError) in
      try Recording(
        path: path, name: name, interval: plan.interval, host: host,
        configuration: plan.settings.measuring + collectors.entries)
    }
    if let recording { sinks.append(recording.sink) }
    guard view != nil || recording != nil || textfile != nil else {
      throw LBError(.configuration, "nothing to do: neither a view nor --record FILE")
    }
    let session = SamplerSession(configuration, requests: requests, sinks: sinks)
    ResidentMemory.releaseProgram()
    do throws(LBError) {
      try session.arm()
    } catch {
      recording?.discard()
      if let reason = stops.first.raised, error.context.errno == ECANCELED {
        reportUnread(error)
        if let recording {
          Console.say(
            "lbsample: \(recording.path): not kept: the stop came before the first sample, while "
              + "the output waited for its reader")
        }
        throw ExitCode(LBError.stopped(by: reason).exitCode)
      }
      if error.category == .stopRequested { throw ExitCode(error.exitCode) }
      throw error
    }
    do throws(LBError) {
      try shown?.file.empty()
    } catch {
      session.disarm()
      recording?.discard()
      throw error
    }
    facts.begin(session)
    let names = (session.meta?.streams ?? []).map(\.collector).joined(separator: ", ")
    log.logger.info("sampling started: \(names), every \(Durations.brief(plan.interval))")
    log.record(session.meta)
    defer { log.logger.info("sampling ended") }
    try sample(
      session, stop: stops.first, plan: plan, view: view, live, recording: recording, facts)
  }

  /// Nanoseconds that the end may take after a stop request: slightly more than the wait for a
  /// sampling thread that hangs.
  private static let endLimit: UInt64 = 7_000_000_000

  private func sample(
    _ session: SamplerSession, stop: StopFlag, plan: Plan,
    view: (any SampleSink)?, _ live: LiveView?, recording: Recording?, _ facts: SelfFacts
  ) throws {
    reportUnavailable(session.meta)
    if view is TableSink, let limit = plan.limit { reportRareCollectors(session.meta, limit) }
    do throws(LBError) {
      let bracket = try session.start()
      try recording?.began(bracket: bracket)
      let isOver = { session.failure != nil || session.isFinished }
      if let live {
        try live.run(
          tableStyle(plan.settings), unless: stop, attention: session.attentionDescriptor,
          isOver: isOver)
      } else {
        repeat {
          _ = Poll.wait(
            readable: [stop.pollDescriptor, session.attentionDescriptor], until: nil)
        } while stop.raised == nil && !isOver()
      }
      let stopSignal = stop.raised?.signal
      let account = try session.stop(sampling: stopSignal != nil && session.failure == nil)
      facts.end()
      session.disarm()
      let failure = session.failure
      let isFree = plan.limit == nil
      let stopped = stopSignal.map { LBError.stopped(by: .signal($0)) }
      try recording?.ended(account, failure: failure, stopped: isFree ? nil : stopped)
      // A reader that did not read until the stop gets no end line; the stop decides the exit code.
      let isUnread = failure?.context.errno == ECANCELED && stopSignal != nil
      if let failure {
        guard isUnread else { throw failure }
        reportUnread(failure, recording, account.ledger)
      }
      if !isUnread, let view = view as? NDJSONSink {
        try view.end(ledger: account.ledger, overhead: account.overhead)
      }
      if !log.quiet { Console.say(LedgerText.line(account.ledger, account.overhead)) }
      if let recording, !log.quiet { Console.say("recorded \(recording.path)") }
      if !account.ledger.isExact {
        throw LBError(.internal, LedgerText.mismatch)
      }
      // Ctrl-C is the normal end of sampling without a limit; otherwise it is an interruption.
      if let stopped, isUnread || !isFree || stopSignal != SIGINT { throw stopped }
    } catch {
      facts.end()
      session.disarm()
      recording?.abandon()
      if error.category == .stopRequested { throw ExitCode(error.exitCode) }
      throw error
    }
  }

  /// Reports collectors that are not available, and notes of the sampling.
  private func reportUnavailable(_ meta: StreamMeta?) {
    guard let meta, !log.quiet else { return }
    for missing in meta.unavailable {
      Console.say("lbsample: skipping \(missing.collector): \(missing.reason)")
    }
    if meta.notes.count == 1 || log.verbose {
      for note in meta.notes { Console.say("lbsample: \(note)") }
    } else if let first = meta.notes.first {
      let more = Counted.text(meta.notes.count - 1, "more note")
      Console.say("lbsample: \(first) (\(more); show with --verbose)")
    }
  }

  /// Reports collectors with an interval that is too long for a value within `limit` samples.
  private func reportRareCollectors(_ meta: StreamMeta?, _ limit: UInt64) {
    guard let meta, !log.quiet else { return }
    for stream in meta.streams
    where stream.cadence > limit && collectors.named.contains(stream.collector) {
      let every = Durations.text(stream.cadence &* meta.interval)
      Console.say(
        "lbsample: \(stream.collector) is read every \(every), so it has no value within "
          + "\(Counted.text(limit, "sample")); use a shorter --interval-of "
          + "\(stream.collector)=TIME or a larger --count")
    }
  }

  // MARK: What to do

  private func plan() throws(LBError) -> Plan {
    var given = try cadences.overrides()
    var count = self.count
    if let word = intervalAndCount.first {
      guard Durations.parse(word) != nil || Durations.excess(word) != nil else {
        throw Lbsample.misplaced(word)
      }
      given.append(Given("sample.interval", word, option: "interval"))
    }
    if intervalAndCount.count > 2 {
      throw LBError(
        .configuration,
        "unexpected argument '\(intervalAndCount[2])': at most an interval and a count are "
          + "accepted, as in 'lbsample 1 5'")
    }
    if intervalAndCount.count > 1 { count = count ?? intervalAndCount[1] }
    if isView, output != nil || raw || format?.text ?? "table" != "table" {
      throw LBError(
        .configuration,
        "--view shows the table on a terminal: remove --format, --raw and --output, or --view")
    }
    if isView { given.append(Given("sample.format", "table", option: "--view")) }
    let settings = try sampling.settings(given + Given.all(of: self))
    let interval = settings.duration("sample.interval")
    return Plan(
      settings: settings, interval: interval, limit: try limit(count, interval: interval))
  }

  private func limit(_ count: String?, interval: UInt64) throws(LBError) -> UInt64? {
    var limit: UInt64?
    if let count {
      guard let number = UInt64(count), number > 0 else {
        throw LBError(
          .configuration, "--count \(count): expected a whole number of at least 1")
      }
      limit = number
    }
    if let duration {
      guard let length = Durations.parse(duration) else {
        throw LBError(
          .configuration,
          "--duration \(duration): \(Durations.excess(duration) ?? SettingType.noDuration)")
      }
      guard length >= interval else {
        throw LBError(
          .configuration,
          "--duration \(duration): shorter than one interval (\(Durations.brief(interval))); "
            + "increase --duration or shorten --interval")
      }
      limit = min(limit ?? .max, length / interval)
    }
    return limit
  }

  /// The live view; nil for a recording or a textfile without a terminal or other output.
  func view(
    _ settings: Settings, host: [(name: String, value: String)], stop: StopFlag,
    record: @escaping (String) -> Void = { _ in }
  ) throws(LBError) -> (sink: any SampleSink, file: TextDestination)? {
    let isKept = self.record != nil || textfile != nil
    if isKept, format == nil, output == nil, !Console.outputIsTerminal { return nil }
    try csv.check(settings["sample.format"])
    if raw, settings["sample.format"] == "table" {
      throw LBError(.configuration, "--raw needs --format csv or ndjson: the table shows rates")
    }
    let file = try TextDestination(path: output, unless: stop)
    return (try sink(settings, host, to: file, record: record), file)
  }

  private func sink(
    _ settings: Settings, _ host: [(name: String, value: String)], to destination: TextDestination,
    record: @escaping (String) -> Void
  ) throws(LBError) -> any SampleSink {
    let reader = StreamReader(raw: raw)
    let writer: TextWriter = { bytes throws(LBError) in try destination.write(bytes) }
    let isQuiet = log.quiet
    let isVerbose = log.verbose
    let notice: (String) -> Void = {
      record($0)
      if !isQuiet { Console.say("lbsample: \($0)") }
    }
    switch settings["sample.format"] {
    case "csv":
      // Names are unchanged for a program; a terminal would interpret control characters in them.
      guard output == nil, Console.outputIsTerminal else {
        return try csv.sink(reader, writer: writer, notice: notice)
      }
      let shown: TextWriter = { bytes throws(LBError) in
        try destination.write(Console.shown(bytes))
      }
      return try csv.sink(reader, writer: shown, notice: notice)
    case "ndjson":
      return NDJSONSink(
        reader: reader, host: host, configuration: settings.measuring + collectors.entries,
        writer: writer)
    default:
      return TableSink(
        reader: reader, style: tableStyle(settings),
        clock: Console.clock(interval: settings.duration("sample.interval")), writer: writer,
        notice: notice, detail: isVerbose ? notice : record)
    }
  }

  private func tableStyle(_ settings: Settings) -> TableSink.Style {
    var style = TableStyle.current(
      settings, perCPU: perCPU(settings), isFile: output != nil,
      // With a choice of columns the layout may not have all CPUs.
      cpuCount: isWhole ? nil : TableStyle.cpuCount(sampling.roots))
    style.named = Set(collectors.named)
    style.showsAll = !collectors.only.isEmpty
    return style
  }

  /// Whether no column is left out.
  private var isWhole: Bool {
    collectors.only.isEmpty && collectors.except.isEmpty && collectors.cpus == nil
  }

  private func perCPU(_ settings: Settings) -> Bool {
    settings.flag("collectors.per_cpu") || collectors.cpus != nil
  }
}
