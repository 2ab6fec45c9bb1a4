import LinuxSystem
package import SampleModel

/// Writes one Parquet file of a flat table: row groups as they are full, then the footer. What is
/// held is one row group, encoded, and one page of each column.
///
/// https://github.com/apache/parquet-format. Data pages are of version 1, which every reader has.
package final class ParquetWriter {
  private static let magic = Array("PAR1".utf8)
  /// Values of all open pages together.
  private static let openValues = 4 << 20

  private let file: DraftFile
  private let layout: ParquetLayout
  private let encoder: PageEncoder
  private let creator: String
  private let facts: [(name: String, value: String)]
  private let pageRows: Int
  private let buffers: [ColumnBuffer]
  private var groups: [[UInt8]] = []
  private var rowsOfGroup = 0
  private var openRows = 0
  /// Rows written.
  package private(set) var rowCount = 0

  /// A file of these columns, which `creator` (`lbsample version 0.2.0`) writes into `file`, with
  /// facts of the whole file.
  package init(
    _ file: DraftFile, _ columns: [ParquetColumn], creator: String,
    facts: [(name: String, value: String)] = [], layout: ParquetLayout = ParquetLayout()
  ) throws(LBError) {
    precondition(!columns.isEmpty, "a table has columns")
    self.file = file
    self.layout = layout
    self.creator = creator
    self.facts = facts
    let encoder = PageEncoder(layout)
    self.encoder = encoder
    buffers = columns.map { ColumnBuffer($0, encoder) }
    pageRows = min(layout.pageRows, max(512, Self.openValues / columns.count))
    try file.write(Self.magic)
  }

  /// A column, to which rows are added; all get the same number before `endRows`.
  subscript(column: Int) -> ColumnBuffer { buffers[column] }

  /// Rows were added to each column. Ends pages and row groups that are full.
  func endRows() throws(LBError) {
    let rows = buffers[0].openRows
    rowCount += rows - openRows
    rowsOfGroup += rows - openRows
    openRows = rows
    if rows >= pageRows || rowsOfGroup >= layout.groupRows { try endPages() }
    guard rowsOfGroup >= layout.groupRows, openRows == 0 else { return }
    let size = buffers.reduce(0) { $0 + $1.encodedBytes }
    if size >= layout.groupBytes || rowsOfGroup >= layout.groupRowLimit
      || layout.groupRows >= layout.groupRowLimit
    {
      try endGroup()
    }
  }

  private func endPages() throws(LBError) {
    for buffer in buffers {
      precondition(buffer.openRows == openRows, "\(buffer.column.name) has as many rows as others")
      try buffer.endPage()
    }
    openRows = 0
  }

  /// Ends the row group, if it has rows.
  private func endGroup() throws(LBError) {
    try endPages()
    guard rowsOfGroup > 0 else { return }
    let start = file.position
    var chunks: [(metadata: [UInt8], columnIndex: [UInt8]?, offsetIndex: [UInt8])] = []
    var uncompressed = 0
    for buffer in buffers {
      let offset = file.position
      let chunk = try buffer.takeChunk(isFirst: groups.isEmpty)
      try file.write(chunk.bytes)
      chunks.append((chunk.metadata(offset), chunk.columnIndex, chunk.offsetIndex(offset)))
      uncompressed += chunk.uncompressed
    }
    let compressed = file.position - start
    var indexes: [(column: (offset: Int, size: Int)?, offset: (offset: Int, size: Int))] = []
    for chunk in chunks {
      var column: (Int, Int)?
      if let index = chunk.columnIndex {
        column = (file.position, index.count)
        try file.write(index)
      }
      indexes.append((column, (file.position, chunk.offsetIndex.count)))
      try file.write(chunk.offsetIndex)
    }
    let rows = rowsOfGroup
    groups.append(
      ThriftCompact.structure { thrift in
        thrift.list(1, of: .structure, chunks.indices) { thrift, index in
          thrift.nested {
            $0.int64(2, 0)
            $0.structure(3, encoded: chunks[index].metadata)
            $0.int64(4, indexes[index].offset.offset)
            $0.int32(5, indexes[index].offset.size)
            guard let column = indexes[index].column else { return }
            $0.int64(6, column.offset)
            $0.int32(7, column.size)
          }
        }
        thrift.int64(2, uncompressed)
        thrift.int64(3, rows)
        thrift.int64(5, start)
        thrift.int64(6, compressed)
      })
    rowsOfGroup = 0
  }

  /// Writes the rest and the footer, and gives the file its name.
  package func finish() throws(LBError) {
    try endGroup()
    let footer = ThriftCompact.structure { thrift in
      thrift.int32(1, 2)
      // The root, then its columns.
      thrift.list(2, of: .structure, 0...buffers.count) { thrift, index in
        thrift.nested {
          if index > 0 { return buffers[index - 1].column.write(&$0) }
          $0.text(4, "schema")
          $0.int32(5, buffers.count)
        }
      }
      thrift.int64(3, rowCount)
      thrift.list(4, of: .structure, groups) { $0.element(encoded: $1) }
      if !facts.isEmpty {
        thrift.list(5, of: .structure, facts) { thrift, fact in
          thrift.nested {
            $0.text(1, fact.name)
            $0.text(2, fact.value)
          }
        }
      }
      thrift.text(6, creator)
      // Without an order of each column readers pass over its bounds.
      thrift.list(7, of: .structure, buffers) { thrift, _ in
        thrift.nested { $0.structure(1) { _ in } }
      }
    }
    try file.write(footer)
    try file.write((0..<4).map { UInt8(truncatingIfNeeded: footer.count >> (8 * $0)) })
    try file.write(Self.magic)
    try file.finish()
  }
}
