import Foundation
import Glibc
import SampleModel
import TestSupport
import Testing

/// Working directories, limits and events of runs.
@Suite struct RunEnvironmentTests {
  private func run(_ command: Command, _ arguments: [String]) throws -> Command.Outcome {
    try command.start(["run", "--cpu", "--config", "/dev/null"] + arguments).finish()
  }

  private func shell(_ command: Command, _ script: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-ec", script]
    process.currentDirectoryURL = URL(fileURLWithPath: command.folder.path)
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
  }

  private var lists: (Command) throws -> [String] {
    { command in
      let runs = command.folder.file("data/lbsample/runs")
      let folders = try FileManager.default.contentsOfDirectory(atPath: runs).filter {
        $0.hasSuffix(".files")
      }
      return try folders.flatMap {
        try FileManager.default.subpathsOfDirectory(atPath: "\(runs)/\($0)")
      }.filter { $0.hasSuffix("made") }
    }
  }

  @Test(arguments: [("always", 2), ("failure", 1), ("never", 0)])
  func eachAttemptHasACopyOfItsOwn(_ keep: String, _ left: Int) throws {
    let command = try Command()
    try shell(command, "mkdir template; echo hello > template/file; printf 0 > n")
    let script =
      "test ! -e made && grep hello file && touch made && n=$(cat \(command.folder.file("n"))) && "
      + "printf 1 > \(command.folder.file("n")) && test $n = 1"
    let outcome = try run(
      command, ["-r", "2", "--workspace", "template", "--keep", keep, "--", "sh", "-c", script])
    #expect(outcome.code == 4, "the first one fails: \(outcome.output) \(outcome.error)")
    #expect(outcome.output.contains("its working directory is kept") == (left > 0))
    #expect(try lists(command).count == left)
  }

