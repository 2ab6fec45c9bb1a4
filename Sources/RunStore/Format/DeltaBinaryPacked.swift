/// Integer columns as Parquet's DELTA_BINARY_PACKED: blocks of 128 differences in four
/// miniblocks, each packed to its own bit width after the block's least difference is taken off.
///
/// https://parquet.apache.org/docs/file-format/data-pages/encodings/ (DELTA_BINARY_PACKED = 5).
/// Differences wrap, so that any 64-bit pattern survives.
package enum DeltaBinaryPacked {
  static let blockSize = 128
  private static let miniblocks = 4
  private static let miniblockSize = 32

  /// The reason why bytes are not such a column.
  package enum Malformed: Error, Equatable {
    case truncated
    case header
    case bitWidth
  }

  /// The most bytes that one block takes: its least difference, four widths and 128 whole words.
  static let blockBytes = 10 + miniblocks + blockSize * 8

  /// The header before a column's first value, which is a zigzag varint.
  static func header(count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    for number in [blockSize, miniblocks, count] { Varint.append(UInt64(number), to: &bytes) }
    return bytes
  }

  /// Bytes of a block whose differences are all 0, which are 0 too: the least, and four widths.
  static let blockOfZeros = 1 + miniblocks

  /// Appends one block of up to `blockSize` differences; those that it lacks count as the least.
  static func appendBlock(_ deltas: Span<UInt64>, to bytes: inout [UInt8]) {
    precondition(!deltas.isEmpty && deltas.count <= blockSize, "a block has 1 to 128 differences")
    var least = Int64.max
    for index in deltas.indices { least = min(least, Int64(bitPattern: deltas[index])) }
    let base = UInt64(bitPattern: least)
    Varint.append(Varint.zigzag(least), to: &bytes)
    unsafe withUnsafeTemporaryAllocation(of: UInt64.self, capacity: blockSize) { memory in
      for index in deltas.indices { unsafe memory[index] = deltas[index] &- base }
      for index in deltas.count..<blockSize { unsafe memory[index] = 0 }
      let rest = unsafe memory.span
      // The widths first: then the room that all miniblocks take is known.
      let widthsAt = bytes.count
      var packedBytes = 0
      for miniblock in 0..<miniblocks {
        var union: UInt64 = 0
        for index in miniblock * miniblockSize..<(miniblock + 1) * miniblockSize {
          // Safe: four miniblocks are the memory's 128 words.
          union |= unsafe rest[unchecked: index]
        }
        let width = 64 - union.leadingZeroBitCount
        bytes.append(UInt8(width))
        packedBytes += width * miniblockSize / 8
      }
      guard packedBytes > 0 else { return }
      var offset = bytes.count
      bytes.append(contentsOf: repeatElement(0, count: packedBytes))
      var span = bytes.mutableSpan
      for miniblock in 0..<miniblocks {
        let width = Int(span[widthsAt + miniblock])
        guard width > 0 else { continue }
        let first = miniblock * miniblockSize
        let values = rest.extracting(first..<first + miniblockSize)
        // As many values as fill no more than a word are put together first.
        switch width {
        case ...8: pack(values, by: 8, width: width, into: &span, at: offset)
        case ...16: pack(values, by: 4, width: width, into: &span, at: offset)
        case ...32: pack(values, by: 2, width: width, into: &span, at: offset)
        default: pack(values, by: 1, width: width, into: &span, at: offset)
        }
        offset += width * miniblockSize / 8
      }
    }
  }

  /// Writes 32 values of `width` bits each, `group` of which fit into a word.
  @inline(__always)
  private static func pack(
    _ values: Span<UInt64>, by group: Int, width: Int, into bytes: inout MutableSpan<UInt8>,
    at offset: Int
  ) {
    let step = width * group
    var offset = offset
    var word: UInt64 = 0
    var filled = 0
    // Safe: 32 values are read of 32, and their bits are whole bytes, a multiple of four, for which
    // the caller has made room.
    unsafe bytes.withUnsafeMutableBytes { all in
      var index = 0
      while index < miniblockSize {
        var piece: UInt64 = 0
        for member in 0..<group {
          piece |= unsafe values[unchecked: index + member] &<< UInt64(width &* member)
        }
        index += group
        word |= piece &<< UInt64(filled)
        filled += step
        if filled >= 64 {
          unsafe all.storeBytes(of: word.littleEndian, toByteOffset: offset, as: UInt64.self)
          offset += 8
          filled -= 64
          word = filled == 0 ? 0 : piece &>> UInt64(step - filled)
        }
      }
      if filled > 0 {
        let half = UInt32(truncatingIfNeeded: word).littleEndian
        unsafe all.storeBytes(of: half, toByteOffset: offset, as: UInt32.self)
      }
    }
  }

  /// Appends a whole column; returns the bits that its widest difference takes.
  @discardableResult
  package static func append(_ values: Span<UInt64>, to bytes: inout [UInt8]) -> Int {
    for number in [blockSize, miniblocks, values.count] {
      Varint.append(UInt64(number), to: &bytes)
    }
    Varint.append(values.isEmpty ? 0 : Varint.zigzag(Int64(bitPattern: values[0])), to: &bytes)
    guard values.count > 1 else { return 0 }
    var widest = 0
    var deltas = [UInt64](repeating: 0, count: blockSize)
    var done = 1
    while done < values.count {
      let count = min(blockSize, values.count - done)
      var (least, greatest) = (Int64.max, Int64.min)
      var out = deltas.mutableSpan
      for index in 0..<count {
        // Safe: `done + count` is at most the number of values, and `done` at least 1.
        let delta = unsafe values[unchecked: done &+ index] &- values[unchecked: done &+ index &- 1]
        unsafe out[unchecked: index] = delta
        let signed = Int64(bitPattern: delta)
        (least, greatest) = (min(least, signed), max(greatest, signed))
      }
      widest = max(widest, 64 - (greatest &- least).leadingZeroBitCount)
      if least == 0, greatest == 0 {
        bytes.append(contentsOf: repeatElement(0, count: blockOfZeros))
      } else {
        appendBlock(deltas.span.extracting(0..<count), to: &bytes)
      }
      done += count
    }
    return widest
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
    let offset = from + bit >> 3
    let shift = bit & 7
    // A value of up to 57 bits lies within eight bytes from its first one.
    if width <= 57, offset + 8 <= bytes.count {
      // Safe: the eight bytes are within the span.
      let word = unsafe bytes.withUnsafeBytes {
        unsafe $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
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
