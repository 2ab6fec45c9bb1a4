import Foundation
import GRDB
package import SampleModel

/// Data about the samples besides their values.
extension RunReader {
  /// The start of the first sample, on the run's time line.
  func firstStart() throws(LBError) -> UInt64 {
    let last = try tailChunks().first?.firstStart
    let sessions = try sessions()
    let stored: [Int64: UInt64] = try read("reading the clocks", of: ["chunk"]) { db in
      var first: [Int64: UInt64] = [:]
      let rows = try Row.fetchAll(
        db,
        sql: "SELECT session, min(first_ns) AS first FROM chunk NOT INDEXED GROUP BY session")
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

  /// Where a run was sampled: of each bracket of each session the start of its first acquisition
  /// and the end of its last one, on the run's time line.
  package struct SampledStretch: Sendable, Equatable {
    package let bracket: UInt32
    package let start: UInt64
    package let end: UInt64
  }

  /// All of the run, in order of sessions and brackets.
  package func sampledStretches() throws(LBError) -> [SampledStretch] {
    let tail = try tailChunks()
    let sessions = try sessions()
    struct Key: Hashable {
      let session: Int64
      let bracket: UInt32
    }
    var extents: [Key: (UInt64, UInt64)] = [:]
    func add(_ key: Key, _ start: UInt64, _ end: UInt64) {
      let known = extents[key] ?? (start, end)
      extents[key] = (min(known.0, start), max(known.1, end))
    }
    let stored = try read("reading the clocks", of: ["chunk"]) { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT session, bracket, min(first_ns) AS first, max(last_ns) AS last
            FROM chunk NOT INDEXED GROUP BY session, bracket
          """
      ).map { row in
        (
          Key(session: try row.value("session"), bracket: try row.value("bracket")),
          UInt64(bitPattern: try row.value("first")), UInt64(bitPattern: try row.value("last"))
        )
      }
    }
    for (key, start, end) in stored { add(key, start, end) }
    for chunk in tail {
      let key = Key(session: sessions.last?.id ?? 1, bracket: chunk.bracket)
      add(key, chunk.firstStart, chunk.lastEnd)
    }
    let offsets = Dictionary(
      sessions.map { ($0.id, $0.offset) }, uniquingKeysWith: { known, _ in known })
    return extents.sorted {
      ($0.key.session, $0.key.bracket) < ($1.key.session, $1.key.bracket)
    }.map { key, extent in
      let offset = offsets[key.session] ?? 0
      return SampledStretch(
        bracket: key.bracket, start: extent.0 &+ offset, end: extent.1 &+ offset)
    }
  }

  /// The sessions of the run, in order.
  func sessions() throws(LBError) -> [StoredSession] {
    try read("reading the clocks", of: StoredSession.tables) { db in try StoredSession.all(db) }
  }

  /// CLOCK_BOOTTIME of the run's first boot at its start, of which `start` is the Unix time; nil if
  /// the file has no clocks of the first session. Uses the clocks as read then: later changes of
  /// the wall clock have no effect.
  package func boottime(ofStart start: UInt64) -> UInt64? {
    do throws(LBError) {
      guard let anchor = try sessions().first?.anchors.first else { return nil }
      let away = anchor.realtime > start ? anchor.realtime - start : 0
      return anchor.boottime > away ? anchor.boottime - away : 0
    } catch {
      return nil
    }
  }

  /// The events that the sinks received, in order, including clock anchors, without entries of the
  /// runner. Times are those of the run's time line.
  func sampleEvents(_ sessions: [StoredSession]) throws(LBError) -> [SampleEvent] {
    let anchors = sessions.flatMap(\.anchors)
    guard let first = anchors.first else { return [] }
    let rows = try read("reading the journal", of: ["journal"]) { db in
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
    var placed = Set([first])
    // A date is converted by the clock anchor before it, which the order of the entries determines:
    // after a step of the wall clock some dates exist twice.
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
        placed.insert(read)
      }
      let anchor = read ?? known
      events.append(
        SampleEvent(
          kind, time: anchor.monotonic &+ (unix &- anchor.realtime), message: row.message,
          anchor: read))
    }
    for unplaced in anchors where !placed.contains(unplaced) {
      let index = events.firstIndex { $0.time > unplaced.monotonic } ?? events.count
      events.insert(
        SampleEvent(.clockAnchor, time: unplaced.monotonic, message: "", anchor: unplaced),
        at: index)
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

  /// Requested collectors that are unavailable, in the order of the request.
  func unavailable() throws(LBError) -> [StreamMeta.Unavailable] {
    try read("reading the collectors", of: ["collector"]) { db in
      try StreamMeta.Unavailable.all(db)
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

  /// The base units of every sampled metric.
  package func metricUnits() throws(LBError) -> MetricUnits { MetricUnits(try layouts()) }

  /// The names of every sampled metric, including derived ones.
  package func metricNames() throws(LBError) -> Set<String> {
    try layouts().reduce(into: []) { names, layout in
      names.formUnion(layout.columns.map(\.name))
      names.formUnion(layout.formulas.map(\.column.name))
    }
  }
}

extension StreamMeta.Unavailable {
  /// Those of a run's file, in the order of the request.
  static func all(_ db: Database) throws -> [Self] {
    try Row.fetchAll(
      db, sql: "SELECT * FROM collector WHERE outcome <> 'available' ORDER BY position"
    ).map {
      Self(
        collector: try $0.value("name"), outcome: try $0.value("outcome"),
        reason: try $0.value("reason"))
    }
  }
}
