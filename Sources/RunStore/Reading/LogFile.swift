import Foundation
import SampleModel
import Synchronization

/// Marks a result file as open in this process, during its lifetime.
///
/// Closing any descriptor of a file releases all locks of the process on it (fcntl(2), F_SETLK),
/// including those of SQLite. So the log beside a database is inspected only before the first
/// opening.
final class OpenFile: Sendable {
  private static let counts = Mutex<[FileMark: Int]>([:])

  private let mark: FileMark?
  /// Bytes of its abandoned log that SQLite will not read.
  let lostBytes: Int
  /// Whether a log is beside it that would show something else, although the file states that it
  /// has none: set when its last log was merged.
  let isComplete: Bool

  /// The file at `path`, whose log is inspected unless it is `new`.
  init(_ path: String, new: Bool = false) {
    let mark = FileMark(path)
    self.mark = mark
    let found: (Int, Bool) = Self.counts.withLock { counts in
      guard let mark else { return (0, false) }
      counts[mark, default: 0] += 1
      guard counts[mark] == 1, FileMark(LogFile.path(of: path)) != nil,
        Tail.File(ofRunIn: path)?.isHeld() != true
      else { return (0, false) }
      return (
        new ? 0 : LogFile.lostBytes(ofDatabase: path),
        LogFile.isUnused(byDatabase: path) && !LogFile.isMerged(intoDatabase: path)
      )
    }
    (lostBytes, isComplete) = found
  }

  deinit {
    guard let mark else { return }
    Self.counts.withLock { counts in
      let left = (counts[mark] ?? 1) - 1
      counts[mark] = left > 0 ? left : nil
    }
  }
}

/// The write-ahead log beside a result file whose writer has ended.
///
/// SQLite uses its frames up to the last commit before the first invalid one, and silently ignores
/// the following: one changed bit would lose every later commit. This finds them.
/// https://www.sqlite.org/fileformat2.html#the_write_ahead_log
enum LogFile {
  private static let headerBytes = 32
  private static let frameHeaderBytes = 24

  /// The path of the log of the database in `path`.
  static func path(of path: String) -> String { path + "-wal" }

  /// Bytes of the log that SQLite will not read: damaged, after damage, cut off, or incomplete; 0
  /// without a log. For `OpenFile` only, which calls it before the database is opened: opening
  /// discards the log's length. Undefined while the log is written.
  static func lostBytes(ofDatabase path: String) -> Int {
    let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
    let descriptor = unsafe open(self.path(of: path), flags)
    guard descriptor >= 0 else { return 0 }
    defer { Foundation.close(descriptor) }
    var facts = stat()
    guard unsafe fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else { return 0 }
    let size = Int(facts.st_size)
    let index = Index(ofDatabase: path)
    guard let header = Header(bytes(descriptor, at: 0, headerBytes)) else {
      // Nothing of it is usable. It may be empty, or cut off.
      let cut = index.map { (Int($0.frames) - Int($0.copied)) * ($0.pageBytes + frameHeaderBytes) }
      return max(size > headerBytes ? size : 0, cut ?? 0)
    }
    let frameBytes = frameHeaderBytes + header.pageBytes
    var (committed, count) = (0, 0)
    var sum = header.sum
    /// The first frame after the valid ones.
    var first: [UInt8] = []
    while true {
      first = bytes(descriptor, at: headerBytes + count * frameBytes, frameBytes)
      guard first.count == frameBytes, Array(first[8..<16]) == header.salts else { break }
      let next = header.sum(of: first, from: sum)
      guard next == Sum(first, at: 16) else { break }
      sum = next
      count += 1
      if word(first, at: 4) > 0 { committed = count }
    }
    // The index has the writer's last commit.
    if let index, index.salts == header.salts {
      return max(0, Int(index.frames) - committed) * frameBytes
    }
    // Without it: after the last commit there may be the beginning of an uncommitted transaction,
    // and frames of earlier generations. Everything else there is lost.
    var (end, isLost) = (committed, false)
    var number = count
    while true {
      let offset = headerBytes + number * frameBytes
      guard offset < size else { break }
      number += 1
      guard size - offset >= frameBytes else {
        // Header and page are written separately: any other part of a frame was cut off.
        if size - offset != frameHeaderBytes { (end, isLost) = (number, true) }
        break
      }
      let front = bytes(descriptor, at: offset, frameHeaderBytes)
      guard front.count == frameHeaderBytes else { break }
      if Array(front[8..<16]) == header.salts {
        end = number
        if word(front, at: 4) > 0 { isLost = true }
      } else if !header.isEarlier(front) || number == count + 1 && isWhole(first, sum, header) {
        (end, isLost) = (number, true)
      }
    }
    return isLost ? (end - committed) * frameBytes : 0
  }

