import ArgumentParser
import Foundation
import LinuxSystem
import Output
import RunStore
import Runner
import SampleModel
import Sampler

/// `lbsample run`: brackets repetitions of a workload.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Bracket repetitions of a workload, and keep the result.",
    discussion: """
      EXAMPLES
        lbsample run -- ./workload
        lbsample run --repetitions 10 --warmup 2 --cpu --net -- make -j8
        lbsample run -r 5 --workload-cpus 0-3 --timeout 60s -- sort big.txt
        lbsample run -r 3 --format json -- true | jq .metrics

      The opening sample is taken before the workload's first instruction,
      the closing one after its exit, whatever the interval: differences
      over a repetition are exact.
      """)

  @OptionGroup(title: "Collectors") var collectors: CollectorOptions
  @OptionGroup(title: "Sampling") var sampling: SamplingOptions
  @OptionGroup(title: "Results") var store: StoreOptions
  @OptionGroup(title: "Around the repetitions") var hooks: HookOptions
  @OptionGroup(title: "The workload's own metrics") var own: WorkloadMetricOptions
  @OptionGroup(title: "Messages") var log: LogOptions

  @Option(
    name: [.customShort("r"), .customLong("repetitions")], parsing: .unconditional,
    help: ArgumentHelp("Counted repetitions (default: 1).", valueName: "n"))
  var repetitions: String?
  @Option(
    name: [.customShort("w"), .customLong("warmup")], parsing: .unconditional,
    help: ArgumentHelp("Repetitions before them that do not count.", valueName: "n"))
  var warmUp: String?
  @Option(
    name: [.customShort("i"), .customLong("interval")], parsing: .unconditional,
    help: ArgumentHelp("Time between two samples (default: 100ms).", valueName: "time"))
  var interval: String?
  @Option(
    name: .customLong("cooldown"), parsing: .unconditional,
    help: ArgumentHelp("Pause between two repetitions.", valueName: "time"))
  var cooldown: String?
  @Option(
    name: .customLong("timeout"), parsing: .unconditional,
    help: ArgumentHelp("End a repetition that takes longer.", valueName: "time"))
  var timeout: String?
  @Option(
    name: .customLong("grace"), parsing: .unconditional,
    help: ArgumentHelp("From SIGTERM to SIGKILL (default: 30s).", valueName: "time"))
  var grace: String?
  @Option(
    name: .customLong("name"),
    help: ArgumentHelp("Name of the run (default: the command's).", valueName: "name"))
  var name: String?
  @Option(
    name: .customLong("label"),
    help: ArgumentHelp("Keep this with the result; may be repeated.", valueName: "key=value"))
  var labels: [String] = []
  @Option(
    name: .customLong("workload-cpus"), parsing: .unconditional,
    help: ArgumentHelp("CPUs that the workload may use.", valueName: "list"))
  var workloadCPUs: String?
  @Option(
    name: .customLong("env"),
    help: ArgumentHelp("Set a variable for the workload; may be repeated.", valueName: "name=value")
  )
  var environment: [String] = []
  @Option(
    name: .customLong("chdir"),
    help: ArgumentHelp("The workload's directory.", valueName: "dir"))
  var directory: String?
  @Option(
    name: .customLong("input"),
    help: ArgumentHelp("What the workload reads: a file, or inherit.", valueName: "file"))
  var input: String?
  @Option(
    name: .customLong("user"),
    help: ArgumentHelp(
      "Run the workload as this user (under sudo: the one who called it).", valueName: "user"))
  var user: String?
  @Option(
    name: .customLong("ignore-failure"),
    help: ArgumentHelp(
      "Accept any end of the workload, or these exit codes: --ignore-failure=1,2.",
      valueName: "codes"))
  var ignoreFailure: String?
  @Flag(
    name: .customLong("cgroup-scope"),
    help: "Put the workload into a control group of its own, and read that.")
  var cgroupScope = false
  @Flag(name: .customLong("show-output"), help: "Pass the workload's output to standard error.")
  var showOutput = false
  @Option(
    name: .customLong("format"),
    help: ArgumentHelp("text or json.", valueName: "format"))
  var format = "text"
  @Option(
    name: .customLong("result"),
    help: ArgumentHelp("Also write the result as JSON to this file.", valueName: "file"))
  var resultFile: String?
  @Argument(
    parsing: .postTerminator,
    help: ArgumentHelp("The workload, behind --.", valueName: "command"))
  var command: [String] = []

  func run() throws {
    signal(SIGPIPE, SIG_IGN)
    guard ["text", "json"].contains(format) else {
      throw LBError(.configuration, "--format \(format): expected text or json")
    }
    let settings = try settings()
    let specification = try specification(settings)
    _ = try WorkloadCommand.resolve(specification)
    let workload = WorkloadTarget()
    let directory = RunsLocation.directory(store, settings)
    let now = SystemClock().realtime()
    let runID = RunDirectory.newRunID(
      name: specification.name, unixNanoseconds: now, random: .random(in: .min ... .max))
    let scope = try cgroupScope ? Self.scope(runID, sampling.roots) : nil
    let requests = try collectors.requests(
      settings, sampling.roots, workload: workload, scope: scope?.group)
    let allowed = CPUSet.allowed()
    let configuration = try sampling.configuration(
      settings, interval: "run.interval",
      filter: ColumnFilter(only: collectors.only, except: collectors.except),
      workload: specification.workloadCPUs)
    let report = try resultFile.map { path throws(LBError) in try TextDestination(path: path) }
    let stops = try StopSignals()
    try ownErrors { () throws(SystemError) in try Descendants.becomeReaper() }

    try directory.create()
    let clock = SystemClock()
    let host = HostFacts.read(sampling.roots)
    let writer = try RunWriter(
      path: directory.file(ofRun: runID),
      identity: RunWriter.Identity(
        runID: runID, name: specification.name, kind: "run", version: Lbsample.version,
        interval: configuration.interval, startUnixNanoseconds: now,
        repetitions: specification.repetitions, warmUps: specification.warmUps),
      host: host, configuration: specification.configuration, labels: specification.labels)
    let session = CollectorSession(
      configuration, requests: requests, workload: workload,
      sinks: [StoreSink(writer, now: Clock.monotonic)])
    do throws(LBError) {
      try session.arm()
    } catch {
      writer.close()
      RunsLocation.discard(writer.path)
      throw error
    }
    let journal = Journal(
      runID: runID, clock: clock, logger: try EventLog.logger(log), store: writer)
    let services = RunServices(
      clock: clock, roots: sampling.roots, spawner: SystemSpawner(), stop: stops.first,
      kill: stops.second, scope: scope)
    let context = RunContext(
      runID: runID, specification: specification, services: services, store: writer,
      journal: journal, allowedCPUs: allowed)
    var result = RunResult(
      runID: runID, name: specification.name, kind: "run", startUnixNanoseconds: now)
    result.configuration = specification.configuration
    result.labels = specification.labels
    result.file = writer.path
    for fact in host { result.host[fact.name] = fact.value }
    if let user = specification.user, self.user == nil {
      result.warnings.append("the workload runs as \(user.name), who called sudo (--user root)")
    }
    let line = try ProgressLine(enabled: Console.errorIsTerminal && !log.quiet && !log.verbose)
    let controller = RunController(
      context, executor: RepetitionExecutor(), collectors: session,
      progress: { line.show($0) })
    let runSession = RunSession(result: result, store: writer)
    result = controller.run(runSession)
    line.close()
    session.disarm()
    try finish(&result, writer: writer, report: report)
  }

  private static func scope(
    _ runID: String, _ roots: MountRoots
  ) throws(LBError) -> ControlGroupScope {
    do throws(SystemError) {
      return try ControlGroupScope("lbsample-\(runID)", roots)
    } catch {
      throw LBError(
        .configuration,
        "--cgroup-scope: no control group can be made for the workload: \(error); run as root, or "
          + "under systemd-run --user --scope -p Delegate=yes",
        context: ErrorContext(path: error.path, errno: error.errno))
    }
  }

  /// Persists the end, reports it, and gives the exit code of the first error.
  private func finish(
    _ result: inout RunResult, writer: RunWriter, report: TextDestination?
  ) throws {
    do throws(LBError) {
      try writer.finish(result)
    } catch {
      writer.close()
      result.errors.append(error)
      if result.errors.count == 1 { result.status = .failed }
    }
    if let report {
      try report.write(Array((try JSONText.encode(result, pretty: true) + "\n").utf8))
    }
    if format == "json" {
      try Console.write(try JSONText.encode(result, pretty: true) + "\n")
    } else {
      try Console.write(RunReport.text(result))
    }
    if format == "json", !log.quiet { Console.say("run \(result.runID)") }
    if let first = result.errors.first {
      throw ExitCode(Lbsample.report(first, asJSON: log.jsonErrors))
    }
  }

  // MARK: What to do

  private func settings() throws(LBError) -> Settings {
    var overrides = collectors.overrides
    let given: [(String, String?, String)] = [
      ("run.repetitions", repetitions, "--repetitions"), ("run.warmup", warmUp, "--warmup"),
      ("run.interval", interval, "--interval"), ("run.cooldown", cooldown, "--cooldown"),
      ("run.timeout", timeout, "--timeout"), ("run.grace", grace, "--grace"),
    ]
    for case (let key, let value?, let option) in given {
      overrides.append((key, value, option))
    }
    return try sampling.settings(overrides)
  }

  private func specification(_ settings: Settings) throws(LBError) -> RunSpecification {
    let base = command.first?.split(separator: "/").last.map(String.init) ?? "run"
    guard name != "" else { throw LBError(.configuration, "--name: empty; leave it out instead") }
    let plain = (name ?? base).map { character in
      character.isASCII && (character.isLetter || character.isNumber || "._+".contains(character))
        ? character : "-"
    }
    let start = plain.firstIndex { $0 != "-" && $0 != "." } ?? plain.endIndex
    let clean = String(plain[start...].prefix(64))
    var specification = RunSpecification(name: clean.isEmpty ? "run" : clean, command: command)
    specification.repetitions = settings.integer("run.repetitions")
    specification.warmUps = settings.integer("run.warmup")
    specification.cooldown = settings.duration("run.cooldown")
    let timeout = settings.duration("run.timeout")
    specification.timeout = timeout == 0 ? nil : timeout
    specification.grace = settings.duration("run.grace")
    specification.outputLimit = settings.integer("run.output_limit")
    specification.showOutput = showOutput
    specification.configuration = settings.all + collectors.entries + workloadEntries
    specification.labels = try pairs(labels, option: "--label")
    if let workloadCPUs {
      guard let cpus = CPUSet(list: workloadCPUs), !cpus.isEmpty,
        cpus.subtracting(CPUSet.allowed()).isEmpty
      else {
        throw LBError(
          .configuration,
          "--workload-cpus \(workloadCPUs): expected a list of CPUs out of \(CPUSet.allowed())")
      }
      specification.workloadCPUs = cpus
    }
    specification.user = try workloadUser()
    specification.environment = try workloadEnvironment(specification.user)
    if let directory {
      var isDirectory: ObjCBool = false
      guard unsafe FileManager.default.fileExists(atPath: directory, isDirectory: &isDirectory),
        isDirectory.boolValue
      else { throw LBError(.configuration, "--chdir \(directory): no such directory") }
      specification.directory = directory
    }
    if let input {
      var isDirectory: ObjCBool = false
      _ = unsafe FileManager.default.fileExists(atPath: input, isDirectory: &isDirectory)
      if input != "inherit",
        isDirectory.boolValue || !FileManager.default.isReadableFile(atPath: input)
      {
        throw LBError(
          .configuration, "--input \(input): no such readable file (or say inherit)")
      }
      specification.input = input == "inherit" ? .inherit : .file(input)
    }
    specification.ignoredFailures = try ignoredFailures()
    specification.hooks = hooks.given
    specification.metrics = try own.read()
    specification.requiresMetrics = try own.areRequired()
    return specification
  }

  /// What the command line says of how the workload is run: part of what was measured.
  private var workloadEntries: [ConfigurationEntry] {
    let given: [(String, String?)] = [
      ("workload.cpus", workloadCPUs), ("workload.directory", directory),
      ("workload.input", input), ("workload.user", user),
      ("workload.environment", environment.isEmpty ? nil : environment.joined(separator: " ")),
      ("workload.ignore_failure", ignoreFailure),
      ("workload.metrics", own.text),
    ]
    let around = Hook.allCases.map { ("workload.\($0.rawValue)", hooks.given[$0]) }
    return (given + around).compactMap { key, value in
      value.map { ConfigurationEntry(key: key, value: $0, origin: "command line") }
    }
  }

  private func pairs(_ texts: [String], option: String) throws(LBError) -> [String: String] {
    var pairs: [String: String] = [:]
    for text in texts {
      guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
        throw LBError(.configuration, "\(option) \(text): expected NAME=VALUE")
      }
      pairs[String(text[..<equals])] = String(text[text.index(after: equals)...])
    }
    return pairs
  }

  /// Under sudo the workload belongs to the user who called it.
  private func workloadUser() throws(LBError) -> UserIdentity? {
    let caller = ProcessInfo.processInfo.environment["SUDO_UID"]
    guard let wanted = user ?? (getuid() == 0 ? caller : nil) else { return nil }
    guard let identity = UserIdentity(named: wanted) else {
      throw LBError(.configuration, "--user \(wanted): no such user on this host")
    }
    if identity.uid == getuid() { return nil }
    guard getuid() == 0 else {
      throw LBError(.configuration, "--user \(wanted): only root may change the user; use sudo")
    }
    return identity
  }

  private func workloadEnvironment(_ user: UserIdentity?) throws(LBError) -> [String] {
    var environment = ProcessInfo.processInfo.environment
    if let user {
      environment["HOME"] = user.home
      environment["USER"] = user.name
      environment["LOGNAME"] = user.name
    }
    for (name, value) in try pairs(self.environment, option: "--env") {
      environment[name] = value
    }
    return environment.map { "\($0.key)=\($0.value)" }.sorted()
  }

  private func ignoredFailures() throws(LBError) -> IgnoredFailures {
    guard let ignoreFailure else { return .none }
    if ignoreFailure == "all" { return .all }
    var codes = Set<Int32>()
    for part in ignoreFailure.split(separator: ",", omittingEmptySubsequences: false) {
      guard let code = Int32(part), (0...255).contains(code) else {
        throw LBError(
          .configuration,
          "--ignore-failure=\(ignoreFailure): expected exit codes such as 1,2 or nothing")
      }
      codes.insert(code)
    }
    return .codes(codes)
  }
}
