import Foundation
import Glibc
import LinuxSystem
import TestSupport
import Testing

@Suite(.serialized) struct TreeCommandTests {
  /// The workloads of Tests/Workload, built beside the command.
  private static let workload = URL(fileURLWithPath: Command.path).deletingLastPathComponent()
    .appendingPathComponent("workload").path

  private struct Attempt: Decodable {
    let metrics: [String: Double]
    let userNanoseconds: Double
    let systemNanoseconds: Double
  }

  private func attempt(_ outcome: Command.Outcome) throws -> (Attempt, warnings: [String]) {
    let (attempts, warnings) = try attempts(outcome)
    return (try #require(attempts.first), warnings)
  }

  private func attempts(_ outcome: Command.Outcome) throws -> ([Attempt], warnings: [String]) {
    struct Result: Decodable {
      struct Phase: Decodable { let repetitions: [Repetition] }
      struct Repetition: Decodable { let attempts: [Attempt] }
      let phases: [Phase]
      let warnings: [String]
    }
    let result = try JSONDecoder().decode(Result.self, from: Data(outcome.output.utf8))
    return (result.phases.flatMap(\.repetitions).flatMap(\.attempts), result.warnings)
  }

  private func recordsArePermitted() -> Bool {
    do throws(SystemError) {
      _ = try ProcessConnector()
      _ = try ExitRecords(cpus: SmallFile.text("/sys/devices/system/cpu/possible") ?? "0")
      return true
    } catch {
      return false
    }
  }

  @Test func everyOneOfTwoThousandShortProcessesIsCounted() throws {
    guard recordsArePermitted() else {
      try Test.cancel("exit records are not permitted here")
    }
    let outcome = try Command()(
      "run", "--tree", "workload", "--cpu", "-r", "3", "--format", "json", "--", Self.workload,
      "forks",
      "2000", "1")
    #expect(outcome.code == 0, "\(outcome.error)")
    var deviations: [Double] = []
    for metrics in try attempts(outcome).0.map(\.metrics) {
      #expect(metrics["tree.forks"] == 2000)
      #expect(metrics["tree.exits"] == 2001, "the children and their parent")
      #expect(metrics["tree.events_lost"] == 0)
      let records = try #require(metrics["tree.sum_exec_runtime"])
      guard let clock = metrics["tree.task_clock"] else {
        try Test.cancel("perf's task-clock is not permitted here")
      }
      #expect(clock > 2e9, "2,000 of 1 ms each")
      // What the hypervisor took of the CPUs is in perf's clock and not in the records.
      let stolen = try #require(metrics["cpu.steal[all]"])
      deviations.append(max(records - clock, clock - records - stolen, 0) / clock)
    }
    #expect(deviations.count == 3)
    // A record is written before its process lets go of its memory. On a host that is busy with
    // other tests that part grows: the quietest repetition counts.
    #expect(try #require(deviations.min()) < 0.03, "\(deviations)")
  }

  /// A child that is read as a zombie is counted once when it has been reaped, by a parent that may
  /// have ended by then too; by root with exit records, by nobody without.
  @Test(arguments: [(20, 40, 1), (4, 25, 3), (500, 0, 1), (200, 0, 2)], [true, false])
  func aZombieIsCountedOnce(_ shape: (Int, Int, Int), privileged: Bool) throws {
    let (count, milliseconds, depth) = shape
    guard privileged || getuid() == 0 else {
      try Test.cancel("only root can give its privileges up")
    }
    let options = ["-r", "3", "--interval", "10ms", "--tree", "workload", "--format", "json"]
    let words = ["zombies", "\(count)", "\(milliseconds)", "\(depth)"]
    let root = try Command()
    let outcome =
      privileged
      ? try root.start(["run"] + options + ["--", Self.workload] + words).finish()
      : try root.unprivileged(
        ["run"] + options + ["--runs-dir", "@data", "--", "@workload"] + words,
        programs: ["workload": Self.workload])
    #expect(outcome.code == 0, "\(outcome.error)")
    let (attempts, warnings) = try attempts(outcome)
    #expect(attempts.count == 3)
    let hasEvents = !warnings.contains { $0.contains("fork events are not permitted") }
    for metrics in attempts.map(\.metrics) where hasEvents && metrics["tree.events_lost"] == 0 {
      #expect(metrics["tree.syscw"] == Double(3 * count * depth))
      #expect(metrics["tree.wchar"] == Double(300 * count * depth))
      #expect(metrics["tree.forks"] == Double(count * depth))
      #expect(metrics["tree.exits"] == Double(count * depth + 1))
    }
  }

  /// All within one interval, so that the events of both bearers of a pid wait together.
  @Test func aPidThatComesAgainIsAnotherProcess() throws {
    let isChoice = unsafe access("/proc/sys/kernel/ns_last_pid", W_OK) == 0
    guard recordsArePermitted(), isChoice else {
      try Test.cancel("exit records or the choice of pids are not permitted here")
    }
    let outcome = try Command()(
      "run", "--tree", "workload", "--interval", "10s", "--format", "json", "--", Self.workload,
      "reuse", "200")
    #expect(outcome.code == 0, "\(outcome.error)")
    let metrics = try attempt(outcome).0.metrics
    #expect(metrics["tree.forks"] == 400)
    #expect(metrics["tree.exits"] == 401, "the children and their parent")
    #expect(metrics["tree.events_lost"] == 0 && metrics["tree.processes_lost"] == 0)
  }

  @Test func withoutPrivilegeTheUnseenShareIsStated() throws {
    guard getuid() == 0 else {
      try Test.cancel("only root can give its privileges up")
    }
    let outcome = try Command().unprivileged(
      [
        "run", "--tree", "workload", "--format", "json", "--runs-dir", "@data", "--", "@workload",
        "forks", "200", "3",
      ], programs: ["workload": Self.workload])
    #expect(outcome.code == 0)
    let (attempt, warnings) = try attempt(outcome)
    #expect(warnings.contains { $0.contains("exit records are not permitted") })
    let seen = try #require(attempt.metrics["tree.sum_exec_runtime"])
    let unseen = try #require(attempt.metrics["tree.unseen_time"])
    let total = attempt.userNanoseconds + attempt.systemNanoseconds
    #expect(unseen > total / 2, "children of 3 ms are not seen at samples 100 ms apart")
    // Cumulative child times are shown in ticks of 10 ms.
    #expect(abs(seen + unseen - total) < total * 0.1 + 50e6)
  }

  /// Each of a chain of processes writes as often. A parent's /proc/PID/io has what the children
  /// had that it has waited for, and nothing of those that it ignored; exit records have KiB, and
  /// calls by 1,024.
  @Test(arguments: [
    (3, 777, 33, "wait", "20ms"), (5, 777, 33, "wait", "20ms"), (5, 777, 33, "wait", "10s"),
    (3, 2048, 1024, "ignore", "20ms"), (5, 2048, 1024, "ignore", "10s"),
    (5, 777, 33, "orphan", "20ms"), (5, 777, 33, "orphan", "10s"),
  ])
  func eachByteOfATreeIsCountedOnce(
    _ depth: Int, _ calls: Int, _ bytes: Int, _ mode: String, _ interval: String
  ) throws {
    guard recordsArePermitted() else {
      try Test.cancel("exit records are not permitted here")
    }
    let outcome = try Command()(
      "run", "--tree", "workload", "--interval", interval, "--format", "json", "-r", "2", "--",
      Self.workload, "chain", "\(depth)", "\(calls)", "\(bytes)", mode)
    #expect(outcome.code == 0, "\(outcome.error)")
    for metrics in try attempts(outcome).0.map(\.metrics) {
      #expect(metrics["tree.wchar"] == Double(depth * calls * bytes))
      #expect(metrics["tree.syscw"] == Double(depth * calls))
      #expect(metrics["tree.exits"] == Double(depth))
    }
  }

  /// What an unprivileged tree's parents have waited for is in their counts, seen or not.
  @Test func withoutPrivilegeEachByteIsCountedOnceToo() throws {
    guard getuid() == 0 else {
      try Test.cancel("only root can give its privileges up")
    }
    for interval in ["20ms", "10s"] {
      let outcome = try Command().unprivileged(
        [
          "run", "--tree", "workload", "--interval", interval, "--format", "json", "--runs-dir",
          "@data", "--", "@workload", "chain", "5", "777", "33", "wait",
        ], programs: ["workload": Self.workload])
      #expect(outcome.code == 0, "\(outcome.error)")
      let (attempt, _) = try attempt(outcome)
      #expect(attempt.metrics["tree.wchar"] == Double(5 * 777 * 33))
      #expect(attempt.metrics["tree.syscw"] == Double(5 * 777))
    }
  }

  /// Two thirds of the time are children's that live for less than a tick.
  @Test func theTimesOfShortChildrenAreInTheTreesTimes() throws {
    let outcome = try Command()(
      "run", "--tree", "workload", "--format", "json", "--", Self.workload, "forks", "100", "3")
    #expect(outcome.code == 0, "\(outcome.error)")
    let (attempt, _) = try attempt(outcome)
    let tree = try #require(attempt.metrics["tree.utime"])
    let system = try #require(attempt.metrics["tree.stime"])
    let used = attempt.userNanoseconds + attempt.systemNanoseconds
    // In ticks of 10 ms, own and children's each, user and system.
    #expect(abs(tree + system - used) <= 50e6, "\(tree) + \(system) of \(used)")
  }

  @Test func aRunFollowsItsWorkloadByDefault() throws {
    let command = try Command()
    let outcome = try command(
      "run", "--format", "json", "-r", "2", "--", "sh", "-c", "sleep 0.1; sleep 0.1")
    #expect(outcome.code == 0, "\(outcome.error)")
    let metrics = try attempt(outcome).0.metrics
    #expect(try #require(metrics["tree.forks"]) >= 1)
    let rows = try command("export", "last", "--format", "ndjson").objects()
      .filter { $0["type"] as? String == "records" }
      .flatMap { $0["rows"] as? [[String: Any]] ?? [] }
    let names = Set(rows.compactMap { $0["comm"] as? String })
    #expect(names.contains("sh") && names.contains("sleep"), "\(names)")
  }

  @Test func theBusiestStandBelowTheRow() throws {
    let outcome = try Command()(
      "--top", "3", "--top-by", "memory", "-i", "100ms", "-c", "1",
      "--top-interval", "100ms")
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(outcome.lines.contains { $0.contains("pid  cpu %") })
    #expect(outcome.lines.filter { $0.contains(".") && $0.contains("-") }.count >= 2)
  }

  @Test(arguments: [
    (["--tree", "0"], "--tree 0"), (["--tree", "workload"], "only valid with 'lbsample run'"),
    (["--footprint"], "--footprint requires --process PID or --tree PID"),
    (["-p", "abc"], "--process abc"), (["--top", "0"], "--top 0"),
    (["--top", "3", "--top-by", "luck"], "cpu, memory or io"),
  ])
  func badTargetsAreUsageErrors(_ arguments: [String], _ words: String) throws {
    let command = try Command()
    let outcome = try command.start(arguments + ["-c", "1"]).finish()
    #expect(outcome.code == 2)
    #expect(outcome.error.contains(words), "\(outcome.error)")
  }

  @Test func aProcessThatIsNotThereIsUnavailable() throws {
    let outcome = try Command()("--process", "1073741823", "-c", "1")
    #expect(outcome.code == 3)
    #expect(outcome.error.contains("process 1073741823: no such process"))
  }

  @Test func aScopeHoldsTheWorkloadAndWhatItLeaves() throws {
    let command = try Command()
    let outcome = try command(
      "run", "--cgroup-scope", "--cpu", "--format", "json", "--", "sh", "-c",
      "setsid sleep 60 & exec \(Self.workload) forks 1 50")
    guard outcome.code != 2 else {
      #expect(outcome.error.contains("no control group can be made"))
      try Test.cancel("no control group can be made here")
    }
    #expect(outcome.code == 0, "\(outcome.error)")
    let (attempt, warnings) = try attempt(outcome)
    let used = try #require(attempt.metrics["cgroup.cpu.stat.usage_usec[scope]"])
    let total = attempt.userNanoseconds + attempt.systemNanoseconds
    #expect(used > 50e6 && abs(used - total) < 20e6, "\(used) by the group, \(total) by wait4")
    #expect(warnings.contains { $0.contains("outlived it and were killed") })
    let left = SmallFile.text("/proc/self/mountinfo").map { text in
      text.split(separator: "\n").filter { $0.contains(" - cgroup") }
        .compactMap { $0.split(separator: " ").dropFirst(4).first.map(String.init) }
        .flatMap { directoryEntries($0) }.filter { $0.hasPrefix("lbsample-sh-") }
    }
    #expect(left?.isEmpty ?? true, "the group is gone with its run")
  }

  @Test func aHiddenProcessIsDeniedNotAbsent() throws {
    guard getuid() == 0 else {
      try Test.cancel("only root can mount a /proc that hides")
    }
    let command = try Command()
    _ = unsafe chmod(command.folder.path, 0o755)
    let copy = command.folder.file("lbsample")
    try Command.copy(Command.path, to: copy)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/unshare")
    let script = """
      mount -t proc -o hidepid=2 proc /proc || exit 77
      exec setpriv --reuid=65534 --regid=65534 --clear-groups "$0" --process 1 --cpu -c 1 -i 10ms
      """
    process.arguments = ["--mount", "sh", "-c", script, copy]
    process.environment = ["PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/"]
    let errors = Foundation.Pipe()
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus != 77 else {
      try Test.cancel("a /proc that hides cannot be mounted here: \(said)")
    }
    #expect(process.terminationStatus == 3, "\(said)")
    #expect(said.contains("hides it (hidepid)"), "\(said)")
  }
}
