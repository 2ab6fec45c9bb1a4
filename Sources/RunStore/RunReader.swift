import Foundation
import GRDB
package import SampleModel

/// Reads one run's file; never trusts it.
package final class RunReader {
  package let path: String
  private let queue: DatabaseQueue
  /// The writer is gone and the file cannot be told so (a full disk, a read-only place).
  private var isUnmarkedlyAbandoned = false

  /// Opens a result file, whether it is closed, being recorded, or was left by a killed writer.
  package init(path: String) throws(LBError) {
    self.path = path
    var isDirectory: ObjCBool = false
    guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory),
      !isDirectory.boolValue
    else {
      throw LBError(
        .configuration, "\(path): no such result file; lbsample runs list shows what there is",
        context: ErrorContext(path: path))
    }
    do {
      queue = try Self.open(path)
      let (id, version) = try queue.read { db in
        (
          try Int.fetchOne(db, sql: "PRAGMA application_id") ?? 0,
          try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        )
      }
      guard id == Schema.applicationID else {
        throw LBError(
          .configuration, "\(path) is not an lbsample result file",
          context: ErrorContext(path: path))
      }
      guard version == Schema.version else {
        throw LBError(
          .configuration,
          "\(path) has schema version \(version), this lbsample reads \(Schema.version): "
            + "use the lbsample that wrote it", context: ErrorContext(path: path))
      }
    } catch let error as LBError {
      throw error
    } catch {
      if (error as? DatabaseError)?.resultCode == .SQLITE_NOTADB {
        throw LBError(
          .configuration, "\(path) is not an lbsample result file",
          context: ErrorContext(path: path))
      }
      throw StoreFailure.error(error, path: path, doing: "opening")
    }
  }

  /// A file that we may not write is read as it is; any other is opened for writing, since reading
  /// a live log needs its shared-memory file. Where there is no room for that one, the log is read
  /// by this process alone, which keeps the index in its own memory.
  private static func open(_ path: String) throws -> DatabaseQueue {
    var settings = Configuration()
    settings.busyMode = .timeout(5)
    settings.readonly = !FileManager.default.isWritableFile(atPath: path)
    do {
      let queue = try DatabaseQueue(path: path, configuration: settings)
      _ = try queue.read { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") }
      return queue
    } catch let error as DatabaseError
      where [.SQLITE_FULL, .SQLITE_IOERR, .SQLITE_CANTOPEN].contains(error.resultCode)
    {
      settings.prepareDatabase { db in try db.execute(sql: "PRAGMA locking_mode = EXCLUSIVE") }
      return try DatabaseQueue(path: path, configuration: settings)
    }
  }

  private func read<T>(_ doing: String, _ body: (Database) throws -> T) throws(LBError) -> T {
    do {
      return try queue.read { db in try body(db) }
    } catch let error as LBError {
      throw error
    } catch {
      throw StoreFailure.error(error, path: path, doing: doing)
    }
  }

  /// PRAGMA integrity_check: `ok`, or what is wrong.
  package func integrity() throws(LBError) -> String {
    try read("checking") { db in
      try String.fetchAll(db, sql: "PRAGMA integrity_check").joined(separator: "; ")
    }
  }

  /// Whether the process that writes this run is alive.
  package func writerIsAlive() throws(LBError) -> Bool {
    try read("reading") { db in
      guard let row = try Row.fetchOne(db, sql: "SELECT pid, pid_start, boot_id FROM run") else {
        return false
      }
      return ProcessIdentity(
        pid: row["pid"], start: row["pid_start"], bootID: row["boot_id"]
      ).isAlive
    }
  }

  /// Ends a run whose writer is gone: interrupted, one plain file. Gives whether it did.
  package func finishIfAbandoned() throws(LBError) -> Bool {
    let status = try read("reading") { db in
      try String.fetchOne(db, sql: "SELECT status FROM run")
    }
    guard status == RunStatus.running.rawValue, try !writerIsAlive() else { return false }
    isUnmarkedlyAbandoned = true
    guard !queue.configuration.readonly else { return true }
    do {
      try queue.write { db in
        try db.execute(
          sql: """
            UPDATE run SET status = 'interrupted';
            UPDATE phase SET status = 'interrupted' WHERE status = 'running';
            UPDATE repetition SET status = 'interrupted' WHERE status = 'running';
            UPDATE attempt SET status = 'interrupted' WHERE status = 'running';
            """)
      }
      isUnmarkedlyAbandoned = false
    } catch let error as DatabaseError
      where [.SQLITE_FULL, .SQLITE_IOERR, .SQLITE_READONLY].contains(error.resultCode)
    {
      // What is there can be read all the same; the status is told, if not kept.
    } catch {
      throw StoreFailure.error(error, path: path, doing: "finishing an abandoned run")
    }
    return true
  }

  /// Closes the file; makes it one plain file when the run has ended and nobody else is there.
  package func close() {
    var isOver = false
    do throws(LBError) {
      isOver = try read("reading") { db in
        try String.fetchOne(db, sql: "SELECT status FROM run") != RunStatus.running.rawValue
      }
    } catch {
      // Unreadable: there is nothing to finish.
    }
    if isOver, !queue.configuration.readonly {
      PlainFile.settle(queue)
    } else {
      do { try queue.close() } catch {
        // A statement is still in use somewhere: the connection goes with the process.
      }
    }
  }

  // MARK: The run as a result

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
      result.metrics = try Row.fetchAll(db, sql: "SELECT * FROM summary ORDER BY position").map {
        MetricSummary(
          metric: $0["metric"], unit: $0["unit"], count: $0["count"], median: $0["median"],
          minimum: $0["minimum"], maximum: $0["maximum"],
          medianAbsoluteDeviation: $0["median_absolute_deviation"], medianLow: $0["median_low"],
          medianHigh: $0["median_high"])
      }
      result.phases = try Self.phases(db)
      if result.kind == "sample" {
        let only = result.phases.first?.repetitions.first?.attempts.first
        result.ledger = only?.ledger
        result.overhead = only?.overhead
      }
      return result
    }
  }

  private static func unsigned(_ value: Int64?) -> UInt64? { value.map(UInt64.init(bitPattern:)) }

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
        name: row["name"], command: try JSON.value([String].self, row["command"]))
      phase.status = try status(row["status"])
      let repetitions = try Row.fetchAll(
        db, sql: "SELECT * FROM repetition WHERE phase_id = ? ORDER BY id",
        arguments: [row["id"] as Int64])
      for row in repetitions {
        var repetition = RepetitionResult(repetition: row["number"], warmUp: row["warm_up"])
        repetition.status = try status(row["status"])
        repetition.attempts = try attempts(ofRepetition: row["id"], db)
        phase.repetitions.append(repetition)
      }
      phases.append(phase)
    }
    return phases
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
      attempt.status = try status(row["status"])
      attempt.startUnixNanoseconds = unsigned(row["start_unix_ns"]) ?? 0
      attempt.wallNanoseconds = unsigned(row["wall_ns"])
      attempt.bracketNanoseconds = unsigned(row["bracket_ns"]) ?? 0
      attempt.exitCode = row["exit_code"]
      attempt.signal = row["signal"]
      attempt.userNanoseconds = unsigned(row["user_ns"])
      attempt.systemNanoseconds = unsigned(row["system_ns"])
      attempt.peakResidentBytes = unsigned(row["peak_resident_bytes"])
      attempt.outputBytes = unsigned(row["output_bytes"]) ?? 0
      attempt.outputBytesKept = UInt64((row["output"] as Data?)?.count ?? 0)
      attempt.orphansKilled = row["orphans_killed"] ?? 0
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

  // MARK: The samples

  /// The time of the last committed sample's end (CLOCK_MONOTONIC), nil when there is none.
  package func lastSampleEnd() throws(LBError) -> UInt64? {
    try read("reading") { db in
      Self.unsigned(try Int64.fetchOne(db, sql: "SELECT max(last_ns) FROM chunk"))
    }
  }

  func firstStart() throws(LBError) -> UInt64 {
    try read("reading") { db in
      Self.unsigned(try Int64.fetchOne(db, sql: "SELECT min(first_ns) FROM chunk")) ?? 0
    }
  }

  /// Committed frames, gaps included.
  package func frameCount() throws(LBError) -> Int {
    try read("reading") { db in
      try Int.fetchOne(db, sql: "SELECT coalesce(sum(rows), 0) FROM chunk WHERE kind = 1") ?? 0
    }
  }

  func anchors() throws(LBError) -> [ClockAnchor] {
    try read("reading the clocks") { db in
      try Row.fetchAll(db, sql: "SELECT * FROM anchor ORDER BY monotonic_ns").map {
        ClockAnchor(
          monotonic: Self.unsigned($0["monotonic_ns"]) ?? 0,
          realtime: Self.unsigned($0["realtime_ns"]) ?? 0,
          boottime: Self.unsigned($0["boottime_ns"]) ?? 0)
      }
    }
  }

  func interval() throws(LBError) -> UInt64 {
    try read("reading") { db in
      Self.unsigned(try Int64.fetchOne(db, sql: "SELECT interval_ns FROM run")) ?? 0
    }
  }

  func streams() throws(LBError) -> [StreamMeta.Stream] {
    try read("reading the collectors") { db in
      try Row.fetchAll(
        db, sql: "SELECT * FROM collector WHERE outcome = 'available' ORDER BY stream"
      ).map {
        StreamMeta.Stream(
          collector: $0["name"], stream: $0["stream"], thread: $0["thread"], cpu: $0["cpu"],
          cadence: Self.unsigned($0["cadence"]) ?? 1, required: $0["required"])
      }
    }
  }

  func schemas() throws(LBError) -> [RecordSchema] {
    try read("reading the record schemas") { db in
      try String.fetchAll(db, sql: "SELECT definition FROM record_schema ORDER BY stream")
        .map { try JSON.value(RecordSchema.self, $0) }
    }
  }

  func layouts() throws(LBError) -> [Layout] {
    try read("reading the layouts") { db in
      try String.fetchAll(db, sql: "SELECT definition FROM layout ORDER BY stream, epoch")
        .map { try JSON.value(Layout.self, $0) }
    }
  }

  /// Ids of a stream's chunks in order of time, of one bracket if given.
  func chunkIDs(stream: UInt16, bracket: UInt32?) throws(LBError) -> [Int64] {
    try read("reading samples") { db in
      try Int64.fetchAll(
        db,
        sql: """
          SELECT id FROM chunk WHERE stream = ? AND (? IS NULL OR bracket = ?)
          ORDER BY first_ns, id
          """, arguments: [stream, bracket, bracket])
    }
  }

  /// One chunk, its checksum verified.
  func chunk(_ id: Int64) throws(LBError) -> Chunk {
    let path = path
    return try read("reading samples") { db in
      guard
        let row = try Row.fetchOne(
          db, sql: "SELECT stream, epoch, bracket, checksum, data FROM chunk WHERE id = ?",
          arguments: [id])
      else { throw LBError(.resultPersistence, "\(path): chunk \(id) is gone") }
      let bytes = [UInt8](row["data"] as Data)
      guard Checksum.crc32c(bytes) == row["checksum"] as UInt32 else {
        throw LBError(
          .resultPersistence, "\(path): chunk \(id) fails its checksum: the file is damaged",
          context: ErrorContext(path: path))
      }
      do throws(Chunk.Malformed) {
        return try Chunk(
          decoding: bytes, stream: row["stream"], epoch: row["epoch"], bracket: row["bracket"])
      } catch {
        throw LBError(
          .resultPersistence, "\(path): chunk \(id) does not decode: \(error.reason)",
          context: ErrorContext(path: path))
      }
    }
  }
}
