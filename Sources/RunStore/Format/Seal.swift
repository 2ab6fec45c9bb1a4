import Foundation
import GRDB
package import SampleModel

/// The seal of a result file: for each table the number of its rows and the sum of their hashes. It
/// detects changed bits in values, missing rows and foreign rows before any value is shown.
///
/// The rows of table `seal`: the name of a table, its `rows`, and as `checksum` the sum modulo 2^64
/// of `RowHash` over all columns; of a BLOB its length only, since chunks and outputs have a
/// CRC-32C each, which is verified when they are read. The name `sqlite_master` covers the
/// definitions of the tables, indexes and views, without their root pages.
///
/// While a run is written, triggers of the writer's connection update the seal in each transaction,
/// so that a killed writer leaves a sealed file too. This costs about 3 µs per row, on the drain's
/// or the controller's thread.
package enum Seal {
  static let table = "seal"
  /// The name under which the definitions are sealed.
  static let schema = "sqlite_master"

  /// A row's hash (`RowHash`).
  private static let hash = DatabaseFunction("seal_hash", pure: true) { values in
    Int64(bitPattern: RowHash.of(values))
  }
  /// A sum with a hash added (1) or subtracted (-1), modulo 2^64: SQL's sum would overflow to
  /// reals.
  private static let sum = DatabaseFunction("seal_sum", argumentCount: 3, pure: true) { values in
    guard let sum = Int64.fromDatabaseValue(values[0]),
      let sign = Int64.fromDatabaseValue(values[1]),
      let hash = Int64.fromDatabaseValue(values[2])
    else { return nil }
    return sum &+ sign &* hash
  }

  private enum Change: String, CaseIterable {
    case insert = "INSERT"
    case update = "UPDATE"
    case delete = "DELETE"
  }

  /// The kinds of changes to the rows of a table after its file is made; `INSERT OR REPLACE`
  /// deletes too. Tables that are not listed may have all. Only the needed triggers are made: each
  /// takes 60 µs at the start of a run.
  private static let changes: [String: [Change]] = [
    "configuration": [], "host": [], "run": [.update], "label": [.insert, .delete],
    "repetition": [.insert, .update], "attempt": [.insert, .update],
    "metric": [.insert, .delete], "output": [.insert, .delete], "collector": [.insert],
    "layout": [.insert, .delete], "record_schema": [.insert], "chunk": [.insert, .update],
    "ledger": [.insert, .delete], "overhead": [.insert, .delete], "anchor": [.insert, .delete],
    "journal": [.insert], "summary": [.insert, .delete], "session": [.insert],
    "provenance": [.insert, .delete],
  ]

  /// Adds the functions to a connection; once, before any other use.
  static func prepare(_ db: Database) {
    db.add(function: hash)
    db.add(function: sum)
  }

  /// Makes the seal follow all later writes of this connection. Files of versions without a seal
  /// are not changed.
  static func arm(_ db: Database) throws {
    guard try db.tableExists(table) else { return }
    // Otherwise a replaced row would not be subtracted.
    var statements = ["PRAGMA recursive_triggers = ON"]
    for name in try tables(db) {
      let old = try values(of: name, db, in: "OLD.")
      let new = try values(of: name, db, in: "NEW.")
      for change in changes[name] ?? Change.allCases {
        var sum = "checksum"
        var difference = 0
        if change != .insert {
          sum = "seal_sum(\(sum), -1, seal_hash(\(old)))"
          difference -= 1
        }
        if change != .delete {
          sum = "seal_sum(\(sum), 1, seal_hash(\(new)))"
          difference += 1
        }
        statements.append(
          """
          CREATE TEMP TRIGGER IF NOT EXISTS seal_\(name)_\(change.rawValue)
            AFTER \(change.rawValue) ON main.\(name) BEGIN
              UPDATE seal SET rows = rows + \(difference), checksum = \(sum)
                WHERE name = '\(name)';
            END
          """)
      }
    }
    // In one call: each changes the schema, after which the columns would be queried again.
    try db.execute(sql: statements.joined(separator: ";\n"))
  }

  /// Seals the present tables: in a new file, and in a migrated one.
  static func renew(_ db: Database) throws {
    try sumOutputs(db)
    try db.execute(sql: "DELETE FROM \(table)")
    for name in try [schema] + tables(db) {
      let state = try Self.state(of: name, db)
      try db.execute(
        sql: "INSERT INTO \(table) (name, rows, checksum) VALUES (?, ?, ?)",
        arguments: [name, state.rows, state.sum])
    }
  }

  /// Seals the present tables of a file, for tests of the checks that follow.
  package static func renew(inFile path: String) throws(LBError) {
    var settings = Configuration()
    settings.busyMode = .timeout(5)
    settings.prepareDatabase { db in Seal.prepare(db) }
    do {
      let queue = try DatabaseQueue(path: path, configuration: settings)
      try queue.write { db in try renew(db) }
      try queue.close()
    } catch {
      throw StoreFailure.error(error, path: path, doing: "sealing")
    }
  }

  /// Throws unless the tables of a sealed file match their seals.
  static func check(_ names: [String], _ db: Database, _ path: String) throws {
    for name in names {
      let row = try Row.fetchOne(
        db, sql: "SELECT rows, checksum FROM \(table) WHERE name = ?", arguments: [name])
      guard let row else { throw mismatch(name, path) }
      let (rows, sum): (Int, Int64) = (try row.value("rows"), try row.value("checksum"))
      let found = try state(of: name, db)
      guard found.isInOrder, found.rows == rows, found.sum == sum else {
        throw mismatch(name, path)
      }
    }
  }

  private static func mismatch(_ name: String, _ path: String) -> LBError {
    let what =
      name == schema
      ? "the definitions of its tables do not match their checksum"
      : "table \(name) does not match its checksum"
    let part = name == "journal" ? "the journal is" : "its numbers are"
    return LBError(
      .resultPersistence,
      "\(path): corrupt: \(what)\(StoreFailure.damageAdvice), "
        + "so \(part) not shown. Use a backup copy if you have one; "
        + "'sqlite3 \(path) .recover' prints what can still be read of this file",
      context: ErrorContext(path: path))
  }

  /// Every table that is sealed.
  static func tables(_ db: Database) throws -> [String] {
    try String.fetchAll(
      db,
      sql: """
        SELECT name FROM sqlite_master
          WHERE type = 'table' AND name <> '\(table)' AND name NOT LIKE 'sqlite%' ORDER BY name
        """)
  }

  /// The rows and sum of a table, in one pass of its own pages: an index may be damaged. Row ids
  /// must be ascending, as they are read.
  private static func state(
    of name: String, _ db: Database
  ) throws -> (rows: Int, sum: Int64, isInOrder: Bool) {
    var number = "NULL"
    if name != schema {
      let keys = try db.columns(in: name).filter { $0.primaryKeyIndex > 0 }
      if keys.count == 1, keys[0].type == "INTEGER" { number = "\"\(keys[0].name)\"" }
    }
    let values = try Self.values(of: name, db)
    let cursor = try Row.fetchCursor(
      db, sql: "SELECT seal_hash(\(values)), \(number) FROM \(name) NOT INDEXED")
    var (rows, sum, isInOrder) = (0, 0 as Int64, true)
    var last: Int64?
    while let row = try cursor.next() {
      let (hash, number): (Int64, Int64?) = (row[0], row[1])
      rows += 1
      sum &+= hash
      if let last, let number, number <= last { isInOrder = false }
      last = number
    }
    return (rows, sum, isInOrder)
  }

  /// The sealed values of a row, as arguments of `seal_hash`.
  private static func values(
    of name: String, _ db: Database, in row: String = ""
  ) throws -> String {
    guard name != schema else { return "type, name, tbl_name, sql" }
    return try db.columns(in: name).compactMap { column in
      let value = "\(row)\"\(column.name)\""
      guard column.type == "BLOB" else { return value }
      // Not of a chunk, which grows: its old data need not be read, and its CRC covers the length.
      return name == "chunk" ? nil : "length(\(value))"
    }.joined(separator: ", ")
  }

  /// Adds missing checksums of outputs.
  private static func sumOutputs(_ db: Database) throws {
    let rows = try Int64.fetchAll(
      db,
      sql: """
        SELECT attempt.id FROM attempt JOIN output ON output.attempt_id = attempt.id
          WHERE output_checksum IS NULL
        """)
    for row in rows {
      let data = try Data.fetchOne(
        db, sql: "SELECT data FROM output WHERE attempt_id = ?", arguments: [row])
      guard let data else { continue }
      try db.execute(
        sql: "UPDATE attempt SET output_checksum = ? WHERE id = ?",
        arguments: [Checksum.crc32c(Array(data)), row])
    }
  }
}

