import RunStore
import SampleModel

/// The samples of collectors with many columns: a row for each value, in row groups that are sorted
/// by metric, instance and time.
struct LongTable {
  /// Values that are sorted together.
  private static let sorted = 4 << 20

  let replay: ColumnarReplay
  let context: ExportedRun
  let collectors: [(name: String, streams: [UInt16])]
  let file: TableFile

  /// A column of the stretch that is sorted, in one piece.
  private struct Part {
    let rows: RowFrame.Rows
    let words: [UInt64]
    let presences: [ColumnPiece.Presence]
  }

  private struct Series {
    let shown: ValueColumns.Shown
    let metric: String
    var parts: [Part] = []
  }

  /// Writes the table; gives the numbers of rows and of values.
  func write() throws(LBError) -> TableCount {
    var wider: [UInt16: [Int: ParquetColumn.Kind]] = [:]
    while true {
      let before = wider
      let writer = try self.writer()
      var count = TableCount()
      for collector in collectors {
        for stream in collector.streams {
          count.add(try write(stream, of: collector.name, &wider, to: writer))
        }
      }
      // Some value needs a real, which is known after the whole run: once more.
      guard wider == before else { continue }
      try writer.finish()
      return count
    }
  }

  private func writer() throws(LBError) -> ParquetWriter {
    try file.writer(
      RowFrame(context).columns + [
        ParquetColumn("collector", .text), ParquetColumn("metric", .text),
        ParquetColumn("instance", .text, isOptional: true),
        ParquetColumn(
          "unit", .text, facts: [("meaning", "the base unit; raw values are scaled to it")]),
        ParquetColumn("kind", .text),
        ParquetColumn("value", .real),
        ParquetColumn(
          "exact", .integer, isOptional: true,
          facts: [("meaning", "the value where a double is not exact, modulo 2^64")]),
      ])
  }

  private func write(
    _ stream: UInt16, of collector: String, _ wider: inout [UInt16: [Int: ParquetColumn.Kind]],
    to writer: ParquetWriter
  ) throws(LBError) -> TableCount {
    var values = ValueColumns(
      replay.layouts(of: stream), passes: replay.passes, wider: wider[stream] ?? [:])
    var series = values.shown.map { shown in
      Series(shown: shown, metric: String(shown.column.name.prefix { $0 != "[" }))
    }
    let order = series.indices.sorted { one, other in
      let (a, b) = (series[one], series[other])
      if !a.metric.utf8.elementsEqual(b.metric.utf8) {
        return a.metric.utf8.lexicographicallyPrecedes(b.metric.utf8)
      }
      return a.shown.column.instance.utf8.lexicographicallyPrecedes(b.shown.column.instance.utf8)
    }
    var frame = RowFrame(context)
    var held = 0
    var count = TableCount()
    func end() throws(LBError) {
      for index in order {
        for part in series[index].parts { try append(part, series[index], collector, to: writer) }
        series[index].parts = []
      }
      count.rows += held
      count.values += held
      held = 0
    }
    try replay.forEachPiece(of: stream) { piece throws(LBError) in
      let rows = frame.rows(piece)
      try values.forEach(in: piece) { index, found throws(LBError) in
        guard let found, !found.words.isEmpty else { return }
        held += found.words.count
        series[index].parts.append(
          Part(rows: rows, words: found.words, presences: found.presences))
      }
      if held >= Self.sorted { try end() }
    }
    try end()
    // Whole numbers without a sign are read as they are.
    let reals = values.misfits.filter { $0.value == .real }
    if !reals.isEmpty { wider[stream, default: [:]].merge(reals) { $1 } }
    return count
  }

  private func append(
    _ part: Part, _ series: Series, _ collector: String, to writer: ParquetWriter
  ) throws(LBError) {
    let rows = part.rows.keeping(part.presences)
    let first = RowFrame(context).append(rows, to: writer)
    let count = part.words.count
    let column = series.shown.column
    writer[first].append(collector, count: count)
    writer[first + 1].append(series.metric, count: count)
    if column.instance.isEmpty {
      writer[first + 2].appendNulls(count)
    } else {
      writer[first + 2].append(column.instance, count: count)
    }
    writer[first + 3].append(column.metric.unit.rawValue, count: count)
    writer[first + 4].append(column.metric.kind.rawValue, count: count)
    var (reals, exact): ([UInt64], [UInt64]) = ([], [])
    reals.reserveCapacity(count)
    var presences: [ColumnPiece.Presence] = []
    for word in part.words {
      let (real, isExact) = Self.real(word, series.shown)
      reals.append(real.bitPattern)
      presences.add(!isExact)
      if !isExact { exact.append(word) }
    }
    writer[first + 5].append(reals.span)
    writer[first + 6].append(exact.span, presences)
    try writer.endRows()
  }

  /// A value as a real, and whether that is exactly the value.
  private static func real(_ word: UInt64, _ shown: ValueColumns.Shown) -> (Double, Bool) {
    guard shown.kind != .real else { return (Double(bitPattern: word), true) }
    guard shown.column.metric.isSigned else {
      let real = Double(word)
      return (real, UInt64(exactly: real) == word)
    }
    let number = Int64(bitPattern: word)
    let real = Double(number)
    return (real, Int64(exactly: real) == number)
  }
}
