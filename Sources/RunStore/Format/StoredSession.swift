import GRDB
import SampleModel

/// One session of a run: from its beginning, or from where it was gone on with, to where it ended.
///
/// CLOCK_MONOTONIC begins anew at each boot. Readers have one time line for the whole run, which is
/// the first session's clock: a session of another boot follows behind what was before it, as far
/// away as the wall clock says.
struct StoredSession {
  let id: Int64
  /// What leads from its CLOCK_MONOTONIC to the run's time line, modulo 2^64.
  let offset: UInt64
  /// Its clocks, by the run's time line, in order.
  let anchors: [ClockAnchor]

  /// Where its first and last samples stand by its own clock.
  private struct Extent {
    let first: UInt64
    let last: UInt64
  }

  /// Tables that tell them.
  static let tables = ["session", "anchor", "chunk"]

  /// The sessions of a run, in order.
  static func all(_ db: Database) throws -> [StoredSession] {
    let rows = try Row.fetchAll(db, sql: "SELECT id, boot_id FROM session ORDER BY id")
    var anchors: [Int64: [ClockAnchor]] = [:]
    for row in try Row.fetchAll(
      db, sql: "SELECT * FROM anchor NOT INDEXED ORDER BY session, monotonic_ns")
    {
      anchors[try row.value("session"), default: []].append(
        ClockAnchor(
          monotonic: UInt64(bitPattern: try row.value("monotonic_ns")),
          realtime: UInt64(bitPattern: try row.value("realtime_ns")),
          boottime: UInt64(bitPattern: try row.value("boottime_ns"))))
    }
    let boots = try rows.map { try $0.value("boot_id") as String }
    let extents = try Set(boots).count > 1 ? measured(db) : [:]
    var sessions: [StoredSession] = []
    // Where what was before ends, its last clocks, and the boot that those are of: a session that
    // came to nothing has none.
    var end: UInt64 = 0
    var before: (anchor: ClockAnchor, boot: String)?
    var offset: UInt64 = 0
    for (place, row) in rows.enumerated() {
      let id: Int64 = try row.value("id")
      let own = anchors[id] ?? []
      if let first = own.first, let (last, boot) = before, boot != boots[place] {
        let away = first.realtime > last.realtime ? first.realtime - last.realtime : 0
        let start = min(first.monotonic, extents[id]?.first ?? .max)
        // A wall clock that was set back leads into what was before: behind it, then.
        let now = max(last.monotonic &+ away, end &+ 1 &+ (first.monotonic - start))
        offset = now &- first.monotonic
      }
      let moved = own.map {
        ClockAnchor(
          monotonic: $0.monotonic &+ offset, realtime: $0.realtime, boottime: $0.boottime)
      }
      sessions.append(StoredSession(id: id, offset: offset, anchors: moved))
      end = max(end, extents[id].map { $0.last &+ offset } ?? 0, moved.last?.monotonic ?? 0)
      if let anchor = moved.last { before = (anchor, boots[place]) }
    }
    return sessions
  }

  private static func measured(_ db: Database) throws -> [Int64: Extent] {
    let rows = try Row.fetchAll(
      db,
      sql: """
        SELECT session, min(first_ns) AS first, max(last_ns) AS last FROM chunk NOT INDEXED
          GROUP BY session
        """)
    return try rows.reduce(into: [:]) { extents, row in
      extents[try row.value("session")] = Extent(
        first: UInt64(bitPattern: try row.value("first")),
        last: UInt64(bitPattern: try row.value("last")))
    }
  }
}
