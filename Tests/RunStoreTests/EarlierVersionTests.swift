import Foundation
import GRDB
import RunStore
import SampleModel
import TestSupport
import Testing

/// Files of every version that there was: Tests/Schemas has their tables as they were. Those of
/// version 3 changed twice without another number.
@Suite struct EarlierVersionTests {
  static let schemas = ["1", "2", "3-events", "3-starts", "3-labels", "4", "5", "6", "7"]

  private func schema(_ name: String, file: String = #filePath) throws -> String {
    let tests = URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
    return try String(
      contentsOf: tests.appendingPathComponent("Schemas/\(name).sql"), encoding: .utf8)
  }

  private static let metric = MetricDescription(
    "busy", .nanoseconds, .counter, scale: Scale(10_000_000), meaning: "time")

  private static let layout = Layout(
    collector: "cpu", stream: 0, epoch: 1,
    columns: ["all", "0"].map { Column(collector: "cpu", metric: metric, instance: $0) })

  /// The layout as version 1 wrote it: each column by itself, of a metric that said less.
  private static let firstLayout = """
    {"collector":"cpu","columns":[\
    {"instance":"all","metric":\(firstMetric),"name":"cpu.busy[all]"},\
    {"instance":"0","metric":\(firstMetric),"name":"cpu.busy[0]"}],"epoch":1,"stream":0}
    """
  private static let firstMetric = """
    {"extent":"instance","kind":"counter","mayStepBack":false,"meaning":"time","name":"busy",\
    "scale":{"denominator":1,"numerator":10000000},"unit":"ns","width":64}
    """

  /// Frames of one bracket, 100 ns apart.
  private static let frames = (0..<5 as Range<UInt64>).map { index in
    CollectingSink.Frame(
      header: FrameHeader(
        stream: 0, epoch: 1, bracket: 1, deadlineIndex: index, deadline: 1000 + index * 100,
        start: 1001 + index * 100, end: 1003 + index * 100),
      values: [index * 7, index])
  }

  private func columns(_ table: String, _ db: Database) throws -> Set<String> {
    Set(try String.fetchAll(db, sql: "SELECT name FROM pragma_table_info('\(table)')"))
  }

  /// Adds a row of these values, and of `more` those for which the table has columns.
  private func insert(
    _ table: String, _ values: [String: any DatabaseValueConvertible],
    _ more: [String: any DatabaseValueConvertible] = [:], in db: Database
  ) throws {
    let there = try columns(table, db)
    let all = values.merging(more.filter { there.contains($0.key) }) { value, _ in value }
    let names = all.keys.sorted()
    try db.execute(
      sql: """
        INSERT INTO \(table) (\(names.joined(separator: ", ")))
          VALUES (\(names.map { _ in "?" }.joined(separator: ", ")))
        """, arguments: StatementArguments(names.map { all[$0] }))
  }

