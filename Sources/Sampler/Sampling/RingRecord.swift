import SampleModel

/// A record in a ring: a frame header, then values, rows or an undecoded body.
///
/// Its length and whether it is raw are stored in the unused bits of the header's word 0. Records
/// begin on cache lines. In a ring, the header's `epoch` is the number of the arming that made the
/// record: the drain knows the layout.
struct RingRecord {
  /// Words of a cache line, to which records are rounded up.
  static let alignment = 8
  /// The longest record, in words (64 MiB): 23 bits.
  static let longest = 1 << 23 - 1

  /// The header; its epoch is the arming's number.
  let header: FrameHeader
  /// Whether the body must be decoded.
  let isRaw: Bool
  /// Words of header and body.
  let length: Int

  /// Words that a record of `length` words occupies in a ring.
  @inline(__always)
  static func stride(_ length: Int) -> Int { (length &+ alignment &- 1) & ~(alignment &- 1) }

  /// The bits that are added to a header's first word.
  @inline(__always)
  static func mark(isRaw: Bool, length: Int) -> UInt64 {
    let length = UInt64(truncatingIfNeeded: length)
    return (isRaw ? 1 << 24 : 0) | (length & 0x7F) << 25 | (length >> 7) << 48
  }

  /// The record at the beginning of `words`, nil if it is not valid.
  init?(_ words: Span<UInt64>) {
    guard let header = FrameHeader(decoding: words) else { return nil }
    let word = words[0]
    length = Int((word >> 25) & 0x7F | (word >> 48) << 7)
    guard length >= FrameHeader.wordCount, length <= words.count else { return nil }
    self.header = header
    isRaw = word >> 24 & 1 == 1
  }
}
