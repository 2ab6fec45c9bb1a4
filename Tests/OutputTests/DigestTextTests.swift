import Foundation
import RunAnalysis
import Runner
import Testing

@testable import Output
@testable import SampleModel

@Suite struct DigestTextTests {
  private static func phase(
    _ walls: [Double], contaminated: Set<Int> = [], metrics: [String: Double] = [:]
  ) -> PhaseResult {
    var phase = PhaseResult(name: "main", command: ["sort"])
    for (place, wall) in walls.enumerated() {
      var repetition = RepetitionResult(repetition: place + 1, warmUp: false)
      repetition.status = .completed
      var attempt = AttemptResult(attempt: 1)
      attempt.status = .completed
      attempt.exitCode = 0
      attempt.wallNanoseconds = UInt64(wall * 1e6)
      attempt.bracketNanoseconds = UInt64(wall * 1e6)
      attempt.userNanoseconds = UInt64(wall * 0.5e6)
      attempt.systemNanoseconds = UInt64(wall * 0.25e6)
      attempt.metrics = metrics
      if contaminated.contains(place + 1) {
        attempt.contamination = ["others used 44.0 % of a CPU on the workload's CPUs"]
      }
      repetition.attempts = [attempt]
      phase.repetitions.append(repetition)
    }
    phase.metrics = RunSummary.rows(of: phase) { _ in "" }
    return phase
  }

  private static func result(_ phases: [PhaseResult]) -> RunResult {
    var result = RunResult(runID: "sort-1", name: "sort", kind: "run", startUnixNanoseconds: 0)
    result.phases = phases
    result.host = ["hostname": "vm", "cpus": "2", "cpu_model": "EPYC", "kernel": "6.18"]
    return result
  }

  private static func lines(
    _ result: RunResult, all: Bool = false, digest: DigestDefinition? = .standard
  ) -> [String] {
    RunReport.text(result, all: all, name: "last", digest: digest).split(
      separator: "\n", omittingEmptySubsequences: false
    ).map(String.init)
  }

  @Test func amountsHaveTheUnitsThatPeopleUse() {
    for (value, unit, text) in [
      (43_200_000.0, "ns", "43.2 ms"), (20 * 1_048_576, "bytes", "20.0 MiB"),
      (1536, "bytes/s", "1.50 KiB/s"), (512, "bytes", "512 B"), (0.75, "1", "75.0 %"),
      (1.335, "1", "134 %"), (0.0012, "1", "0.12 %"), (0, "1", "0.00 %"), (12, "count", "12"),
      (5.25, "J", "5.25 J"), (-1024, "bytes", "-1.00 KiB"), (1.5, "ops", "1.50 ops"),
      (0.00007215, "1", "0.0072 %"), (0.0000123, "J", "0.000012 J"), (0.01, "J", "0.01 J"),
    ] {
      #expect(DigestText.value(value, unit) == text, "\(value) \(unit)")
    }
    for unit in ["ns", "bytes", "1", "J", "count"] {
      for value in [1e300, -1e300, .infinity, .nan] {
        #expect(!DigestText.value(value, unit).isEmpty)
      }
    }
  }

