import Glibc
import LinuxSystem
import RunStore
import SampleModel

/// The directory of a phase's own files, below `NAME.files` beside the run's file.
struct PhaseFiles {
  private let context: RunContext
  /// What asked for them, as it stands before messages.
  private let option: String
  private let root: String
  /// Where the phase's files are.
  let folder: String

  /// A phase's name as one component of a path: values of parameters may be anything.
  static func component(_ name: String) -> String {
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

  /// The directory of a phase of the run, for `option`.
  init(_ context: RunContext, phase: String, for option: String) {
    self.context = context
    self.option = option
    let file = context.store?.path ?? "/tmp/\(context.runID)"
    root = "\(file.hasSuffix(".lbsample") ? String(file.dropLast(9)) : file).files"
    folder = "\(root)/\(Self.component(phase))"
  }

  /// Runs a command, as the workload's user or as ourselves.
  func step(
    _ path: String, _ arguments: [String], isOurs: Bool = false
  ) -> LBError? {
    var specification = context.specification
    specification.directory = nil
    if isOurs { specification.user = nil }
    var command = AuxiliaryCommand(
      "\(option): \(arguments[0])", path, arguments, specification,
      cpus: context.allowedCPUs)
    if isOurs { command.atStop = .goesOn }
    return command.run(context)
  }

  /// Makes a directory in it that belongs to the workload's user; gives why it could not.
  func make(_ path: String) -> LBError? {
    let user = context.specification.user
    let owner = user.map { ["-o", "\($0.uid)", "-g", "\($0.gid)"] } ?? []
    return step("/usr/bin/install", ["install", "-d"] + owner + ["--", path], isOurs: true)
  }

  /// Removes what is at `path` with all below it; gives why it could not.
  func remove(_ path: String) -> LBError? {
    step("/bin/rm", ["rm", "-rf", "--", path], isOurs: true)
  }

  /// Removes the directories that are empty now.
  func leave() {
    _ = unsafe rmdir(folder.osCString)
    _ = unsafe rmdir(root.osCString)
  }
}
