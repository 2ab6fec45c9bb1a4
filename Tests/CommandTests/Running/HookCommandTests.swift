import Foundation
import Glibc
import TestSupport
import Testing

/// Commands around the repetitions of a run.
@Suite struct HookCommandTests {
  private func lines(_ command: Command) -> [String] {
    let text = String(
      decoding: FileManager.default.contents(atPath: command.folder.file("log")) ?? Data(),
      as: UTF8.self)
    return text.split(separator: "\n").map(String.init)
  }

  private func hooks(
    _ command: Command, _ own: [String: String] = [:]
  ) -> [String] {
    ["setup", "prepare", "conclude", "cleanup"].flatMap { hook in
      ["--\(hook)", "echo \(hook) >> \(command.folder.file("log")); \(own[hook] ?? "true")"]
    }
  }

  private func run(
    _ command: Command, _ options: [String], _ workload: String = "true"
  ) throws -> Command.Outcome {
    let script = "echo work >> \(command.folder.file("log")); \(workload)"
    return try command.start(
      ["run", "--cpu", "--config", "/dev/null"] + options + ["--", "/bin/sh", "-c", script]
    ).finish()
  }

  @Test func theyRunInTheirOrder() throws {
    let command = try Command()
    let outcome = try run(command, ["-r", "2", "-w", "1"] + hooks(command))
    #expect(outcome.code == 0, "\(outcome.error)")
    let one = ["prepare", "work", "conclude"]
    #expect(lines(command) == ["setup"] + one + one + one + ["cleanup"])
  }

  @Test(arguments: [
    ("setup", ["setup", "cleanup"]), ("prepare", ["setup", "prepare", "cleanup"]),
    ("conclude", ["setup", "prepare", "work", "conclude", "cleanup"]),
  ]) func aFailureEndsTheRunAndCleanupComesAllTheSame(
    _ hook: String, _ expected: [String]
  ) throws {
    let command = try Command()
    let own = [hook: "echo why >&2; exit 3", "cleanup": "exit 9"]
    let outcome = try run(command, ["-r", "3"] + hooks(command, own))
    #expect(outcome.code == 4 && outcome.error.contains("--\(hook) exited with code 3: why"))
    #expect(lines(command) == expected)
    #expect(outcome.output.contains("--cleanup exited with code 9"), "and hides nothing")
  }

  @Test func cleanupComesAfterATimeoutToo() throws {
    let command = try Command()
    let outcome = try run(
      command, ["--timeout", "200ms"] + hooks(command), "sleep 10")
    #expect(outcome.code == 4)
    #expect(lines(command) == ["setup", "prepare", "work", "conclude", "cleanup"])
  }

  @Test func theLimitOfARepetitionIsNotTheirs() throws {
    let command = try Command()
    let slow = Dictionary(
      uniqueKeysWithValues: ["setup", "prepare", "conclude", "cleanup"].map { ($0, "sleep 0.4") })
    let outcome = try run(command, ["--timeout", "300ms"] + hooks(command, slow))
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(lines(command) == ["setup", "prepare", "work", "conclude", "cleanup"])
  }

  @Test func aStopEndsAPreparation() throws {
    let command = try Command()
    let running = try command.start(
      ["run", "--cpu", "--config", "/dev/null"] + hooks(command, ["prepare": "sleep 100"])
        + ["--", "/bin/true"])
    #expect(running.wait { lines(command).last == "prepare" })
    let began = Date()
    kill(running.process.processIdentifier, SIGINT)
    let outcome = try running.finish()
    #expect(outcome.code == 130 && -began.timeIntervalSinceNow < 5, "\(outcome.error)")
    #expect(lines(command) == ["setup", "prepare", "cleanup"])
  }

  @Test(arguments: [0, 1])
  func aCleanupComesBehindAStopAndIsEndedByTheNext(earlierStops: Int) throws {
    let command = try Command()
    let own = ["prepare": earlierStops > 0 ? "sleep 100" : "true", "cleanup": "sleep 100"]
    let running = try command.start(
      ["run", "--cpu", "--config", "/dev/null"] + hooks(command, own) + ["--", "/bin/true"])
    func stop(_ hook: String) {
      #expect(running.wait { lines(command).last == hook })
      kill(running.process.processIdentifier, SIGINT)
    }
    if earlierStops > 0 { stop("prepare") }
    let began = Date()
    stop("cleanup")
    let outcome = try running.finish()
    #expect(outcome.code == 130 && -began.timeIntervalSinceNow < 5, "\(outcome.error)")
    #expect(lines(command).last == "cleanup")
    #expect(outcome.output.contains("during --cleanup"), "\(outcome.output)")
  }

  private func isAlive(_ pattern: String) throws -> Bool {
    let search = try Process.run(
      URL(fileURLWithPath: "/bin/sh"), arguments: ["-c", "ps ax -o args | grep -q '^\(pattern)'"])
    search.waitUntilExit()
    return search.terminationStatus == 0
  }

  /// A server that a hook begins lives until the end of the run, and no longer.
  @Test(arguments: ["setup", "prepare", "conclude", "cleanup"])
  func whatAHookLeavesBehindEndsWithTheRun(_ hook: String) throws {
    let command = try Command()
    let place = ["setup", "prepare", "conclude", "cleanup"].firstIndex(of: hook) ?? 0
    let (one, other) = ("sleep 986.\(place)1", "sleep 986.\(place)2")
    let outcome = try run(command, ["--\(hook)", "\(one) & setsid \(other) & exit 0"])
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(
      outcome.output.contains(
        "2 processes of hooks, ready_command or phases outlived the run and were killed"),
      "\(outcome.output)")
    #expect(try !isAlive("sleep 986\\.\(place)"))
    #expect(try command("runs", "show", "last", "--journal").output.contains("run.orphans"))
  }

  @Test func aServerOfSetupIsThereForTheWorkload() throws {
    let command = try Command()
    let outcome = try run(
      command, ["--setup", "setsid sleep 985.5 & exit 0"], "pgrep -f '^sleep 985.5'")
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(outcome.output.contains("1 process of hooks"), "\(outcome.output)")
    #expect(try !isAlive("sleep 985\\.5"))
  }

  @Test func whatANoticeLeavesBehindEndsWithTheRun() throws {
    let command = try Command()
    let outcome = try run(command, ["--notify", "setsid sleep 984.5 & exit 0"])
    #expect(outcome.code == 0)
    #expect(
      outcome.error.contains("1 process of --notify outlived the run and was killed"),
      "\(outcome.error)")
    #expect(try !isAlive("sleep 984\\.5"))
  }

  @Test func whatReadyCommandAndMembersLeaveBehindEndsWithTheRun() throws {
    let command = try Command()
    try command.folder.write(
      "plan.toml",
      """
      [[phase]]
      name = "server"
      kind = "background"
      command = ["sleep", "60"]
      ready_command = "setsid sleep 983.1 & exit 0"

      [[phase]]
      name = "p"
      kind = "parallel"

      [[phase.member]]
      name = "x"
      measured = true
      command = ["sleep", "0.2"]

      [[phase.member]]
      name = "y"
      command = ["sh", "-c", "setsid sleep 983.2 & kill -STOP $$"]
      """)
    let outcome = try command("run", "--cpu", "--plan", command.folder.file("plan.toml"))
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(outcome.output.contains("2 processes of hooks"), "\(outcome.output)")
    #expect(try !isAlive("sleep 983\\."))
  }
}
