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
          .resultPersistence, "\(path) holds no run: it was killed before the first row",
          context: ErrorContext(path: path))
      }
      var result = RunResult(
        runID: row["id"], name: row["name"], kind: row["kind"],
        startUnixNanoseconds: Self.unsigned(row["start_unix_ns"]) ?? 0)
      result.status = isAbandoned ? .interrupted : try Self.status(row["status"])
      result.endUnixNanoseconds = Self.unsigned(row["end_unix_ns"])
      result.durationNanoseconds = Self.unsigned(row["duration_ns"])
      result.errors = try JSON.value([LBError].self, row["errors"])
      result.warnings = try JSON.value([String].self, row["warnings"])
      result.file = path
      result.configuration = try Row.fetchAll(
        db, sql: "SELECT * FROM configuration ORDER BY position"
      ).map { ConfigurationEntry(key: $0["key"], value: $0["value"], origin: $0["origin"]) }
      for fact in try Row.fetchAll(db, sql: "SELECT name, value FROM host") {
        result.host[fact["name"]] = fact["value"]
      }
      for label in try Row.fetchAll(db, sql: "SELECT key, value FROM label") {
        result.labels[label["key"]] = label["value"]
      }
      result.unavailable = try Row.fetchAll(
        db, sql: "SELECT * FROM collector WHERE outcome <> 'available' ORDER BY position"
      ).map {
        StreamMeta.Unavailable(
          collector: $0["name"], outcome: $0["outcome"], reason: $0["reason"])
      }
      result.phases = try Self.phases(db)
      result.promoteOnlySummary()
      if result.kind == "sample" {
        let only = result.phases.first?.repetitions.first?.attempts.first
        result.ledger = only?.ledger
        result.overhead = only?.overhead
      }
      return result
    }
  }

  static func unsigned(_ value: Int64?) -> UInt64? { value.map(UInt64.init(bitPattern:)) }

  private static func status(_ word: String) throws -> RunStatus {
    guard let status = RunStatus(rawValue: word) else {
      throw LBError(.resultPersistence, "unknown status \(word) in the result file")
    }
    return status
  }

  private static func phases(_ db: Database) throws -> [PhaseResult] {
    var phases: [PhaseResult] = []
    for row in try Row.fetchAll(db, sql: "SELECT * FROM phase ORDER BY id") {
      var phase = PhaseResult(
        name: row["name"], command: try JSON.value([String].self, row["command"]),
        kind: row["kind"], parameters: try JSON.value([String: String].self, row["parameters"]))
      phase.status = try status(row["status"])
      phase.note = row["note"]
      phase.replacedBy = row["replaced_by"]
      phase.metrics = try summary(ofPhase: row["id"], clean: false, db)
      phase.cleanMetrics = try summary(ofPhase: row["id"], clean: true, db)
      let repetitions = try Row.fetchAll(
        db, sql: "SELECT * FROM repetition WHERE phase_id = ? ORDER BY id",
        arguments: [row["id"] as Int64])
      for row in repetitions {
        var repetition = RepetitionResult(repetition: row["number"], warmUp: row["warm_up"])
        repetition.label = row["label"]
        repetition.status = try status(row["status"])
        repetition.attempts = try attempts(ofRepetition: row["id"], db)
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
        metric: row["metric"], unit: row["unit"], count: row["count"], median: row["median"],
        minimum: row["minimum"], maximum: row["maximum"],
        medianAbsoluteDeviation: row["median_absolute_deviation"], medianLow: row["median_low"],
        medianHigh: row["median_high"])
      summary.running = row["running"]
      summary.repetitions = try (row["repetitions"] as String?).map {
        try JSON.value([Int].self, $0)
      }
      return summary
    }
  }

  private static func attempts(
    ofRepetition repetition: Int64, _ db: Database
  ) throws -> [AttemptResult] {
    let rows = try Row.fetchAll(
      db, sql: "SELECT * FROM attempt WHERE repetition_id = ? ORDER BY id",
      arguments: [repetition])
    return try rows.map { row in
      let id: Int64 = row["id"]
      var attempt = AttemptResult(attempt: row["number"])
      attempt.bracket = row["bracket"]
      attempt.status = try status(row["status"])
      attempt.startUnixNanoseconds = unsigned(row["start_unix_ns"]) ?? 0
      attempt.wallNanoseconds = unsigned(row["wall_ns"])
      attempt.bracketNanoseconds = unsigned(row["bracket_ns"]) ?? 0
      attempt.exitCode = row["exit_code"]
      attempt.signal = row["signal"]
      attempt.userNanoseconds = unsigned(row["user_ns"])
      attempt.systemNanoseconds = unsigned(row["system_ns"])
      attempt.peakResidentBytes = unsigned(row["peak_resident_bytes"])
      attempt.voluntarySwitches = unsigned(row["voluntary_switches"])
      attempt.involuntarySwitches = unsigned(row["involuntary_switches"])
      attempt.outputBytes = unsigned(row["output_bytes"]) ?? 0
      attempt.outputBytesKept = UInt64((row["output"] as Data?)?.count ?? 0)
      attempt.orphansKilled = row["orphans_killed"] ?? 0
      attempt.contamination =
        try (row["contamination"] as String?).map { try JSON.value([String].self, $0) } ?? []
      attempt.error = try (row["error"] as String?).map { try JSON.value(LBError.self, $0) }
      for metric in try Row.fetchAll(
        db, sql: "SELECT name, value FROM metric WHERE attempt_id = ?", arguments: [id])
      {
        attempt.metrics[metric["name"]] = metric["value"]
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
        var thread = ThreadLedger(thread: row["thread"], cpu: row["cpu"])
        thread.ticks.deadlines = unsigned(row["deadlines"]) ?? 0
        thread.ticks.onTime = unsigned(row["on_time"]) ?? 0
        thread.ticks.late = unsigned(row["late"]) ?? 0
        thread.ticks.skipped = unsigned(row["skipped"]) ?? 0
        thread.ticks.latenessMaximum = unsigned(row["lateness_max_ns"]) ?? 0
        thread.ring.pushed = unsigned(row["pushed"]) ?? 0
        thread.ring.drained = unsigned(row["drained"]) ?? 0
        thread.ring.dropped = unsigned(row["dropped"]) ?? 0
        thread.collectors = try JSON.value([CollectorLedger].self, row["collectors"])
        return thread
      })
  }

  private static func overhead(ofAttempt attempt: Int64, _ db: Database) throws -> Overhead? {
    guard
      let row = try Row.fetchOne(
        db, sql: "SELECT * FROM overhead WHERE attempt_id = ?", arguments: [attempt])
    else { return nil }
    var overhead = Overhead()
    overhead.samplingThreadNanoseconds = try JSON.value([UInt64].self, row["sampling_ns"])
    overhead.drainNanoseconds = unsigned(row["drain_ns"]) ?? 0
    overhead.processNanoseconds = unsigned(row["process_ns"]) ?? 0
    overhead.startNanoseconds = unsigned(row["start_ns"]) ?? 0
    overhead.stopNanoseconds = unsigned(row["stop_ns"]) ?? 0
    overhead.elapsedNanoseconds = unsigned(row["elapsed_ns"]) ?? 0
    overhead.bytesWritten = unsigned(row["bytes_written"]) ?? 0
    overhead.memoryLocked = unsigned(row["memory_locked"]) ?? 0
    overhead.memoryResident = unsigned(row["memory_resident"])
    return overhead
  }

  /// The workload's kept output of an attempt, by phase, repetition and attempt number.
  package func output(bracket: UInt32) throws(LBError) -> [UInt8] {
    try read("reading output") { db in
      let data = try Data.fetchOne(
        db, sql: "SELECT output FROM attempt WHERE bracket = ?", arguments: [bracket])
      return data.map { Array($0) } ?? []
    }
  }

  /// Planned repetitions and warm-ups, nil for a recording.
  package func planned() throws(LBError) -> (repetitions: Int, warmUps: Int)? {
    try read("reading") { db in
      guard
        let row = try Row.fetchOne(
          db, sql: "SELECT repetitions_planned AS r, warm_ups_planned AS w FROM run"),
        let repetitions = row["r"] as Int?
      else { return nil }
      return (repetitions, row["w"] ?? 0)
    }
  }

  /// The journal, oldest first.
  package func journal(run: String) throws(LBError) -> [JournalEntry] {
    try read("reading the journal") { db in
      try Row.fetchAll(db, sql: "SELECT * FROM journal ORDER BY id").map { row in
        JournalEntry(
          unixNanoseconds: Self.unsigned(row["unix_ns"]) ?? 0, level: row["level"],
          kind: row["kind"], message: row["message"], run: run, phase: row["phase"],
          repetition: row["repetition"], attempt: row["attempt"])
      }
    }
  }
}
