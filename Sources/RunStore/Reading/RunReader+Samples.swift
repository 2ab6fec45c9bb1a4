import Foundation
import GRDB
package import SampleModel

/// The locations of chunks in rows. All are found in one pass of their table, since a damaged index
/// would hide some.
struct StoredChunks {
  /// PRAGMA data_version at the last reading.
  fileprivate var version: Int?
  fileprivate var lists: [Origin: List] = [:]

  /// The stream and kind of a list of chunks.
  fileprivate struct Origin: Hashable {
    let stream: UInt16
    let kind: UInt8
  }

  /// The chunks of one stream and kind, in order of time.
  fileprivate struct List {
    var locations: [RunReader.ChunkLocation] = []
    /// Their indices by bracket.
    var ofBracket: [UInt32: [Int]] = [:]

    mutating func add(_ location: RunReader.ChunkLocation, _ bracket: UInt32) {
      ofBracket[bracket, default: []].append(locations.count)
      locations.append(location)
    }
  }
}

/// The samples of a run.
extension RunReader {
  /// The chunks of the tail, which are not in rows.
  func tailChunks() throws(LBError) -> [ChunkBuilder] {
    if let tail { return tail }
    let path = path
    let (open, loss) = try read("reading its tail", of: Tail.tables) {
      try Tail.chunks(ofRunIn: path, $0)
    }
    let found = open.chunks.sorted { $0.firstStart < $1.firstStart }
    // The tail of a living writer is not read.
    if Tail.File(ofRunIn: path)?.isHeld() == false {
      note(loss, keptAt: Tail.path(of: path))
    }
    tail = found
    return found
  }

  /// Committed frames, gaps included.
  package func frameCount() throws(LBError) -> Int {
    let last = try tailChunks().reduce(0) { $0 + ($1.kind == .frame ? $1.rowCount : 0) }
    return try read("counting the frames", of: ["chunk"]) { db in
      let odd = try Row.fetchOne(
        db, sql: "SELECT id, rows FROM chunk NOT INDEXED WHERE rows NOT BETWEEN 0 AND ?",
        arguments: [Chunk.maximumRows])
      if let odd { throw DamagedRow(column: "rows", odd, reason: "no chunk has as many") }
      return try Int.fetchOne(
        db, sql: "SELECT coalesce(sum(rows), 0) FROM chunk NOT INDEXED WHERE kind = 1") ?? 0
    } + last
  }

  /// The location of a chunk, and the session of its clock.
  struct ChunkLocation: Equatable {
    /// Negative in the tail.
    let id: Int64
    let session: Int64
    /// The start of its first acquisition and the end of its last one, by its session's clock.
    let first: UInt64
    let last: UInt64
  }

  /// The locations of a stream's chunks of one kind in order of time, of these brackets or of all;
  /// those of the tail come last. The rows are scanned once for all calls, unless another process
  /// writes them meanwhile.
  func chunks(
    stream: UInt16, kind: FrameHeader.Kind, brackets: Set<UInt32>? = nil
  ) throws(LBError) -> [ChunkLocation] {
    // Before the rows: samples that move into rows meanwhile are then found twice rather than
    // missed.
    let tail = try tailChunks()
    let last = tail.indices.filter {
      tail[$0].stream == stream && tail[$0].kind == kind
        && brackets?.contains(tail[$0].bracket) ?? true
    }
    let origin = StoredChunks.Origin(stream: stream, kind: kind.rawValue)
    return try read("reading samples", of: ["chunk", "session"]) { db in
      try findChunks(db)
      let list = storedChunks.lists[origin] ?? StoredChunks.List()
      var locations = list.locations
      if let brackets {
        // Sorted indices keep the order of time.
        let wanted = brackets.flatMap { list.ofBracket[$0] ?? [] }.sorted()
        locations = wanted.map { list.locations[$0] }
      }
      let session = try last.isEmpty ? 1 : EarlierTables.lastSession(db) ?? 1
      return locations
        + last.map { index in
          ChunkLocation(
            id: -1 - Int64(index), session: session,
            first: tail[index].firstStart, last: tail[index].lastEnd)
        }
    }
  }