  /// Whether the database in `path` states that it has no log, by its write and read versions. For
  /// `OpenFile` only. https://www.sqlite.org/fileformat2.html#file_format_version_numbers
  static func isUnused(byDatabase path: String) -> Bool {
    let descriptor = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { Foundation.close(descriptor) }
    let front = bytes(descriptor, at: 0, 20)
    return front.count == 20 && front[18] == 1 && front[19] == 1
  }

  /// Whether the database in `path` has each page that the log shows: the log was merged, and a
  /// power failure undid its removal alone. The fields of page 1 that change with the end of the
  /// log's use are not compared: versions, change counter and version-valid-for number. For
  /// `OpenFile` only.
  static func isMerged(intoDatabase path: String) -> Bool {
    let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
    let log = unsafe open(self.path(of: path), flags)
    guard log >= 0 else { return false }
    defer { Foundation.close(log) }
    let database = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard database >= 0 else { return false }
    defer { Foundation.close(database) }
    var facts = stat()
    guard unsafe fstat(database, &facts) == 0, let header = Header(bytes(log, at: 0, headerBytes))
    else { return false }
    // The offset in the log of each page's last frame, of the frames that are committed.
    var pages: [UInt32: Int] = [:]
    var open: [UInt32: Int] = [:]
    var size: UInt32 = 0
    var (offset, sum) = (headerBytes, header.sum)
    while true {
      let frame = bytes(log, at: offset, frameHeaderBytes + header.pageBytes)
      guard frame.count == frameHeaderBytes + header.pageBytes,
        Array(frame[8..<16]) == header.salts
      else { break }
      let next = header.sum(of: frame, from: sum)
      guard next == Sum(frame, at: 16) else { break }
      sum = next
      open[word(frame, at: 0)] = offset + frameHeaderBytes
      if word(frame, at: 4) > 0 {
        size = word(frame, at: 4)
        pages.merge(open) { $1 }
        open = [:]
      }
      offset += frame.count
    }
    guard !pages.isEmpty, off_t(size) * off_t(header.pageBytes) == facts.st_size else {
      return false
    }
    return pages.allSatisfy { page, offset in
      var shown = bytes(log, at: offset, header.pageBytes)
      let own = bytes(database, at: (Int(page) - 1) * header.pageBytes, header.pageBytes)
      guard page > 0, shown.count == own.count, shown.count == header.pageBytes else {
        return false
      }
      if page == 1 {
        for field in [18..<20, 24..<28, 92..<96] {
          shown.replaceSubrange(field, with: own[field])
        }
      }
      return shown == own
    }
  }

  /// Whether a frame's checksum continues `sum`. It does not cover the salts, which alone may be
  /// damaged.
  private static func isWhole(_ frame: [UInt8], _ sum: Sum, _ header: Header) -> Bool {
    frame.count == frameHeaderBytes + header.pageBytes
      && header.sum(of: frame, from: sum) == Sum(frame, at: 16)
  }

  /// Copies the log, whose readable part will be merged into the file, and returns the copy's name;
  /// nil if it cannot be copied.
  static func keep(ofDatabase path: String) -> String? {
    let aside = self.path(of: path) + ".damaged"
    do {
      try FileManager.default.copyItem(atPath: self.path(of: path), toPath: aside)
    } catch {
      return nil
    }
    return aside
  }

  /// The two sums of SQLite's checksum.
  private struct Sum: Equatable {
    var one: UInt32
    var two: UInt32

    init() { (one, two) = (0, 0) }

    /// The sums stored at an offset.
    init(_ bytes: [UInt8], at offset: Int) {
      one = LogFile.word(bytes, at: offset)
      two = LogFile.word(bytes, at: offset + 4)
    }

