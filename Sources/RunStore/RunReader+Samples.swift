import Foundation
import GRDB
package import SampleModel

/// The samples of a run.
extension RunReader {
  /// The chunks of the tail, which stand in no row.
  func tailChunks() throws(LBError) -> [ChunkBuilder] {
    if let tail { return tail }
    let path = path
    let (open, unread) = try read("reading its tail") { try Tail.chunks(ofRunIn: path, $0) }
    let found = open.chunks.sorted { $0.firstStart < $1.firstStart }
    // What a writer is writing is not there yet.
    if Tail.File(ofRunIn: path)?.isHeld() == false {
      noteDamage(unread, kept: Tail.path(of: path))
    }
    tail = found
    return found
  }

  /// The start of the first sample, on the run's time line.
  func firstStart() throws(LBError) -> UInt64 {
    let last = try tailChunks().first?.firstStart
    let sessions = try sessions()
    let stored: [Int64: UInt64] = try read("reading the clocks") { db in
      var first: [Int64: UInt64] = [:]
      let rows = try Row.fetchAll(
        db, sql: "SELECT session, min(first_ns) AS first FROM chunk GROUP BY session")
      for row in rows {
        first[try row.value("session")] = UInt64(bitPattern: try row.value("first"))
      }
      return first
    }
    var starts: [UInt64] = []
    if let last { starts.append(last &+ (sessions.last?.offset ?? 0)) }
    for (session, first) in stored {
      let offset = sessions.first { $0.id == session }?.offset ?? 0
      starts.append(first &+ offset)
    }
    return starts.min() ?? 0
  }

  /// Committed frames, gaps included.
  package func frameCount() throws(LBError) -> Int {
    let last = try tailChunks().reduce(0) { $0 + ($1.kind == .frame ? $1.rowCount : 0) }
    return try read("counting the frames") { db in
      let odd = try Row.fetchOne(
        db, sql: "SELECT id, rows FROM chunk WHERE rows NOT BETWEEN 0 AND ?",
        arguments: [Chunk.maximumRows])
      if let odd { throw DamagedRow(column: "rows", odd, reason: "no chunk has as many") }
      return try Int.fetchOne(db, sql: "SELECT coalesce(sum(rows), 0) FROM chunk WHERE kind = 1")
        ?? 0
    } + last
  }

  /// The sessions of the run, in order.
  func sessions() throws(LBError) -> [StoredSession] {
    try read("reading the clocks") { db in try StoredSession.all(db) }
  }

  /// What happened beside the samples, as the sinks were told and in that order, the clocks read
  /// together among it; entries of the runner are not. Times are those of the run's time line.
  func sampleEvents(_ sessions: [StoredSession]) throws(LBError) -> [SampleEvent] {
    let anchors = sessions.flatMap(\.anchors)
    guard let first = anchors.first else { return [] }
    let rows = try read("reading the journal") { db in
      try Row.fetchAll(
        db, sql: "SELECT session, unix_ns, kind, message FROM journal ORDER BY id"
      ).map {
        (
          session: try $0.value("session") as Int64, kind: try $0.value("kind") as String,
          unix: Self.unsigned(try $0.value("unix_ns") as Int64?),
          message: try $0.value("message") as String
        )
      }
    }
    let own = Dictionary(
      sessions.map { ($0.id, $0.anchors) }, uniquingKeysWith: { known, _ in known })
    var told = Set([first])
    // A date says when by the clocks that were read together before it. Which those are, the order
    // of the entries tells: behind a step of the wall clock there are dates twice.
    var latest = own.compactMapValues(\.first)
    var events: [SampleEvent] = []
    for row in rows {
      guard let kind = SampleEvent.Kind(rawValue: row.kind), let unix = row.unix else { continue }
      let known = latest[row.session] ?? first
      var read: ClockAnchor?
      if kind.concernsClocks {
        let there = own[row.session] ?? anchors
        read =
          there.first { $0.monotonic >= known.monotonic && $0.realtime == unix }
          ?? there.first { $0.realtime == unix }
      }
      if let read {
        latest[row.session] = read
        told.insert(read)
      }
      let anchor = read ?? known
      events.append(
        SampleEvent(
          kind, time: anchor.monotonic &+ (unix &- anchor.realtime), message: row.message,
          anchor: read))
    }
    for untold in anchors where !told.contains(untold) {
      let place = events.firstIndex { $0.time > untold.monotonic } ?? events.count
      events.insert(
        SampleEvent(.clockAnchor, time: untold.monotonic, message: "", anchor: untold), at: place)
    }
    return events
  }

  func interval() throws(LBError) -> UInt64 {
    try read("reading") { db in
      try Row.fetchOne(db, sql: "SELECT interval_ns FROM run")?.count("interval_ns") ?? 0
    }
  }

