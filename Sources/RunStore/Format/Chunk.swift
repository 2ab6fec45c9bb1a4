package import SampleModel

/// A stretch of one stream's frames or records within one layout and bracket, as columns.
///
/// Body: the letters `LBC1`, the kind, then row count, value-row count and column count as
/// varints, then each column's byte length and its DELTA_BINARY_PACKED bytes. The first five
/// columns of frames are deadline index, deadline, start, end and flags (outcome, edge in the
/// next byte); frames without values have no entry in the value columns.
package struct Chunk: Sendable, Equatable {
  fileprivate static let magic = Array("LBC1".utf8)
  fileprivate static let headerColumns = 5
  /// Limits for chunks of untrusted files. Zeros are packed to a two-hundredth.
  private static let maximumColumns = 1 << 20
  static let maximumRows = 1 << 20
  /// The most words of a decoded chunk: 128 MiB. Writers close chunks at a quarter of it.
  static let maximumWords = 1 << 24
  /// Words of a row's header among the frames of a chunk.
  private static let wordsOfRow = 8

  package let kind: FrameHeader.Kind
  package let stream: UInt16
  package let epoch: UInt32
  package let bracket: UInt32
  package private(set) var headers: [[UInt64]]
  /// The value columns that were decoded.
  package private(set) var values: [[UInt64]]
  /// All value columns, decoded or not.
  package let columnCount: Int

  /// The reason why bytes are not a chunk.
  package struct Malformed: Error, Equatable {
    package let reason: String
  }

  package var rowCount: Int { headers[0].count }

  /// Words of memory that its frames and their rows take.
  var words: Int { rowCount * Self.wordsOfRow + (values.first?.count ?? 0) * values.count }

  /// Decodes a chunk from untrusted bytes; with `wanted`, only the value columns at these indices,
  /// which ascend. Indices that the chunk does not have give no column: compare `columnCount`.
  package init(
    decoding bytes: [UInt8], stream: UInt16, epoch: UInt32, bracket: UInt32,
    only wanted: [Int]? = nil
  ) throws(Malformed) {
    self.stream = stream
    self.epoch = epoch
    self.bracket = bracket
    guard bytes.starts(with: Self.magic), bytes.count > 5,
      let kind = FrameHeader.Kind(rawValue: bytes[4])
    else { throw Malformed(reason: "not a chunk of a known version") }
    self.kind = kind
    let span = bytes.span
    var position = 5
    let (rows, valueRows, columns): (UInt64, UInt64, UInt64)
    do throws(DeltaBinaryPacked.Malformed) {
      rows = try Varint.read(span, &position)
      valueRows = try Varint.read(span, &position)
      columns = try Varint.read(span, &position)
      guard rows <= UInt64(Self.maximumRows), valueRows <= rows,
        columns <= UInt64(Self.maximumColumns)
      else { throw .header }
    } catch {
      throw Malformed(reason: "damaged column: \(error)")
    }
    columnCount = Int(columns)
    // Cannot overflow: all were checked.
    let words = rows * UInt64(Self.wordsOfRow) + valueRows * columns
    guard words <= UInt64(Self.maximumWords) else {
      throw Malformed(
        reason: "it would take \(words >> 17) MiB of memory, and no chunk takes more than "
          + "\(Self.maximumWords >> 17) MiB")
    }
    do throws(DeltaBinaryPacked.Malformed) {
      var (headers, values): ([[UInt64]], [[UInt64]]) = ([], [])
      var rest = wanted?[...]
      for index in 0..<Self.headerColumns + Int(columns) {
        let length = try Varint.read(span, &position)
        guard length <= UInt64(span.count - position) else { throw .truncated }
        let column = span.extracting(position..<position + Int(length))
        position += Int(length)
        let isHeader = index < Self.headerColumns
        if !isHeader, wanted != nil {
          guard rest?.first == index - Self.headerColumns else { continue }
          rest?.removeFirst()
        }
        let expected = Int(isHeader ? rows : valueRows)
        let entries = try DeltaBinaryPacked.decode(column, limit: expected)
        guard entries.count == expected else { throw .header }
        if isHeader { headers.append(entries) } else { values.append(entries) }
      }
      (self.headers, self.values) = (headers, values)
    } catch {
      throw Malformed(reason: "damaged column: \(error)")
    }
  }

  /// CLOCK_MONOTONIC end of the last acquisition; 0 of none.
  var lastEnd: UInt64 { headers[3].last ?? 0 }

  /// The chunk without the rows that end at `end` or before.
  func following(_ end: UInt64) -> Chunk {
    let rows = headers[3].prefix { $0 <= end }.count
    guard rows > 0 else { return self }
    let complete = UInt64(AcquisitionOutcome.complete.rawValue)
    let valueRows = headers[4][..<rows].count { $0 & 0xFF == complete }
    var rest = self
    rest.headers = headers.map { Array($0[rows...]) }
    rest.values = values.map { Array($0[min(valueRows, $0.count)...]) }
    return rest
  }

  /// Every frame in order, with the range of its values in `rows`, where the frames are
  /// concatenated; empty for a gap.
  package func frames() throws(LBError) -> (frames: [(FrameHeader, Range<Int>)], rows: [UInt64]) {
    var frames: [(FrameHeader, Range<Int>)] = []
    frames.reserveCapacity(rowCount)
    let valueRows = values.first?.count ?? 0
    var valueRow = 0
    for row in 0..<rowCount {
      let flags = headers[4][row]
      guard let outcome = AcquisitionOutcome(rawValue: UInt8(truncatingIfNeeded: flags)),
        let edge = BracketEdge(rawValue: UInt8(truncatingIfNeeded: flags >> 8))
      else {
        throw LBError(.resultPersistence, "a chunk of stream \(stream) has unknown flags")
      }
      let header = FrameHeader(
        kind: kind, outcome: outcome, edge: edge, stream: stream, epoch: epoch,
        bracket: bracket, deadlineIndex: headers[0][row], deadline: headers[1][row],
        start: headers[2][row], end: headers[3][row])
      var range = 0..<0
      if outcome == .complete, valueRow < valueRows {
        range = valueRow * values.count..<(valueRow + 1) * values.count
        valueRow += 1
      }
      frames.append((header, range))
    }
    return (frames, rows(valueRows))
  }

  /// The columns turned into rows, eight columns at a time: a cache line of each row.
  private func rows(_ count: Int) -> [UInt64] {
    let width = values.count
    var rows = [UInt64](repeating: 0, count: count * width)
    var out = rows.mutableSpan
    for start in stride(from: 0, to: width, by: 8) {
      for column in start..<min(start + 8, width) {
        let entries = values[column]
        var offset = column
        for row in 0..<count {
          out[offset] = entries[row]
          offset += width
        }
      }
    }
    return rows
  }
}

