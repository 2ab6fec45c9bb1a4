import Foundation
import GRDB
package import SampleModel

/// Everything of a run except its samples.
extension RunReader {
  /// Optional parts of each attempt, which take long to read: a run of 10,000 repetitions has
  /// millions of values.
  package struct Parts: OptionSet, Sendable {
    package let rawValue: Int

    /// The parts of a raw value.
    package init(rawValue: Int) { self.rawValue = rawValue }

    /// The values of its metrics.
    package static let metrics = Parts(rawValue: 1)
    /// The accounts of collectors and threads; those of ticks are always read.
    package static let accounts = Parts(rawValue: 2)
    /// Everything.
    package static let all: Parts = [.metrics, .accounts]
  }

  /// The tables of a result; with `metrics`, further ones.
  private static let tables = [
    "run", "configuration", "host", "label", "collector", "phase", "repetition", "summary",
    "attempt", "output", "ledger", "overhead",
  ]

  /// Everything but the samples, or of a run's attempts these parts alone; of a recording, which
  /// has one, always all. Of the attempts' metrics only those that `passes`, if given.
  package func result(
    _ parts: Parts = .all, metrics passes: ((String) -> Bool)? = nil
  ) throws(LBError) -> RunResult {
    let path = path
    let isAbandoned = isUnmarkedlyAbandoned
    return try read("reading the run", of: Self.tables) { db in
      guard let row = try Row.fetchOne(db, sql: "SELECT * FROM run") else {
        throw Self.noRun(path)
      }
      var result = RunResult(
        runID: try row.value("id"), name: try row.value("name"), kind: try row.value("kind"),
        startUnixNanoseconds: try row.count("start_unix_ns"))
      // The id is used in names of files and folders.
      guard RunOverview.isID(result.runID) else {
        throw DamagedRow(column: "id", row, reason: "it is not a run id")
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
      for fact in try Row.fetchAll(db, sql: "SELECT name, value FROM host NOT INDEXED") {
        result.host[try fact.value("name")] = try fact.value("value")
      }
      for label in try Row.fetchAll(db, sql: "SELECT key, value FROM label NOT INDEXED") {
        result.labels[try label.value("key")] = try label.value("value")
      }
      result.unavailable = try StreamMeta.Unavailable.all(db)
      let wanted: Parts = result.kind == "sample" ? .all : parts
      if wanted.contains(.metrics) { try verify(["metric"], db) }
      if try db.tableExists("provenance") { try verify(["provenance"], db) }
      result.phases = try Self.phases(db, path, wanted, passes)
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

  /// An unsigned number stored as SQLite's signed integer.
  static func unsigned(_ value: Int64?) -> UInt64? { value.map(UInt64.init(bitPattern:)) }

  static func status(_ row: Row) throws -> RunStatus {
    let word: String = try row.value("status")
    guard let status = RunStatus(rawValue: word) else {
      throw DamagedRow(column: "status", row, reason: "there is no status \(word)")
    }
    return status
  }

  private static func phases(
    _ db: Database, _ path: String, _ parts: Parts, _ passes: ((String) -> Bool)?
  ) throws -> [PhaseResult] {
    let attempts = try Self.attempts(db, path, parts, passes)
    let summaries = try Self.summaries(db)
    let repetitions = try Rows<[RepetitionResult]>(
      of: "repetition", db, "SELECT * FROM repetition NOT INDEXED ORDER BY id", by: "phase_id",
      into: []
    ) { repetitions, row in
      var repetition = RepetitionResult(
        repetition: try row.number("number"), warmUp: try row.value("warm_up"))
      repetition.label = try row.value("label")
      repetition.status = try Self.status(row)
      repetition.attempts = attempts.take(try row.value("id")) ?? []
      repetitions.append(repetition)
    }
    try attempts.checkTaken(path)
    let provenances = try provenances(db)
    var phases: [PhaseResult] = []
    for row in try Row.fetchAll(db, sql: "SELECT * FROM phase ORDER BY id") {
      var phase = PhaseResult(
        name: try row.value("name"), command: try row.json([String].self, "command"),
        kind: try row.value("kind"), parameters: try row.json([String: String].self, "parameters"))
      let id: Int64 = try row.value("id")
      phase.status = try status(row)
      phase.note = try row.value("note")
      phase.replacedBy = try row.value("replaced_by")
      for (summary, isClean) in summaries.take(id) ?? [] {
        if isClean { phase.cleanMetrics.append(summary) } else { phase.metrics.append(summary) }
      }
      phase.repetitions = repetitions.take(id) ?? []
      phase.provenance = provenances.take(id) ?? nil
      phases.append(phase)
    }
    try provenances.checkTaken(path)
    try repetitions.checkTaken(path)
    try summaries.checkTaken(path)
    return phases
  }

  /// Summaries by the row of their phase, in order, and whether they are of clean attempts.
  static func summaries(_ db: Database) throws -> Rows<[(MetricSummary, Bool)]> {
    try Rows<[(MetricSummary, Bool)]>(
      of: "summary", db,
      // Files of earlier versions may have a summary without a phase, which is ignored.
      "SELECT * FROM summary NOT INDEXED WHERE phase_id IS NOT NULL ORDER BY position",
      by: "phase_id", into: []
    ) { summaries, row in
      var summary = MetricSummary(
        metric: OSText.distinct(try row.value("metric")), unit: try row.value("unit"),
        count: try row.number("count"),
        median: try row.real("median"),
        minimum: try row.real("minimum"), maximum: try row.real("maximum"),
        medianAbsoluteDeviation: try row.real("median_absolute_deviation"),
        medianLow: try row.realIfPresent("median_low"),
        medianHigh: try row.realIfPresent("median_high"))
      summary.running = try row.realIfPresent("running")
      summary.repetitions = try row.jsonIfPresent([Int].self, "repetitions")
      summaries.append((summary, try row.value("clean")))
    }
  }

  /// The version of lbsample that recorded the run.
  package func version() throws(LBError) -> String {
    try read("reading the run") { db in
      try String.fetchOne(db, sql: "SELECT lbsample_version FROM run") ?? ""
    }
  }

  /// Only the run's labels.
  package func labels() throws(LBError) -> [String: String] {
    try read("reading the labels") { db in
      var labels: [String: String] = [:]
      for label in try Row.fetchAll(db, sql: "SELECT key, value FROM label") {
        labels[try label.value("key")] = try label.value("value")
      }
      return labels
    }
  }

  /// The resolution in ns of each time counter whose source counts in steps, such as ticks, by the
  /// metric's full name.
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
    try read("reading", of: ["run"]) { db in
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
    try read("reading the journal", of: ["journal"]) { db in
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
