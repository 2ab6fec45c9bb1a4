/// Columns under construction, each to be DELTA_BINARY_PACKED: rows come in as they were sampled.
///
/// A block of 128 differences is encoded once, when it is full, so that an open chunk which is
/// written again at each commit costs its last block alone. Until then rows stay as they came:
/// adding one is a copy, and encoding takes eight columns at a time, a cache line of each row.
package struct ColumnEncoder: Sendable {
  private static let tileColumns = 8

  /// Columns.
  package let width: Int
  /// Rows so far.
  package private(set) var count = 0
  private var first: [UInt64] = []
  /// The last row of the full blocks, then the rows of the open one.
  private var rows: [UInt64] = []
  /// The full blocks of each column.
  private var blocks: [[UInt8]]

  /// `width` empty columns.
  package init(width: Int) {
    self.width = width
    blocks = Array(repeating: [], count: width)
  }

  /// Adds a row of `width` values.
  package mutating func append(_ row: Span<UInt64>) {
    precondition(row.count == width, "a row has a value for each column")
    // Safe: the buffer is read while the span lives.
    unsafe row.withUnsafeBufferPointer { unsafe rows.append(contentsOf: $0) }
    if count == 0 { first = rows }
    count += 1
    guard count > 1, openDifferences == DeltaBinaryPacked.blockSize else { return }
    var filled = blocks
    blocks = []
    forEachOpenBlock { column, differences in
      DeltaBinaryPacked.appendBlock(differences, to: &filled[column])
    }
    blocks = filled
    rows.removeFirst(rows.count - width)
  }

  /// Appends each column's length as a varint and its bytes, as they are so far.
  package func write(to bytes: inout [UInt8]) {
    guard count > 0 else {
      var empty: [UInt8] = []
      DeltaBinaryPacked.appendHeader(count: 0, first: 0, to: &empty)
      for _ in 0..<width {
        Varint.append(UInt64(empty.count), to: &bytes)
        bytes += empty
      }
      return
    }
    var column: [UInt8] = []
    column.reserveCapacity(DeltaBinaryPacked.blockBytes + 64)
    forEachOpenBlock { place, differences in
      column.removeAll(keepingCapacity: true)
      DeltaBinaryPacked.appendHeader(count: count, first: first[place], to: &column)
      let headerLength = column.count
      if !differences.isEmpty { DeltaBinaryPacked.appendBlock(differences, to: &column) }
      Varint.append(UInt64(column.count + blocks[place].count), to: &bytes)
      bytes += column[..<headerLength]
      bytes += blocks[place]
      bytes += column[headerLength...]
    }
  }

  private var openDifferences: Int { width == 0 ? 0 : rows.count / width - 1 }

  /// Calls `body` with each column and the differences that are not in a full block.
  private func forEachOpenBlock(_ body: (Int, Span<UInt64>) -> Void) {
    let differences = openDifferences
    precondition(differences <= DeltaBinaryPacked.blockSize, "a full block is encoded at once")
    let rows = rows.span
    // A column behind the other.
    var memory = [UInt64](repeating: 0, count: Self.tileColumns * DeltaBinaryPacked.blockSize)
    var start = 0
    while start < width {
      let columns = min(Self.tileColumns, width - start)
      var tile = memory.mutableSpan
      for row in 0..<differences {
        let place = row * width + start
        for column in 0..<columns {
          // Safe: column < 8 and row < 128, and the next row ends at or before the last one.
          unsafe tile[unchecked: column * DeltaBinaryPacked.blockSize + row] =
            rows[unchecked: place + width + column] &- rows[unchecked: place + column]
        }
      }
      for column in 0..<columns {
        let from = column * DeltaBinaryPacked.blockSize
        body(start + column, tile.span.extracting(from..<from + differences))
      }
      start += columns
    }
  }
}
