import SampleModel

/// What was written.
package struct TableCount: Sendable, Equatable {
  package var rows = 0
  package var values = 0

  mutating func add(_ other: TableCount) {
    rows += other.rows
    values += other.values
  }
}

/// How a table's file is made, each time anew where it has to begin again.
struct TableFile {
  let draft: () throws(LBError) -> DraftFile
  let creator: String
  let facts: [(name: String, value: String)]
  let layout: ParquetLayout

  func writer(_ columns: [ParquetColumn]) throws(LBError) -> ParquetWriter {
    try ParquetWriter(try draft(), columns, creator: creator, facts: facts, layout: layout)
  }

  /// Names as a file may have them, no two of which are equal: bytes that are no UTF-8 are written
  /// as `OSText.written` has them.
  static func names(_ names: [String]) -> [String] {
    names.map { OSText.written(OSText.distinct($0)) }
  }
}
