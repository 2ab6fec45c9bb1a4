import Foundation
import GRDB
package import SampleModel

/// Reads one run's file; never trusts it.
package final class RunReader {
  package let path: String
  let queue: DatabaseQueue
  /// The writer is gone and the file cannot be told so (a full disk, a read-only place).
  var isUnmarkedlyAbandoned = false
  /// What of the last samples could not be read, and where it is kept, in words.
  package internal(set) var damage: String?
  /// What the tail holds and no row did when it was first asked for.
  private var tail: [ChunkBuilder]?
  /// Where the rows that were read end, by what they are of.
  private var readTo: [Series: UInt64] = [:]

  private struct Series: Hashable {
    let kind: FrameHeader.Kind
    let stream: UInt16
    let bracket: UInt32

    init(_ chunk: Chunk) {
      kind = chunk.kind
      stream = chunk.stream
      bracket = chunk.bracket
    }
  }

  /// Opens a result file, whether it is closed, being recorded, or was left by a killed writer. One
  /// that lacks a table is refused, but where nothing is to be made of what is in it.
  package init(path: String, mayLackTables: Bool = false) throws(LBError) {
    self.path = path
    var isDirectory: ObjCBool = false
    guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory),
      !isDirectory.boolValue
    else {
      throw LBError(
        .configuration, "\(path): no such result file; lbsample runs list shows what there is",
        context: ErrorContext(path: path))
    }
    try FreeDescriptors.check(for: path)
    try FreeThreads.check(for: path)
    do {
      queue = try Self.open(path)
      try queue.read { db in try Schema.check(db, path, mayLackTables: mayLackTables) }
    } catch let error as LBError {
      throw error
    } catch {
      if (error as? DatabaseError)?.resultCode == .SQLITE_NOTADB {
        throw LBError(
          .configuration, "\(path) is not an lbsample result file",
          context: ErrorContext(path: path))
      }
      throw StoreFailure.error(error, path: path, doing: "opening")
    }
  }

  /// A file that we may not write, or that is another user's, is read as it is; any other is opened
  /// for writing: a live log's shared-memory file is needed. Where there is no room for that one,
  /// the log is read by this process alone, which keeps the index in its own memory.
  private static func open(_ path: String) throws -> DatabaseQueue {
    var settings = Configuration()
    settings.busyMode = .timeout(5)
    let mayWrite = RunDirectory.isOwn(path) && FileManager.default.isWritableFile(atPath: path)
    settings.readonly = !mayWrite
    do {
      let queue = try DatabaseQueue(path: path, configuration: settings)
      _ = try queue.read { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") }
      return queue
    } catch let error as DatabaseError
      where [.SQLITE_FULL, .SQLITE_IOERR, .SQLITE_CANTOPEN].contains(error.resultCode)
    {
      settings.prepareDatabase { db in try db.execute(sql: "PRAGMA locking_mode = EXCLUSIVE") }
      return try DatabaseQueue(path: path, configuration: settings)
    }
  }

  deinit { FreeThreads.spare(queue) }

  func read<T>(_ doing: String, _ body: (Database) throws -> T) throws(LBError) -> T {
    do {
      return try queue.read { db in try body(db) }
    } catch let error as LBError {
      throw error
    } catch {
      throw StoreFailure.error(error, path: path, doing: doing)
    }
  }

  /// PRAGMA integrity_check: `ok`, or what is wrong.
  package func integrity() throws(LBError) -> String {
    try read("checking") { db in
      try String.fetchAll(db, sql: "PRAGMA integrity_check").joined(separator: "; ")
    }
  }

  /// Whether the process that writes this run is alive.
  package func writerIsAlive() throws(LBError) -> Bool {
    try read("reading") { db in try Self.writerIsAlive(db) }
  }

  static func writerIsAlive(_ db: Database) throws -> Bool {
    guard let row = try Row.fetchOne(db, sql: "SELECT pid, pid_start, boot_id FROM run") else {
      return false
    }
    return ProcessIdentity(
      pid: try row.value("pid"), start: try row.value("pid_start"), bootID: try row.value("boot_id")
    ).isAlive
  }

  /// Closes the file; makes it one plain file when the run has ended and nobody else is there.
  package func close() {
    var isOver = false
    do throws(LBError) {
      let status = try read("reading") { db in
        try String.fetchOne(db, sql: "SELECT status FROM run")
      }
      isOver = ![RunStatus.running, .waiting].map(\.rawValue).contains(status)
    } catch {
      // Unreadable: there is nothing to finish.
    }
    if isOver, !queue.configuration.readonly {
      Tail.settle(ofRunIn: path, queue)
      PlainFile.settle(queue)
    } else {
      do { try queue.close() } catch {
        // A statement is still in use somewhere: the connection goes with the process.
      }
    }
  }

  /// What of the last samples cannot be read, in words; nil where all of it can.
  package func damageOfTail() throws(LBError) -> String? {
    _ = try tailChunks()
    return damage
  }

  // MARK: The samples

  /// The chunks of the tail, which stand in no row.
  private func tailChunks() throws(LBError) -> [ChunkBuilder] {
    if let tail { return tail }
    let path = path
    let (open, loss) = try read("reading its tail") { try Tail.chunks(ofRunIn: path, $0) }
    let found = open.chunks.sorted { $0.firstStart < $1.firstStart }
    // What a writer is writing is not there yet.
    if Tail.File(ofRunIn: path)?.isHeld() == false {
      note(loss, kept: Tail.path(of: path))
    }
    tail = found
    return found
  }

  func firstStart() throws(LBError) -> UInt64 {
    let last = try tailChunks().first?.firstStart
    let stored = try read("reading") { db in
      Self.unsigned(try Int64.fetchOne(db, sql: "SELECT min(first_ns) FROM chunk"))
    }
    return [last, stored].compactMap(\.self).min() ?? 0
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

  func anchors() throws(LBError) -> [ClockAnchor] {
    try read("reading the clocks") { db in
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
    var events = try read("reading the journal") { db in
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

  /// Ids of a stream's chunks of one kind in order of time, of these brackets or of all. Those of
  /// the tail come last and are negative.
  func chunkIDs(
    stream: UInt16, kind: FrameHeader.Kind, brackets: Set<UInt32>? = nil
  ) throws(LBError) -> [Int64] {
    // Before the rows: what moves into them meanwhile is then seen twice rather than not at all.
    let tail = try tailChunks()
    func isWanted(_ bracket: UInt32) -> Bool { brackets?.contains(bracket) ?? true }
    let last = tail.indices.filter {
      tail[$0].stream == stream && tail[$0].kind == kind && isWanted(tail[$0].bracket)
    }
    return try read("reading samples") { db in
      // The data of a chunk that is not wanted is not read for its row: it comes last in it.
      try Row.fetchAll(
        db,
        sql: """
          SELECT id, bracket FROM chunk WHERE stream = ? AND kind = ? ORDER BY first_ns, id
          """, arguments: [stream, kind.rawValue]
      ).compactMap { isWanted(try $0.value("bracket")) ? try $0.value("id") : nil }
    } + last.map { -1 - Int64($0) }
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
