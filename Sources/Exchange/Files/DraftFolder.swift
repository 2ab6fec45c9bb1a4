import Glibc
import LinuxSystem
package import SampleModel

/// A directory of new files that gets its name when all of them are whole and on the disk. A killed
/// process leaves it under a hidden name that ends with `.draft`, for the next export under its
/// name to remove.
package final class DraftFolder {
  /// The name that it gets.
  package let path: String
  private let draft: String
  /// Holds the lock of the draft.
  private let descriptor: Int32
  private var files: [String] = []
  private var folders: [String] = []
  private var isDone = false

  /// A draft of the directory `path`, which must be free, or an empty directory.
  package init(_ path: String) throws(LBError) {
    // Without a slash at its end, which would make the draft's name.
    var name = path[...]
    while name.count > 1, name.last == "/" { name = name.dropLast() }
    self.path = String(name)
    try Self.checkFree(self.path)
    LeftDrafts.remove(of: self.path)
    (draft, descriptor) = try Self.make(self.path)
  }

  /// A new empty directory for `path`, which is locked.
  private static func make(_ path: String) throws(LBError) -> (String, Int32) {
    while true {
      let draft = LeftDrafts.name(of: path)
      guard unsafe mkdir(draft.osCString, 0o755) == 0 else {
        throw DraftFile.failure(path, "cannot be created", errno)
      }
      let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
      let descriptor = unsafe open(draft.osCString, flags)
      if descriptor >= 0, LeftDrafts.lock(descriptor) { return (draft, descriptor) }
      let reason = errno
      guard descriptor >= 0 else { throw DraftFile.failure(path, "cannot be opened", reason) }
      _ = close(descriptor)
    }
  }

  deinit {
    defer { _ = close(descriptor) }
    guard !isDone else { return }
    for file in files { _ = unsafe unlink(file.osCString) }
    for folder in folders.reversed() { _ = unsafe rmdir(folder.osCString) }
    _ = unsafe rmdir(draft.osCString)
  }

  private static func checkFree(_ path: String) throws(LBError) {
    guard unsafe access(path.osCString, F_OK) == 0 else { return }
    guard Directories.isDirectory(path), let entries = unsafe opendir(path.osCString) else {
      throw DraftFile.exists(path)
    }
    defer { _ = unsafe closedir(entries) }
    var count = 0
    while unsafe readdir(entries) != nil { count += 1 }
    // Every directory has `.` and `..`.
    if count > 2 { throw DraftFile.exists(path) }
  }

  /// The draft of a file at `name` within the directory, whose folders are made.
  package func file(_ name: String) throws(LBError) -> DraftFile {
    var folder = draft
    for part in name.parts("/").dropLast() {
      folder += "/\(part)"
      if unsafe mkdir(folder.osCString, 0o755) == 0 {
        folders.append(folder)
      } else if errno != EEXIST {
        throw DraftFile.failure(path, "cannot be created", errno)
      }
    }
    files.append("\(draft)/\(name)")
    return try DraftFile("\(draft)/\(name)")
  }

  /// Gives the directory its name, under which only an empty directory may be.
  package func finish() throws(LBError) {
    for folder in folders { DraftFile.flush(folder: folder) }
    DraftFile.flush(folder: draft)
    // rename(2) replaces an empty directory, and nothing else.
    guard unsafe rename(draft.osCString, path.osCString) == 0 else {
      let reason = errno
      if [EEXIST, ENOTEMPTY, ENOTDIR].contains(reason) { throw DraftFile.exists(path) }
      throw DraftFile.failure(path, "cannot be named", reason)
    }
    isDone = true
    DraftFile.flush(folder: Directories.folder(of: path))
  }
}
