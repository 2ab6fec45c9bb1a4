import Foundation
import SampleModel
import TestSupport
import Testing

/// What plans do about mistakes and failures, and where outputs go, by the command.
@Suite struct PlanFaultTests {
  private func write(_ command: Command, _ name: String, _ text: String) throws -> String {
    let path = command.folder.file(name)
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return path
  }

  private func run(_ command: Command, _ arguments: String...) throws -> Command.Outcome {
    try command.start(
      ["run", "--config", "/dev/null", "--format", "json"] + arguments
    ).finish()
  }

  private func result(_ outcome: Command.Outcome) throws -> RunResult {
    try JSONDecoder().decode(RunResult.self, from: Data(outcome.output.utf8))
  }

  @Test func aMistakeIsOneLineWhateverItsNameHolds() throws {
    let command = try Command()
    let text = "[[phase]]\nname = \"a\\nb\\u001B[31m\"\ncommand = \"true\"\n"
    let outcome = try run(command, "--plan", try write(command, "plan.toml", text))
    #expect(outcome.code == 2, "\(outcome.error)")
    let lines = outcome.error.split(separator: "\n")
    #expect(lines.count == 1 && outcome.error.contains(#"a\nb\u{1B}[31m: "#), "\(outcome.error)")
  }

  @Test func aSoftPlanSkipsWhatIsWrong() throws {
    let command = try Command()
    let text = """
      validate = "soft"
      [[phase]]
      name = "typo"
      command = "true"
      repetition = 3
      [[phase]]
      name = "absent"
      command = "no-such-command-here"
      [[phase]]
      name = "good"
      command = "true"
      [[phase]]
      name = "lost"
      kind = "when"
      condition = "goood.wall_time < 1s"
      [[phase.phase]]
      name = "inner"
      command = "true"
      """
    let soft = try run(command, "--entropy", "--plan", try write(command, "soft.toml", text))
    #expect(soft.code == 0, "\(soft.error)")
    let phases = try result(soft).phases
    #expect(phases.map(\.name) == ["typo", "absent", "good", "lost"])
    #expect(phases.map(\.status) == [.skipped, .skipped, .completed, .skipped])
    #expect(phases[0].note?.contains("did you mean repetitions?") == true, "\(phases[0])")
    let warnings = try result(soft).warnings.joined(separator: "\n")
    for part in ["soft.toml:5: ", "no-such-command-here", "no phase is called goood"] {
      #expect(warnings.contains(part), "\(warnings)")
    }
    let strict = try run(
      command, "--entropy", "--plan",
      try write(command, "strict.toml", text.replacingOccurrences(of: "soft", with: "strict")))
    #expect(strict.code == 2 && strict.error.contains("did you mean repetitions?"))
    // Nothing that is right is left, and what holds for all phases is nobody's own mistake.
    for (name, wrong) in [
      ("none", "validate = \"soft\"\n[[phase]]\nname = \"a\"\ncommand = \"true\"\nx = 1"),
      ("all", "validate = \"soft\"\nreps = 1\n[[phase]]\nname = \"a\"\ncommand = \"true\""),
    ] {
      let outcome = try run(
        command, "--entropy", "--plan", try write(command, "\(name).toml", wrong))
      #expect(outcome.code == 2 && outcome.error.contains("unknown key"), "\(outcome.error)")
    }
  }

