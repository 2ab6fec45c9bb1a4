import Foundation
import GRDB
package import SampleModel

/// Rows of a table by what they belong to. All are read in one pass of the table, since an index
/// that is damaged would hide some.
final class Rows<Value> {
  private let table: String
  private var groups: [Int64: [Value]]

  /// No rows of a table, which is not read.
  init(none table: String) {
    self.table = table
    groups = [:]
  }

  /// What `value` makes of the rows of a statement, by the number in column `owner`.
  init(
    of table: String, _ db: Database, _ sql: String, by owner: String,
    _ value: (Row) throws -> Value
  ) throws {
    self.table = table
    var groups: [Int64: [Value]] = [:]
    let rows = try Row.fetchCursor(db, sql: sql)
    while let row = try rows.next() {
      let key: Int64 = try row.value(owner)
      let made = try value(row)
      groups[key, default: []].append(made)
    }
    self.groups = groups
  }

  /// The rows of one owner, in the order of the statement, once.
  func take(_ owner: Int64) -> [Value] { groups.removeValue(forKey: owner) ?? [] }

  /// Throws where rows are of no owner: they would be missing without a word.
  func checkTaken(_ path: String) throws {
    let left = groups.values.reduce(0) { $0 + $1.count }
    guard left > 0 else { return }
    throw LBError(
      .resultPersistence,
      "\(path): corrupt: \(Counted.text(left, "row")) of table \(table) cannot be reached",
      context: ErrorContext(path: path))
  }
}

/// What the workload wrote, where it is kept.
struct Outputs {
  /// PRAGMA data_version of what was looked at.
  fileprivate var version: Int?
  /// By bracket.
  fileprivate var places: [UInt32: Place] = [:]

  fileprivate struct Place {
    let attempt: Int64
    let kept: UInt64?
    let checksum: UInt32?
  }
}

/// Attempts of a run.
extension RunReader {
  /// Every attempt by the row of its repetition, in order.
  static func attempts(_ db: Database, _ path: String) throws -> Rows<AttemptResult> {
    let metrics = try Rows<(String, Double)>(
      of: "metric", db, "SELECT attempt_id, name, value FROM metric NOT INDEXED", by: "attempt_id"
    ) { row in (try row.value("name"), try row.real("value")) }
    let ledgers = try Rows<ThreadLedger>(
      of: "ledger", db, "SELECT * FROM ledger NOT INDEXED ORDER BY thread", by: "attempt_id"
    ) { row in try Self.thread(row) }
    let overheads = try Rows<Overhead>(
      of: "overhead", db, "SELECT * FROM overhead NOT INDEXED", by: "attempt_id"
    ) { row in try Self.overhead(row) }
    // The outputs stay where they are: a blob's length stands before it.
    var outputs = Rows<UInt64>(none: "output")
    var kept = "length(output)"
    if try db.tableExists("output") {
      kept = "NULL"
      outputs = try Rows<UInt64>(
        of: "output", db, "SELECT attempt_id, length(data) AS kept FROM output NOT INDEXED",
        by: "attempt_id"
      ) { row in try row.count("kept") }
    }
    let attempts = try Rows<AttemptResult>(
      of: "attempt", db,
      """
      SELECT id, repetition_id, number, bracket, status, start_unix_ns, wall_ns, bracket_ns,
        exit_code, signal, user_ns, system_ns, peak_resident_bytes, voluntary_switches,
        involuntary_switches, output_bytes, \(kept) AS output_kept, orphans_killed, contamination,
        error
      FROM attempt NOT INDEXED ORDER BY id
      """, by: "repetition_id"
    ) { row in
      let id: Int64 = try row.value("id")
      var attempt = try Self.attempt(row)
      let inRow = try row.countIfPresent("output_kept")
      attempt.outputBytesKept = inRow ?? outputs.take(id).first ?? 0
      for (name, value) in metrics.take(id) { attempt.metrics[name] = value }
      attempt.ledger = Ledger(threads: ledgers.take(id))
      attempt.overhead = overheads.take(id).first
      return attempt
    }
    try metrics.checkTaken(path)
    try ledgers.checkTaken(path)
    try overheads.checkTaken(path)
    try outputs.checkTaken(path)
    return attempts
  }

  /// What an attempt's own row has.
  private static func attempt(_ row: Row) throws -> AttemptResult {
    var attempt = AttemptResult(attempt: try row.number("number"))
    attempt.bracket = try row.value("bracket")
    attempt.status = try status(row)
    attempt.startUnixNanoseconds = try row.countIfPresent("start_unix_ns") ?? 0
    attempt.wallNanoseconds = try row.countIfPresent("wall_ns")
    attempt.bracketNanoseconds = try row.countIfPresent("bracket_ns") ?? 0
    attempt.exitCode = try row.value("exit_code")
    attempt.signal = try row.value("signal")
    attempt.userNanoseconds = try row.countIfPresent("user_ns")
    attempt.systemNanoseconds = try row.countIfPresent("system_ns")
    attempt.peakResidentBytes = try row.countIfPresent("peak_resident_bytes")
    attempt.voluntarySwitches = try row.countIfPresent("voluntary_switches")
    attempt.involuntarySwitches = try row.countIfPresent("involuntary_switches")
    attempt.outputBytes = try row.countIfPresent("output_bytes") ?? 0
    attempt.orphansKilled = try row.value("orphans_killed") ?? 0
    attempt.contamination = try row.jsonIfPresent([String].self, "contamination") ?? []
    attempt.error = try row.jsonIfPresent(LBError.self, "error")
    return attempt
  }

