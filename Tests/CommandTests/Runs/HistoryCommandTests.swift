import Foundation
import RunStore
import SampleModel
import TestSupport
import Testing

/// `lbsample history`, and what keeps or removes stored runs, on runs that are written here.
@Suite struct HistoryCommandTests {
  /// Stores a run that began so many days after 2026-01-01, with this wall time in milliseconds.
  private func store(
    _ command: Command, day: Int, name: String = "sort", wall: UInt64 = 100,
    host: String? = nil, labels: [String: String] = [:], status: RunStatus = .completed,
    takenFrom source: String? = nil
  ) throws {
    let folder = command.folder.file("data/lbsample/runs")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let start = (1_767_225_600 + UInt64(day) * 86_400) * 1_000_000_000
    let id = RunDirectory.newRunID(name: name, unixNanoseconds: start, random: UInt32(day))
    let hostname = try String(contentsOfFile: "/proc/sys/kernel/hostname", encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    let writer = try RunWriter(
      path: "\(folder)/\(id).lbsample",
      identity: RunWriter.Identity(
        runID: id, name: name, kind: "run", version: "0.1.0", interval: 1_000_000,
        startUnixNanoseconds: start),
      host: [(name: "hostname", value: host ?? hostname)], configuration: [], labels: labels)
    var phase = PhaseResult(name: "main", command: [name])
    if let source {
      phase.provenance = PhaseProvenance()
      phase.provenance?.takenFrom = source
    }
    let phaseRow = try writer.addPhase(phase)
    var repetition = RepetitionResult(repetition: 1, warmUp: false)
    repetition.status = .completed
    let row = try writer.addRepetition(repetition, phase: phaseRow)
    let attemptRow = try writer.addAttempt(number: 1, bracket: 1, repetition: row)
    var attempt = AttemptResult(attempt: 1)
    attempt.status = .completed
    attempt.wallNanoseconds = wall * 1_000_000
    attempt.metrics = ["vm.pgfault": Double(wall)]
    try writer.finishAttempt(attemptRow, attempt, output: [])
    var result = RunResult(runID: id, name: name, kind: "run", startUnixNanoseconds: start)
    result.status = status
    result.durationNanoseconds = wall * 1_000_000
    try writer.finish(result)
  }

  private func run(_ command: Command, _ arguments: String...) throws -> Command.Outcome {
    try command.start(arguments + ["--config", "/dev/null"]).finish()
  }

  private func names(_ command: Command) throws -> [String] {
    try RunDirectory(path: command.folder.file("data/lbsample/runs")).files()
      .map(RunDirectory.id(ofFile:))
  }

  @Test func aStepInStoredRunsIsFoundAndNamed() throws {
    let command = try Command()
    for day in 0..<16 {
      let wall = (day < 9 ? 1000 : 1100) + UInt64(day * 7 % 5)
      try store(command, day: day, wall: wall, labels: ["branch": "main"])
    }
    try store(command, day: 20, wall: 9000, host: "elsewhere")
    let text = try run(command, "history", "sort")
    #expect(text.code == 0 && text.error.isEmpty, "\(text.error)")
    let marked = text.lines.filter { $0.contains("p = ") }
    #expect(marked.count == 1 && marked[0].hasPrefix("sort-20260110-000000-00000009"), "\(marked)")
    #expect(text.output.contains("left out: a run of another host (--any-host"), "\(text.output)")
    let json = try run(
      command, "history", "branch=main", "--metric", "vm.*", "--last", "12", "--format", "json")
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    #expect((object["runs"] as? [Any])?.count == 12 && object["schema"] as? Int == 1)
    let series = try #require((object["series"] as? [[String: Any]])?.first)
    #expect(series["metric"] as? String == "vm.pgfault")
    let slip = try run(command, "history", "sotr")
    #expect(slip.code == 2 && slip.error.contains("did you mean sort?"), "\(slip.error)")
    let none = try run(command, "history", "sort", "--metric", "cpu.none")
    #expect(none.code == 2 && none.error.contains("--metric cpu.none"), "\(none.error)")
  }

  @Test func listsAreFilteredAndSorted() throws {
    let command = try Command()
    try store(command, day: 0, name: "sort", wall: 30, labels: ["branch": "main"])
    try store(command, day: 1, name: "grep", wall: 10, status: .failed)
    try store(command, day: 2, name: "sort", wall: 20, host: "elsewhere")
    func list(_ arguments: String...) throws -> [String] {
      let outcome = try command.start(
        ["runs", "list", "--config", "/dev/null", "--format", "json"] + arguments
      ).finish()
      #expect(outcome.code == 0, "\(outcome.error)")
      let runs = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
      return (runs as? [[String: Any]] ?? []).compactMap {
        ($0["run"] as? String).map { String($0.prefix(13)) }
      }
    }
    let (first, second, third) = ("sort-20260101", "grep-20260102", "sort-20260103")
    #expect(try list() == [third, second, first])
    #expect(try list("--name", "s*", "--sort", "duration") == [first, third])
    #expect(try list("--sort", "name", "--reverse") == [first, third, second])
    #expect(try list("--label", "branch=main") == [first])
    #expect(try list("--status", "failed") == [second])
    #expect(try list("--since", "2026-01-02", "--limit", "1", "--host", "else*") == [third])
    let wrong = try run(command, "runs", "list", "--sort", "sise")
    #expect(wrong.code == 2 && wrong.error.contains("did you mean size?"), "\(wrong.error)")
  }

  @Test func pruningAsksOrIsToldToAndKeepsWhatIsToBeKept() throws {
    let command = try Command()
    for day in 0..<4 { try store(command, day: day) }
    try store(command, day: 4, name: "grep")
    let all = try names(command)
    let none = try run(command, "runs", "prune")
    #expect(none.code == 2 && none.error.contains("--max-bytes"), "\(none.error)")
    let unasked = try run(command, "runs", "prune", "--keep", "2")
    #expect(unasked.code == 2 && unasked.error.contains("--yes"), "\(unasked.error)")
    let dry = try run(command, "runs", "prune", "--keep", "2", "--dry-run")
    #expect(dry.code == 0 && dry.lines.count == 3, "\(dry.output)")
    #expect(try names(command) == all)
    let done = try run(command, "runs", "prune", "--keep", "2", "--older", "1d", "--yes")
    #expect(done.code == 0 && done.error.contains("removed 2 runs ("), "\(done.error)")
    let kept = ["grep-20260105", "sort-20260104", "sort-20260103"]
    #expect(try names(command).map { String($0.prefix(13)) } == kept)
  }

  @Test func whatMeasuredPhasesOfARunThatStaysIsNotPruned() throws {
    let command = try Command()
    try store(command, day: 0, wall: 70)
    try store(command, day: 1, wall: 80)
    let source = try #require(try names(command).last)
    try store(command, day: 2, wall: 70, takenFrom: source)
    try store(command, day: 3, wall: 70, takenFrom: source)
    let done = try run(command, "runs", "prune", "--keep", "2", "--yes")
    #expect(done.code == 0 && done.error.contains("kept as sources of --reuse: \(source)"))
    #expect(done.error.contains("removed 1 run ("), "\(done.error)")
    func days() throws -> [String] {
      let csv = try run(command, "history", "sort", "--format", "csv")
      return csv.lines.dropFirst().map {
        $0.description.firstMatch(of: #/202601../#).map {
          String($0.output)
        } ?? ""
      }
    }
    #expect(try days() == ["20260101"], "what was taken is no value of its own")
    #expect(try run(command, "runs", "remove", source).code == 0)
    #expect(try days() == ["20260103"], "but stands for the run that is gone, once")
  }

  @Test func aRunIsImportedAndLabelled() throws {
    let command = try Command()
    try store(command, day: 0)
    let id = try #require(try names(command).first)
    let source = try #require(command.resultFile)
    let moved = command.folder.file("received")
    try FileManager.default.moveItem(atPath: source, toPath: moved)
    let imported = try run(command, "runs", "import", moved)
    #expect(imported.code == 0 && imported.error.contains(source), "\(imported.error)")
    let twice = try run(command, "runs", "import", moved)
    #expect(twice.code == 2 && twice.error.contains("stored already"), "\(twice.error)")
    let set = try run(command, "runs", "label", id, "a=1", "b=x=y")
    #expect(set.code == 0 && set.error.contains("a=1, b=x=y"), "\(set.error)")
    let removed = try run(command, "runs", "label", id, "--remove", "a")
    #expect(removed.code == 0, "\(removed.error)")
    #expect(try run(command, "runs", "list").output.contains("(b=x=y)"))
    let own = try run(command, "runs", "label", id, "\(RunResult.columnsLabel)=1")
    #expect(own.code == 2 && own.error.contains("another key"), "\(own.error)")
    let bare = try run(command, "runs", "label", id, "novalue")
    #expect(bare.code == 2 && bare.error.contains("KEY=VALUE"), "\(bare.error)")
  }
}
