import Foundation
import GRDB
package import SampleModel

/// The samples, and what is known of them beside their values.
extension RunReader {
  /// The chunks of the tail, which stand in no row.
  func tailChunks() throws(LBError) -> [ChunkBuilder] {
    if let tail { return tail }
    let path = path
    let (open, unread) = try read("reading its tail", of: Tail.tables) {
      try Tail.chunks(ofRunIn: path, $0)
    }
    let found = open.chunks.sorted { $0.firstStart < $1.firstStart }
    // What a writer is writing is not there yet.
    if Tail.File(ofRunIn: path)?.isHeld() == false {
      noteDamage(unread, kept: Tail.path(of: path))
    }
    tail = found
    return found
  }

  func firstStart() throws(LBError) -> UInt64 {
    let last = try tailChunks().first?.firstStart
    let stored = try read("reading", of: ["chunk"]) { db in
      Self.unsigned(try Int64.fetchOne(db, sql: "SELECT min(first_ns) FROM chunk NOT INDEXED"))
    }
    return [last, stored].compactMap(\.self).min() ?? 0
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

  func anchors() throws(LBError) -> [ClockAnchor] {
    try read("reading the clocks", of: ["anchor"]) { db in
      try Row.fetchAll(db, sql: "SELECT * FROM anchor ORDER BY monotonic_ns").map {
        ClockAnchor(
          monotonic: Self.unsigned(try $0.value("monotonic_ns")) ?? 0,
          realtime: Self.unsigned(try $0.value("realtime_ns")) ?? 0,
          boottime: Self.unsigned(try $0.value("boottime_ns")) ?? 0)
      }
    }
  }

  /// What happened beside the samples, as the sinks were told and in that order, the clocks read
  /// together among it; entries of the runner are not.
  func sampleEvents() throws(LBError) -> [SampleEvent] {
    let anchors = try anchors()
    guard let first = anchors.first else { return [] }
    var told = Set([first])
    // A date says when by the clocks that were read together before it. Which those are, the order
    // of the entries tells: behind a step of the wall clock there are dates twice.
    var anchor = first
    var events = try read("reading the journal", of: ["journal"]) { db in
      try Row.fetchAll(db, sql: "SELECT unix_ns, kind, message FROM journal ORDER BY id")
        .compactMap { row -> SampleEvent? in
          guard let kind = SampleEvent.Kind(rawValue: try row.value("kind")),
            let unix = Self.unsigned(try row.value("unix_ns"))
          else { return nil }
          var own: ClockAnchor?
          if kind.concernsClocks {
            own =
              anchors.first { $0.monotonic >= anchor.monotonic && $0.realtime == unix }
              ?? anchors.first { $0.realtime == unix }
          }
          if let own {
            anchor = own
            told.insert(own)
          }
          return SampleEvent(
            kind, time: anchor.monotonic &+ (unix &- anchor.realtime),
            message: try row.value("message"), anchor: own)
        }
    }
    for untold in anchors where !told.contains(untold) {
      let place = events.firstIndex { $0.time > untold.monotonic } ?? events.count
      events.insert(
        SampleEvent(.clockAnchor, time: untold.monotonic, message: "", anchor: untold), at: place)
    }
    return events
  }

  func interval() throws(LBError) -> UInt64 {
    try read("reading", of: ["run"]) { db in
      try Row.fetchOne(db, sql: "SELECT interval_ns FROM run")?.count("interval_ns") ?? 0
    }
  }

  func streams() throws(LBError) -> [StreamMeta.Stream] {
    try read("reading the collectors", of: ["collector"]) { db in
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
    try read("reading the record schemas", of: ["record_schema"]) { db in
      try RecordSchema.all(db)
    }
  }

  func layouts() throws(LBError) -> [Layout] {
    try read("reading the layouts", of: ["layout"]) { db in try Layout.all(db) }
  }

  /// The names of every metric that was sampled, what is derived from others too.
  package func metricNames() throws(LBError) -> Set<String> {
    try layouts().reduce(into: []) { names, layout in
      names.formUnion(layout.columns.map(\.name))
      names.formUnion(layout.formulas.map(\.column.name))
    }
  }

  /// What the chunks of a cursor are of.
  struct Origin: Hashable {
    let stream: UInt16
    let kind: UInt8

    init(_ stream: UInt16, _ kind: FrameHeader.Kind) {
      self.stream = stream
      self.kind = kind.rawValue
    }

    fileprivate init(_ row: Row) throws {
      stream = try row.value("stream")
      kind = try row.value("kind")
    }
  }

  /// Ids of the chunks of each stream and kind in order of time, of these brackets or of all. Those
  /// of the tail come last and are negative.
  func chunkIDs(brackets: Set<UInt32>? = nil) throws(LBError) -> [Origin: [Int64]] {
    // Before the rows: what moves into them meanwhile is then seen twice rather than not at all.
    let tail = try tailChunks()
    func isWanted(_ bracket: UInt32) -> Bool { brackets?.contains(bracket) ?? true }
    var ids: [Origin: [Int64]] = try read("reading samples", of: ["chunk"]) { db in
      var found: [Origin: [Int64]] = [:]
      // The data of a chunk that is not wanted is not read for its row: it comes last in it.
      let rows = try Row.fetchCursor(
        db,
        sql: """
          SELECT id, stream, kind, bracket FROM chunk NOT INDEXED ORDER BY first_ns, id
          """)
      while let row = try rows.next() {
        let (id, bracket): (Int64, UInt32) = (try row.value("id"), try row.value("bracket"))
        // Below zero are those of the tail.
        guard id > 0 else {
          throw DamagedRow(column: "id", row, reason: "no chunk has this number")
        }
        let origin = try Origin(row)
        if isWanted(bracket) { found[origin, default: []].append(id) }
      }
      return found
    }
    for index in tail.indices where isWanted(tail[index].bracket) {
      ids[Origin(tail[index].stream, tail[index].kind), default: []].append(-1 - Int64(index))
    }
    return ids
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
        "\(path): corrupt: data chunk \(id) cannot be reached; its samples cannot be exported",
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
