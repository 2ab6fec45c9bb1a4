/// Encodes columns as DELTA_BINARY_PACKED from rows.
///
/// A block of 128 differences is encoded once, when it is full, so that rewriting an open chunk at
/// each commit costs only its last block. Until then rows are kept, with the bits that changed in
/// each column: most counters of a host do not change, and need no encoding. The others are encoded
/// eight at a time.
package struct ColumnEncoder: Sendable {
  private static let tileColumns = 8
  private static let frontBytes = 64

  /// Columns.
  package let width: Int
  /// Rows so far.
  package private(set) var count = 0
  private var first: [UInt64] = []
  /// The last row of the full blocks, then the rows of the open one.
  private var rows: [UInt64] = []
  /// The bits in which any two rows of the open block differ, by column.
  private var changes: [UInt64]
  /// The full blocks of each column.
  private var blocks: [[UInt8]]
  /// Buffer for one column's open block.
  private var block: [UInt8] = []

  /// `width` empty columns.
  package init(width: Int) {
    self.width = width
    changes = Array(repeating: 0, count: width)
    blocks = Array(repeating: [], count: width)
  }

  /// Adds a row of `width` values.
  package mutating func append(_ row: Span<UInt64>) {
    precondition(row.count == width, "a row has a value for each column")
    if count == 0 {
      for column in row.indices { first.append(row[column]) }
    } else {
      // Copies of the properties: spans of two of them at once would be overlapping accesses to
      // self.
      let earlier = rows
      var noted = changes
      changes = []
      var span = noted.mutableSpan
      Self.recordChanges(row, after: earlier.span, in: &span)
      changes = noted
    }
    // Safe: the buffer is read while the span lives.
    unsafe row.withUnsafeBufferPointer { unsafe rows.append(contentsOf: $0) }
    count += 1
    guard count > 1, openDifferences == DeltaBinaryPacked.blockSize else { return }
    var filled = blocks
    blocks = []
    forEachOpenBlock { column, differences in
      if let differences {
        DeltaBinaryPacked.appendBlock(differences, to: &filled[column])
      } else {
        filled[column].append(
          contentsOf: repeatElement(0, count: DeltaBinaryPacked.blockOfZeros))
      }
    }
    blocks = filled
    rows.removeFirst(rows.count - width)
    for column in 0..<width { changes[column] = 0 }
  }

  /// Records the columns in which `row` differs from the last one.
  @inline(__always)
  private static func recordChanges(
    _ row: Span<UInt64>, after rows: Span<UInt64>, in changes: inout MutableSpan<UInt64>
  ) {
    let last = rows.extracting(rows.count - row.count..<rows.count)
    precondition(changes.count == row.count, "a word for each column")
    for column in row.indices {
      // Safe: all three have as many entries.
      unsafe changes[unchecked: column] |= row[unchecked: column] ^ last[unchecked: column]
    }
  }

  /// Appends each column's length as a varint and its bytes so far.
  package mutating func write(to bytes: inout [UInt8]) {
    guard count > 0 else {
      let empty = DeltaBinaryPacked.header(count: 0) + [0]
      for _ in 0..<width {
        Varint.append(UInt64(empty.count), to: &bytes)
        bytes += empty
      }
      return
    }
    var block = block
    self.block = []
    let isOpen = openDifferences > 0
    let prefix = DeltaBinaryPacked.header(count: count)
    // Builds a column's header; most columns have nothing else.
    unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.frontBytes) { front in
      forEachOpenBlock { column, differences in
        var open = 0
        if let differences {
          block.removeAll(keepingCapacity: true)
          DeltaBinaryPacked.appendBlock(differences, to: &block)
          open = block.count
        } else if isOpen {
          open = DeltaBinaryPacked.blockOfZeros
        }
        let before = blocks[column].count
        let value = Varint.zigzag(Int64(bitPattern: first[column]))
        let length = prefix.count + Varint.bytes(value) + before + open
        // Safe: two varints of at most ten bytes, the prefix and a block of zeros fit into the
        // header's buffer.
        var used = unsafe Varint.store(UInt64(length), in: front, at: 0)
        for byte in prefix {
          unsafe front[used] = byte
          used += 1
        }
        used = unsafe Varint.store(value, in: front, at: used)
        if differences == nil, before == 0 {
          for _ in 0..<open {
            unsafe front[used] = 0
            used += 1
          }
          open = 0
        }
        unsafe bytes.append(contentsOf: UnsafeBufferPointer(rebasing: front[..<used]))
        if before > 0 { bytes += blocks[column] }
        if differences != nil {
          bytes += block
        } else if open > 0 {
          bytes.append(contentsOf: repeatElement(0, count: open))
        }
      }
    }
    self.block = block
  }

  private var openDifferences: Int { width == 0 ? 0 : rows.count / width - 1 }

  /// Calls `body` with each column and its differences outside full blocks; nil if all are 0.
  private func forEachOpenBlock(_ body: (Int, Span<UInt64>?) -> Void) {
    let differences = openDifferences
    precondition(differences <= DeltaBinaryPacked.blockSize, "a full block is encoded at once")
    let rows = rows.span
    // Column by column.
    var memory = [UInt64](repeating: 0, count: Self.tileColumns * DeltaBinaryPacked.blockSize)
    var start = 0
    while start < width {
      let columns = start..<min(start + Self.tileColumns, width)
      let hasChanges = columns.contains { changes[$0] != 0 }
      var tile = memory.mutableSpan
      if hasChanges {
        // With a constant number, eight columns are read at once.
        if columns.count == Self.tileColumns {
          Self.transpose(rows, width, start, differences, Self.tileColumns, &tile)
        } else {
          Self.transpose(rows, width, start, differences, columns.count, &tile)
        }
      }
      for column in columns {
        guard changes[column] != 0 else {
          body(column, nil)
          continue
        }
        let from = (column - start) * DeltaBinaryPacked.blockSize
        body(column, tile.span.extracting(from..<from + differences))
      }
      start += Self.tileColumns
    }
  }

  /// Writes the differences of `columns` columns from `start` on, each a block apart.
  @inline(__always)
  private static func transpose(
    _ rows: Span<UInt64>, _ width: Int, _ start: Int, _ differences: Int, _ columns: Int,
    _ tile: inout MutableSpan<UInt64>
  ) {
    precondition(start + columns <= width && (differences + 1) * width <= rows.count)
    precondition(columns <= tileColumns && differences <= DeltaBinaryPacked.blockSize)
    for row in 0..<differences {
      let first = row &* width &+ start
      for column in 0..<columns {
        // Safe: the last row and the last column are within bounds, compared above.
        unsafe tile[unchecked: column &* DeltaBinaryPacked.blockSize &+ row] =
          rows[unchecked: first &+ width &+ column] &- rows[unchecked: first &+ column]
      }
    }
  }
}
