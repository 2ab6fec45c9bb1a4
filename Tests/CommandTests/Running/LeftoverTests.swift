import Foundation
import Glibc
import LinuxSystem
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

  /// Without its file nobody could name them any more.
  @Test func aRunThatLeftThemIsNotRemovedUnnoticed() throws {
    let command = try killed(6)
    let file = try #require(command.resultFile)
    let refused = try command("runs", "remove", "last")
    #expect(refused.code == 2 && refused.error.contains("(\(Self.left(6)))"), "\(refused.error)")
    #expect(refused.error.contains("--end-leftovers") && refused.error.contains("--force"))
    #expect(FileManager.default.fileExists(atPath: file))
    #expect(try processes(command, 6) == 1)
    let outcome = try command("runs", "remove", "last", "--end-leftovers")
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(!FileManager.default.fileExists(atPath: file))
    #expect(try processes(command, 6) == 0)
  }

  /// A copy of a result file has the id of its run, and so the mark of what that has running.
  @Test func aLiveRunsProcessesSurviveTheResumeOfACopy() throws {
    let command = try killed(3)
    let file = try #require(command.resultFile)
    let (copied, text) = try command.shell(
      "for f in '\(file)'*; do cp \"$f\" \"copy.lbsample${f#'\(file)'}\"; done; rm again begun up")
    #expect(copied == 0, "\(text)")
    let live = try command.start(
      ["run", "--config", "/dev/null", "--resume", "last", "--end-leftovers"])
    let begun = live.wait { FileManager.default.fileExists(atPath: command.folder.file("begun")) }
    #expect(begun, "\(live.error)")
    let (_, before) = try command.shell("pgrep -fx '\(Self.left(3))'")
    try command.folder.write("again", "")
    let outcome = try command.start([
      "run", "--config", "/dev/null", "--resume", command.folder.file("copy.lbsample"),
      "--end-leftovers",
    ]).finish()
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(!outcome.error.contains("ended the processes"), "\(outcome.error)")
    let (_, after) = try command.shell("pgrep -fx '\(Self.left(3))'")
    #expect(!before.isEmpty && after == before && live.process.isRunning)
    kill(live.process.processIdentifier, SIGKILL)
    _ = try live.finish()
    _ = try command.shell("pkill -KILL -fx '\(Self.left(3))'")
  }

  /// Anyone can give a process the mark of another's run.
  @Test(.enabled(if: geteuid() == 0, "another user takes root"))
  func aForgedMarkOfAnotherUserIsLeftAlone() throws {
    let command = try killed(4)
    let run = try RunReader(path: try #require(command.resultFile)).result().runID
    _ = try command.shell(
      """
      pkill -KILL -fx '\(Self.left(4))'
      for f in /proc/$$/fd/*; do f=${f##*/}; ((f > 2)) && exec {f}>&-; done
      ulimit -Sx \(ProcessMark(run: run).beside)
      setpriv --reuid=65534 --regid=65534 --clear-groups setsid \(Self.left(5)) &> /dev/null &
      until pgrep -fx '\(Self.left(5))'; do :; done
      """)
    let outcome = try resume(command, "--end-leftovers")
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(!outcome.error.contains(Self.left(5)), "\(outcome.error)")
    #expect(try processes(command, 5) == 1)
    _ = try command.shell("pkill -KILL -fx '\(Self.left(5))'")
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
