import Foundation
import GRDB
package import SampleModel

/// The status of the run and its phases, and their results.
extension RunWriter {
  /// Persists a status as it changes.
  package func setRunStatus(_ status: RunStatus) throws(LBError) {
    try write("recording a status") { db in
      try db.execute(sql: "UPDATE run SET status = ?", arguments: [status.rawValue])
    }
  }

  /// Adds labels to the run, or changes their values.
  package func setLabels(_ labels: [String: String]) throws(LBError) {
    try write("recording labels") { db in
      for (key, value) in labels {
        try db.execute(
          sql: "INSERT OR REPLACE INTO label (key, value) VALUES (?, ?)", arguments: [key, value])
      }
    }
  }

  /// Persists a phase's status and summaries.
  package func updatePhase(_ row: Int64, _ phase: PhaseResult) throws(LBError) {
    try write("recording a phase") { db in try Self.update(row, phase, db) }
  }

  static func update(_ row: Int64, _ phase: PhaseResult, _ db: Database) throws {
    try db.execute(
      sql: "UPDATE phase SET status = ?, note = ?, replaced_by = ? WHERE id = ?",
      arguments: [phase.status.rawValue, phase.note, phase.replacedBy, row])
    try db.execute(sql: "DELETE FROM summary WHERE phase_id = ?", arguments: [row])
    for (clean, rows) in [(false, phase.metrics), (true, phase.cleanMetrics)] {
      for (position, summary) in rows.enumerated() {
        try insert(summary, phase: row, clean: clean, position: position, db)
      }
    }
  }

  private static func insert(
    _ row: MetricSummary, phase: Int64, clean: Bool, position: Int, _ db: Database
  ) throws {
    try db.execute(
      sql: "INSERT INTO summary VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      arguments: [
        phase, clean, row.metric, position, row.unit, row.count, row.median, row.minimum,
        row.maximum, row.medianAbsoluteDeviation, row.medianLow, row.medianHigh, row.running,
        try row.repetitions.map { try JSON.text($0) },
      ])
  }

  /// The metrics of the completed attempts at a phase's counted repetitions, in order.
  package func metrics(ofPhase row: Int64) throws(LBError) -> MetricColumns {
    var columns = MetricColumns()
    let path = path
    try write("reading metrics") { db in
      try Seal.check(["repetition", "attempt", "metric"], db, path)
      let attempts = try Self.counted(ofPhase: row, db)
      let statement = try db.cachedStatement(
        sql: "SELECT name, value FROM metric WHERE attempt_id = ? ORDER BY name")
      var found = 0
      for attempt in attempts {
        columns.begin(repetition: attempt.number)
        let values = try Row.fetchCursor(statement, arguments: [attempt.row])
        while let value = try values.next() {
          columns.add(try value.real("value"), of: try value.value("name"))
          found += 1
        }
      }
      // A b-tree damaged above its leaves may hide rows.
      let rows = Set(attempts.map(\.row))
      let owners = try Int64.fetchCursor(db, sql: "SELECT attempt_id FROM metric NOT INDEXED")
      while let owner = try owners.next() {
        if rows.contains(owner) { found -= 1 }
      }
      guard found == 0 else {
        throw LBError(
          .resultPersistence, "\(path): corrupt: rows of table metric belong to no attempt",
          context: ErrorContext(path: path))
      }
    }
    return columns
  }

  /// The completed attempts at a phase's counted repetitions, in order, with the numbers of the
  /// repetitions.
  private static func counted(
    ofPhase phase: Int64, _ db: Database
  ) throws -> [(row: Int64, number: Int)] {
    var numbers: [Int64: Int] = [:]
    let repetitions = try Row.fetchCursor(
      db,
      sql: """
        SELECT id, number FROM repetition NOT INDEXED WHERE phase_id = ? AND NOT warm_up
        """, arguments: [phase])
    while let row = try repetitions.next() {
      numbers[try row.value("id")] = try row.number("number")
    }
    var found: [(repetition: Int64, row: Int64, number: Int)] = []
    let attempts = try Row.fetchCursor(
      db, sql: "SELECT id, repetition_id FROM attempt NOT INDEXED WHERE status = 'completed'")
    while let row = try attempts.next() {
      let repetition: Int64 = try row.value("repetition_id")
      guard let number = numbers[repetition] else { continue }
      found.append((repetition, try row.value("id"), number))
    }
    return found.sorted { ($0.repetition, $0.row) < ($1.repetition, $1.row) }
      .map { ($0.row, $0.number) }
  }

  static func insert(_ ledger: Ledger, attempt: Int64, _ db: Database) throws {
    for thread in ledger.threads {
      try db.execute(
        sql: """
          INSERT OR REPLACE INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          attempt, thread.thread, thread.cpu, Int64(bitPattern: thread.ticks.deadlines),
          Int64(bitPattern: thread.ticks.onTime), Int64(bitPattern: thread.ticks.late),
          Int64(bitPattern: thread.ticks.skipped),
          Int64(bitPattern: thread.ticks.latenessMaximum),
          Int64(bitPattern: thread.ring.pushed), Int64(bitPattern: thread.ring.drained),
          Int64(bitPattern: thread.ring.dropped), try JSON.text(thread.collectors),
        ])
    }
  }

  static func insert(_ overhead: Overhead, attempt: Int64, _ db: Database) throws {
    try db.execute(
      sql: "INSERT OR REPLACE INTO overhead VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      arguments: [
        attempt, try JSON.text(overhead.samplingThreadNanoseconds),
        Int64(bitPattern: overhead.drainNanoseconds),
        Int64(bitPattern: overhead.processNanoseconds),
        Int64(bitPattern: overhead.startNanoseconds),
        Int64(bitPattern: overhead.stopNanoseconds),
        Int64(bitPattern: overhead.elapsedNanoseconds),
        Int64(bitPattern: overhead.bytesWritten), Int64(bitPattern: overhead.memoryLocked),
        overhead.memoryResident.map(Int64.init(bitPattern:)),
      ])
  }
}
