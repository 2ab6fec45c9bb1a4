import Foundation
import Glibc
import RunStore
import SampleModel
import TestSupport
import Testing

/// What a run that was killed has left running is not there unknown to whoever resumes it.
@Suite struct LeftoverTests {
  /// What is left running, told from that of other tests and of other times.
  private static func left(_ number: Int) -> String { "sleep 981.\(getpid())\(number)" }

  /// A run that was killed beside its server, which has left a process in a session of its own.
  private func killed(_ number: Int) throws -> Command {
    let command = try Command()
    // It lets go of the descriptor by which Foundation knows that the command has ended.
    _ = try command.folder.write(
      "server.sh",
      """
      for f in /proc/$$/fd/*; do f=${f##*/}; ((f > 2)) && exec {f}>&-; done
      setsid \(Self.left(number)) &
      touch up
      sleep 60
      """)
    let plan = try command.folder.write(
      "plan.toml",
      """
      [[phase]]
      name = "server"
      kind = "background"
      command = ["bash", "server.sh"]
      ready_command = "test -e up"

      [[phase]]
      name = "client"
      command = ["sh", "-c", "touch begun; test -e again || exec sleep 60"]
      """)
    let running = try command.start(["run", "--cpu", "--config", "/dev/null", "--plan", plan])
    #expect(
      running.wait { FileManager.default.fileExists(atPath: command.folder.file("begun")) })
    kill(running.process.processIdentifier, SIGKILL)
    _ = try running.finish()
    try command.folder.write("again", "")
    return command
  }

  private func resume(_ command: Command, _ more: String...) throws -> Command.Outcome {
    try command.start(["run", "--config", "/dev/null", "--resume", "last"] + more).finish()
  }

  private func processes(_ command: Command, _ number: Int) throws -> Int {
    let (_, text) = try command.shell("pgrep -fcx '\(Self.left(number))'; true")
    return Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? -1
  }

  @Test func theyAreNamedAndEndedWhereThatIsWanted() throws {
    let command = try killed(1)
    let refused = try resume(command)
    #expect(refused.code == 2 && refused.error.contains("(\(Self.left(1)))"), "\(refused.error)")
    #expect(refused.error.contains("--end-leftovers") && refused.error.contains("--force"))
    #expect(try processes(command, 1) == 1, "nobody has asked for its end")
    let outcome = try resume(command, "--end-leftovers")
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(outcome.error.contains("ended the processes that the previous session left running: "))
    #expect(try processes(command, 1) == 0)
    let reader = try RunReader(path: try #require(command.resultFile))
    let journal = try reader.journal(run: try reader.result().runID)
    #expect(journal.count { $0.kind == "run.leftovers" } == 1)
  }

  @Test func besideThemARunIsResumedByForceAndSaysSo() throws {
    let command = try killed(2)
    let outcome = try resume(command, "--force")
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(
      outcome.output.contains("warning  resumed beside processes of the previous session: "),
      "\(outcome.output)")
    #expect(try processes(command, 2) == 1, "that of the session before is still there")
    _ = try command.shell("pkill -KILL -fx '\(Self.left(2))'")
  }

  @Test func theOptionIsOfAResumeAlone() throws {
    let outcome = try Command()("run", "--cpu", "--end-leftovers", "--", "true")
    #expect(outcome.code == 2 && outcome.error.contains("--resume"), "\(outcome.error)")
  }

  /// What a process carries says which run it is of, and whether it is measured.
  @Test func aRunsProcessesCarryItsMark() throws {
    let command = try Command()
    let limits = "grep file.locks /proc/self/limits"
    let (code, text) = try command.shell(
      """
      $0 run --cpu --quiet --prepare '\(limits) > beside' -- sh -c '\(limits) > measured'
      awk '{print $4}' beside measured
      """)
    let numbers = text.split(separator: "\n").suffix(2).compactMap { UInt64($0) }
    #expect(code == 0 && numbers.count == 2, "\(text)")
    #expect(numbers.first == numbers.last.map { $0 + 1 }, "\(text)")
  }
}
