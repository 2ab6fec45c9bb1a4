import Foundation
import RunStore
import SampleModel
import TestSupport

/// Result files that somebody changed: through SQL, or their bytes.
enum ResultAttacks {
  /// Statements that once ended the command, had it write where it should not, or never end.
  private static let statements: [(name: String, sql: String)] = [
    ("brackets", "UPDATE attempt SET bracket = 1"),
    ("repetition", "UPDATE repetition SET number = -1"),
    ("median", "UPDATE summary SET median = 1e30, unit = 'ns'"),
    ("infinity", "UPDATE summary SET median = 9e999; UPDATE metric SET value = -9e999"),
    ("ledger", "UPDATE ledger SET on_time = -1, late = -1, deadlines = 9223372036854775807"),
    (
      "gaps",
      """
      UPDATE ledger SET collectors =
        replace(collectors, '"gaps":{}', '"gaps":{"absent":18446744073709551615,"denied":5}')
      """
    ),
    (
      "steps",
      """
      UPDATE run SET kind = 'sample';
      UPDATE ledger SET collectors =
        replace(collectors, '"stepsBack":0', '"stepsBack":18446744073709551615')
      """
    ),
    (
      "overhead",
      """
      UPDATE run SET kind = 'sample';
      UPDATE overhead SET sampling_ns = '[18446744073709551615,18446744073709551615]'
      """
    ),
    ("chunk_id", "UPDATE chunk SET id = -id"),
    ("first", "UPDATE chunk SET first_ns = -1"),
    (
      "denominator",
      #"UPDATE layout SET definition = replace(definition, '"denominator":1', '"denominator":0')"#
    ),
    (
      "numerator",
      """
      UPDATE layout SET definition =
        replace(definition, '"numerator":1', '"numerator":18446744073709551615')
      """
    ),
    (
      "fields",
      "UPDATE record_schema SET definition = json_set(definition, '$.fields', json('[]'))"
    ),
    ("path_as_id", "UPDATE run SET id = '../victim/sub'"),
    ("parent_as_id", "UPDATE run SET id = '..'"),
    ("option_as_id", "UPDATE run SET id = '--add-file=/etc/hostname'"),
    ("list_as_id", "UPDATE run SET id = '-T/etc/passwd'"),
    ("version_as_id", "UPDATE run SET id = '--version'"),
    ("host_as_id", "UPDATE run SET id = 'host:x'"),
    ("parent_as_phase", "UPDATE phase SET name = '..'"),
    ("path_as_phase", "UPDATE phase SET name = '../../out'"),
    (
      "path_as_collector",
      #"UPDATE layout SET definition = json_set(definition, '$.collector', '/../../../evil')"#
    ),
    (
      "endless_view",
      """
      ALTER TABLE run RENAME TO r_;
      CREATE VIEW run AS WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x)
        SELECT r_.* FROM r_, x WHERE n < 0
      """
    ),
    (
      "rows_without_end",
      """
      DROP TABLE host;
      CREATE VIEW host AS WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x)
        SELECT n AS position, 'a' || n AS name, 'b' AS value FROM x
      """
    ),
    (
      "trigger",
      """
      UPDATE run SET status = 'running', boot_id = 'x';
      CREATE TRIGGER t AFTER UPDATE ON run BEGIN
        INSERT INTO journal (unix_ns, level, kind, message)
          WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x)
          SELECT n, 'info', 'x', printf('%.*c', 1000, 'x') FROM x;
      END
      """
    ),
    (
      "long_names",
      """
      UPDATE phase SET name = printf('%.*c', 100000000, 'x');
      UPDATE host SET value = printf('%.*c', 1000000, 'y')
      """
    ),
    (
      "names",
      """
      UPDATE run SET name = char(27) || ']0;owned' || char(7) || char(8238) || char(155) || '31m';
      UPDATE host SET value = char(27) || '[2J' || char(13);
      UPDATE journal SET message = 'x' || char(10) || '2026-01-01 00:00:00 info run.end: forged';
      UPDATE label SET value = char(0) || char(127) || cast(x'fffe' AS TEXT)
      """
    ),
    (
      "markup",
      """
      UPDATE run SET name = '</script><b>&"' || char(39) || '<img src=x>' || char(8232, 8207);
      UPDATE phase SET name = '</script><b>' || char(8238, 8233), note = '<!--<script>';
      UPDATE host SET value = '<script>alert(1)</script>' || char(0, 27, 8232);
      UPDATE label SET key = '"><b>', value = '</title><b>';
      UPDATE journal SET message = ']]></svg><script>' || char(8233);
      UPDATE collector SET reason = '<b>' || char(8238);
      UPDATE layout SET definition =
        replace(definition, '"instance":"all"', '"instance":"</script><b>\\u2028\\u202e"')
      """
    ),
    (
      "long_labels",
      "UPDATE label SET value = printf('%.*c', 1000000, '<'), key = printf('%.*c', 1000000, '\"')"
    ),
    ("no_rows", "DELETE FROM run"),
    (
      "two_runs",
      """
      CREATE TEMP TABLE other AS SELECT * FROM run;
      UPDATE other SET id = 'other';
      INSERT INTO run SELECT * FROM other
      """
    ),
    ("no_anchor", "DELETE FROM anchor"),
    ("no_layout", "DELETE FROM layout"),
    ("version", "PRAGMA user_version = 1000000"),
    ("no_version", "PRAGMA user_version = 0"),
    ("foreign_schema", "CREATE TABLE evil (a); CREATE INDEX evil_a ON evil (a)"),
    ("alive", "UPDATE run SET status = 'running', pid = 1, boot_id = 'x'"),
    ("waiting", "UPDATE run SET status = 'waiting', pid = -1, pid_start = -1"),
    (
      "many_repetitions",
      """
      WITH RECURSIVE x(n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM x WHERE n < 6000)
        INSERT INTO repetition (id, phase_id, number, warm_up, status)
        SELECT n, 1, n, 0, 'completed' FROM x;
      INSERT INTO attempt (id, repetition_id, number, bracket, status, wall_ns)
        SELECT id, id, 1, id, 'completed', 1000 FROM repetition WHERE id >= 1000
      """
    ),
  ]

