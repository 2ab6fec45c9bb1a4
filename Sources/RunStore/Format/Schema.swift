import Foundation
import GRDB
import SampleModel

/// The result file's tables and views. A change here is a new migration step, never an edit: a new
/// file has `tables` and then every step, so that it is what an old one becomes.
enum Schema {
  /// "lbsm" as PRAGMA application_id, by which file(1) and lbsample recognise the format.
  static let applicationID = 0x6C62_736D
  /// PRAGMA user_version of this schema.
  static let version = tablesVersion + steps.count
  /// The oldest readable version.
  static let baseVersion = 1
  /// The version of `tables`. `EarlierTables` migrates older ones.
  static let tablesVersion = 4

  /// The migrations from each version to the next one, from `tablesVersion` on. A file that is only
  /// read is not changed: `EarlierTables` adds missing columns in views.
  private static let steps = [
    // 5: status and error of journal entries; attempts by owner; outputs in a separate table, since
    // columns after a blob are read through it.
    """
    ALTER TABLE journal ADD COLUMN status TEXT;
    ALTER TABLE journal ADD COLUMN error TEXT;
    CREATE INDEX repetition_by_phase ON repetition (phase_id);
    CREATE INDEX attempt_by_repetition ON attempt (repetition_id);
    CREATE INDEX attempt_by_bracket ON attempt (bracket);
    CREATE TABLE output (
      attempt_id INTEGER PRIMARY KEY REFERENCES attempt(id), data BLOB NOT NULL
    );
    INSERT INTO output SELECT id, output FROM attempt WHERE output IS NOT NULL;
    ALTER TABLE attempt DROP COLUMN output;
    """,
    // 6: the sessions of a run, each with the boot of its clocks, since CLOCK_MONOTONIC restarts at
    // each boot. An index of chunks by bracket, to find one bracket without reading the others.
    """
    CREATE TABLE session (id INTEGER PRIMARY KEY, boot_id TEXT NOT NULL);
    INSERT INTO session SELECT 1, boot_id FROM run;
    ALTER TABLE anchor RENAME TO earlier_anchor;
    CREATE TABLE anchor (
      session INTEGER NOT NULL, monotonic_ns INTEGER NOT NULL, realtime_ns INTEGER NOT NULL,
      boottime_ns INTEGER NOT NULL, PRIMARY KEY (session, monotonic_ns)
    );
    INSERT INTO anchor SELECT 1, monotonic_ns, realtime_ns, boottime_ns FROM earlier_anchor;
    DROP TABLE earlier_anchor;
    ALTER TABLE journal ADD COLUMN session INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE chunk ADD COLUMN session INTEGER NOT NULL DEFAULT 1;
    DROP INDEX chunk_by_stream;
    CREATE INDEX chunk_by_bracket ON chunk (stream, kind, bracket, session, first_ns);
    """,
    // 7: the seal of the tables, to detect damage; and the CRC-32C of an output, in a separate
    // table, to avoid reading it through the output. For the same reason a chunk's session precedes
    // its data. Readers scan all chunks to verify the seal and find those of a bracket meanwhile,
    // so their index was dropped.
    """
    CREATE TABLE seal (
      name TEXT PRIMARY KEY, rows INTEGER NOT NULL, checksum INTEGER NOT NULL
    ) WITHOUT ROWID;
    ALTER TABLE attempt ADD COLUMN output_checksum INTEGER;
    DROP INDEX chunk_by_bracket;
    ALTER TABLE chunk RENAME TO earlier_chunk;
    CREATE TABLE chunk (
      id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, stream INTEGER NOT NULL,
      epoch INTEGER NOT NULL, bracket INTEGER NOT NULL, session INTEGER NOT NULL,
      rows INTEGER NOT NULL, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
      checksum INTEGER NOT NULL, data BLOB NOT NULL
    );
    INSERT INTO chunk SELECT id, kind, stream, epoch, bracket, session, rows, first_ns, last_ns,
      checksum, data FROM earlier_chunk;
    DROP TABLE earlier_chunk;
    """,
    // 8: with what a phase was measured, so that a later run can tell whether it would measure the
    // same; and the run that measured it where that was another one.
    """
    CREATE TABLE provenance (
      phase_id INTEGER PRIMARY KEY REFERENCES phase(id), key TEXT, unknown TEXT, taken_from TEXT,
      executable TEXT, inputs TEXT NOT NULL, environment TEXT NOT NULL
    );
    """,
  ]

