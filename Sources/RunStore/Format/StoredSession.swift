import GRDB
import SampleModel

/// One session of a run: from its beginning, or from a resume, to its end.
///
/// CLOCK_MONOTONIC restarts at each boot. Readers use one time line for the whole run, the first
/// session's clock: a session of another boot follows the previous one at the distance of the wall
/// clock.
struct StoredSession {
  let id: Int64
  /// The offset from its CLOCK_MONOTONIC to the run's time line, modulo 2^64.
  let offset: UInt64
  /// Its clocks, by the run's time line, in order.
  let anchors: [ClockAnchor]

  /// Its first and last samples by its own clock.
  private struct Extent {
    let first: UInt64
    let last: UInt64
  }

  /// The tables of sessions.
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
    // The end of the previous session, its last anchor and boot; a session without data has none.
    var end: UInt64 = 0
    var before: (anchor: ClockAnchor, boot: String)?
    var offset: UInt64 = 0
    for (index, row) in rows.enumerated() {
      let id: Int64 = try row.value("id")
      let own = anchors[id] ?? []
      if let first = own.first, let (last, boot) = before, boot != boots[index] {
        let away = first.realtime > last.realtime ? first.realtime - last.realtime : 0
        let start = min(first.monotonic, extents[id]?.first ?? .max)
        // If the wall clock was set back, the session follows directly after the previous one.
        let now = max(last.monotonic &+ away, end &+ 1 &+ (first.monotonic - start))
        offset = now &- first.monotonic
      }
      let moved = own.map {
        ClockAnchor(
          monotonic: $0.monotonic &+ offset, realtime: $0.realtime, boottime: $0.boottime)
      }
      sessions.append(StoredSession(id: id, offset: offset, anchors: moved))
      end = max(end, extents[id].map { $0.last &+ offset } ?? 0, moved.last?.monotonic ?? 0)
      if let anchor = moved.last { before = (anchor, boots[index]) }
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
