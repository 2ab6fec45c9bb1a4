import ArgumentParser
import LinuxSystem
import RunStore
import Runner
import SampleModel

/// Workspaces, limits, and settings of the host for a run.
struct RunEnvironmentOptions: ParsableArguments {
  @Option(
    name: .customLong("workspace"), parsing: .unconditional,
    help: ArgumentHelp(
      "Make a new working directory for each attempt: empty, a copy of a directory, or a clone of "
        + "a git repository.", valueName: "empty|dir|git:repo[@rev]"))
  var workspace: String?
  @Option(
    name: .customLong("keep"), parsing: .unconditional,
    help: ArgumentHelp(
      "Keep workspaces: always, failure (those of failed attempts) or never (default: failure).",
      valueName: "when"))
  var keep: String?
  @Option(
    name: .customLong("keep-limit"), parsing: .unconditional,
    help: ArgumentHelp(
      "Largest workspace that is kept, in bytes (default: 1073741824).", valueName: "n"))
  var keepLimit: String?
  @Option(
    name: .customLong("max-wall"), parsing: .unconditional,
    help: ArgumentHelp(
      "Limit of the run's wall time: begin no repetition that would exceed it, estimated from the "
        + "repetitions before.", valueName: "time"))
  var wall: String?
  @Option(
    name: .customLong("max-own-cpu"), parsing: .unconditional,
    help: ArgumentHelp("Limit of the CPU time of lbsample itself.", valueName: "time"))
  var ownCPU: String?
  @Option(
    name: .customLong("max-bytes"), parsing: .unconditional,
    help: ArgumentHelp(
      "Limit of the samples and output that the run keeps, in bytes.", valueName: "n"))
  var bytes: String?
  @Option(
    name: .customLong("max-ring-memory"), parsing: .unconditional,
    help: ArgumentHelp(
      "Limit of the memory of all rings of samples together, in bytes.", valueName: "n"))
  var ringBytes: String?
  @Option(
    name: .customLong("max-retries"), parsing: .unconditional,
    help: ArgumentHelp("Limit of retries and repeats in the whole run.", valueName: "n"))
  var retries: String?
  @Option(
    name: .customLong("set-host"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Change a setting of the host for the run and restore it at the end: aslr=0, governor=NAME, "
        + "turbo=off, drop-caches=3 (before each attempt). Each needs --allow.",
      valueName: "name=value"))
  var hostChanges: [String] = []
  @Option(
    name: .customLong("allow"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Allow --set-host to change this setting; may be repeated.", valueName: "name"))
  var allowed: [String] = []

  /// The keys of plans that options override.
  var pinned: Set<String> {
    Set(
      [("workspace", workspace), ("keep", keep), ("keep_limit", keepLimit)].filter { $0.1 != nil }
        .map(\.0))
  }

  /// The options as entries of a result's configuration.
  var entries: [ConfigurationEntry] {
    let given: [(String, String?)] = [
      ("workload.workspace", workspace), ("workload.keep", keep),
      ("workload.keep_limit", keepLimit), ("quota.wall", wall),
      ("quota.own_cpu", ownCPU), ("quota.bytes", bytes), ("quota.ring_memory", ringBytes),
      ("quota.retries", retries),
      ("host.changes", hostChanges.isEmpty ? nil : hostChanges.joined(separator: " ")),
    ]
    return given.compactMap { key, value in
      value.map { ConfigurationEntry(key: key, value: $0, origin: "command line") }
    }
  }

  /// Sets the options in a specification.
  func apply(to specification: inout RunSpecification) throws(LBError) {
    for name in allowed where HostChange.Name(rawValue: name) == nil {
      let known = HostChange.Name.allCases.map(\.rawValue)
      throw LBError(
        .configuration,
        "--allow \(name): no such setting"
          + Nearest.hint(Nearest.word(to: name, in: known))
          + "; there are \(known.joined(separator: ", "))")
    }
    specification.workspace = workspace.map { WorkspacePlan($0) }
    if let keep {
      guard let when = WorkspacePlan.Keep(rawValue: keep) else {
        throw LBError(.configuration, "--keep \(keep): expected always, failure or never")
      }
      specification.keep = when
    }
    if let bytes = try number(keepLimit, "--keep-limit") { specification.keepLimit = bytes }
    if case .copy(let source)? = specification.workspace?.content,
      !Directories.isDirectory(source)
    {
      throw LBError(
        .configuration,
        "--workspace \(source): no such directory; expected empty, a directory to copy, or "
          + "git:REPO")
    }
    specification.quota.wall = try time(wall, "--max-wall")
    specification.quota.ownCPU = try time(ownCPU, "--max-own-cpu")
    specification.quota.bytes = try number(bytes, "--max-bytes")
    specification.quota.ringBytes = try number(ringBytes, "--max-ring-memory")
    specification.quota.retries = try number(retries, "--max-retries")
    specification.hostChanges = try changes(hostChanges, "--set-host")
  }

  /// The changes of the host in these texts. Throws where one is not allowed.
  func changes(
    _ texts: [String], _ source: String
  ) throws(LBError) -> [HostChange] {
    let changes = try texts.map { text throws(LBError) in
      do throws(HostChangeError) {
        return try HostChange(text)
      } catch {
        throw LBError(.configuration, "\(source) \(text): \(error.reason)")
      }
    }
    for change in changes where !allowed.contains(change.name.rawValue) {
      throw LBError(
        .configuration,
        "\(source) \(change.name.rawValue)=\(change.value) changes this host: allow it with "
          + "--allow \(change.name.rawValue)")
    }
    return changes
  }

  /// Throws for an --allow without effect: neither --set-host nor the plan changes that setting.
  func checkAllowed(_ planned: [String]) throws(LBError) {
    let changed = Set((hostChanges + planned).map { $0.halves("=")?.front ?? $0 })
    for name in allowed where !changed.contains(name) {
      throw LBError(
        .configuration,
        "--allow \(name): has no effect without --set-host \(name)=VALUE: add that, or set_host to "
          + "the plan")
    }
  }

  private func time(_ text: String?, _ option: String) throws(LBError) -> UInt64? {
    guard let text else { return nil }
    guard let time = Durations.parse(text), time > 0 else {
      let reason = Durations.excess(text) ?? "expected a duration such as 10m"
      throw LBError(.configuration, "\(option) \(text): \(reason)")
    }
    return time
  }

  private func number(_ text: String?, _ option: String) throws(LBError) -> UInt64? {
    guard let text else { return nil }
    guard let number = UInt64(text) else {
      throw LBError(.configuration, "\(option) \(text): expected a whole number")
    }
    return number
  }

  /// Restores the settings that killed runs had changed on the host. Returns a message for each.
  static func recoverHost(
    _ directory: RunDirectory, _ roots: MountRoots
  ) throws(LBError) -> [String] {
    var messages: [String] = []
    for file in try directory.files() { messages += try recoverHost(ofRun: file, roots) }
    return messages
  }

  /// Restores the settings that one run had changed, unless it still runs. If `isRequired`, because
  /// the run is about to be removed, a setting that cannot be restored is an error.
  static func recoverHost(
    ofRun file: String, _ roots: MountRoots = MountRoots(), isRequired: Bool = false
  ) throws(LBError) -> [String] {
    let state = HostChanges.state(ofRun: file)
    guard Directories.exists(state) else { return [] }
    let reader = try RunReader(path: file, mayLackTables: true)
    defer { reader.close() }
    if try reader.writerIsAlive() { return [] }
    if try reader.isBeingRecorded() { return [] }
    let (restored, failures) = HostChanges.restore(state, roots)
    let run = RunDirectory.id(ofFile: file)
    var messages =
      restored.map { "\($0), as before run \(run), which was killed" } + failures.map(\.message)
    if let damage = reader.damage { messages.append(damage) }
    do throws(LBError) {
      // Recorded in the journal of the run that had changed the setting.
      for line in restored {
        try reader.add(
          JournalEntry(
            unixNanoseconds: TimeSource.system.realtime(), level: "notice",
            kind: HostChanges.restored,
            message: "\(line), after the run was gone", run: run, phase: nil, repetition: nil,
            attempt: nil))
      }
    } catch {
      messages.append(error.message)
    }
    if isRequired, let failure = failures.first { throw failure }
    return messages
  }
}