  /// What is written down.
  static var cases: [(name: String, make: Kind.Maker)] {
    [
      (name: "bomb_sealed", make: { _, folder, place in try bomb(folder, place) }),
      (name: "row_of_megabytes", make: { _, folder, place in try largeRow(folder, place) }),
    ]
      + statements.flatMap { one -> [(name: String, make: Kind.Maker)] in
        [
          (name: one.name, make: { _, folder, place in try changed(folder, place, one.sql) }),
          (
            name: one.name + "_sealed",
            make: { _, folder, place in try changed(folder, place, one.sql, isSealed: true) }
          ),
        ]
      }
  }

  /// A file of some megabytes whose streams have chunks of gigabytes, most of it zeros, and no
  /// layouts: what reads samples decodes nothing of them, in little memory.
  private static func bomb(_ folder: String, _ place: Place) throws -> String {
    let columns = 4096
    let chunk = ChunkBuilder(kind: .frame, stream: 0, epoch: 1, bracket: 1, columns: columns)
    let header = FrameHeader(
      stream: 0, epoch: 1, bracket: 1, deadlineIndex: 0, deadline: 1, start: 1, end: 2)
    let row = [UInt64](repeating: 0, count: columns)
    for _ in 0..<ChunkBuilder.valueLimit / columns { chunk.append(header, row.span) }
    let bytes = chunk.encoded()
    let hex = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    let path = try copy(folder, place)
    try ResultFile(path).execute(
      """
      WITH RECURSIVE x(n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM x WHERE n < 160)
        INSERT INTO collector
          (position, name, stream, thread, cpu, cadence, required, outcome, reason)
        SELECT n, 'c' || n, n, 0, 0, 1, 0, 'available', '' FROM x;
      INSERT INTO chunk
        (kind, stream, epoch, bracket, session, rows, first_ns, last_ns, checksum, data)
        SELECT 1, position, 1, 1, 1, \(chunk.rowCount), 1, 2, \(Checksum.crc32c(bytes)),
          x'\(hex)'
        FROM collector WHERE position >= 100
      """)
    try Seal.renew(inFile: path)
    return #"""
      size=$(stat -c %s run.lbsample)
      [ "$size" -lt 20000000 ] || fault "the file has $size bytes"
      for command in "export run.lbsample" "export --format ndjson run.lbsample" \
        "view run.lbsample" "report run.lbsample -o page.html"; do
        limited "-v 2500000" any $command >out 2>said
      done
      limited "-v 2500000" any export --format parquet run.lbsample -o tables >out 2>said
      limited "-v 2500000" any runs show run.lbsample >out
      """#
  }

  /// A run whose row in a data set could not be read again: it is not added, and others are.
  private static func largeRow(_ folder: String, _ place: Place) throws -> String {
    let path = try copy(folder, place)
    try ResultFile(path).execute(
      """
      WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 9)
        INSERT INTO label SELECT 'k' || n, printf('%.*c', 1000000, 'x') FROM x
      """)
    try Seal.renew(inFile: path)
    return #"""
      bad export --format parquet --dataset set run.lbsample 2>said
      has said 'in a data set a run has at most'
      good export --format parquet --dataset set "$BASE/record.lbsample"
      """#
  }

  private static func copy(_ folder: String, _ place: Place) throws -> String {
    let path = folder + "/run.lbsample"
    try FileManager.default.copyItem(atPath: place.base + "/run.lbsample", toPath: path)
    return path
  }

  /// A file that SQL has changed. Its checksums tell so, unless they are renewed: readers then get
  /// to the values.
  private static func changed(
    _ folder: String, _ place: Place, _ sql: String, isSealed: Bool = false
  ) throws -> String {
    let path = try copy(folder, place)
    try ResultFile(path).execute(sql)
    var lines = sql.split(separator: "\n").map { "# \($0)" }
    if isSealed {
      do throws(LBError) {
        try Seal.renew(inFile: path)
        lines.append("SEALED=0")
      } catch {
        lines.append("# not sealed: \(error.message.shownInLine)")
      }
    }
    return (lines + ["read_all"]).joined(separator: "\n")
  }

  /// Another one: some column has another value, or some bytes are others.
  static func sibling(
    _ chance: inout SeededGenerator, _ folder: String, _ place: Place
  ) throws -> String {
    if chance.chance(0.3) { return try damaged(&chance, folder, place) }
    let columns = try ResultFile(place.base + "/run.lbsample").columns()
    var sql: [String] = []
    for _ in 0...chance.below(3) {
      let (table, column) = chance.pick(columns)
      let places = try ResultFile(place.base + "/run.lbsample").places(table, column)
      let value = chance.pick(values)
      let quoted = "\"\(column)\""
      if !places.isEmpty, chance.chance(0.7) {
        let inner = chance.pick(places).split(separator: "'").joined(separator: "''")
        let member = chance.pick(members)
        sql.append(
          "UPDATE \(table) SET \(quoted) = json_set(\(quoted), '\(inner)', json('\(member)'))")
      } else if chance.chance(0.1) {
        let other = chance.pick(columns)
        let found = "(SELECT \"\(other.column)\" FROM \(other.table) LIMIT 1)"
        sql.append("UPDATE \(table) SET \(quoted) = \(found)")
      } else if chance.chance(0.1) {
        sql.append("DELETE FROM \(table)")
      } else {
        sql.append("UPDATE \(table) SET \(quoted) = \(value)")
      }
    }
    let isSealed = chance.chance(0.7)
    return try changed(folder, place, sql.joined(separator: ";\n"), isSealed: isSealed)
  }

  private static let values = [
    "-1", "0", "1", "2147483648", "4294967296", "9223372036854775807", "-9223372036854775808",
    "0.5", "1e30", "-1e30", "9e999", "-9e999", "NULL", "''", "'x'", "'[1'", "'{}'", "'[]'",
    "'../x'", "'-x'", "'a/b'", "char(27) || '[31m'", "char(10) || 'x'", "char(8238) || 'x'",
    "x'00ff'", "cast(x'fffe' AS TEXT)", "'a' || char(0) || 'b'", "printf('%.*c', 70000, 'x')",
    "'available'", "'running'", "'completed'", "'sample'", "'arm'",
    "char(44, 769) || char(34, 769)",
  ]

  private static let members = [
    "-1", "0", "1", "18446744073709551615", "9223372036854775808", "1e30", "0.5", "null", "true",
    "\"\"", "\"x\"", "\"../x\"", "\"\\u001b[31m\"", "\"\\u0000\"", "[]", "{}", "[[]]", "[0,0]",
  ]

  /// Bits, bytes or stretches that are others, or a shorter file.
  private static func damaged(
    _ chance: inout SeededGenerator, _ folder: String, _ place: Place
  ) throws -> String {
    let path = try copy(folder, place)
    var bytes = [UInt8](FileManager.default.contents(atPath: path) ?? Data())
    let told = Damage.apply(&chance, to: &bytes)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return "# \(told)\nread_all"
  }
}

/// What happens to bytes.
enum Damage {
  /// Changes some; says which.
  static func apply(_ chance: inout SeededGenerator, to bytes: inout [UInt8]) -> String {
    guard !bytes.isEmpty else { return "an empty file" }
    let place = chance.below(bytes.count)
    switch chance.below(6) {
    case 0:
      let bit = chance.below(8)
      bytes[place] ^= 1 << UInt8(bit)
      return "bit \(bit) of byte \(place)"
    case 1:
      let value = UInt8(truncatingIfNeeded: chance.next())
      bytes[place] = value
      return "byte \(place) is \(value)"
    case 2:
      bytes.removeLast(bytes.count - place)
      return "cut to \(place) bytes"
    case 3:
      let count = min(bytes.count - place, 1 + chance.below(600))
      for index in place..<place + count { bytes[index] = 0 }
      return "\(count) bytes from \(place) on are 0"
    case 4:
      let count = min(bytes.count - place, 1 + chance.below(600))
      for index in place..<place + count { bytes[index] = UInt8(truncatingIfNeeded: chance.next()) }
      return "\(count) bytes from \(place) on are random"
    default:
      let (count, other) = (1 + chance.below(64), chance.below(bytes.count))
      for index in 0..<count where place + index < bytes.count && other + index < bytes.count {
        bytes[place + index] = bytes[other + index]
      }
      return "\(count) bytes from \(other) on stand at \(place), too"
    }
  }
}

/// Tails and logs that a killed recording left, and that somebody changed.
enum TailAttacks {
  static func sibling(
    _ chance: inout SeededGenerator, _ folder: String, _ place: Place
  ) throws -> String {
    for suffix in ["", "-wal", "-shm", "-tail"] {
      let path = place.base + "/killed.lbsample" + suffix
      guard FileManager.default.fileExists(atPath: path) else { continue }
      try FileManager.default.copyItem(atPath: path, toPath: "\(folder)/killed.lbsample\(suffix)")
    }
    let suffix = chance.pick(["-tail", "-tail", "-tail", "-wal", "-shm", ""])
    let path = "\(folder)/killed.lbsample\(suffix)"
    var bytes = [UInt8](FileManager.default.contents(atPath: path) ?? Data())
    let told = Damage.apply(&chance, to: &bytes)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    guard suffix == "-tail" else {
      return """
        # killed.lbsample\(suffix): \(told)
        any export killed.lbsample >raw
        any runs show killed.lbsample
        any runs list --runs-dir .
        any runs remove --force --runs-dir . killed.lbsample
        """
    }
    return """
      # killed.lbsample-tail: \(told)
      . \(place.cases.quoted)/tails.bash
      cp "$BASE"/killed.lbsample before.lbsample
      for one in "$BASE"/killed.lbsample?*; do cp "$one" "before${one#"$BASE/killed"}"; done
      "$LB" export before.lbsample --raw >before 2>said
      damaged
      """
  }
}
