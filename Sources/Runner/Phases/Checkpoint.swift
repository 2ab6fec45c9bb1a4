import Glibc
import LinuxSystem
import Logging
import SampleModel

/// `checkpoint = "DIR"` of a phase: copies a directory before the phase, and restores it if the
/// phase fails.
struct CheckpointAction: PhaseAction {
  let directory: String
  /// The user who copies the directory, and the limit of its size (`keep_limit`).
  let specification: RunSpecification

  var summary: String { "copies \(directory), and restores it if the phase fails" }

  /// Copies the directory. The copy of an earlier session of the run is kept: it is older.
  func enter(_ phase: PhaseContext) throws(LBError) -> PhaseEntry {
    let checkpoint = Checkpoint(
      directory, phase.run.executing(specification), phase: phase.name)
    try checkpoint.make(limit: specification.keepLimit)
    return .proceed(checkpoint)
  }
}

extension PhaseNode {
  /// A copy of the node that begins with a checkpoint of `directory`.
  func withCheckpoint(
    of directory: String, _ table: PlanTable, _ scope: PlanScope
  ) -> PhaseNode {
    guard !outlivesPhase else {
      table.problems.add(
        table.keyPath(of: "checkpoint"),
        "a background phase cannot have a checkpoint: give it to the phases beside it")
      return self
    }
    var node = self
    // After conditions, since a skipped phase needs no copy; before all actions that may change
    // something.
    let first = node.actions.firstIndex { !($0 is ConditionAction) } ?? node.actions.count
    node.actions.insert(
      CheckpointAction(
        directory: directory, specification: specification ?? scope.specification),
      at: first)
    return node
  }
}

/// A copy of a directory, which is restored if the phase fails.
final class Checkpoint: PhaseResource {
  private let directory: String
  private let context: RunContext
  private let phase: String
  private let files: PhaseFiles
  private let copy: String
  /// A file beside the copy that names the copied directory, for a later session.
  private let origin: String
  /// The copied directory: its path without links, and its identity.
  private var source: (path: String, identity: FileIdentity)?

  /// A checkpoint of `directory` for a phase.
  init(_ directory: String, _ context: RunContext, phase: String) {
    self.directory = directory
    self.context = context
    self.phase = phase
    files = PhaseFiles(context, phase: phase, for: "checkpoint")
    copy = "\(files.folder)/checkpoint"
    origin = "\(copy).of"
  }

  func stop() -> LBError? { nil }

  /// Copies the directory, unless it has more than `limit` bytes. The copy gets its name when it is
  /// complete.
  func make(limit: UInt64) throws(LBError) {
    guard let real = Directories.real(directory), real != "/", Directories.isDirectory(real),
      let identity = Directories.identity(real)
    else { throw failed("\(directory) is not a directory that can be copied") }
    if let refusal = files.refusal() { throw failed(refusal.message) }
    source = (real, identity)
    let name = "\(identity.inode) \(real)"
    if Directories.isDirectory(copy) {
      // Without the device number, which may be another one after a reboot.
      if let earlier = SmallFile.text(origin), earlier != name.trimmed {
        throw failed(
          "\(directory) is not the directory of which \(copy) is a copy: restore it yourself, or "
            + "remove the copy")
      }
      return try record(.notice, "phase.checkpoint", "\(copy) is of an earlier session, and kept")
    }
    guard !copy.begins(real + "/") else {
      throw failed("the run's own files are in \(directory): choose another --runs-dir")
    }
    guard Directories.bytes(real, limit: limit) <= limit else {
      throw failed(
        "\(directory) has more than \(Counted.text(limit, "byte")): increase keep_limit")
    }
    let draft = copy + ".new"
    let failure =
      files.remove(draft) ?? files.make(draft) ?? writeOrigin(name)
      ?? files.step("/bin/cp", ["cp", "-a", "--reflink=auto", "--", "\(real)/.", draft])
      ?? files.step("/bin/mv", ["mv", "-T", "--", draft, copy], isOurs: true)
    if let failure {
      _ = files.remove(draft)
      removeOrigin()
      files.removeEmptyFolders()
      throw failed(failure.message)
    }
    try record(.notice, "phase.checkpoint", "\(directory) is copied to \(copy)")
  }

  /// Restores the directory after a failure and removes the copy; after an interruption keeps the
  /// copy for the next session.
  func phaseEnded(_ status: RunStatus) -> LBError? {
    do throws(LBError) {
      switch status {
      case .completed: break
      case .failed, .timeout: try restore()
      default:
        try record(
          .notice, "phase.checkpoint",
          "interrupted; \(copy) has the content of \(directory) before the phase")
        return nil
      }
    } catch {
      return error
    }
    let failure = files.remove(copy)
    removeOrigin()
    files.removeEmptyFolders()
    return failure
  }

  private func restore() throws(LBError) {
    let real = try checkedPath()
    guard Directories.isDirectory(copy) else {
      throw failed("\(directory) cannot be restored: its copy \(copy) was removed")
    }
    var failure = files.step("/usr/bin/find", ["find", real, "-mindepth", "1", "-delete"])
    // Checked again: a process that the workload left running may replace the directory.
    if failure == nil {
      failure = files.step(
        "/bin/cp", ["cp", "-a", "--reflink=auto", "--", "\(copy)/.", try checkedPath()])
    }
    if let failure {
      throw failed("\(failure.message); \(copy) has the former content of \(directory)")
    }
    try record(
      .warning, "phase.rollback",
      "the phase failed; \(directory) has its content from before the phase again")
  }

  /// The path of the copied directory without links. Throws where it is another directory now: a
  /// link, or a directory in its place, must not be emptied.
  private func checkedPath() throws(LBError) -> String {
    guard let real = Directories.real(directory) else {
      throw failed("\(directory) was removed; \(copy) has its former content")
    }
    guard real == source?.path, Directories.identity(real) == source?.identity else {
      throw failed(
        "\(directory) is another directory now, which stays unchanged; \(copy) has the content of "
          + "the former one")
    }
    return real
  }

  private func writeOrigin(_ name: String) -> LBError? {
    do throws(SystemError) {
      let file = try OwnedDescriptor(open: origin, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
      try writeAll(OSText.bytes(name).span, to: file.number)
      return nil
    } catch {
      return failed("\(origin): \(error.reason)")
    }
  }

  private func removeOrigin() { _ = unsafe unlink(origin.osCString) }

  private func record(_ level: Logger.Level, _ kind: String, _ message: String) throws(LBError) {
    try context.journal.record(level, kind, "\(phase): \(message)")
  }

  private func failed(_ message: String) -> LBError {
    LBError(
      .workload, "\(phase): checkpoint: \(message)", context: ErrorContext(path: directory))
  }
}
