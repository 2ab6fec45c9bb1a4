import LinuxSystem
import SampleModel

/// Files that a command was given to write and to read. One that is written by two, or read and
/// written, would lose what the first one had put there.
struct NamedFiles {
  private var written: [(option: String, path: String)] = []
  private var read: [(option: String, path: String)] = []

  /// Adds one that `option` names to be written; `-` is standard output, and no file.
  mutating func writes(_ option: String, _ path: String?) {
    if let path, path != "-" { written.append((option, path)) }
  }

  /// Adds one that `option` names to be read.
  mutating func reads(_ option: String, _ path: String?) {
    if let path, path != "-" { read.append((option, path)) }
  }

  /// Throws where one file has two uses that do not go together. Outputs of one option do: they are
  /// written one after the other.
  func check() throws(LBError) {
    var users: [ExactText: (option: String, path: String)] = [:]
    for one in written {
      guard let file = Self.file(one.path) else { continue }
      if let other = users[file], other.option != one.option { throw Self.twice(other, one) }
      users[file] = one
    }
    for one in read {
      guard let file = Self.file(one.path), let other = users[file] else { continue }
      throw Self.twice(other, one)
    }
  }

  private static func twice(
    _ one: (option: String, path: String), _ other: (option: String, path: String)
  ) -> LBError {
    LBError(
      .configuration,
      "\(one.option) \(one.path) and \(other.option) \(other.path) are the same file: give each a "
        + "file of its own", context: ErrorContext(path: other.path))
  }

  /// What a path names, in one word; nil for what is no regular file, a terminal or /dev/null,
  /// which loses nothing. One that is yet to be made is known by its directory and its name.
  private static func file(_ path: String) -> ExactText? {
    if let real = Directories.real(path) {
      guard Directories.isRegularFile(real) else { return nil }
      return Directories.identity(real).map { ExactText("\($0.device) \($0.inode)") }
    }
    let slash = path.unicodeScalars.lastIndex(of: "/")
    let name = path[(slash.map { path.unicodeScalars.index(after: $0) } ?? path.startIndex)...]
    let folder = slash.map { String(path[...$0]) } ?? "."
    return ExactText("\(Directories.real(folder) ?? folder)/\(name)")
  }
}
