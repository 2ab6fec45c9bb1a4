import ArgumentParser
import Foundation
import LinuxSystem
import Runner
import SampleModel

/// The workload: how often it is executed, and with which settings.
struct WorkloadOptions: ParsableArguments {
  @Option("run.repetitions") var repetitions: Given?
  @Option("run.warmup") var warmUp: Given?
  @Option("run.interval") var interval: Given?
  @Option("run.cooldown") var cooldown: Given?
  @Option("run.settle") var settle: Given?
  @Option("run.cooldown_until_idle") var quietLimit: Given?
  @Option("run.idle_timeout") var idleTimeout: Given?
  @Option("run.timeout") var timeout: Given?
  @Option("run.grace") var grace: Given?
  @Option(
    name: .customLong("name"),
    help: ArgumentHelp("Name of the run (default: that of the command).", valueName: "name"))
  var name: String?
  @Option(
    name: .customLong("label"),
    help: ArgumentHelp("Keep this label with the result; may be repeated.", valueName: "name=value")
  )
  var labels: [String] = []
  @Option("workload.cpus") var workloadCPUs: Given?
  @Option(
    name: .customLong("env"),
    help: ArgumentHelp("Set a variable for the workload; may be repeated.", valueName: "name=value")
  )
  var environment: [String] = []
  @Option("workload.directory") var directory: Given?
  @Option("workload.input") var input: Given?
  @Option(
    name: .customLong("depends"),
    help: ArgumentHelp(
      "Record the SHA-256 of a file that the workload reads, so that compare and --reuse notice "
        + "when it changes; may be repeated.", valueName: "file"))
  var depends: [String] = []
  @Option("run.workload_output") var output: Given?
  @Option(
    name: .customLong("user"),
    help: ArgumentHelp(
      "Run the workload as this user (default under sudo: the user who called sudo).",
      valueName: "user"))
  var user: String?
  @Option("workload.ignore_failure") var ignoreFailure: Given?
  @Flag(
    name: .customLong("cgroup-scope"),
    help: "Run the workload in a new control group, and sample that group.")
  var cgroupScope = false
  @Flag(name: .customLong("show-output"), help: "Pass the workload's output to standard error.")
  var showOutput = false
  @OptionGroup(title: "Around the repetitions") var hooks: HookOptions
  @OptionGroup(title: "The workload's own metrics") var own: WorkloadMetricOptions

  /// The keys of plans that options override which are no settings: variables.
  var pinned: Set<String> {
    Set(environment.map { "env.\($0.halves("=")?.front ?? $0)" })
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
    settings.apply(to: &specification)
    specification.showOutput = showOutput
    specification.configuration =
      settings.measuring + entries(EnvironmentMask(settings["run.mask"]))
    specification.labels = Dictionary(
      try pairs(labels, option: "--label").map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    specification.workloadCPUs = try Self.cpus(workloadCPUs?.text)
    specification.user = try Self.user(user)
    specification.environment = Self.environment(
      of: specification.user, try pairs(environment, option: "--env"))
    if let directory = directory?.text {
      guard Directories.isDirectory(directory) else {
        throw LBError(.configuration, "--chdir \(directory): no such directory")
      }
      specification.directory = directory
    }
    if let input = input?.text {
      if input != "inherit", let reason = Directories.reasonNotToRead(input) {
        throw LBError(
          .configuration,
          "--input \(input): \(reason); expected a file that can be read, or inherit")
      }
      specification.input = input == "inherit" ? .inherit : .file(input)
    }
    specification.inputs = depends
    specification.metrics = try own.read()
    return specification
  }

  /// The options of the workload as entries of a result's configuration.
  private func entries(_ mask: EnvironmentMask) -> [ConfigurationEntry] {
    let variables = environment.map { mask.masked($0) }.joined(separator: " ")
    let given: [(String, String?)] = [
      ("workload.user", user),
      ("workload.environment", environment.isEmpty ? nil : variables),
      ("workload.depends", depends.isEmpty ? nil : depends.joined(separator: "; ")),
      (WorkloadMetric.configurationKey, own.text),
    ]
    return given.compactMap { key, value in
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
}
