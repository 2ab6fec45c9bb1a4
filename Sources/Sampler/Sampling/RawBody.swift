import CLinux
import Glibc

/// The contents of one acquisition, in the ring: one part for each source. A part is a header word
/// (the errno of the read above 48 bits of length), the bytes, rounded up to whole words, and a
/// zero word, so that a parser may read eight bytes at any position.
///
/// It never writes beyond its capacity: contents that do not fit set `isCut`.
@safe
public struct RawBody: ~Copyable {
  private let words: UnsafeMutablePointer<UInt64>
  private let capacity: Int
  /// Words that are used.
  package private(set) var count = 0
  /// System calls so far.
  package private(set) var systemCalls: UInt64 = 0
  /// A source did not fit: the whole body is unusable.
  package private(set) var isCut = false

  /// Room for `capacity` words.
  @usableFromInline @inline(__always)
  package init(_ words: UnsafeMutablePointer<UInt64>, capacity: Int) {
    unsafe self.words = words
    self.capacity = capacity
  }

  /// How the kernel serves reads of a file.
  package enum Delivery: UInt8, Sendable {
    /// Whole in one read: single_open files of /proc, attributes of sysfs.
    case whole
    /// Records of a table, as many as fit a page of the kernel (seq_file), each shorter than
    /// `shortReadLimit`: a first read below that limit is complete.
    case shortRecords
    /// Pieces of any size, until a read returns 0.
    case pieces
  }

  /// A first read shorter than this is complete: it left at least half of the smallest page unused.
  package static let shortReadLimit = 2048

  /// Bytes requested for a file of unknown size.
  package static let firstRequest = 65_536

  /// Appends the text of `file` from its beginning. Requests `request` bytes and, if they were
  /// filled, the rest. Not all of the free room is requested: files of /proc/sys allocate the size
  /// of the request, and refuse more than 4 MiB (proc_sys_call_handler).
  @inline(__always)
  package mutating func text(_ file: Int32, _ delivery: Delivery, request: Int = firstRequest) {
    guard count &+ 1 < capacity else {
      isCut = true
      return
    }
    // Safe: header and slack are below the capacity, and the reads end before it.
    let front = unsafe words + count
    let start = unsafe UnsafeMutableRawPointer(front + 1)
    let room = (capacity &- count &- 2) &* 8
    var bytes = 0
    var failure = 0
    while bytes < room {
      let most = min(room &- bytes, max(request, bytes))
      let more = unsafe lb_pread(file, start + bytes, most, Int64(bytes))
      systemCalls &+= 1
      if more < 0 {
        if more == -Int(EINTR) { continue }
        failure = -more
        break
      }
      bytes &+= more
      if more == 0 || (delivery == .whole && more < most)
        || (delivery == .shortRecords && bytes == more && bytes < Self.shortReadLimit)
      {
        break
      }
    }
    // If the room was filled, the text may be cut.
    if bytes >= room { isCut = true }
    unsafe front.pointee = UInt64(truncatingIfNeeded: failure) &<< 48 | UInt64(bytes)
    count &+= 2 &+ (bytes &+ 7) / 8
    unsafe words[count &- 1] = 0
  }

  /// Appends a part of `count` words, whose values `value` returns by index.
  @inline(__always)
  package mutating func words(_ number: Int, _ value: (Int) -> UInt64) {
    guard count &+ 2 &+ number <= capacity else {
      isCut = true
      return
    }
    // Safe: all of them are below the capacity.
    unsafe words[count] = UInt64(number &* 8)
    for index in 0..<number { unsafe words[count &+ 1 &+ index] = value(index) }
    count &+= 2 &+ number
    unsafe words[count &- 1] = 0
  }

  /// Removes what was appended after `mark`, an earlier `count`.
  package mutating func rewind(to mark: Int) {
    count = min(count, mark)
    isCut = false
  }

  /// Adds system calls made for contents that `words` appended.
  package mutating func add(systemCalls more: UInt64) { systemCalls &+= more }

  /// Appends the result of a system call, or the errno that it failed with.
  package mutating func number(_ value: UInt64, failure: Int32 = 0) {
    systemCalls &+= 1
    guard count + 3 <= capacity else {
      isCut = true
      return
    }
    // Safe: all three words are below the capacity.
    unsafe words[count] = UInt64(UInt32(bitPattern: failure)) << 48 | 8
    unsafe words[count + 1] = value
    unsafe words[count + 2] = 0
    count += 3
  }
}

extension RawBody {
  /// The words that `read` appends, with the room that they need. For arming and tests: it
  /// allocates.
  package static func collect(
    atLeast count: Int, _ read: (inout RawBody) -> Void
  ) -> (words: [UInt64], systemCalls: UInt64) {
    var room = max(1024, count * 2)
    while true {
      var isCut = false
      var calls: UInt64 = 0
      // Safe: the body ends where the array's memory does.
      let words = unsafe [UInt64](unsafeUninitializedCapacity: room) { buffer, initialised in
        guard let start = buffer.baseAddress else { return }
        var body = unsafe RawBody(start, capacity: room)
        read(&body)
        (initialised, isCut, calls) = (body.count, body.isCut, body.systemCalls)
      }
      // No kernel file has 64 MiB.
      if !isCut || room >= 1 << 23 { return (words, calls) }
      room *= 4
    }
  }
}

/// Iterates over the parts of a body.
@safe
package struct RawParts {
  /// One source's part.
  package struct Part {
    /// The errno of a failed read, or 0.
    package let failure: Int32
    /// The offsets of its bytes in the body.
    package let start: Int
    package let bytes: Int
  }

  /// Readable bytes after each part that do not belong to it.
  package static let slack = 8

  private var next = 0

  /// Begins with the first part.
  package init() {}

  /// The next part of `body`, nil at its end or if it is damaged.
  @inline(__always)
  package mutating func next(of body: Span<UInt64>) -> Part? {
    guard next < body.count else { return nil }
    let front = body[next]
    let bytes = Int(front & 0xFFFF_FFFF_FFFF)
    let start = next &+ 1
    guard bytes <= (body.count &- start &- 1) &* 8 else { return nil }
    next = start &+ (bytes &+ 7) / 8 &+ 1
    return Part(failure: Int32(truncatingIfNeeded: front &>> 48), start: start, bytes: bytes)
  }
}

extension Span<UInt64> {
  /// Calls `body` with the bytes of a part, after which `RawParts.slack` more bytes are readable.
  @inline(__always)
  package func withBytes<R, E>(
    of part: RawParts.Part, _ body: (Span<UInt8>) throws(E) -> R
  ) throws(E) -> R {
    // Safe: the part was checked to lie within these words, which outlive the call.
    try unsafe withUnsafeBufferPointer { words throws(E) -> R in
      let all = UnsafeRawBufferPointer(words)
      let bytes = unsafe UnsafeRawBufferPointer(
        rebasing: all[part.start * 8..<part.start * 8 + part.bytes])
      return try unsafe body(bytes.bindMemory(to: UInt8.self).span)
    }
  }
}
