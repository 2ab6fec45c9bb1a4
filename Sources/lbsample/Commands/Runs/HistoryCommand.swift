import ArgumentParser
import LinuxSystem
import Output
import RunAnalysis
import RunStore
import SampleModel
import Sampler

/// `lbsample history NAME`: a metric over all stored runs of a workload.
struct HistoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history",
    abstract: "Show a metric over all stored runs of a name or label, and when it changed.",
    discussion: """
      EXAMPLES
        lbsample history sort                     wall time of the runs called sort
        lbsample history branch=main --last 50    of the newest 50 with that label
        lbsample history sort --metric 'workload.*' --format markdown

      Each run is one value, the median of its repetitions. TIME is a UTC date
      (2026-01-31, 2026-01-31T12:30) or an age (90d, 12h, 2w).
      """)
  /// Series that are shown at most.
  private static let most = 100

  @OptionGroup var options: RunOptions
  @OptionGroup(title: "Host") var mounts: MountOptions
  @Option(
    name: .customLong("format"),
    help: ArgumentHelp("text, markdown, json or csv.", valueName: "format"))
  var format = "text"
  @Option(
    name: .customLong("metric"),
    help: ArgumentHelp(
      "Metrics to show, by name or pattern; may be repeated (default: wall_time).",
      valueName: "glob"))
  var metrics: [String] = []
  @Option(
    name: .customLong("phase"),
    help: ArgumentHelp("Only phases whose name matches.", valueName: "glob"))
  var phase: String?
  @Option(
    name: .customLong("last"), parsing: .unconditional,
    help: ArgumentHelp("Only the newest N runs.", valueName: "n"))
  var last: String?
  @Option(
    name: .customLong("since"),
    help: ArgumentHelp("Only runs that began at this time or later.", valueName: "time"))
  var since: String?
  @Flag(
    name: .customLong("any-host"),
    help: "Runs of all hosts, rather than of this host's name alone.")
  var anyHost = false
  @Flag(
    name: .customLong("contaminated"),
    help: "Include contaminated repetitions, which are left out by default.")
  var contaminated = false
  @Argument(
    help: ArgumentHelp(
      "The name of runs (a run's id without the date, time and random suffix), or a label as key "
        + "or key=value.",
      valueName: "name"))
  var name: String

  func run() throws {
    try Formats.check(format, of: ["text", "markdown", "json", "csv"])
    let directory = try options.directory()
    let catalogue = try RunCatalogue(directory)
    var selection = try HistorySelection(catalogue, name, directory)
    if let since {
      let now = TimeSource.system.realtime()
      selection.since(try RunCatalogue.moment(since, option: "--since", now: now))
    }
    if !anyHost { selection.only(host: SmallFile.text(mounts.roots.proc("sys/kernel/hostname"))) }
    if let last { selection.last(try RunCatalogue.count(last, option: "--last")) }
    try selection.check()
    let filter = ColumnFilter(only: metrics.isEmpty ? [RunSummary.wallTime] : metrics)
    let stored = Set(catalogue.entries.map(\.run.runID))
    let (runs, phases, leftOut, isDamaged) = read(&selection, filter, stored: stored)
    var settings = RunHistory.Settings()
    settings.includesContaminated = contaminated
    let history = RunHistory(runs, phases: phases, settings: settings, metrics: filter.passes)
    try check(history, selection, leftOut: leftOut)
    try write(history, selection)
    // A file that cannot be read may be one of these runs.
    if isDamaged || catalogue.hasUnreadable {
      throw ExitCode(ErrorCategory.resultPersistence.exitCode)
    }
  }

  /// Reads the runs, and says which cannot be read, or not as a whole. `stored` has the ids of all
  /// that there are.
  private func read(
    _ selection: inout HistorySelection, _ filter: ColumnFilter, stored all: Set<String>
  ) -> (
    runs: [RunHistory.Run], phases: [[RunHistory.Phase]], leftOut: Int, isDamaged: Bool
  ) {
    var runs: [RunHistory.Run] = []
    var phases: [[RunHistory.Phase]] = []
    var isDamaged = false
    // What the executor itself knows stands in no table of metrics.
    let own = Set(RunSummary.ownUnits.keys).union([ComparedPhase.cpuTime])
    let isOwnAlone = filter.only.allSatisfy(own.contains)
    // A level that stood still has no maximum of its own.
    let isWanted = { (name: String) in filter.passes(name) || filter.passes(name + ".max") }
    var leftOut = 0
    var taken = 0
    var copied: Set<[String]> = []
    for entry in selection.entries {
      do throws(LBError) {
        let reader = try RunReader(path: entry.file)
        defer { reader.close() }
        let stored = try reader.measured(metrics: isOwnAlone ? nil : isWanted)
        if let damage = reader.damage {
          Console.say("lbsample: \(damage)")
          isDamaged = true
        }
        let run = entry.run
        let result = RunResult(
          runID: run.runID, name: run.name, kind: run.kind,
          startUnixNanoseconds: run.startUnixNanoseconds)
        // Results of another run stand here for it alone where it is not stored any more, and once.
        let own = stored.filter { one in
          guard let source = one.provenance?.takenFrom else { return true }
          return !all.contains(source) && copied.insert([source, one.name]).inserted
        }
        let wanted = own.filter { one in phase.map { Glob.matches($0, one.name) } ?? true }
        let copies = stored.count - own.count
        taken += copies
        if copies > 0, wanted.isEmpty { continue }
        let compared = wanted.map { one in
          RunHistory.Phase(
            ComparedPhase(result, one, version: nil, resolutions: [:]),
            summaries: one.cleanMetrics + one.metrics)
        }
        for one in compared where !contaminated {
          leftOut += one.repetitions.repetitions.count { !$0.contamination.isEmpty }
        }
        phases.append(compared)
        runs.append(
          RunHistory.Run(
            run: run.runID, startUnixNanoseconds: run.startUnixNanoseconds,
            status: run.status.rawValue, host: run.host, command: run.command))
      } catch {
        Console.say("lbsample: \(error)")
        isDamaged = true
      }
    }
    if leftOut > 0 {
      selection.notes.append(
        "left out: \(Counted.text(leftOut, "contaminated repetition")) (--contaminated includes "
          + "them)")
    }
    if taken > 0 {
      selection.notes.append(
        "left out: \(Counted.text(taken, "phase")) that --reuse took from another run")
    }
    return (runs, phases, leftOut, isDamaged)
  }

  /// Throws where nothing, or too much, is there to be shown. So many contaminated repetitions are
  /// `leftOut`.
  private func check(
    _ history: RunHistory, _ selection: HistorySelection, leftOut: Int
  ) throws(LBError) {
    guard history.series.count <= Self.most else {
      throw LBError(
        .configuration,
        "--metric \(metrics.joined(separator: " --metric ")): \(history.series.count) metrics "
          + "match; history shows \(Self.most) at most. Narrow the pattern")
    }
    for glob in metrics where !history.series.contains(where: { Glob.matches(glob, $0.metric) }) {
      guard leftOut == 0 || !history.series.isEmpty else { break }
      let newest = history.runs.last?.run ?? "RUN"
      throw LBError(
        .configuration,
        "--metric \(glob): no completed repetition of these runs has such a metric"
          + (leftOut > 0 ? " (--contaminated includes those that are contaminated)" : "")
          + "; 'lbsample runs show \(newest) --all' lists those of the newest")
    }
    guard history.series.isEmpty else { return }
    guard leftOut == 0 else {
      let which = metrics.isEmpty ? "" : ", of --metric \(metrics.joined(separator: " --metric "))"
      throw LBError(
        .gate,
        "\(selection.title): no run has a completed repetition that is not contaminated\(which); "
          + "--contaminated includes the \(Counted.text(leftOut, "contaminated repetition"))")
    }
    if let phase, !history.runs.isEmpty {
      throw LBError(
        .configuration, "--phase \(phase): no phase with values in these runs matches")
    }
    throw LBError(
      .configuration,
      "\(selection.title): no run has a completed repetition")
  }

  private func write(_ history: RunHistory, _ selection: HistorySelection) throws(LBError) {
    var notes = selection.notes
    let valued = Set(history.series.flatMap { $0.points.map(\.run) })
    let without = history.runs.count - valued.count
    if without > 0 { notes.append("\(Counted.text(without, "run")) without a value") }
    let onTerminal = Console.outputIsTerminal
    let hasBlocks = onTerminal && TableStyle.isUTF8(ProgramEnvironment.variables)
    let text = HistoryText(
      history, title: selection.title, notes: notes,
      width: onTerminal ? Console.terminalSize().columns : HistoryText.plainWidth,
      marks: hasBlocks ? .blocks : .digits)
    switch format {
    case "json":
      let document = HistoryDocument(history, title: selection.title, notes: notes)
      try Console.write(try JSONText.encode(document, pretty: true) + "\n")
    case "csv": try Console.show(HistoryCSV.text(history))
    case "markdown": try Console.show(text.markdown)
    default: try Console.show(text.text)
    }
  }
}