  /// The first version whose tables are sealed.
  private static let sealedVersion = 7

  /// Throws unless a file is a result file of a readable version, with all its tables and, if
  /// sealed, with their original definitions. Returns whether they are sealed; if tables may be
  /// missing, nothing is verified.
  @discardableResult
  static func check(_ db: Database, _ path: String, mayLackTables: Bool) throws -> Bool {
    guard try Int.fetchOne(db, sql: "PRAGMA application_id") == applicationID else {
      throw LBError(
        .configuration, "\(path) is not an lbsample result file",
        context: ErrorContext(path: path))
    }
    let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
    guard (baseVersion...Self.version).contains(version) else {
      throw LBError(
        .configuration,
        "\(path) has schema version \(version); this lbsample reads versions \(baseVersion) to "
          + "\(Self.version). Use the lbsample version that wrote the file",
        context: ErrorContext(path: path))
    }
    try refuseForeign(db, path)
    guard !mayLackTables else { return false }
    let found = try Set(
      String.fetchAll(db, sql: "SELECT name FROM sqlite_master WHERE type = 'table'"))
    let later = Set(tableNames(ofVersion: Self.version))
      .subtracting(tableNames(ofVersion: version)).intersection(found)
    if let first = later.min() {
      throw LBError(
        .resultPersistence,
        "\(path): corrupt: it says schema version \(version) but has the table \(first) of a "
          + "later version\(StoreFailure.damageAdvice)",
        context: ErrorContext(path: path))
    }
    let missing = tableNames(ofVersion: version).filter { !found.contains($0) }
    if let first = missing.first {
      throw LBError(
        .resultPersistence,
        "\(path): corrupt: table \(first) is missing"
          + (missing.count > 1 ? ", and \(missing.count - 1) more" : ""),
        context: ErrorContext(path: path))
    }
    guard version >= sealedVersion else { return false }
    try Seal.check([Seal.schema], db, path)
    return true
  }

  /// Every statement that creates a part of a file.
  private static let ours = Set(
    ([tables] + EarlierTables.views + steps).flatMap { $0.split(separator: ";") }
      .map { $0.trimmingCharacters(in: .whitespacesAndNewlines) })

  /// Foreign views and triggers would execute code of the file's maker.
  private static func refuseForeign(_ db: Database, _ path: String) throws {
    let rows = try Row.fetchAll(
      db,
      sql: """
        SELECT type, name, sql FROM sqlite_master
          WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%'
        """)
    for row in rows {
      let sql: String? = try row.value("sql")
      guard let sql, ours.contains(sql) else {
        let (type, name): (String, String) = (try row.value("type"), try row.value("name"))
        throw LBError(
          .resultPersistence,
          "\(path): not as lbsample writes it: it has the \(type) \(name). It is not read: "
            + "the maker of that could have anything executed",
          context: ErrorContext(path: path))
      }
    }
  }

  /// Each name once, although some tables were recreated.
  private static func tableNames(ofVersion version: Int) -> [String] {
    let start = "CREATE TABLE "
    let lines = ([tables] + steps.prefix(max(0, version - tablesVersion))).flatMap {
      $0.split(separator: "\n")
    }
    var known: Set<String> = []
    return lines.filter { $0.hasPrefix(start) }
      .map { String($0.dropFirst(start.count).prefix { $0 != " " }) }
      .filter { known.insert($0).inserted }
  }