  private static func thread(_ row: Row) throws -> ThreadLedger {
    var thread = ThreadLedger(thread: try row.number("thread"), cpu: try row.value("cpu"))
    thread.ticks.deadlines = try row.count("deadlines")
    thread.ticks.onTime = try row.count("on_time")
    thread.ticks.late = try row.count("late")
    thread.ticks.skipped = try row.count("skipped")
    thread.ticks.latenessMaximum = try row.count("lateness_max_ns")
    thread.ring.pushed = try row.count("pushed")
    thread.ring.drained = try row.count("drained")
    thread.ring.dropped = try row.count("dropped")
    thread.collectors = try row.json([CollectorLedger].self, "collectors")
    return thread
  }

  private static func overhead(_ row: Row) throws -> Overhead {
    var overhead = Overhead()
    overhead.samplingThreadNanoseconds = try row.json([UInt64].self, "sampling_ns")
    overhead.drainNanoseconds = try row.count("drain_ns")
    overhead.processNanoseconds = try row.count("process_ns")
    overhead.startNanoseconds = try row.count("start_ns")
    overhead.stopNanoseconds = try row.count("stop_ns")
    overhead.elapsedNanoseconds = try row.count("elapsed_ns")
    overhead.bytesWritten = try row.count("bytes_written")
    overhead.memoryLocked = try row.count("memory_locked")
    overhead.memoryResident = try row.countIfPresent("memory_resident")
    return overhead
  }

  // MARK: Outputs

  /// The workload's kept output of an attempt, its checksum verified.
  package func output(bracket: UInt32) throws(LBError) -> [UInt8] {
    let path = path
    // One of version 4 has no table of its own for outputs, and no seal either.
    return try read("reading output", of: ["attempt", "output"]) { db in
      // Another connection's commits change the version.
      let version = try Int.fetchOne(db, sql: "PRAGMA data_version")
      if outputs.version != version {
        outputs = Outputs()
        outputs.places = try Self.places(db)
        outputs.version = version
      }
      guard let place = outputs.places[bracket], let kept = place.kept else { return [] }
      let isApart = try db.tableExists("output")
      let data = try Data.fetchOne(
        db,
        sql: isApart
          ? "SELECT data FROM output WHERE attempt_id = ?"
          : "SELECT output FROM attempt WHERE id = ?",
        arguments: [place.attempt])
      let bytes = data.map { Array($0) } ?? []
      guard UInt64(bytes.count) == kept,
        place.checksum.map({ $0 == Checksum.crc32c(bytes) }) ?? true
      else {
        throw LBError(
          .resultPersistence,
          "\(path): output of bracket \(bracket): checksum mismatch; the file is corrupt and this "
            + "output cannot be shown", context: ErrorContext(path: path))
      }
      return bytes
    }
  }

  private static func places(_ db: Database) throws -> [UInt32: Outputs.Place] {
    let isApart = try db.tableExists("output")
    let hasChecksum = try db.columns(in: "attempt").contains { $0.name == "output_checksum" }
    var lengths: [Int64: UInt64] = [:]
    for row in try Row.fetchAll(
      db,
      sql: isApart
        ? "SELECT attempt_id AS id, length(data) AS kept FROM output NOT INDEXED"
        : "SELECT id, length(output) AS kept FROM attempt NOT INDEXED WHERE output IS NOT NULL")
    {
      lengths[try row.value("id")] = try row.count("kept")
    }
    var places: [UInt32: Outputs.Place] = [:]
    for row in try Row.fetchAll(
      db,
      sql: """
        SELECT id, bracket, \(hasChecksum ? "output_checksum" : "NULL") AS output_checksum
          FROM attempt NOT INDEXED WHERE bracket IS NOT NULL ORDER BY id
        """)
    {
      let (bracket, id): (UInt32, Int64) = (try row.value("bracket"), try row.value("id"))
      let kept = lengths[id]
      let checksum: UInt32? = try row.value("output_checksum")
      if hasChecksum, kept != nil, checksum == nil {
        throw DamagedRow(column: "output_checksum", row, reason: "empty")
      }
      // Of two of one bracket, which no writer makes, the first one.
      guard places[bracket] == nil else { continue }
      places[bracket] = Outputs.Place(attempt: id, kept: kept, checksum: checksum)
    }
    return places
  }
}
