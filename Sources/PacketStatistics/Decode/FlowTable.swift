/// The flows with the most bytes, in memory that is fixed: Space-Saving (Metwally, Agrawal and
/// El Abbadi, 2005) within sets of eight.
///
/// A new flow in a full set replaces the smallest one and inherits its bytes, as its error: `bytes`
/// is at least the flow's own, and `bytes - error` at most. A flow without a row had at most
/// `missed` bytes.
@safe
package final class FlowTable {
  /// One flow.
  package struct Row: Sendable, Hashable {
    package var key: FlowKey
    package var bytes: UInt64
    package var packets: UInt64
    /// The most of `bytes` that may belong to other flows.
    package var error: UInt64

    /// An empty row.
    package static let none = Row(key: FlowKey(), bytes: 0, packets: 0, error: 0)
  }

  private struct Entry {
    var key = FlowKey()
    var bytes: UInt64 = 0
    var packets: UInt64 = 0
    var error: UInt64 = 0
    /// The sequence number after the last TCP byte seen.
    var nextSequence: UInt32 = 0
    var hasSequence = false
  }

  private static let ways = 8
  private let setMask: Int
  private let count: Int
  private let tags: UnsafeMutablePointer<UInt8>
  private let entries: UnsafeMutablePointer<Entry>
  /// The most bytes of a flow without a row.
  package private(set) var missed: UInt64 = 0

  /// A table for `1 << bits` sets of eight flows: 12 bits are 2.9 MB.
  package init(bits: Int = 11) {
    count = (1 << bits) * Self.ways
    setMask = (1 << bits) - 1
    let memory = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 8)
    unsafe tags = memory.bindMemory(to: UInt8.self, capacity: count)
    unsafe entries = .allocate(capacity: count)
    // Written now, so that packets cause no page faults.
    unsafe tags.initialize(repeating: 0, count: count)
    unsafe entries.initialize(repeating: Entry(), count: count)
  }

  deinit {
    unsafe tags.deallocate()
    unsafe entries.deallocate()
  }

  /// Removes all flows.
  package func clear() {
    unsafe tags.update(repeating: 0, count: count)
    missed = 0
  }

  /// The position of a TCP packet in its flow.
  package enum Sequence: Sendable {
    /// It continues the flow, or is not data.
    case plain
    /// All of its bytes were seen already.
    case regress
    /// Its flow was not known: it may be a retransmission.
    case unknown
  }

  /// Adds a packet of `bytes`; `sequence` and `payload` are TCP's, payload 0 for all else.
  @inline(__always)
  package func add(
    _ key: FlowKey, bytes: UInt64, sequence: UInt32, payload: UInt32
  ) -> Sequence {
    let hash = key.mixed
    // 0 marks an empty slot. With the highest bit set, no tag differs from 0 by 1, for which the
    // search below could give a false match.
    let tag = UInt8(truncatingIfNeeded: hash >> 56) | 0x80
    let set = (Int(truncatingIfNeeded: hash) & setMask) * Self.ways
    // All eight tags in one word: a byte of `matches` is 0x80 if its tag may match. A loop's
    // branches would usually be mispredicted.
    let word = unsafe UnsafeRawPointer(tags + set).load(as: UInt64.self)
    let difference = word ^ (0x0101_0101_0101_0101 &* UInt64(tag))
    var matches =
      (difference &- 0x0101_0101_0101_0101) & ~difference & 0x8080_8080_8080_8080
    var slot = -1
    while matches != 0 {
      let way = set + matches.trailingZeroBitCount >> 3
      if unsafe entries[way].key == key {
        slot = way
        break
      }
      matches &= matches &- 1
    }
    if slot < 0 { slot = admit(key, tag, set) }
    let entry = unsafe entries + slot
    unsafe entry.pointee.bytes &+= bytes
    unsafe entry.pointee.packets &+= 1
    guard payload > 0 else { return .plain }
    let next = sequence &+ payload
    guard unsafe entry.pointee.hasSequence else {
      unsafe entry.pointee.hasSequence = true
      unsafe entry.pointee.nextSequence = next
      return .unknown
    }
    // Sequence numbers wrap: less than half of the range back is earlier.
    if Int32(bitPattern: next &- (unsafe entry.pointee.nextSequence)) > 0 {
      unsafe entry.pointee.nextSequence = next
      return .plain
    }
    return .regress
  }

  /// Assigns a slot to a new flow.
  private func admit(_ key: FlowKey, _ tag: UInt8, _ set: Int) -> Int {
    var slot = set
    var least = UInt64.max
    for way in set..<set + Self.ways {
      if unsafe tags[way] == 0 {
        slot = way
        least = 0
        break
      }
      if unsafe entries[way].bytes < least {
        least = unsafe entries[way].bytes
        slot = way
      }
    }
    missed = max(missed, least)
    unsafe tags[slot] = tag
    unsafe entries[slot] = Entry(key: key, bytes: least, packets: 0, error: least)
    return slot
  }

  /// Writes the flows with the most bytes, in descending order; returns their number. Allocates
  /// nothing.
  package func top(_ rows: inout MutableSpan<Row>) -> Int {
    var filled = 0
    for slot in 0..<count where unsafe tags[slot] != 0 {
      let entry = unsafe entries[slot]
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
