import Foundation
import GRDB
import Glibc
import RunStore
import SampleModel
import TestSupport
import Testing

/// Runs that were cut off, and gone on with.
@Suite struct ResumeCommandTests {
  private func count(_ path: String) -> Int {
    let text = String(
      decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    return text.split(separator: "\n").count
  }

  private func result(_ outcome: Command.Outcome) throws -> RunResult {
    try JSONDecoder().decode(RunResult.self, from: Data(outcome.output.utf8))
  }

  private func resume(_ command: Command, _ more: [String] = []) throws -> Command.Outcome {
    try command.start(
      ["run", "--config", "/dev/null", "--format", "json", "--resume", "last"] + more
    ).finish()
  }

  /// What another user's result file says would be executed by whoever resumes it.
  @Test func aRunOfAnotherUserIsLeftAlone() throws {
    guard getuid() == 0 else { try Test.cancel("only root can give a file away") }
    let command = try Command()
    let folder = command.folder.file("data/lbsample/runs")
    try command.folder.write("data/lbsample/runs/x", "")
    let file = "\(folder)/x-20260101-000000-00000001.lbsample"
    let writer = try RunWriter(
      path: file,
      identity: RunWriter.Identity(
        runID: "x-20260101-000000-00000001", name: "x", kind: "run", version: "0",
        interval: 1_000_000, startUnixNanoseconds: 5), host: [], configuration: [], labels: [:])
    try writer.setRunStatus(.interrupted)
    writer.close()
    #expect(unsafe chown(file, 65534, 65534) == 0)
    for words in [["run", "--resume", file], ["runs", "remove", file]] {
      let refused = try command.start(words).finish()
      #expect(refused.code == 2 && refused.error.contains("belongs to user 65534"), "\(refused)")
    }
    let last = try command("runs", "show", "last")
    #expect(last.code == 2 && last.error.contains("there is no run"), "\(last.error)")
    #expect(try command("runs", "show", file).code == 0)
    #expect(try command("runs", "remove", "--force", file).code == 0)
    #expect(!FileManager.default.fileExists(atPath: file))
  }

  @Test(arguments: [SIGKILL, SIGINT]) func exactlyWhatIsMissingIsExecuted(
    _ signal: Int32
  ) throws {
    let command = try Command()
    let log = command.folder.file("log")
    let running = try command.start([
      "run", "--cpu", "--config", "/dev/null", "-i", "10ms", "-r", "5", "-w", "1", "-L", "n=1,2",
      "--order", "interleaved", "--", "sh", "-c", "echo {n} >> \(log); sleep 0.1",
    ])
    // In any of twelve repetitions, early or late.
    let moment = (lines: Int.random(in: 1...11), pause: UInt32.random(in: 0..<100_000))
    #expect(running.wait { count(log) >= moment.lines })
    usleep(moment.pause)
    kill(running.process.processIdentifier, signal)
    _ = try running.finish()
    let before = count(log)
    let outcome = try resume(command)
    #expect(outcome.code == 0, "\(moment): \(outcome.error)")
    let result = try result(outcome)
    #expect(
      result.status == .completed && result.phases.map(\.repetitions.count) == [6, 6], "\(moment)")
    let repetitions = result.phases.flatMap(\.repetitions)
    #expect(repetitions.allSatisfy { $0.status == .completed })
    let attempts = repetitions.map(\.attempts.count)
    #expect(attempts.reduce(0, +) <= 13, "at most one was cut off")
    #expect(count(log) == 12 + (before == count(log) ? 0 : attempts.reduce(0, +) - 12))
    for phase in result.phases {
      let numbers = phase.repetitions.filter { !$0.warmUp }.map(\.repetition)
      #expect(numbers.sorted() == [1, 2, 3, 4, 5])
      #expect(phase.metrics.first?.count == 5, "none counts twice")
    }
    let exported = try command("export", "last", "--config", "/dev/null", "--format", "ndjson")
    let samples = try exported.objects().filter { $0["type"] as? String == "sample" }
    let places = Set(
      samples.map { "\($0["phase"] ?? "") \($0["repetition"] ?? "") \($0["attempt"] ?? "")" })
    #expect(places.count >= 10, "samples of both sessions: \(places.count)")
    let again = try resume(command)
    #expect(again.code == 2 && again.error.contains("--resume needs an interrupted run"))
  }

