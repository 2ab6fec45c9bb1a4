import LinuxSystem
import SampleModel

/// The programs behind a program that only prepares the execution of another one: `sort` in
/// `env LC_ALL=C sort file`.
enum WrappedCommand {
  private static let wrappers: Set<String> = [
    "chrt", "env", "ionice", "nice", "nohup", "numactl", "setarch", "setpriv", "setsid", "stdbuf",
    "taskset", "timeout",
  ]

  /// The executables that the wrappers of a command start, in order. After a wrapper the first word
  /// that names an executable file is taken: options, assignments and numbers name none.
  static func executables(of one: RunSpecification) -> [String] {
    var found: [String] = []
    var words = one.command[...]
    while let first = words.first, isWrapper(first) {
      words = words.dropFirst()
      while let word = words.first {
        if !word.hasPrefix("-"), word.halves("=") == nil, let path = path(of: word, in: one) {
          found.append(path)
          break
        }
        words = words.dropFirst()
      }
    }
    return found
  }

  private static func isWrapper(_ word: String) -> Bool {
    wrappers.contains(word.parts("/").last.map { String($0) } ?? word)
  }

  private static func path(of word: String, in one: RunSpecification) -> String? {
    var inner = one
    inner.command = [word]
    do throws(LBError) {
      return try WorkloadCommand.resolve(inner)
    } catch {
      // It names no executable file.
      return nil
    }
  }
}
