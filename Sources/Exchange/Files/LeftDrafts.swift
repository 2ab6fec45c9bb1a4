import Glibc
import LinuxSystem
import SampleModel

/// Drafts that killed exports left in a directory. An export holds a lock (flock(2)) on its draft,
/// which ends with its process.
enum LeftDrafts {
  private static let end = ".draft"
  /// Bytes of a name that stand in that of its draft, which with its number is a file's name.
  private static let nameBytes = 200
  /// How deep a data set's run has files.
  private static let depth = 2

  /// A hidden name beside `path`, which no other draft has.
  static func name(of path: String) -> String {
    let number = String(UInt64.random(in: 0...UInt64.max), radix: 16)
    return "\(Directories.folder(of: path))/\(start(of: path))\(number)\(end)"
  }

  /// How the names of the drafts of `path` begin.
  private static func start(of path: String) -> String {
    var name = ""
    for scalar in (path.parts("/").last ?? "export").unicodeScalars {
      guard name.utf8.count + UTF8.width(scalar) <= nameBytes else { break }
      name.unicodeScalars.append(scalar)
    }
    return ".\(name)-"
  }

  /// Locks a draft that this process has just made, for as long as the descriptor is open; false
  /// where it was taken for abandoned before, and removed.
  static func lock(_ descriptor: Int32) -> Bool {
    var facts = stat()
    _ = flock(descriptor, LOCK_EX)
    return unsafe fstat(descriptor, &facts) == 0 && facts.st_nlink > 0
  }

  /// Removes the drafts of `path` that no process has: the caller's own, which no other user may
  /// write to.
  static func remove(of path: String) {
    let start = start(of: path)
    remove(in: Directories.folder(of: path)) { $0.begins(start) ? start : nil }
  }

  /// Removes those in a folder. `start` gives the part of a name before its number; nil of one that
  /// stays.
  static func remove(in folder: String, start: (String) -> String?) {
    for name in directoryEntries(folder) {
      guard name.begins("."), name.utf8.reversed().starts(with: end.utf8.reversed()),
        let start = start(name)
      else { continue }
      let number = name.utf8.dropFirst(start.utf8.count).dropLast(end.utf8.count)
      guard UInt64(String(decoding: number, as: UTF8.self), radix: 16) != nil else { continue }
      remove("\(folder)/\(name)")
    }
  }

  private static func remove(_ draft: String) {
    // Not to wait for the writer of a FIFO of that name, and no link is followed.
    let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
    let descriptor = unsafe open(draft.osCString, flags)
    guard descriptor >= 0 else { return }
    defer { _ = close(descriptor) }
    var facts = stat()
    guard unsafe fstat(descriptor, &facts) == 0, facts.st_uid == geteuid(),
      facts.st_mode & 0o022 == 0, flock(descriptor, LOCK_EX | LOCK_NB) == 0
    else { return }
    switch facts.st_mode & S_IFMT {
    case S_IFREG: _ = unsafe unlink(draft.osCString)
    case S_IFDIR: empty(draft, depth: depth)
    default: break
    }
  }

  /// Removes a folder with its files. One with anything else stays, and what is not a file in it.
  private static func empty(_ folder: String, depth: Int) {
    for name in directoryEntries(folder) {
      let path = "\(folder)/\(name)"
      var facts = stat()
      guard unsafe lstat(path.osCString, &facts) == 0 else { continue }
      switch facts.st_mode & S_IFMT {
      case S_IFREG: _ = unsafe unlink(path.osCString)
      case S_IFDIR where depth > 0: empty(path, depth: depth - 1)
      default: continue
      }
    }
    _ = unsafe rmdir(folder.osCString)
  }
}
