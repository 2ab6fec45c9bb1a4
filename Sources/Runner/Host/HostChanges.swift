import Glibc
package import LinuxSystem
import Logging
package import SampleModel

/// A setting of the host that a run changes and restores.
package struct HostChange: Sendable, Hashable {
  /// The settings that lbsample can change.
  package enum Name: String, Sendable, CaseIterable {
    /// Address space layout randomisation: 0, 1 or 2 (proc(5), randomize_va_space).
    case aslr
    /// The frequency governor of every CPU (cpufreq).
    case governor
    /// Frequencies above the nominal one: on or off.
    case turbo
    /// Drop the page cache (1), dentries and inodes (2) or both (3) before each attempt (proc(5),
    /// drop_caches).
    case dropCaches = "drop-caches"
  }

  package let name: Name
  package let value: String

  /// Reads `aslr=0`. Throws the reason where it is not a setting or not a value of it.
  package init(_ text: String) throws(HostChangeError) {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    let names = Name.allCases.map(\.rawValue)
    guard let word = parts.first, let name = Name(rawValue: word) else {
      let nearest = parts.first.flatMap { Nearest.word(to: $0, in: names) }
      throw HostChangeError(
        "no such setting\(Nearest.hint(nearest)); there are \(names.joined(separator: ", "))")
    }
    let value = parts.count > 1 ? parts[1] : ""
    let expected: [String]? =
      switch name {
      case .aslr: ["0", "1", "2"]
      case .turbo: ["on", "off"]
      case .dropCaches: ["1", "2", "3"]
      case .governor: nil
      }
    if let expected, !expected.contains(value) {
      throw HostChangeError("expected \(word)=\(expected.joined(separator: "|"))")
    }
    guard !value.isEmpty, !value.contains(where: \.isWhitespace) else {
      throw HostChangeError("expected \(word)=VALUE")
    }
    self.name = name
    self.value = value
  }

  /// A setting with an unchecked value.
  fileprivate init(_ name: Name, _ value: String) {
    self.name = name
    self.value = value
  }

  /// The kernel's files that hold the setting on this host, each with the text to write.
  func files(_ roots: MountRoots) -> [(path: String, value: String)] {
    switch name {
    case .aslr: return [(roots.proc("sys/kernel/randomize_va_space"), value)]
    case .dropCaches: return [(roots.proc("sys/vm/drop_caches"), value)]
    case .governor:
      return directoryEntries(roots.sys("devices/system/cpu")).map {
        roots.sys("devices/system/cpu/\($0)/cpufreq/scaling_governor")
      }.filter { unsafe access($0.osCString, F_OK) == 0 }.map { ($0, value) }
    case .turbo:
      // intel_pstate's file disables turbo by 1, the other drivers' file enables it by 1.
      let pstate = roots.sys("devices/system/cpu/intel_pstate/no_turbo")
      if unsafe access(pstate.osCString, F_OK) == 0 {
        return [(pstate, value == "off" ? "1" : "0")]
      }
      let boost = roots.sys("devices/system/cpu/cpufreq/boost")
      return unsafe access(boost.osCString, F_OK) == 0 ? [(boost, value == "off" ? "0" : "1")] : []
    }
  }
}

/// Why a text is not a change of a setting.
package struct HostChangeError: Error, Equatable {
  package let reason: String

  init(_ reason: String) { self.reason = reason }
}

