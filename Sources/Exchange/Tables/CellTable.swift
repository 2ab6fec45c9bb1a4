import SampleModel

/// One value of a row.
enum Cell: Equatable {
  case absent
  case integer(UInt64)
  case real(Double)
  case flag(Bool)
  case text(String)

  /// A count, absent if nil.
  init(_ number: UInt64?) { self = number.map { .integer($0) } ?? .absent }

  /// A number with a sign, absent if nil.
  init(signed number: (some BinaryInteger)?) {
    self = number.map { .integer(UInt64(bitPattern: Int64($0))) } ?? .absent
  }

  /// A text, absent if nil.
  init(_ text: String?) { self = text.map { .text($0) } ?? .absent }
}

/// A table that is written row by row: what a run has besides samples.
struct CellTable {
  private let writer: ParquetWriter

  /// A new file of these columns.
  init(_ file: TableFile, _ columns: [ParquetColumn]) throws(LBError) {
    writer = try file.writer(columns)
  }

  /// Rows so far.
  var count: Int { writer.rowCount }

  /// Adds a row with a cell for each column, of its kind.
  func append(_ row: [Cell]) throws(LBError) {
    for (column, cell) in row.enumerated() {
      switch cell {
      case .absent: writer[column].appendNulls(1)
      case .integer(let number): writer[column].append(number)
      case .real(let number): writer[column].append(number.bitPattern)
      case .flag(let flag): writer[column].append(flag ? 1 : 0)
      case .text(let text): writer[column].append(text)
      }
    }
    try writer.endRows()
  }

  func finish() throws(LBError) { try writer.finish() }
}
