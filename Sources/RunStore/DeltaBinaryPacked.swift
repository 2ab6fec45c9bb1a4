/// Integer columns as Parquet's DELTA_BINARY_PACKED: blocks of 128 differences in four
/// miniblocks, each packed to its own bit width after the block's least difference is taken off.
///
/// https://parquet.apache.org/docs/file-format/data-pages/encodings/ (DELTA_BINARY_PACKED = 5).
/// Differences wrap, so that any 64-bit pattern survives.
package enum DeltaBinaryPacked {
  static let blockSize = 128
  private static let miniblocks = 4
  private static let miniblockSize = 32

  /// Why bytes are not such a column.
  package enum Malformed: Error, Equatable {
    case truncated
    case header
    case bitWidth
  }

  /// The most bytes that one block takes: its least difference, four widths and 128 whole words.
  static let blockBytes = 10 + miniblocks + blockSize * 8

  /// Appends what stands before a column's blocks.
  static func appendHeader(count: Int, first: UInt64, to bytes: inout [UInt8]) {
    Varint.append(UInt64(blockSize), to: &bytes)
    Varint.append(UInt64(miniblocks), to: &bytes)
    Varint.append(UInt64(count), to: &bytes)
    Varint.append(Varint.zigzag(Int64(bitPattern: first)), to: &bytes)
  }

  /// Appends one block of up to `blockSize` differences; those that it lacks count as the least.
  static func appendBlock(_ deltas: Span<UInt64>, to bytes: inout [UInt8]) {
    precondition(!deltas.isEmpty && deltas.count <= blockSize, "a block has 1 to 128 differences")
    var least = Int64.max
    for index in deltas.indices { least = min(least, Int64(bitPattern: deltas[index])) }
    let base = UInt64(bitPattern: least)
    Varint.append(Varint.zigzag(least), to: &bytes)
    let widthsAt = bytes.count
    for _ in 0..<miniblocks { bytes.append(0) }
    for miniblock in 0..<miniblocks {
      let first = miniblock * miniblockSize
      guard first < deltas.count else { break }
      let end = min(first + miniblockSize, deltas.count)
      var union: UInt64 = 0
      for index in first..<end { union |= deltas[index] &- base }
      let width = 64 - union.leadingZeroBitCount
      bytes[widthsAt + miniblock] = UInt8(width)
      guard width > 0 else { continue }
      var word: UInt64 = 0
      var filled = 0
      for index in first..<first + miniblockSize {
        let value = index < end ? deltas[index] &- base : 0
        word |= value << UInt64(filled)
        filled += width
        if filled >= 64 {
          append(word, bytes: 8, to: &bytes)
          filled -= 64
          word = filled == 0 ? 0 : value >> UInt64(width - filled)
        }
      }
      if filled > 0 { append(word, bytes: (filled + 7) / 8, to: &bytes) }
    }
  }

  private static func append(_ word: UInt64, bytes count: Int, to bytes: inout [UInt8]) {
    // Safe: the eight bytes are read while `word` lives.
    unsafe withUnsafeBytes(of: word.littleEndian) { unsafe bytes.append(contentsOf: $0[..<count]) }
  }

  /// Decodes a column of at most `limit` values, checking every length.
  package static func decode(
    _ bytes: Span<UInt8>, limit: Int
  ) throws(Malformed) -> [UInt64] {
    var position = 0
    guard try Varint.read(bytes, &position) == UInt64(blockSize),
      try Varint.read(bytes, &position) == UInt64(miniblocks)
    else { throw .header }
    let total = try Varint.read(bytes, &position)
    guard total <= UInt64(limit) else { throw .header }
    let first = Varint.unzigzag(try Varint.read(bytes, &position))
    guard total > 0 else { return [] }
    var values: [UInt64] = []
    values.reserveCapacity(Int(total))
    var value = UInt64(bitPattern: first)
    values.append(value)
    while values.count < Int(total) {
      let least = UInt64(bitPattern: Varint.unzigzag(try Varint.read(bytes, &position)))
      let widthsAt = position
      position += miniblocks
      guard position <= bytes.count else { throw .truncated }
      for miniblock in 0..<miniblocks where values.count < Int(total) {
        let width = Int(bytes[widthsAt + miniblock])
        guard width <= 64 else { throw .bitWidth }
        let end = position + width * miniblockSize / 8
        guard end <= bytes.count else { throw .truncated }
        for index in 0..<min(miniblockSize, Int(total) - values.count) {
          value &+= least &+ unpack(bytes, from: position, index: index, width: width)
          values.append(value)
        }
        position = end
      }
    }
    return values
  }

  private static func unpack(
    _ bytes: Span<UInt8>, from: Int, index: Int, width: Int
  ) -> UInt64 {
    guard width > 0 else { return 0 }
    var bit = index * width
    var taken = 0
    var value: UInt64 = 0
    while taken < width {
      let step = min(8 - bit % 8, width - taken)
      let piece = (UInt64(bytes[from + bit / 8]) >> UInt64(bit % 8)) & ((1 << UInt64(step)) - 1)
      value |= piece << UInt64(taken)
      taken += step
      bit += step
    }
    return value
  }
}

/// Unsigned LEB128 and zigzag, as Parquet and Protocol Buffers have them.
enum Varint {
  static func append(_ value: UInt64, to bytes: inout [UInt8]) {
    var value = value
    while value >= 128 {
      bytes.append(UInt8(truncatingIfNeeded: value) | 128)
      value >>= 7
    }
    bytes.append(UInt8(value))
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

  static func zigzag(_ value: Int64) -> UInt64 {
    UInt64(bitPattern: (value << 1) ^ (value >> 63))
  }

  static func unzigzag(_ value: UInt64) -> Int64 {
    Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }
}
