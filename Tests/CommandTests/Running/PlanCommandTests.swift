import Foundation
import Glibc
import SampleModel
import TestSupport
import Testing

/// Plans, matrices and gates, by the command.
@Suite struct PlanCommandTests {
  private func plan(_ command: Command, _ text: String) throws -> String {
    let path = command.folder.file("plan.toml")
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return path
  }

  private func result(_ outcome: Command.Outcome) throws -> RunResult {
    try JSONDecoder().decode(RunResult.self, from: Data(outcome.output.utf8))
  }

  private func start(_ command: Command, _ arguments: [String]) throws -> Running {
    try command.start(
      ["run", "--cpu", "--config", "/dev/null", "--format", "json"] + arguments)
  }

  private func phase(_ result: RunResult, _ name: String) throws -> PhaseResult {
    try #require(result.phases.first { $0.name == name }, "\(result.phases.map(\.name))")
  }

  @Test func parametersMakeAMatrix() throws {
    let command = try Command()
    let outcome = try start(
      command,
      [
        "-r", "2", "-L", "n=1,2", "--parameter-scan", "m=0:1:0.5", "--order", "interleaved",
        "--metric", "sum=([0-9.]+)", "--", "/bin/echo", "{n}{m}",
      ]
    ).finish()
    #expect(outcome.code == 0, "\(outcome.error)")
    let result = try result(outcome)
    let values = ["0.0", "0.5", "1.0"].map { "m=\($0)" }
    #expect(
      result.phases.map(\.name)
        == ["n=1", "n=2"].flatMap { n in values.map { "main[\(n),\($0)]" } })
    #expect(result.phases.allSatisfy { $0.repetitions.count == 2 && $0.status == .completed })
    let last = try #require(result.phases.last)
    #expect(last.parameters == ["n": "2", "m": "1.0"])
    #expect(last.metrics.first { $0.metric == "workload.sum" }?.median == 21)
    #expect(result.metrics.isEmpty, "each phase has its own")
    let stored = try command("runs", "show", "last", "--config", "/dev/null")
    #expect(stored.output.contains("main[n=1,m=0.5]") && stored.output.contains("ratio to fastest"))
  }

  @Test func samplesKeepTheirPhaseWherePhasesTakeTurns() throws {
    let command = try Command()
    let outcome = try start(
      command,
      [
        "-r", "3", "-i", "10ms", "--memory", "--order", "interleaved", "-L", "n=0.1,0.3", "--",
        "sleep", "{n}",
      ]
    ).finish()
    #expect(outcome.code == 0, "\(outcome.error)")
    let exported = try command("export", "last", "--config", "/dev/null", "--format", "ndjson")
    var spans: [String: (first: Double, last: Double)] = [:]
    for line in try exported.objects() where line["type"] as? String == "sample" {
      let time = try #require(line["elapsed_ns"] as? Double)
      let key = "\(line["phase"] ?? "") \(line["repetition"] ?? "")"
      spans[key] = (spans[key]?.first ?? time, time)
    }
    #expect(spans.count == 6)
    for (key, span) in spans {
      let seconds = (span.last - span.first) / 1e9
      // From a tick behind the opening on; a sample of the other's would be outside.
      #expect(key.contains("0.1") ? seconds < 0.25 : seconds >= 0.25, "\(key): \(seconds)")
    }
    let folder = command.folder.file("lb")
    let suite = try command(
      "export", "last", "--config", "/dev/null", "--format", "lb", "--output", folder)
    #expect(suite.code == 0, "\(suite.error)")
    let text = try #require(
      FileManager.default.contents(atPath: "\(folder)/main[n=0.3]/rep2/result.json"))
    let object = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
    #expect(object["test_name"] as? String == "main[n=0.3]" && object["success"] as? Bool == true)
    #expect(["error", "error_type", "error_context"].allSatisfy { object[$0] is NSNull })
    #expect(
      object["repetition"] as? Int == 2 && (object["duration_seconds"] as? Double ?? 0) > 0.29)
    let csv = String(
      decoding: FileManager.default.contents(atPath: "\(folder)/main[n=0.3]_rep2_cpu.csv")
        ?? Data(),
      as: UTF8.self)
    let lines = csv.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    #expect(
      lines.first?.joined(separator: ",").hasPrefix("timestamp,collector,cpu_percent") == true)
    #expect(lines.count > 10 && lines.allSatisfy { $0.count == 8 })
    let busy = lines.dropFirst(2).compactMap { Double($0[2]) }
    #expect(!busy.isEmpty && busy.allSatisfy { (0...100).contains($0) })
    let memory = String(
      decoding: FileManager.default.contents(atPath: "\(folder)/main[n=0.1]_rep1_memory.csv")
        ?? Data(), as: UTF8.self)
    #expect(memory.contains(",memory,,"), "no CPU there")
  }

  @Test func severalCommandsAreComparedUnderTheirNames() throws {
    let command = try Command()
    let outcome = try start(
      command, ["--command", "sleep 0.01", "--command", "sh -c 'exit 0'", "--command", "sleep 0"]
    ).finish()
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(try result(outcome).phases.map(\.name) == ["sleep", "sh", "sleep-2"])
  }

  @Test func aServerLivesBesideItsClients() throws {
    let command = try Command()
    let socket = command.folder.file("s")
    let path = try plan(
      command,
      """
      repetitions = 2
      [[phase]]
      name = "server"
      kind = "background"
      command = ["sh", "-c", "sleep 0.1; echo up > \(socket); exec sleep 100"]
      ready_command = "test -e \(socket)"
      [[phase]]
      name = "client"
      command = ["cat", "\(socket)"]
      [[phase]]
      name = "loaded"
      kind = "parallel"
      [[phase.member]]
      name = "noise"
      command = "sleep 100"
      [[phase.member]]
      measured = true
      command = ["sh", "-c", "pgrep -P $PPID sleep | wc -l"]
      metrics = ["beside=([0-9]+)"]
      """)
    let outcome = try start(command, ["--plan", path]).finish()
    #expect(outcome.code == 0, "\(outcome.error)")
    let result = try result(outcome)
    #expect(try phase(result, "client").repetitions.count == 2)
    let beside = try phase(result, "loaded").metrics.first { $0.metric == "workload.beside" }
    #expect(beside?.minimum == 2, "the server and the noise: \(String(describing: beside))")
    #expect(try phase(result, "loaded").repetitions.count == 2)
    let left = Process()
    left.executableURL = URL(fileURLWithPath: "/usr/bin/pgrep")
    left.arguments = ["-f", "echo up > \(socket)"]
    left.standardOutput = FileHandle.nullDevice
    try left.run()
    left.waitUntilExit()
    #expect(left.terminationStatus == 1, "nothing of it is left")
  }

  @Test func twoRunsOfAPlanAtOnceShareNothingAndHaveOneStructure() throws {
    let command = try Command()
    let path = try plan(
      command,
      """
      workspace = "empty"
      free_ports = ["port"]
      [[phase]]
      name = "server"
      kind = "background"
      command = "sh -c 'sleep 100' {port}"
      [[phase]]
      name = "all"
      kind = "repeat"
      order = "interleaved"
      parameters = { n = [1, 2] }
      [[phase.phase]]
      name = "client"
      command = "sh -c 'test ! -e mark && touch mark && sleep 0.1'"
      repetitions = 2
      """)
    let both = try (0..<2).map { _ in try start(command, ["--plan", path]) }
    let outcomes = try both.map { try $0.finish() }
    #expect(outcomes.map(\.code) == [0, 0], "\(outcomes.map(\.error))")
    let results = try outcomes.map { try result($0) }
    #expect(results[0].runID != results[1].runID && results[0].file != results[1].file)
    #expect(results[0].phases.map(\.name) == results[1].phases.map(\.name))
    #expect(results[0].phases.map(\.name) == ["client[n=1]", "client[n=2]"])
    func structure(_ result: RunResult) -> [[String]] {
      result.phases.map { phase in
        // A shell's peak stands out from what every process here begins with, or just does not.
        // What did not move has no extremes and no rates.
        phase.metrics.map(\.metric).filter {
          $0 != "peak_resident" && !$0.hasSuffix(".min") && !$0.hasSuffix(".max")
            && !$0.contains(".rate.")
        }
          + phase.repetitions.map { "\($0.repetition) \($0.status) \($0.attempts.count)" }
      }
    }
    #expect(structure(results[0]) == structure(results[1]))
    let attempts = results.flatMap(\.phases).flatMap(\.repetitions).flatMap(\.attempts)
    #expect(attempts.allSatisfy { $0.ledger.isExact })
  }

  @Test func aServerThatEndsFailsItsClientAndIsBegunAgain() throws {
    let command = try Command()
    let path = try plan(
      command,
      """
      repetitions = 2
      [[phase]]
      name = "server"
      kind = "background"
      command = ["sh", "-c", "echo gone; sleep 0.1; exit 3"]
      [[phase]]
      name = "client"
      command = "sleep 100"
      """)
    let outcome = try start(command, ["--plan", path]).finish()
    #expect(outcome.code == 4, "\(outcome.error)")
    let result = try result(outcome)
    #expect(try phase(result, "client").repetitions.map(\.status) == [.failed, .failed])
    #expect(
      result.errors[0].message.contains(
        "server exited with code 3 before the phases that need it had ended: gone"))
    #expect(result.warnings.contains { $0.contains("server was restarted; before: ") })
  }

  @Test func aMemberThatFailsEndsTheMeasuredOneAndOneThatEndsDoesNot() throws {
    let command = try Command()
    let path = try plan(
      command,
      """
      [[phase]]
      name = "done"
      kind = "parallel"
      [[phase.member]]
      name = "short"
      command = "true"
      [[phase.member]]
      measured = true
      command = "sleep 0.5"
      [[phase]]
      name = "lost"
      kind = "parallel"
      [[phase.member]]
      name = "bad"
      command = ["sh", "-c", "sleep 0.2; exit 7"]
      [[phase.member]]
      measured = true
      command = "sleep 100"
      """)
    let outcome = try start(command, ["--plan", path]).finish()
    #expect(outcome.code == 4, "\(outcome.error)")
    let result = try result(outcome)
    let done = try phase(result, "done").repetitions[0]
    #expect(done.status == .completed)
    // Nobody polls for what has ended: the whole process needs far less than the half second.
    let cost = done.attempts[0].overhead?.processNanoseconds ?? .max
    #expect(cost < 250_000_000, "\(cost)")
    let lost = try phase(result, "lost").repetitions[0]
    #expect(lost.status == .failed)
    #expect(lost.attempts[0].error?.message.contains("bad exited with code 7") == true)
  }

  @Test(arguments: ["ready_port = \"{port}\"", "ready_command = \"sleep 100\""])
  func aServerThatIsNeverReadyEndsTheRun(_ readiness: String) throws {
    let command = try Command()
    let path = try plan(
      command,
      """
      free_ports = ["port"]
      [[phase]]
      name = "server"
      kind = "background"
      command = "sh -c 'sleep 100' {port}"
      \(readiness)
      ready_within = "200ms"
      [[phase]]
      name = "client"
      command = "true"
      """)
    let began = Date()
    let outcome = try start(command, ["--plan", path]).finish()
    #expect(outcome.code == 4 && -began.timeIntervalSinceNow < 5)
    let result = try result(outcome)
    #expect(result.phases.map(\.status) == [.pending] && result.status == .failed)
    #expect(try phase(result, "client").note?.hasPrefix("never reached") == true)
    let message = result.errors[0].message
    #expect(message.contains("server is not ready: ") && message.contains(" within 200ms ("))
  }

  @Test func conditionsSkipAndFailuresFallBack() throws {
    let command = try Command()
    let path = try plan(
      command,
      """
      [[phase]]
      name = "first"
      command = "sh -c 'echo 7'"
      metrics = ["n=([0-9]+)"]
      [[phase]]
      name = "yes"
      kind = "when"
      condition = "first.workload.n == 7 and host.cpus > 0 and available.cpu"
      [[phase.phase]]
      name = "inner"
      command = "true"
      [[phase]]
      name = "no"
      kind = "when"
      condition = "host.cpus > 100000"
      [[phase.phase]]
      name = "never"
      command = "true"
      [[phase]]
      name = "bad"
      command = "false"
      on_failure = "worse"
      [[phase]]
      name = "worse"
      command = "false"
      on_failure = "good"
      [[phase]]
      name = "good"
      command = "true"
      """)
    let outcome = try start(command, ["--plan", path]).finish()
    #expect(outcome.code == 0, "\(outcome.error)")
    let result = try result(outcome)
    #expect(result.phases.map(\.name) == ["first", "inner", "no", "bad", "worse", "good"])
    #expect(
      result.phases.map(\.status)
        == [.completed, .completed, .skipped, .failed, .failed, .completed])
    #expect(result.phases.map(\.replacedBy) == [nil, nil, nil, "worse", "good", nil])
    #expect(result.status == .completed && result.warnings.count { $0.contains("place") } == 2)
  }

  @Test func errorsOfAFallbackAreKeptBoth() throws {
    let command = try Command()
    let path = try plan(
      command,
      """
      [[phase]]
      name = "bad"
      command = "sh -c 'exit 5'"
      on_failure = "worse"
      [[phase]]
      name = "worse"
      command = "sh -c 'exit 6'"
      """)
    let outcome = try start(command, ["--plan", path]).finish()
    #expect(outcome.code == 4)
    #expect(try result(outcome).errors.map(\.context.exitCode) == [5, 6])
  }

  @Test(arguments: [("approve", Int32(0)), ("refuse", 6)])
  func aRunWaitsForAWord(_ word: String, _ code: Int32) throws {
    let command = try Command()
    let path = try plan(
      command,
      """
      [[phase]]
      name = "gate"
      kind = "approve"
      message = "Sure?"
      within = "20s"
      [[phase]]
      name = "work"
      command = "true"
      """)
    let running = try start(command, ["--plan", path])
    #expect(running.wait { running.error.contains("lbsample approve") })
    let list = try command("runs", "list", "--config", "/dev/null")
    #expect(list.output.contains("waiting"), "\(list.output)")
    // Whoever thinks it over for hours does not have the host read meanwhile.
    let open = "/proc/\(running.process.processIdentifier)/fd"
    let held = try FileManager.default.contentsOfDirectory(atPath: open).compactMap {
      try? FileManager.default.destinationOfSymbolicLink(atPath: "\(open)/\($0)")
    }
    #expect(!held.contains("/proc/stat"), "\(held)")
    #expect(!held.isEmpty)
    let said = try command.start(
      ["approve", "--config", "/dev/null", "last"] + (word == "refuse" ? ["--refuse"] : [])
    ).finish()
    #expect(said.code == 0, "\(said.error)")
    let outcome = try running.finish()
    #expect(outcome.code == code, "\(outcome.error)")
    #expect(try result(outcome).phases.map(\.status) == [code == 0 ? .completed : .pending])
    let again = try command("approve", "last", "--config", "/dev/null")
    #expect(again.code == 2 && again.error.contains("does not wait for an approval"))
  }

  /// The server that others lean on does not come up: a person decides.
  @Test(arguments: ["approve", "refuse", "nothing"])
  func aRunAsksWhetherToGoOnWithoutAPhase(_ word: String) throws {
    let command = try Command()
    let path = try plan(
      command,
      """
      [[phase]]
      name = "server"
      kind = "background"
      command = "false"
      ready_command = "false"
      ready_within = "20s"
      [[phase]]
      name = "work"
      command = "true"
      """)
    let patience = word == "nothing" ? "100ms" : "20s"
    let running = try start(command, ["--ask", patience, "--plan", path])
    #expect(running.wait { running.error.contains("continue without it?") })
    if word != "nothing" {
      let said = try command.start(
        ["approve", "--config", "/dev/null", "last"] + (word == "refuse" ? ["--refuse"] : [])
      ).finish()
      #expect(said.code == 0, "\(said.error)")
    }
    let outcome = try running.finish()
    // What failed first decides, whatever was answered.
    #expect(outcome.code == 4, "\(outcome.error)")
    let result = try result(outcome)
    let expected: RunStatus = word == "approve" ? .completed : .pending
    #expect(try phase(result, "work").status == expected)
    #expect(result.errors.map(\.category).contains(.gate) == (word != "approve"))
  }

  @Test func whatStandsBelowAPhaseThatWasPassedOverIsSkipped() throws {
    let command = try Command()
    try Data("setup = \"false\"\n[[phase]]\nname = \"below\"\ncommand = \"true\"\n".utf8)
      .write(to: URL(fileURLWithPath: command.folder.file("inner.toml")))
    let path = try plan(
      command,
      """
      [[phase]]
      name = "inner"
      kind = "include"
      file = "inner.toml"
      [[phase]]
      name = "after"
      command = "true"
      """)
    let running = try start(command, ["--ask", "20s", "--plan", path])
    #expect(running.wait { running.error.contains("continue without it?") })
    _ = try command("approve", "--config", "/dev/null", "last")
    let result = try result(running.finish())
    #expect(try phase(result, "below").status == .skipped)
    #expect(try phase(result, "below").note == "inner failed before it")
    #expect(try phase(result, "after").status == .completed)
  }

  @Test func silenceRefuses() throws {
    let command = try Command()
    let path = try plan(
      command,
      """
      [[phase]]
      name = "gate"
      kind = "approve"
      within = "100ms"
      """)
    let outcome = try start(command, ["--plan", path]).finish()
    #expect(outcome.code == 6 && outcome.error.contains("nobody approved within 100ms"))
  }

  @Test func mistakesAreNamedByFileAndLine() throws {
    let command = try Command()
    let path = try plan(
      command,
      """
      order = "mixed"
      [[phase]]
      name = "a"
      command = "true"
      repetitons = 5

      [[phase]]
      name = "b"
      kind = "comand"
      """)
    let outcome = try start(command, ["--plan", path]).finish()
    #expect(outcome.code == 2 && outcome.output.isEmpty)
    for expected in [
      "plan.toml:1: order is mixed",
      "plan.toml:5: unknown key repetitons; did you mean repetitions",
      "plan.toml:9: unknown kind comand; did you mean command",
    ] {
      #expect(outcome.error.contains(expected), "\(outcome.error)")
    }
    #expect(command.resultFile == nil, "nothing was started")
  }

  @Test func aDryRunExecutesNothing() throws {
    let command = try Command()
    let mark = command.folder.file("mark")
    let outcome = try command.start([
      "run", "--config", "/dev/null", "-r", "3", "--dry-run", "-L", "n=1,2", "--timeout", "5s",
      "--workspace", "empty", "--prepare", "echo before", "--ask", "7s", "--set-host", "aslr=0",
      "--allow", "aslr", "--max-wall", "5m", "--max-retries", "3", "--", "touch", mark, "{n}",
    ]).finish()
    #expect(outcome.code == 0 && outcome.output.contains("6 repetitions"), "\(outcome.output)")
    for told in [
      "timeout: 5s", "workspace: empty, kept failure", "prepare: echo before", "ask: 7s",
      "changes of the host: aslr=0", "max-wall: 300s", "max-retries: 3",
      "30.000 s if each repetition takes its limit; hooks",
    ] {
      #expect(outcome.output.contains(told), "\(outcome.output)")
    }
    #expect(!FileManager.default.fileExists(atPath: mark) && command.resultFile == nil)
  }

  @Test func aFailureIsTriedAgainWhereItMayBe() throws {
    let command = try Command()
    let counter = command.folder.file("n")
    let outcome = try start(
      command,
      [
        "--idempotent", "--retries", "1", "--", "sh", "-c",
        "echo x >> \(counter); test $(wc -l < \(counter)) -gt 1",
      ]
    ).finish()
    #expect(outcome.code == 0, "\(outcome.error)")
    let repetition = try #require(try result(outcome).phases.first?.repetitions.first)
    // A busy host may have it repeated once more.
    #expect(repetition.attempts.map(\.status).prefix(2) == [.failed, .completed])
    #expect(repetition.attempts.map(\.attempt).prefix(2) == [1, 2])
    let careless = try start(command, ["--retries", "1", "--", "false"]).finish()
    #expect(careless.code == 2 && careless.error.contains("--idempotent"))
    // Where each phase says so itself.
    let once = command.folder.file("once")
    let path = try plan(
      command,
      """
      [[phase]]
      name = "a"
      idempotent = true
      command = "sh -c 'test -e \(once) || { touch \(once); exit 1; }'"
      """)
    let planned = try start(command, ["--retries", "1", "--plan", path]).finish()
    #expect(planned.code == 0, "\(planned.error)")
  }

  @Test func aNoisyNeighbourIsFoundAndTheRepetitionRepeated() throws {
    let command = try Command()
    let neighbour = try BusyNeighbours()
    defer { neighbour.end() }
    let outcome = try start(command, ["--idempotent", "--strict", "--", "sleep", "0.6"]).finish()
    #expect(outcome.code == 6 && outcome.error.contains("contaminated"), "\(outcome.error)")
    let phase = try #require(try result(outcome).phases.first)
    let attempts = phase.repetitions[0].attempts
    #expect(attempts.count == 4, "three more")
    let words = "other processes used"
    #expect(attempts.allSatisfy { $0.contamination.contains { $0.contains(words) } })
    #expect(phase.metrics[0].count == 4 && phase.cleanMetrics.isEmpty)
  }

  @Test func aHostThatIsNotFitIsSaidOrEndsTheRunAsConfigured() throws {
    let command = try Command()
    let neighbour = try BusyNeighbours()
    defer { neighbour.end() }
    func run(_ gates: String) throws -> Command.Outcome {
      let file = try command.folder.write(
        "gates.conf", "[gates]\nhost_window = \"600ms\"\n\(gates)\n")
      return try command.start([
        "run", "--cpu", "--format", "json", "--config", file, "--", "sh", "-c", "echo x >> begun",
      ]).finish()
    }
    let noted = try run("noted = \"foreign_cpu\"")
    #expect(noted.code == 0, "\(noted.error)")
    #expect(
      try result(noted).warnings.contains { $0.contains("of one CPU just before the run") })
    let refused = try run("host = \"block\"")
    #expect(refused.code == 6 && refused.error.contains("gates.host = block"), "\(refused.error)")
    let begun = FileManager.default.contents(atPath: command.folder.file("begun"))
    #expect(begun == Data("x\n".utf8), "it was begun once")
    let mistaken = try run("noted = \"foreign_cpus\"")
    #expect(mistaken.code == 2 && mistaken.error.contains("did you mean foreign_cpu"))
  }

  /// Options, phases, and what is said or stands in the log once the state is reached.
  private static let waits: [(String, [String], String, String)] = [
    (
      "cooldown", ["-r", "2", "--cooldown", "1h"], #"command = "sh -c 'echo x >> LOG'""#, "x"
    ),
    (
      "settling", ["--cooldown-until-idle", "1h", "--events", "LOG"],
      #"command = "true""#, "run.start"
    ),
    (
      "pause", ["-r", "1", "--idempotent", "--retries", "3"],
      #"command = "sh -c 'echo x >> LOG; test $(wc -l < LOG) -lt 1'""#, "x\nx"
    ),
    ("approval", ["--events", "LOG"], #"kind = "approve""#, "run.waiting"),
    (
      "readiness", ["--events", "LOG"],
      #"""
      kind = "background"
      command = "sleep 1000"
      ready_command = "false"
      """#, "run.waiting"
    ),
    (
      "warm-up", [],
      #"""
      command = "sh -c 'echo x >> LOG; sleep 1000'"
      warmup = 1
      """#, "x"
    ),
    (
      "prepare", [],
      #"""
      prepare = "echo x >> LOG; sleep 1000"
      command = "true"
      """#, "x"
    ),
    (
      "coRunners", [],
      #"""
      kind = "parallel"
      [[phase.member]]
      command = "sleep 1000"
      [[phase.member]]
      measured = true
      command = "sh -c 'echo x >> LOG; sleep 1000'"
      """#, "x"
    ),
  ]

  @Test(arguments: waits.map(\.0)) func aStopEndsEveryWait(_ state: String) throws {
    let (_, options, text, sign) = try #require(Self.waits.first { $0.0 == state })
    let command = try Command()
    let log = command.folder.file("log")
    func placed(_ text: String) -> String { text.replacingOccurrences(of: "LOG", with: log) }
    let path = try plan(command, "[[phase]]\nname = \"a\"\n" + placed(text))
    // No host is quiet enough for this, and one that waits alone might be.
    let neighbours = try BusyNeighbours(state == "settling" ? 1 : 0)
    defer { neighbours.end() }
    let configuration = try command.folder.write("c.conf", "[gates]\nquiet = \"0.0001%\"\n")
    let running = try command.start(
      ["run", "--cpu", "--config", configuration, "--plan", path] + options.map(placed))
    #expect(
      running.wait {
        String(decoding: FileManager.default.contents(atPath: log) ?? Data(), as: UTF8.self)
          .contains(sign)
      }, "\(running.error)")
    usleep(300_000)
    let began = Date()
    kill(running.process.processIdentifier, SIGTERM)
    let outcome = try running.finish()
    #expect(-began.timeIntervalSinceNow < 3, "a stop is no wait")
    #expect(outcome.code == 143, "\(outcome.error)")
    let file = try #require(command.resultFile)
    #expect(try RunFile(file).integrity() == "ok")
    let left = try FileManager.default.contentsOfDirectory(
      atPath: URL(fileURLWithPath: file).deletingLastPathComponent().path)
    #expect(left.count == 1, "\(left)")
  }

  @Test func theExampleRuns() throws {
    let command = try Command()
    let root = Command.repository
    let outcome = try start(
      command, ["--plan", "\(root)/Examples/plan.toml", "-r", "1", "-w", "0", "--chdir", root]
    ).finish()
    #expect(outcome.code == 0, "\(outcome.error)")
    let result = try result(outcome)
    #expect(result.phases.count == 6 && result.phases.allSatisfy { $0.status == .completed })
    let rates = result.phases.map { phase in
      phase.metrics.first { $0.metric == "workload.rate" }?.median ?? 0
    }
    #expect(rates.allSatisfy { $0 > 1 }, "\(rates)")
  }

  @Test func repetitionsAreAddedUntilTheyAreEnough() throws {
    let command = try Command()
    let outcome = try start(
      command,
      [
        "--until", "ci(workload.n)<=50%", "--max-repetitions", "30", "--metric", "n=([0-9]+)", "--",
        "echo", "100",
      ]
    ).finish()
    #expect(outcome.code == 0, "\(outcome.error)")
    // Five looks, at 6, 9, 14, 21 and 30, have 99 % each, which six values cannot give.
    #expect(try result(outcome).phases[0].repetitions.count == 9)
    let never = try start(
      command,
      [
        "-r", "2", "--until", "ci(workload.n)<=1%", "--max-repetitions", "6", "--metric",
        "n=([0-9]+)", "--", "date", "+%N",
      ]
    ).finish()
    let result = try result(never)
    #expect(never.code == 0 && result.phases[0].repetitions.count == 6, "\(never.error)")
    #expect(
      result.warnings.contains {
        $0.contains(
          "--until was not reached for workload.n after 6 repetitions (--max-repetitions)")
      })
  }

  /// Fewer than six values have no interval, and repetitions that all fail no values at all.
  @Test func whatCannotBecomePreciseIsNotRepeated() throws {
    let command = try Command()
    for (most, repetitions) in [("5", "1"), ("10", "12")] {
      let refused = try start(
        command,
        [
          "-r", repetitions, "--until", "ci<=1%", "--max-repetitions", most, "--", "/bin/true",
        ]
      ).finish()
      #expect(refused.code == 2 && refused.error.contains("--until ci<=1% needs --max-repetitions"))
    }
    let failing = try start(
      command, ["-r", "3", "--until", "ci<=1%", "--max-repetitions", "30", "--", "/bin/false"]
    ).finish()
    #expect(failing.code == 4)
    #expect(try result(failing).phases[0].repetitions.count == 3)
  }

  @Test func aMetricThatThereIsNotDoesNotRepeatAnything() throws {
    let command = try Command()
    let outcome = try start(
      command,
      ["-r", "2", "--until", "ci(wall_tim)<=1%", "--max-repetitions", "30", "--", "true"]
    ).finish()
    let result = try result(outcome)
    #expect(outcome.code == 2 && result.phases[0].repetitions.count == 2)
    #expect(result.errors[0].message.contains("did you mean wall_time?"), "\(result.errors)")
  }
}
