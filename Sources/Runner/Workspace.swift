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
    guard text.hasPrefix("git:") else {
      content = text == "empty" ? .empty : .copy(text)
      return
    }
    let rest = text.dropFirst(4)
    // An @ may stand in an address too: a revision has no slash before it is over.
    if let at = rest.lastIndex(of: "@"), !rest[at...].contains("/"), !rest[at...].contains(":") {
      content = .git(
        repository: String(rest[..<at]), revision: String(rest[rest.index(after: at)...]))
    } else {
      content = .git(repository: String(rest), revision: nil)
    }
  }
}

/// Makes the directories of attempts, fills them, and removes those that are not kept.
struct Workspace {
  private let plan: WorkspacePlan
  private let context: RunContext
  let path: String
  private let folder: String
  private let phase: String

  /// A phase's name as one component of a path: values of parameters may be anything.
  private static func component(_ name: String) -> String {
    let plain = String(
      name.prefix(100).map { letter in
        letter.isASCII && (letter.isLetter || letter.isNumber || "._=,-[]".contains(letter))
          ? letter : "_"
      })
    if plain == name { return name }
    // FNV-1a, so that two names do not become one.
    let hash = name.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    return "\(plain)-\(String(hash, radix: 16))"
  }

  /// The directory of an attempt, below `NAME.files` beside the run's file, or that of a `member`
  /// beside what is measured.
  init(
    _ plan: WorkspacePlan, _ context: RunContext, _ place: AttemptPlace, member: String? = nil
  ) {
    self.plan = plan
    self.context = context
    let file = context.store?.path ?? "/tmp/\(context.runID)"
    let root = file.hasSuffix(".lbsample") ? String(file.dropLast(9)) : file
    let kind = place.warmUp ? "warmup" : "repetition"
    folder = "\(root).files"
    phase = "\(folder)/\(Self.component(place.phase))"
    let attempt = "\(kind)-\(place.repetition)-\(place.attempt)"
    path = "\(phase)/\(attempt)\(member.map { ".\(Self.component($0))" } ?? "")"
  }

  /// Runs a command, as the workload's user or as ourselves.
  private func step(
    _ path: String, _ arguments: [String], isOurs: Bool = false
  ) -> LBError? {
    var specification = context.specification
    specification.directory = nil
    if isOurs { specification.user = nil }
    var command = AuxiliaryCommand(
      "the working directory: \(arguments[0])", path, arguments, specification,
      cpus: context.allowedCPUs)
    if isOurs { command.atStop = .goesOn }
    return command.run(context.services)
  }

  /// Makes and fills it.
  func make() throws(LBError) {
    let user = context.specification.user
    let owner = user.map { ["-o", "\($0.uid)", "-g", "\($0.gid)"] } ?? []
    // An attempt that was cut off before it began may have left one.
    var failure = step("/bin/rm", ["rm", "-rf", "--", path], isOurs: true)
    failure =
      failure
      ?? step(
        "/usr/bin/install", ["install", "-d"] + owner + ["--", path], isOurs: true)
    switch plan.content {
    case .empty: break
    case .copy(let source):
      failure =
        failure ?? step("/bin/cp", ["cp", "-a", "--reflink=auto", "--", "\(source)/.", path])
    case .git(let repository, let revision):
      let git = try command("git")
      failure =
        failure
        ?? step(git, ["git", "clone", "--quiet", "--no-checkout", "--", repository, path])
        ?? step(git, ["git", "-C", path, "checkout", "--quiet", "--detach", revision ?? "HEAD"])
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
    if let failure = step("/bin/rm", ["rm", "-rf", "--", path], isOurs: true) {
      return failure.message
    }
    // Those that are empty now.
    _ = unsafe rmdir(phase)
    _ = unsafe rmdir(folder)
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
