import Glibc
import SampleModel

/// Finds the file of a command name, as execvp(3) does.
package enum CommandPath {
  /// Why a command cannot be started.
  package enum Refusal: Error, Equatable, Sendable {
    case notFound(searched: String)
    /// A command with a slash whose path cannot be resolved, with the errno.
    case unreachable(path: String, errno: Int32)
    case notExecutable(path: String)
    case isDirectory(path: String)
  }

  /// The path to execute for `command`: itself when it has a slash, else the first executable file
  /// of that name in `searchPath`. A relative path is resolved from `directory`.
  package static func resolve(
    _ command: String, searchPath: String, directory: String?
  ) throws(Refusal) -> String {
    if command.has("/") {
      try check(command, directory: directory)
      return command
    }
    var refusal: Refusal?
    for folder in searchPath.parts(":", keepEmpty: true) {
      let candidate = (folder.isEmpty ? "." : String(folder)) + "/" + command
      do throws(Refusal) {
        try check(candidate, directory: directory)
        return candidate
      } catch {
        if case .notExecutable = error { refusal = refusal ?? error }
      }
    }
    throw refusal ?? .notFound(searched: searchPath)
  }

  private static func check(_ path: String, directory: String?) throws(Refusal) {
    let full = path.begins("/") ? path : (directory.map { $0 + "/" + path } ?? path)
    var status = stat()
    guard unsafe stat(full.osCString, &status) == 0 else {
      throw .unreachable(path: full, errno: errno)
    }
    if status.st_mode & S_IFMT == S_IFDIR { throw .isDirectory(path: path) }
    guard unsafe access(full.osCString, X_OK) == 0 else { throw .notExecutable(path: path) }
  }
}
