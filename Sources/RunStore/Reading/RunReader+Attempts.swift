import Foundation
import GRDB
package import SampleModel

/// Values from the rows of a table, grouped by owner. All rows are read in one pass of the table,
/// since a damaged index would hide some.
final class Rows<Value> {
  private let table: String
  /// By owner.
  private var groups: [Int64: Group] = [:]

  private struct Group {
    var value: Value
    var rows = 0

    mutating func add(_ row: Row, _ add: (inout Value, Row) throws -> Void) throws {
      rows += 1
      try add(&value, row)
    }
  }

  /// No rows: the table is not read.
  init(none table: String) { self.table = table }

  /// Reduces the rows of a statement with `add`, grouped by the number in column `owner`. A row is
  /// valid until `add` returns: GRDB looks up the columns of kept rows again.
  init(
    of table: String, _ db: Database, _ sql: String, by owner: String, into none: Value,
    _ add: (inout Value, Row) throws -> Void
  ) throws {
    self.table = table
    let rows = try Row.fetchCursor(db, sql: sql)
    while let row = try rows.next() {
      let key: Int64 = try row.value(owner)
      try groups[key, default: Group(value: none)].add(row, add)
    }
  }

  /// Removes and returns the value of one owner's rows.
  func take(_ owner: Int64) -> Value? { groups.removeValue(forKey: owner)?.value }

  /// Throws if rows have no owner: otherwise they would be missing silently.
  func checkTaken(_ path: String) throws {
    let left = groups.values.reduce(0) { $0 + $1.rows }
    guard left > 0 else { return }
    throw LBError(
      .resultPersistence,
      "\(path): corrupt: \(Counted.text(left, "row")) of table \(table) belong to no row",
      context: ErrorContext(path: path))
  }
}

/// The stored outputs of the workload.
struct Outputs {
  /// PRAGMA data_version at the last reading.
  fileprivate var version: Int?
  /// By bracket.
  fileprivate var byBracket: [UInt32: StoredOutput] = [:]

  fileprivate struct StoredOutput {
    let attempt: Int64
    let kept: UInt64?
    let checksum: UInt32?
  }
}

/// Attempts of a run.
extension RunReader {
  /// Every attempt by the row of its repetition, in order, with these parts, and of its metrics
  /// with those that `passes`.
  static func attempts(
    _ db: Database, _ path: String, _ parts: Parts, _ passes: ((String) -> Bool)?
  ) throws -> Rows<[AttemptResult]> {
    let metrics =
      try parts.contains(.metrics)
      ? Self.metrics(db, passes ?? { _ in true }) : Rows(none: "metric")
    let ledgers = try Rows<Ledger>(
      of: "ledger", db, "SELECT * FROM ledger NOT INDEXED ORDER BY thread", by: "attempt_id",
      into: Ledger()
    ) { ledger, row in ledger.threads.append(try Self.thread(row, parts)) }
    let overheads = try Rows<Overhead>(
      of: "overhead", db, "SELECT * FROM overhead NOT INDEXED", by: "attempt_id", into: Overhead()
    ) { overhead, row in overhead = try Self.overhead(row, parts) }
    // The outputs are not read: a blob's length precedes it.
    var outputs = Rows<UInt64>(none: "output")
    var kept = "length(output)"
    if try db.tableExists("output") {
      kept = "NULL"
      outputs = try Rows<UInt64>(
        of: "output", db, "SELECT attempt_id, length(data) AS kept FROM output NOT INDEXED",
        by: "attempt_id", into: 0
      ) { length, row in length = try row.count("kept") }
    }
    let attempts = try Rows<[AttemptResult]>(
      of: "attempt", db,
      """
      SELECT id, repetition_id, number, bracket, status, start_unix_ns, wall_ns, bracket_ns,
        exit_code, signal, user_ns, system_ns, peak_resident_bytes, voluntary_switches,
        involuntary_switches, output_bytes, \(kept) AS output_kept, orphans_killed, contamination,
        error
      FROM attempt NOT INDEXED ORDER BY id
      """, by: "repetition_id", into: []
    ) { attempts, row in
      let id: Int64 = try row.value("id")
      var attempt = try Self.attempt(row)
      let inRow = try row.countIfPresent("output_kept")
      attempt.outputBytesKept = inRow ?? outputs.take(id) ?? 0
      attempt.metrics = metrics.take(id) ?? [:]
      attempt.ledger = ledgers.take(id) ?? Ledger()
      attempt.overhead = overheads.take(id)
      attempts.append(attempt)
    }
    try metrics.checkTaken(path)
    try ledgers.checkTaken(path)
    try overheads.checkTaken(path)
    try outputs.checkTaken(path)
    return attempts
  }

