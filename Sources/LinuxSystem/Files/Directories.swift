import Glibc
import SampleModel

/// Queries of files and directories.
package enum Directories {
  /// Whether `path` exists.
  package static func exists(_ path: String) -> Bool { unsafe access(path.osCString, F_OK) == 0 }

  /// Whether `path` can be read, by access(2).
  package static func isReadable(_ path: String) -> Bool {
    unsafe access(path.osCString, R_OK) == 0
  }

  /// Why `path` cannot be read as a file (the errno's text); nil if it can.
  package static func reasonNotToRead(_ path: String) -> String? {
    if isDirectory(path) { return SystemError.words(EISDIR) }
    guard unsafe access(path.osCString, R_OK) != 0 else { return nil }
    return SystemError.words(errno)
  }

  /// The working directory, `.` if it was removed.
  package static var current: String {
    guard let found = unsafe getcwd(nil, 0) else { return "." }
    defer { unsafe free(found) }
    return unsafe OSText.string(cString: found)
  }

  /// `path` as an absolute path.
  package static func absolute(_ path: String) -> String {
    path.begins("/") ? path : "\(current)/\(path)"
  }

  /// Makes `path` the working directory; false where that fails.
  package static func change(to path: String) -> Bool { unsafe chdir(path.osCString) == 0 }

  /// The directory part of `path`: `.` for a name alone.
  package static func folder(of path: String) -> String {
    guard let slash = path.unicodeScalars.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// Makes the directory `path` and its missing parents.
  package static func make(_ path: String) throws(SystemError) {
    if unsafe isDirectory(path) || mkdir(path.osCString, 0o777) == 0 { return }
    var failure = errno
    if failure == ENOENT, folder(of: path) != path {
      try make(folder(of: path))
      failure = unsafe mkdir(path.osCString, 0o777) == 0 ? 0 : errno
    }
    guard failure == 0 || isDirectory(path) else {
      throw SystemError("mkdir", errno: failure, path: path)
    }
  }

  /// The absolute path without links and dots; nil if `path` does not exist.
  package static func real(_ path: String) -> String? {
    guard let found = unsafe realpath(path.osCString, nil) else { return nil }
    defer { unsafe free(found) }
    return unsafe OSText.string(cString: found)
  }

  /// Whether `path` is a directory.
  package static func isDirectory(_ path: String) -> Bool {
    var facts = stat()
    return unsafe stat(path.osCString, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
  }

  /// Whether `path` is a regular file.
  package static func isRegularFile(_ path: String) -> Bool {
    var facts = stat()
    return unsafe stat(path.osCString, &facts) == 0 && facts.st_mode & S_IFMT == S_IFREG
  }

  /// The identity of the file at `path`, without following a link; nil if there is none.
  package static func identity(_ path: String) -> FileIdentity? {
    var facts = stat()
    guard unsafe lstat(path.osCString, &facts) == 0 else { return nil }
    return FileIdentity(device: UInt64(facts.st_dev), inode: UInt64(facts.st_ino))
  }

  /// Bytes of all files below `path`, symbolic links not followed; stops above `limit`.
  package static func bytes(_ path: String, limit: UInt64) -> UInt64 {
    var total: UInt64 = 0
    var rest = [path]
    while let next = rest.popLast(), total <= limit {
      for name in directoryEntries(next) {
        var facts = stat()
        guard unsafe lstat("\(next)/\(name)".osCString, &facts) == 0 else { continue }
        if facts.st_mode & S_IFMT == S_IFDIR {
          rest.append("\(next)/\(name)")
        } else {
          total &+= UInt64(max(0, facts.st_size))
        }
      }
    }
    return total
  }
}

/// Identifies a file: another file of the same name has another identity.
package struct FileIdentity: Sendable, Equatable {
  package let device: UInt64
  package let inode: UInt64
}
