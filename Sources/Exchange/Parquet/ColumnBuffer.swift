import RunStore
import SampleModel

/// One column of the open row group: its open page, and the pages that are encoded.
final class ColumnBuffer {
  /// What the indexes say of a page.
  private struct PageFacts {
    let offset: Int
    let size: Int
    let firstRow: Int
    let nulls: Int
    let bounds: ColumnBounds
  }

  /// A column of a row group as it goes into the file.
  struct Chunk {
    var bytes: [UInt8]
    /// ColumnMetaData, for a chunk that begins at an offset of the file.
    var metadata: (Int) -> [UInt8]
    var columnIndex: [UInt8]?
    var offsetIndex: (Int) -> [UInt8]
    var uncompressed: Int
  }

  /// Beyond these a row group's further texts are written as they are.
  private static let dictionaryEntries = 1 << 16
  private static let dictionaryBytes = 1 << 20

  let column: ParquetColumn
  private let encoder: PageEncoder

  private var numbers: [UInt64] = []
  private var levels = RunLengths()
  private var texts = RunLengths()

  private var bytes: [UInt8] = []
  private var pages: [PageFacts] = []
  private var uncompressed = 0
  private var plainPages = 0
  private var rowsBefore = 0
  private var entries: [[UInt8]] = []
  private var numbersOfTexts: [ExactText: UInt32] = [:]
  private var entryBytes = 0
  private var dictionaryLimit: Int?
  private var lastText: (text: String, number: UInt32)?

  init(_ column: ParquetColumn, _ encoder: PageEncoder) {
    self.column = column
    self.encoder = encoder
  }

  /// Rows of the open page.
  var openRows: Int { levels.count }
  /// Encoded bytes of the row group.
  var encodedBytes: Int { bytes.count }

  /// Adds rows with values: numbers, or the bits of reals.
  func append(_ values: Span<UInt64>) {
    levels.append(1, count: values.count)
    // Safe: the buffer is read while the span lives.
    unsafe values.withUnsafeBufferPointer { unsafe numbers.append(contentsOf: $0) }
  }

  /// Adds rows of which some have values.
  func append(_ values: Span<UInt64>, _ presences: [ColumnPiece.Presence]) {
    var position = 0
    for presence in presences {
      if presence.isPresent {
        append(values.extracting(position..<position + presence.count))
        position += presence.count
      } else {
        appendNulls(presence.count)
      }
    }
  }

  /// Adds rows with one value.
  func append(_ value: UInt64, count: Int = 1) {
    levels.append(1, count: count)
    numbers.append(contentsOf: repeatElement(value, count: count))
  }

  /// Adds rows without a value.
  func appendNulls(_ count: Int) {
    precondition(column.isOptional, "\(column.name) has a value in each row")
    levels.append(0, count: count)
  }

  /// Adds rows with one text, which is written as `OSText.written` has it.
  func append(_ text: String, count: Int = 1) {
    levels.append(1, count: count)
    texts.append(number(of: text), count: count)
  }

  private func number(of text: String) -> UInt32 {
    if let lastText, ExactText(lastText.text) == ExactText(text) { return lastText.number }
    let key = ExactText(text)
    var number = UInt32(entries.count)
    if let known = numbersOfTexts[key] {
      number = known
    } else {
      numbersOfTexts[key] = number
      let bytes = Array(OSText.written(text).utf8)
      entryBytes += bytes.count
      entries.append(bytes)
    }
    lastText = (text, number)
    return number
  }

  /// Ends the open page.
  func endPage() throws(LBError) {
    let rows = levels.count
    guard rows > 0 else { return }
    let levelRuns = column.isOptional ? levels : nil
    var bounds = ColumnBounds()
    let page: PageEncoder.Page
    // A copy of the reference: a span of a class's property would be an access to the class.
    let values = numbers
    var valueCount = values.count
    if column.kind == .text {
      valueCount = texts.count
      for run in texts.runs { bounds.add(entries[Int(run.value)]) }
      if dictionaryLimit == nil,
        entries.count > Self.dictionaryEntries || entryBytes > Self.dictionaryBytes
      {
        // The entries of the pages so far are the dictionary.
        dictionaryLimit = entriesOfPages
      }
      // A dictionary of nothing is an empty page, which not every reader expects.
      if dictionaryLimit == nil, !entries.isEmpty {
        entriesOfPages = entries.count
        page = try encoder.page(
          indices: texts, entries: entries.count, rows: rows, levels: levelRuns)
      } else {
        page = try encoder.page(texts: texts, entries, rows: rows, levels: levelRuns)
      }
    } else {
      bounds.add(values.span, column.kind)
      page = try encoder.page(values.span, rows: rows, levels: levelRuns, column.kind)
    }
    pages.append(
      PageFacts(
        offset: bytes.count, size: page.bytes.count, firstRow: rowsBefore,
        nulls: rows - valueCount, bounds: bounds))
    if page.encoding == .plain { plainPages += 1 }
    bytes += page.bytes
    uncompressed += page.uncompressed
    rowsBefore += rows
    numbers = []
    numbers.reserveCapacity(values.count)
    levels.clear()
    texts.clear()
  }

