/// Unsigned LEB128 and zigzag, as Parquet and Protocol Buffers have them.
package enum Varint {
  /// Bytes that `append` appends.
  static func bytes(_ value: UInt64) -> Int { (70 - (value | 1).leadingZeroBitCount) / 7 }

  /// Appends `value`, at most ten bytes.
  package static func append(_ value: UInt64, to bytes: inout [UInt8]) {
    var value = value
    while value >= 128 {
      bytes.append(UInt8(truncatingIfNeeded: value) | 128)
      value >>= 7
    }
    bytes.append(UInt8(value))
  }

  /// Stores `value` at `offset` of memory that has room for ten bytes there; returns the offset
  /// after it.
  @unsafe
  @inline(__always)
  static func store(
    _ value: UInt64, in bytes: UnsafeMutableBufferPointer<UInt8>, at offset: Int
  ) -> Int {
    var (value, offset) = (value, offset)
    while value >= 128 {
      unsafe bytes[offset] = UInt8(truncatingIfNeeded: value) | 128
      value >>= 7
      offset += 1
    }
    unsafe bytes[offset] = UInt8(value)
    return offset + 1
  }

  static func read(
    _ bytes: Span<UInt8>, _ position: inout Int
  ) throws(DeltaBinaryPacked.Malformed) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      guard position < bytes.count else { throw .truncated }
      guard shift < 64 else { throw .header }
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 127) << shift
      if byte < 128 { return value }
      shift += 7
    }
  }

  /// Small numbers of either sign as small ones without a sign.
  package static func zigzag(_ value: Int64) -> UInt64 {
    UInt64(bitPattern: (value << 1) ^ (value >> 63))
  }

  static func unzigzag(_ value: UInt64) -> Int64 {
    Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }
}
