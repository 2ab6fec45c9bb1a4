import Foundation
import RunStore
import SampleModel
import TestSupport
import Testing

/// `lbsample compare`, on runs that are written here and on one that is executed.
@Suite struct CompareCommandTests {
  /// Stores a run whose phases took turns, with these wall times in milliseconds.
  private func store(
    _ command: Command, _ id: String, labels: [String: String] = [:],
    _ phases: [(name: String, walls: [Double])], contaminated: Set<Int> = [],
    kernel: String = "6.1", cpuShare: Double? = nil
  ) throws {
    let folder = command.folder.file("data/lbsample/runs")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let writer = try RunWriter(
      path: "\(folder)/\(id).lbsample",
      identity: RunWriter.Identity(
        runID: id, name: "test", kind: "run", version: "0.1.0", interval: 1_000_000,
        startUnixNanoseconds: 5),
      host: [(name: "kernel", value: kernel), (name: "cpus_online", value: "0-3")],
      configuration: [], labels: labels)
    for (place, one) in phases.enumerated() {
      var phase = PhaseResult(name: one.name, command: ["work", one.name])
      phase.status = .completed
      let phaseRow = try writer.addPhase(phase)
      for (index, wall) in one.walls.enumerated() {
        var repetition = RepetitionResult(repetition: index + 1, warmUp: false)
        repetition.status = .completed
        let row = try writer.addRepetition(repetition, phase: phaseRow)
        let bracket = UInt32(phases.count * index + place + 1)
        let attemptRow = try writer.addAttempt(number: 1, bracket: bracket, repetition: row)
        var attempt = AttemptResult(attempt: 1)
        attempt.status = .completed
        attempt.wallNanoseconds = UInt64(wall * 1e6)
        attempt.metrics = ["vm.pgfault": 100 * wall]
        if let cpuShare {
          attempt.userNanoseconds = UInt64(wall * 1e6 * cpuShare)
          attempt.systemNanoseconds = 0
        }
        if contaminated.contains(index + 1) { attempt.contamination = ["steal 4 %"] }
        try writer.finishAttempt(attemptRow, attempt, output: [])
      }
      try writer.updatePhase(phaseRow, phase)
    }
    var result = RunResult(runID: id, name: "test", kind: "run", startUnixNanoseconds: 5)
    result.status = .completed
    result.endUnixNanoseconds = 1000
    try writer.finish(result)
  }

  private let walls = [100.0, 101, 102, 103, 104, 105, 106, 107, 108, 109]
  private let old = "old-20260101-000000-00000001"
  private let new = "new-20260102-000000-00000002"
  private let turns = "turns-20260103-000000-00000003"

  /// An old run with a label, a new one that takes 10 % longer, and the newest, of two phases.
  private func stored() throws -> Command {
    let command = try Command()
    try store(command, old, labels: ["branch": "main"], [("main", walls)])
    try store(command, new, [("main", walls.map { $0 * 1.1 })], kernel: "6.2")
    try store(
      command, turns,
      [("load[n=1,m=2]", walls), ("load[n=2,m=2]", walls.map { $0 * 0.9 })])
    return command
  }

  private func run(_ command: Command, _ arguments: String...) throws -> Command.Outcome {
    try command.start(["compare", "--config", "/dev/null"] + arguments).finish()
  }

  private func pair(_ outcome: Command.Outcome) throws -> [String: Any] {
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    return try #require((object["comparisons"] as? [[String: Any]])?.first)
  }