  /// Migrates a file to this version; returns whether it was of an earlier one, and must be sealed.
  static func migrate(_ db: Database) throws -> Bool {
    let found = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
    guard found < version else { return false }
    if found < tablesVersion { try EarlierTables.migrate(db, to: tables) }
    for step in steps.dropFirst(max(0, found - tablesVersion)) { try db.execute(sql: step) }
    try db.execute(sql: "PRAGMA user_version = \(version)")
    return true
  }

  /// What ran when its writer died was interrupted.
  static let interruptParts = """
    UPDATE main.phase SET status = 'interrupted' WHERE status IN ('running', 'waiting');
    UPDATE main.repetition SET status = 'interrupted' WHERE status = 'running';
    UPDATE main.attempt SET status = 'interrupted' WHERE status = 'running';
    """

  static let tables = """
    CREATE TABLE run (
      id TEXT PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL,
      lbsample_version TEXT NOT NULL, pid INTEGER NOT NULL, pid_start INTEGER NOT NULL,
      boot_id TEXT NOT NULL, interval_ns INTEGER NOT NULL, repetitions_planned INTEGER,
      warm_ups_planned INTEGER, start_unix_ns INTEGER NOT NULL, end_unix_ns INTEGER,
      duration_ns INTEGER, errors TEXT NOT NULL DEFAULT '[]',
      warnings TEXT NOT NULL DEFAULT '[]'
    );
    CREATE TABLE configuration (
      position INTEGER PRIMARY KEY, key TEXT NOT NULL, value TEXT NOT NULL, origin TEXT NOT NULL
    );
    CREATE TABLE host (position INTEGER PRIMARY KEY, name TEXT NOT NULL, value TEXT NOT NULL);
    CREATE TABLE label (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE phase (
      id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, parameters TEXT NOT NULL,
      status TEXT NOT NULL, command TEXT NOT NULL, note TEXT, replaced_by TEXT
    );
    CREATE TABLE repetition (
      id INTEGER PRIMARY KEY, phase_id INTEGER NOT NULL REFERENCES phase(id),
      number INTEGER NOT NULL, warm_up INTEGER NOT NULL, label TEXT, status TEXT NOT NULL
    );
    CREATE TABLE attempt (
      id INTEGER PRIMARY KEY, repetition_id INTEGER NOT NULL REFERENCES repetition(id),
      number INTEGER NOT NULL, bracket INTEGER, status TEXT NOT NULL, start_unix_ns INTEGER,
      wall_ns INTEGER, bracket_ns INTEGER, exit_code INTEGER, signal INTEGER, user_ns INTEGER,
      system_ns INTEGER, peak_resident_bytes INTEGER, voluntary_switches INTEGER,
      involuntary_switches INTEGER, output_bytes INTEGER, output BLOB, orphans_killed INTEGER,
      contamination TEXT, error TEXT
    );
    CREATE TABLE metric (
      attempt_id INTEGER NOT NULL REFERENCES attempt(id), name TEXT NOT NULL,
      value REAL NOT NULL, PRIMARY KEY (attempt_id, name)
    ) WITHOUT ROWID;
    CREATE TABLE collector (
      position INTEGER PRIMARY KEY, name TEXT NOT NULL, stream INTEGER, thread INTEGER,
      cpu INTEGER, cadence INTEGER, required INTEGER, outcome TEXT NOT NULL,
      reason TEXT NOT NULL
    );
    CREATE TABLE layout (
      stream INTEGER NOT NULL, epoch INTEGER NOT NULL, definition TEXT NOT NULL,
      PRIMARY KEY (stream, epoch)
    );
    CREATE TABLE record_schema (stream INTEGER PRIMARY KEY, definition TEXT NOT NULL);
    CREATE TABLE chunk (
      id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, stream INTEGER NOT NULL,
      epoch INTEGER NOT NULL, bracket INTEGER NOT NULL, rows INTEGER NOT NULL,
      first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, checksum INTEGER NOT NULL,
      data BLOB NOT NULL
    );
    CREATE INDEX chunk_by_stream ON chunk (stream, first_ns);
    CREATE TABLE ledger (
      attempt_id INTEGER NOT NULL REFERENCES attempt(id), thread INTEGER NOT NULL, cpu INTEGER,
      deadlines INTEGER NOT NULL, on_time INTEGER NOT NULL, late INTEGER NOT NULL,
      skipped INTEGER NOT NULL, lateness_max_ns INTEGER NOT NULL, pushed INTEGER NOT NULL,
      drained INTEGER NOT NULL, dropped INTEGER NOT NULL, collectors TEXT NOT NULL,
      PRIMARY KEY (attempt_id, thread)
    );
    CREATE TABLE overhead (
      attempt_id INTEGER PRIMARY KEY REFERENCES attempt(id), sampling_ns TEXT NOT NULL,
      drain_ns INTEGER NOT NULL, process_ns INTEGER NOT NULL, start_ns INTEGER NOT NULL,
      stop_ns INTEGER NOT NULL, elapsed_ns INTEGER NOT NULL,
      bytes_written INTEGER NOT NULL, memory_locked INTEGER NOT NULL, memory_resident INTEGER
    );
    CREATE TABLE anchor (
      monotonic_ns INTEGER PRIMARY KEY, realtime_ns INTEGER NOT NULL,
      boottime_ns INTEGER NOT NULL
    );
    CREATE TABLE journal (
      id INTEGER PRIMARY KEY, unix_ns INTEGER NOT NULL, level TEXT NOT NULL, kind TEXT NOT NULL,
      message TEXT NOT NULL, phase TEXT, repetition INTEGER, attempt INTEGER
    );
    CREATE TABLE summary (
      phase_id INTEGER NOT NULL REFERENCES phase(id), clean INTEGER NOT NULL,
      metric TEXT NOT NULL, position INTEGER NOT NULL, unit TEXT NOT NULL,
      count INTEGER NOT NULL, median REAL NOT NULL, minimum REAL NOT NULL,
      maximum REAL NOT NULL, median_absolute_deviation REAL NOT NULL, median_low REAL,
      median_high REAL, running REAL, repetitions TEXT, PRIMARY KEY (phase_id, clean, metric)
    );
    CREATE VIEW runs AS
      SELECT id, name, kind, status, datetime(start_unix_ns / 1000000000, 'unixepoch') AS started,
        duration_ns / 1e9 AS duration_seconds, repetitions_planned,
        (SELECT count(*) FROM repetition WHERE NOT warm_up AND status = 'completed') AS completed
      FROM run;
    CREATE VIEW repetitions AS
      SELECT phase.name AS phase, repetition.number AS repetition, repetition.warm_up,
        attempt.number AS attempt, attempt.status, attempt.wall_ns / 1e9 AS wall_seconds,
        attempt.user_ns / 1e9 AS user_seconds, attempt.system_ns / 1e9 AS system_seconds,
        attempt.exit_code, attempt.signal, ledger.deadlines, ledger.on_time, ledger.late,
        ledger.skipped, ledger.dropped, overhead.process_ns / 1e9 AS own_cpu_seconds
      FROM attempt JOIN repetition ON repetition.id = attempt.repetition_id
        JOIN phase ON phase.id = repetition.phase_id
        LEFT JOIN ledger ON ledger.attempt_id = attempt.id AND ledger.thread = 0
        LEFT JOIN overhead ON overhead.attempt_id = attempt.id
      ORDER BY attempt.id;
    CREATE VIEW summaries AS
      SELECT phase.name AS phase, summary.clean, metric, unit, count, median, minimum, maximum,
        median_absolute_deviation, median_low, median_high, running, repetitions
      FROM summary JOIN phase ON phase.id = summary.phase_id
      ORDER BY summary.phase_id, summary.clean, position;
    """
}