  /// An interrupted run of one phase, repetition and attempt, of the version that `name` is of.
  private func make(_ path: String, _ name: String) throws {
    let file = try DatabaseQueue(path: path)
    try file.write { db in
      try db.execute(sql: schema(name))
      try insert(
        "run",
        [
          "id": "old-20260101-000000-00000001", "name": "old", "kind": "run",
          "status": "interrupted", "lbsample_version": "0", "pid": 1, "pid_start": 1,
          "boot_id": "earlier", "interval_ns": 100, "start_unix_ns": 5,
        ], in: db)
      if try db.tableExists("session") {
        try insert("session", ["id": 1, "boot_id": "earlier"], in: db)
      }
      try insert(
        "phase", ["id": 1, "name": "main", "status": "interrupted", "command": #"["x"]"#],
        ["kind": "command", "parameters": "{}"], in: db)
      try insert(
        "repetition",
        ["id": 1, "phase_id": 1, "number": 1, "warm_up": false, "status": "completed"], in: db)
      try insert(
        "attempt",
        [
          "id": 1, "repetition_id": 1, "number": 1, "bracket": 1, "status": "completed",
          "start_unix_ns": 1, "wall_ns": 400, "bracket_ns": 500, "output_bytes": 3,
        ], ["output": Data("abc".utf8)], in: db)
      if try db.tableExists("output") {
        try insert("output", ["attempt_id": 1, "data": Data("abc".utf8)], in: db)
      }
      try insert("metric", ["attempt_id": 1, "name": "cpu.busy[all]", "value": 3.5], in: db)
      try insert(
        "overhead",
        [
          "attempt_id": 1, "sampling_ns": "[4]", "drain_ns": 5, "process_ns": 6, "elapsed_ns": 7,
          "bytes_written": 8, "memory_locked": 9,
        ], ["start_ns": 10, "stop_ns": 11], in: db)
      try insert(
        "summary",
        [
          "metric": "wall_time", "position": 0, "unit": "ns", "count": 1, "median": 400,
          "minimum": 400, "maximum": 400, "median_absolute_deviation": 0,
        ], ["phase_id": 1, "clean": false], in: db)
      try addSamples(name, db)
    }
    try file.close()
    try seal(path, name)
  }

  /// Seals a file of a version that has a seal.
  private func seal(_ path: String, _ name: String) throws {
    if name == "7" { try Seal.renew(inFile: path) }
  }

  private func addSamples(_ name: String, _ db: Database) throws {
    try insert(
      "collector",
      [
        "name": "cpu", "stream": 0, "thread": 0, "cpu": 0, "cadence": 1, "required": true,
        "outcome": "available", "reason": "",
      ], in: db)
    let text = String(decoding: try JSONEncoder().encode(Self.layout), as: UTF8.self)
    let definition = name == "1" ? Self.firstLayout : text
    try insert("layout", ["stream": 0, "epoch": 1, "definition": definition], in: db)
    try insert(
      "anchor", ["monotonic_ns": 1000, "realtime_ns": 50_000, "boottime_ns": 1000],
      ["session": 1], in: db)
    for (time, kind, message) in [(5, "run.start", "old"), (50_150, "gap", "cpu: gone")] {
      try insert(
        "journal", ["unix_ns": time, "level": "info", "kind": kind, "message": message], in: db)
    }
    let chunk = ChunkBuilder(kind: .frame, stream: 0, epoch: 1, bracket: 1, columns: 2)
    for frame in Self.frames { chunk.append(frame.header, frame.values.span) }
    let bytes = chunk.encoded()
    try insert(
      "chunk",
      [
        "kind": 1, "stream": 0, "epoch": 1, "bracket": 1, "rows": 5,
        "first_ns": Int64(chunk.firstStart), "last_ns": Int64(chunk.lastEnd),
        "checksum": Int64(Checksum.crc32c(bytes)), "data": Data(bytes),
      ], ["session": 1], in: db)
  }

  /// Reads everything, and holds it against what was written.
  private func check(_ path: String, _ name: String) throws {
    let reader = try RunReader(path: path)
    defer { reader.close() }
    #expect(try reader.integrity() == "ok")
    let listed = try reader.overview()
    #expect(listed.completed == 1 && listed.command == ["x"] && listed.status == .interrupted)
    let result = try reader.result()
    #expect(result.status == .interrupted && result.phases.map(\.name) == ["main"])
    let phase = try #require(result.phases.first)
    #expect(phase.kind == "command" && phase.parameters.isEmpty && phase.command == ["x"])
    #expect(phase.metrics.map(\.median) == [400] && phase.cleanMetrics.isEmpty)
    #expect(try phase.provenance == nil && reader.cells().isEmpty)
    let attempt = try #require(phase.repetitions.first?.attempts.first)
    #expect(attempt.wallNanoseconds == 400 && attempt.metrics == ["cpu.busy[all]": 3.5])
    #expect(attempt.outputBytesKept == 3 && attempt.contamination.isEmpty)
    #expect(try reader.output(bracket: 1) == Array("abc".utf8))
    let overhead = try #require(attempt.overhead)
    let knowsStart = !["1", "2", "3-events"].contains(name)
    #expect(overhead.memoryLocked == 9 && overhead.startNanoseconds == (knowsStart ? 10 : 0))
    #expect(try reader.journal(run: "r").map(\.kind) == ["run.start", "gap"])
    let sink = CollectingSink()
    try RunReplay(reader).play(into: sink)
    #expect(sink.layouts == [Self.layout])
    #expect(sink.frames == Self.frames)
    #expect(sink.events.map(\.time) == [1150])
    #expect(try RunReplay.firstStart(reader) == 1001)
  }

  private func structure(_ path: String) throws -> (version: Int, parts: Set<String>) {
    let file = try DatabaseQueue(path: path)
    defer { try? file.close() }
    return try file.read { db in
      let columns = try String.fetchAll(
        db,
        sql: """
          SELECT m.name || '.' || c.name || ' ' || c.pk FROM sqlite_master AS m
            JOIN pragma_table_info(m.name) AS c
          """)
      let rest = try String.fetchAll(db, sql: "SELECT name FROM sqlite_master")
      return (try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0, Set(columns + rest))
    }
  }

  @Test(arguments: schemas) func aFileIsReadAsItIsAndMigratedToBeGoneOnWith(_ name: String) throws {
    let folder = try TemporaryFolder()
    let (path, new) = (folder.file("old.lbsample"), folder.file("new.lbsample"))
    try make(path, name)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    let views = try structure(path).parts.filter { part in
      ["runs.", "repetitions.", "summaries."].contains { part.hasPrefix($0) }
    }
    try check(path, name)
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes, "it is only read")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["old.lbsample"])

    let resumed = try RunWriter(resuming: path)
    try resumed.setRunStatus(.interrupted)
    resumed.close()
    try check(path, name)
    let fresh = try RunWriter(
      path: new,
      identity: RunWriter.Identity(
        runID: "new-20260101-000000-00000001", name: "new", kind: "run", version: "0",
        interval: 1_000_000, startUnixNanoseconds: 5), host: [], configuration: [], labels: [:])
    try fresh.setRunStatus(.interrupted)
    fresh.close()
    let (one, other) = (try structure(path), try structure(new))
    #expect(one.version == other.version)
    #expect(one.parts == other.parts, "an old file becomes what a new one is")
    #expect(views.count > 30 && views.isSubset(of: one.parts), "views keep their columns")
  }

  /// A writer of that version was killed: its end is added to the file as it is.
  @Test(arguments: schemas) func anAbandonedFileIsEnded(_ name: String) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("old.lbsample")
    try make(path, name)
    let file = try DatabaseQueue(path: path)
    try file.write { db in
      try db.execute(
        sql: "UPDATE run SET status = 'running'; UPDATE phase SET status = 'running'")
    }
    try file.close()
    try seal(path, name)
    let before = try structure(path)
    let reader = try RunReader(path: path)
    #expect(try reader.finishIfAbandoned())
    try reader.add(
      JournalEntry(
        unixNanoseconds: 7, level: "info", kind: "host.restored", message: "m", run: ""))
    #expect(try reader.result().phases.map(\.status) == [.interrupted])
    #expect(try reader.journal(run: "r").map(\.kind) == ["run.start", "gap", "host.restored"])
    reader.close()
    let after = try structure(path)
    #expect(before.version == after.version && before.parts == after.parts)
  }
}