  @Test func aFailureBeforeTheKillIsAFailureAfterIt() throws {
    let command = try Command()
    let log = command.folder.file("log")
    let running = try command.start([
      "run", "--cpu", "--config", "/dev/null", "-r", "2", "--", "sh", "-c",
      "echo x >> \(log); test $(wc -l < \(log)) != 1 || exit 3; sleep 0.3",
    ])
    #expect(running.wait { count(log) >= 2 })
    kill(running.process.processIdentifier, SIGKILL)
    _ = try running.finish()
    let outcome = try resume(command)
    let result = try result(outcome)
    #expect(outcome.code == 4 && result.status == .failed, "\(outcome.error)")
    #expect(result.errors.map(\.context.exitCode) == [3])
    #expect(!result.warnings.contains { $0.contains("resumed") }, "that is no disturbance")
  }

  @Test func whatAQuotaEndedIsGoneOnWith() throws {
    let command = try Command()
    let plan = try command.folder.write(
      "plan.toml",
      """
      repetitions = 3
      [[phase]]
      name = "a"
      command = "sleep 0.3"
      [[phase]]
      name = "b"
      command = "true"
      [[phase]]
      name = "w"
      kind = "when"
      condition = "a.wall_time > 100s"
      [[phase.phase]]
      name = "inner"
      command = "true"
      """)
    let outcome = try command.start([
      "run", "--cpu", "--config", "/dev/null", "--plan", plan, "--max-wall", "500ms",
      "--format", "json",
    ]).finish()
    #expect(outcome.code == 6, "\(outcome.error)")
    let first = try result(outcome)
    #expect(first.status == .interrupted)
    #expect(first.phases.map(\.status) == [.interrupted, .pending, .pending])
    #expect(first.phases.last?.note == "never reached")
    let none = try command("export", "last", "--config", "/dev/null", "--phase", "b")
    #expect(none.code == 2 && none.error.contains("has samples of a"), "\(none.error)")
    var last = first
    var sessions = 1
    // Each session has the quota anew.
    while last.status == .interrupted, sessions < 5 {
      last = try result(resume(command))
      sessions += 1
    }
    #expect(last.status == .completed && last.errors.isEmpty, "\(last.errors)")
    #expect(last.phases.map(\.name) == ["a", "b", "w"] && sessions > 1)
    #expect(last.phases.map(\.repetitions.count) == [3, 3, 0])
    #expect(last.phases.map(\.status) == [.completed, .completed, .skipped])
    let one = try command(
      "export", "last", "--config", "/dev/null", "--format", "ndjson", "--phase", "b", "--raw"
    ).objects().filter { $0["type"] as? String == "sample" }
    #expect(!one.isEmpty && one.allSatisfy { $0["phase"] as? String == "b" })
    let slip = try command("export", "last", "--config", "/dev/null", "--phase", "bb")
    #expect(slip.code == 2 && slip.error.contains("of a, b; did you mean b?"), "\(slip.error)")
  }

  @Test func anotherPlanIsRefusedUnlessForced() throws {
    let command = try Command()
    let plan = command.folder.file("plan.toml")
    func write(_ seconds: String) throws {
      try Data(
        """
        repetitions = 3
        [[phase]]
        name = "a"
        command = "sleep \(seconds)"
        """.utf8
      ).write(to: URL(fileURLWithPath: plan))
    }
    try write("0.3")
    let running = try command.start(["run", "--cpu", "--config", "/dev/null", "--plan", plan])
    #expect(running.wait { command.resultFile != nil })
    usleep(500_000)
    kill(running.process.processIdentifier, SIGKILL)
    _ = try running.finish()
    try write("0.01")
    let refused = try resume(command)
    #expect(refused.code == 2 && refused.error.contains("the plan has changed"))
    let forced = try resume(command, ["--force"])
    #expect(forced.code == 0, "\(forced.error)")
    #expect(try result(forced).warnings.contains { $0.contains("resumed although the plan") })
  }

  @Test func aLiveRunIsLeftAlone() throws {
    let command = try Command()
    let running = try command.start(
      ["run", "--cpu", "--config", "/dev/null", "--", "sleep", "20"])
    #expect(running.wait { command.resultFile != nil })
    usleep(200_000)
    let refused = try resume(command)
    #expect(refused.code == 2 && refused.error.contains("is being recorded by process"))
    kill(running.process.processIdentifier, SIGINT)
    #expect(try running.finish().code == 130)
  }