/// A hash of a row's values and their types: a change of one value always changes it, any other
/// change with probability 1 - 2^-64.
struct RowHash {
  private var state: UInt64 = 0x9E37_79B9_7F4A_7C15

  static func of(_ values: [DatabaseValue]) -> UInt64 {
    var hash = RowHash()
    for value in values { hash.add(value) }
    // Sums of hashes are compared, so each bit must depend on each bit of the state.
    hash.add(word: UInt64(values.count))
    let mixed = (hash.state ^ hash.state >> 33) &* 0xC4CE_B9FE_1A85_EC53
    return mixed ^ mixed >> 33
  }

  private mutating func add(_ value: DatabaseValue) {
    switch value.storage {
    case .null:
      add(word: 0)
    case .int64(let number):
      add(word: 1)
      add(word: UInt64(bitPattern: number))
    case .double(let number):
      add(word: 2)
      // SQLite stores a whole number as an integer, which has no negative zero.
      add(word: number == 0 ? 0 : number.bitPattern)
    case .string(let text):
      add(word: 3)
      add(bytes: text.utf8)
    case .blob(let data):
      add(word: 4)
      add(bytes: data)
    }
  }

  private mutating func add(bytes: some Sequence<UInt8>) {
    var (word, count): (UInt64, UInt64) = (0, 0)
    for byte in bytes {
      word = word << 8 | UInt64(byte)
      count += 1
      guard count & 7 == 0 else { continue }
      add(word: word)
      word = 0
    }
    add(word: word)
    add(word: count)
  }

  private mutating func add(word: UInt64) {
    state = (state ^ word) &* 0xFF51_AFD7_ED55_8CCD
    state ^= state >> 32
  }
}
