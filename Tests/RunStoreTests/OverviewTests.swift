import Foundation
import GRDB
import RunStore
import SampleModel
import TestSupport
import Testing

/// What a list says of runs is the same, read from the pages of their files or by SQLite.
@Suite struct OverviewTests {
  private func writer(_ path: String, _ number: Int = 1) throws -> RunWriter {
    let id = String(number, radix: 16)
    return try RunWriter(
      path: path,
      identity: RunWriter.Identity(
        runID: "o-20260101-000000-" + String(repeating: "0", count: 8 - id.count) + id, name: "o",
        kind: "run", version: "0", interval: 1_000_000, startUnixNanoseconds: 1_700_000_000),
      host: [("kernel", "6")], configuration: [], labels: [:])
  }

  private func finish(_ writer: RunWriter, _ status: RunStatus = .completed) throws {
    var result = RunResult(
      runID: writer.runID, name: "o", kind: "run", startUnixNanoseconds: 1_700_000_000)
    result.status = status
    result.durationNanoseconds = 77_000_000_000
    result.endUnixNanoseconds = 1_777_000_000
    try writer.finish(result)
  }

  private func bySQLite(_ path: String) throws -> RunOverview {
    let reader = try RunReader(path: path)
    defer { reader.close() }
    return try reader.overview()
  }

