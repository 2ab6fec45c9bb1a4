import GRDB
import SampleModel

extension Layout {
  /// Every layout in a result file, by stream and epoch; a damaged row is named.
  static func all(_ db: Database) throws -> [Layout] {
    let rows = try Row.fetchAll(
      db,
      sql: "SELECT stream, epoch, definition FROM layout NOT INDEXED ORDER BY stream, epoch")
    return try rows.map { row in
      let layout = try row.json(Layout.self, "definition")
      guard layout.stream == (try row.value("stream") as UInt16),
        layout.epoch == (try row.value("epoch") as UInt32)
      else {
        throw DamagedRow(
          column: "definition", row,
          reason: "it is of stream \(layout.stream), epoch \(layout.epoch)")
      }
      return layout
    }
  }
}

extension RecordSchema {
  /// Every record schema in a result file, by stream; a damaged row is named.
  static func all(_ db: Database) throws -> [RecordSchema] {
    let rows = try Row.fetchAll(
      db, sql: "SELECT stream, definition FROM record_schema ORDER BY stream")
    return try rows.map { row in
      let schema = try row.json(RecordSchema.self, "definition")
      guard schema.stream == (try row.value("stream") as UInt16) else {
        throw DamagedRow(column: "definition", row, reason: "it is of stream \(schema.stream)")
      }
      return schema
    }
  }
}