/// The runs that a history is of, oldest first.
struct HistorySelection {
  private(set) var entries: [RunCatalogue.Entry]
  /// The name or label of the runs.
  private(set) var title: String
  /// What is not in it.
  var notes: [String] = []
  /// Why there is nothing left, where that is so.
  private var reason = ""

  /// The runs called `name`, or else those that have it as a label.
  init(
    _ catalogue: RunCatalogue, _ name: String, _ directory: RunDirectory
  ) throws(LBError) {
    title = name
    entries = catalogue.entries.filter { $0.run.name == name }
    if entries.isEmpty {
      entries = catalogue.entries.filter { RunFilter.has($0.run, name) }
      title = "label \(name)"
    }
    guard !entries.isEmpty else {
      let known = catalogue.entries.flatMap { entry in
        [entry.run.name] + entry.run.labels.map { "\($0.key)=\($0.value)" }
          + entry.run.labels.keys
      }
      throw LBError(
        .configuration,
        "no run in \(directory.path) is called \(name) or has a label with the key \(name)"
          + (Self.hint(name, catalogue)
            ?? Nearest.hint(Nearest.word(to: name, in: Set(known).sorted())))
          + "; 'lbsample runs list' shows the runs")
    }
    entries.sort {
      ($0.run.startUnixNanoseconds, $0.run.runID) < ($1.run.startUnixNanoseconds, $1.run.runID)
    }
    keep("a recording without repetitions", "recordings without repetitions") {
      $0.kind == "run"
    }
    keep("a run that is still running", "runs that are still running") { $0.isOver }
  }

