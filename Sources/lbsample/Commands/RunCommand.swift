import ArgumentParser
import Collectors
import Foundation
import LinuxSystem
import Output
import RunAnalysis
import RunStore
import Runner
import SampleModel
import Sampler

/// `lbsample run`: brackets repetitions of a workload.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run a workload repeatedly, sample it around and during each repetition, and keep "
      + "the result.",
    discussion: """
      EXAMPLES
        lbsample run -- ./workload
        lbsample run --repetitions 10 --warmup 2 --cpu --net -- make -j8
        lbsample run -r 5 --workload-cpus 0-3 --timeout 60s -- sort big.txt
        lbsample run -r 3 --format json -- true | jq .metrics
        lbsample run -r 10 --parameter-list threads=1,2,4 -- ./work {threads}
        lbsample run --plan plan.toml --dry-run

      The opening sample is taken before the workload's first instruction,
      the closing one after its exit, whatever the interval: differences
      over a repetition are exact.
      """)

  @OptionGroup(title: "Collectors") var collectors: CollectorOptions
  // Beside the others, not in one of them: the parser's own checks grow steeply with nesting.
  @OptionGroup(title: "Intervals") var cadences: CadenceOptions
  @OptionGroup(title: "Sampling") var sampling: SamplingOptions
  @OptionGroup(title: "Results") var store: StoreOptions
  @OptionGroup(title: "The workload") var workload: WorkloadOptions
  @OptionGroup(title: "Several commands") var plans: PlanOptions
  @OptionGroup(title: "Retries and repeats") var attempts: AttemptOptions
  @OptionGroup(title: "Surroundings") var surroundings: RunEnvironmentOptions
  @OptionGroup(title: "Events") var events: EventOptions
  @OptionGroup(title: "Messages") var log: LogOptions

  @Option(
    name: .customLong("format"),
    help: ArgumentHelp("text, json or yaml.", valueName: "format"))
  var format = "text"
  @Option(
    name: .customLong("result"),
    help: ArgumentHelp(
      "Also write the result to this file: YAML if its name ends in .yaml or .yml, else JSON.",
      valueName: "file"))
  var resultFile: String?
  @Argument(
    parsing: .postTerminator,
    help: ArgumentHelp("The workload, after --.", valueName: "command"))
  var command: [String] = []

  @Option(
    name: .customLong("resume"),
    help: ArgumentHelp(
      "Execute the missing part of an interrupted run with the run's own options. Only --runs-dir, "
        + "--config, --force, --end-leftovers, --format, --result, --events, --event-format, "
        + "--notify and the options of messages may be added.",
      valueName: "run"))
  var resume: String?
  @Flag(
    name: .customLong("force"),
    help: "Resume even if the configuration or the host has changed; the change is recorded.")
  var force = false
  @Flag(
    name: .customLong("end-leftovers"),
    help: "With --resume: first end the processes that the interrupted run left running.")
  var endsLeftovers = false

  func run() throws {
    guard collectors.packets.file == nil else {
      throw LBError(
        .configuration,
        "--packets-file cannot be used with run; use: lbsample --packets-file FILE")
    }
    try Formats.check(format, of: ResultText.formats)
    try events.check()
    if let resume {
      try refuseOthers()
      let record = try ResumableRun(resume, store, sampling, force: force)
      var files = NamedFiles()
      files.writes("--result", resultFile)
      files.writes("--events", events.events)
      files.writes("--log-file", log.logFile)
      files.reads("--resume", record.path)
      try files.check()
      // Files that are named now are meant from here; the command goes on where it was.
      let here = Directories.current
      func absolute(_ path: String?) -> String? {
        path.map { $0 == "-" || $0.begins("/") ? $0 : "\(here)/\($0)" }
      }
      let (resultFile, logFile) = (absolute(resultFile), absolute(log.logFile))
      let eventFile = absolute(events.events)
      var again = try record.command()
      (again.format, again.resultFile, again.log) = (format, resultFile ?? again.resultFile, log)
      (again.log.logFile, again.endsLeftovers) = (logFile, endsLeftovers)
      if events.events != nil || events.notify != nil {
        again.events = events
        again.events.events = eventFile
      }
      try again.execute(resuming: record, force: force)
    } else {
      for (isGiven, option) in [(endsLeftovers, "--end-leftovers"), (force, "--force")]
      where isGiven {
        throw LBError(.configuration, "\(option) requires --resume RUN")
      }
      try execute()
    }
  }

  /// Runs what the options say, or what is missing of it in a run that was interrupted.
  func execute(resuming interrupted: ResumableRun? = nil, force: Bool = false) throws {
    var command = self
    let planned = try plans.sampling()
    let origin = plans.plan ?? "command line"
    try command.collectors.adopt(planned, from: origin)
    let given = collectors.entries
    let entries = command.collectors.entries.map { entry in
      given.contains(entry)
        ? entry : ConfigurationEntry(key: entry.key, value: entry.value, origin: origin)
    }
    let interval =
      planned.interval.map { [Given("run.interval", $0, option: "--plan \(origin)")] } ?? []
    let settings = try sampling.settings(
      try cadences.overrides() + interval + Given.all(of: self))
    try command.execute(resuming: interrupted, force: force, settings, sampled: entries)
  }

  /// The same with what the plan says of what is sampled, as these entries have it.
  private func execute(
    resuming interrupted: ResumableRun?, force: Bool, _ settings: Settings,
    sampled: [ConfigurationEntry]
  ) throws {
    var configured = try resolve(settings, sampled)
    let (specification, plan) = (configured.specification, configured.plan)
    try files(of: plan).check()
    if plans.dryRun {
      guard format == "text" else {
        let steps = PlanReport.steps(plan, of: specification)
        return try Console.write(ResultText.encode(steps, format))
      }
      return try Console.show(PlanReport.text(plan, of: specification))
    }
    let target = WorkloadTarget()
    let directory = RunsLocation.directory(store, settings)
    let clock = TimeSource.system
    let runID =
      interrupted?.result.runID
      ?? RunDirectory.newRunID(
        name: specification.name, unixNanoseconds: clock.realtime(),
        random: .random(in: .min ... .max))
    let scope =
      try workload.cgroupScope
      ? ControlGroupScope(ofRun: runID, sampling.roots, askedBy: "--cgroup-scope") : nil
    var unmeasured: String?
    let requests = try collectors.requests(
      settings, sampling.roots, workload: target, scope: scope?.group
    ) {
      let (targets, rest) = configured.assignBackgroundTargets()
      unmeasured = rest
      return targets
    }
    let allowed = CPUSet.allowed()
    var configuration = try sampling.configuration(
      settings, interval: "run.interval",
      filter: ColumnFilter(only: collectors.only, except: collectors.except),
      workload: specification.workloadCPUs)
    let report = try resultFile.map { path throws(LBError) in
      try TextDestination(path: path, isResult: true)
    }
    let stops = try StopSignals()
    configuration.stop = stops.first
    try ownErrors { () throws(SystemError) in try Descendants.becomeReaper() }

    let services = RunServices(
      clock: clock, roots: sampling.roots,
      spawner: SystemSpawner(mark: ProcessMark(run: runID)),
      stopSource: StopSource(stop: stops.first, kill: stops.second), scope: scope,
      answers: isatty(STDIN_FILENO) == 1 && Console.errorIsTerminal ? STDIN_FILENO : nil,
      isAvailable: CollectorRegistry.availability(sampling.roots))
    let runEvents = try RunEvents(
      events, services, isResumed: interrupted != nil, user: specification.user)
    let eventLog = try EventLog(log)
    // Everything that may fail is opened before anything is armed or made.
    let line = try ProgressLine(enabled: Console.errorIsTerminal && !log.quiet && !log.verbose)
    defer { line.close() }
    try directory.create()
    for line in try RunEnvironmentOptions.recoverHost(directory, sampling.roots) {
      Console.say("lbsample: \(line)")
    }
    var record =
      try interrupted.map {
        try RunRecord(resuming: $0, specification, sampling.roots, force: force)
      }
      ?? RunRecord(
        directory.file(ofRun: runID), runID, specification, plan, version: Lbsample.version,
        interval: configuration.interval, now: clock.realtime(), sampling.roots)
    // Behind the record, which a live run does not give away: its processes are no leftovers.
    var leftovers: String?
    if let interrupted {
      do throws(LBError) {
        leftovers = try Leftovers.settle(
          Leftovers.Origin(interrupted, specification), for: .resume, isWanted: endsLeftovers,
          force: force, clock: clock, sampling.roots, stop: stops.first)
      } catch {
        record.abandon()
        throw error
      }
    }
    var notices: [(kind: String, message: String)] = []
    if let interruption = record.interruption { notices.append(("run.resumed", interruption)) }
    if let leftovers {
      notices.append(("run.leftovers", leftovers))
      if !endsLeftovers { record.result.warnings.append(leftovers) }
    }
    if let user = specification.user, workload.user == nil {
      notices.append(
        ("workload.user", "the workload runs as \(user.name), who called sudo (--user root)"))
    }
    let cellSurroundings = CellSurroundings(
      version: Lbsample.version, sampling.roots, hasScope: scope != nil)
    var sampled = RunSampling(configuration, requests, workload: target)
    if let unmeasured { sampled.notices = [unmeasured] }
    var observers = RunObservers(logger: eventLog.logger)
    observers.journal = { runEvents.emit($0) }
    observers.progress = { progress in
      line.show(progress)
      if let what = progress.activity.notice, !log.quiet { Console.say(what) }
    }
    observers.armed = { meta throws(LBError) in
      try report?.empty()
      eventLog.record(meta)
    }
    ResidentMemory.releaseProgram()
    let assembly: RunAssembly
    do throws(LBError) {
      assembly = try RunAssembly(
        record, configured, services, sampled, observers, notices: notices,
        decisions: interrupted?.decisions ?? ResumeDecisions(), allowed: allowed,
        surroundings: cellSurroundings, stored: StoredCells(in: directory, except: runID))
    } catch {
      if error.category == .stopRequested { throw ExitCode(error.exitCode) }
      throw error
    }
    for notice in notices where notice.kind != "run.resumed" && !log.quiet {
      Console.say("lbsample: \(notice.message)")
    }
    var result = assembly.run()
    line.close()
    if let note = assembly.close(&result) { Console.say("lbsample: \(note)") }
    try finish(result, report: report, settings.digest)
    if let unwritten = runEvents.failure { throw unwritten }
  }

  /// Reports the end, and gives the exit code of the first error.
  private func finish(
    _ result: RunResult, report: TextDestination?, _ digest: DigestDefinition
  ) throws {
    var unwritten: LBError?
    do {
      try publish(result, report, digest)
    } catch let error as LBError {
      unwritten = error
    }
    // A run that was stopped says so, whatever had failed before.
    let stop = result.errors.first { $0.category == .stopRequested }
    if let first = (result.status == .interrupted ? stop : nil) ?? result.errors.first {
      // The result of the workload decides, whether or not its report could be written.
      if let unwritten { _ = Lbsample.report(unwritten, asJSON: log.jsonErrors) }
      throw ExitCode(Lbsample.report(first, asJSON: log.jsonErrors))
    }
    if let unwritten, !Lbsample.isClosedOutput(unwritten) { throw unwritten }
    let disturbed = result.phases.flatMap(\.repetitions).flatMap(\.attempts).count {
      !$0.contamination.isEmpty
    }
    if attempts.strict, disturbed + result.warnings.count > 0 {
      let contaminated = Counted.text(disturbed, "contaminated attempt")
      let warnings = Counted.text(result.warnings.count, "warning")
      let error = LBError(.gate, "--strict: \(contaminated), \(warnings)")
      throw ExitCode(Lbsample.report(error, asJSON: log.jsonErrors))
    }
  }

  /// Writes the result to where it is wanted; throws the first failure.
  private func publish(
    _ result: RunResult, _ report: TextDestination?, _ digest: DigestDefinition
  ) throws {
    defer {
      if events.events == "-" || format != "text", !log.quiet { Console.say("run \(result.runID)") }
      if result.status == .interrupted, !log.quiet {
        Console.say("to execute the missing repetitions: lbsample run --resume \(result.runID)")
      }
    }
    if let report, let resultFile {
      let format = ResultText.format(ofFile: resultFile)
      try report.write(Array(try ResultText.encode(ShownRun(result), format).utf8))
    }
    guard events.events != "-" else { return }
    guard format == "text" else {
      return try Console.write(ResultText.encode(ShownRun(result), format))
    }
    try Console.show(RunReport.text(result, digest: digest))
  }

  // MARK: What to do

  /// The files that the command itself, and the programs that it executes, write and read.
  private func files(of plan: PhaseNode) -> NamedFiles {
    var files = NamedFiles()
    files.writes("--result", resultFile)
    files.writes("--events", events.events)
    files.writes("--log-file", log.logFile)
    files.reads("--plan", plans.plan)
    files.reads("--config", sampling.config)
    for command in plan.everyCommand {
      if case .file(let path) = command.output { files.writes("--workload-output", path) }
      if case .file(let path) = command.input { files.reads("--input", path) }
      for path in command.inputs { files.reads("--depends", path) }
    }
    return files
  }

  /// How the command was called, so that a run can be resumed.
  private static func invocation(_ mask: EnvironmentMask) throws -> [ConfigurationEntry] {
    let arguments = Lbsample.rewritten(ProgramArguments.all)
    let own = mask.masked(arguments: Array(arguments.drop { $0 != "run" }.dropFirst()))
    return [
      ConfigurationEntry(
        key: "command.arguments", value: try JSONText.stored(own), origin: "command line"),
      ConfigurationEntry(
        key: "command.directory", value: Directories.current,
        origin: "command line"),
    ]
  }

  /// What the run is to do: the settings that all phases share, and the phases.
  private func resolve(
    _ settings: Settings, _ sampled: [ConfigurationEntry]
  ) throws -> SessionConfiguration {
    var base = try workload.specification(settings, command: command, title: try plans.title())
    try surroundings.apply(to: &base)
    let mask = EnvironmentMask(settings["run.mask"])
    let all = Given.all(of: self)
    base.configuration +=
      sampled + Given.entries(all, of: ["workload", "quota"]) + surroundings.entries
      + plans.entries + (try Self.invocation(mask))
    try attempts.checkPrecision(base)
    base.isMasked = { mask.hides($0) }
    let resolved = try plans.resolve(
      command, base: base, mask: mask,
      pinned: workload.pinned.union(Given.planKeys(all)))
    try attempts.check(resolved.root)
    try surroundings.checkAllowed(resolved.root.bounds.hostChanges)
    var configuration = try SessionConfiguration(
      base, plan: resolved.root,
      hostChanges: try surroundings.changes(resolved.root.bounds.hostChanges, "set_host"),
      planMistakes: resolved.mistakes)
    configuration.record(
      ConfigurationEntry(
        key: "plan.definition", value: resolved.definition,
        origin: plans.plan ?? "command line"))
    return configuration
  }
}