  private static func metrics(
    _ db: Database, _ passes: (String) -> Bool
  ) throws -> Rows<[String: Double]> {
    // Attempts have the same names: share the strings; nil for names that are not wanted.
    var names: [String: String?] = [:]
    return try Rows<[String: Double]>(
      of: "metric", db, "SELECT attempt_id, name, value FROM metric NOT INDEXED",
      by: "attempt_id", into: [:]
    ) { metrics, row in
      let name = OSText.distinct(try row.value("name"))
      if names[name] == nil { names[name] = .some(passes(name) ? name : nil) }
      if let kept = names[name] ?? nil { metrics[kept] = try row.real("value") }
    }
  }

  /// The values of an attempt's own row.
  static func attempt(_ row: Row) throws -> AttemptResult {
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
    attempt.contamination = try row.listIfPresent("contamination") ?? []
    attempt.error = try row.jsonIfPresent(LBError.self, "error")
    return attempt
  }

  private static func thread(_ row: Row, _ parts: Parts) throws -> ThreadLedger {
    var thread = ThreadLedger(thread: try row.number("thread"), cpu: try row.value("cpu"))
    thread.ticks.deadlines = try row.count("deadlines")
    thread.ticks.onTime = try row.count("on_time")
    thread.ticks.late = try row.count("late")
    thread.ticks.skipped = try row.count("skipped")
    thread.ticks.latenessMaximum = try row.count("lateness_max_ns")
    thread.ring.pushed = try row.count("pushed")
    thread.ring.drained = try row.count("drained")
    thread.ring.dropped = try row.count("dropped")
    if parts.contains(.accounts) {
      thread.collectors = try row.json([CollectorLedger].self, "collectors")
    }
    return thread
  }

  private static func overhead(_ row: Row, _ parts: Parts) throws -> Overhead {
    var overhead = Overhead()
    if parts.contains(.accounts) {
      overhead.samplingThreadNanoseconds = try row.json([UInt64].self, "sampling_ns")
    }
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
    // Version 4 has no separate table of outputs, and no seal.
    return try read("reading output", of: ["attempt", "output"]) { db in
      // Commits of another connection change the version.
      let version = try Int.fetchOne(db, sql: "PRAGMA data_version")
      if outputs.version != version {
        outputs = Outputs()
        outputs.byBracket = try Self.byBracket(db)
        outputs.version = version
      }
      guard let stored = outputs.byBracket[bracket], let kept = stored.kept else { return [] }
      let isApart = try db.tableExists("output")
      let data = try Data.fetchOne(
        db,
        sql: isApart
          ? "SELECT data FROM output WHERE attempt_id = ?"
          : "SELECT output FROM attempt WHERE id = ?",
        arguments: [stored.attempt])
      let bytes = data.map { Array($0) } ?? []
      guard UInt64(bytes.count) == kept,
        stored.checksum.map({ $0 == Checksum.crc32c(bytes) }) ?? true
      else {
        throw LBError(
          .resultPersistence,
          "\(path): output of bracket \(bracket): checksum mismatch; the file is corrupt and this "
            + "output cannot be shown", context: ErrorContext(path: path))
      }
      return bytes
    }
  }

  private static func byBracket(_ db: Database) throws -> [UInt32: Outputs.StoredOutput] {
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
    var byBracket: [UInt32: Outputs.StoredOutput] = [:]
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
      // No writer makes two of one bracket; use the first.
      guard byBracket[bracket] == nil else { continue }
      byBracket[bracket] = Outputs.StoredOutput(attempt: id, kept: kept, checksum: checksum)
    }
    return byBracket
  }
}
