import Foundation
import GRDB
import Glibc
import LinuxSystem
import TestSupport

/// Where tries take place: the command, the cases, and result files to damage.
struct Place {
  /// A copy that any user may execute.
  let lbsample: String
  /// This program.
  let helper: String
  /// The folder of the written cases.
  let cases: String
  /// The folder of result files.
  let base: String
  /// Whether a result file tells by itself that something in its tables was changed.
  let isSealed: Bool
  /// Tries at a time.
  let lanes: Int
  /// Times the limit of each try: for a host that is busy, or a command that is checked as it runs.
  let patience: Int
  private let root: TemporaryFolder

  /// Makes what tries need with the command at `path`.
  init(lbsample path: String) throws {
    let folder = try TemporaryFolder()
    root = folder
    let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    cases = sources.appendingPathComponent("cases").path
    helper = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path
    lbsample = folder.file("bin/lbsample")
    base = folder.file("base")
    lanes = CPUSet.allowed().members.count + 1
    patience = ProcessInfo.processInfo.environment["PATIENCE"].flatMap { Int($0) } ?? 1
    let folders = ["bin", "base", "tries"].map { folder.file($0) }
    for one in folders {
      try FileManager.default.createDirectory(atPath: one, withIntermediateDirectories: true)
    }
    // Users without privileges take part.
    for one in [folder.path] + folders { _ = unsafe chmod(one, 0o755) }
    try FileManager.default.copyItem(atPath: path, toPath: lbsample)
    _ = unsafe chmod(lbsample, 0o755)
    try Self.shell(
      """
      export HOME="$BASE" XDG_DATA_HOME="$BASE/data"
      cd "$BASE"
      "$LB" run -r 3 --cpu --net --top 3 -i 20ms --name run --label a=b --runs-dir runs -- \\
        sh -c 'echo speed 12; sleep 0.1'
      mv runs/*.lbsample run.lbsample
      "$LB" --cpu --net -i 10ms --count 30 --record record.lbsample >table
      "$LB" --cpu --net -i 5ms --record killed.lbsample >table &
      sleep 2.5
      kill -KILL $!
      wait $!
      "$LB" runs show --format json run.lbsample | grep -v '"file"' >run.json
      [ -e killed.lbsample-tail ] && [ -e record.lbsample ] && [ -s run.json ]
      """, lbsample: lbsample, base: base)
    let changed = folder.file("changed.lbsample")
    try FileManager.default.copyItem(atPath: base + "/run.lbsample", toPath: changed)
    try ResultFile(changed).execute("UPDATE metric SET value = value + 1")
    isSealed = try !Self.succeeds(
      #"exec "$LB" runs show "$BASE/../changed.lbsample" >/dev/null 2>&1"#, lbsample: lbsample,
      base: base)
  }

  /// A new folder of this name for a try.
  func folder(_ name: String) throws -> String {
    let path = root.file("tries/\(name)")
    try FileManager.default.createDirectory(
      atPath: path + "/work", withIntermediateDirectories: true)
    for one in [path, path + "/work"] { _ = unsafe chmod(one, 0o755) }
    return path
  }

  /// Runs a script to its end, with its output where ours is.
  private static func shell(_ script: String, lbsample: String, base: String) throws {
    guard try succeeds(script, lbsample: lbsample, base: base) else {
      print("the result files to damage could not be made with \(lbsample)")
      exit(2)
    }
  }

  private static func succeeds(_ script: String, lbsample: String, base: String) throws -> Bool {
    let child = try GatedChild(
      SpawnPlan(
        path: "/bin/bash", arguments: ["bash", "-c", script],
        environment: ["LB=\(lbsample)", "BASE=\(base)", "PATH=\(Self.path)"], input: 0, output: 1,
        error: 2))
    child.openGate()
    _ = Poll.wait(readable: [child.exitPollDescriptor], until: nil)
    let status = child.peekExit()
    _ = child.reap(until: Clock.monotonic())
    return status?.code == 0
  }

  /// Where a try finds programs.
  static let path =
    ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
}

/// A result file that is changed through SQL.
struct ResultFile {
  private let queue: DatabaseQueue

  /// The file at `path`, without a check of what refers to what.
  init(_ path: String) throws {
    var settings = GRDB.Configuration()
    settings.foreignKeysEnabled = false
    queue = try DatabaseQueue(path: path, configuration: settings)
  }

  /// Executes statements. Those that SQLite refuses change nothing.
  func execute(_ sql: String) throws {
    do {
      try queue.write { db in try db.execute(sql: sql) }
    } catch is DatabaseError {
      // No file comes of it that could be tried.
    }
    try queue.close()
  }

  /// Every column of every table.
  func columns() throws -> [(table: String, column: String)] {
    let rows = try queue.read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT m.name AS t, c.name AS c FROM sqlite_master m, pragma_table_info(m.name) c
          WHERE m.type = 'table' ORDER BY 1, c.cid
          """
      ).map { (table: $0["t"] as String, column: $0["c"] as String) }
    }
    try queue.close()
    return rows
  }

  /// The places within the JSON of a column's first value that has some: `$.threads[0].late`.
  func places(_ table: String, _ column: String) throws -> [String] {
    let places = try queue.read { db in
      try String.fetchAll(
        db,
        sql: """
          SELECT fullkey FROM json_tree(
            (SELECT \(column) FROM \(table) WHERE json_valid(\(column)) LIMIT 1))
          """)
    }
    try queue.close()
    return places
  }
}