  /// A hint where `value` is the value of a label, given without its key.
  private static func hint(_ value: String, _ catalogue: RunCatalogue) -> String? {
    for entry in catalogue.entries {
      let keys = entry.run.labels.filter { $0.value == value }.map(\.key)
      if let key = keys.min() { return "; try \(key)=\(value)" }
    }
    return nil
  }

  /// Leaves what passes, and notes what does not, as one or as several.
  private mutating func keep(
    _ one: String, _ several: String, _ hint: String = "", _ passes: (RunOverview) -> Bool
  ) {
    let before = entries.count
    entries.removeAll { !passes($0.run) }
    let left = before - entries.count
    guard left > 0 else { return }
    let note = "left out: \(left == 1 ? one : "\(left) \(several)")\(hint)"
    notes.append(note)
    if entries.isEmpty { reason = note }
  }

  /// Leaves those that began at that time or later.
  mutating func since(_ moment: UInt64) {
    entries.removeAll { $0.run.startUnixNanoseconds < moment }
    guard entries.isEmpty, reason.isEmpty else { return }
    let time = CivilTime(unixSeconds: Int64(moment / 1_000_000_000)).text
    reason = "no run began at or after \(time) UTC"
  }

  /// Leaves those of this host.
  mutating func only(host: String?) {
    title += host.map { " on \($0)" } ?? ""
    keep(
      "a run of another host", "runs of other hosts", " (--any-host includes runs of all hosts)"
    ) { $0.host == host }
  }

  /// Leaves the newest.
  mutating func last(_ count: Int) { entries = Array(entries.suffix(count)) }

  /// Throws where none is left.
  func check() throws(LBError) {
    guard entries.isEmpty else { return }
    throw LBError(.configuration, "\(title): no run is left to show: \(reason)")
  }
}
