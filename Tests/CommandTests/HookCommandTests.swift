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
}
