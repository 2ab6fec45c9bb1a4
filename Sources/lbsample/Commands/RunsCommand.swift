import ArgumentParser
import Foundation
import LinuxSystem
import Output
import RunAnalysis
import RunStore
import Runner
import SampleModel
import Sampler

/// What `runs`, `export` and the like share: naming a run.
struct RunOptions: ParsableArguments {
  @OptionGroup(title: "Results") var store: StoreOptions
  @OptionGroup(title: "Messages") var log: LogOptions
  @Option(
    name: .customLong("config"),
    help: ArgumentHelp(
      "Use this configuration file instead of the default one.", valueName: "file"))
  var config: String?

  func directory() throws(LBError) -> RunDirectory {
    let environment = ProgramEnvironment.variables
    let file = try ConfigurationFile.find(explicit: config, environment: environment)
    let settings = try Settings(file: file, environment: environment, commandLine: [])
    return RunsLocation.directory(store, settings)
  }

  /// Ends with the code of a damaged file where part of the samples could not be read, which has
  /// been said.
  func checkWhole(_ reader: RunReader) throws {
    if reader.damage != nil { throw ExitCode(ErrorCategory.resultPersistence.exitCode) }
  }

  /// Opens the run called `run`, ending it first when its writer is gone.
  func open(_ run: String) throws(LBError) -> RunReader {
    let path = try directory().resolve(run)
    let reader = try RunReader(path: path)
    if try reader.finishIfAbandoned(), !log.quiet {
      Console.say(
        "lbsample: \(path): the process recording it is no longer running; marked as interrupted")
    }
    if let damage = try reader.damageOfTail() { Console.say("lbsample: \(damage)") }
    return reader
  }
}

/// `lbsample runs`: what is stored.
struct RunsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "runs", abstract: "List, show, bundle, label, import and remove stored runs.",
    subcommands: [
      RunsList.self, RunsShow.self, RunsBundle.self, RunsLabel.self, RunsImport.self,
      RunsRemove.self, RunsPrune.self,
    ],
    defaultSubcommand: RunsList.self)
}