    /// Adds the pairs of words in `range`.
    mutating func add(_ bytes: [UInt8], _ range: Range<Int>, bigEndian: Bool) {
      let bytes = bytes.span
      func word(_ offset: Int) -> UInt32 {
        let word =
          UInt32(bytes[offset]) << 24 | UInt32(bytes[offset + 1]) << 16
          | UInt32(bytes[offset + 2]) << 8 | UInt32(bytes[offset + 3])
        return bigEndian ? word : word.byteSwapped
      }
      for offset in stride(from: range.lowerBound, to: range.upperBound, by: 8) {
        one = one &+ word(offset) &+ two
        two = two &+ word(offset + 4) &+ one
      }
    }
  }

  /// The header of a log.
  private struct Header {
    let pageBytes: Int
    /// The salts of this generation's frames, as stored.
    let salts: [UInt8]
    let sum: Sum
    private let isBigEndian: Bool
    private let generation: UInt32

    /// Nil if SQLite does not accept it.
    init?(_ bytes: [UInt8]) {
      guard bytes.count == LogFile.headerBytes else { return nil }
      let magic = LogFile.word(bytes, at: 0)
      let size = LogFile.word(bytes, at: 8)
      guard magic & ~1 == 0x377F_0682, LogFile.word(bytes, at: 4) == 3_007_000,
        (512...65536).contains(size), size & (size - 1) == 0
      else { return nil }
      isBigEndian = magic & 1 == 1
      var sum = Sum()
      sum.add(bytes, 0..<24, bigEndian: isBigEndian)
      guard sum == Sum(bytes, at: 24) else { return nil }
      self.sum = sum
      pageBytes = Int(size)
      generation = LogFile.word(bytes, at: 12)
      salts = Array(bytes[16..<24])
    }

    /// The checksum of a frame after `before`.
    func sum(of frame: [UInt8], from before: Sum) -> Sum {
      var sum = before
      sum.add(frame, 0..<8, bigEndian: isBigEndian)
      sum.add(frame, LogFile.frameHeaderBytes..<frame.count, bigEndian: isBigEndian)
      return sum
    }

    /// Whether a frame was left by an earlier generation: the first salt is one more in each.
    func isEarlier(_ front: [UInt8]) -> Bool {
      let age = LogFile.word(salts, at: 0) &- LogFile.word(front, at: 8)
      return age > 0 && age <= generation
    }
  }

  /// The contents of the index beside the log (-shm), which a killed writer leaves too, in the
  /// host's byte order. https://www.sqlite.org/walformat.html#the_wal_index_file_format
  private struct Index {
    let pageBytes: Int
    /// Frames up to the last commit, and those of them that are in the database too.
    let frames: UInt32
    let copied: UInt32
    let salts: [UInt8]

    /// Nil if it is missing or incomplete.
    init?(ofDatabase path: String) {
      let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
      let descriptor = unsafe open(path + "-shm", flags)
      guard descriptor >= 0 else { return nil }
      defer { Foundation.close(descriptor) }
      let bytes = LogFile.bytes(descriptor, at: 0, 100)
      // The header is stored twice.
      guard bytes.count == 100, Array(bytes[..<48]) == Array(bytes[48..<96]), bytes[12] == 1
      else { return nil }
      let isBigEndian = UInt32(1).bigEndian == 1
      func host(_ offset: Int) -> UInt32 {
        let word = LogFile.word(bytes, at: offset)
        return isBigEndian ? word : word.byteSwapped
      }
      var sum = Sum()
      sum.add(bytes, 0..<40, bigEndian: isBigEndian)
      guard sum.one == host(40), sum.two == host(44) else { return nil }
      let half = host(12)
      // 65536 does not fit two bytes: it is stored as 1.
      let size = Int(isBigEndian ? half & 0xFFFF : half >> 16)
      pageBytes = size & 0xFE00 | (size & 1) << 16
      frames = host(16)
      copied = min(host(96), frames)
      salts = Array(bytes[32..<40])
    }
  }

  private static func word(_ bytes: [UInt8], at offset: Int) -> UInt32 {
    UInt32(bytes[offset]) << 24 | UInt32(bytes[offset + 1]) << 16
      | UInt32(bytes[offset + 2]) << 8 | UInt32(bytes[offset + 3])
  }

  /// Up to `count` bytes of a file.
  private static func bytes(_ descriptor: Int32, at offset: Int, _ count: Int) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      let read = unsafe pread(descriptor, buffer.baseAddress, count, off_t(offset))
      initialized = max(0, read)
    }
  }
}
