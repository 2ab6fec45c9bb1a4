import Foundation
import Glibc
import LinuxSystem
import PerfEvents
import TestSupport
import Testing

/// Performance events of workloads whose counts are known.
@Suite(.serialized) struct PerfCommandTests {
  private static let workload = URL(fileURLWithPath: Command.path).deletingLastPathComponent()
    .appendingPathComponent("workload").path
  private static let calls = "syscalls:sys_enter_getppid"

  private struct Result: Decodable {
    struct Phase: Decodable { let repetitions: [Repetition] }
    struct Repetition: Decodable { let attempts: [Attempt] }
    struct Attempt: Decodable { let metrics: [String: Double] }
    let phases: [Phase]
    let warnings: [String]
    var metrics: [[String: Double]] {
      phases.flatMap(\.repetitions).flatMap(\.attempts).map(\.metrics)
    }
  }

  private func result(_ outcome: Command.Outcome) throws -> Result {
    #expect(outcome.code == 0, "\(outcome.error)")
    return try JSONDecoder().decode(Result.self, from: Data(outcome.output.utf8))
  }

  private func tracepointsArePermitted() -> Bool {
    let sources = EventSources(MountRoots())
    let isThere = sources.tracepoint(Self.calls) != nil
    return isThere && getuid() == 0
  }

