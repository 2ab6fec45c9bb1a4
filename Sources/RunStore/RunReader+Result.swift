import Foundation
import GRDB
package import SampleModel

/// Everything of a run but its samples.
extension RunReader {
  /// Everything but the samples.
  package func result() throws(LBError) -> RunResult {
    let path = path
    let isAbandoned = isUnmarkedlyAbandoned
    return try read("reading the run") { db in
      guard let row = try Row.fetchOne(db, sql: "SELECT * FROM run") else {
        throw LBError(
          .resultPersistence,
          "\(path) contains no run: its writer was killed before writing one, or the file is "
            + "damaged",
          context: ErrorContext(path: path))
      }
      var result = RunResult(
        runID: try row.value("id"), name: try row.value("name"), kind: try row.value("kind"),
        startUnixNanoseconds: try row.count("start_unix_ns"))
      // Files and folders are named by it.
      guard !result.runID.contains("/"), !result.runID.contains("\0"),
        result.runID.first.map({ $0 != "." && $0 != "-" }) ?? false
      else { throw DamagedRow(column: "id", row, reason: "it is no run's id") }
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
      result.phases = try Self.phases(db)
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

  /// Rows that an index does not lead to would be missing without a word.
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

  private static func phases(_ db: Database) throws -> [PhaseResult] {
    var phases: [PhaseResult] = []
    for row in try Row.fetchAll(db, sql: "SELECT * FROM phase ORDER BY id") {
      var phase = PhaseResult(
        name: try row.value("name"), command: try row.json([String].self, "command"),
        kind: try row.value("kind"), parameters: try row.json([String: String].self, "parameters"))
      phase.status = try status(row)
      phase.note = try row.value("note")
      phase.replacedBy = try row.value("replaced_by")
      phase.metrics = try summary(ofPhase: try row.value("id"), clean: false, db)
      phase.cleanMetrics = try summary(ofPhase: try row.value("id"), clean: true, db)
      let repetitions = try Row.fetchAll(
        db, sql: "SELECT * FROM repetition WHERE phase_id = ? ORDER BY id",
        arguments: [try row.value("id") as Int64])
      for row in repetitions {
        var repetition = RepetitionResult(
          repetition: try row.number("number"), warmUp: try row.value("warm_up"))
        repetition.label = try row.value("label")
        repetition.status = try status(row)
        repetition.attempts = try attempts(ofRepetition: try row.value("id"), db)
        phase.repetitions.append(repetition)
      }
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

  private static func attempts(
    ofRepetition repetition: Int64, _ db: Database
  ) throws -> [AttemptResult] {
    // The outputs stay where they are: a blob's length stands before it.
    let kept =
      try db.tableExists("output")
      ? "(SELECT length(data) FROM output WHERE attempt_id = attempt.id)" : "length(output)"
    let rows = try Row.fetchAll(
      db,
      sql: """
        SELECT id, number, bracket, status, start_unix_ns, wall_ns, bracket_ns, exit_code, signal,
          user_ns, system_ns, peak_resident_bytes, voluntary_switches, involuntary_switches,
          output_bytes, \(kept) AS output_kept, orphans_killed, contamination, error
        FROM attempt WHERE repetition_id = ? ORDER BY id
        """,
      arguments: [repetition])
    return try rows.map { row in
      let id: Int64 = try row.value("id")
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
      attempt.contamination =
        try row.jsonIfPresent([String].self, "contamination") ?? []
      attempt.error = try row.jsonIfPresent(LBError.self, "error")
      for metric in try Row.fetchAll(
        db, sql: "SELECT name, value FROM metric WHERE attempt_id = ?", arguments: [id])
      {
        attempt.metrics[try metric.value("name")] = try metric.real("value")
      }
      attempt.ledger = try ledger(ofAttempt: id, db)
      attempt.overhead = try overhead(ofAttempt: id, db)
      return attempt
    }
  }

  private static func ledger(ofAttempt attempt: Int64, _ db: Database) throws -> Ledger {
    let rows = try Row.fetchAll(
      db, sql: "SELECT * FROM ledger WHERE attempt_id = ? ORDER BY thread", arguments: [attempt])
    return Ledger(
      threads: try rows.map { row in
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
      })
  }

  private static func overhead(ofAttempt attempt: Int64, _ db: Database) throws -> Overhead? {
    guard
      let row = try Row.fetchOne(
        db, sql: "SELECT * FROM overhead WHERE attempt_id = ?", arguments: [attempt])
    else { return nil }
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

  /// The version of lbsample that recorded the run.
  package func version() throws(LBError) -> String {
    try read("reading the run") { db in
      try String.fetchOne(db, sql: "SELECT lbsample_version FROM run") ?? ""
    }
  }

  /// The run's labels alone.
  package func labels() throws(LBError) -> [String: String] {
    try read("reading the labels") { db in
      var labels: [String: String] = [:]
      for label in try Row.fetchAll(db, sql: "SELECT key, value FROM label") {
        labels[try label.value("key")] = try label.value("value")
      }
      return labels
    }
  }

  /// The step in ns of each counter of time whose source counts in steps, as the kernel's ticks, by
  /// the metric's full name.
  package func steps() throws(LBError) -> [String: Double] {
    try layouts().reduce(into: [:]) { steps, layout in
      for column in layout.columns
      where column.metric.kind == .counter && column.metric.unit == .nanoseconds {
        steps[column.name] = column.metric.resolution.map { Double($0) }
      }
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