  /// Finds the chunks, if another connection has changed the file since the last time.
  private func findChunks(_ db: Database) throws {
    let version = try Int.fetchOne(db, sql: "PRAGMA data_version")
    guard storedChunks.version != version else { return }
    if storedChunks.version != nil { try verifyAgain(["chunk", "session"], db) }
    storedChunks = StoredChunks()
    let rows = try Row.fetchCursor(
      db,
      sql: """
        SELECT id, stream, kind, bracket, session, first_ns, last_ns FROM chunk NOT INDEXED
          ORDER BY session, first_ns, id
        """)
    while let row = try rows.next() {
      let id: Int64 = try row.value("id")
      // Negative ids are those of the tail.
      guard id > 0 else {
        throw DamagedRow(column: "id", row, reason: "no chunk has this number")
      }
      let origin = StoredChunks.Origin(
        stream: try row.value("stream"), kind: try row.value("kind"))
      let bracket: UInt32 = try row.value("bracket")
      let location = ChunkLocation(
        id: id, session: try row.value("session"),
        first: UInt64(bitPattern: try row.value("first_ns")),
        last: UInt64(bitPattern: try row.value("last_ns")))
      storedChunks.lists[origin, default: StoredChunks.List()].add(location, bracket)
    }
    storedChunks.version = version
  }

  /// One chunk, its checksum verified; of a tail's chunk, the part that was not in rows.
  /// `wanted` gives the indices of the value columns to decode for an epoch of the chunk's stream,
  /// ascending; nil for all.
  func chunk(
    _ id: Int64, only wanted: (_ epoch: UInt32) -> [Int]? = { _ in nil }
  ) throws(LBError) -> Chunk {
    let path = path
    if id < 0 {
      let builder = try tailChunks()[Int(-1 - id)]
      let chunk = try decoded(
        builder.encoded(), "of the last samples", builder.stream, builder.epoch, builder.bracket,
        wanted(builder.epoch))
      return readTo[Series(chunk)].map(chunk.following) ?? chunk
    }
    let stored = try read("reading samples", of: ["chunk"]) { db in
      try Row.fetchOne(
        db, sql: "SELECT stream, epoch, bracket, checksum, data FROM chunk WHERE id = ?",
        arguments: [id]
      ).map { row in
        (
          bytes: [UInt8](try row.value("data") as Data),
          checksum: try row.value("checksum") as UInt32, stream: try row.value("stream") as UInt16,
          epoch: try row.value("epoch") as UInt32, bracket: try row.value("bracket") as UInt32
        )
      }
    }
    guard let stored else {
      throw LBError(
        .resultPersistence,
        "\(path): corrupt: data chunk \(id) cannot be found; its samples cannot be exported",
        context: ErrorContext(path: path))
    }
    guard Checksum.crc32c(stored.bytes) == stored.checksum else {
      throw LBError(
        .resultPersistence,
        "\(path): data chunk \(id): checksum mismatch; the file is corrupt "
          + "and its samples cannot be exported. 'lbsample runs show \(path)' may still work",
        context: ErrorContext(path: path))
    }
    let chunk = try decoded(
      stored.bytes, "\(id)", stored.stream, stored.epoch, stored.bracket, wanted(stored.epoch))
    readTo[Series(chunk)] = max(readTo[Series(chunk)] ?? 0, chunk.lastEnd)
    return chunk
  }

  private func decoded(
    _ bytes: [UInt8], _ name: String, _ stream: UInt16, _ epoch: UInt32, _ bracket: UInt32,
    _ wanted: [Int]?
  ) throws(LBError) -> Chunk {
    do throws(Chunk.Malformed) {
      return try Chunk(
        decoding: bytes, stream: stream, epoch: epoch, bracket: bracket, only: wanted)
    } catch {
      throw LBError(
        .resultPersistence, "\(path): chunk \(name) does not decode: \(error.reason)",
        context: ErrorContext(path: path))
    }
  }
}
