import Glibc
import SampleModel

/// Whether a file can be trusted: it belongs to the caller or root, and no other user can change
/// it.
package enum Trust {
  /// Why an open file cannot be trusted; nil if it can. Judged by its descriptor, since the file at
  /// its path may be replaced at any time.
  package static func problem(of file: borrowing OwnedDescriptor) -> String? {
    var facts = stat()
    guard unsafe fstat(file.number, &facts) == 0 else { return "it cannot be examined" }
    guard facts.st_mode & S_IFMT == S_IFREG else { return "not a regular file" }
    return problem(facts)
  }

  /// Why a directory or one of its parents cannot be trusted; nil if all can. A parent may be
  /// writable by others if it has the sticky bit (/tmp).
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

  /// The owner of the file at `path`, if it is another user than the caller; nil otherwise, and if
  /// there is no file.
  package static func otherOwner(of path: String) -> UInt32? {
    var facts = stat()
    guard unsafe stat(path.osCString, &facts) == 0, facts.st_uid != geteuid() else { return nil }
    return facts.st_uid
  }

  /// The owner of an open file in `folder`, if it is neither the caller nor the folder's owner, who
  /// may do anything in it; nil otherwise, and if that is unknown.
  package static func stranger(owning descriptor: Int32, in folder: String) -> UInt32? {
    var (file, directory) = (stat(), stat())
    guard unsafe fstat(descriptor, &file) == 0, unsafe stat(folder.osCString, &directory) == 0,
      file.st_uid != geteuid(), file.st_uid != directory.st_uid
    else { return nil }
    return file.st_uid
  }

  /// The owner of a link at `path`, if root would follow it to where another user wants; nil
  /// otherwise, and for all users but root.
  package static func otherLink(at path: String) -> UInt32? {
    guard geteuid() == 0 else { return nil }
    // A slash at the end would follow it.
    var name = path[...]
    while name.utf8.count > 1, name.utf8.last == UInt8(ascii: "/") { name = name.dropLast() }
    var facts = stat()
    guard unsafe lstat(name.osCString, &facts) == 0, facts.st_mode & S_IFMT == S_IFLNK,
      facts.st_uid != 0
    else { return nil }
    return facts.st_uid
  }
}
