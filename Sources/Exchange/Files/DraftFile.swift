import Glibc
import LinuxSystem
package import SampleModel

/// A new file that gets its name when it is whole and on the disk. Until then it has a hidden name
/// that ends with `.draft`, which a killed process leaves behind for the next export under its name
/// to remove.
package final class DraftFile {
  private static let flushed = 1 << 20

  /// The name that it gets.
  package let path: String
  private let draft: String
  private let descriptor: Int32
  private let mayReplace: Bool
  private let isFlushed: Bool
  private var buffer: [UInt8] = []
  private var isDone = false
  /// Bytes written so far.
  package private(set) var position = 0

  /// A draft of `path`, which must be free unless the file `mayReplace` one. A file that is not
  /// `isFlushed` may be gone after a power failure; it can be read by everyone, whatever the umask.
  package init(
    _ path: String, mayReplace: Bool = false, isFlushed: Bool = true
  ) throws(LBError) {
    self.path = path
    self.mayReplace = mayReplace
    self.isFlushed = isFlushed
    if !mayReplace, unsafe access(path.osCString, F_OK) == 0 { throw Self.exists(path) }
    if let user = Trust.otherLink(at: path) {
      throw LBError(
        .resultPersistence,
        "\(path): a link of user \(user), which root does not replace; name the file",
        context: ErrorContext(path: path, errno: EACCES))
    }
    LeftDrafts.remove(of: path)
    (draft, descriptor) = try Self.make(path)
    if !isFlushed { _ = fchmod(descriptor, 0o644) }
  }

  /// A new empty file for `path`, which is locked.
  private static func make(_ path: String) throws(LBError) -> (String, Int32) {
    while true {
      let draft = LeftDrafts.name(of: path)
      do throws(SystemError) {
        let descriptor = try OwnedDescriptor(
          open: draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o644
        ).release()
        if LeftDrafts.lock(descriptor) { return (draft, descriptor) }
        _ = close(descriptor)
      } catch {
        throw failure(path, "cannot be created", error.errno)
      }
    }
  }

  deinit {
    guard !isDone else { return }
    _ = close(descriptor)
    _ = unsafe unlink(draft.osCString)
  }

  static func exists(_ path: String) -> LBError {
    LBError(
      .configuration, "\(path) exists: name another one with --output",
      context: ErrorContext(path: path))
  }

  static func failure(_ path: String, _ what: String, _ errno: Int32) -> LBError {
    LBError(
      .resultPersistence, "\(path): \(what): \(SystemError.words(errno))",
      context: ErrorContext(path: path, errno: errno))
  }

  /// Appends bytes.
  package func write(_ bytes: [UInt8]) throws(LBError) {
    buffer += bytes
    position += bytes.count
    if buffer.count >= Self.flushed { try flush() }
  }

  private func flush() throws(LBError) {
    do throws(SystemError) { try writeAll(buffer.span, to: descriptor) } catch {
      throw Self.failure(path, "write failed; nothing is left of it", error.errno)
    }
    buffer.removeAll(keepingCapacity: true)
  }

  /// Writes the rest, and gives the file its name when it is on the disk.
  package func finish() throws(LBError) {
    try flush()
    guard !isFlushed || fsync(descriptor) == 0 else {
      throw Self.failure(path, "flushing failed", errno)
    }
    if mayReplace {
      guard unsafe rename(draft.osCString, path.osCString) == 0 else {
        throw Self.failure(path, "cannot be renamed", errno)
      }
    } else {
      try Self.name(draft, path)
    }
    isDone = true
    _ = close(descriptor)
    if isFlushed { Self.flush(folder: Directories.folder(of: path)) }
  }

  /// Gives a file its name, which must be free: of two that want it one gets it.
  private static func name(_ draft: String, _ path: String) throws(LBError) {
    if unsafe link(draft.osCString, path.osCString) == 0 {
      _ = unsafe unlink(draft.osCString)
      return
    }
    let reason = errno
    if reason == EEXIST { throw exists(path) }
    // Some file systems have no second name for a file (FAT): there, what was free at the start is.
    guard [EPERM, ENOTSUP, ENOSYS].contains(reason),
      unsafe rename(draft.osCString, path.osCString) == 0
    else { throw failure(path, "cannot be named", reason) }
  }

  /// Puts the names in a directory on the disk, where its file system can do that.
  static func flush(folder: String) {
    let descriptor = unsafe open(folder.osCString, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    _ = fsync(descriptor)
    _ = close(descriptor)
  }
}
