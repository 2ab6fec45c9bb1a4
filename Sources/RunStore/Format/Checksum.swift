/// CRC-32C (Castagnoli), as iSCSI and ext4 use it: RFC 3720, appendix B.4.
///
/// Eight bytes a step ("slicing by 8", Kounavis and Berry, 2005): table `k` carries a byte over `k`
/// bytes more.
package enum Checksum {
  private static let tables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: 8 * 256)
    for index in 0..<256 {
      var value = UInt32(index)
      for _ in 0..<8 { value = value & 1 == 1 ? (value >> 1) ^ 0x82F6_3B78 : value >> 1 }
      tables[index] = value
    }
    for index in 256..<tables.count {
      let before = tables[index - 256]
      tables[index] = tables[Int(before & 0xFF)] ^ (before >> 8)
    }
    return tables
  }()

  /// The checksum of `bytes`.
  package static func crc32c(_ bytes: [UInt8]) -> UInt32 {
    var value: UInt32 = 0xFFFF_FFFF
    let tables = Self.tables.span
    let bytes = bytes.span
    var position = 0
    while position + 8 <= bytes.count {
      var next: UInt32 = 0
      for index in 0..<8 {
        let carried = index < 4 ? UInt8(truncatingIfNeeded: value >> UInt32(index * 8)) : 0
        next ^= tables[(7 - index) * 256 + Int(bytes[position + index] ^ carried)]
      }
      value = next
      position += 8
    }
    while position < bytes.count {
      value = tables[Int((value ^ UInt32(bytes[position])) & 0xFF)] ^ (value >> 8)
      position += 1
    }
    return value ^ 0xFFFF_FFFF
  }
}
