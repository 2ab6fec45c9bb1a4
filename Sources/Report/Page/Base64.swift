/// Base 64 (RFC 4648, 4).
enum Base64 {
  private static let letters = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// The bytes as text, padded.
  static func text(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    var place = 0
    while place < bytes.count {
      let count = min(3, bytes.count - place)
      var word = UInt32(bytes[place]) << 16
      if count > 1 { word |= UInt32(bytes[place + 1]) << 8 }
      if count > 2 { word |= UInt32(bytes[place + 2]) }
      text.append(letters[Int(word >> 18)])
      text.append(letters[Int(word >> 12 & 63)])
      text.append(count > 1 ? letters[Int(word >> 6 & 63)] : UInt8(ascii: "="))
      text.append(count > 2 ? letters[Int(word & 63)] : UInt8(ascii: "="))
      place += 3
    }
    return String(decoding: text, as: UTF8.self)
  }
}

/// Envelopes and columns of numbers as bytes for the page's script.
///
/// An envelope is a sequence of groups of buckets. The first byte of a group has its kind in the
/// upper three bits, and in the lower five the number of its buckets less 1, or 31 and a varint
/// (LEB128) of the number less 32 behind it. Kinds: 0 empty, 1 absent, 2 one 32-bit number each, of
/// which least, median and greatest are the same, 3 three of them each, 4 the same as the bucket
/// before the group. Numbers are little-endian.
enum SeriesEncoding {
  private enum Kind: UInt8 {
    case empty = 0
    case absent, flat, full, repeated
  }

  /// The bytes of an envelope.
  static func bytes(_ envelope: Envelope) -> [UInt8] {
    var bytes: [UInt8] = []
    var place = 0
    var last: Envelope.Bucket?
    while place < envelope.count {
      let first = envelope[place]
      let kind = self.kind(first, after: last)
      var end = place
      var before = last
      while end < envelope.count, self.kind(envelope[end], after: before) == kind {
        if kind != .empty, kind != .absent { before = envelope[end] }
        end += 1
      }
      append(kind, end - place, to: &bytes)
      if kind == .flat || kind == .full {
        for bucket in place..<end {
          guard case .values(let low, let middle, let high) = envelope[bucket] else { continue }
          append(low, to: &bytes)
          if kind == .full {
            append(middle, to: &bytes)
            append(high, to: &bytes)
          }
        }
      }
      last = before
      place = end
    }
    return bytes
  }

  /// `last` is the bucket with values before.
  private static func kind(_ bucket: Envelope.Bucket, after last: Envelope.Bucket?) -> Kind {
    switch bucket {
    case .empty: .empty
    case .absent: .absent
    case _ where bucket == last: .repeated
    case .values(let low, _, let high): low == high ? .flat : .full
    }
  }

  private static func append(_ kind: Kind, _ count: Int, to bytes: inout [UInt8]) {
    guard count > 31 else { return bytes.append(kind.rawValue << 5 | UInt8(count - 1)) }
    bytes.append(kind.rawValue << 5 | 31)
    var rest = count - 32
    while rest > 127 {
      bytes.append(UInt8(rest & 127) | 128)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  private static func append(_ number: Float, to bytes: inout [UInt8]) {
    let bits = number.bitPattern
    for shift in [0, 8, 16, 24] as [UInt32] {
      bytes.append(UInt8(truncatingIfNeeded: bits >> shift))
    }
  }

  /// 64-bit numbers, NaN for those that are absent.
  static func bytes(_ numbers: some Sequence<Double?>) -> [UInt8] {
    var bytes: [UInt8] = []
    for number in numbers {
      let bits = (number ?? .nan).bitPattern
      for shift in stride(from: 0, to: 64, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
      }
    }
    return bytes
  }
}
