import Foundation
import GRDB
package import SampleModel

/// An overview of a run for lists.
package struct RunOverview: Sendable, Equatable {
  package var runID: String
  package var kind: String
  package var status: RunStatus
  package var startUnixNanoseconds: UInt64
  package var durationNanoseconds: UInt64?
  /// Counted repetitions that were completed.
  package var completed: Int
  /// The command of the first phase that has one.
  package var command: [String]
  /// Phases with a command.
  package var commands: Int
  /// The host's name; nil where the file has none, or where the table of the host is damaged.
  package var host: String?
  /// The user's labels.
  package var labels: [String: String]
  /// The runs that measured phases of it, which it took from them (`--reuse`), in order of their
  /// ids; none where that table is damaged.
  package var sources: [String]

  /// Whether the run has ended, and will not continue by itself.
  package var isOver: Bool { ![.pending, .running, .waiting].contains(status) }

  /// The run's name: its id without the time and the number at its end.
  package var name: String { RunDirectory.name(ofRun: runID) }

  /// Whether a text is a valid run id, by which files and folders are named.
  static func isID(_ text: String) -> Bool {
    !text.has("/") && !text.contains("\0")
      && (text.first.map { $0 != "." && $0 != "-" } ?? false)
  }
}

extension RunOverview {
  /// The tables of an overview.
  fileprivate static let tables = ["run", "phase", "repetition", "label"]

  private init(_ run: Row) throws {
    runID = try run.value("id")
    kind = try run.value("kind")
    let word: String = try run.value("status")
    guard Self.isID(runID) else {
      throw DamagedRow(column: "id", run, reason: "it is not a run id")
    }
    guard let status = RunStatus(rawValue: word) else {
      throw DamagedRow(column: "status", run, reason: "there is no status \(word)")
    }
    self.status = status
    startUnixNanoseconds = try run.count("start_unix_ns")
    durationNanoseconds = try run.countIfPresent("duration_ns")
    (completed, command, commands, host, labels, sources) = (0, [], 0, nil, [:], [])
  }

  /// The overview of a file; nil without a run.
  fileprivate static func read(_ db: Database) throws -> RunOverview? {
    let row = try Row.fetchOne(
      db, sql: "SELECT id, kind, status, start_unix_ns, duration_ns FROM run NOT INDEXED")
    guard let row else { return nil }
    var overview = try RunOverview(row)
    overview.completed =
      try Int.fetchOne(
        db,
        sql: """
          SELECT count(*) FROM repetition NOT INDEXED WHERE NOT warm_up AND status = 'completed'
          """) ?? 0
    let commands = try Row.fetchAll(
      db, sql: "SELECT id, command FROM phase NOT INDEXED WHERE command <> '[]' ORDER BY id")
    overview.commands = commands.count
    overview.command = try commands.first?.json([String].self, "command") ?? []
    for label in try Row.fetchAll(db, sql: "SELECT key, value FROM label NOT INDEXED") {
      let key: String = try label.value("key")
      if !RunResult.ownLabels.contains(key) { overview.labels[key] = try label.value("value") }
    }
    return overview
  }
}

extension RunReader {
  /// The overview of the run, from few tables: the others are not read.
  package func overview() throws(LBError) -> RunOverview {
    let (path, isAbandoned) = (path, isUnmarkedlyAbandoned)
    return try read("reading the run", of: RunOverview.tables) { db in
      guard var overview = try RunOverview.read(db) else { throw Self.noRun(path) }
      if isAbandoned { overview.status = .interrupted }
      do {
        if isSealed { try Seal.check(["host"], db, path) }
        overview.host = try String.fetchOne(
          db, sql: "SELECT value FROM host NOT INDEXED WHERE name = 'hostname' AND value <> ''")
      } catch let error as LBError where error.category == .resultPersistence {
        // A run whose facts about the host are damaged is listed without its host.
        overview.host = nil
      }
      overview.sources = try Self.sources(db, isSealed: isSealed, path)
      return overview
    }
  }

  private static func sources(
    _ db: Database, isSealed: Bool, _ path: String
  ) throws -> [String] {
    guard try db.tableExists("provenance") else { return [] }
    do {
      if isSealed { try Seal.check(["provenance"], db, path) }
    } catch let error as LBError where error.category == .resultPersistence {
      return []
    }
    let sql = "SELECT DISTINCT taken_from FROM provenance NOT INDEXED WHERE taken_from <> ''"
    return try String.fetchAll(db, sql: sql).filter(RunOverview.isID).sorted()
  }

  /// The overview for an index, and whether it may be kept.
  package func reading() throws(LBError) -> RunIndex.Reading {
    let overview = try overview()
    return RunIndex.Reading(overview, isKept: !isUnmarkedlyAbandoned && damage == nil)
  }

  static func noRun(_ path: String) -> LBError {
    LBError(
      .resultPersistence,
      "\(path) contains no run: its writer was killed before writing one, or the file is damaged",
      context: ErrorContext(path: path))
  }
}