  /// The machine went down: its clock begins anew, and the process is not there any more.
  @Test func aRunIsGoneOnWithAfterAReboot() throws {
    let command = try Command()
    let running = try command.start([
      "run", "--cpu", "--config", "/dev/null", "-i", "10ms", "-r", "2", "--", "sh", "-c",
      "echo x >> log; test $(wc -l < log) = 1 || test -e again || exec sleep 60",
    ])
    #expect(running.wait { count(command.folder.file("log")) == 2 })
    kill(running.process.processIdentifier, SIGKILL)
    _ = try running.finish()
    try command.folder.write("again", "")
    let path = try #require(command.resultFile)
    let file = try DatabaseQueue(path: path)
    try file.write { db in
      try db.execute(
        sql: """
          UPDATE run SET boot_id = 'earlier'; UPDATE session SET boot_id = 'earlier';
          UPDATE host SET value = 'earlier' WHERE name = 'boot_id';
          """)
    }
    try file.close()
    try Seal.renew(inFile: path)
    let outcome = try resume(command)
    #expect(outcome.code == 0, "\(outcome.error)")
    let result = try result(outcome)
    #expect(result.status == .completed && !result.warnings.contains { $0.contains("although") })
    let reader = try RunReader(path: path)
    let journal = try reader.journal(run: result.runID)
    reader.close()
    #expect(journal.contains { $0.kind == "run.resumed" && $0.message.contains("reboot") })
    let samples = try command("export", "last", "--config", "/dev/null", "--format", "ndjson")
      .objects().filter { $0["type"] as? String == "sample" }
    let times = samples.compactMap { $0["time_ns"] as? Int }
    #expect(times.count == samples.count && times == times.sorted())
    #expect(Set(samples.compactMap { $0["repetition"] as? Int }) == [1, 2])
  }

  @Test func aRunThatWaitedCanBeGoneOnWith() throws {
    let command = try Command()
    let plan = try command.folder.write(
      "plan.toml",
      """
      [[phase]]
      name = "first"
      command = "true"
      [[phase]]
      name = "gate"
      kind = "approve"
      [[phase]]
      name = "last"
      command = "true"
      """)
    let running = try command.start(["run", "--cpu", "--config", "/dev/null", "--plan", plan])
    #expect(running.wait { running.error.contains("lbsample approve") })
    kill(running.process.processIdentifier, SIGKILL)
    _ = try running.finish()
    let again = try command.start(["run", "--config", "/dev/null", "--resume", "last"])
    #expect(again.wait { again.error.contains("lbsample approve") }, "\(again.error)")
    #expect(try command("approve", "last", "--config", "/dev/null").code == 0)
    let outcome = try again.finish()
    #expect(outcome.code == 0 && outcome.output.contains("phase    last: completed"))
  }

