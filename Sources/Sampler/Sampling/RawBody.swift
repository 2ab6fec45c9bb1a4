import CLinux
import Glibc

/// What one acquisition reads, in the ring: a part for each source, each a word in front (the errno
/// of the read above 48 bits of length), then the bytes, rounded up to whole words, and a word of
/// zero: whoever parses may read eight bytes from any of them on.
///
/// It hands out no memory and ends where the room ends: what does not fit sets `isCut`.
@safe
public struct RawBody: ~Copyable {
  private let words: UnsafeMutablePointer<UInt64>
  private let capacity: Int
  /// Words that are used.
  package private(set) var count = 0
  /// System calls so far.
  package private(set) var systemCalls: UInt64 = 0
  /// A source had more than there was room for: the whole body is of no use.
  package private(set) var isCut = false

  /// Room for `capacity` words.
  @usableFromInline @inline(__always)
  package init(_ words: UnsafeMutablePointer<UInt64>, capacity: Int) {
    unsafe self.words = words
    self.capacity = capacity
  }

  /// How the kernel hands a file out.
  package enum Delivery: UInt8, Sendable {
    /// Whole in one read: single_open files of /proc, attributes of sysfs.
    case whole
    /// Records of a table, as many as fit the kernel's page (seq_file), each shorter than
    /// `surelyWhole`: a first read below that had them all.
    case shortRecords
    /// Pieces of any size, until a read gives nothing.
    case pieces
  }

  /// A page's room that is left behind a shorter first read: half the smallest page.
  package static let surelyWhole = 2048

  /// Bytes that are asked for where nothing is known of a file.
  package static let firstRequest = 65_536

  /// Appends the text of `file` from its start on, asking for `request` bytes and, where that was
  /// filled, for what follows. All the room that there is would be too much to ask for: the files
  /// of /proc/sys allocate as much as they are asked for, and refuse above 4 MiB
  /// (proc_sys_call_handler).
  @inline(__always)
  package mutating func text(_ file: Int32, _ delivery: Delivery, request: Int = firstRequest) {
    guard count &+ 1 < capacity else {
      isCut = true
      return
    }
    // Safe: the front's place and the slack's are below the capacity, and the reads end before it.
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
        || (delivery == .shortRecords && bytes == more && bytes < Self.surelyWhole)
      {
        break
      }
    }
    // A full room may have cut the text.
    if bytes >= room { isCut = true }
    unsafe front.pointee = UInt64(truncatingIfNeeded: failure) &<< 48 | UInt64(bytes)
    count &+= 2 &+ (bytes &+ 7) / 8
    unsafe words[count &- 1] = 0
  }

  /// Appends a part of `count` words, each as `value` says.
  @inline(__always)
  package mutating func words(_ number: Int, _ value: (Int) -> UInt64) {
    guard count &+ 2 &+ number <= capacity else {
      isCut = true
      return
    }
    // Safe: all of them are below the capacity.
    unsafe words[count] = UInt64(number &* 8)
    for place in 0..<number { unsafe words[count &+ 1 &+ place] = value(place) }
    count &+= 2 &+ number
    unsafe words[count &- 1] = 0
  }

  /// Forgets what was appended behind `mark`, which `count` was before.
  package mutating func rewind(to mark: Int) {
    count = min(count, mark)
    isCut = false
  }

  /// Counts system calls that were made for what was appended by `words`.
  package mutating func add(systemCalls more: UInt64) { systemCalls &+= more }

  /// Appends one number that a call gave, or the errno that it failed with.
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
  /// The words that `read` appends, in as much room as they take. For arming and tests: it
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
      // 64 MiB of text are more than any kernel file has.
      if !isCut || room >= 1 << 23 { return (words, calls) }
      room *= 4
    }
  }
}

/// The parts of a body that an acquisition has read, one after the other.
@safe
package struct RawParts {
  /// One source's part.
  package struct Part {
    /// 0, or the errno that the read failed with.
    package let failure: Int32
    /// Its bytes, as places of the body.
    package let start: Int
    package let bytes: Int
  }

  /// Bytes behind each part that are there to be read, and are none of it.
  package static let slack = 8

  private var next = 0

  /// From the first part on.
  package init() {}

  /// The next part of `body`, nil at its end or where it is damaged.
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
  /// Calls `body` with the bytes of a part, behind which `RawParts.slack` more may be read.
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
