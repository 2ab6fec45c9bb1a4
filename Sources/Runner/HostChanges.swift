import Glibc
package import LinuxSystem
import Logging
package import SampleModel

/// A setting of the host that a run changes for its time.
package struct HostChange: Sendable, Hashable {
  /// The settings that there are.
  package enum Name: String, Sendable, CaseIterable {
    /// Address space layout randomisation: 0, 1 or 2 (proc(5), randomize_va_space).
    case aslr
    /// The frequency governor of every CPU (cpufreq).
    case governor
    /// Frequencies above the nominal one: on or off.
    case turbo
    /// The page cache, dentries and inodes are dropped before each attempt: 1, 2 or 3.
    case dropCaches = "drop-caches"
  }

  package let name: Name
  package let value: String

  /// Reads `aslr=0`; throws what is wrong with it, in words.
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

  /// A setting, whatever it is to be.
  fileprivate init(_ name: Name, _ value: String) {
    self.name = name
    self.value = value
  }

  /// The kernel's files that hold it here, with what they are to say.
  func files(_ roots: MountRoots) -> [(path: String, value: String)] {
    switch name {
    case .aslr: return [(roots.proc("sys/kernel/randomize_va_space"), value)]
    case .dropCaches: return [(roots.proc("sys/vm/drop_caches"), value)]
    case .governor:
      return directoryEntries(roots.sys("devices/system/cpu")).map {
        roots.sys("devices/system/cpu/\($0)/cpufreq/scaling_governor")
      }.filter { unsafe access($0.osCString, F_OK) == 0 }.map { ($0, value) }
    case .turbo:
      // intel_pstate says what is forbidden, the others what is permitted.
      let pstate = roots.sys("devices/system/cpu/intel_pstate/no_turbo")
      if unsafe access(pstate.osCString, F_OK) == 0 {
        return [(pstate, value == "off" ? "1" : "0")]
      }
      let boost = roots.sys("devices/system/cpu/cpufreq/boost")
      return unsafe access(boost.osCString, F_OK) == 0 ? [(boost, value == "off" ? "0" : "1")] : []
    }
  }
}

/// Why a host change is none.
package struct HostChangeError: Error, Equatable {
  package let reason: String

  init(_ reason: String) { self.reason = reason }
}