  @Test func whatWasApprovedIsNotAskedAgain() throws {
    let command = try Command()
    let plan = try command.folder.write(
      "plan.toml",
      """
      [[phase]]
      name = "gate"
      kind = "approve"
      [[phase]]
      name = "last"
      command = ["sh", "-c", "test -e again || exec sleep 60"]
      """)
    let running = try command.start(["run", "--cpu", "--config", "/dev/null", "--plan", plan])
    #expect(running.wait { running.error.contains("lbsample approve") })
    #expect(try command("approve", "last", "--config", "/dev/null").code == 0)
    let file = try #require(command.resultFile)
    #expect(
      running.wait {
        (try? command("runs", "list", "--config", "/dev/null"))?.output.contains("running") == true
      })
    kill(running.process.processIdentifier, SIGKILL)
    _ = try running.finish()
    try command.folder.write("again", "")
    let again = try command.start(["run", "--config", "/dev/null", "--resume", "last"]).finish()
    #expect(again.code == 0 && again.output.contains("status   completed"), "\(again.error)")
    let reader = try RunReader(path: file)
    let journal = try reader.journal(run: try reader.result().runID)
    #expect(journal.count { $0.kind == "approval" } == 1)
    #expect(journal.count { $0.kind == "approval.held" } == 1)
  }

  @Test func aResumeThatIsRefusedLeavesTheRunAsItWas() throws {
    let command = try Command()
    let file = command.folder.file("own.conf")
    func configure(_ host: String) throws {
      try command.folder.write("own.conf", "[gates]\nhost = \"\(host)\"\n")
    }
    try configure("off")
    let running = try command.start([
      "run", "--cpu", "--config", file, "--", "sh", "-c",
      "echo x >> log; test -e again || exec sleep 60",
    ])
    #expect(running.wait { count(command.folder.file("log")) == 1 })
    kill(running.process.processIdentifier, SIGKILL)
    _ = try running.finish()
    try command.folder.write("again", "")
    let neighbours = try BusyNeighbours(2)
    defer { neighbours.end() }
    try configure("block")
    let refused = try command.start(["run", "--config", "/dev/null", "--resume", "last"]).finish()
    #expect(refused.code == 6, "\(refused.error)")
    #expect(refused.output.contains("interrupted") && refused.error.contains("--resume"))
    try configure("note")
    let outcome = try resume(command)
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(try result(outcome).status == .completed)
    #expect(count(command.folder.file("log")) == 2)
  }

  @Test func pathsOfAResumeAreMeantFromWhereItIsCalled() throws {
    let command = try Command()
    for name in ["there", "here"] {
      try FileManager.default.createDirectory(
        atPath: command.folder.file(name), withIntermediateDirectories: false)
    }
    let running = try command.start(
      [
        "run", "--cpu", "--config", "/dev/null", "--", "sh", "-c",
        "pwd >> log; test -e again || exec sleep 60",
      ], in: command.folder.file("there"))
    let log = command.folder.file("there/log")
    #expect(running.wait { count(log) == 1 })
    kill(running.process.processIdentifier, SIGKILL)
    _ = try running.finish()
    try command.folder.write("there/again", "")
    let again = try command.start(
      [
        "run", "--config", "/dev/null", "--resume", "last", "--result", "out.json", "--events",
        "events",
      ], in: command.folder.file("here")
    ).finish()
    #expect(again.code == 0, "\(again.error)")
    #expect(count(log) == 2, "the workload is where it was")
    let made = try FileManager.default.contentsOfDirectory(atPath: command.folder.file("here"))
    #expect(made.sorted() == ["events", "out.json"])
  }

  @Test(arguments: ["run", "remove"]) func theHostIsPutBackAfterAKill(by next: String) throws {
    let command = try Command()
    // A host of its own: the real one is everybody's.
    let fixtures = "\(Command.repository)/Tests/Fixtures/6.18-2cpu/proc"
    let proc = command.folder.file("proc")
    try FileManager.default.copyItem(atPath: fixtures, toPath: proc)
    try FileManager.default.createDirectory(
      atPath: "\(proc)/sys/kernel", withIntermediateDirectories: true)
    let path = "\(proc)/sys/kernel/randomize_va_space"
    try Data("2\n".utf8).write(to: URL(fileURLWithPath: path))
    func value() -> String {
      String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
        .trimmingCharacters(in: .newlines)
    }
    let base = [
      "run", "--cpu", "--config", "/dev/null", "--proc-root", proc, "--set-host", "aslr=1",
    ]
    let denied = try command.start(base + ["--", "true"]).finish()
    #expect(denied.code == 2 && denied.error.contains("--allow aslr"))
    let quick = try command.start(base + ["--allow", "aslr", "--", "grep", "1", path]).finish()
    #expect(quick.code == 0 && value() == "2", "\(quick.error)")
    let running = try command.start(base + ["--allow", "aslr", "--", "sleep", "20"])
    #expect(running.wait { value() == "1" })
    kill(running.process.processIdentifier, SIGKILL)
    _ = try running.finish()
    #expect(value() == "1")
    let file = try #require(command.resultFile)
    guard next == "run" else {
      let words = ["runs", "remove", "--config", "/dev/null", "last"]
      // What another tree's file said is nothing of this host's.
      let refused = try command.start(words).finish()
      #expect(refused.code == 6 && refused.error.contains("--proc-root"), "\(refused.error)")
      #expect(value() == "1" && FileManager.default.fileExists(atPath: file))
      let removed = try command.start(words + ["--proc-root", proc]).finish()
      #expect(removed.code == 0 && removed.error.contains("as before"), "\(removed.error)")
      #expect(value() == "2" && !FileManager.default.fileExists(atPath: file))
      return
    }
    let again = try command(
      "run", "--cpu", "--config", "/dev/null", "--proc-root", proc, "--", "true")
    #expect(again.code == 0 && again.error.contains("as before"), "\(again.error)")
    #expect(value() == "2")
    let reader = try RunReader(path: file)
    let journal = try reader.journal(run: try reader.result().runID)
    let audit = journal.filter { $0.kind.hasPrefix("host.") }
    #expect(audit.map(\.kind) == ["host.change", "host.restore"])
    #expect(audit.last?.message == "\(path) is 2 again, after the run was gone")
  }
}