  @Test func membersHaveDirectoriesOfTheirOwn() throws {
    let command = try Command()
    let load = "../*.load/made"
    let script = try command.folder.write(
      "work.sh",
      """
      while ! test -e \(load); do sleep 0.01; done
      rm \(load); test ! -e made && touch made
      """)
    let plan = try command.folder.write(
      "plan.toml",
      """
      workspace = "empty"
      keep = "always"
      repetitions = 2
      [[phase]]
      name = "both"
      kind = "parallel"
      [[phase.member]]
      name = "load"
      command = ["sh", "-c", "touch made; exec sleep 60"]
      [[phase.member]]
      measured = true
      command = ["sh", "\(script)"]
      """)
    let outcome = try run(command, ["--plan", plan])
    #expect(outcome.code == 0, "\(outcome.output) \(outcome.error)")
    #expect(
      try lists(command).sorted() == ["both/repetition-1-1/made", "both/repetition-2-1/made"])
  }

  @Test func aDirectoryAboveItsLimitIsNotKept() throws {
    let command = try Command()
    for (limit, isKept) in [("999", false), ("100000", true)] {
      let outcome = try run(
        command,
        [
          "--workspace", "empty", "--keep", "always", "--keep-limit", limit, "--", "sh", "-c",
          "head -c 1000 /dev/zero > made",
        ])
      #expect(outcome.code == 0, "\(outcome.error)")
      #expect(
        outcome.output.contains("had more than 999 bytes (--keep-limit) and was not kept") != isKept
      )
      #expect(try lists(command).count == (isKept ? 1 : 0))
    }
  }

  @Test func whatWasPreparedMaySettle() throws {
    let command = try Command()
    let script = "test $(($(date +%s%N) - $(cat \(command.folder.file("t"))))) -ge 1500000000"
    func outcome(_ more: [String]) throws -> Command.Outcome {
      let prepare = "date +%s%N > \(command.folder.file("t"))"
      return try run(command, ["--prepare", prepare] + more + ["--", "sh", "-c", script])
    }
    #expect(try outcome(["--settle", "1500ms"]).code == 0)
    #expect(try outcome([]).code == 4)
  }

  @Test(
    .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/git"), "git is missing"))
  func aRepositoryIsThereAtItsRevision() throws {
    let command = try Command()
    try shell(
      command,
      """
      git init -q repo; cd repo; git config user.email a@b; git config user.name a
      echo one > f; git add f; git commit -qm one; git tag first; echo two > f; git commit -qam two
      """)
    let repository = command.folder.file("repo")
    for (place, text) in [
      ("git:\(repository)@first", "one"), ("git:file://\(repository)", "two"),
    ] {
      let outcome = try run(command, ["--workspace", place, "--", "grep", text, "f"])
      #expect(outcome.code == 0, "\(place): \(outcome.error)")
    }
    let missing = try run(command, ["--workspace", "git:\(repository)@no", "--", "true"])
    #expect(missing.code == 4 && missing.error.contains("git exited with code"))
  }

  @Test func aWorkloadThatDoesNothingIsEnded() throws {
    let command = try Command()
    let idle = try run(command, ["--idle-timeout", "300ms", "--", "sleep", "20"])
    #expect(idle.code == 4 && idle.error.contains("used no CPU time for 300ms"), "\(idle.error)")
    let talking = try run(
      command,
      [
        "--idle-timeout", "400ms", "--", "sh", "-c",
        "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.1; done",
      ])
    #expect(talking.code == 0, "\(talking.error)")
    let busy = try run(
      command,
      [
        "--idle-timeout", "400ms", "--", "timeout", "1", "sh", "-c", "while :; do :; done",
      ])
    #expect(busy.error.contains("code 124"), "its own end: \(busy.error)")
  }

  @Test func aStopDoesNotWaitForWhoReadsNoEvents() throws {
    let command = try Command()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Command.path)
    process.arguments = [
      "run", "--load", "--config", "/dev/null", "--events", "-", "--show-output", "-r", "100000",
      "--", "sh", "-c", "head -c 10000 /dev/zero | tr '\\0' x",
    ]
    process.environment = command.environment
    // Nobody reads either.
    (process.standardOutput, process.standardError) = (Foundation.Pipe(), Foundation.Pipe())
    try process.run()
    sleep(2)
    let began = Date()
    kill(process.processIdentifier, SIGINT)
    process.waitUntilExit()
    #expect(-began.timeIntervalSinceNow < 3 && process.terminationStatus == 130)
  }

  @Test func eventsAreLinesAndNotificationsCommands() throws {
    let command = try Command()
    let told = command.folder.file("told")
    let outcome = try run(
      command,
      [
        "-r", "2", "--events", "-", "--notify",
        "echo $LBSAMPLE_EVENT $LBSAMPLE_STATUS >> \(told)", "--", "sh", "-c", "exit 3",
      ])
    #expect(outcome.code == 4)
    let events = try outcome.objects()
    // How quiet the host is here is no matter.
    let kinds = events.compactMap { $0["kind"] as? String }.filter { !$0.hasPrefix("gate.host") }
    #expect(
      kinds == [
        "run.start", "repetition.start", "repetition.end", "repetition.start", "repetition.end",
        "run.end",
      ])
    let end = try #require(events.last)
    #expect(end["status"] as? String == "failed" && end["run"] as? String != nil)
    let error = try #require(end["error"] as? [String: Any])
    #expect(error["category"] as? String == "workload")
    let lines = String(
      decoding: FileManager.default.contents(atPath: told) ?? Data(), as: UTF8.self)
    #expect(lines == "repetition.end failed\nrepetition.end failed\nrun.end failed\n")
    let deaf = try run(command, ["--notify", "exit 5", "--", "true"])
    #expect(deaf.code == 0 && deaf.error.contains("--notify exited with code 5; the run continues"))
  }

  @Test func eventsMayHaveTheFormOfASuite() throws {
    let command = try Command()
    let outcome = try run(command, ["--events", "-", "--event-format", "lb", "--", "true"])
    #expect(outcome.code == 0 && outcome.lines.count >= 4)
    for line in outcome.lines {
      let object = try #require(line.wholeMatch(of: /LB_EVENT (\{.*\})/)?.1)
      let event = try JSONSerialization.jsonObject(with: Data(object.utf8)) as? [String: Any]
      #expect(event?["kind"] is String && event?["run"] is String)
    }
    let other = try run(command, ["--events", "-", "--event-format", "xml", "--", "true"])
    #expect(other.code == 2 && other.error.contains("--event-format"))
  }

  /// Each bound by its option: what the denial names, and what was measured before it.
  @Test(arguments: [
    (["--max-own-cpu", "1us"], "--max-own-cpu", 1...1),
    (["--max-bytes", "1"], "--max-bytes", 1...1),
    (["--idempotent", "--retries", "9", "--max-retries", "2"], "--max-retries", 3...3),
    (["--max-ring-memory", "1"], "--max-ring-memory", 0...0),
  ])
  func eachQuotaDenies(_ options: [String], _ named: String, _ attempts: ClosedRange<Int>) throws {
    let command = try Command()
    // Retries come after failures; no pause between them.
    let fails = options.contains("--retries")
    let file = try command.folder.write("own.conf", "[run]\nbackoff = \"0s\"\n")
    let outcome = try command.start(
      ["run", "--cpu", "--config", file, "-r", "4", "--format", "json"] + options
        + ["--", fails ? "false" : "true"]
    ).finish()
    #expect(outcome.code == (fails ? 4 : 6), "the first error decides: \(outcome.error)")
    let result = try JSONDecoder().decode(RunResult.self, from: Data(outcome.output.utf8))
    let denial = try #require(result.errors.first { $0.category == .quota })
    #expect(denial.message.contains("\(named) stops the run: "), "\(denial)")
    #expect(denial.message.contains("start a new run with a larger \(named)"), "\(denial)")
    let made = result.phases.flatMap(\.repetitions).flatMap(\.attempts)
    #expect(attempts.contains(made.count) && !made.contains { $0.status == .running })
  }

  @Test func aQuotaEndsTheRunCleanly() throws {
    let command = try Command()
    let outcome = try run(
      command, ["-r", "50", "--max-wall", "700ms", "--format", "json", "--", "sleep", "0.2"])
    let words = "--max-wall stops the run: the next attempt needs about "
    #expect(outcome.code == 6 && outcome.error.contains(words), "\(outcome.error)")
    let result = try JSONDecoder().decode(RunResult.self, from: Data(outcome.output.utf8))
    let done = result.phases[0].repetitions
    #expect((1...3).contains(done.count) && done.allSatisfy { $0.status == .completed })
  }
}
