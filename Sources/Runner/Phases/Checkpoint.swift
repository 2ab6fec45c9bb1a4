import Glibc
import LinuxSystem
import Logging
import SampleModel

/// `checkpoint = "DIR"` of a phase: a copy of a directory, taken before the phase, that takes its
/// place again where the phase fails.
struct CheckpointAction: PhaseAction {
  let directory: String
  /// Whose files they are, and how many bytes of them are copied at most (`keep_limit`).
  let specification: RunSpecification

  var summary: String { "keeps a copy of \(directory), put back where the phase fails" }

  /// Takes the copy; one that an earlier session of the run left is older, and stays.
  func enter(_ place: PhasePlace) throws(LBError) -> PhaseEntry {
    let checkpoint = Checkpoint(
      directory, place.context.executing(specification), phase: place.phase)
    try checkpoint.take(limit: specification.keepLimit)
    return .proceed(checkpoint)
  }
}

extension PhaseNode {
  /// The same behind a checkpoint of `directory`.
  func checked(_ directory: String, _ table: PlanTable, _ scope: PlanScope) -> PhaseNode {
    guard !lasts else {
      table.problems.add(
        table.at("checkpoint"), "what lasts beside other phases has no checkpoint: give it to them")
      return self
    }
    var node = self
    // A phase that a condition skips needs no copy; all else may already change something.
    let first = node.actions.firstIndex { !($0 is ConditionAction) } ?? node.actions.count
    node.actions.insert(
      CheckpointAction(
        directory: directory, specification: specification ?? scope.specification),
      at: first)
    return node
  }
}

/// A copy of a directory.
final class Checkpoint: PhaseLease {
  private let directory: String
  private let context: RunContext
  private let phase: String
  private let files: PhaseFiles
  private let copy: String
  /// A file beside the copy that says of which directory it is, for a later session.
  private let origin: String
  /// The directory that was copied: its path without links, and which one it is.
  private var source: (path: String, identity: FileIdentity)?

  /// Of `directory`, for a phase.
  init(_ directory: String, _ context: RunContext, phase: String) {
    self.directory = directory
    self.context = context
    self.phase = phase
    files = PhaseFiles(context, phase: phase, for: "checkpoint")
    copy = "\(files.folder)/checkpoint"
    origin = "\(copy).of"
  }

  var failure: LBError? { nil }
  func renew() throws(LBError) {}
  func leave() -> LBError? { nil }

  /// Copies the directory. The copy has its name once it is whole.
  func take(limit: UInt64) throws(LBError) {
    guard let real = Directories.real(directory), real != "/", Directories.isDirectory(real),
      let identity = Directories.identity(real)
    else { throw failed("\(directory) is no directory that can be copied") }
    source = (real, identity)
    let name = "\(identity.inode) \(real)"
    if Directories.isDirectory(copy) {
      // Of a device the number may be another one since the host was started anew.
      if let earlier = SmallFile.text(origin), earlier != name.trimmed {
        throw failed(
          "\(directory) is not the directory that \(copy) was made of: put that back yourself, or "
            + "remove it")
      }
      return try note(.notice, "phase.checkpoint", "\(copy) is of an earlier session, and kept")
    }
    guard !copy.begins(real + "/") else {
      throw failed("the run's own files are in \(directory): keep them elsewhere (--runs-dir)")
    }
    guard Directories.bytes(real, limit: limit) <= limit else {
      throw failed("\(directory) has more than \(Counted.text(limit, "byte")) (keep_limit)")
    }
    let draft = copy + ".new"
    let failure =
      files.remove(draft) ?? files.make(draft) ?? writeOrigin(name)
      ?? files.step("/bin/cp", ["cp", "-a", "--reflink=auto", "--", "\(real)/.", draft])
      ?? files.step("/bin/mv", ["mv", "-T", "--", draft, copy], isOurs: true)
    if let failure {
      _ = files.remove(draft)
      removeOrigin()
      files.leave()
      throw failed(failure.message)
    }
    try note(.notice, "phase.checkpoint", "\(directory) is copied to \(copy)")
  }

  /// Puts the copy back behind a failure, removes it behind a success, and leaves it to the next
  /// session behind an interruption.
  func settle(_ status: RunStatus) -> LBError? {
    do throws(LBError) {
      switch status {
      case .completed: break
      case .failed, .timeout: try putBack()
      default:
        return try saying("\(phase): interrupted; \(copy) has \(directory) as it was before")
      }
    } catch {
      return error
    }
    let failure = files.remove(copy)
    removeOrigin()
    files.leave()
    return failure
  }

  private func saying(_ message: String) throws(LBError) -> LBError? {
    try context.journal.record(.notice, "phase.checkpoint", message)
    return nil
  }

  private func putBack() throws(LBError) {
    let real = try place()
    guard Directories.isDirectory(copy) else {
      throw failed("\(directory) cannot be put back: \(copy) is gone")
    }
    var failure = files.step("/usr/bin/find", ["find", real, "-mindepth", "1", "-delete"])
    // What the workload left running may exchange it at any time.
    if failure == nil {
      failure = files.step(
        "/bin/cp", ["cp", "-a", "--reflink=auto", "--", "\(copy)/.", try place()])
    }
    if let failure {
      throw failed("\(failure.message); \(copy) has what was in \(directory)")
    }
    try note(.warning, "phase.rollback", "\(directory) is as it was before the phase, which failed")
  }

  /// Where the copied directory still is; throws where its path leads elsewhere by now: a link, or
  /// a directory that took its place, is nothing to empty.
  private func place() throws(LBError) -> String {
    guard let real = Directories.real(directory) else {
      throw failed("\(directory) is gone; \(copy) has what was in it")
    }
    guard real == source?.path, Directories.identity(real) == source?.identity else {
      throw failed(
        "\(directory) is another directory now, which is left as it is; \(copy) has what was in "
          + "the one before")
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

  private func note(_ level: Logger.Level, _ kind: String, _ message: String) throws(LBError) {
    try context.journal.record(level, kind, "\(phase): \(message)")
  }

  private func failed(_ message: String) -> LBError {
    LBError(
      .workload, "\(phase): checkpoint: \(message)", context: ErrorContext(path: directory))
  }
}