  @Test func aLoopOfKnownCallsIsCountedExactly() throws {
    guard tracepointsArePermitted() else { try Test.cancel("tracepoints are not to be had here") }
    let result = try result(
      try Command()(
        "run", "--perf", "\(Self.calls),task-clock", "-r", "3", "--format", "json", "--",
        Self.workload, "calls", "20000"))
    #expect(result.metrics.map { $0["perf.\(Self.calls)"] } == [20000, 20000, 20000])
    for metrics in result.metrics {
      #expect(metrics["perf.time_enabled[\(Self.calls)]"] ?? 0 > 0)
      #expect(
        metrics["perf.time_enabled[\(Self.calls)]"] == metrics["perf.time_running[\(Self.calls)]"])
    }
  }

  /// Forks, which inherit: every child's calls and its clock. The tree's own clock is another
  /// counter over the same time.
  @Test func descendantsAreCountedWithTheirParent() throws {
    guard tracepointsArePermitted() else { try Test.cancel("tracepoints are not to be had here") }
    let script = "\(Self.workload) calls 1000; (\(Self.workload) calls 500 & wait)"
    let result = try result(
      try Command()(
        "run", "--perf", "task-clock,\(Self.calls)", "--tree", "workload", "--format", "json",
        "--", "/bin/sh", "-c", script))
    let metrics = try #require(result.metrics.first)
    // A shell may ask for its parent itself.
    let counted = try #require(metrics["perf.\(Self.calls)"])
    #expect(counted >= 1500 && counted < 1520)
    let (ours, theirs) = (metrics["perf.task-clock"] ?? 0, metrics["tree.task_clock"] ?? -1)
    #expect(ours > 0 && abs(ours / theirs - 1) < 0.005, "\(ours) \(theirs)")
  }

  @Test func everyCPUAndTheirSum() throws {
    let outcome = try Command()(
      "--perf", "cpu-clock", "--interval", "100ms", "--count", "3", "--raw", "--format", "ndjson")
    guard outcome.code == 0 else {
      #expect(outcome.code == 3 && outcome.error.contains("perf_event_paranoid"))
      try Test.cancel("counting whole CPUs is not permitted here")
    }
    let samples = try outcome.objects().filter { $0["type"] as? String == "sample" }
    let first = try #require(samples.first)
    let last = try #require(samples.last)
    func value(_ sample: [String: Any], _ name: String) throws -> Double {
      try #require((sample["values"] as? [String: Double])?["perf.\(name)"])
    }
    let elapsed =
      try #require(last["elapsed_ns"] as? Double) - (try #require(first["elapsed_ns"] as? Double))
    let cpus = CPUSet(list: SmallFile.text("/sys/devices/system/cpu/online") ?? "0")?.members ?? []
    var sum = 0.0
    for cpu in cpus {
      let grown = try value(last, "cpu-clock[\(cpu)]") - (try value(first, "cpu-clock[\(cpu)]"))
      #expect(abs(grown / elapsed - 1) < 0.05, "cpu \(cpu): \(grown) of \(elapsed) ns")
      sum += try value(last, "cpu-clock[\(cpu)]")
    }
    #expect(try value(last, "cpu-clock[all]") == sum)
  }

  /// A shell that runs already, and what it starts later.
  @Test func aProcessThatRunsAlreadyIsCountedWithWhatItMakes() throws {
    guard tracepointsArePermitted() else { try Test.cancel("tracepoints are not to be had here") }
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    let calls = "\(Self.workload) calls"
    shell.arguments = ["-c", "read go; \(calls) 1000; (\(calls) 500 & wait); read go"]
    let input = Foundation.Pipe()
    shell.standardInput = input
    try shell.run()
    let command = try Command()
    let running = try command.start([
      "--perf", "\(Self.calls),task-clock", "-p", "\(shell.processIdentifier)", "--raw",
      "--interval", "20ms", "--format", "ndjson",
    ])
    func counted(_ text: String) -> Double? {
      let line = text.split(separator: "\n").last {
        $0.hasPrefix(#"{"type":"sample","collector":"perf""#) && $0.hasSuffix("}")
      }
      let object = line.flatMap {
        try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
      }
      return (object?["values"] as? [String: Double])?["perf.\(Self.calls)"]
    }
    #expect(running.wait { counted(running.output) != nil })
    input.fileHandleForWriting.write(Data("go\n".utf8))
    #expect(running.wait { counted(running.output) ?? 0 >= 1500 })
    running.process.interrupt()
    let outcome = try running.finish()
    input.fileHandleForWriting.write(Data("go\n".utf8))
    shell.waitUntilExit()
    #expect(outcome.code == 0, "\(outcome.error)")
    // A shell may ask for its parent itself.
    let total = try #require(counted(outcome.output))
    #expect(total >= 1500 && total < 1520)
  }

  /// More breakpoints than a processor has registers: some are refused, all else is counted.
  @Test func moreBreakpointsThanThereAreLeaveTheOthersTheirs() throws {
    let events = (0..<12).map { "mem:0x\(String(0x1000 + $0 * 8, radix: 16))/8:w:u" }
    let result = try result(
      try Command()(
        "run", "--perf", (events + ["page-faults"]).joined(separator: ","), "--format", "json",
        "--", "/bin/true"))
    let metrics = try #require(result.metrics.first)
    #expect(metrics["perf.page-faults"] ?? metrics["perf.page-faults:u"] ?? 0 > 0)
    #expect(
      result.warnings.contains { $0.contains("mem:0x1058/8:w:u") && $0.contains("refused") }
        || result.warnings.contains { $0.contains("mem:0x1058/8:w:u: not supported") })
  }

  @Test func whatIsCountedOfAProcessIsNotCountedOfCPUs() throws {
    let outcome = try Command()("--perf", "cs", "-p", "1", "-C", "0", "--count", "1")
    #expect(outcome.code == 2 && outcome.error.contains("remove one of them"), "\(outcome.error)")
  }

  @Test func aChosenCountBringsItsTimes() throws {
    let outcome = try Command()(
      "run", "--perf", "page-faults,task-clock", "--only", "perf.page-faults", "--format", "json",
      "--", "/bin/true")
    let metrics = try #require(try result(outcome).metrics.first)
    #expect(
      Set(metrics.keys.filter { $0.hasPrefix("perf.") }) == [
        "perf.page-faults", "perf.time_enabled[page-faults]", "perf.time_running[page-faults]",
      ])
    #expect(metrics["perf.page-faults"] ?? 0 > 0)
  }

  @Test(arguments: [
    ("cycels", "did you mean cycles"), ("page-fault", "did you mean page-faults"),
    ("{a", "no closing }"),
    ("task-clock:q", "q is no modifier"),
  ]) func whatIsNoEventIsAUsageError(_ name: String, _ words: String) throws {
    let outcome = try Command()("--perf", name, "--count", "1")
    #expect(outcome.code == 2)
    #expect(outcome.error.contains(words), "\(outcome.error)")
  }

  @Test func anEventThatIsNotHereIsANoteAndNeverAZero() throws {
    guard EventSources(MountRoots()).type("cpu") == nil else {
      try Test.cancel("this host has a PMU")
    }
    let result = try result(
      try Command()("run", "--perf", "basic", "--format", "json", "--", "/bin/true"))
    let metrics = try #require(result.metrics.first)
    #expect(metrics["perf.cycles"] == nil && metrics["perf.page-faults"] ?? 0 > 0)
    #expect(
      result.warnings.contains {
        $0.contains("perf: cycles, instructions, branches, branch-misses, ref-cycles: not")
      })
    // What stands in has its own name; an event that has no stand-in leaves nothing.
    let cycles = try self.result(
      try Command()("run", "--perf", "cycles", "--format", "json", "--", "/bin/true"))
    #expect(cycles.metrics.first?["perf.task-clock"] ?? 0 > 0)
    #expect(cycles.warnings.contains { $0.contains("task-clock is counted instead of cycles") })
    let alone = try Command()("run", "--perf", "branches", "--", "/bin/true")
    #expect(alone.code == 3 && alone.error.contains("no event can be counted"), "\(alone.error)")
    let strict = try Command()(
      "run", "--perf", "cs,branches", "--require", "perf", "--", "/bin/true")
    #expect(strict.code == 3 && strict.error.contains("branches: not supported"), "\(strict.error)")
  }

  /// At perf_event_paranoid 2 the kernel's part is denied: said, and never a silent zero.
  @Test func withoutPrivilegeTheKernelsPartIsDenied() throws {
    let paranoid = SmallFile.text("/proc/sys/kernel/perf_event_paranoid").flatMap { Int($0) } ?? 0
    guard getuid() == 0, paranoid >= 2 else {
      try Test.cancel("needs root to give up and perf_event_paranoid of 2 or more")
    }
    let outcome = try Command().unprivileged([
      "run", "--perf", "context-switches,page-faults", "--format", "json", "--runs-dir", "@data",
      "--", "/bin/true",
    ])
    if paranoid >= 3, outcome.code == 3 {
      try Test.cancel("perf_event_paranoid \(paranoid) permits nothing")
    }
    let result = try result(outcome)
    let metrics = try #require(result.metrics.first)
    #expect(metrics["perf.context-switches"] == nil && metrics["perf.context-switches:u"] == nil)
    #expect(metrics["perf.page-faults"] == nil && metrics["perf.page-faults:u"] ?? 0 > 0)
    #expect(result.warnings.contains { $0.contains("context-switches: denied") })
    #expect(result.warnings.contains { $0.contains("counted in user space, as page-faults:u") })
  }
}
