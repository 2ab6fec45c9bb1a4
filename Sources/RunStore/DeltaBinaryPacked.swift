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
    // The widths first: then the room that all miniblocks take is known.
    var packedBytes = 0
    for miniblock in 0..<miniblocks {
      var union: UInt64 = 0
      let first = miniblock * miniblockSize
      if first < deltas.count {
        for index in first..<min(first + miniblockSize, deltas.count) {
          union |= deltas[index] &- base
        }
      }
      let width = 64 - union.leadingZeroBitCount
      bytes.append(UInt8(width))
      packedBytes += width * miniblockSize / 8
    }
    guard packedBytes > 0 else { return }
    var place = bytes.count
    bytes.append(contentsOf: repeatElement(0, count: packedBytes))
    var span = bytes.mutableSpan
    for miniblock in 0..<miniblocks {
      let width = Int(span[widthsAt + miniblock])
      guard width > 0 else { continue }
      let first = miniblock * miniblockSize
      pack(
        deltas.extracting(first..<min(first + miniblockSize, deltas.count)), minus: base,
        width: width, into: &span, at: place)
      place += width * miniblockSize / 8
    }
  }

  /// Writes up to 32 differences of `width` bits each; the bytes of those that lack stay 0.
  @inline(__always)
  private static func pack(
    _ deltas: Span<UInt64>, minus base: UInt64, width: Int, into bytes: inout MutableSpan<UInt8>,
    at place: Int
  ) {
    var place = place
    var word: UInt64 = 0
    var filled = 0
    func store(_ count: Int, _ bytes: inout MutableSpan<UInt8>) {
      // Safe: 32 values of `width` bits are whole bytes, which the caller has made room for.
      unsafe bytes.withUnsafeMutableBytes { all in
        if count == 8 {
          unsafe all.storeBytes(of: word.littleEndian, toByteOffset: place, as: UInt64.self)
        } else {
          for byte in 0..<count {
            unsafe all[place + byte] = UInt8(truncatingIfNeeded: word >> UInt64(8 * byte))
          }
        }
      }
      place += count
    }
    for index in deltas.indices {
      let value = deltas[index] &- base
      word |= value << UInt64(filled)
      filled += width
      if filled >= 64 {
        store(8, &bytes)
        filled -= 64
        word = filled == 0 ? 0 : value >> UInt64(width - filled)
      }
    }
    if filled > 0 { store((filled + 7) / 8, &bytes) }
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
    var values = [UInt64](repeating: 0, count: Int(total))
    var out = values.mutableSpan
    var value = UInt64(bitPattern: first)
    out[0] = value
    var done = 1
    while done < out.count {
      let least = UInt64(bitPattern: Varint.unzigzag(try Varint.read(bytes, &position)))
      let widthsAt = position
      position += miniblocks
      guard position <= bytes.count else { throw .truncated }
      for miniblock in 0..<miniblocks where done < out.count {
        let width = Int(bytes[widthsAt + miniblock])
        guard width <= 64 else { throw .bitWidth }
        let end = position + width * miniblockSize / 8
        guard end <= bytes.count else { throw .truncated }
        for index in 0..<min(miniblockSize, out.count - done) {
          value &+= least &+ unpack(bytes, from: position, index: index, width: width)
          out[done + index] = value
        }
        done = min(done + miniblockSize, out.count)
        position = end
      }
    }
    return values
  }

  /// Value number `index` of those of `width` bits that begin at `from`.
  @inline(__always)
  private static func unpack(
    _ bytes: Span<UInt8>, from: Int, index: Int, width: Int
  ) -> UInt64 {
    guard width > 0 else { return 0 }
    let bit = index * width
    let place = from + bit >> 3
    let shift = bit & 7
    // A value of up to 57 bits lies within eight bytes from its first one.
    if width <= 57, place + 8 <= bytes.count {
      // Safe: the eight bytes are within the span.
      let word = unsafe bytes.withUnsafeBytes {
        unsafe $0.loadUnaligned(fromByteOffset: place, as: UInt64.self)
      }
      return UInt64(littleEndian: word) >> UInt64(shift) & ((1 << UInt64(width)) - 1)
    }
    var bitsLeft = width
    var at = bit
    var value: UInt64 = 0
    while bitsLeft > 0 {
      let step = min(8 - at % 8, bitsLeft)
      let piece = (UInt64(bytes[from + at / 8]) >> UInt64(at % 8)) & ((1 << UInt64(step)) - 1)
      value |= piece << UInt64(width - bitsLeft)
      bitsLeft -= step
      at += step
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
