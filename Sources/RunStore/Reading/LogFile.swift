import Foundation
import SampleModel
import Synchronization

/// A result file that this process has open, while the value is there.
///
/// Closing a descriptor of a file gives up all locks that the process has on it (fcntl(2),
/// F_SETLK), SQLite's among them: what stands beside a database is looked at by whoever opens it
/// first, and before that.
final class OpenFile: Sendable {
  private static let counts = Mutex<[FileMark: Int]>([:])

  private let mark: FileMark?
  /// What of its log, which nobody writes any more, SQLite will not read.
  let lostBytes: Int
  /// Whether a log stands beside it, though the file itself says that it has none: it does so from
  /// when its last log was folded in.
  let isComplete: Bool

  /// The file at `path`, whose log is looked at unless it is opened as `new`.
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
        new ? 0 : LogFile.lostBytes(ofDatabase: path), LogFile.isUnused(byDatabase: path)
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

/// The write-ahead log beside a result file whose writer is gone.
///
/// SQLite takes the frames of it up to the last commit in front of the first one that is not
/// whole, and says nothing of those behind: a bit that changed would cost every later commit. Here
/// they are found. https://www.sqlite.org/fileformat2.html#the_write_ahead_log
enum LogFile {
  private static let headerBytes = 32
  private static let frameHeaderBytes = 24

  /// Where the log of the database in `path` is.
  static func path(of path: String) -> String { path + "-wal" }

  /// Bytes of the log that were written and that SQLite will not read: damaged, behind damage, cut
  /// off, or not written to the end. 0 where there is no log. For `OpenFile` only, which asks
  /// before the database is opened: that forgets how far the log went. While it is written, the
  /// answer means nothing.
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
      // Nothing of it is read. It may be empty, or have been cut off.
      let cut = index.map { (Int($0.frames) - Int($0.copied)) * ($0.pageBytes + frameHeaderBytes) }
      return max(size > headerBytes ? size : 0, cut ?? 0)
    }
    let frameBytes = frameHeaderBytes + header.pageBytes
    var (committed, count) = (0, 0)
    var sum = header.sum
    /// The frame that ends what is whole.
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
    // The index has how far the writer had committed.
    if let index, index.salts == header.salts {
      return max(0, Int(index.frames) - committed) * frameBytes
    }
    // Without it: behind the last commit may stand the beginning of a transaction that was never
    // committed, and frames of earlier generations. What else stands there is lost.
    var (end, isLost) = (committed, false)
    var place = count
    while true {
      let offset = headerBytes + place * frameBytes
      guard offset < size else { break }
      place += 1
      guard size - offset >= frameBytes else {
        // Header and page are written one after the other: any other part of a frame was cut off.
        if size - offset != frameHeaderBytes { (end, isLost) = (place, true) }
        break
      }
      let front = bytes(descriptor, at: offset, frameHeaderBytes)
      guard front.count == frameHeaderBytes else { break }
      if Array(front[8..<16]) == header.salts {
        end = place
        if word(front, at: 4) > 0 { isLost = true }
      } else if !header.isEarlier(front) || place == count + 1 && isWhole(first, sum, header) {
        (end, isLost) = (place, true)
      }
    }
    return isLost ? (end - committed) * frameBytes : 0
  }

  /// Whether the database in `path` says that it has no log: by the versions of its format for
  /// writing and for reading. For `OpenFile` only, as above.
  /// https://www.sqlite.org/fileformat2.html#file_format_version_numbers
  static func isUnused(byDatabase path: String) -> Bool {
    let descriptor = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { Foundation.close(descriptor) }
    let front = bytes(descriptor, at: 0, 20)
    return front.count == 20 && front[18] == 1 && front[19] == 1
  }

  /// Whether a frame has the sum of one behind `sum`. Its salts are not in that: they alone may be
  /// damaged.
  private static func isWhole(_ frame: [UInt8], _ sum: Sum, _ header: Header) -> Bool {
    frame.count == frameHeaderBytes + header.pageBytes
      && header.sum(of: frame, from: sum) == Sum(frame, at: 16)
  }

  /// Copies the log, which goes into the file as far as it can be read, and gives the copy's name;
  /// nil where there can be none.
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

    /// The sums that stand at a place.
    init(_ bytes: [UInt8], at place: Int) {
      one = LogFile.word(bytes, at: place)
      two = LogFile.word(bytes, at: place + 4)
    }

    /// Adds words, pairs of which `range` is made of.
    mutating func add(_ bytes: [UInt8], _ range: Range<Int>, bigEndian: Bool) {
      let bytes = bytes.span
      func word(_ place: Int) -> UInt32 {
        let word =
          UInt32(bytes[place]) << 24 | UInt32(bytes[place + 1]) << 16
          | UInt32(bytes[place + 2]) << 8 | UInt32(bytes[place + 3])
        return bigEndian ? word : word.byteSwapped
      }
      for place in stride(from: range.lowerBound, to: range.upperBound, by: 8) {
        one = one &+ word(place) &+ two
        two = two &+ word(place + 4) &+ one
      }
    }
  }

  /// What stands in front of a log.
  private struct Header {
    let pageBytes: Int
    /// What tells this generation's frames, as it stands there.
    let salts: [UInt8]
    let sum: Sum
    private let isBigEndian: Bool
    private let generation: UInt32

    /// Nil for one that SQLite does not take.
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

    /// The sum of a frame behind `before`.
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

  /// What the index beside the log (-shm), which a killed writer leaves too, says of it, in the
  /// host's order. https://www.sqlite.org/walformat.html#the_wal_index_file_format
  private struct Index {
    let pageBytes: Int
    /// Frames up to the last commit, and how many of them are in the database too.
    let frames: UInt32
    let copied: UInt32
    let salts: [UInt8]

    /// Nil where there is none, or one that is not whole.
    init?(ofDatabase path: String) {
      let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
      let descriptor = unsafe open(path + "-shm", flags)
      guard descriptor >= 0 else { return nil }
      defer { Foundation.close(descriptor) }
      let bytes = LogFile.bytes(descriptor, at: 0, 100)
      // The header stands there twice.
      guard bytes.count == 100, Array(bytes[..<48]) == Array(bytes[48..<96]), bytes[12] == 1
      else { return nil }
      let isBigEndian = UInt32(1).bigEndian == 1
      func host(_ place: Int) -> UInt32 {
        let word = LogFile.word(bytes, at: place)
        return isBigEndian ? word : word.byteSwapped
      }
      var sum = Sum()
      sum.add(bytes, 0..<40, bigEndian: isBigEndian)
      guard sum.one == host(40), sum.two == host(44) else { return nil }
      let half = host(12)
      // 65536 does not fit into its two bytes: it is 1 there.
      let size = Int(isBigEndian ? half & 0xFFFF : half >> 16)
      pageBytes = size & 0xFE00 | (size & 1) << 16
      frames = host(16)
      copied = min(host(96), frames)
      salts = Array(bytes[32..<40])
    }
  }

  private static func word(_ bytes: [UInt8], at place: Int) -> UInt32 {
    UInt32(bytes[place]) << 24 | UInt32(bytes[place + 1]) << 16
      | UInt32(bytes[place + 2]) << 8 | UInt32(bytes[place + 3])
  }

  /// Up to `count` bytes of a file.
  private static func bytes(_ descriptor: Int32, at offset: Int, _ count: Int) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      let read = unsafe pread(descriptor, buffer.baseAddress, count, off_t(offset))
      initialized = max(0, read)
    }
  }
}