  @Test func aPhaseThatFailsLeavesItsDirectoryAsItWas() throws {
    let command = try Command()
    let folder = command.folder.file("data-of-mine")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    _ = try write(command, "data-of-mine/kept", "before")
    let change =
      "cd \(folder) && printf after > kept && mkdir -p new/deep && touch new/deep/file .hidden"
    func plan(_ end: String) -> String {
      """
      [[phase]]
      name = "changes"
      command = ["sh", "-c", "\(change); \(end)"]
      checkpoint = "\(folder)"
      """
    }
    func names() throws -> [String] {
      try FileManager.default.subpathsOfDirectory(atPath: folder).sorted()
    }
    let kept = { try String(contentsOfFile: folder + "/kept", encoding: .utf8) }
    let failed = try run(
      command, "--entropy", "--plan", try write(command, "fail.toml", plan("exit 3")))
    #expect(failed.code == 4, "\(failed.error)")
    #expect(try names() == ["kept"] && kept() == "before")
    let journal = try command("runs", "show", "last", "--journal", "--config", "/dev/null").output
    #expect(
      journal.contains("phase.checkpoint") && journal.contains("phase.rollback"), "\(journal)")
    let done = try run(
      command, "--entropy", "--plan", try write(command, "done.toml", plan("exit 0")))
    #expect(done.code == 0, "\(done.error)")
    #expect(try names().contains("new/deep/file") && kept() == "after")
    let left = try FileManager.default.subpathsOfDirectory(atPath: command.folder.file("data"))
    #expect(!left.contains { $0.contains(".files") }, "\(left)")
    let large = try run(
      command, "--entropy", "--plan",
      try write(command, "large.toml", plan("exit 0") + "\nkeep_limit = 3"))
    #expect(large.code == 4 && large.error.contains("keep_limit"), "\(large.error)")
  }

  @Test func aPlanSaysWhatIsSampled() throws {
    let command = try Command()
    let path = try write(
      command, "sampled.toml",
      """
      collectors = ["memory", "load"]
      interval = "20ms"
      [[phase]]
      name = "a"
      command = "sleep 0.1"
      """)
    func collectors(_ arguments: [String]) throws -> (Set<String>, RunResult) {
      let outcome = try command.start(
        ["run", "--config", "/dev/null", "--format", "json"] + arguments + ["--plan", path]
      ).finish()
      #expect(outcome.code == 0, "\(outcome.error)")
      let result = try self.result(outcome)
      let lines = try #require(result.phases[0].repetitions[0].attempts[0].ledger.threads.first)
      return (Set(lines.collectors.map(\.collector)), result)
    }
    let (planned, result) = try collectors([])
    #expect(planned == ["memory", "load"])
    let interval = try #require(result.configuration.first { $0.key == "run.interval" })
    #expect(interval.value == "20ms" && interval.origin.contains("sampled.toml"))
    let named = try #require(result.configuration.first { $0.key == "collectors.named" })
    #expect(named.value == "memory,load" && named.origin == path)
    #expect(
      try collectors(["--entropy", "-i", "50ms"]).0 == ["entropy"], "the command line goes first")
    let wrong = try run(
      command, "--plan",
      try write(
        command, "wrong.toml",
        "collectors = [\"memry\"]\n[[phase]]\nname = \"a\"\ncommand = \"true\""))
    #expect(wrong.code == 2 && wrong.error.contains("did you mean memory?"), "\(wrong.error)")
  }

  @Test func standardOutputGoesWhereItIsWanted() throws {
    let command = try Command()
    let says = ["--", "sh", "-c", "echo out; echo seen 7 >&2"]
    func kept(_ arguments: [String]) throws -> (RunResult, String) {
      let outcome = try command.start(
        ["run", "--config", "/dev/null", "--format", "json", "--entropy"] + arguments + says
      ).finish()
      #expect(outcome.code == 0, "\(outcome.error)")
      let result = try self.result(outcome)
      return (result, try #require(result.file))
    }
    let attempt = { (result: RunResult) in result.phases[0].repetitions[0].attempts[0] }
    #expect(attempt(try kept([]).0).outputBytes == 11)
    let (null, _) = try kept(["--workload-output", "null", "--metric", "n=seen ([0-9]+)"])
    #expect(attempt(null).outputBytes == 7, "standard error is kept")
    #expect(attempt(null).metrics["workload.n"] == 7)
    let path = command.folder.file("out.txt")
    try Data("of another run\n".utf8).write(to: URL(fileURLWithPath: path))
    let (file, _) = try kept(["-r", "3", "--workload-output", path])
    #expect(attempt(file).outputBytes == 7)
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "out\nout\nout\n")
    for (wrong, code) in [("/no/such/folder/x", 2), ("", 2)] as [(String, Int32)] {
      let outcome = try run(command, "--entropy", "--workload-output", wrong, "--", "true")
      #expect(outcome.code == code, "\(outcome.error)")
    }
  }
}
