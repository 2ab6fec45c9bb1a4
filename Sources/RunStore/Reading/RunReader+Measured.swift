import Foundation
import GRDB
package import SampleModel

/// The measurements of a run, without the rest of its result: a history reads many files.
extension RunReader {
  /// Tables from which it is made, beside that of `metric`.
  private static let measuredTables = ["phase", "repetition", "attempt", "summary"]

  /// The phases with their repetitions, of each attempt its own row alone, with those of its
  /// metrics that `isWanted`. Ledgers, overhead and outputs are left where they are; with nil so
  /// are the metrics. The summaries are all there, as the file has them.
  package func measured(
    metrics isWanted: ((String) -> Bool)?
  ) throws(LBError) -> [PhaseResult] {
    let path = path
    let tables = Self.measuredTables + (isWanted == nil ? [] : ["metric"])
    return try read("reading the repetitions", of: tables) { db in
      let metrics = try isWanted.map { try Self.metrics(db, $0) } ?? Rows(none: "metric")
      let attempts = try Rows<[AttemptResult]>(
        of: "attempt", db,
        """
        SELECT id, repetition_id, number, bracket, status, start_unix_ns, wall_ns, bracket_ns,
          exit_code, signal, user_ns, system_ns, peak_resident_bytes, voluntary_switches,
          involuntary_switches, output_bytes, orphans_killed, contamination, error
        FROM attempt NOT INDEXED ORDER BY id
        """, by: "repetition_id", into: []
      ) { attempts, row in
        var attempt = try Self.attempt(row)
        attempt.metrics = metrics.take(try row.value("id")) ?? [:]
        attempts.append(attempt)
      }
      try metrics.checkTaken(path)
      let repetitions = try Rows<[RepetitionResult]>(
        of: "repetition", db, "SELECT * FROM repetition NOT INDEXED ORDER BY id", by: "phase_id",
        into: []
      ) { repetitions, row in
        var repetition = RepetitionResult(
          repetition: try row.number("number"), warmUp: try row.value("warm_up"))
        repetition.status = try Self.status(row)
        repetition.attempts = attempts.take(try row.value("id")) ?? []
        repetitions.append(repetition)
      }
      try attempts.checkTaken(path)
      let summaries = try Self.summaries(db)
      if try db.tableExists("provenance") { try verify(["provenance"], db) }
      let provenances = try Self.provenances(db)
      var phases: [PhaseResult] = []
      for row in try Row.fetchAll(db, sql: "SELECT * FROM phase ORDER BY id") {
        var phase = PhaseResult(
          name: try row.value("name"), command: try row.json([String].self, "command"),
          kind: try row.value("kind"))
        let id: Int64 = try row.value("id")
        phase.status = try Self.status(row)
        phase.provenance = provenances.take(id) ?? nil
        for (summary, isClean) in summaries.take(id) ?? [] {
          if isClean { phase.cleanMetrics.append(summary) } else { phase.metrics.append(summary) }
        }
        phase.repetitions = repetitions.take(id) ?? []
        phases.append(phase)
      }
      try repetitions.checkTaken(path)
      return phases
    }
  }

  private static func metrics(
    _ db: Database, _ isWanted: (String) -> Bool
  ) throws -> Rows<[String: Double]> {
    // Each attempt has the same names: each is judged once.
    var known: [String: Bool] = [:]
    return try Rows<[String: Double]>(
      of: "metric", db, "SELECT attempt_id, name, value FROM metric NOT INDEXED",
      by: "attempt_id", into: [:]
    ) { metrics, row in
      let name = OSText.distinct(try row.value("name"))
      let isKnown = known[name] ?? isWanted(name)
      known[name] = isKnown
      if isKnown { metrics[name] = try row.real("value") }
    }
  }
}
