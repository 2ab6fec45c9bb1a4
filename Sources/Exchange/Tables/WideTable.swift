import RunStore
import SampleModel

/// The samples of one collector: a row each reading, a column each metric and instance.
struct WideTable {
  let replay: ColumnarReplay
  let context: ExportedRun
  let collector: String
  let streams: [UInt16]
  let file: TableFile

  /// Writes the table; gives the numbers of rows and of values.
  func write() throws(LBError) -> TableCount {
    var wider: [Int: ParquetColumn.Kind] = [:]
    while true {
      let writer = try self.writer(wider)
      var values = columns(wider)
      let count = try fill(writer, &values)
      guard values.misfits.isEmpty else {
        // Some value needs a wider kind of column, which is known after the whole run: once more.
        wider.merge(values.misfits) { $1 }
        continue
      }
      try writer.finish()
      return count
    }
  }

  private func columns(_ wider: [Int: ParquetColumn.Kind]) -> ValueColumns {
    ValueColumns(streams.flatMap(replay.layouts), passes: replay.passes, wider: wider)
  }

  private func writer(_ wider: [Int: ParquetColumn.Kind]) throws(LBError) -> ParquetWriter {
    let shown = columns(wider).shown
    let names = shown.map(\.column.name)
    let columns =
      RowFrame(context).columns
      + zip(shown, TableFile.names(names)).map {
        ParquetColumn(
          $1, $0.kind, isOptional: true, facts: $0.column.facts(in: collector))
      }
    return try file.writer(columns)
  }

  private func fill(
    _ writer: ParquetWriter, _ values: inout ValueColumns
  ) throws(LBError) -> TableCount {
    var count = TableCount()
    for stream in streams {
      var frame = RowFrame(context)
      try replay.forEachPiece(of: stream) { piece throws(LBError) in
        let first = frame.append(frame.rows(piece), to: writer)
        try values.forEach(in: piece) { index, found throws(LBError) in
          let buffer = writer[first + index]
          guard let found else { return buffer.appendNulls(piece.rowCount) }
          count.values += found.words.count
          buffer.append(found.words.span, found.presences)
        }
        count.rows += piece.rowCount
        try writer.endRows()
      }
    }
    return count
  }
}