/// A chunk under construction: its columns are encoded as they grow.
///
/// A class, since open chunks are modified in place with every frame.
package final class ChunkBuilder {
  /// Rows after which a chunk is closed.
  package static let rowLimit = 512
  /// Encoded bytes after which a chunk is closed.
  package static let byteLimit = 64 << 10
  /// Values after which a chunk is closed, however well they compress: readers unpack it whole.
  package static let valueLimit = Chunk.maximumWords / 4

  package let kind: FrameHeader.Kind
  package let stream: UInt16
  package let epoch: UInt32
  package let bracket: UInt32
  package private(set) var rowCount = 0
  package private(set) var firstStart: UInt64 = 0
  package private(set) var lastEnd: UInt64 = 0
  private var headers: ColumnEncoder
  private var values: ColumnEncoder

  /// Whether nothing may be added to it any more.
  package var isFull: Bool {
    rowCount >= Self.rowLimit || rowCount * values.width >= Self.valueLimit
  }

  /// An empty chunk of `columns` value columns.
  package init(
    kind: FrameHeader.Kind, stream: UInt16, epoch: UInt32, bracket: UInt32, columns: Int
  ) {
    self.kind = kind
    self.stream = stream
    self.epoch = epoch
    self.bracket = bracket
    headers = ColumnEncoder(width: Chunk.headerColumns)
    values = ColumnEncoder(width: columns)
  }

  /// Appends one frame, with or without values, or a batch of whole record rows.
  package func append(_ header: FrameHeader, _ body: Span<UInt64>) {
    let width = values.width
    let rows = kind == .records ? body.count / max(1, width) : 1
    let flags = UInt64(header.outcome.rawValue) | UInt64(header.edge.rawValue) << 8
    if rowCount == 0 { firstStart = header.start }
    lastEnd = header.end
    rowCount += rows
    let front: [5 of UInt64] = [
      header.deadlineIndex, header.deadline, header.start, header.end, flags,
    ]
    for row in 0..<rows {
      headers.append(front.span)
      guard body.count >= (row + 1) * width else { continue }
      values.append(body.extracting(row * width..<(row + 1) * width))
    }
  }

  /// The bytes of the chunk so far; `length` is an estimate of their number.
  package func encoded(expecting length: Int = 0) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(length + length / 8 + 256)
    bytes += Chunk.magic
    bytes.append(kind.rawValue)
    Varint.append(UInt64(rowCount), to: &bytes)
    Varint.append(UInt64(values.width == 0 ? 0 : values.count), to: &bytes)
    Varint.append(UInt64(values.width), to: &bytes)
    headers.write(to: &bytes)
    values.write(to: &bytes)
    return bytes
  }
}
