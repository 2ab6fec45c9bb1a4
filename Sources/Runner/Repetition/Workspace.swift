import Glibc
import LinuxSystem
import RunStore
import SampleModel

/// A directory of its own for each attempt.
package struct WorkspacePlan: Sendable, Hashable {
  /// What stands in it at the beginning.
  package enum Content: Sendable, Hashable {
    case empty
    /// A copy of a directory.
    case copy(String)
    /// A git repository at a revision, its default branch without one.
    case git(repository: String, revision: String?)
  }

  /// Which directories are there afterwards.
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
    // An @ may stand in an address too: a revision has no slash before it is over.
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

  /// The directory of an attempt, below `NAME.files` beside the run's file, or that of a `member`
  /// beside what is measured.
  init(
    _ plan: WorkspacePlan, _ context: RunContext, _ place: AttemptPlace, member: String? = nil
  ) {
    self.plan = plan
    self.context = context
    files = PhaseFiles(context, phase: place.phase, for: "--workspace")
    let kind = place.warmUp ? "warmup" : "repetition"
    let attempt = "\(kind)-\(place.repetition)-\(place.attempt)"
    path = "\(files.folder)/\(attempt)\(member.map { ".\(PhaseFiles.component($0))" } ?? "")"
  }

  /// Makes and fills it.
  func make() throws(LBError) {
    // An attempt that was cut off before it began may have left one.
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

  /// Removes it unless it is kept; gives what is to be said of it.
  func leave(failed: Bool, hasBegun: Bool) -> String? {
    let keep = context.specification.keep
    let isWanted = hasBegun && (keep == .always || (keep == .failure && failed))
    let limit = context.specification.keepLimit
    let size = isWanted ? Directories.bytes(path, limit: limit) : nil
    if let size, size <= limit {
      return failed ? "its working directory is kept: \(path)" : nil
    }
    if let failure = files.remove(path) { return failure.message }
    files.leave()
    return isWanted
      ? "its working directory had more than \(limit) bytes and is not kept" : nil
  }
}

extension MeasuredPhase {
  /// The same for one attempt, at work in directories of that attempt alone: one for the command,
  /// and one for each beside it. They stand in `made` as soon as there may be something to remove.
  func furnished(
    at place: AttemptPlace, _ made: inout [Workspace]
  ) throws(LBError) -> MeasuredPhase {
    var phase = self
    if let plan = specification.workspace {
      let own = Workspace(plan, context, place)
      made.append(own)
      try own.make()
      phase.context = context.executing(in: own.path)
    }
    for (index, companion) in node.companions.enumerated() {
      guard let plan = companion.specification.workspace else { continue }
      let own = Workspace(
        plan, context.executing(companion.specification), place, member: companion.title)
      made.append(own)
      try own.make()
      phase.node.companions[index].specification.directory = own.path
    }
    return phase
  }
}
