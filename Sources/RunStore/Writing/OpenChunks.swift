import Foundation
import GRDB
import SampleModel

/// The chunks under construction, one for each stream and kind.
struct OpenChunks {
  /// One chunk and the row it is kept in.
  private struct Open {
    let chunk: ChunkBuilder
    var row: Int64?
    /// Rows of the chunk that its row holds.
    var savedRows = 0
    /// Encoded size when it was saved last.
    var bytes = 0

    /// Whether it holds more than its row.
    var isDirty: Bool { chunk.rowCount > savedRows }
  }

  /// By stream, frames before records.
  private var open: [Open?] = []
  private var full: [Open] = []

  private static func index(_ stream: UInt16, _ kind: FrameHeader.Kind) -> Int {
    Int(stream) << 1 | (kind == .records ? 1 : 0)
  }

  /// Adds a frame or a batch of records to the chunk it belongs to, whose layout has `columns`.
  mutating func append(
    _ header: FrameHeader, _ body: Span<UInt64>, columns: @autoclosure () -> Int
  ) {
    let index = Self.index(header.stream, header.kind)
    while open.count <= index { open.append(nil) }
    if let chunk = open[index]?.chunk {
      if chunk.bracket == header.bracket, chunk.epoch == header.epoch,
        !chunk.isFull
      {
        return chunk.append(header, body)
      }
      close(header.stream, header.kind)
    }
    let chunk = ChunkBuilder(
      kind: header.kind, stream: header.stream, epoch: header.epoch, bracket: header.bracket,
      columns: columns())
    chunk.append(header, body)
    open[index] = Open(chunk: chunk)
  }

  /// What comes next of the stream goes into a new chunk.
  mutating func close(_ stream: UInt16, _ kind: FrameHeader.Kind) {
    let index = Self.index(stream, kind)
    guard index < open.count, let closed = open[index] else { return }
    open[index] = nil
    if closed.isDirty { full.append(closed) }
  }

  /// Writes everything that no row holds, as of `session`, nil where the file has no sessions;
  /// gives the bytes. `settle` follows when the transaction has been committed: until then nothing
  /// here takes it for saved.
  func save(_ db: Database, session: Int64?) throws -> Saved {
    var saved = Saved()
    for chunk in full { _ = try Self.save(chunk, db, session, &saved) }
    for (index, chunk) in open.enumerated() {
      guard let chunk, chunk.isDirty else { continue }
      let (row, bytes) = try Self.save(chunk, db, session, &saved)
      saved.rows.append((index, row, bytes))
    }
    return saved
  }

  /// Takes note of what has been saved, and forgets what will not grow any more.
  mutating func settle(_ saved: Saved) {
    full.removeAll(keepingCapacity: true)
    for (index, row, bytes) in saved.rows {
      guard var chunk = open[index] else { continue }
      chunk.row = row
      chunk.bytes = bytes
      chunk.savedRows = chunk.chunk.rowCount
      open[index] = bytes < ChunkBuilder.byteLimit ? chunk : nil
    }
  }

  /// What a transaction has written.
  struct Saved {
    fileprivate(set) var bytes = 0
    fileprivate var rows: [(index: Int, row: Int64, bytes: Int)] = []
  }

  /// Every chunk as it is.
  var chunks: [ChunkBuilder] { full.map(\.chunk) + open.compactMap { $0?.chunk } }

  private static func save(
    _ open: Open, _ db: Database, _ session: Int64?, _ saved: inout Saved
  ) throws -> (row: Int64, bytes: Int) {
    let chunk = open.chunk
    let bytes = chunk.encoded(expecting: open.bytes)
    saved.bytes += bytes.count
    if let row = open.row {
      // What the index holds stays as it is.
      try db.cachedStatement(
        sql: "UPDATE main.chunk SET rows = ?, last_ns = ?, checksum = ?, data = ? WHERE id = ?"
      ).execute(arguments: [
        chunk.rowCount, Int64(bitPattern: chunk.lastEnd), Checksum.crc32c(bytes), Data(bytes), row,
      ])
      return (row, bytes.count)
    }
    let (column, value) = session.map { (", session", ", \($0)") } ?? ("", "")
    try db.cachedStatement(
      sql: """
        INSERT INTO main.chunk
          (kind, stream, epoch, bracket, rows, first_ns, last_ns, checksum, data\(column))
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?\(value))
        """
    ).execute(arguments: [
      chunk.kind.rawValue, chunk.stream, chunk.epoch, chunk.bracket, chunk.rowCount,
      Int64(bitPattern: chunk.firstStart), Int64(bitPattern: chunk.lastEnd),
      Checksum.crc32c(bytes), Data(bytes),
    ])
    return (db.lastInsertedRowID, bytes.count)
  }
}
