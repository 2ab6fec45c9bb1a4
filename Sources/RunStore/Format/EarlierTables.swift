import GRDB

/// Presents tables of earlier versions in the present form.
///
/// A reader does not change a file: temporary views replace tables with missing columns. A writer
/// adds the columns. The present columns are queried, since the version is not sufficient: the
/// tables of version 3 changed twice.
enum EarlierTables {
  /// A column added later: its declaration, and its value in earlier files.
  private struct Addition {
    let table: String
    let column: String
    let type: String
    let value: String

    init(_ table: String, _ column: String, _ type: String, _ value: String = "NULL") {
      self.table = table
      self.column = column
      self.type = type
      self.value = value
    }
  }

  /// Columns added by versions 3 and 4.
  private static let additions = [
    Addition("phase", "kind", "TEXT NOT NULL DEFAULT 'command'", "'command'"),
    Addition("phase", "parameters", "TEXT NOT NULL DEFAULT '{}'", "'{}'"),
    Addition("phase", "note", "TEXT"),
    Addition("phase", "replaced_by", "TEXT"),
    Addition("repetition", "label", "TEXT"),
    Addition("attempt", "voluntary_switches", "INTEGER"),
    Addition("attempt", "involuntary_switches", "INTEGER"),
    Addition("attempt", "contamination", "TEXT"),
    Addition("overhead", "start_ns", "", "0"),
    Addition("overhead", "stop_ns", "", "0"),
    // A run had one phase, and one summary.
    Addition("summary", "phase_id", "", "(SELECT min(id) FROM main.phase)"),
    Addition("summary", "clean", "", "0"),
    Addition("summary", "running", "REAL"),
    Addition("summary", "repetitions", "TEXT"),
  ]

  /// Recreated if columns are missing: their keys changed, or rows are inserted without column
  /// names. No other table refers to them.
  private static let rewritten = ["overhead", "summary"]

  /// Tables with sessions since version 6; an earlier file has one session.
  private static let ofSessions = ["anchor", "journal", "chunk"]

  /// Views of files of versions 1 to 3 that version 4 changed.
  static let views = [
    """
    CREATE VIEW summaries AS
      SELECT metric, unit, count, median, minimum, maximum, median_absolute_deviation,
        median_low, median_high
      FROM summary ORDER BY position;
    """,
    """
    CREATE VIEW summaries AS
      SELECT metric, unit, count, median, minimum, maximum, median_absolute_deviation,
        median_low, median_high, running, repetitions
      FROM summary ORDER BY position;
    """,
  ]

  /// Version 1 described each column of a layout separately; later versions have a list of metrics.
  private static let definition = """
    CASE WHEN json_type(definition, '$.columns') IS NULL THEN definition ELSE json_object(
      'collector', json_extract(definition, '$.collector'),
      'stream', json_extract(definition, '$.stream'),
      'epoch', json_extract(definition, '$.epoch'),
      'prefix', json_extract(definition, '$.collector'),
      'metrics', (SELECT json_group_array(json_extract(value, '$.metric'))
        FROM (SELECT value FROM json_each(definition, '$.columns') ORDER BY key)),
      'metric', (SELECT json_group_array(key)
        FROM (SELECT key FROM json_each(definition, '$.columns') ORDER BY key)),
      'instance', (SELECT json_group_array(json_extract(value, '$.instance'))
        FROM (SELECT value FROM json_each(definition, '$.columns') ORDER BY key))
    ) END
    """

  private static func version(_ db: Database) throws -> Int {
    try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
  }

  /// Whether rows of the file have a session.
  static func hasSessions(_ db: Database) throws -> Bool {
    try Bool.fetchOne(
      db,
      sql: """
        SELECT EXISTS (SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = 'session')
        """) ?? false
  }

  /// The session of new rows, nil if the file has no column for it.
  static func lastSession(_ db: Database) throws -> Int64? {
    guard try hasSessions(db) else { return nil }
    return try Int64.fetchOne(db, sql: "SELECT max(id) FROM main.session") ?? 1
  }

  private static func columns(of table: String, _ db: Database) throws -> [String] {
    try String.fetchAll(db, sql: "SELECT name FROM pragma_table_info('\(table)', 'main')")
  }

  /// The missing columns of each table, in the order of `additions`.
  private static func missing(_ db: Database) throws -> [(table: String, columns: [Addition])] {
    var found: [(table: String, columns: [Addition])] = []
    for addition in additions {
      let there = try columns(of: addition.table, db)
      guard !there.contains(addition.column) else { continue }
      if found.last?.table == addition.table {
        found[found.count - 1].columns.append(addition)
      } else {
        found.append((addition.table, [addition]))
      }
    }
    return found
  }

  /// Every column of a table, then the missing ones.
  private static func whole(_ columns: [Addition]) -> String {
    (["*"] + columns.map { "\($0.value) AS \($0.column)" }).joined(separator: ", ")
  }

  /// Makes a file of an earlier version look like one of this version to this connection. The file
  /// is not changed; writes must name `main`. The views avoid indexes themselves, since their
  /// readers cannot.
  static func show(_ db: Database) throws {
    var views: [(name: String, query: String)] = []
    if try version(db) < Schema.tablesVersion {
      for (table, columns) in try missing(db) {
        views.append((table, "SELECT \(whole(columns)) FROM main.\(table) NOT INDEXED"))
      }
      views.append(
        (
          "layout",
          "SELECT stream, epoch, \(definition) AS definition FROM main.layout NOT INDEXED"
        ))
    }
    if try !hasSessions(db) {
      for table in ofSessions {
        views.append((table, "SELECT *, 1 AS session FROM main.\(table) NOT INDEXED"))
      }
      views.append(("session", "SELECT 1 AS id, boot_id FROM main.run NOT INDEXED"))
    }
    guard !views.isEmpty else { return }
    try db.execute(sql: "PRAGMA temp_store = MEMORY")
    for (name, query) in views {
      try db.execute(sql: "CREATE TEMP VIEW \(name) AS \(query)")
    }
  }

  /// Migrates the tables of a file of versions 1 to 3 to those of version 4, `tables`.
  static func migrate(_ db: Database, to tables: String) throws {
    let statements = tables.split(separator: ";").map {
      $0.drop { $0 == "\n" || $0 == " " }
    }
    try db.execute(sql: "DROP VIEW runs; DROP VIEW repetitions; DROP VIEW summaries")
    for (table, columns) in try missing(db) {
      guard rewritten.contains(table) else {
        for column in columns {
          try db.execute(sql: "ALTER TABLE \(table) ADD COLUMN \(column.column) \(column.type)")
        }
        continue
      }
      try db.execute(sql: "ALTER TABLE \(table) RENAME TO earlier_\(table)")
      for statement in statements where statement.hasPrefix("CREATE TABLE \(table) ") {
        try db.execute(sql: String(statement))
      }
      let names = try self.columns(of: table, db).joined(separator: ", ")
      // A summary without a phase is dropped.
      let isOfPhase = table == "summary" ? "WHERE phase_id IS NOT NULL" : ""
      try db.execute(
        sql: """
          INSERT INTO \(table) (\(names)) SELECT \(names) FROM
            (SELECT \(whole(columns)) FROM earlier_\(table)) \(isOfPhase);
          DROP TABLE earlier_\(table);
          """)
    }
    try db.execute(sql: "UPDATE layout SET definition = \(definition)")
    for statement in statements where statement.hasPrefix("CREATE VIEW ") {
      try db.execute(sql: String(statement))
    }
  }
}
