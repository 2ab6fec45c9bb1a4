import ArgumentParser
import Foundation
import LinuxSystem
import Runner
import SampleModel

/// The workload: how often it is executed, and with which settings.
struct WorkloadOptions: ParsableArguments {
  @Option(
    name: [.customShort("r"), .customLong("repetitions")], parsing: .unconditional,
    help: ArgumentHelp("Counted repetitions (default: 1).", valueName: "n"))
  var repetitions: String?
  @Option(
    name: [.customShort("w"), .customLong("warmup")], parsing: .unconditional,
    help: ArgumentHelp("Warm-up repetitions, which do not count (default: 0).", valueName: "n"))
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
    name: .customLong("settle"), parsing: .unconditional,
    help: ArgumentHelp(
      "Pause between the preparation of an attempt and its start.", valueName: "time"))
  var settle: String?
  @Option(
    name: .customLong("cooldown-until-idle"), parsing: .unconditional,
    help: ArgumentHelp(
      "Wait before each repetition until the host is quiet, at most this long.", valueName: "time"))
  var quietLimit: String?
  @Option(
    name: .customLong("idle-timeout"), parsing: .unconditional,
    help: ArgumentHelp(
      "End a repetition whose workload writes no output and uses no CPU time for this long (at "
        + "least 100ms).", valueName: "time"))
  var idleTimeout: String?
  @Option(
    name: .customLong("timeout"), parsing: .unconditional,
    help: ArgumentHelp("End a repetition that takes longer than this.", valueName: "time"))
  var timeout: String?
  @Option(
    name: .customLong("grace"), parsing: .unconditional,
    help: ArgumentHelp("Time between SIGTERM and SIGKILL (default: 30s).", valueName: "time"))
  var grace: String?
  @Option(
    name: .customLong("name"),
    help: ArgumentHelp("Name of the run (default: that of the command).", valueName: "name"))
  var name: String?
  @Option(
    name: .customLong("label"),
    help: ArgumentHelp("Keep this label with the result; may be repeated.", valueName: "name=value")
  )
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
    help: ArgumentHelp("Working directory of the workload.", valueName: "dir"))
  var directory: String?
  @Option(
    name: .customLong("input"),
    help: ArgumentHelp(
      "Standard input of the workload: a file, or inherit (default: /dev/null).", valueName: "file")
  )
  var input: String?
  @Option(
    name: .customLong("depends"),
    help: ArgumentHelp(
      "Record the SHA-256 of a file that the workload reads, so that compare and --reuse notice "
        + "when it changes; may be repeated.", valueName: "file"))
  var depends: [String] = []
  @Option(
    name: .customLong("workload-output"), parsing: .unconditional,
    help: ArgumentHelp(
      "Destination of the workload's standard output: keep (in the result), null or a file "
        + "(default: keep). Standard error is always kept.", valueName: "where"))
  var output: String?
  @Option(
    name: .customLong("user"),
    help: ArgumentHelp(
      "Run the workload as this user (default under sudo: the user who called sudo).",
      valueName: "user"))
  var user: String?
  @Option(
    name: .customLong("ignore-failure"),
    help: ArgumentHelp(
      "Accept every exit code and signal, or only these exit codes: --ignore-failure=1,2 (128 + n "
        + "for signal n).",
      valueName: "codes"))
  var ignoreFailure: String?
  @Flag(
    name: .customLong("cgroup-scope"),
    help: "Run the workload in a new control group, and sample that group.")
  var cgroupScope = false
  @Flag(name: .customLong("show-output"), help: "Pass the workload's output to standard error.")
  var showOutput = false
  @OptionGroup(title: "Around the repetitions") var hooks: HookOptions
  @OptionGroup(title: "The workload's own metrics") var own: WorkloadMetricOptions

  /// Options that override settings: key, value, option.
  var overrides: [(String, String, String)] {
    let given: [(String, String?, String)] = [
      ("run.repetitions", repetitions, "--repetitions"), ("run.warmup", warmUp, "--warmup"),
      ("run.interval", interval, "--interval"), ("run.cooldown", cooldown, "--cooldown"),
      ("run.cooldown_until_idle", quietLimit, "--cooldown-until-idle"),
      ("run.settle", settle, "--settle"),
      ("run.idle_timeout", idleTimeout, "--idle-timeout"), ("run.timeout", timeout, "--timeout"),
      ("run.grace", grace, "--grace"), ("run.workload_output", output, "--workload-output"),
    ]
    return given.compactMap { key, value, option in value.map { (key, $0, option) } }
  }

  /// The keys of plans that options override.
  var pinned: Set<String> {
    let given: [(String, Bool)] = [
      ("repetitions", repetitions != nil), ("warmup", warmUp != nil),
      ("cooldown", cooldown != nil), ("settle", settle != nil),
      ("cooldown_until_idle", quietLimit != nil),
      ("idle_timeout", idleTimeout != nil), ("timeout", timeout != nil), ("grace", grace != nil),
      ("cpus", workloadCPUs != nil), ("directory", directory != nil), ("input", input != nil),
      ("workload_output", output != nil),
      ("ignore_failure", ignoreFailure != nil), ("metric_missing", own.metricMissing != "fail"),
    ]
    let names = environment.map { "env.\($0.halves("=")?.front ?? $0)" }
    return Set(given.filter(\.1).map(\.0)).union(hooks.given.keys.map(\.rawValue)).union(names)
  }

  /// The CPUs of --workload-cpus, nil where it is not given.
  static func cpus(_ list: String?) throws(LBError) -> CPUSet? {
    guard let list else { return nil }
    let allowed = CPUSet.allowed()
    guard let cpus = CPUSet(list: list), !cpus.isEmpty, cpus.subtracting(allowed).isEmpty else {
      throw LBError(
        .configuration,
        "--workload-cpus \(list): expected a list of CPUs within \(allowed) (allowed)")
    }
    return cpus
  }

  /// The settings of the run's commands, which a plan may override.
  func specification(
    _ settings: Settings, command: [String], title: String?
  ) throws(LBError) -> RunSpecification {
    let base = title ?? command.first?.parts("/").last.map(String.init) ?? "run"
    guard name != "" else { throw LBError(.configuration, "--name: empty; leave it out instead") }
    var specification = RunSpecification(
      name: RunSpecification.plainName(name ?? base), command: command)
    specification.repetitions = settings.integer("run.repetitions")
    specification.warmUps = settings.integer("run.warmup")
    specification.cooldown = settings.duration("run.cooldown")
    let timeout = settings.duration("run.timeout")
    specification.timeout = timeout == 0 ? nil : timeout
    let idle = settings.duration("run.idle_timeout")
    guard idle == 0 || idle >= ActivityWatch.shortestLimit else {
      throw LBError(
        .configuration,
        "run.idle_timeout = \(settings["run.idle_timeout"]): at least 100ms, since the kernel's "
          + "CPU times move in steps of 10 ms")
    }
    specification.idleTimeout = idle == 0 ? nil : idle
    specification.settle = settings.duration("run.settle")
    specification.quietLimit = settings.duration("run.cooldown_until_idle")
    specification.quietShare = Share.parse(settings["gates.quiet"]) ?? 1
    specification.grace = settings.duration("run.grace")
    specification.outputLimit = settings.integer("run.output_limit")
    specification.showOutput = showOutput
    specification.configuration =
      settings.measuring + entries(EnvironmentMask(settings["run.mask"]))
    specification.labels = Dictionary(
      try pairs(labels, option: "--label").map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    specification.workloadCPUs = try Self.cpus(workloadCPUs)
    specification.user = try Self.user(user)
    specification.environment = Self.environment(
      of: specification.user, try pairs(environment, option: "--env"))
    if let directory {
      guard Directories.isDirectory(directory) else {
        throw LBError(.configuration, "--chdir \(directory): no such directory")
      }
      specification.directory = directory
    }
    if let input {
      if input != "inherit", let reason = Directories.reasonNotToRead(input) {
        throw LBError(
          .configuration,
          "--input \(input): \(reason); expected a file that can be read, or inherit")
      }
      specification.input = input == "inherit" ? .inherit : .file(input)
    }
    specification.inputs = depends
    guard let output = WorkloadOutput(settings["run.workload_output"]) else {
      throw LBError(
        .configuration,
        "\(settings.place("run.workload_output")): empty; expected keep, null or a file")
    }
    specification.output = output
    specification.ignoredFailures = try ignoredFailures()
    specification.hooks = hooks.given
    specification.metrics = try own.read()
    specification.requiresMetrics = try own.areRequired()
    return specification
  }

  /// The options of the workload as entries of a result's configuration.
  private func entries(_ mask: EnvironmentMask) -> [ConfigurationEntry] {
    let variables = environment.map { mask.masked($0) }.joined(separator: " ")
    let given: [(String, String?)] = [
      ("workload.cpus", workloadCPUs), ("workload.directory", directory),
      ("workload.input", input), ("workload.user", user),
      ("workload.environment", environment.isEmpty ? nil : variables),
      ("workload.ignore_failure", ignoreFailure),
      ("workload.depends", depends.isEmpty ? nil : depends.joined(separator: "; ")),
      (WorkloadMetric.configurationKey, own.text),
    ]
    let hookEntries = Hook.allCases.map { ("workload.\($0.rawValue)", hooks.given[$0]) }
    return (given + hookEntries).compactMap { key, value in
      value.map { ConfigurationEntry(key: key, value: $0, origin: "command line") }
    }
  }

  typealias Variable = (name: String, value: String)

  private func pairs(_ texts: [String], option: String) throws(LBError) -> [Variable] {
    try texts.map { text throws(LBError) in
      guard let (name, value) = text.halves("="), !name.isEmpty else {
        throw LBError(.configuration, "\(option) \(text): expected NAME=VALUE")
      }
      return (name: name, value: value)
    }
  }

  /// The user of the workload: the named one or, under sudo, the one who called sudo; nil for the
  /// user of lbsample.
  static func user(_ user: String?) throws(LBError) -> UserIdentity? {
    let caller = ProgramEnvironment.variables["SUDO_UID"]
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

  /// lbsample's environment with that user's HOME, USER and LOGNAME and these variables.
  static func environment(
    of user: UserIdentity?, _ variables: [Variable]
  ) -> [String] {
    var own: [Variable] = []
    if let user {
      own = [
        (name: "HOME", value: user.home), (name: "USER", value: user.name),
        (name: "LOGNAME", value: user.name),
      ]
    }
    return ProgramEnvironment.entries(with: own + variables)
  }

  private func ignoredFailures() throws(LBError) -> IgnoredFailures {
    guard let ignoreFailure else { return .none }
    guard let ignored = IgnoredFailures(ignoreFailure) else {
      throw LBError(
        .configuration,
        "--ignore-failure=\(ignoreFailure): expected exit codes, as in --ignore-failure=1,2, or "
          + "no value")
    }
    return ignored
  }
}
