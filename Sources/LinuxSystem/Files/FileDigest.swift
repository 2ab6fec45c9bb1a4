import Glibc
import SampleModel

/// The SHA-256 of a file's contents, and the facts that tell whether the contents are unchanged.
package struct FileDigest: Sendable, Hashable {
  /// 64 hexadecimal digits.
  package let hex: String
  private let facts: Facts
  /// CLOCK_REALTIME in nanoseconds before the file was read.
  private let read: Int64

  /// Why the contents of a file are not known.
  package enum Refusal: Error {
    /// It cannot be opened or read.
    case system(SystemError)
    /// It is a directory, a device, a FIFO or a socket.
    case notRegular
    /// It has more than that many bytes.
    case tooLarge(UInt64)
    /// Its contents changed while they were read.
    case changed
    /// The reading was stopped.
    case stopped
  }

  /// What stat(2) says of a file that changes when its contents do.
  private struct Facts: Sendable, Hashable {
    let device: UInt64
    let inode: UInt64
    let size: Int64
    let modified: Int64
    let changed: Int64

    init(_ facts: stat) {
      device = UInt64(facts.st_dev)
      inode = UInt64(facts.st_ino)
      size = Int64(facts.st_size)
      modified = Int64(facts.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(facts.st_mtim.tv_nsec)
      changed = Int64(facts.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(facts.st_ctim.tv_nsec)
    }
  }

  /// Bytes that are read at once.
  private static let chunk = 1 << 16
  /// The coarsest tick of a file's times, that of FAT: two changes within one leave the same time.
  private static let tick: Int64 = 2_000_000_000

  /// Reads the regular file at `path`, links followed, of at most `limit` bytes, in pieces of
  /// 64 KiB, before each of which `isStopped` is asked. Some 8 ms a MiB.
  package init(
    of path: String, limit: UInt64 = .max, isStopped: () -> Bool = { false }
  ) throws(Refusal) {
    read = Self.now()
    // Not waited for: a FIFO has no end that anybody would know of.
    let file = try Self.open(path)
    let before = try Self.facts(of: file.number, path)
    guard before.st_mode & S_IFMT == S_IFREG else { throw .notRegular }
    guard UInt64(max(0, before.st_size)) <= limit else { throw .tooLarge(limit) }
    facts = Facts(before)
    hex = try Self.hash(file.number, path, Int64(before.st_size), isStopped)
    guard Facts(try Self.facts(of: file.number, path)) == facts else { throw .changed }
  }

  private static func open(_ path: String) throws(Refusal) -> OwnedDescriptor {
    do throws(SystemError) {
      return try OwnedDescriptor(open: path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
    } catch {
      throw .system(error)
    }
  }

  private static func facts(of file: Int32, _ path: String) throws(Refusal) -> stat {
    var facts = stat()
    guard unsafe fstat(file, &facts) == 0 else {
      throw .system(SystemError("fstat", errno: errno, path: path))
    }
    return facts
  }

  private static func hash(
    _ file: Int32, _ path: String, _ size: Int64, _ isStopped: () -> Bool
  ) throws(Refusal) -> String {
    var hash = SHA256()
    var bytes = [UInt8](repeating: 0, count: chunk)
    var total: Int64 = 0
    while true {
      if isStopped() { throw .stopped }
      // Safe: the array's own length bounds the call.
      let count = unsafe Glibc.read(file, &bytes, bytes.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .system(SystemError("read", errno: errno, path: path)) }
      total += Int64(count)
      // One that grows faster than it is read would never end.
      guard total <= size else { throw .changed }
      guard count > 0 else { break }
      hash.update(bytes.span.extracting(0..<count))
    }
    guard total == size else { throw .changed }
    return hash.hex
  }

  /// Whether the file at `path` is known to hold the same, without reading it: it is the same file
  /// of the same size and times, which were not so young at the reading that another change could
  /// have left them as they are.
  package func isKnownToHold(at path: String) -> Bool {
    var found = stat()
    guard unsafe stat(path.osCString, &found) == 0, Facts(found) == facts else { return false }
    return max(facts.modified, facts.changed) < read - Self.tick
  }

  private static func now() -> Int64 {
    var time = timespec()
    // Safe: the call fills the struct.
    _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}
