import Glibc
import LinuxSystem
import RunStore
import SampleModel

/// The directory of a phase's own files, below `NAME.files` beside the run's file.
struct PhaseFiles {
  private let context: RunContext
  /// The option that needs the files, for messages.
  private let option: String
  private let root: String
  /// The directory of the phase's files.
  let folder: String

  /// A phase's name as one component of a path: values of parameters may hold any character.
  static func component(_ name: String) -> String {
    let plain = String(
      name.prefix(100).map { letter in
        letter.isASCII && (letter.isLetter || letter.isNumber || "._=,-[]".contains(letter))
          ? letter : "_"
      })
    if plain == name { return name }
    // An FNV-1a hash, so that two names do not become the same component.
    let hash = name.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    return "\(plain)-\(String(hash, radix: 16))"
  }

  /// The directory of a phase of the run, for `option`.
  init(_ context: RunContext, phase: String, for option: String) {
    self.context = context
    self.option = option
    let file = context.store?.path ?? "/tmp/\(context.runID)"
    root = "\(file.hasSuffix(".lbsample") ? String(file.dropLast(9)) : file).files"
    folder = "\(root)/\(Self.component(phase))"
  }

  /// Runs a command as the workload's user or, if `isOurs`, as the user of lbsample. Returns why it
  /// failed.
  func step(
    _ path: String, _ arguments: [String], isOurs: Bool = false
  ) -> LBError? {
    var specification = context.specification
    specification.directory = nil
    if isOurs { specification.user = nil }
    var command = AuxiliaryCommand(
      "\(option): \(arguments[0])", path, arguments, specification,
      cpus: context.allowedCPUs)
    if isOurs { command.stopBehavior = .ignore }
    return command.run(context)
  }

  /// Makes a directory that belongs to the workload's user. Returns why it could not be made.
  func make(_ path: String) -> LBError? {
    if unsafe mkdir(root.osCString, 0o755) != 0, errno != EEXIST {
      return failed("\(root): cannot be created: \(SystemError.words(errno))")
    }
    if let refusal = refusal() { return refusal }
    let user = context.specification.user
    let owner = user.map { ["-o", "\($0.uid)", "-g", "\($0.gid)"] } ?? []
    return step("/usr/bin/install", ["install", "-d"] + owner + ["--", path], isOurs: true)
  }

  /// Removes a directory with its content. Returns why it could not be removed.
  func remove(_ path: String) -> LBError? {
    guard Directories.identity(root) != nil else { return nil }
    return refusal() ?? step("/bin/rm", ["rm", "-rf", "--", path], isOurs: true)
  }

  /// Why what stands where the run's directory is to be is not used: another user may have made it,
  /// and a link there would lead elsewhere. Nil where nothing stands there, or the caller's own
  /// directory, which others cannot write to.
  func refusal() -> LBError? {
    var facts = stat()
    guard unsafe lstat(root.osCString, &facts) == 0 else { return nil }
    guard facts.st_mode & S_IFMT == S_IFDIR, facts.st_uid == geteuid(), facts.st_mode & 0o022 == 0
    else {
      return failed(
        "\(root) is not a directory of the caller's own, which no other user may write to; move "
          + "it away")
    }
    return nil
  }

  private func failed(_ message: String) -> LBError {
    LBError(.workload, "\(option): \(message)", context: ErrorContext(path: root))
  }

  /// Removes the phase's and the run's directories where they are empty.
  func removeEmptyFolders() {
    _ = unsafe rmdir(folder.osCString)
    _ = unsafe rmdir(root.osCString)
  }
}