/// Changes settings of the host and restores them, whatever happens.
///
/// The former values are written to a file beside the run's and flushed before a setting is
/// changed: after a SIGKILL the next run finds that file and restores the settings.
package final class HostChanges {
  private let changes: [HostChange]
  private let roots: MountRoots
  private let statePath: String
  private let journal: Journal
  private var isChanged = false
  /// The kernel's files that the run needs unchanged, locked (flock(2)) until it ends: another run
  /// would save this run's values as the former ones.
  private var lockedFiles: [FileID: Int32] = [:]
  private var descriptors = DescriptorList()
  /// The file of former values, once it is open.
  private var state: Int32?
  /// Files with an exclusive lock. Such a file is not locked in shared mode again under another
  /// name.
  private var exclusive: Set<Int32> = []

  /// Identifies a file: CPUs that share a frequency policy have one file under several names.
  private struct FileID: Hashable {
    let device: UInt64
    let number: UInt64
  }

  /// The kind of the event that a setting was restored.
  package static let restored = "host.restore"

  /// Changes for the run in `file`.
  package init(_ changes: [HostChange], _ roots: MountRoots, run file: String, _ journal: Journal) {
    self.changes = changes
    self.roots = roots
    self.journal = journal
    statePath = Self.state(ofRun: file)
  }

  /// The path of the file of former values of a run. Root acts on its content: lbsample uses it
  /// only if no other user can have written it (`Trust`), and of it only known settings with
  /// possible values.
  package static func state(ofRun file: String) -> String { file + ".host" }

  /// Applies the changes that hold for the whole run.
  package func apply() throws(LBError) {
    for change in changes where change.name != .dropCaches {
      let files = change.files(roots)
      if files.isEmpty {
        throw LBError(.gate, "\(change.name.rawValue) cannot be set: this host has no such setting")
      }
      for (path, value) in files { try set(path, to: value, change) }
    }
  }

  /// Applies the changes that are made before each attempt.
  package func applyBeforeAttempt() throws(LBError) {
    for change in changes where change.name == .dropCaches {
      sync()
      for (path, value) in change.files(roots) {
        do throws(SystemError) { try Self.write(value, path) } catch {
          throw refusal(change, error)
        }
        try journal.record(
          .notice, "host.change", "\(path): \(value) written (--allow drop-caches)")
      }
    }
  }

  /// Opens a file once and keeps it open.
  private func keepOpen(_ path: String) throws(SystemError) -> Int32 {
    let file = try OwnedDescriptor(open: path, O_RDONLY)
    var facts = stat()
    guard unsafe fstat(file.number, &facts) == 0 else {
      throw SystemError("fstat", errno: errno, path: path)
    }
    let id = FileID(device: UInt64(facts.st_dev), number: UInt64(facts.st_ino))
    if let known = lockedFiles[id] { return known }
    let number = descriptors.add(file)
    lockedFiles[id] = number
    return number
  }

  private static func lock(
    _ file: Int32, _ path: String, _ kind: Int32
  ) throws(SystemError) {
    guard flock(file, kind | LOCK_NB) == 0 else {
      throw SystemError("flock", errno: errno, path: path)
    }
  }

  private static func reason(_ error: SystemError) -> String {
    switch error.errno {
    case EWOULDBLOCK:
      "another run needs \(error.path ?? "this setting") unchanged: wait until that run has ended"
    case EACCES, EPERM, EROFS: "\(error); run lbsample as root"
    default: "\(error)"
    }
  }

  private func refusal(_ change: HostChange, _ error: SystemError) -> LBError {
    LBError(
      .gate, "\(change.name.rawValue) cannot be set: \(Self.reason(error))",
      context: ErrorContext(path: error.path, errno: error.errno))
  }

  private func set(_ path: String, to value: String, _ change: HostChange) throws(LBError) {
    let before: String
    do throws(SystemError) {
      // A shared lock: several runs may need the same value, but none may change it.
      let file = try keepOpen(path)
      if !exclusive.contains(file) { try Self.lock(file, path, LOCK_SH) }
      before = OSText.string(try SmallFile.read(path)).trimmed
      if before == value { return }
      try Self.lock(file, path, LOCK_EX)
      exclusive.insert(file)
      // Checked first: nothing is saved of a setting that may not be changed.
      _ = try OwnedDescriptor(open: path, O_WRONLY)
      if before.has("\n") || before.has("\t") {
        throw SystemError("saving its value", errno: EINVAL, path: path)
      }
      let state = try openState()
      try writeAll(OSText.bytes("\(path)\t\(before)\n").span, to: state)
      fsync(state)
      isChanged = true
    } catch {
      throw refusal(change, error)
    }
    // Before the write: if the run is killed right after it, the change stands in the journal.
    try journal.record(
      .notice, "host.change", "\(path): \(before) → \(value) (--allow \(change.name.rawValue))")
    do throws(SystemError) { try Self.write(value, path) } catch { throw refusal(change, error) }
  }

  /// The file of former values: a new one, or that of an earlier session of the run.
  private func openState() throws(SystemError) -> Int32 {
    if let state { return state }
    if let reason = Trust.problem(ofDirectory: Directories.folder(of: statePath)) {
      throw SystemError(
        "open", errno: EINVAL, path: statePath,
        reason: "other users could change the values to restore (\(reason)); choose another "
          + "--runs-dir")
    }
    let file: OwnedDescriptor
    let flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK
    do throws(SystemError) {
      file = try OwnedDescriptor(open: statePath, flags | O_CREAT | O_EXCL, mode: 0o600)
    } catch {
      guard error.errno == EEXIST else { throw error }
      file = try OwnedDescriptor(open: statePath, flags)
      if let reason = Trust.problem(of: file) {
        throw SystemError("open", errno: EINVAL, path: statePath, reason: reason)
      }
    }
    let number = descriptors.add(file)
    state = number
    return number
  }

  /// Whether a path is a setting of this host and the text a value that it can have.
  private static func isSetting(_ path: String, _ value: String, _ roots: MountRoots) -> Bool {
    HostChange.Name.allCases.contains { name in
      let files = HostChange(name, "").files(roots)
      guard name != .dropCaches, files.contains(where: { $0.path == path }) else { return false }
      switch name {
      case .aslr: return ["0", "1", "2"].contains(value)
      case .turbo: return ["0", "1"].contains(value)
      default:
        return (1...32).contains(value.utf8.count)
          && value.utf8.allSatisfy { $0 == 95 || $0 == 45 || $0 &- 48 < 10 || ($0 | 32) &- 97 < 26 }
      }
    }
  }

  /// Restores all settings. Returns an error for each that could not be restored; throws where the
  /// journal cannot be written.
  package func restore() throws(LBError) -> [LBError] {
    // The files stay locked until they have their former values.
    defer { (lockedFiles, descriptors, exclusive, state) = ([:], DescriptorList(), [], nil) }
    guard isChanged else { return [] }
    let (restored, failures) = Self.restore(statePath, roots) { path throws(SystemError) in
      try Self.lock(try keepOpen(path), path, LOCK_EX)
    }
    for line in restored { try journal.record(.notice, Self.restored, line) }
    return failures
  }

  /// Restores the settings that a run which was killed had changed. Returns a message for each
  /// setting that was restored, and an error for each that could not be.
  package static func restore(
    _ statePath: String, _ roots: MountRoots
  ) -> (restored: [String], failures: [LBError]) {
    let files = DescriptorList()
    return restore(statePath, roots) { path throws(SystemError) in
      let file = files.add(try OwnedDescriptor(open: path, O_RDONLY))
      try lock(file, path, LOCK_EX)
    }
  }

  /// The content of the file of former values. Throws where other users can have written it.
  private static func formerValues(_ statePath: String) throws(SystemError) -> String {
    let file = try OwnedDescriptor(open: statePath, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    let reason =
      Trust.problem(of: file) ?? Trust.problem(ofDirectory: Directories.folder(of: statePath))
    if let reason {
      throw SystemError(
        "open", errno: EINVAL, path: statePath,
        reason: "not trusted: \(reason); check the values in it, restore them yourself and remove "
          + "the file")
    }
    return OSText.string(try SmallFile.read(file, statePath))
  }

  private static func restore(
    _ statePath: String, _ roots: MountRoots, _ lock: (String) throws(SystemError) -> Void
  ) -> (restored: [String], failures: [LBError]) {
    let text: String
    do throws(SystemError) {
      text = try formerValues(statePath)
    } catch {
      guard error.errno != ENOENT else { return ([], []) }
      let failure = LBError(
        .gate, "\(statePath): \(error.reason)",
        context: ErrorContext(path: statePath, errno: error.errno))
      return ([], [failure])
    }
    var restored: [String] = []
    var failures: [LBError] = []
    // The last change first, so that a file that was changed twice gets its first value.
    for line in text.parts("\n").reversed() {
      let parts = line.parts("\t", keepEmpty: true).map(String.init)
      guard parts.count == 2 else { continue }
      do throws(SystemError) {
        guard isSetting(parts[0], parts[1], roots) else {
          throw SystemError(
            "restore", errno: EINVAL, path: parts[0],
            reason: "not a setting of this host, or not below --proc-root and --sys-root")
        }
        try lock(parts[0])
        try write(parts[1], parts[0])
        restored.append("\(parts[0]) is \(parts[1]) again")
      } catch {
        failures.append(
          LBError(
            .gate, "\(parts[0]) cannot be restored to \(parts[1]): \(reason(error))",
            context: ErrorContext(path: parts[0], errno: error.errno)))
      }
    }
    if failures.isEmpty { _ = unsafe unlink(statePath.osCString) }
    return (restored, failures)
  }

  private static func write(_ value: String, _ path: String) throws(SystemError) {
    let file = try OwnedDescriptor(open: path, O_WRONLY | O_TRUNC | O_NOFOLLOW)
    try writeAll(Array(value.utf8).span, to: file.number)
  }
}
