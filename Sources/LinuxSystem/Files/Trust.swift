import Glibc
import SampleModel

/// Whether what stands in the file system is to be believed: it is the caller's own or root's, and
/// nobody else can change it.
package enum Trust {
  /// Why an open file is not, in words; nil where it is. It is judged by its descriptor: what has
  /// its name may be exchanged at any time.
  package static func problem(of file: borrowing OwnedDescriptor) -> String? {
    var facts = stat()
    guard unsafe fstat(file.number, &facts) == 0 else { return "it cannot be examined" }
    guard facts.st_mode & S_IFMT == S_IFREG else { return "not a regular file" }
    return problem(facts)
  }

  /// Why a directory is not, with those on the way to it; nil where all are. In one above it others
  /// may make files of their own where the sticky bit keeps them from everybody else's (/tmp).
  package static func problem(ofDirectory path: String) -> String? {
    guard let real = Directories.real(path) else { return "it is not there" }
    var isLast = true
    var rest = real[...]
    while true {
      let one = rest.isEmpty ? "/" : String(rest)
      var facts = stat()
      guard unsafe lstat(one.osCString, &facts) == 0 else { return "\(one) cannot be examined" }
      let isSticky = facts.st_mode & UInt32(S_ISVTX) != 0
      if isLast || !isSticky, let problem = problem(facts) { return "\(one) is \(problem)" }
      if rest.isEmpty { return nil }
      rest = rest[..<(rest.utf8.lastIndex(of: UInt8(ascii: "/")) ?? rest.startIndex)]
      isLast = false
    }
  }

  private static func problem(_ facts: stat) -> String? {
    guard facts.st_uid == geteuid() || facts.st_uid == 0 else { return "not owned by you or root" }
    return facts.st_mode & 0o022 == 0 ? nil : "writable by group or others"
  }

  /// The user whom the file at `path` belongs to where that is another one than the caller; nil
  /// for the caller's own, and where there is none.
  package static func stranger(owning path: String) -> UInt32? {
    var facts = stat()
    guard unsafe stat(path.osCString, &facts) == 0, facts.st_uid != geteuid() else { return nil }
    return facts.st_uid
  }
}
