import Foundation
import GRDB
import SampleModel

/// The chunks under construction, one for each stream and kind.
struct OpenChunks {
  /// One chunk and the row it is kept in.
  private struct Open {
    let chunk: ChunkBuilder
    var row: Int64?
    /// Whether it holds more than its row.
    var isDirty = false
    /// Encoded size when it was saved last.
    var bytes = 0
  }

  fileprivate struct Key: Hashable {
    let stream: UInt16
    let kind: FrameHeader.Kind
  }

  private var open: [Key: Open] = [:]
  private var full: [Open] = []

  /// Adds a frame or a batch of records to the chunk it belongs to, whose layout has `columns`.
  mutating func append(_ header: FrameHeader, _ body: Span<UInt64>, columns: Int) {
    let key = Key(stream: header.stream, kind: header.kind)
    if let current = open[key]?.chunk,
      current.bracket != header.bracket || current.epoch != header.epoch
        || current.rowCount >= ChunkBuilder.rowLimit
    {
      close(header.stream, header.kind)
    }
    if open[key] == nil {
      open[key] = Open(
        chunk: ChunkBuilder(
          kind: header.kind, stream: header.stream, epoch: header.epoch, bracket: header.bracket,
          columns: columns))
    }
    open[key]?.chunk.append(header, body)
    open[key]?.isDirty = true
  }

  /// What comes next of the stream goes into a new chunk.
  mutating func close(_ stream: UInt16, _ kind: FrameHeader.Kind) {
    guard let closed = open.removeValue(forKey: Key(stream: stream, kind: kind)), closed.isDirty
    else { return }
    full.append(closed)
  }

  /// Writes everything that no row holds; gives the bytes. `settle` follows when the transaction
  /// has been committed: until then nothing here takes it for saved.
  func save(_ db: Database) throws -> Saved {
    var saved = Saved()
    for chunk in full { _ = try Self.save(chunk, db, &saved) }
    for (key, chunk) in open where chunk.isDirty {
      let (row, bytes) = try Self.save(chunk, db, &saved)
      saved.rows[key] = (row, bytes)
    }
    return saved
  }

  /// Takes note of what has been saved, and forgets what will not grow any more.
  mutating func settle(_ saved: Saved) {
    full.removeAll(keepingCapacity: true)
    for (key, place) in saved.rows {
      open[key]?.row = place.row
      open[key]?.bytes = place.bytes
      open[key]?.isDirty = false
      if place.bytes >= ChunkBuilder.byteLimit { open[key] = nil }
    }
  }

  /// What a transaction has written.
  struct Saved {
    fileprivate(set) var bytes = 0
    fileprivate var rows: [Key: (row: Int64, bytes: Int)] = [:]
  }

  /// Every chunk as it is.
  var chunks: [ChunkBuilder] { full.map(\.chunk) + open.values.map(\.chunk) }

  private static func save(
    _ open: Open, _ db: Database, _ saved: inout Saved
  ) throws -> (row: Int64, bytes: Int) {
    let chunk = open.chunk
    let bytes = chunk.encoded(expecting: open.bytes)
    saved.bytes += bytes.count
    if let row = open.row {
      // What the index holds stays as it is.
      try db.cachedStatement(
        sql: "UPDATE chunk SET rows = ?, last_ns = ?, checksum = ?, data = ? WHERE id = ?"
      ).execute(arguments: [
        chunk.rowCount, Int64(bitPattern: chunk.lastEnd), Checksum.crc32c(bytes), Data(bytes), row,
      ])
      return (row, bytes.count)
    }
    try db.cachedStatement(
      sql: """
        INSERT INTO chunk
          (kind, stream, epoch, bracket, rows, first_ns, last_ns, checksum, data)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    ).execute(arguments: [
      chunk.kind.rawValue, chunk.stream, chunk.epoch, chunk.bracket, chunk.rowCount,
      Int64(bitPattern: chunk.firstStart), Int64(bitPattern: chunk.lastEnd),
      Checksum.crc32c(bytes), Data(bytes),
    ])
    return (db.lastInsertedRowID, bytes.count)
  }
}
