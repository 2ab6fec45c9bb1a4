import Foundation
import GRDB
import RunStore
import SampleModel
import TestSupport
import Testing

/// What is read of a run that has much: for a list, and for a report.
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

  /// Many phases, commands that fill several pages, and repetitions on thousands of them.
  @Test(arguments: [(0, 0), (1, 10), (3, 20_000), (40, 3000)])
  func anOverviewCountsWhatIsThere(_ phases: Int, _ length: Int) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("o.lbsample")
    let made = try writer(path)
    try finish(made)
    let file = try DatabaseQueue(path: path)
    let long = String(repeating: "é", count: length)
    try file.write { db in
      for phase in 0..<phases {
        let command = phase == 0 ? [] : [long, "\(phase)"]
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
    try Seal.renew(inFile: path)
    let reader = try RunReader(path: path)
    defer { reader.close() }
    let overview = try reader.overview()
    #expect(overview.runID == made.runID && overview.kind == "run")
    #expect(overview.status == .completed && overview.durationNanoseconds == 77_000_000_000)
    #expect(overview.startUnixNanoseconds == 1_700_000_000)
    #expect(overview.command == (phases > 1 ? [long, "1"] : []))
    #expect(overview.commands == max(0, phases - 1))
    #expect(overview.completed == (phases == 0 ? 0 : 3857))
  }

  /// A table that a list shows is held against its seal; the others are not looked at.
  @Test(arguments: ["run", "phase", "repetition", "attempt"])
  func anOverviewIsVerified(_ table: String) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("o.lbsample")
    let made = try writer(path)
    let phase = try made.addPhase(PhaseResult(name: "main", command: ["x"]))
    let row = try made.addRepetition(RepetitionResult(repetition: 1, warmUp: false), phase: phase)
    _ = try made.addAttempt(number: 1, bracket: 1, repetition: row)
    try finish(made)
    let file = try DatabaseQueue(path: path)
    try file.write { try $0.execute(sql: "UPDATE \(table) SET status = 'failed'") }
    try file.close()
    let reader = try RunReader(path: path)
    defer { reader.close() }
    guard table != "attempt" else {
      #expect(try reader.overview().status == .completed)
      return
    }
    let error = #expect(throws: LBError.self) { try reader.overview() }
    #expect(error?.message.contains("table \(table) does not match its checksum") == true)
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
    let chosen = try reader.result(.metrics, metrics: { $0 == "a" }).phases
      .flatMap(\.repetitions).flatMap(\.attempts)
    #expect(chosen.map(\.metrics) == (1...3).map { ["a": Double($0)] })
  }
}
