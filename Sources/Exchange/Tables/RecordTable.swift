import RunStore
import SampleModel

/// The records of one kind, a row each: processes, exits, flows.
struct RecordTable {
  let replay: ColumnarReplay
  let context: ExportedRun
  let kind: String
  let file: TableFile

  private var schemas: [RecordSchema] { replay.schemas.filter { $0.name == kind } }

  /// Writes the table; gives the numbers of rows and of values.
  func write() throws(LBError) -> TableCount {
    var fields: [(name: String, unit: MetricUnit, meaning: String)] = []
    for schema in schemas {
      // Fields of text that are several words are one.
      for field in schema.fields where !fields.contains(where: { $0.name == field.name }) {
        fields.append((field.name, field.unit, field.meaning))
      }
    }
    var unsigned = Set<String>()
    while true {
      let before = unsigned
      let columns = fields.map { field in
        ParquetColumn(
          field.name,
          field.unit == .text ? .text : unsigned.contains(field.name) ? .unsigned : .integer,
          isOptional: true, facts: [("unit", field.unit.rawValue), ("meaning", field.meaning)])
      }
      let writer = try file.writer(
        RowFrame(context).columns + [ParquetColumn("collector", .text)] + columns)
      var count = TableCount()
      for schema in schemas {
        count.add(try fill(writer, schema, fields.map(\.name), &unsigned))
      }
      // Some number needs all 64 bits, which is known after the whole run: once more.
      guard unsigned == before else { continue }
      try writer.finish()
      return count
    }
  }

  private func fill(
    _ writer: ParquetWriter, _ schema: RecordSchema, _ names: [String],
    _ unsigned: inout Set<String>
  ) throws(LBError) -> TableCount {
    var frame = RowFrame(context)
    var count = TableCount()
    try replay.forEachPiece(of: schema.stream, kind: .records) { piece throws(LBError) in
      let first = frame.append(frame.rows(piece), to: writer)
      writer[first].append(schema.collector, count: piece.rowCount)
      let width = schema.fields.count
      for row in 0..<piece.rowCount {
        let words = piece.columns.map { row < $0.count ? $0[row] : RecordSchema.absent }
        var values: [RecordValue] = []
        if words.count == width { values = RecordValue.read(words.span, row: 0, schema) }
        var rest = values[...]
        for (index, name) in names.enumerated() {
          let buffer = writer[first + 1 + index]
          guard let value = rest.first, value.name == name else {
            buffer.appendNulls(1)
            continue
          }
          rest.removeFirst()
          count.values += 1
          switch value.content {
          case .text(let text): buffer.append(text)
          case .number(let number):
            if number >> 63 == 1 { unsigned.insert(name) }
            buffer.append(number)
          }
        }
      }
      count.rows += piece.rowCount
      try writer.endRows()
    }
    return count
  }
}
