import GRDB
package import SampleModel

/// With what the phases of a run were measured.
extension RunReader {
  /// Provenances by the row of their phase; none of a file from before there were any.
  static func provenances(_ db: Database) throws -> Rows<PhaseProvenance?> {
    guard try db.tableExists("provenance") else { return Rows(none: "provenance") }
    return try Rows<PhaseProvenance?>(
      of: "provenance", db, "SELECT * FROM provenance NOT INDEXED", by: "phase_id", into: nil
    ) { provenance, row in
      var found = PhaseProvenance()
      found.key = try row.value("key")
      found.unknown = try row.value("unknown")
      found.takenFrom = try row.value("taken_from")
      found.executable = try row.jsonIfPresent(PhaseProvenance.File.self, "executable")
      found.inputs = try row.json([PhaseProvenance.File].self, "inputs")
      found.environment = try row.json([String: String].self, "environment")
      provenance = found
    }
  }

  /// The keys of the phases that were completed, with the names of these, from two tables alone;
  /// none of a file from before there were any.
  package func cells() throws(LBError) -> [(key: String, phase: String)] {
    try read("reading the phases", of: ["phase"]) { db in
      guard try db.tableExists("provenance") else { return [] }
      try verify(["provenance"], db)
      var keys: [Int64: String] = [:]
      for row in try Row.fetchAll(
        db, sql: "SELECT phase_id, key FROM provenance NOT INDEXED WHERE key IS NOT NULL")
      {
        keys[try row.value("phase_id")] = try row.value("key")
      }
      var cells: [(key: String, phase: String)] = []
      for row in try Row.fetchAll(
        db, sql: "SELECT id, name FROM phase NOT INDEXED WHERE status = 'completed'")
      {
        guard let key = keys[try row.value("id")] else { continue }
        cells.append((key, try row.value("name")))
      }
      return cells
    }
  }
}
