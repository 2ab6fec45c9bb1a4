/// Base 64 (RFC 4648, 4).
enum Base64 {
  private static let letters = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// Encodes bytes, with padding.
  static func text(_ bytes: [UInt8]) -> String {
    String(decoding: letters(of: bytes), as: UTF8.self)
  }

  /// The same as ASCII characters.
  static func letters(of bytes: [UInt8]) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    var index = 0
    while index < bytes.count {
      let count = min(3, bytes.count - index)
      var word = UInt32(bytes[index]) << 16
      if count > 1 { word |= UInt32(bytes[index + 1]) << 8 }
      if count > 2 { word |= UInt32(bytes[index + 2]) }
      text.append(letters[Int(word >> 18)])
      text.append(letters[Int(word >> 12 & 63)])
      text.append(count > 1 ? letters[Int(word >> 6 & 63)] : UInt8(ascii: "="))
      text.append(count > 2 ? letters[Int(word & 63)] : UInt8(ascii: "="))
      index += 3
    }
    return text
  }
}

extension RunSeries {
  /// The maximum size of a bucket of one series in a page, in bytes: three numbers in base 64.
  package static let mostBytesOfBucket = 16

  /// The approximate size of all envelopes in a page, in bytes.
  package var bytes: Int {
    series.reduce(0) { $0 + SeriesEncoding.bytes($1.envelope).count } * 4 / 3
  }
}

/// Encodes envelopes and columns of numbers for the page's script.
///
/// An envelope is a sequence of groups of consecutive buckets. The upper three bits of a group's
/// first byte are its kind, the lower five are the number of its buckets minus 1. If they are 31, a
/// varint (LEB128) of the number minus 32 follows. Kinds: 0 empty, 1 absent, 2 one 32-bit number
/// for each bucket (minimum, median and maximum are equal), 3 three 32-bit numbers for each bucket,
/// 4 equal to the last bucket with values before the group. Numbers are little-endian.
enum SeriesEncoding {
  private enum Kind: UInt8 {
    case empty = 0
    case absent, flat, full, repeated
  }

  /// Encodes an envelope.
  static func bytes(_ envelope: Envelope) -> [UInt8] {
    var bytes: [UInt8] = []
    var index = 0
    var last: Envelope.Bucket?
    while index < envelope.count {
      let first = envelope[index]
      let kind = self.kind(first, after: last)
      var end = index
      var before = last
      while end < envelope.count, self.kind(envelope[end], after: before) == kind {
        if kind != .empty, kind != .absent { before = envelope[end] }
        end += 1
      }
      append(kind, end - index, to: &bytes)
      if kind == .flat || kind == .full {
        for bucket in index..<end {
          guard case .values(let low, let middle, let high) = envelope[bucket] else { continue }
          append(low, to: &bytes)
          if kind == .full {
            append(middle, to: &bytes)
            append(high, to: &bytes)
          }
        }
      }
      last = before
      index = end
    }
    return bytes
  }

  /// The kind of a bucket after `last`, the previous bucket with values.
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

  /// Encodes 64-bit numbers, with NaN for absent ones.
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
