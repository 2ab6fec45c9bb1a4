import Glibc

/// What stands where in the file system.
package enum Directories {
  /// Whether anything is called `path`.
  package static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  /// `path` without links, dots and what is relative; nil where there is nothing.
  package static func real(_ path: String) -> String? {
    guard let found = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(found) }
    return unsafe String(cString: found)
  }

  /// Whether `path` is a directory.
  package static func isDirectory(_ path: String) -> Bool {
    var facts = stat()
    return unsafe stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
  }

  /// Whether `path` is a regular file.
  package static func isRegularFile(_ path: String) -> Bool {
    var facts = stat()
    return unsafe stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFREG
  }

  /// Which file is at `path`, a link there not followed; nil where there is none.
  package static func identity(_ path: String) -> FileIdentity? {
    var facts = stat()
    guard unsafe lstat(path, &facts) == 0 else { return nil }
    return FileIdentity(device: UInt64(facts.st_dev), inode: UInt64(facts.st_ino))
  }

  /// Bytes of all files below `path`, symbolic links not followed; stops above `limit`.
  package static func bytes(_ path: String, limit: UInt64) -> UInt64 {
    var total: UInt64 = 0
    var rest = [path]
    while let next = rest.popLast(), total <= limit {
      for name in directoryEntries(next) {
        var facts = stat()
        guard unsafe lstat("\(next)/\(name)", &facts) == 0 else { continue }
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

/// What tells a file from another one that has come to its name.
package struct FileIdentity: Sendable, Equatable {
  package let device: UInt64
  package let inode: UInt64
}