  /// Walls of 10 to 70 ms: the median and all rows of it by hand.
  @Test func theDigestStandsUnderItsGroups() throws {
    let metrics: [String: Double] = [
      "tree.majflt": 0, "tree.read_bytes": 3_145_728, "workload.ops": 0, "cpu.ctxt": 8,
    ]
    let lines = Self.lines(
      Self.result([Self.phase([10, 20, 30, 40, 50, 60, 70], metrics: metrics)]))
    #expect(lines.contains("host     vm, 2 CPUs (EPYC), Linux 6.18"))
    func cells(_ name: String) -> [String] {
      lines.first { $0.contains(name) }.map { line in
        line.components(separatedBy: "  ").map { $0.trimmingCharacters(in: .whitespaces) }
          .filter { !$0.isEmpty }
      } ?? []
    }
    #expect(
      cells("wall time") == ["time", "wall time", "40.0 ms", "10.0 ms … 70.0 ms", "20.0 ms"])
    #expect(cells("CPU time") == ["CPU", "CPU time", "30.0 ms", "7.50 ms … 52.5 ms", "15.0 ms"])
    #expect(cells("share used") == ["share used", "75.0 %", "75.0 % … 75.0 %", "0.00 %"])
    #expect(
      cells("read by the workload")
        == ["disk", "read by the workload", "3.00 MiB", "3.00 MiB … 3.00 MiB", "0 B"])
    // The workload's own stand first, and be they 0.
    let first = try #require(lines.firstIndex { $0.hasPrefix("workload  workload.ops") })
    #expect(first < lines.firstIndex { $0.hasPrefix("time ") } ?? 0)
    #expect(lines.contains("0 in every repetition: memory: major faults"), "\(lines)")
    #expect(!lines.contains { $0.contains("run-queue wait") }, "what is absent is left out")
    #expect(lines.contains { $0.hasSuffix("lbsample runs show last --all, or --metrics GLOB)") })
    #expect(!lines.contains { $0.hasPrefix("metric ") })
    #expect(
      Self.lines(Self.result([Self.phase([1])]), all: true).contains { $0.hasPrefix("metric ") })
  }

  @Test func fewRepetitionsHaveNoInterval() {
    let lines = Self.lines(Self.result([Self.phase([10, 20])]))
    #expect(lines.contains("the 95 % CI of a median needs at least 6 repetitions"))
  }

  @Test func ofSeveralPhasesTheWorkloadsOwnIsShown() {
    let metrics = ["tree.read_bytes": 5.0, "workload.ops": 7, "cpu.ctxt": 9]
    let lines = Self.lines(
      Self.result([Self.phase([10], metrics: metrics), Self.phase([20], metrics: metrics)]))
    #expect(lines.count { $0.contains("workload.ops") } == 2)
    #expect(lines.count { $0.contains("wall time") && $0.hasPrefix("time") } == 2)
    #expect(lines.count { $0.contains("read by the workload") } == 2)
    #expect(!lines.contains { $0.contains("whole host") })
  }

  @Test func fewRepetitionsStandInLinesWithTheirGates() throws {
    let lines = Self.lines(Self.result([Self.phase([10, 20, 30], contaminated: [2])]))
    let heading = try #require(lines.first { $0.hasPrefix("repetition ") })
    #expect(heading.hasSuffix("contaminated by"))
    #expect(lines.first { $0.hasPrefix("2 ") }?.hasSuffix("foreign_cpu") == true)
    #expect(lines.first { $0.hasPrefix("3 ") }?.hasSuffix("foreign_cpu") == false)
  }

  /// Of 1 to 20 ms: a quarter of 20 values is the fifth, three quarters the 15th, 95 % the 19th.
  @Test func manyRepetitionsStandAsTheirQuantiles() throws {
    var phase = Self.phase((1...20).map { Double($0) }, contaminated: [3, 20])
    phase.repetitions[6].status = .failed
    phase.repetitions[6].attempts[0].status = .failed
    phase.repetitions[6].attempts[0].exitCode = 3
    phase.repetitions.append(phase.repetitions[0])
    phase.repetitions[20].warmUp = true
    let lines = Self.lines(Self.result([phase]))
    #expect(lines.contains("19 of 20 repetitions completed, after 1 warm-up"))
    // Without the seventh: the fifth, the tenth, the 15th and the 19th of 19.
    let wall = try #require(lines.first { $0.hasPrefix("wall ") })
    #expect(
      wall.components(separatedBy: "  ").map { $0.trimmingCharacters(in: .whitespaces) }.filter {
        !$0.isEmpty
      } == ["wall", "1.00 ms", "5.00 ms", "11.0 ms", "16.0 ms", "20.0 ms", "20.0 ms"], "\(wall)")
    #expect(lines.contains("not completed: 7 (failed, exit code 3)"))
    #expect(lines.contains("contaminated: 3 (foreign_cpu), 20 (foreign_cpu)"))
    #expect(!lines.contains { $0.hasPrefix("repetition ") })
    #expect(Self.lines(Self.result([phase]), all: true).contains { $0.hasPrefix("repetition ") })
    #expect(RepetitionLines.quantile([1, 2, 3, 4], 0.25) == 1)
    #expect(RepetitionLines.quantile([1, 2, 3, 4], 0.95) == 4)
  }

  /// The reasons that gates give lead back to the gates.
  @Test func everyGatesReasonHasItsName() {
    var attempt = AttemptResult(attempt: 1)
    attempt.bracketNanoseconds = 1_000_000_000
    attempt.wallNanoseconds = 1_000_000_000
    (attempt.userNanoseconds, attempt.systemNanoseconds) = (0, 0)
    var thread = ThreadLedger(thread: 0, cpu: 0)
    thread.ticks.deadlines = 10
    thread.ticks.onTime = 5
    thread.ticks.skipped = 5
    thread.ring.dropped = 1
    attempt.ledger.threads = [thread]
    attempt.overhead = Overhead()
    attempt.metrics = [
      "perf.running[cycles]": 0.1, "packets.dropped_socket[eth0]": 5, "packets.received[eth0]": 10,
      "cpu.steal[all]": 5e8, "cpu.user[all]": 9e8, "cpu.idle[all]": 5e8, "cpu.idle[0]": 5e8,
      "frequency.core_throttle_count[0]": 1,
    ]
    var limits = GateLimits()
    limits.running = 0.5
    let found = RepetitionGates.findings(
      attempt, limits, workloadCPUs: nil, ownCPUNanoseconds: 900_000_000)
    #expect(Set(found.map(\.gate)) == RepetitionGates.names, "\(found.map(\.gate))")
    for one in found { #expect(GateNames.gate(of: one.message) == one.gate, "\(one.message)") }
    #expect(GateNames.gate(of: "something else") == "disturbed")
  }

  @Test func aStripHasAMarkForEachRepetition() throws {
    let result = Self.result([Self.phase([10, 10, 20, 30], contaminated: [4])])
    let strip = try #require(RepetitionStrip("wall_time", result))
    // 21 places for 10 to 30 ms; the median is 15 ms.
    let lines = strip.text(columns: 22).split(separator: "\n").map(String.init)
    #expect(lines[0] == "wall_time")
    #expect(lines[1] == "2·········o·········x", "\(lines)")
    #expect(lines[2] == "     | 15.0 ms")
    #expect(lines[3] == "10.0 ms       30.0 ms")
    #expect(lines[4] == "o one repetition, 2-9 as many, + more, x contaminated; | the median")
    let plain = strip.plain.split(separator: "\n")
    #expect(plain.count == 5 && plain[1] == "main\t1\t1\t10000000\tns\t")
    #expect(plain[4] == "main\t4\t1\t30000000\tns\tforeign_cpu")
    #expect(RepetitionStrip("nothing", result) == nil)
    let same = try #require(RepetitionStrip("wall_time", Self.result([Self.phase([5])])))
    #expect(same.text(columns: 0).contains("o"))
  }

  @Test func theTableOfMetricsHasAnOrder() {
    func row(_ name: String, _ unit: String, _ median: Double, _ spread: Double) -> MetricSummary {
      MetricSummary(
        metric: name, unit: unit, count: 1, median: median, minimum: 0, maximum: 9,
        medianAbsoluteDeviation: spread, medianLow: nil, medianHigh: nil)
    }
    let rows = [row("c", "ns", 4, 1), row("a", "ns", 8, 1), row("b", "bytes", 1, 1)]
    #expect(MetricOrder.name.sorted(rows).map(\.metric) == ["a", "b", "c"])
    #expect(MetricOrder.median.sorted(rows).map(\.metric) == ["b", "a", "c"])
    #expect(MetricOrder.spread.sorted(rows).map(\.metric) == ["b", "c", "a"])
  }

  @Test func programsGetNullWithItsReason() throws {
    let rows = DigestDocument.rows(Self.result([Self.phase([10, 20])]), .standard)
    let encoder = JSONEncoder()
    let json = try #require(
      try JSONSerialization.jsonObject(with: try encoder.encode(rows)) as? [[String: Any]])
    let wall = try #require(json.first { $0["key"] as? String == "wall_time" })
    #expect(wall["median"] as? Double == 15e6 && wall["spread"] as? Double == 5e6)
    #expect(wall["better"] as? String == "lower" && wall["n"] as? Int == 2)
    #expect(wall["interval"] is NSNull && wall["reason"] is NSNull)
    let energy = try #require(json.first { $0["key"] as? String == "energy" })
    #expect(energy["median"] is NSNull && energy["n"] as? Int == 0)
    #expect(energy["reason"] as? String == "not measured: power.energy[*.package*]")
    #expect(Set(energy.keys).count == 12 && Set(wall.keys) == Set(energy.keys))
  }
}
