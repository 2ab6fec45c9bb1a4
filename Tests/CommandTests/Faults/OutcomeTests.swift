import Foundation
import Glibc
import RunStore
import SampleModel
import TestSupport
import Testing

/// What a run came to, as its exit code and its words say it.
@Suite struct OutcomeTests {
  private func result(_ outcome: Command.Outcome) throws -> RunResult {
    try JSONDecoder().decode(RunResult.self, from: Data(outcome.output.utf8))
  }

  private func run(_ command: Command, _ arguments: [String]) throws -> Command.Outcome {
    try command.start(["run", "--entropy", "--config", "/dev/null"] + arguments).finish()
  }

  private func resume(_ command: Command, _ arguments: [String]) throws -> Command.Outcome {
    try command.start(["run", "--config", "/dev/null", "--resume", "last"] + arguments).finish()
  }

  /// What a shell makes of it, `$L` being the command.
  private func shell(_ command: Command, _ script: String) throws -> (code: Int32, text: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-c", script]
    process.environment = command.environment.merging(["L": Command.path]) { $1 }
    process.currentDirectoryURL = URL(fileURLWithPath: command.folder.path)
    process.standardInput = FileHandle.nullDevice
    let output = Foundation.Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: bytes, as: UTF8.self))
  }

  @Test func aFailureOutsideOfAFallbackIsTheRuns() throws {
    let command = try Command()
    let plan = try command.folder.write(
      "p.toml",
      """
      [[phase]]
      name = "x"
      command = "false"
      [[phase]]
      name = "g"
      kind = "when"
      condition = "host.cpus >= 1"
      on_failure = "spare"
      [[phase.phase]]
      name = "d"
      command = "false"
      [[phase.phase]]
      name = "a"
      command = "false"
      on_failure = "b"
      [[phase.phase]]
      name = "b"
      command = "true"
      [[phase]]
      name = "spare"
      command = "true"
      """)
    let outcome = try run(command, ["--format", "json", "--plan", plan])
    #expect(outcome.code == 4, "\(outcome.error)")
    let result = try result(outcome)
    #expect(result.status == .failed && result.errors.map(\.context.phase) == ["x"])
    let shown = try command("runs", "show", "last", "--config", "/dev/null", "--format", "json")
    #expect(try self.result(shown).errors == result.errors, "the file has the whole place")
  }

  /// The fallback is killed with the run; gone on with, it takes back its own phase's error alone.
  @Test func aFallbackTakesBackErrorsOfAnEarlierSession() throws {
    let command = try Command()
    let mark = command.folder.file("mark")
    let plan = try command.folder.write(
      "p.toml",
      """
      [[phase]]
      name = "x"
      command = "false"
      [[phase]]
      name = "a"
      command = "false"
      on_failure = "b"
      [[phase]]
      name = "b"
      command = ["sh", "-c", "test -e \(mark) || { touch \(mark); sleep 100; }"]
      """)
    let running = try command.start(
      ["run", "--entropy", "--config", "/dev/null", "--plan", plan])
    #expect(running.wait { FileManager.default.fileExists(atPath: mark) })
    kill(running.process.processIdentifier, SIGKILL)
    _ = try running.finish()
    let outcome = try resume(command, ["--format", "json"])
    #expect(outcome.code == 4, "\(outcome.error)")
    let result = try result(outcome)
    #expect(result.errors.map(\.context.phase) == ["x"], "\(result.errors)")
    #expect(result.phases.first { $0.name == "a" }?.replacedBy == "b")
  }

  @Test func aClosedPipeHidesNoFailureOfTheWorkload() throws {
    let command = try Command()
    let run = "$L run --entropy --config /dev/null --quiet"
    let script = """
      \(run) -- false | true; echo ${PIPESTATUS[0]}
      \(run) -- true | true; echo ${PIPESTATUS[0]}
      \(run) -- false > /dev/full; echo $?
      \(run) -- true > /dev/full; echo $?
      $L --entropy --config /dev/null --interval 10ms --format csv | true; echo ${PIPESTATUS[0]}
      $L export last --config /dev/null --format ndjson | true; echo ${PIPESTATUS[0]}
      """
    let (_, text) = try shell(command, script)
    let codes = text.split(separator: "\n").filter { Int($0) != nil }
    #expect(codes == ["4", "0", "4", "5", "0", "0"], "\(text)")
  }

  @Test func theLastNumberOfALongOutputIsReadOrNone() throws {
    let command = try Command()
    let long = "seq -f n=%.0f 200000"
    let last = try run(
      command, ["--format", "json", "--metric", "n=n=([0-9]+)", "--", "sh", "-c", long])
    #expect(last.code == 0, "\(last.error)")
    let summary = try result(last).summary()
    #expect(summary.first { $0.metric == "workload.n" }?.median == 200_000)
    let early = try run(
      command,
      [
        "--format", "json", "--metric", "m=m=([0-9]+)", "--", "sh", "-c", "echo m=5; \(long)",
      ])
    #expect(early.code == 4, "what may not be the last one is no number")
    #expect(early.error.contains("run.output_limit"), "\(early.error)")
    let shown = try command(
      "runs", "show", "last", "--config", "/dev/null", "--show-output")
    #expect(shown.output.contains("m=5\nn=1\n") && shown.output.contains("bytes are not kept"))
    #expect(shown.output.hasSuffix("n=200000\n"))
    let attempt = try result(early).phases[0].repetitions[0].attempts[0]
    #expect(attempt.outputBytesKept == 1 << 20 && attempt.outputBytes > 1 << 20)
  }

  @Test func aNumberBeyondEverythingIsShown() throws {
    let command = try Command()
    let outcome = try run(command, ["--metric", "x[ns]=([0-9e]+)", "--", "echo", "1e30"])
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(try command("runs", "show", "last", "--config", "/dev/null").code == 0)
    let scan = try run(
      command,
      ["--parameter-scan", "n=99999999999999:99999999999999:0.0000000000001", "--", "echo", "{n}"])
    #expect(scan.code == 2)
  }

  @Test func aNotificationMayCallTheCommand() throws {
    let command = try Command()
    let file = command.folder.file("shown")
    let outcome = try run(
      command,
      [
        "--notify",
        "exec > \(file) 2>&1; \(Command.path) runs show $LBSAMPLE_RUN --config /dev/null; echo $?",
        "--", "true",
      ])
    #expect(outcome.code == 0)
    let text = String(
      decoding: FileManager.default.contents(atPath: file) ?? Data(), as: UTF8.self)
    #expect(text.contains("run      true-") && text.hasSuffix("\n0\n"), "\(text)")
    var other = command
    other.environment["LBSAMPLE_HOME"] = "/opt"
    let warned = try other.start(["runs", "list", "--config", "/dev/null"]).finish()
    #expect(warned.code == 0 && warned.error.contains("LBSAMPLE_HOME is not a setting"))
  }

  /// Under sudo a command of the user's is no command of root's, whoever waits for it.
  @Test(.enabled(if: getuid() == 0, "only root may change the user"))
  func aNotificationBelongsToWhoCalledSudo() throws {
    let command = try Command()
    let (code, text) = try shell(
      command,
      """
      chmod 777 .
      SUDO_UID=65534 $L run --entropy --quiet --config /dev/null --setup 'id -u >> hooks' \
        --notify 'echo $(id -u) $LOGNAME $LBSAMPLE_EVENT >> notes' -- true > log 2>&1 || cat log
      cat hooks notes; id -un 65534
      """)
    let lines = text.split(separator: "\n")
    #expect(code == 0 && lines.count == 3, "\(text)")
    #expect(lines.first == "65534" && lines[1] == "65534 \(lines.last ?? "") run.end", "\(text)")
  }

  /// With a name as long as there is, and asked twice: one answer is taken, the other one is told.
  @Test func aRunThatWaitsIsNotRemovedAndTakesOneAnswer() throws {
    let command = try Command()
    let plan = try command.folder.write(
      "p.toml",
      """
      [[phase]]
      name = "gate"
      kind = "approve"
      within = "60s"
      [[phase]]
      name = "work"
      command = "true"
      """)
    let running = try command.start([
      "run", "--entropy", "--config", "/dev/null", "--format", "json", "--plan", plan, "--name",
      String(repeating: "n", count: 64),
    ])
    #expect(running.wait { running.error.contains("lbsample approve") }, "\(running.error)")
    let removed = try command("runs", "remove", "last", "--config", "/dev/null")
    #expect(removed.code == 2 && removed.error.contains("is being recorded"), "\(removed.error)")
    let shown = try command("runs", "show", "last", "--config", "/dev/null")
    #expect(shown.output.contains("in progress") && !shown.output.contains("not begun  "))
    let answers = try (0..<2).map { _ in
      try command.start(["approve", "last", "--config", "/dev/null"])
    }
    let codes = try answers.map { try $0.finish() }.map { ($0.code, $0.error.isEmpty) }
    #expect(codes.map(\.0).sorted() == [0, 2], "\(codes)")
    #expect(codes.allSatisfy { !$0.1 }, "each has words")
    let outcome = try running.finish()
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(try command("runs", "remove", "last", "--config", "/dev/null").code == 0)
  }

  @Test func standardOutputIsNoOptionOfAnInterruptedRun() throws {
    let command = try Command()
    let running = try command.start([
      "run", "--entropy", "--config", "/dev/null", "-r", "2", "--", "sh", "-c",
      "test -e go || { touch go; sleep 100; }",
    ])
    #expect(running.wait { FileManager.default.fileExists(atPath: command.folder.file("go")) })
    kill(running.process.processIdentifier, SIGINT)
    _ = try running.finish()
    let refused = try resume(command, ["--cpu"])
    #expect(refused.code == 2 && refused.error.contains("remove --cpu"), "\(refused.error)")
    let outcome = try resume(command, ["--events", "-"])
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(try outcome.objects().last?["kind"] as? String == "run.end")
  }

  @Test func valuesOfShortOptionsMayBeJoined() throws {
    let command = try Command()
    let outcome = try run(
      command, ["--format", "json", "-r2", "-w1", "-i50ms", "--", "echo", "-r9", "-i10ms"])
    #expect(outcome.code == 0, "\(outcome.error)")
    let phase = try result(outcome).phases[0]
    #expect(phase.command == ["echo", "-r9", "-i10ms"])
    #expect(phase.repetitions.map(\.warmUp) == [true, false, false])
    let counted = try command("-i10ms", "-c2", "--entropy", "--config", "/dev/null", "--quiet")
    #expect(counted.code == 0, "\(counted.error)")
  }

  @Test func aPatternThatNothingMatchesIsAnError() throws {
    let command = try Command()
    _ = try run(command, ["--cpu", "--", "true"])
    func export(_ glob: String) throws -> Command.Outcome {
      try command("export", "last", "--config", "/dev/null", "--metric", glob)
    }
    #expect(try export("cpu.*").code == 0)
    let slip = try export("cpuu.*")
    #expect(slip.code == 2 && slip.output.isEmpty)
    #expect(slip.error.contains("did you mean cpu?") && slip.error.contains("entropy.*"))
    // What has no group is named as it is: with `.*` it would match nothing.
    let whole = try command("runs", "show", "last", "--config", "/dev/null", "--metric", "wall.*")
    #expect(whole.code == 2 && whole.error.contains("voluntary_switches, wall_time"), "\(whole)")
  }

  @Test func anIdleTimeBelowTheKernelsTickIsRefused() throws {
    let command = try Command()
    let outcome = try run(command, ["--idle-timeout", "5ms", "--", "true"])
    #expect(outcome.code == 2 && outcome.error.contains("at least 100ms"), "\(outcome.error)")
    let plan = try command.folder.write(
      "p.toml", "[[phase]]\r\nname = \"a\"\r\ncommand = \"true\"\r\nidle_timeout = \"5ms\"\r\n")
    let planned = try run(command, ["--plan", plan])
    #expect(planned.code == 2 && planned.error.contains("p.toml:4"), "\(planned.error)")
  }

  @Test func theLastRunIsTheNewestWhateverItsName() throws {
    let command = try Command()
    let outcome = try run(command, ["--", "true"])
    #expect(outcome.code == 0)
    let old = try #require(command.resultFile)
    let recording = command.folder.file("data/lbsample/runs/zzz.lbsample")
    try FileManager.default.copyItem(atPath: old, toPath: recording)
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1_000_000_000)], ofItemAtPath: recording)
    let last = try RunDirectory(path: command.folder.file("data/lbsample/runs")).resolve("last")
    #expect(last == old)
  }
}
