import Foundation
import GRDB
package import SampleModel

/// What a list says of a run.
package struct RunOverview: Sendable, Equatable {
  package var runID: String
  package var kind: String
  package var status: RunStatus
  package var startUnixNanoseconds: UInt64
  package var durationNanoseconds: UInt64?
  /// Counted repetitions that were completed.
  package var completed: Int
  /// The first phase's command that there is.
  package var command: [String]
  /// Phases with a command.
  package var commands: Int

  /// Whether this is how a run's id, by which files and folders are named, may look.
  static func isID(_ text: String) -> Bool {
    !text.has("/") && !text.contains("\0")
      && (text.first.map { $0 != "." && $0 != "-" } ?? false)
  }
}

/// Reads what a list says of runs that are over, from the pages of their files.
package final class OverviewPages {
  /// Where the columns stand that are asked for.
  private struct Places {
    let id, kind, status, start, duration: Int
    let command: Int
    let warmUp, repetitionStatus: Int
    /// The roots of the tables.
    let run, phase, repetition: Int

    init?(_ schema: DatabasePages.Schema) {
      guard let run = schema.tables["run"], let phase = schema.tables["phase"],
        let repetition = schema.tables["repetition"]
      else { return nil }
      let (columns, phases, repetitions) = (run.columns, phase.columns, repetition.columns)
      guard let id = columns["id"], let kind = columns["kind"], let status = columns["status"],
        let start = columns["start_unix_ns"], let duration = columns["duration_ns"],
        let command = phases["command"], let warmUp = repetitions["warm_up"],
        let repetitionStatus = repetitions["status"]
      else { return nil }
      self.id = id
      self.kind = kind
      self.status = status
      self.start = start
      self.duration = duration
      self.command = command
      self.warmUp = warmUp
      self.repetitionStatus = repetitionStatus
      self.run = run.root
      self.phase = phase.root
      self.repetition = repetition.root
    }
  }

  /// The schema that was read last, and what it is: most files have the same.
  private var known: (version: Int, bytes: [UInt8], places: Places)?

  /// Nothing has been read yet.
  package init() {}

  /// The run in `path`; nil where it is not over, where its file is not all there is of it, or
  /// where that is not exactly as expected: a `RunReader` is needed then.
  package func overview(_ path: String) -> RunOverview? {
    for suffix in ["-wal", "-journal", "-tail"] where unsafe access(path + suffix, F_OK) == 0 {
      return nil
    }
    guard let pages = DatabasePages.open(path), pages.applicationID == Schema.applicationID,
      let places = self.places(pages), var overview = run(pages, places),
      ![.pending, .running, .waiting].contains(overview.status),
      count(pages, places, &overview), readCommands(pages, places, &overview)
    else { return nil }
    return overview
  }

  private func places(_ pages: DatabasePages) -> Places? {
    guard let bytes = pages.schemaBytes() else { return nil }
    if let known, known.version == pages.version, known.bytes == bytes { return known.places }
    guard let schema = pages.schema(), let places = Places(schema),
      Schema.isWhole(Set(schema.tables.keys), schema.programs, version: pages.version)
    else { return nil }
    known = (pages.version, bytes, places)
    return places
  }

  private func run(_ pages: DatabasePages, _ places: Places) -> RunOverview? {
    var found: [RunOverview?] = []
    let isRead = pages.forEachRecord(root: places.run) { row in
      found.append(Self.overview(row, places))
    }
    return isRead && found.count == 1 ? found[0] : nil
  }

  private static func overview(_ row: DatabasePages.Record, _ places: Places) -> RunOverview? {
    guard let id = row.text(places.id), RunOverview.isID(id), let kind = row.text(places.kind),
      let word = row.text(places.status), let status = RunStatus(rawValue: word),
      let start = row.integer(places.start), start >= 0
    else { return nil }
    var duration: UInt64?
    if !row.isNull(places.duration) {
      guard let stored = row.integer(places.duration), stored >= 0 else { return nil }
      duration = UInt64(stored)
    }
    return RunOverview(
      runID: id, kind: kind, status: status, startUnixNanoseconds: UInt64(start),
      durationNanoseconds: duration, completed: 0, command: [], commands: 0)
  }

  private func count(
    _ pages: DatabasePages, _ places: Places, _ overview: inout RunOverview
  ) -> Bool {
    var (count, isGood) = (0, true)
    let isRead = pages.forEachRecord(root: places.repetition) { row in
      guard let isWarmUp = row.integer(places.warmUp),
        let status = row.text(places.repetitionStatus)
      else {
        isGood = false
        return
      }
      if isWarmUp == 0, status == RunStatus.completed.rawValue { count += 1 }
    }
    overview.completed = count
    return isRead && isGood
  }

  private func readCommands(
    _ pages: DatabasePages, _ places: Places, _ overview: inout RunOverview
  ) -> Bool {
    var (count, isGood) = (0, true)
    var first: String?
    let isRead = pages.forEachRecord(root: places.phase) { row in
      guard let command = row.text(places.command) else {
        isGood = false
        return
      }
      guard command != "[]" else { return }
      if first == nil { first = command }
      count += 1
    }
    overview.commands = count
    guard isRead, isGood, let first else { return isRead && isGood }
    do {
      overview.command = try JSON.value([String].self, first)
    } catch {
      return false
    }
    return true
  }
}

extension RunOverview {
  private init(_ run: Row) throws {
    runID = try run.value("id")
    kind = try run.value("kind")
    let word: String = try run.value("status")
    guard Self.isID(runID) else {
      throw DamagedRow(column: "id", run, reason: "it is no run's id")
    }
    guard let status = RunStatus(rawValue: word) else {
      throw DamagedRow(column: "status", run, reason: "there is no status \(word)")
    }
    self.status = status
    startUnixNanoseconds = try run.count("start_unix_ns")
    durationNanoseconds = try run.countIfPresent("duration_ns")
    (completed, command, commands) = (0, [], 0)
  }

  /// The same by SQLite; nil where there is no run.
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
    return overview
  }
}

extension RunReader {
  /// Tables from which an overview is made.
  private static let outlined = ["run", "phase", "repetition"]

  /// What a list says of the run, from few tables: the others are not looked at.
  package func overview() throws(LBError) -> RunOverview {
    let (path, isAbandoned) = (path, isUnmarkedlyAbandoned)
    return try read("reading the run", of: Self.outlined) { db in
      guard var overview = try RunOverview.read(db) else { throw Self.noRun(path) }
      if isAbandoned { overview.status = .interrupted }
      return overview
    }
  }

  static func noRun(_ path: String) -> LBError {
    LBError(
      .resultPersistence,
      "\(path) contains no run: its writer was killed before writing one, or the file is damaged",
      context: ErrorContext(path: path))
  }
}