/// Changes settings of the host, and puts them back whatever happens.
///
/// What a file said before is written beside the run, and flushed, before it is changed: after
/// a SIGKILL the next run finds it and puts it back.
package final class HostChanges {
  private let changes: [HostChange]
  private let roots: MountRoots
  private let statePath: String
  private let journal: Journal
  private var isChanged = false
  /// The files that are wanted as they are, locked (flock(2)) as long as the run needs them:
  /// another run would take what this one has set for what was there before.
  private var held: [Lock: Int32] = [:]
  private var descriptors = DescriptorList()
  /// The file of former values, once it is open.
  private var state: Int32?
  /// Those that nobody else may lock: one that was changed is not shared again under another name.
  private var exclusive: Set<Int32> = []

  /// A file by what it is: CPUs that share a frequency policy have one under several names.
  private struct Lock: Hashable {
    let device: UInt64
    let number: UInt64
  }

  /// The kind of event that a setting is which was put back.
  package static let restored = "host.restore"

  /// Changes of a run in `file`.
  package init(_ changes: [HostChange], _ roots: MountRoots, run file: String, _ journal: Journal) {
    self.changes = changes
    self.roots = roots
    self.journal = journal
    statePath = Self.state(ofRun: file)
  }

  /// Where the former values of a run's host are kept while it runs. What stands there is acted on
  /// by root: it is believed only where nobody else can have written it (`Trust`), and of what it
  /// says only the settings that there are, with values that they can have.
  package static func state(ofRun file: String) -> String { file + ".host" }

  /// Applies those that last for the run.
  package func apply() throws(LBError) {
    for change in changes where change.name != .dropCaches {
      let files = change.files(roots)
      if files.isEmpty {
        throw LBError(.gate, "\(change.name.rawValue) cannot be set: this host has no such setting")
      }
      for (path, value) in files { try set(path, to: value, change) }
    }
  }

  /// Applies those that belong to each attempt.
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

  /// Opens it, once, and keeps it.
  private func hold(_ path: String) throws(SystemError) -> Int32 {
    let file = try OwnedDescriptor(open: path, O_RDONLY)
    var facts = stat()
    guard unsafe fstat(file.number, &facts) == 0 else {
      throw SystemError("fstat", errno: errno, path: path)
    }
    let lock = Lock(device: UInt64(facts.st_dev), number: UInt64(facts.st_ino))
    if let known = held[lock] { return known }
    let number = descriptors.add(file)
    held[lock] = number
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
    case EWOULDBLOCK: "another run needs \(error.path ?? "it") as it is: wait for its end"
    case EACCES, EPERM, EROFS: "\(error); it takes root"
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
      // Nobody is to change it meanwhile; several may want it as it is.
      let file = try hold(path)
      if !exclusive.contains(file) { try Self.lock(file, path, LOCK_SH) }
      before = OSText.string(try SmallFile.read(path)).trimmed
      if before == value { return }
      try Self.lock(file, path, LOCK_EX)
      exclusive.insert(file)
      // Nothing is noted of what may not be changed.
      _ = try OwnedDescriptor(open: path, O_WRONLY)
      if before.has("\n") || before.has("\t") {
        throw SystemError("keeping what it says", errno: EINVAL, path: path)
      }
      let state = try openState()
      try writeAll(OSText.bytes("\(path)\t\(before)\n").span, to: state)
      fsync(state)
      isChanged = true
    } catch {
      throw refusal(change, error)
    }
    // In front of the write: a run that is killed right behind it has its change in the journal.
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
        reason: "others could change what is to be put back (\(reason)); record elsewhere")
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

  /// Whether a former value is one of a setting that there is here.
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

  /// Puts everything back; gives what could not be.
  package func restore() throws(LBError) -> [LBError] {
    // They stay locked until they are as they were; whoever shares one has none of ours changed.
    defer { (held, descriptors, exclusive, state) = ([:], DescriptorList(), [], nil) }
    guard isChanged else { return [] }
    let (restored, failures) = Self.restore(statePath, roots) { path throws(SystemError) in
      try Self.lock(try hold(path), path, LOCK_EX)
    }
    for line in restored { try journal.record(.notice, Self.restored, line) }
    return failures
  }

  /// Puts back what a run that is gone had changed of this host; gives what was done, and what
  /// could not be.
  package static func restore(
    _ statePath: String, _ roots: MountRoots
  ) -> (restored: [String], failures: [LBError]) {
    let files = DescriptorList()
    return restore(statePath, roots) { path throws(SystemError) in
      let file = files.add(try OwnedDescriptor(open: path, O_RDONLY))
      try lock(file, path, LOCK_EX)
    }
  }

  /// What stands in the file of former values; throws why it is not believed.
  private static func formerValues(_ statePath: String) throws(SystemError) -> String {
    let file = try OwnedDescriptor(open: statePath, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    let reason =
      Trust.problem(of: file) ?? Trust.problem(ofDirectory: Directories.folder(of: statePath))
    if let reason {
      throw SystemError(
        "open", errno: EINVAL, path: statePath,
        reason: "not believed: \(reason); look at it, and remove it")
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
    // The last change first: a file that was changed twice gets its first value.
    for line in text.parts("\n").reversed() {
      let parts = line.parts("\t", keepEmpty: true).map(String.init)
      guard parts.count == 2 else { continue }
      do throws(SystemError) {
        guard isSetting(parts[0], parts[1], roots) else {
          throw SystemError(
            "restore", errno: EINVAL, path: parts[0],
            reason: "no setting of this host (nor of the --proc-root and --sys-root given)")
        }
        try lock(parts[0])
        try write(parts[1], parts[0])
        restored.append("\(parts[0]) is \(parts[1]) again")
      } catch {
        failures.append(
          LBError(
            .gate, "\(parts[0]) cannot be put back to \(parts[1]): \(reason(error))",
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
