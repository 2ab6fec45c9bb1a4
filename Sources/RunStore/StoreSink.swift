import Foundation
import GRDB
package import SampleModel

/// The drain's way into a run's file: open chunks in memory, committed each second.
///
/// The open chunk of a stream is one row, rewritten at each commit until it is full.
package final class StoreSink: SampleSink {
  /// One chunk under construction and the row it is kept in.
  private struct Open {
    let chunk: ChunkBuilder
    var row: Int64?
    var isDirty = false
    /// Encoded size at the last commit.
    var bytes = 0
  }

  private struct Key: Hashable {
    let stream: UInt16
    let kind: UInt8
  }

  /// Commits come at least this far apart, unless a bracket ends: the drain's passes may be
  /// more frequent for other sinks' sake. With a pass each 0.1 s this keeps within the second.
  private static let commitGap: UInt64 = 800_000_000

  private let writer: RunWriter
  private let earlier: Resumption
  private let now: () -> UInt64
  private var layouts: [UInt16: Layout] = [:]
  private var schemas: [UInt16: RecordSchema] = [:]
  private var open: [Key: Open] = [:]
  private var full: [Open] = []
  private var pendingLayouts: [Layout] = []
  private var pendingEvents: [SampleEvent] = []
  private var anchor: ClockAnchor?
  private var lastCommit: UInt64 = 0

  /// A sink into `writer`'s file, behind what is there of an earlier session; `now` is
  /// CLOCK_MONOTONIC.
  package init(
    _ writer: RunWriter, behind earlier: Resumption = Resumption(), now: @escaping () -> UInt64
  ) {
    self.writer = writer
    self.earlier = earlier
    self.now = now
  }

  package var bytesWritten: UInt64 { writer.bytesWritten }

  /// Records the collectors, schemas and the first anchor.
  package func begin(_ meta: StreamMeta) throws(LBError) {
    anchor = meta.anchor
    for schema in meta.records { schemas[schema.stream] = schema }
    guard earlier.collectors.isEmpty else { return try beginAgain(meta) }
    try writer.write("recording the collectors") { db in
      for stream in meta.streams {
        try db.execute(
          sql: """
            INSERT INTO collector (name, stream, thread, cpu, cadence, required, outcome, reason)
            VALUES (?, ?, ?, ?, ?, ?, 'available', '')
            """,
          arguments: [
            stream.collector, stream.stream, stream.thread, stream.cpu,
            Int64(bitPattern: stream.cadence), stream.required,
          ])
      }
      for missing in meta.unavailable {
        try db.execute(
          sql: "INSERT INTO collector (name, outcome, reason) VALUES (?, ?, ?)",
          arguments: [missing.collector, missing.outcome, missing.reason])
      }
      for schema in meta.records {
        try db.execute(
          sql: "INSERT INTO record_schema VALUES (?, ?)",
          arguments: [schema.stream, try JSON.text(schema)])
      }
      for note in meta.notes {
        try Self.insert(
          SampleEvent(.note, time: meta.anchor.monotonic, message: note), meta.anchor, db)
      }
      try Self.insert(meta.anchor, db)
    }
  }

  /// The same streams as before are needed: their layouts get new epochs.
  private func beginAgain(_ meta: StreamMeta) throws(LBError) {
    var now: [UInt16: String] = [:]
    for stream in meta.streams { now[stream.stream] = stream.collector }
    guard now == earlier.collectors else {
      let lost = Set(earlier.collectors.values).subtracting(now.values).sorted()
      let new = Set(now.values).subtracting(earlier.collectors.values).sorted()
      throw LBError(
        .configuration,
        "the run was begun with other collectors: now without \(lost.joined(separator: ", ")), "
          + "with \(new.joined(separator: ", ")) more")
    }
    try writer.write("recording the clocks") { db in try Self.insert(meta.anchor, db) }
  }

  private func epoch(_ epoch: UInt32, of stream: UInt16) -> UInt32 {
    epoch &+ (earlier.epochs[stream] ?? 0)
  }

  /// Closes the open chunk of the stream's last epoch.
  package func layout(_ layout: Layout) throws(LBError) {
    var layout = layout
    layout.epoch = epoch(layout.epoch, of: layout.stream)
    layouts[layout.stream] = layout
    pendingLayouts.append(layout)
    closeChunk(Key(stream: layout.stream, kind: FrameHeader.Kind.frame.rawValue))
  }

  /// Adds a frame to its stream's open chunk.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    append(header, values, columns: layouts[header.stream]?.columns.count ?? 0)
  }

  /// Adds a batch of records to its stream's open record chunk.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
    append(header, rows, columns: schemas[header.stream]?.fields.count ?? 0)
  }

  /// Keeps the event for the next commit.
  package func event(_ event: SampleEvent) throws(LBError) {
    pendingEvents.append(event)
    if let anchor = event.anchor { self.anchor = anchor }
  }

  /// Commits what has come since, once a second or at a bracket's end.
  package func commit(watermark: UInt64) throws(LBError) {
    let time = now()
    guard watermark == .max || time &- lastCommit >= Self.commitGap else { return }
    lastCommit = time
    let hasNews =
      !pendingLayouts.isEmpty || !pendingEvents.isEmpty || !full.isEmpty
      || open.values.contains(where: \.isDirty)
    guard hasNews else { return }
    var written = 0
    let anchor = self.anchor
    try writer.write("recording samples") { [self] db in
      for layout in pendingLayouts {
        try db.execute(
          sql: "INSERT OR REPLACE INTO layout VALUES (?, ?, ?)",
          arguments: [layout.stream, layout.epoch, try JSON.text(layout)])
      }
      for event in pendingEvents {
        if let anchor = event.anchor { try Self.insert(anchor, db) }
        try Self.insert(event, anchor, db)
      }
      for index in full.indices { written += try Self.save(&full[index], db) }
      for key in open.keys {
        guard var chunk = open[key], chunk.isDirty else { continue }
        written += try Self.save(&chunk, db)
        open[key] = chunk
      }
    }
    pendingLayouts.removeAll(keepingCapacity: true)
    pendingEvents.removeAll(keepingCapacity: true)
    full.removeAll(keepingCapacity: true)
    for (key, chunk) in open where chunk.bytes >= ChunkBuilder.byteLimit { open[key] = nil }
    writer.count(bytes: written)
  }

  private func append(_ header: FrameHeader, _ body: Span<UInt64>, columns: Int) {
    let key = Key(stream: header.stream, kind: header.kind.rawValue)
    let bracket = header.bracket &+ earlier.brackets
    let epoch = epoch(header.epoch, of: header.stream)
    if let current = open[key]?.chunk,
      current.bracket != bracket || current.epoch != epoch
        || current.rowCount >= ChunkBuilder.rowLimit
    {
      closeChunk(key)
    }
    if open[key] == nil {
      open[key] = Open(
        chunk: ChunkBuilder(
          kind: header.kind, stream: header.stream, epoch: epoch, bracket: bracket,
          columns: columns))
    }
    open[key]?.chunk.append(header, body)
    open[key]?.isDirty = true
  }

  private func closeChunk(_ key: Key) {
    guard let closed = open.removeValue(forKey: key), closed.isDirty else { return }
    full.append(closed)
  }

  private static func save(_ open: inout Open, _ db: Database) throws -> Int {
    let bytes = open.chunk.encoded(expecting: open.bytes)
    let chunk = open.chunk
    if let row = open.row {
      // What the index holds stays as it is.
      try db.cachedStatement(
        sql: "UPDATE chunk SET rows = ?, last_ns = ?, checksum = ?, data = ? WHERE id = ?"
      ).execute(arguments: [
        chunk.rowCount, Int64(bitPattern: chunk.lastEnd), Checksum.crc32c(bytes), Data(bytes), row,
      ])
    } else {
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
      open.row = db.lastInsertedRowID
    }
    open.isDirty = false
    open.bytes = bytes.count
    return bytes.count
  }

  private static func insert(_ anchor: ClockAnchor, _ db: Database) throws {
    try db.execute(
      sql: "INSERT OR REPLACE INTO anchor VALUES (?, ?, ?)",
      arguments: [
        Int64(bitPattern: anchor.monotonic), Int64(bitPattern: anchor.realtime),
        Int64(bitPattern: anchor.boottime),
      ])
  }

  private static func insert(_ event: SampleEvent, _ anchor: ClockAnchor?, _ db: Database) throws {
    let unix = (event.anchor ?? anchor)?.unixTime(of: event.time) ?? 0
    try db.execute(
      sql: "INSERT INTO journal (unix_ns, level, kind, message) VALUES (?, ?, ?, ?)",
      arguments: [
        Int64(bitPattern: unix), event.kind == .clockAnchor ? "debug" : "notice",
        event.kind.rawValue, event.message,
      ])
  }
}

/// What an earlier session left in a run's file: the numbers behind which another one goes on.
package struct Resumption: Sendable {
  /// Rows of the phases, and of the repetitions of each, in order.
  package var phases: [Int64] = []
  package var repetitions: [[Int64]] = []
  /// The highest number of a bracket.
  package var brackets: UInt32 = 0
  /// Collectors by stream.
  var collectors: [UInt16: String] = [:]
  /// The highest epoch of each stream.
  var epochs: [UInt16: UInt32] = [:]

  /// Nothing is there yet.
  package init() {}
}
