import ArgumentParser
import Foundation
import LinuxSystem
import RunStore
import Runner
import SampleModel

/// A run that was interrupted, as its file has it.
struct ResumableRun {
  let path: String
  let result: RunResult
  /// What was decided in it.
  let decisions: ResumeDecisions
  /// When the run began, by CLOCK_BOOTTIME of the boot then; nil where its file does not tell.
  let boottime: UInt64?

  /// The run called `name`; one of another user, whose command it would execute, only by `force`.
  init(
    _ name: String, _ store: StoreOptions, _ sampling: SamplingOptions, force: Bool
  ) throws {
    let settings = try sampling.settings([])
    let found = try RunsLocation.directory(store, settings).resolve(name)
    // The directory will be another one.
    path = Directories.absolute(found)
    try RunsLocation.checkOwner(path, force: force, "--resume would execute its command as you")
    let reader = try RunReader(path: path)
    defer { reader.close() }
    _ = try reader.finishIfAbandoned()
    if let damage = reader.damage { Console.say("lbsample: \(damage)") }
    result = try reader.result()
    boottime = reader.boottime(ofStart: result.startUnixNanoseconds)
    decisions = ResumeDecisions(try reader.journal(run: result.runID))
    guard result.kind == "run", !result.configuration.isEmpty else {
      throw LBError(
        .configuration, "\(path) was not made by 'lbsample run': it cannot be resumed")
    }
  }

  private func entry(_ key: String) throws(LBError) -> String {
    guard let entry = result.configuration.first(where: { $0.key == key }) else {
      throw LBError(
        .configuration, "\(path): its configuration lacks \(key): the run cannot be resumed",
        context: ErrorContext(path: path))
    }
    return entry.value
  }

  /// The command as it was given, in the directory where it was.
  func command() throws -> RunCommand {
    let arguments: [String]
    do {
      arguments = try JSONDecoder().decode(
        [String].self, from: Data(try entry("command.arguments").utf8))
    } catch let error as DecodingError {
      throw LBError(
        .configuration,
        "\(path): its command.arguments are not a list of strings: it cannot be resumed",
        context: ErrorContext(path: path), causes: ["\(error)"])
    }
    let directory = try entry("command.directory")
    guard Directories.change(to: directory) else {
      throw LBError(
        .configuration, "\(directory): the directory where the run was started cannot be entered",
        context: ErrorContext(path: directory))
    }
    var command = try RunCommand.parse(Lbsample.rewritten(arguments))
    command.workload.environment = try EnvironmentMask.restored(command.workload.environment)
    return command
  }
}

extension RunRecord {
  /// Facts of the host without which numbers of two sessions are not comparable.
  private static let fingerprint = [
    "hostname", "kernel", "kernel_version", "machine", "cpu_model", "cpus_online", "cpus_allowed",
    "clocksource",
  ]

  /// The file of a run that was interrupted; refused where this is not the same configuration and
  /// host any more, unless forced. Another boot of the host has another clock, by which the samples
  /// of this session are.
  init(
    resuming before: ResumableRun, _ specification: RunSpecification, _ roots: MountRoots,
    force: Bool
  ) throws(LBError) {
    var differences = Self.differences(
      before.result.configuration, specification.configuration)
    var host: [String: String] = [:]
    for fact in HostFacts.read(roots) { host[fact.name] = fact.value }
    for name in Self.fingerprint where host[name] != before.result.host[name] {
      let (old, new) = (before.result.host[name], host[name])
      differences.append("host \(name) was \(old ?? "unknown") and is \(new ?? "unknown")")
    }
    guard differences.isEmpty || force else {
      let hint =
        "the configuration or the host has changed; --force resumes anyway and records the change"
      throw LBError.listing(
        .configuration,
        ["\(before.path) cannot be resumed: \(hint)"] + differences.map { "  \($0)" },
        context: ErrorContext(path: before.path))
    }
    let writer = try RunWriter(resuming: before.path)
    var result = before.result
    result.status = .interrupted
    result.interruptParts()
    result.phases.removeAll { $0.status == .pending }
    // What stopped it then is not what may stop it now.
    result.errors.removeAll { [.stopRequested, .quota, .gate].contains($0.category) }
    result.warnings += differences.map { "resumed although \($0)" }
    try self.init(
      resumed: writer, result,
      interruption: writer.isOfAnotherBoot
        ? "resumed after an interruption and a reboot of the host" : "resumed after an interruption"
    )
  }

  /// What decides about a beginning or a place, not about what is measured.
  private static let mayDiffer: Set<String> = [
    "command.arguments", "gates.host", "gates.host_window", "run.runs_dir",
  ]

  private static func differences(
    _ before: [ConfigurationEntry], _ now: [ConfigurationEntry]
  ) -> [String] {
    func values(_ entries: [ConfigurationEntry]) -> [String: String] {
      Dictionary(entries.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
    }
    let (old, new) = (values(before), values(now))
    return Set(old.keys).union(new.keys).sorted().compactMap { key in
      // A run of an earlier version does not have every key there is.
      let before = old[key] ?? SettingsSchema.key(key)?.standard
      guard before.map(ExactText.init) != new[key].map(ExactText.init), !mayDiffer.contains(key)
      else { return nil }
      if key == "plan.definition" { return "the plan has changed" }
      return "\(key) was \(old[key] ?? "not set") and is \(new[key] ?? "not set")"
    }
  }
}
