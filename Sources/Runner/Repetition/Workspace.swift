import Glibc
import LinuxSystem
import RunStore
import SampleModel

/// A working directory that is made for each attempt.
package struct WorkspacePlan: Sendable, Hashable {
  /// Its content at the beginning.
  package enum Content: Sendable, Hashable {
    case empty
    /// A copy of a directory.
    case copy(String)
    /// A git repository at a revision, or at its default branch.
    case git(repository: String, revision: String?)
  }

  /// Which directories are kept: all, those of attempts that failed, none.
  package enum Keep: String, Sendable, CaseIterable {
    case always
    case failure
    case never
  }

  package var content: Content

  /// Reads `empty`, a directory, or `git:REPOSITORY` with `@REVISION`.
  package init(_ text: String) {
    guard text.begins("git:") else {
      content = text == "empty" ? .empty : .copy(text)
      return
    }
    let rest = text[text.unicodeScalars.index(text.startIndex, offsetBy: 4)...]
    // A URL may have an @ too; a revision has no slash and no colon.
    if let at = rest.unicodeScalars.lastIndex(of: "@"), !rest[at...].has("/"), !rest[at...].has(":")
    {
      content = .git(
        repository: String(rest[..<at]),
        revision: String(rest[rest.unicodeScalars.index(after: at)...]))
    } else {
      content = .git(repository: String(rest), revision: nil)
    }
  }
}

/// Makes the directories of attempts, fills them, and removes those that are not kept.
struct Workspace {
  private let plan: WorkspacePlan
  private let context: RunContext
  private let files: PhaseFiles
  let path: String

  /// The directory of an attempt, or of a `member` that runs beside it, below `NAME.files` beside
  /// the run's file.
  init(
    _ plan: WorkspacePlan, _ context: RunContext, _ id: AttemptID, member: String? = nil
  ) {
    self.plan = plan
    self.context = context
    files = PhaseFiles(context, phase: id.phase, for: "--workspace")
    let kind = id.warmUp ? "warmup" : "repetition"
    let attempt = "\(kind)-\(id.repetition)-\(id.attempt)"
    path = "\(files.folder)/\(attempt)\(member.map { ".\(PhaseFiles.component($0))" } ?? "")"
  }

  /// Makes and fills it.
  func make() throws(LBError) {
    // An attempt that was interrupted may have left a directory.
    var failure = files.remove(path) ?? files.make(path)
    switch plan.content {
    case .empty: break
    case .copy(let source):
      failure =
        failure ?? files.step("/bin/cp", ["cp", "-a", "--reflink=auto", "--", "\(source)/.", path])
    case .git(let repository, let revision):
      let git = try command("git")
      failure =
        failure
        ?? files.step(git, ["git", "clone", "--quiet", "--no-checkout", "--", repository, path])
        ?? files.step(
          git, ["git", "-C", path, "checkout", "--quiet", "--detach", revision ?? "HEAD"])
    }
    if let failure { throw failure }
  }

  private func command(_ name: String) throws(LBError) -> String {
    var specification = context.specification
    specification.command = [name]
    return try WorkloadCommand.resolve(specification)
  }

  /// Removes the directory unless it is kept. Returns a warning, or nil.
  func removeUnlessKept(failed: Bool, hasBegun: Bool) -> String? {
    let keep = context.specification.keep
    let isWanted = hasBegun && (keep == .always || (keep == .failure && failed))
    let limit = context.specification.keepLimit
    let size = isWanted ? Directories.bytes(path, limit: limit) : nil
    if let size, size <= limit {
      return failed ? "its working directory is kept: \(path)" : nil
    }
    if let failure = files.remove(path) { return failure.message }
    files.removeEmptyFolders()
    return isWanted
      ? "its working directory had more than \(limit) bytes (--keep-limit) and was not kept" : nil
  }
}

extension MeasuredPhase {
  /// A copy for one attempt with workspaces: one for the command and one for each co-runner. Each
  /// is added to `made` before anything of it is made, so that the caller can remove it.
  func withWorkspaces(
    for id: AttemptID, _ made: inout [Workspace]
  ) throws(LBError) -> MeasuredPhase {
    var phase = self
    if let plan = specification.workspace {
      let workspace = Workspace(plan, context, id)
      made.append(workspace)
      try workspace.make()
      phase.context = context.executing(in: workspace.path)
    }
    for (index, coRunner) in node.coRunners.enumerated() {
      guard let plan = coRunner.specification.workspace else { continue }
      let workspace = Workspace(
        plan, context.executing(coRunner.specification), id, member: coRunner.title)
      made.append(workspace)
      try workspace.make()
      phase.node.coRunners[index].specification.directory = workspace.path
    }
    return phase
  }
}
