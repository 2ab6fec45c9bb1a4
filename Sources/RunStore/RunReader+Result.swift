import Foundation
import GRDB
package import SampleModel

/// Everything of a run but its samples.
extension RunReader {
  /// What of each attempt is read that takes long where there are many: a run of 10,000 repetitions
  /// has millions of values.
  package struct Parts: OptionSet, Sendable {
    package let rawValue: Int

    /// Those of a raw value.
    package init(rawValue: Int) { self.rawValue = rawValue }

    /// The values of its metrics.
    package static let metrics = Parts(rawValue: 1)
    /// The accounts of its collectors and threads; those of its ticks are always read.
    package static let accounts = Parts(rawValue: 2)
    /// Everything.
    package static let all: Parts = [.metrics, .accounts]
  }

  /// Everything but the samples, or of a run's attempts these parts alone; of a recording, which
  /// has one, always all.
  package func result(_ parts: Parts = .all) throws(LBError) -> RunResult {
    let path = path
    let isAbandoned = isUnmarkedlyAbandoned
    return try read("reading the run") { db in
      guard let row = try Row.fetchOne(db, sql: "SELECT * FROM run") else {
        throw Self.noRun(path)
      }
      var result = RunResult(
        runID: try row.value("id"), name: try row.value("name"), kind: try row.value("kind"),
        startUnixNanoseconds: try row.count("start_unix_ns"))
      // Files and folders are named by it.
      guard RunOverview.isID(result.runID) else {
        throw DamagedRow(column: "id", row, reason: "it is no run's id")
      }
      result.status = isAbandoned ? .interrupted : try Self.status(row)
      result.endUnixNanoseconds = try row.countIfPresent("end_unix_ns")
      result.durationNanoseconds = try row.countIfPresent("duration_ns")
      result.errors = try row.json([LBError].self, "errors")
      result.warnings = try row.json([String].self, "warnings")
      result.file = path
      result.configuration = try Row.fetchAll(
        db, sql: "SELECT * FROM configuration ORDER BY position"
      ).map {
        ConfigurationEntry(
          key: try $0.value("key"), value: try $0.value("value"), origin: try $0.value("origin"))
      }
      for fact in try Row.fetchAll(db, sql: "SELECT name, value FROM host") {
        result.host[try fact.value("name")] = try fact.value("value")
      }
      for label in try Row.fetchAll(db, sql: "SELECT key, value FROM label") {
        result.labels[try label.value("key")] = try label.value("value")
      }
      result.unavailable = try Row.fetchAll(
        db, sql: "SELECT * FROM collector WHERE outcome <> 'available' ORDER BY position"
      ).map {
        StreamMeta.Unavailable(
          collector: try $0.value("name"), outcome: try $0.value("outcome"),
          reason: try $0.value("reason"))
      }
      result.phases = try Self.phases(db, result.kind == "sample" ? .all : parts)
      try Self.checkNumbers(of: result.phases, db)
      if result.endUnixNanoseconds == nil { result.addErrorsOfRepetitions() }
      result.promoteOnlySummary()
      if result.kind == "sample" {
        let only = result.phases.first?.repetitions.first?.attempts.first
        result.ledger = only?.ledger
        result.overhead = only?.overhead
      }
      return result
    }
  }

  /// Rows of a phase or repetition that is not there would be missing without a word.
  private static func checkNumbers(of phases: [PhaseResult], _ db: Database) throws {
    let repetitions = phases.flatMap(\.repetitions)
    for (table, found) in [
      ("repetition", repetitions.count),
      ("attempt", repetitions.reduce(0) { $0 + $1.attempts.count }),
    ] {
      let count = try Int.fetchOne(db, sql: "SELECT sum(1) FROM \(table) NOT INDEXED") ?? 0
      guard count == found else {
        throw LBError(
          .resultPersistence,
          "corrupt: table \(table) has \(Counted.text(count, "row")), of which \(found) can "
            + "be reached")
      }
    }
  }

