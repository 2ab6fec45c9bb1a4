/// What the footer says of one column of a row group.
struct ChunkFacts {
  let column: ParquetColumn
  let codec: Int
  let isDictionary: Bool
  let plainPages: Int
  let pages: Int
  let rows: Int
  let nulls: Int
  let bounds: ColumnBounds
  let uncompressed: Int
  let compressed: Int
  /// Bytes of the dictionary page.
  let front: Int
  let hasFacts: Bool

  /// The data pages by encoding.
  private var dataPages: [(encoding: ParquetEncoding, count: Int)] {
    let other: ParquetEncoding = column.kind == .text ? .dictionary : .delta
    return [(other, pages - plainPages), (.plain, plainPages)].filter { $0.1 > 0 }
  }

  /// parquet.thrift, `ColumnMetaData`, of a chunk that begins at an offset of the file.
  func encoded(at offset: Int) -> [UInt8] {
    var encodings = Set(dataPages.map(\.encoding.rawValue))
    // Levels, and the dictionary itself.
    encodings.insert(ParquetEncoding.rle.rawValue)
    if isDictionary { encodings.insert(ParquetEncoding.plain.rawValue) }
    return ThriftCompact.structure { thrift in
      thrift.int32(1, column.physicalType)
      thrift.list(2, of: .int32, encodings.sorted()) { $0.element(int32: $1) }
      thrift.list(3, of: .binary, [column.name]) { $0.element(binary: Array($1.utf8)) }
      thrift.int32(4, codec)
      thrift.int64(5, rows)
      thrift.int64(6, uncompressed)
      thrift.int64(7, compressed)
      if hasFacts, !column.facts.isEmpty {
        thrift.list(8, of: .structure, column.facts) { thrift, fact in
          thrift.nested {
            $0.text(1, fact.name)
            $0.text(2, fact.value)
          }
        }
      }
      thrift.int64(9, offset + front)
      if isDictionary { thrift.int64(11, offset) }
      thrift.structure(12) {
        $0.int64(3, nulls)
        guard let bounds = bounds.encoded(column.kind) else { return }
        $0.binary(5, bounds.greatest)
        $0.binary(6, bounds.least)
        $0.flag(7, true)
        $0.flag(8, true)
      }
      var counts = dataPages.map { (page: 0, encoding: $0.encoding.rawValue, count: $0.count) }
      if isDictionary { counts.append((2, ParquetEncoding.plain.rawValue, 1)) }
      thrift.list(13, of: .structure, counts) { thrift, pages in
        thrift.nested {
          $0.int32(1, pages.page)
          $0.int32(2, pages.encoding)
          $0.int32(3, pages.count)
        }
      }
    }
  }
}
