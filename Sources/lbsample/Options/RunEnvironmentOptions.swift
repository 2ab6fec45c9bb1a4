import ArgumentParser
import LinuxSystem
import RunStore
import Runner
import SampleModel

/// Workspaces, limits, and settings of the host for a run.
struct RunEnvironmentOptions: ParsableArguments {
  @Option("workload.workspace") var workspace: Given?
  @Option("workload.keep") var keep: Given?
  @Option("workload.keep_limit") var keepLimit: Given?
  @Option("quota.wall") var wall: Given?
  @Option("quota.own_cpu") var ownCPU: Given?
  @Option("quota.bytes") var bytes: Given?
  @Option("quota.ring_memory") var ringBytes: Given?
  @Option("quota.retries") var retries: Given?
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

  /// The changes of the host as entries of a result's configuration.
  var entries: [ConfigurationEntry] {
    hostChanges.isEmpty
      ? []
      : [
        ConfigurationEntry(
          key: "host.changes", value: hostChanges.joined(separator: " "), origin: "command line")
      ]
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
    if case .copy(let source)? = specification.workspace?.content,
      !Directories.isDirectory(source)
    {
      throw LBError(
        .configuration,
        "--workspace \(source): no such directory; expected empty, a directory to copy, or "
          + "git:REPO")
    }
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
        "--allow \(name): has no effect without a change of it: add --set-host \(name)=VALUE, or "
          + "set_host in the plan")
    }
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
