import Foundation
import Glibc
import LinuxSystem
import PerfEvents
import TestSupport
import Testing

/// What events are counted of: threads, control groups, processes beside a workload.
@Suite(.serialized) struct PerfScopeTests {
  private static let workload = URL(fileURLWithPath: Command.path).deletingLastPathComponent()
    .appendingPathComponent("workload").path
  private static let calls = "syscalls:sys_enter_getppid"

  private func tracepointsArePermitted() -> Bool {
    let isThere = EventSources(MountRoots()).tracepoint(Self.calls) != nil
    return isThere && getuid() == 0
  }

  private func metrics(_ outcome: Command.Outcome) throws -> [String: Double] {
    #expect(outcome.code == 0, "\(outcome.error)")
    let result = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let rows = try #require(result["metrics"] as? [[String: Any]])
    return rows.reduce(into: [:]) {
      if let name = $1["metric"] as? String { $0[name] = $1["median"] as? Double }
    }
  }

  /// Children that come and go between two samples have no records; the sums have them.
  @Test func theSumsOverThreadsAreWhole() throws {
    guard tracepointsArePermitted() else { try Test.cancel("tracepoints are not to be had here") }
    let outcome = try Command()(
      "run", "--perf", "task-clock,page-faults", "--per-thread", "--interval", "50ms", "--format",
      "json", "--", Self.workload, "forks", "300", "1")
    let metrics = try metrics(outcome)
    #expect(metrics["perf.task-clock"] ?? 0 >= 300e6)
  }

  /// A group loses a member at each child's end, and cannot be read meanwhile.
  @Test func aForkingWorkloadHasItsCountsInEveryRepetition() throws {
    let outcome = try Command()(
      "run", "--perf", "task-clock,page-faults", "--interval", "1ms", "-r", "60", "--format",
      "json", "--", "/bin/sh", "-c",
      "for k in 1 2; do (while :; do /bin/true; done) & done; /bin/sleep 0.02")
    guard outcome.code == 0 else {
      #expect(outcome.code == 3, "\(outcome.error)")
      try Test.cancel("events are not permitted here")
    }
    let result = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let rows = try #require(result["metrics"] as? [[String: Any]])
    let row = try #require(rows.first { $0["metric"] as? String == "perf.task-clock" })
    #expect(row["count"] as? Int == 60)
  }

  @Test(arguments: [["-a"], ["-C", "0"], ["-p", "1"], ["--per-thread"], ["-G", "/"]])
  func turnsAreTakenByAWorkloadAlone(_ options: [String]) throws {
    let command = try Command()
    let outcome = try command.start(
      ["run", "--perf", "cs", "--perf-rotate"] + options + ["--", "/bin/true"]
    ).finish()
    #expect(outcome.code == 2 && outcome.error.contains("at each repetition of a workload"))
  }

  /// Each thread's own calls, of threads that were found before they made any.
  @Test func threadsAreCountedEachOnItsOwn() throws {
    guard tracepointsArePermitted() else { try Test.cancel("tracepoints are not to be had here") }
    let folder = try TemporaryFolder()
    let outcome = try Command()(
      "run", "--perf", Self.calls, "--per-thread", "--interval", "10ms", "--format", "json",
      "--runs-dir", folder.path, "--", Self.workload, "threads", "3")
    #expect(try metrics(outcome)["perf.\(Self.calls)"] == 6000)
    let export = try Command()("export", "last", "--runs-dir", folder.path, "--format", "ndjson")
    var last: [Int: [String: Any]] = [:]
    for object in try export.objects() where object["type"] as? String == "records" {
      for row in object["rows"] as? [[String: Any]] ?? [] {
        last[try #require(row["tid"] as? Int)] = row
      }
    }
    let counted = last.values.compactMap { $0[Self.calls] as? Int }.sorted()
    #expect(counted == [0, 1000, 2000, 3000], "\(last)")
    #expect(last.values.allSatisfy { ($0["comm"] as? String)?.hasPrefix("workload") == true })
  }

  @Test func aControlGroupIsCountedWhereverItsTasksRun() throws {
    let name = "lbsample-test-\(getpid())"
    let root = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].first {
      FileManager.default.fileExists(atPath: "\($0)/cgroup.controllers")
    }
    guard tracepointsArePermitted(), let root, unsafe mkdir("\(root)/\(name)", 0o755) == 0 else {
      try Test.cancel("no control group can be made here")
    }
    defer { unsafe rmdir("\(root)/\(name)") }
    let script =
      "\(Self.workload) calls 700; echo $$ > \(root)/\(name)/cgroup.procs; "
      + "exec \(Self.workload) calls 20000"
    let outcome = try Command()(
      "run", "--perf", "\(Self.calls),task-clock", "-G", "/\(name)", "--format", "json", "--",
      "/bin/sh", "-c", script)
    let metrics = try metrics(outcome)
    #expect(metrics["perf.\(Self.calls)[/\(name)]"] == 20000, "and not what came before")
    #expect(metrics["perf.task-clock[/\(name)]"] ?? 0 > 0)
  }

  @Test(arguments: [
    (["-G", "/no-such-group"], "there is no such control group"),
    (["-G", "/", "-a"], "remove -a"), (["--per-thread"], "not of CPUs"),
    (["--per-thread", "-p", "1", "-G", "/"], "remove -a and -p"),
    (["--perf-rotate"], "use it with run"),
  ]) func whatDoesNotGoTogetherIsAUsageError(_ options: [String], _ words: String) throws {
    let command = try Command()
    let outcome = try command.start(["--perf", "cs", "--count", "1"] + options).finish()
    #expect(outcome.code == 2 && outcome.error.contains(words), "\(outcome.error)")
  }

  @Test func scopesWithoutEventsAreUsageErrors() throws {
    let command = try Command()
    for option in [["-a"], ["-C", "0"], ["-G", "/"], ["--perf-rotate"]] {
      let outcome = try command.start(["--cpu", "--count", "1"] + option).finish()
      #expect(outcome.code == 2 && outcome.error.contains("needs --perf EVENTS"))
    }
  }
}