  private func wall(_ pair: [String: Any]) throws -> [String: Any] {
    try #require(
      (pair["metrics"] as? [[String: Any]])?.first { $0["metric"] as? String == "wall_time" })
  }

  @Test func twoRunsAreComparedByLabelAndId() throws {
    let command = try stored()
    for base in ["main", "branch=main", "old", old] {
      let outcome = try run(command, base, "new", "--format", "json")
      #expect(outcome.code == 0 && outcome.error.isEmpty, "\(base): \(outcome.error)")
      let pair = try pair(outcome)
      #expect(pair["design"] as? String == "separate")
      let wall = try wall(pair)
      #expect(wall["verdict"] as? String == "changed" && wall["direction"] is NSNull)
      let effect = try #require(wall["effect"] as? [String: Any])
      #expect(abs(try #require(effect["value"] as? Double) - 0.1) < 0.02)
      let differences = try #require(pair["differences"] as? [[String: Any]])
      let kernel = try #require(differences.first { $0["name"] as? String == "host kernel" })
      #expect(kernel["base"] as? String == "6.1" && kernel["side"] as? String == "6.2")
    }
  }

  @Test func findingsAreShownOfARunAndOfOneSideOnly() throws {
    let command = try Command()
    try store(command, old, labels: ["branch": "main"], [("main", walls)], cpuShare: 0.5)
    try store(command, new, [("main", walls)], cpuShare: 0.95)
    func show(_ format: String) throws -> String {
      let shown = try command.start(
        ["runs", "show", "last", "--config", "/dev/null", "--metric", "vm.*", "--format", format]
      ).finish()
      #expect(shown.code == 0, "\(shown.error)")
      return shown.output
    }
    #expect(
      try show("text").contains(
        "finding  one-cpu (info): the workload used 99.3 ms of CPU time in 104.5 ms of wall time"))
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(try show("json").utf8)) as? [String: Any])
    let findings = try #require(object["findings"] as? [[String: Any]])
    // The wall times drift too, which is the more severe.
    #expect(findings.map { $0["id"] as? String } == ["drift", "one-cpu"])
    #expect(findings.map { $0["phase"] as? String } == ["main", "main"])
    let unjudged = try #require(object["findingsNotJudged"] as? [[String: Any]])
    #expect(
      unjudged.contains {
        $0["id"] as? String == "disk-wait"
          && $0["reason"] as? String == "no value of pressure.io.some.total"
      })
    let compared = try run(command, "main", "last")
    #expect(compared.output.contains("finding  only B: one-cpu: the workload used"))
    #expect(!compared.output.contains("drift:"), "both have it")
  }

  @Test func phasesOfARunAreComparedInPairs() throws {
    let command = try stored()
    let whole = try run(command, "last", "--format", "json")
    let named = try run(
      command, "turns:load[n=1,m=2]", "turns:load[n=2,m=2]", "--format", "json")
    for outcome in [whole, named] {
      #expect(outcome.code == 0, "\(outcome.error)")
      let pair = try pair(outcome)
      #expect(pair["design"] as? String == "paired")
      let wall = try wall(pair)
      #expect(wall["verdict"] as? String == "changed" && wall["direction"] as? String == "better")
    }
    let text = try run(command, "last")
    #expect(text.output.contains("wall_time") && text.output.contains("faster"))
    let table = try run(command, "last", "--format", "markdown")
    #expect(table.code == 0 && table.output.contains("| `wall_time` |"))
    let rows = try run(command, "last", "--format", "csv", "--metric", "vm.*")
    #expect(rows.lines.count == 2 && rows.lines[1].contains("vm.pgfault"))
  }

  /// As of a run that was killed: its file has attempts, and no summary of them.
  @Test func aRunWithoutASummaryHasTheUnitsOfItsMetrics() throws {
    let command = try stored()
    let text = try run(command, "old", "new")
    let wall = try #require(text.lines.first { $0.hasPrefix("wall_time") })
    #expect(wall.contains(" ms ") && !wall.contains("M "), "\(wall)")
    let rows = try run(command, "old", "new", "--format", "csv")
    #expect(rows.lines.contains { $0.contains(",wall_time,ns,") }, "\(rows.output)")
  }

  @Test func aRunWithoutASummaryIsSummarisedFromItsAttempts() throws {
    let command = try stored()
    let path = command.folder.file("data/lbsample/runs/\(old).lbsample")
    let before = try Data(contentsOf: URL(fileURLWithPath: path))
    let shown = try command.start([
      "runs", "show", "old", "--config", "/dev/null", "--format", "json",
    ]).finish()
    #expect(shown.code == 0, "\(shown.error)")
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(shown.output.utf8)) as? [String: Any])
    let metrics = try #require(object["metrics"] as? [[String: Any]])
    let wall = try #require(metrics.first { $0["metric"] as? String == "wall_time" })
    #expect(wall["unit"] as? String == "ns" && wall["count"] as? Int == 10)
    #expect(wall["median"] as? Double == 104.5e6)
    #expect(metrics.contains { $0["metric"] as? String == "vm.pgfault" })
    let text = try command.start([
      "runs", "show", "old", "--config", "/dev/null", "--all",
    ]).finish()
    #expect(text.output.contains("median's 95 % CI"), "\(text.output)")
    #expect(text.lines.contains { $0.hasPrefix("vm.pgfault ") }, "\(text.output)")
    let after = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(after == before, "the file stays as it is")
  }

  @Test func aListHasTheLabelsOfRuns() throws {
    let command = try stored()
    let list = ["runs", "list", "--config", "/dev/null"]
    let text = try command.start(list).finish()
    let labelled = text.lines.filter { $0.hasSuffix("work main  (branch=main)") }
    #expect(labelled.count == 1 && labelled[0].hasPrefix(old), "\(text.output)")
    let json = try command.start(list + ["--format", "json"]).finish()
    let runs = try #require(
      try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]])
    let labels = runs.compactMap { $0["labels"] as? [String: String] }
    #expect(labels == [[:], [:], ["branch": "main"]])
  }

  @Test func aBoundThatIsExceededIsTheCodeOfAGate() throws {
    let command = try stored()
    let exceeded = try run(command, "old", "new", "--fail-on", "wall_time>2%")
    #expect(exceeded.code == 6 && exceeded.error.contains("--fail-on wall_time>2%"))
    #expect(exceeded.output.contains("wall_time"), "the comparison is shown all the same")
    #expect(try run(command, "old", "new", "--fail-on", "primary").code == 6)
    #expect(try run(command, "new", "old", "--fail-on", "primary").code == 0, "it is better")
    let kept = try run(command, "old", "new", "--fail-on", "wall_time>30%")
    #expect(kept.code == 0 && kept.error.isEmpty, "\(kept.error)")
    let undecided = try run(command, "old", "new", "--fail-on", "wall_time>10%")
    #expect(undecided.code == 0 && undecided.error.contains("undecided"), "\(undecided.error)")
    let several = try run(
      command, "old", "new", "--fail-on", "wall_time>30%", "--fail-on", "vm.pgfault>2%")
    #expect(several.code == 6 && several.error.contains("vm.pgfault"))
  }

  @Test func disturbedRepetitionsCountOnlyWhereTheyAreAskedFor() throws {
    let command = try stored()
    try store(
      command, "odd-20260104-000000-00000004", [("main", walls)], contaminated: [2, 3])
    try store(
      command, "bad-20260105-000000-00000005", [("main", walls)], contaminated: Set(1...10))
    let left = try run(command, "old", "odd", "--format", "json")
    #expect((try pair(left)["counts"] as? [String: Int]) == ["base": 10, "side": 8])
    let kept = try run(command, "old", "odd", "--format", "json", "--contaminated")
    #expect((try pair(kept)["counts"] as? [String: Int]) == ["base": 10, "side": 10])
    let none = try run(command, "old", "bad")
    let words = "all repetitions are contaminated, so none is left to compare"
    #expect(none.code == 6 && none.error.contains(words), "\(none.error)")
    #expect(none.error.contains("compare --contaminated compares them anyway"), "\(none.error)")
    #expect(try run(command, "old", "bad", "--contaminated").code == 0)
  }

  @Test func whatCannotBeComparedIsRefused() throws {
    let command = try stored()
    let refused: [([String], String)] = [
      (["nothing", "new"], "none has the label nothing"),
      (["old"], "name a second run"),
      (["old", "old"], "both sides"),
      (["old", "turns"], "name one, as turns:load[n=1,m=2]"),
      (["old", "turns:load[n=3,m=2]"], "has no phase load[n=3,m=2]"),
      (["old:main"], "is one side"),
      (["old,new", "turns:load[n=1,m=2]"], "at least two"),
      (["old", "new", "--format", "xml"], "expected text, markdown, json, csv"),
      (["old", "new", "--fail-on", "wall_time"], "expected METRIC>PERCENT%"),
      (["old", "new", "--fail-on", "wal_time>2%"], "did you mean wall_time"),
      (["old", "new", "--primary", "vm.pgfalt"], "did you mean vm.pgfault"),
      (["old", "new", "--metric", "disk.*"], "no metric"),
      (["old", "new", "--same-within", "2"], "such as 2%"),
    ]
    for (arguments, words) in refused {
      let outcome = try command.start(
        ["compare", "--config", "/dev/null"] + arguments
      ).finish()
      #expect(outcome.code == 2, "\(arguments): \(outcome.code) \(outcome.error)")
      #expect(outcome.error.contains(words), "\(arguments): \(outcome.error)")
    }
  }

  @Test func severalRunsASideAreTheUnit() throws {
    let command = try stored()
    for place in 0..<4 {
      let side = place < 2 ? "a" : "b"
      let factor = (place < 2 ? 1 : 2) * (1 + 0.01 * Double(place % 2))
      try store(
        command, "\(side)\(place)-2026020\(place + 1)-000000-0000000\(place)",
        [("main", walls.map { $0 * factor })])
    }
    let outcome = try run(command, "a0,a1", "b2,b3", "--format", "json")
    #expect(outcome.code == 0, "\(outcome.error)")
    let pair = try pair(outcome)
    #expect(pair["design"] as? String == "runs")
    #expect((pair["counts"] as? [String: Int]) == ["base": 2, "side": 2])
    let wall = try wall(pair)
    #expect(wall["verdict"] as? String == "changed" && wall["direction"] as? String == "worse")
  }

  /// What two commands print is told apart, and the brackets say that they took turns.
  @Test func commandsThatTookTurnsAreComparedEndToEnd() throws {
    let command = try Command()
    let made = try command.start([
      "run", "--entropy", "--config", "/dev/null", "-r", "8", "--order", "interleaved",
      "--metric", "v=v=([0-9]+)", "--command", "sh -c 'echo v=100'", "--command",
      "sh -c 'echo v=110'",
    ]).finish()
    #expect(made.code == 0, "\(made.error)")
    let outcome = try run(
      command, "last", "--contaminated", "--format", "json", "--fail-on", "workload.v>2%")
    #expect(outcome.code == 6, "\(outcome.error)")
    let pair = try pair(outcome)
    #expect(pair["design"] as? String == "paired")
    let metrics = try #require(pair["metrics"] as? [[String: Any]])
    let value = try #require(metrics.first { $0["metric"] as? String == "workload.v" })
    #expect(value["verdict"] as? String == "changed")
    let effect = try #require(value["effect"] as? [String: Any])
    #expect(abs(try #require(effect["value"] as? Double) - 0.1) < 1e-9)
    #expect(abs(try #require(effect["low"] as? Double) - 0.1) < 1e-9)
  }
}
