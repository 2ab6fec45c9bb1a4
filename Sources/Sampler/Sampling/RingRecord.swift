import SampleModel

/// A record in a ring: a frame header, then values, rows or what was read as it stands.
///
/// Its length and whether it is raw stand in the bits of word 0 that a header leaves free, so that
/// a record has no word of its own for them; records begin on cache lines. A header's `epoch` is
/// here the number of the arming that made the record: the drain knows the layout.
struct RingRecord {
  /// Words of a cache line, which records are rounded up to.
  static let alignment = 8
  /// The most words of a record, 64 MiB: 23 bits.
  static let longest = 1 << 23 - 1

  /// The header, with the arming's number for its epoch.
  let header: FrameHeader
  /// Whether the body must be decoded.
  let isRaw: Bool
  /// Words of header and body.
  let length: Int

  /// Words that a record of `length` words takes in a ring.
  @inline(__always)
  static func stride(_ length: Int) -> Int { (length &+ alignment &- 1) & ~(alignment &- 1) }

  /// What is added to a header's first word.
  @inline(__always)
  static func mark(isRaw: Bool, length: Int) -> UInt64 {
    let length = UInt64(truncatingIfNeeded: length)
    return (isRaw ? 1 << 24 : 0) | (length & 0x7F) << 25 | (length >> 7) << 48
  }

  /// The record at the front of `words`, nil when the words cannot be one.
  init?(_ words: Span<UInt64>) {
    guard let header = FrameHeader(decoding: words) else { return nil }
    let word = words[0]
    length = Int((word >> 25) & 0x7F | (word >> 48) << 7)
    guard length >= FrameHeader.wordCount, length <= words.count else { return nil }
    self.header = header
    isRaw = word >> 24 & 1 == 1
  }
}