  private var entriesOfPages = 0

  /// The row group's column, after which the next one begins.
  func takeChunk(isFirst: Bool) throws(LBError) -> Chunk {
    precondition(levels.count == 0, "the last page is ended")
    var front: [UInt8] = []
    let isDictionary = column.kind == .text && plainPages < pages.count
    var all = uncompressed
    if isDictionary {
      let page = try encoder.dictionary(Array(entries.prefix(dictionaryLimit ?? entries.count)))
      front = page.bytes
      all += page.uncompressed
    }
    let whole = front + bytes
    var bounds = ColumnBounds()
    for page in pages { bounds.add(page.bounds, column.kind) }
    let facts = ChunkFacts(
      column: column, codec: encoder.codec,
      isDictionary: isDictionary, plainPages: plainPages, pages: pages.count, rows: rowsBefore,
      nulls: pages.reduce(0) { $0 + $1.nulls }, bounds: bounds, uncompressed: all,
      compressed: whole.count, front: front.count, hasFacts: isFirst)
    let pages = pages
    let chunk = Chunk(
      bytes: whole, metadata: { facts.encoded(at: $0) },
      columnIndex: Self.columnIndex(pages, column),
      offsetIndex: { Self.offsetIndex(pages, at: $0 + front.count) }, uncompressed: all)
    clear()
    return chunk
  }

  private func clear() {
    bytes = []
    pages = []
    (uncompressed, plainPages, rowsBefore, entryBytes, entriesOfPages) = (0, 0, 0, 0, 0)
    entries = []
    numbersOfTexts = [:]
    (dictionaryLimit, lastText) = (nil, nil)
  }

  /// parquet.thrift, `ColumnIndex`; nil if the bounds of a page are not known.
  private static func columnIndex(_ pages: [PageFacts], _ column: ParquetColumn) -> [UInt8]? {
    var bounds: [(least: [UInt8], greatest: [UInt8])] = []
    var nullPages: [Bool] = []
    for page in pages {
      let isNull = !page.bounds.isKnown
      guard let found = isNull ? ([], []) : page.bounds.encoded(column.kind) else { return nil }
      // A page of NaN alone has values, and no bounds.
      guard !isNull || page.nulls > 0 else { return nil }
      nullPages.append(isNull)
      bounds.append(found)
    }
    let known = pages.filter(\.bounds.isKnown).map(\.bounds)
    let pairs = zip(known, known.dropFirst())
    let order =
      pairs.allSatisfy { $0.precedes($1, column.kind) }
      ? 1 : pairs.allSatisfy { $1.precedes($0, column.kind) } ? 2 : 0
    return ThriftCompact.structure { thrift in
      thrift.list(1, of: .yes, nullPages) { $0.element(flag: $1) }
      thrift.list(2, of: .binary, bounds) { $0.element(binary: $1.least) }
      thrift.list(3, of: .binary, bounds) { $0.element(binary: $1.greatest) }
      thrift.int32(4, order)
      thrift.list(5, of: .int64, pages) { $0.element(int64: $1.nulls) }
    }
  }

  /// parquet.thrift, `OffsetIndex`, of pages from an offset of the file.
  private static func offsetIndex(_ pages: [PageFacts], at offset: Int) -> [UInt8] {
    ThriftCompact.structure { thrift in
      thrift.list(1, of: .structure, pages) { thrift, page in
        thrift.nested {
          $0.int64(1, offset + page.offset)
          $0.int32(2, page.size)
          $0.int64(3, page.firstRow)
        }
      }
    }
  }
}