  func streams() throws(LBError) -> [StreamMeta.Stream] {
    try read("reading the collectors") { db in
      try Row.fetchAll(
        db, sql: "SELECT * FROM collector WHERE outcome = 'available' ORDER BY stream"
      ).map {
        StreamMeta.Stream(
          collector: try $0.value("name"), stream: try $0.value("stream"),
          thread: try $0.number("thread"), cpu: try $0.value("cpu"),
          cadence: try $0.count("cadence"), required: try $0.value("required"))
      }
    }
  }

  func schemas() throws(LBError) -> [RecordSchema] {
    try read("reading the record schemas") { db in
      try RecordSchema.all(db)
    }
  }

  func layouts() throws(LBError) -> [Layout] {
    try read("reading the layouts") { db in try Layout.all(db) }
  }

  /// The names of every metric that was sampled, what is derived from others too.
  package func metricNames() throws(LBError) -> Set<String> {
    try layouts().reduce(into: []) { names, layout in
      names.formUnion(layout.columns.map(\.name))
      names.formUnion(layout.formulas.map(\.column.name))
    }
  }

  /// Where a chunk is, and by which clock.
  struct ChunkPlace: Equatable {
    /// Negative in the tail.
    let id: Int64
    let session: Int64
  }

  /// From this many brackets on all of a stream's chunks are looked through for theirs.
  private static let manyBrackets = 64

  /// Where a stream's chunks of one kind are, in order of time, of these brackets or of all; those
  /// of the tail come last. The index has all of it: no row is read, of no bracket.
  func chunks(
    stream: UInt16, kind: FrameHeader.Kind, brackets: Set<UInt32>? = nil
  ) throws(LBError) -> [ChunkPlace] {
    // Before the rows: what moves into them meanwhile is then seen twice rather than not at all.
    let tail = try tailChunks()
    func isWanted(_ bracket: UInt32) -> Bool { brackets?.contains(bracket) ?? true }
    let last = tail.indices.filter {
      tail[$0].stream == stream && tail[$0].kind == kind && isWanted(tail[$0].bracket)
    }
    return try read("reading samples") { db in
      var places: [ChunkPlace] = []
      if let brackets, brackets.count < Self.manyBrackets {
        let statement = try db.cachedStatement(sql: Self.chunksOfBracket)
        // One is over before the next one begins, and has the next number.
        for bracket in brackets.sorted() {
          let rows = try Row.fetchAll(statement, arguments: [stream, kind.rawValue, bracket])
          places += try rows.map(Self.place)
        }
      } else {
        let rows = try Row.fetchAll(
          db, sql: Self.chunksOfStream, arguments: [stream, kind.rawValue])
        places = try rows.filter { isWanted(try $0.value("bracket")) }.map(Self.place)
      }
      let session = try last.isEmpty ? 1 : EarlierTables.lastSession(db) ?? 1
      return places + last.map { ChunkPlace(id: -1 - Int64($0), session: session) }
    }
  }

  /// Of one bracket and of all: the index holds what they ask for.
  static let chunksOfBracket = """
    SELECT id, bracket, session FROM chunk WHERE stream = ? AND kind = ? AND bracket = ?
      ORDER BY session, first_ns, id
    """
  static let chunksOfStream = """
    SELECT id, bracket, session FROM chunk WHERE stream = ? AND kind = ?
      ORDER BY session, first_ns, id
    """

  private static func place(_ row: Row) throws -> ChunkPlace {
    ChunkPlace(id: try row.value("id"), session: try row.value("session"))
  }

  /// One chunk, its checksum verified; of the tail's, what no row had that has been read.
  func chunk(_ id: Int64) throws(LBError) -> Chunk {
    let path = path
    if id < 0 {
      let builder = try tailChunks()[Int(-1 - id)]
      let chunk = try decoded(
        builder.encoded(), "of the last samples", builder.stream, builder.epoch, builder.bracket)
      return readTo[Series(chunk)].map(chunk.following) ?? chunk
    }
    let stored = try read("reading samples") { db in
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
      throw LBError(.resultPersistence, "\(path): data chunk \(id) is missing")
    }
    guard Checksum.crc32c(stored.bytes) == stored.checksum else {
      throw LBError(
        .resultPersistence,
        "\(path): data chunk \(id): checksum mismatch; the file is corrupt "
          + "and its samples cannot be exported. 'lbsample runs show \(path)' may still work",
        context: ErrorContext(path: path))
    }
    let chunk = try decoded(
      stored.bytes, "\(id)", stored.stream, stored.epoch, stored.bracket)
    readTo[Series(chunk)] = max(readTo[Series(chunk)] ?? 0, chunk.lastEnd)
    return chunk
  }

  private func decoded(
    _ bytes: [UInt8], _ name: String, _ stream: UInt16, _ epoch: UInt32, _ bracket: UInt32
  ) throws(LBError) -> Chunk {
    do throws(Chunk.Malformed) {
      return try Chunk(decoding: bytes, stream: stream, epoch: epoch, bracket: bracket)
    } catch {
      throw LBError(
        .resultPersistence, "\(path): chunk \(name) does not decode: \(error.reason)",
        context: ErrorContext(path: path))
    }
  }
}
