/// The flows with the most bytes, in memory that is fixed: Space-Saving (Metwally, Agrawal and
/// El Abbadi, 2005) within sets of eight.
///
/// A flow that finds its set full takes the place of the smallest there and inherits its bytes, as
/// its error: what a row shows is at least what the flow had, and `bytes - error` is at most that.
/// A flow that is not there had at most `missed` bytes.
@safe
package final class FlowTable {
  /// One flow.
  package struct Row: Sendable, Hashable {
    package var key: FlowKey
    package var bytes: UInt64
    package var packets: UInt64
    /// How much of `bytes` may be others'.
    package var error: UInt64

    /// Of nobody.
    package static let none = Row(key: FlowKey(), bytes: 0, packets: 0, error: 0)
  }

  private struct Entry {
    var key = FlowKey()
    var bytes: UInt64 = 0
    var packets: UInt64 = 0
    var error: UInt64 = 0
    /// The sequence number behind the last byte of TCP seen.
    var nextSequence: UInt32 = 0
    var hasSequence = false
  }

  private static let ways = 8
  private let setMask: Int
  private let count: Int
  private let tags: UnsafeMutablePointer<UInt8>
  private let entries: UnsafeMutablePointer<Entry>
  /// The most bytes that a flow which is not there can have had.
  package private(set) var missed: UInt64 = 0

  /// A table for `1 << bits` sets of eight flows: 12 bits are 2.9 MB.
  package init(bits: Int = 11) {
    count = (1 << bits) * Self.ways
    setMask = (1 << bits) - 1
    let memory = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 8)
    unsafe tags = memory.bindMemory(to: UInt8.self, capacity: count)
    unsafe entries = .allocate(capacity: count)
    // Written now, so that no page fault comes with a packet.
    unsafe tags.initialize(repeating: 0, count: count)
    unsafe entries.initialize(repeating: Entry(), count: count)
  }

  deinit {
    unsafe tags.deallocate()
    unsafe entries.deallocate()
  }

  /// Forgets everything.
  package func clear() {
    unsafe tags.update(repeating: 0, count: count)
    missed = 0
  }

  /// What a packet of TCP says of its flow.
  package enum Sequence: Sendable {
    /// It continues what was seen, or its flow was not known.
    case plain
    /// All of its bytes lie before what was seen already.
    case regress
    /// Its flow was not known: whether it regresses cannot be told.
    case unknown
  }

  /// Adds a packet of `bytes`; `sequence` and `payload` are TCP's, payload 0 for all else.
  @inline(__always)
  package func add(
    _ key: FlowKey, bytes: UInt64, sequence: UInt32, payload: UInt32
  ) -> Sequence {
    let hash = key.mixed
    // 0 marks an empty place. With the highest bit set no tag differs from that by the 1 for which
    // the search below could take an empty place for a match.
    let tag = UInt8(truncatingIfNeeded: hash >> 56) | 0x80
    let set = (Int(truncatingIfNeeded: hash) & setMask) * Self.ways
    // All eight tags in one word: a byte of `matches` is 0x80 where its tag may be the one. Which
    // of the eight it is would be guessed wrong by a loop's branches most of the time.
    let word = unsafe UnsafeRawPointer(tags + set).load(as: UInt64.self)
    let difference = word ^ (0x0101_0101_0101_0101 &* UInt64(tag))
    var matches =
      (difference &- 0x0101_0101_0101_0101) & ~difference & 0x8080_8080_8080_8080
    var place = -1
    while matches != 0 {
      let way = set + matches.trailingZeroBitCount >> 3
      if unsafe entries[way].key == key {
        place = way
        break
      }
      matches &= matches &- 1
    }
    if place < 0 { place = admit(key, tag, set) }
    let entry = unsafe entries + place
    unsafe entry.pointee.bytes &+= bytes
    unsafe entry.pointee.packets &+= 1
    guard payload > 0 else { return .plain }
    let next = sequence &+ payload
    guard unsafe entry.pointee.hasSequence else {
      unsafe entry.pointee.hasSequence = true
      unsafe entry.pointee.nextSequence = next
      return .unknown
    }
    // Sequence numbers wrap: what is less than half of them behind is before.
    if Int32(bitPattern: next &- (unsafe entry.pointee.nextSequence)) > 0 {
      unsafe entry.pointee.nextSequence = next
      return .plain
    }
    return .regress
  }

  /// Makes a place for a flow that has none.
  private func admit(_ key: FlowKey, _ tag: UInt8, _ set: Int) -> Int {
    var place = set
    var least = UInt64.max
    for way in set..<set + Self.ways {
      if unsafe tags[way] == 0 {
        place = way
        least = 0
        break
      }
      if unsafe entries[way].bytes < least {
        least = unsafe entries[way].bytes
        place = way
      }
    }
    missed = max(missed, least)
    unsafe tags[place] = tag
    unsafe entries[place] = Entry(key: key, bytes: least, packets: 0, error: least)
    return place
  }

  /// Writes the flows with the most bytes, the most first; gives how many there are. Allocates
  /// nothing.
  package func top(_ rows: inout MutableSpan<Row>) -> Int {
    var filled = 0
    for place in 0..<count where unsafe tags[place] != 0 {
      let entry = unsafe entries[place]
      if filled == rows.count, filled == 0 || entry.bytes <= rows[filled - 1].bytes { continue }
      var at = min(filled, rows.count - 1)
      while at > 0, rows[at - 1].bytes < entry.bytes {
        rows[at] = rows[at - 1]
        at -= 1
      }
      rows[at] = Row(
        key: entry.key, bytes: entry.bytes, packets: entry.packets, error: entry.error)
      filled = min(filled + 1, rows.count)
    }
    return filled
  }
}