  static func unsigned(_ value: Int64?) -> UInt64? { value.map(UInt64.init(bitPattern:)) }

  private static func status(_ row: Row) throws -> RunStatus {
    let word: String = try row.value("status")
    guard let status = RunStatus(rawValue: word) else {
      throw DamagedRow(column: "status", row, reason: "there is no status \(word)")
    }
    return status
  }

  /// Calls `body` with each row, which is valid until it returns. Of rows that are kept GRDB looks
  /// for each column's place anew.
  private static func forEachRow(
    _ db: Database, _ sql: String, _ body: (Row) throws -> Void
  ) throws {
    let rows = try Row.fetchCursor(db, sql: sql)
    while let row = try rows.next() { try body(row) }
  }

  private static func phases(_ db: Database, _ parts: Parts) throws -> [PhaseResult] {
    var attempts = try allAttempts(db, parts)
    var repetitions: [Int64: [RepetitionResult]] = [:]
    try forEachRow(db, "SELECT * FROM repetition ORDER BY id") { row in
      var repetition = RepetitionResult(
        repetition: try row.number("number"), warmUp: try row.value("warm_up"))
      repetition.label = try row.value("label")
      repetition.status = try status(row)
      repetition.attempts = attempts.removeValue(forKey: try row.value("id")) ?? []
      repetitions[try row.value("phase_id"), default: []].append(repetition)
    }
    var phases: [PhaseResult] = []
    for row in try Row.fetchAll(db, sql: "SELECT * FROM phase ORDER BY id") {
      let id: Int64 = try row.value("id")
      var phase = PhaseResult(
        name: try row.value("name"), command: try row.json([String].self, "command"),
        kind: try row.value("kind"), parameters: try row.json([String: String].self, "parameters"))
      phase.status = try status(row)
      phase.note = try row.value("note")
      phase.replacedBy = try row.value("replaced_by")
      phase.metrics = try summary(ofPhase: id, clean: false, db)
      phase.cleanMetrics = try summary(ofPhase: id, clean: true, db)
      phase.repetitions = repetitions.removeValue(forKey: id) ?? []
      phases.append(phase)
    }
    return phases
  }

  private static func summary(
    ofPhase phase: Int64, clean: Bool, _ db: Database
  ) throws -> [MetricSummary] {
    try Row.fetchAll(
      db, sql: "SELECT * FROM summary WHERE phase_id = ? AND clean = ? ORDER BY position",
      arguments: [phase, clean]
    ).map { row in
      var summary = MetricSummary(
        metric: try row.value("metric"), unit: try row.value("unit"),
        count: try row.number("count"),
        median: try row.real("median"),
        minimum: try row.real("minimum"), maximum: try row.real("maximum"),
        medianAbsoluteDeviation: try row.real("median_absolute_deviation"),
        medianLow: try row.realIfPresent("median_low"),
        medianHigh: try row.realIfPresent("median_high"))
      summary.running = try row.realIfPresent("running")
      summary.repetitions = try row.jsonIfPresent([Int].self, "repetitions")
      return summary
    }
  }

