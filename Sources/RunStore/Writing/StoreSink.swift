import Foundation
import GRDB
package import SampleModel

/// The sink that writes into a run's file: samples are committed within a second.
///
/// Samples are written to the run's tail, and moved into chunks when the tail is full, when a
/// second has too many for it, and at a bracket's end. The open chunk of a stream is one row,
/// rewritten until it is full.
package final class StoreSink: SampleSink {
  /// The minimum time between commits, unless a bracket ends: the drain's passes may be more
  /// frequent for other sinks. With passes 450 ms apart, samples are committed within a second.
  private static let commitGap: UInt64 = 700_000_000
  /// How long samples wait, in the tail and in memory, while another program keeps the file locked.
  private static let lockTimeout: UInt64 = 60_000_000_000
  /// Age from which the kernel may have written the tail's samples: their rows are flushed before
  /// other samples replace them.
  private static let youngest: UInt64 = 10_000_000_000

  private let writer: RunWriter
  private let resumePoint: ResumePoint
  private let now: () -> UInt64
  private var layouts: [UInt16: Layout] = [:]
  private var schemas: [UInt16: RecordSchema] = [:]
  private var chunks = OpenChunks()
  /// Whether the chunks have samples that are neither in rows nor in the tail.
  private var chunksAreAhead = false
  private var pendingLayouts: [Layout] = []
  /// Each with the last clock anchor before it, by which its date is computed.
  private var pendingEvents: [(event: SampleEvent, anchor: ClockAnchor?)] = []
  private var anchor: ClockAnchor?
  private var lastCommit: UInt64 = 0
  /// Since when another program has kept the file locked, nil if none does.
  private var lockedSince: UInt64?
  /// When the oldest samples of the tail that are not in rows were written.
  private var tailSince: UInt64?

  /// A sink into `writer`'s file, after the rows of earlier sessions; `now` is
  /// CLOCK_MONOTONIC.
  package init(
    _ writer: RunWriter, resuming resumePoint: ResumePoint = ResumePoint(),
    now: @escaping () -> UInt64
  ) {
    self.writer = writer
    self.resumePoint = resumePoint
    self.now = now
  }

  package var bytesWritten: UInt64 { writer.bytesWritten }

  /// Records the collectors, schemas and the first anchor.
  package func begin(_ meta: StreamMeta) throws(LBError) {
    anchor = meta.anchor
    for schema in meta.records { schemas[schema.stream] = schema }
    guard resumePoint.collectors.isEmpty else { return try beginAgain(meta) }
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
        try insert(
          SampleEvent(.note, time: meta.anchor.monotonic, message: note), meta.anchor, db)
      }
      try insert(meta.anchor, db)
    }
  }

  /// Continues in a new session, which needs the same streams; their layouts get new epochs.
  private func beginAgain(_ meta: StreamMeta) throws(LBError) {
    var now: [UInt16: String] = [:]
    for stream in meta.streams { now[stream.stream] = stream.collector }
    guard now == resumePoint.collectors else {
      let lost = Set(resumePoint.collectors.values).subtracting(now.values).sorted()
      let new = Set(now.values).subtracting(resumePoint.collectors.values).sorted()
      throw LBError(
        .configuration,
        "the run was begun with other collectors: now without \(lost.joined(separator: ", ")), "
          + "with \(new.joined(separator: ", ")) more")
    }
    try writer.write("recording the clocks") { db in
      try insert(meta.anchor, db)
      // Dates of the following journal entries use this anchor.
      try insert(
        SampleEvent(
          .clockAnchor, time: meta.anchor.monotonic, message: "clocks read together",
          anchor: meta.anchor), meta.anchor, db)
    }
  }

  private func epoch(_ epoch: UInt32, of stream: UInt16) -> UInt32 {
    resumePoint.epochs.isEmpty ? epoch : epoch &+ (resumePoint.epochs[stream] ?? 0)
  }

  /// Closes the open chunk of the stream's last epoch.
  package func layout(_ layout: Layout) throws(LBError) {
    // Before the layout changes.
    takeTail()
    var layout = layout
    layout.epoch = epoch(layout.epoch, of: layout.stream)
    layouts[layout.stream] = layout
    pendingLayouts.append(layout)
    chunks.close(layout.stream, .frame)
  }

  /// Adds a frame to its stream's open chunk.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    append(header, values)
  }

  /// Adds a batch of records to its stream's open record chunk.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
    append(header, rows)
  }

  /// Queues the event for the next commit.
  package func event(_ event: SampleEvent) throws(LBError) {
    if let anchor = event.anchor { self.anchor = anchor }
    pendingEvents.append((event, anchor))
  }

  /// Commits new samples, once a second or at a bracket's end.
  package func commit(watermark: UInt64) throws(LBError) {
    let time = now()
    guard watermark == .max || time &- lastCommit >= Self.commitGap else { return }
    lastCommit = time
    let isEnd = watermark == .max
    let hasPending = !pendingLayouts.isEmpty || !pendingEvents.isEmpty
    let tail = writer.tail
    var written = 0
    if isEnd || chunksAreAhead { takeTail() }
    if hasPending || chunksAreAhead { written += try save(at: time, isEnd: isEnd) }
    // Frames are useless without a row of their layout.
    if pendingLayouts.isEmpty, tail.hasPending {
      if let bytes = tail.write() {
        written += bytes
        if tailSince == nil { tailSince = time }
      } else {
        takeTail()
        written += try save(at: time, isEnd: isEnd)
      }
    }
    writer.count(bytes: written)
  }

  /// Builds chunks from the tail's samples.
  private func takeTail() {
    writer.tail.take { header, body in
      chunks.append(header, body, columns: columns(header))
      chunksAreAhead = true
    }
  }

  /// Writes queued layouts and events and the new samples of chunks into rows; returns the bytes.
  /// Except at a bracket's end this may be postponed while another program keeps the file locked.
  private func save(at time: UInt64, isEnd: Bool) throws(LBError) -> Int {
    var saved: OpenChunks.Saved?
    let doing = "recording samples"
    let isAged = chunksAreAhead && tailSince.map { time &- $0 >= Self.youngest } ?? false
    func put(_ db: Database) throws {
      for layout in pendingLayouts {
        try db.execute(
          sql: "INSERT OR REPLACE INTO layout VALUES (?, ?, ?)",
          arguments: [layout.stream, layout.epoch, try JSON.text(layout)])
      }
      for (event, anchor) in pendingEvents {
        if let anchor = event.anchor { try insert(anchor, db) }
        try insert(event, anchor, db)
      }
      saved = try chunks.save(db, session: writer.session)
    }
    if isEnd {
      try writer.write(doing, isFlushed: isAged) { try put($0) }
    } else if try !writer.writeIfFree(doing, isFlushed: isAged, { try put($0) }) {
      try waitForLock()
      return 0
    }
    lockedSince = nil
    pendingLayouts.removeAll(keepingCapacity: true)
    pendingEvents.removeAll(keepingCapacity: true)
    guard let saved else { return 0 }
    chunks.settle(saved)
    if chunksAreAhead {
      writer.tail.settle()
      tailSince = nil
    }
    chunksAreAhead = false
    return saved.bytes
  }

  /// Records that the file is locked; throws if it has been for too long.
  private func waitForLock() throws(LBError) {
    let time = now()
    let since = lockedSince ?? time
    lockedSince = since
    guard time &- since >= Self.lockTimeout else { return }
    throw LBError(
      .resultPersistence,
      "\(writer.path): another program has kept the file locked for a minute, so recording has "
        + "stopped. Everything from before the lock is kept, and up to 1 MiB from after it",
      context: ErrorContext(path: writer.path))
  }

  private func append(_ header: FrameHeader, _ body: Span<UInt64>) {
    var header = header
    header.bracket &+= resumePoint.brackets
    header.epoch = epoch(header.epoch, of: header.stream)
    if !chunksAreAhead, writer.tail.append(header, body) { return }
    takeTail()
    chunks.append(header, body, columns: columns(header))
    chunksAreAhead = true
  }

  private func columns(_ header: FrameHeader) -> Int {
    header.kind == .records
      ? schemas[header.stream]?.fields.count ?? 0 : layouts[header.stream]?.columns.count ?? 0
  }

  private func insert(_ anchor: ClockAnchor, _ db: Database) throws {
    try db.execute(
      sql: "INSERT OR REPLACE INTO anchor VALUES (?, ?, ?, ?)",
      arguments: [
        writer.session, Int64(bitPattern: anchor.monotonic), Int64(bitPattern: anchor.realtime),
        Int64(bitPattern: anchor.boottime),
      ])
  }

  private func insert(_ event: SampleEvent, _ anchor: ClockAnchor?, _ db: Database) throws {
    let unix = anchor?.unixTime(of: event.time) ?? 0
    try db.execute(
      sql: "INSERT INTO journal (unix_ns, level, kind, message, session) VALUES (?, ?, ?, ?, ?)",
      arguments: [
        Int64(bitPattern: unix), event.kind == .clockAnchor ? "debug" : "notice",
        event.kind.rawValue, event.message, writer.session,
      ])
  }
}

/// The rows and numbers in a run's file at which another session continues.
package struct ResumePoint: Sendable {
  /// Rows of the phases, and of the repetitions of each, in order.
  package var phases: [Int64] = []
  package var repetitions: [[Int64]] = []
  /// The highest number of a bracket.
  package var brackets: UInt32 = 0
  /// Collectors by stream.
  var collectors: [UInt16: String] = [:]
  /// The highest epoch of each stream.
  var epochs: [UInt16: UInt32] = [:]

  /// The beginning of a new run.
  package init() {}
}