  /// Repetitions on thousands of pages, commands that fill several, and many phases.
  @Test(arguments: [(0, 0), (1, 10), (3, 20_000), (40, 3000)])
  func pagesSayWhatSQLiteSays(_ phases: Int, _ length: Int) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("o.lbsample")
    let made = try writer(path)
    try finish(made)
    let file = try DatabaseQueue(path: path)
    try file.write { db in
      for phase in 0..<phases {
        let command = phase == 0 ? [] : [String(repeating: "é", count: length), "\(phase)"]
        try db.execute(
          sql: """
            INSERT INTO phase (name, kind, parameters, status, command)
              VALUES (?, 'command', '{}', 'completed', ?)
            """,
          arguments: [
            "p\(phase)", String(decoding: try JSONEncoder().encode(command), as: UTF8.self),
          ])
      }
      for number in 1...5000 where phases > 0 {
        try db.execute(
          sql: """
            INSERT INTO repetition (phase_id, number, warm_up, status) VALUES (1, ?, ?, ?)
            """,
          arguments: [number, number % 10 == 0, number % 7 == 0 ? "failed" : "completed"])
      }
    }
    try file.close()
    let overview = try #require(OverviewPages().overview(path))
    #expect(try overview == bySQLite(path))
    #expect(overview.status == .completed && overview.durationNanoseconds == 77_000_000_000)
    #expect(overview.commands == max(0, phases - 1))
    #expect(overview.completed == (phases == 0 ? 0 : 3857))
  }

  /// Of what is not over, or not all in its file, the pages say nothing.
  @Test func whatIsNotInTheFileIsNotReadFromIt() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("o.lbsample")
    let pages = OverviewPages()
    let made = try writer(path)
    #expect(pages.overview(path) == nil, "it is being written")
    try finish(made, .interrupted)
    #expect(pages.overview(path) == nil, "a stop leaves its log")
    #expect(try bySQLite(path).status == .interrupted)
    #expect(pages.overview(path)?.status == .interrupted)
    try folder.write("o.lbsample-tail", "x")
    #expect(pages.overview(path) == nil)
    try folder.delete("o.lbsample-tail")
    let file = try DatabaseQueue(path: path)
    try file.write { try $0.execute(sql: "CREATE VIEW another AS SELECT 1") }
    try file.close()
    #expect(pages.overview(path) == nil, "what is not ours is refused by whoever opens it")
    #expect(pages.overview(folder.file("none")) == nil && pages.overview(folder.path) == nil)
  }

  /// One reader for all files, whose schemas differ.
  @Test func eachFileHasItsOwnSchema() throws {
    let folder = try TemporaryFolder()
    let pages = OverviewPages()
    let paths = (1...6).map { folder.file("\($0).lbsample") }
    for (place, path) in paths.enumerated() {
      let made = try writer(path, place + 1)
      try finish(made)
      guard place % 2 == 1 else { continue }
      let file = try DatabaseQueue(path: path)
      try file.write { db in
        // Another column, in front of the others.
        try db.execute(
          sql: """
            ALTER TABLE run RENAME TO old; DROP VIEW runs;
            CREATE TABLE run (
              more TEXT, id TEXT PRIMARY KEY, name TEXT, kind TEXT, status TEXT,
              start_unix_ns INTEGER, duration_ns INTEGER
            );
            INSERT INTO run SELECT 'x', id, name, kind, status, start_unix_ns, duration_ns FROM old;
            DROP TABLE old;
            """)
      }
      try file.close()
    }
    for (place, path) in paths.enumerated() {
      #expect(pages.overview(path)?.runID.hasSuffix("-0000000\(place + 1)") == true)
    }
  }

  /// Whatever the bytes are, reading them ends.
  @Test func damagedPagesAreLeftToSQLite() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("o.lbsample")
    let made = try writer(path)
    let phase = try made.addPhase(PhaseResult(name: "main", command: ["x"]))
    for number in 1...200 {
      _ = try made.addRepetition(RepetitionResult(repetition: number, warmUp: false), phase: phase)
    }
    try finish(made)
    let whole = try #require(FileManager.default.contents(atPath: path))
    var random = SeededGenerator(7)
    let pages = OverviewPages()
    for round in 0..<400 {
      var bytes = whole
      for _ in 0...Int.random(in: 0...round / 8, using: &random) {
        // Half of them in the schema and in the fronts of pages, on which everything depends.
        var place = Int.random(in: 0..<bytes.count, using: &random)
        if Bool.random(using: &random) { place = place / 4096 * 4096 + place % 64 }
        bytes[place] = UInt8.random(in: 0...255, using: &random)
      }
      if round % 5 == 0 { bytes = bytes.prefix(Int.random(in: 0...bytes.count, using: &random)) }
      try bytes.write(to: URL(fileURLWithPath: path))
      _ = pages.overview(path)
    }
    try whole.write(to: URL(fileURLWithPath: path))
    #expect(pages.overview(path)?.runID == made.runID)
  }

  /// A result without what takes long has the rest.
  @Test func partsOfAResultAreLeftOut() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("o.lbsample")
    let made = try writer(path)
    let phase = try made.addPhase(PhaseResult(name: "main", command: ["x"]))
    for number in 1...3 {
      let row = try made.addRepetition(
        RepetitionResult(repetition: number, warmUp: false), phase: phase)
      let attempt = try made.addAttempt(
        number: 1, bracket: UInt32(number), repetition: row)
      var result = AttemptResult(attempt: 1)
      result.status = .completed
      result.metrics = ["a": Double(number), "b": 2]
      result.contamination = number == 2 ? ["a disturbance"] : []
      var thread = ThreadLedger(thread: 0, cpu: 1)
      thread.ticks.deadlines = UInt64(number)
      thread.ticks.onTime = UInt64(number)
      thread.collectors = [CollectorLedger(collector: "cpu")]
      result.ledger = Ledger(threads: [thread])
      result.overhead = Overhead()
      result.overhead?.samplingThreadNanoseconds = [5]
      result.overhead?.processNanoseconds = 6
      try made.finishAttempt(attempt, result, output: [])
    }
    try finish(made)
    let reader = try RunReader(path: path)
    defer { reader.close() }
    func attempts(_ parts: RunReader.Parts) throws -> [AttemptResult] {
      try reader.result(parts).phases.flatMap(\.repetitions).flatMap(\.attempts)
    }
    let (all, few) = (try attempts(.all), try attempts([]))
    #expect(all.map(\.metrics) == (1...3).map { ["a": Double($0), "b": 2] })
    #expect(all.allSatisfy { $0.ledger.threads[0].collectors.count == 1 })
    #expect(few.map(\.contamination) == [[], ["a disturbance"], []])
    #expect(few.map(\.ledger.ticks) == all.map(\.ledger.ticks))
    #expect(few.allSatisfy { $0.metrics.isEmpty && $0.ledger.threads[0].collectors.isEmpty })
    #expect(few.allSatisfy { $0.overhead?.processNanoseconds == 6 })
    let accounts = try attempts(.accounts)
    #expect(accounts.map(\.ledger) == all.map(\.ledger))
    #expect(accounts.map(\.overhead) == all.map(\.overhead))
  }
}
