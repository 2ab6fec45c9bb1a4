import Foundation
import Glibc
import LinuxSystem
import TestSupport
import Testing

/// How the command starts its workloads.
@Suite(.serialized) struct StartCommandTests {
  private func attempts(_ outcome: Command.Outcome) throws -> [[String: Any]] {
    let result = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let phases = try #require(result["phases"] as? [[String: Any]])
    let repetitions = phases.flatMap { $0["repetitions"] as? [[String: Any]] ?? [] }
    return repetitions.flatMap { $0["attempts"] as? [[String: Any]] ?? [] }
  }

  private func children(of process: Int32) -> [Int32: String] {
    var found: [Int32: String] = [:]
    for child in Descendants.children(of: "\(process)") {
      found[child] = SmallFile.text("/proc/\(child)/comm")
    }
    return found
  }

  /// What the workload used is not hidden by what sampling holds: here some 50 MB.
  @Test func thePeakOfMemoryIsTheWorkloadsOwn() throws {
    let outcome = try Command()(
      "run", "-r", "3", "--all", "--top", "5", "-i", "1ms", "--format", "json", "--", "dd",
      "if=/dev/zero", "of=/dev/null", "bs=8M", "count=1")
    #expect(outcome.code == 0, "\(outcome.error)")
    for attempt in try attempts(outcome) {
      let peak = try #require(attempt["peakResidentBytes"] as? Int)
      #expect((8 << 20...16 << 20).contains(peak), "\(peak)")
    }
  }

  /// What a process begins with here is small, and not taken for the workload's own.
  @Test func aSmallProgramHasNoPeakOfOurs() throws {
    let outcome = try Command()("run", "-r", "3", "--cpu", "--format", "json", "--", "/bin/true")
    #expect(outcome.code == 0, "\(outcome.error)")
    for attempt in try attempts(outcome) {
      let peak = attempt["peakResidentBytes"] as? Int ?? 0
      #expect(peak < 4 << 20, "\(peak)")
    }
  }

  /// With what this process has open and does not close on exec out of the way.
  @Test func aWorkloadHasThreeDescriptors() throws {
    let command = try Command()
    let script = """
      for fd in /proc/$$/fd/*; do n=${fd##*/}; [ $n -gt 2 ] && eval "exec $n<&-"; done
      exec "$0" run -r 2 --all --tree workload --show-output -- ls /proc/self/fd
      """
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-c", script, Command.path]
    process.environment = command.environment
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    let shown = try command("runs", "show", "last", "--show-output")
    // ls has the folder open that it lists.
    #expect(shown.lines.compactMap { Int($0) } == [0, 1, 2, 3, 0, 1, 2, 3], "\(shown.output)")
  }

  @Test func aKilledCommandLeavesNobodyBehind() throws {
    let command = try Command()
    let running = try command.start(["run", "--cpu", "--", "sleep", "100"])
    let pid = running.process.processIdentifier
    #expect(running.wait { children(of: pid).values.contains("sleep") })
    let present = children(of: pid)
    #expect(Set(present.values) == ["lbsample-start", "sleep"])
    kill(pid, SIGKILL)
    _ = try running.finish()
    let limit = Clock.monotonic() + 5_000_000_000
    while present.keys.contains(where: { kill($0, 0) == 0 && !isZombie($0) }),
      Clock.monotonic() < limit
    {
      _ = Poll.wait(readable: [], until: Clock.monotonic() + 1_000_000)
    }
    #expect(!present.keys.contains { kill($0, 0) == 0 && !isZombie($0) })
  }

  private func isZombie(_ process: Int32) -> Bool {
    SmallFile.text("/proc/\(process)/stat")?.contains(") Z ") != false
  }

  /// Neither to be killed as what a workload left, nor to be counted as part of it.
  @Test func theStarterIsNoOrphan() throws {
    let outcome = try Command()(
      "run", "-r", "3", "--tree", "workload", "--format", "json", "--", "/bin/true")
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(try attempts(outcome).count == 3)
    #expect(!outcome.output.contains("outlived") && !outcome.output.contains("were forked by"))
  }

  @Test func anEmptyProgramsTimeStandsInTheResult() throws {
    let command = try Command()
    let outcome = try command("run", "--label", "who=me", "--", "/bin/true")
    #expect(outcome.code == 0, "\(outcome.error)")
    let shown = try command("runs", "show", "last")
    for text in [outcome.output, shown.output] {
      let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("start  ") })
      #expect(line.contains(" µs wall time and "), "\(line)")
      #expect(text.contains("label    who=me"))
    }
    let json = try command("runs", "show", "last", "--format", "json")
    let result = try #require(
      try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    let labels = try #require(result["labels"] as? [String: String])
    #expect(Set(labels.keys) == ["who", "start.wall_time", "start.cpu_time"])
  }
}