  /// The attempts at each repetition, in order.
  private static func allAttempts(
    _ db: Database, _ parts: Parts
  ) throws -> [Int64: [AttemptResult]] {
    var metrics = try parts.contains(.metrics) ? allMetrics(db) : [:]
    var ledgers = try allLedgers(db, parts)
    var overheads = try allOverheads(db, parts)
    // The outputs stay where they are: a blob's length stands before it.
    let kept =
      try db.tableExists("output")
      ? "(SELECT length(data) FROM output WHERE attempt_id = attempt.id)" : "length(output)"
    var attempts: [Int64: [AttemptResult]] = [:]
    try forEachRow(
      db,
      """
      SELECT id, repetition_id, number, bracket, status, start_unix_ns, wall_ns, bracket_ns,
        exit_code, signal, user_ns, system_ns, peak_resident_bytes, voluntary_switches,
        involuntary_switches, output_bytes, \(kept) AS output_kept, orphans_killed, contamination,
        error
      FROM attempt ORDER BY id
      """
    ) { row in
      let id: Int64 = try row.value("id")
      var attempt = try self.attempt(row)
      attempt.metrics = metrics.removeValue(forKey: id) ?? [:]
      attempt.ledger = ledgers.removeValue(forKey: id) ?? Ledger()
      attempt.overhead = overheads.removeValue(forKey: id)
      attempts[try row.value("repetition_id"), default: []].append(attempt)
    }
    return attempts
  }

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
    attempt.outputBytesKept = try row.countIfPresent("output_kept") ?? 0
    attempt.orphansKilled = try row.value("orphans_killed") ?? 0
    attempt.contamination = try row.listIfPresent("contamination") ?? []
    attempt.error = try row.jsonIfPresent(LBError.self, "error")
    return attempt
  }

  private static func allMetrics(_ db: Database) throws -> [Int64: [String: Double]] {
    var metrics: [Int64: [String: Double]] = [:]
    // Each attempt has the same names: one text for all of them.
    var names: [String: String] = [:]
    try forEachRow(db, "SELECT attempt_id, name, value FROM metric") { row in
      let name: String = try row.value("name")
      if names[name] == nil { names[name] = name }
      metrics[try row.value("attempt_id"), default: [:]][names[name] ?? name] =
        try row.real("value")
    }
    return metrics
  }

  private static func allLedgers(_ db: Database, _ parts: Parts) throws -> [Int64: Ledger] {
    var ledgers: [Int64: Ledger] = [:]
    try forEachRow(db, "SELECT * FROM ledger ORDER BY attempt_id, thread") { row in
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
      ledgers[try row.value("attempt_id"), default: Ledger()].threads.append(thread)
    }
    return ledgers
  }

  private static func allOverheads(_ db: Database, _ parts: Parts) throws -> [Int64: Overhead] {
    var overheads: [Int64: Overhead] = [:]
    try forEachRow(db, "SELECT * FROM overhead") { row in
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
      overheads[try row.value("attempt_id")] = overhead
    }
    return overheads
  }

  /// The workload's kept output of an attempt, by phase, repetition and attempt number.
  package func output(bracket: UInt32) throws(LBError) -> [UInt8] {
    try read("reading output") { db in
      let data = try Data.fetchOne(
        db,
        sql: try db.tableExists("output")
          ? """
          SELECT data FROM output JOIN attempt ON attempt.id = attempt_id WHERE bracket = ?
          """ : "SELECT output FROM attempt WHERE bracket = ?", arguments: [bracket])
      return data.map { Array($0) } ?? []
    }
  }

  /// Planned repetitions and warm-ups, nil for a recording.
  package func planned() throws(LBError) -> (repetitions: Int, warmUps: Int)? {
    try read("reading") { db in
      guard
        let row = try Row.fetchOne(
          db, sql: "SELECT repetitions_planned AS r, warm_ups_planned AS w FROM run"),
        let repetitions = try row.countIfPresent("r")
      else { return nil }
      return (Int(repetitions), Int(try row.countIfPresent("w") ?? 0))
    }
  }

  /// The journal, oldest first.
  package func journal(run: String) throws(LBError) -> [JournalEntry] {
    try read("reading the journal") { db in
      try Row.fetchAll(db, sql: "SELECT * FROM journal ORDER BY id").map { row in
        var entry = JournalEntry(
          unixNanoseconds: try row.countIfPresent("unix_ns") ?? 0,
          level: try row.value("level"),
          kind: try row.value("kind"), message: try row.value("message"), run: run,
          phase: try row.value("phase"),
          repetition: try row.value("repetition"), attempt: try row.value("attempt"))
        if row.hasColumn("status") {
          entry.status = (try row.value("status") as String?).flatMap { RunStatus(rawValue: $0) }
          entry.error = try row.jsonIfPresent(LBError.self, "error")
        }
        return entry
      }
    }
  }
}