/// `lbsample runs show RUN`.
struct RunsShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show a run: status, repetitions, summary, overhead.")
  @OptionGroup var options: RunOptions
  @Option(
    name: .customLong("format"),
    help: ArgumentHelp("text, json or yaml.", valueName: "format"))
  var format = "text"
  @Flag(
    name: .customLong("all"),
    help: ArgumentHelp(
      "Show all metrics. By default those are left out that stayed 0, repeat another metric or, in "
        + "a run of several phases, come from collectors; of a recording, those that did not "
        + "change."))
  var all = false
  @Option(
    name: .customLong("metric"),
    help: ArgumentHelp("Only metrics that match; may be repeated.", valueName: "glob"))
  var metrics: [String] = []
  @Flag(name: .customLong("journal"), help: "Also the journal of events.")
  var journal = false
  @Flag(name: .customLong("show-output"), help: "Also the workload's kept output.")
  var showOutput = false
  @Argument(
    help: ArgumentHelp("A run's id, a unique prefix of one, last, or a file.", valueName: "run"))
  var runName = "last"

  func run() throws {
    try Formats.check(format, of: ResultText.formats)
    let reader = try options.open(runName)
    defer { reader.close() }
    // The text has the phases' summaries of them.
    var result = try reader.summarised(format == "text" ? [] : .all)
    // They rest on metrics that may not be asked for.
    let findings = RunFindings(result)
    if !metrics.isEmpty {
      let summaries = result.phases.flatMap(\.metrics).map(\.metric)
      try MetricGlobs.check(metrics, try reader.metricNames().union(summaries))
      choose(&result)
    }
    let journal = self.journal ? try reader.journal(run: result.runID) : nil
    if format != "text" {
      let shown = ShownRun(
        result, findings: findings, recording: try recording(reader, result),
        journal: journal)
      try Console.write(try ResultText.encode(shown, format))
      return try options.checkWhole(reader)
    }
    var text = RunReport.text(
      result, all: all || !metrics.isEmpty, name: runName, findings: findings)
    text += try missing(reader, result)
    // What cannot be read of the samples leaves the rest to be shown.
    var failure: LBError?
    do throws(LBError) {
      if let summary = try recording(reader, result) {
        let lines = RunReport.lines(summary, all: all || !metrics.isEmpty)
        text += lines.joined(separator: "\n") + "\n"
      }
    } catch {
      failure = error
    }
    if let journal { text += "\n" + Self.text(journal) }
    try Console.show(text)
    if showOutput { try writeOutputs(reader, result) }
    if let failure { throw failure }
    try options.checkWhole(reader)
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
      filter.passes(row.metric) || RunReport.base(of: row.metric).map(filter.passes) ?? false
    }
    for place in result.phases.indices {
      result.phases[place].metrics.removeAll { !isChosen($0) }
      result.phases[place].cleanMetrics.removeAll { !isChosen($0) }
    }
    result.promoteOnlySummary()
  }

  /// A journal's events, one line each.
  static func text(_ journal: [JournalEntry]) -> String {
    journal.reduce(into: "") { text, entry in
      let time = CivilTime(unixSeconds: Int64(entry.unixNanoseconds / 1_000_000_000)).text
      text += "\(time) \(entry.level) \(entry.kind): \(entry.message)".shownInLine + "\n"
    }
  }

  /// What an ended run lacks.
  private func missing(_ reader: RunReader, _ result: RunResult) throws(LBError) -> String {
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

  private func writeOutputs(_ reader: RunReader, _ result: RunResult) throws(LBError) {
    let attempts = result.phases.flatMap(\.repetitions).flatMap(\.attempts)
    let totals = Dictionary(
      attempts.compactMap { attempt in attempt.bracket.map { ($0, attempt.outputBytes) } },
      uniquingKeysWith: { first, _ in first })
    let isOnly = result.phases.count == 1
    for (bracket, label) in RunLabels.brackets(result) {
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

/// Patterns of metrics.
enum MetricGlobs {
  /// A pattern that none of these names matches is a slip.
  static func check(_ globs: [String], _ names: Set<String>) throws(LBError) {
    for glob in globs {
      let one = ColumnFilter(only: [glob])
      guard !names.contains(where: one.passes) else { continue }
      let groups = Set(names.map { String($0.prefix { $0 != "." }) }).sorted()
      let group = String(glob.prefix { $0 != "." })
      let longer = ["\(glob)[*", "\(glob)*"].filter { pattern in
        names.contains { Glob.matches(pattern, $0) }
      }.map { "'\($0)'" }
      let hint =
        !longer.isEmpty
        ? "; instances stand in brackets: try \(longer.joined(separator: " or "))"
        : groups.contains(group) ? "" : Nearest.hint(Nearest.word(to: group, in: groups))
      // A name without a group is the whole pattern.
      let patterns = groups.map { names.contains($0) ? $0 : "\($0).*" }
      throw LBError(
        .configuration,
        "--metric \(glob): no metric of this run matches\(hint); this run has "
          + patterns.joined(separator: ", "))
    }
  }
}

/// `lbsample runs remove RUN`.
struct RunsRemove: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Remove stored runs.")
  @OptionGroup var options: RunOptions
  @OptionGroup(title: "Host") var mounts: MountOptions
  @Flag(
    name: .customLong("force"),
    help: ArgumentHelp(
      "Also remove runs of other users, runs whose --set-host cannot be undone, and runs that left "
        + "processes running."))
  var force = false
  @Flag(
    name: .customLong("end-leftovers"),
    help: "First end the processes that a killed run left running.")
  var endsLeftovers = false
  @Argument(help: "Runs to remove: ids, unique prefixes of ids, last, or files.")
  var runs: [String]

  func run() throws {
    let directory = try options.directory()
    var removal = RunRemoval(
      directory, mounts.roots, force: force, endsLeftovers: endsLeftovers,
      isQuiet: options.log.quiet)
    defer { RunIndex.forget(removal.touched) }
    for run in runs { try removal.remove(try directory.resolve(run)) }
  }
}

/// Brackets of a run in order, with what they are called.
enum RunLabels {
  /// Every attempt that was begun, in order of its bracket: phases may have taken turns.
  static func brackets(_ result: RunResult) -> [(UInt32, BracketLabel)] {
    guard result.kind == "run" else { return [] }
    var labels: [(UInt32, BracketLabel)] = []
    for phase in result.phases {
      for repetition in phase.repetitions {
        for attempt in repetition.attempts {
          guard let bracket = attempt.bracket else { continue }
          labels.append(
            (
              bracket,
              BracketLabel(
                phase: phase.name, repetition: repetition.repetition, warmUp: repetition.warmUp,
                attempt: attempt.attempt)
            ))
        }
      }
    }
    return labels.sorted { $0.0 < $1.0 }
  }
}

/// Words that an option takes.
enum Formats {
  static func check(
    _ format: String, of known: [String], option: String = "--format"
  ) throws(LBError) {
    guard known.contains(format) else {
      throw LBError(
        .configuration,
        "\(option) \(format): expected \(known.joined(separator: ", "))"
          + Nearest.hint(Nearest.word(to: format, in: known)))
    }
  }
}
