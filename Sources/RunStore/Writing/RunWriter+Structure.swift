import Foundation
import GRDB
package import SampleModel

/// The rows of phases, repetitions and attempts.
extension RunWriter {
  /// Adds a phase, with its provenance if it has one; gives its row.
  package func addPhase(_ phase: PhaseResult) throws(LBError) -> Int64 {
    var row: Int64 = 0
    try write("recording a phase") { db in row = try Self.insert(phase, db) }
    return row
  }

  /// Adds a phase that another run has measured, with its repetitions and summaries, at once: all
  /// of it is there, or nothing. Its attempts have no samples, no output and no account here. Gives
  /// its row.
  package func addTaken(_ phase: PhaseResult) throws(LBError) -> Int64 {
    var row: Int64 = 0
    try write("recording a phase of an earlier run") { db in
      row = try Self.insert(phase, db)
      for repetition in phase.repetitions {
        let rowID = try Self.insert(repetition, phase: row, db)
        for attempt in repetition.attempts {
          let number = try Self.insert(attempt: attempt.attempt, nil, repetition: rowID, db)
          try Self.complete(number, attempt, [], unopened: true, db)
        }
      }
      try Self.update(row, phase, db)
    }
    return row
  }

  /// Records anew with what a phase was measured.
  package func setProvenance(_ row: Int64, _ provenance: PhaseProvenance) throws(LBError) {
    try write("recording a phase's provenance") { db in
      try Self.insert(provenance, phase: row, db)
    }
  }

  /// Adds a repetition of a phase; gives its row.
  package func addRepetition(
    _ repetition: RepetitionResult, phase: Int64
  ) throws(LBError) -> Int64 {
    var row: Int64 = 0
    try write("recording a repetition") { db in
      row = try Self.insert(repetition, phase: phase, db)
    }
    return row
  }

  /// Adds an attempt under way in `bracket`, nil for one that did not come to its own; gives its
  /// row.
  package func addAttempt(
    number: Int, bracket: UInt32?, repetition: Int64
  ) throws(LBError) -> Int64 {
    var row: Int64 = 0
    try write("recording an attempt") { db in
      row = try Self.insert(attempt: number, bracket, repetition: repetition, db)
    }
    return row
  }

  /// Completes an attempt's row; one that is `unopened` has no bracket after all.
  package func finishAttempt(
    _ row: Int64, _ result: AttemptResult, output: [UInt8], unopened: Bool = false
  ) throws(LBError) {
    try write("recording an attempt's result") { db in
      try Self.complete(row, result, output, unopened: unopened, db)
    }
    count(bytes: output.count)
  }

  // MARK: Rows

  private static func insert(_ phase: PhaseResult, _ db: Database) throws -> Int64 {
    try db.execute(
      sql: """
        INSERT INTO phase (name, kind, parameters, status, command) VALUES (?, ?, ?, ?, ?)
        """,
      arguments: [
        phase.name, phase.kind, try JSON.text(phase.parameters), phase.status.rawValue,
        try JSON.text(phase.command),
      ])
    let row = db.lastInsertedRowID
    if let provenance = phase.provenance { try insert(provenance, phase: row, db) }
    return row
  }

  private static func insert(
    _ provenance: PhaseProvenance, phase: Int64, _ db: Database
  ) throws {
    try db.execute(
      sql: """
        INSERT OR REPLACE INTO provenance
          (phase_id, key, unknown, taken_from, executable, inputs, environment)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        phase, provenance.key, provenance.unknown, provenance.takenFrom,
        try provenance.executable.map { try JSON.text($0) }, try JSON.text(provenance.inputs),
        try JSON.text(provenance.environment),
      ])
  }

  private static func insert(
    _ repetition: RepetitionResult, phase: Int64, _ db: Database
  ) throws -> Int64 {
    try db.execute(
      sql: """
        INSERT INTO repetition (phase_id, number, warm_up, label, status)
        VALUES (?, ?, ?, ?, ?)
        """,
      arguments: [
        phase, repetition.repetition, repetition.warmUp, repetition.label,
        repetition.status.rawValue,
      ])
    return db.lastInsertedRowID
  }

  private static func insert(
    attempt number: Int, _ bracket: UInt32?, repetition: Int64, _ db: Database
  ) throws -> Int64 {
    try db.execute(
      sql: """
        INSERT INTO attempt (repetition_id, number, bracket, status)
        VALUES (?, ?, ?, 'running')
        """, arguments: [repetition, number, bracket])
    return db.lastInsertedRowID
  }

  private static func complete(
    _ row: Int64, _ result: AttemptResult, _ output: [UInt8], unopened: Bool, _ db: Database
  ) throws {
    let checksum: UInt32? = output.isEmpty ? nil : Checksum.crc32c(output)
    try db.execute(
      sql: """
        UPDATE attempt SET bracket = CASE WHEN ? THEN NULL ELSE bracket END, status = ?,
          start_unix_ns = ?, wall_ns = ?, bracket_ns = ?, exit_code = ?, signal = ?, user_ns = ?,
          system_ns = ?, peak_resident_bytes = ?, voluntary_switches = ?, orphans_killed = ?,
          involuntary_switches = ?, output_bytes = ?, contamination = ?, error = ?,
          output_checksum = coalesce(?, output_checksum)
        WHERE id = ?
        """,
      arguments: [
        unopened, result.status.rawValue, Int64(bitPattern: result.startUnixNanoseconds),
        result.wallNanoseconds.map(Int64.init(bitPattern:)),
        Int64(bitPattern: result.bracketNanoseconds), result.exitCode, result.signal,
        result.userNanoseconds.map(Int64.init(bitPattern:)),
        result.systemNanoseconds.map(Int64.init(bitPattern:)),
        result.peakResidentBytes.map(Int64.init(bitPattern:)),
        result.voluntarySwitches.map(Int64.init(bitPattern:)), result.orphansKilled,
        result.involuntarySwitches.map(Int64.init(bitPattern:)),
        Int64(bitPattern: result.outputBytes), try JSON.text(result.contamination),
        try result.error.map { try JSON.text($0) }, checksum, row,
      ])
    if !output.isEmpty {
      try db.execute(
        sql: "INSERT OR REPLACE INTO output VALUES (?, ?)", arguments: [row, Data(output)])
    }
    for (name, value) in result.metrics {
      // A thousand and more of them: compiled once.
      try db.cachedStatement(
        sql: "INSERT OR REPLACE INTO metric (attempt_id, name, value) VALUES (?, ?, ?)"
      ).execute(arguments: [row, name, value])
    }
    try insert(result.ledger, attempt: row, db)
    if let overhead = result.overhead { try insert(overhead, attempt: row, db) }
  }
}
