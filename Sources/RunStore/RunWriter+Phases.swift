import Foundation
import GRDB
package import SampleModel

/// Where run and phases stand, and what an earlier session left of them.
extension RunWriter {
  /// Persists a status as it changes.
  package func setRunStatus(_ status: RunStatus) throws(LBError) {
    try write("recording a status") { db in
      try db.execute(sql: "UPDATE run SET status = ?", arguments: [status.rawValue])
    }
  }

  /// Adds labels to the run, or gives them other values.
  package func setLabels(_ labels: [String: String]) throws(LBError) {
    try write("recording labels") { db in
      for (key, value) in labels {
        try db.execute(
          sql: "INSERT OR REPLACE INTO label (key, value) VALUES (?, ?)", arguments: [key, value])
      }
    }
  }

  /// Persists where a phase stands, and its summaries.
  package func updatePhase(_ row: Int64, _ phase: PhaseResult) throws(LBError) {
    try write("recording a phase") { db in
      try db.execute(
        sql: "UPDATE phase SET status = ?, note = ?, replaced_by = ? WHERE id = ?",
        arguments: [phase.status.rawValue, phase.note, phase.replacedBy, row])
      try db.execute(sql: "DELETE FROM summary WHERE phase_id = ?", arguments: [row])
      for (clean, rows) in [(false, phase.metrics), (true, phase.cleanMetrics)] {
        for (position, summary) in rows.enumerated() {
          try Self.insert(summary, phase: row, clean: clean, position: position, db)
        }
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

  /// What the completed attempts at a phase's counted repetitions gave.
  package func metrics(ofPhase row: Int64) throws(LBError) -> MetricColumns {
    var columns = MetricColumns()
    try write("reading metrics") { db in
      let rows = try Row.fetchCursor(
        db,
        sql: """
          SELECT attempt.id, repetition.number, metric.name, metric.value
            FROM repetition JOIN attempt ON attempt.repetition_id = repetition.id
            LEFT JOIN metric ON metric.attempt_id = attempt.id
            WHERE repetition.phase_id = ? AND NOT repetition.warm_up
              AND attempt.status = 'completed'
            ORDER BY repetition.id, attempt.id
          """, arguments: [row])
      var last: Int64?
      while let row = try rows.next() {
        let attempt: Int64 = try row.value("id")
        if attempt != last { columns.begin(repetition: try row.number("number")) }
        last = attempt
        guard let name: String = try row.value("name") else { continue }
        columns.add(try row.real("value"), of: name)
      }
    }
    return columns
  }

  /// The rows of phases and of their repetitions, in order, and what numbers are taken.
  package func resumption() throws(LBError) -> Resumption {
    var resumption = Resumption()
    try write("reading what is there") { db in
      for phase in try Int64.fetchAll(db, sql: "SELECT id FROM phase ORDER BY id") {
        resumption.phases.append(phase)
        resumption.repetitions.append(
          try Int64.fetchAll(
            db, sql: "SELECT id FROM repetition WHERE phase_id = ? ORDER BY id",
            arguments: [phase]))
      }
      resumption.brackets =
        try UInt32.fetchOne(db, sql: "SELECT max(bracket) FROM attempt") ?? 0
      resumption.brackets = max(
        resumption.brackets, try UInt32.fetchOne(db, sql: "SELECT max(bracket) FROM chunk") ?? 0)
      for row in try Row.fetchAll(
        db, sql: "SELECT stream, name FROM collector WHERE stream IS NOT NULL")
      {
        resumption.collectors[try row.value("stream")] = try row.value("name")
      }
      for row in try Row.fetchAll(
        db, sql: "SELECT stream, max(epoch) AS epoch FROM layout GROUP BY stream")
      {
        resumption.epochs[try row.value("stream")] = try row.value("epoch")
      }
    }
    return resumption
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
