import Foundation
import SampleModel
import TestSupport
import Testing

@testable import RunAnalysis

/// A run of one phase whose repetitions are made up: a second each, of which half is CPU time.
struct MadeRun {
  var walls: [Double] = [1e9, 1e9, 1e9]
  var cpu = 0.5
  var host = ["cpus_online": "0-1", "cpus_allowed": "0-1"]
  var metrics: [String: Double] = [:]
  var contaminated: Set<Int> = []
  var unavailable: [StreamMeta.Unavailable] = []
  var configuration: [ConfigurationEntry] = []

  var result: RunResult {
    var phase = PhaseResult(name: "main", command: ["work"])
    for (place, wall) in walls.enumerated() {
      var attempt = AttemptResult(attempt: 1)
      attempt.bracket = UInt32(place + 1)
      attempt.status = .completed
      attempt.wallNanoseconds = UInt64(wall)
      attempt.bracketNanoseconds = UInt64(wall)
      attempt.userNanoseconds = UInt64(wall * cpu)
      attempt.systemNanoseconds = 0
      attempt.metrics = metrics
      if contaminated.contains(place + 1) {
        attempt.contamination = ["steal 4 %"]
        // What is contaminated must not be looked at.
        attempt.metrics = metrics.mapValues { 1000 * $0 }
      }
      var repetition = RepetitionResult(repetition: place + 1, warmUp: false)
      repetition.status = .completed
      repetition.attempts = [attempt]
      phase.repetitions.append(repetition)
    }
    phase.metrics = RunSummary.rows(of: phase) { _ in "" }
    if !contaminated.isEmpty {
      phase.cleanMetrics = RunSummary.rows(of: phase, clean: true) { _ in "" }
    }
    var run = RunResult(runID: "r", name: "r", kind: "run", startUnixNanoseconds: 1)
    run.phases = [phase]
    run.host = host
    run.unavailable = unavailable
    run.configuration = configuration
    return run
  }

  var findings: PhaseFindings { RunFindings(result)["main"] }
  var ids: [String] { findings.findings.map(\.id) }
}

/// One rule, what makes it fire and what is just not enough.
struct MadeCase: CustomTestStringConvertible {
  let id: String
  let fires: [String: Double]
  let misses: [String: Double]
  let cpu: (fires: Double, misses: Double)

  init(
    _ id: String, _ fires: [String: Double], _ misses: [String: Double],
    cpu: (fires: Double, misses: Double) = (0.5, 0.5)
  ) {
    self.id = id
    self.fires = fires
    self.misses = misses
    self.cpu = cpu
  }

  var testDescription: String { "\(id) \(fires)" }

  private static func disk(_ more: [String: Double]) -> [String: Double] {
    ["disk.read_sectors[vda]": 0, "disk.write_sectors[vda]": 4096].merging(more) { $1 }
  }

  private static func waits(_ more: [String: Double]) -> [String: Double] {
    [
      "pressure.io.some.total": 0, "pressure.memory.some.total": 0, "pressure.cpu.some.total": 0,
      "net.rx_packets[lo]": 49, "net.tx_packets[lo]": 50,
    ].merging(more) { $1 }
  }

  private static func busy(_ share: Double) -> [String: Double] {
    // 0.5 s are the workload's; three ticks times the root of two CPUs are tolerated.
    [
      "cpu.user[all]": 0.5e9 + share * 1e9 + 30e6 * 2.0.squareRoot(), "cpu.system[all]": 0,
      "cpu.nice[all]": 0, "cpu.irq[all]": 0, "cpu.softirq[all]": 0,
    ]
  }

  static let all = [
    MadeCase("one-cpu", [:], [:], cpu: (0.9, 0.89)),
    MadeCase("one-cpu", [:], [:], cpu: (1.05, 1.06)),
    MadeCase(
      "disk-wait", disk(["pressure.io.some.total": 0.2e9]),
      disk(["pressure.io.some.total": 0.199e9])),
    MadeCase(
      "disk-wait", disk(["pressure.io.some.total": 0.9e9]),
      disk(["pressure.io.some.total": 0.9e9]), cpu: (0.79, 0.8)),
    MadeCase(
      "disk-wait", disk(["pressure.io.some.total": 0.9e9]),
      disk(["pressure.io.some.total": 0.9e9, "disk.write_sectors[vda]": 0])),
    MadeCase(
      "disk-wait", disk(["cpu.iowait[all]": 0.2e9]), disk(["cpu.iowait[all]": 0.199e9])),
    // Pressure knows better.
    MadeCase(
      "disk-wait", disk(["cpu.iowait[all]": 0.9e9]),
      disk(["cpu.iowait[all]": 0.9e9, "pressure.io.some.total": 0])),
    MadeCase("unexplained-wall", waits([:]), waits([:]), cpu: (0.5, 0.501)),
    MadeCase(
      "unexplained-wall", waits([:]), waits(["net.rx_packets[lo]": 50]), cpu: (0.1, 0.1)),
    MadeCase(
      "unexplained-wall", waits(["pressure.io.some.total": 0.049e9]),
      waits(["pressure.io.some.total": 0.05e9]), cpu: (0.1, 0.1)),
    MadeCase(
      "unexplained-wall", waits(["pressure.cpu.some.total": 0.199e9]),
      waits(["pressure.cpu.some.total": 0.2e9]), cpu: (0.1, 0.1)),
    MadeCase(
      "unexplained-wall",
      ["disk.io_ticks[vda]": 0.049e9, "net.rx_packets[lo]": 0, "net.tx_packets[lo]": 0],
      ["disk.io_ticks[vda]": 0.05e9, "net.rx_packets[lo]": 0, "net.tx_packets[lo]": 0],
      cpu: (0.1, 0.1)),
    MadeCase(
      "memory-pressure", ["vm.pswpin": 60, "vm.pswpout": 40], ["vm.pswpin": 60, "vm.pswpout": 39]),
    MadeCase(
      "memory-pressure", ["pressure.memory.some.total": 0.05e9],
      ["pressure.memory.some.total": 0.0499e9]),
    MadeCase("memory-pressure", ["tree.majflt": 100], ["tree.majflt": 99]),
    MadeCase("others-on-cpus", busy(0.101), busy(0.099)),
    MadeCase(
      "run-queue", ["scheduler.run_delay[0]": 0.3e9, "scheduler.run_delay[1]": 0.2e9],
      ["scheduler.run_delay[0]": 0.3e9, "scheduler.run_delay[1]": 0.199e9]),
    MadeCase("run-queue", ["cpu.procs_running": 3.5], ["cpu.procs_running": 3.4]),
    MadeCase(
      "cgroup-throttled",
      [
        "cgroup.cpu.stat.nr_throttled[/a]": 5, "cgroup.cpu.stat.nr_periods[/a]": 100,
        "cgroup.cpu.stat.throttled_usec[/a]": 1e8,
      ],
      [
        "cgroup.cpu.stat.nr_throttled[/a]": 4.9, "cgroup.cpu.stat.nr_periods[/a]": 100,
        "cgroup.cpu.stat.throttled_usec[/a]": 1e8,
      ]),
    MadeCase(
      "remote-memory", ["numa.other_node[node0]": 1000, "numa.local_node[node0]": 9000],
      ["numa.other_node[node0]": 1000, "numa.local_node[node0]": 9001]),
    MadeCase(
      "remote-memory", ["numa.other_node[node0]": 1000, "numa.local_node[node0]": 0],
      ["numa.other_node[node0]": 999, "numa.local_node[node0]": 0]),
    MadeCase(
      "remote-memory", ["numa.numa_miss[node0]": 1000, "numa.numa_hit[node0]": 9000],
      ["numa.numa_miss[node0]": 1000, "numa.numa_hit[node0]": 9001]),
    MadeCase(
      "packet-drops", ["packets.dropped_socket[lo]": 1, "packets.received[lo]": 1000],
      ["packets.dropped_socket[lo]": 1, "packets.received[lo]": 1001]),
    MadeCase(
      "packet-drops", drops(rx: 6, tx: 4, passed: 9990), drops(rx: 6, tx: 4, passed: 9991)),
    MadeCase("packet-drops", drops(rx: 6, tx: 4, passed: 10), drops(rx: 5, tx: 4, passed: 10)),
    MadeCase("packet-drops", ["softnet.dropped[1]": 10], ["softnet.dropped[1]": 9]),
  ]

  private static func drops(rx: Double, tx: Double, passed: Double) -> [String: Double] {
    [
      "net.rx_drop[eth0]": rx, "net.tx_drop[eth0]": tx, "net.rx_packets[eth0]": passed,
      "net.tx_packets[eth0]": 0,
    ]
  }
}

@Suite struct FindingTests {
  @Test(arguments: MadeCase.all) func aRuleFiresAndANearMissDoesNot(_ made: MadeCase) throws {
    var run = MadeRun()
    run.metrics = made.fires
    run.cpu = made.cpu.fires
    #expect(run.ids == [made.id])
    let finding = try #require(run.findings.findings.first)
    #expect(finding.repetitions == 3 && !finding.next.isEmpty && !finding.numbers.isEmpty)
    run.metrics = made.misses
    run.cpu = made.cpu.misses
    #expect(run.ids == [])
    #expect(!run.findings.unjudged.map(\.id).contains(made.id), "it was judged")
  }

  @Test(arguments: MadeCase.all) func tooFewRepetitionsSayNothing(_ made: MadeCase) throws {
    let rule = try #require(FindingRules.all.first { $0.id == made.id })
    var run = MadeRun()
    run.metrics = made.fires
    run.cpu = made.cpu.fires
    run.walls = [Double](repeating: 1e9, count: rule.fewest)
    #expect(run.ids == [made.id])
    run.walls.removeLast()
    #expect(run.ids == [])
    let unjudged = run.findings.unjudged.first { $0.id == made.id }
    #expect(run.walls.isEmpty || unjudged?.reason.hasSuffix("needs \(rule.fewest)") == true)
  }

  @Test func everyRuleIsTried() {
    let tried = Set(MadeCase.all.map(\.id)).union(["bimodal", "drift"])
    #expect(tried == Set(FindingRules.all.map(\.id)))
    #expect(FindingRules.all.count == tried.count)
  }

  @Test func aHostOfOneCPUOrAShortWorkloadIsNotBoundByOne() {
    var run = MadeRun(cpu: 1)
    #expect(run.ids == ["one-cpu"])
    run.walls = [9.9e6, 9.9e6, 9.9e6]
    #expect(run.ids == [])
    run.walls = [1e9]
    run.host["cpus_online"] = "0"
    #expect(run.ids == [])
    run.host["cpus_online"] = nil
    let reason = run.findings.unjudged.first { $0.id == "one-cpu" }?.reason
    #expect(reason == "no value of host_cpus")
  }

  @Test func whatIsAbsentLeavesARuleSilentAndSaysWhy() {
    var run = MadeRun()
    run.unavailable = [
      .init(collector: "numa", outcome: "absent", reason: "/sys/devices/system/node: no such file")
    ]
    let reasons = Dictionary(uniqueKeysWithValues: run.findings.unjudged.map { ($0.id, $0.reason) })
    #expect(
      reasons["remote-memory"]
        == "no value of numa.other_node[*]: /sys/devices/system/node: no such file")
    #expect(reasons["disk-wait"] == "no value of pressure.io.some.total")
    #expect(reasons["cgroup-throttled"] == "no value of cgroup.cpu.stat.nr_throttled[…]")
    #expect(reasons["drift"] == "3 completed and uncontaminated repetitions; the rule needs 10")
    #expect(reasons["one-cpu"] == nil && run.ids == [])
    // A part of the repetitions is not all of them.
    var result = run.result
    result.phases[0].repetitions[0].attempts[0].metrics["tree.majflt"] = 1e6
    result.phases[0].metrics = RunSummary.rows(of: result.phases[0]) { _ in "" }
    let partial = RunFindings(result)["main"]
    #expect(partial.findings == [])
    result.phases[0].repetitions = []
    #expect(RunFindings(result).phases.isEmpty, "nothing was executed")
    result.kind = "sample"
    #expect(RunFindings(result).phases.isEmpty)
  }

  @Test func contaminatedRepetitionsAreLeftOut() {
    var run = MadeRun()
    run.walls = [1e9, 1e9, 1e9, 1e9, 1e9, 1e9, 1e9]
    run.metrics = ["tree.majflt": 50]
    run.contaminated = [1, 2, 3, 4]
    #expect(run.ids == [], "50,000 faults stand in those that are left out")
    run.metrics["tree.majflt"] = 500
    let part = run.findings.findings.first { $0.id == "memory-pressure" }?.template
    #expect(part?.hasSuffix(" (from 3 clean repetitions of 7)") == true)
    run.metrics["tree.majflt"] = 50
    run.contaminated = [1, 2, 3, 4, 5]
    #expect(run.ids == [])
    let reason = run.findings.unjudged.first { $0.id == "memory-pressure" }?.reason
    #expect(reason == "2 completed and uncontaminated repetitions; the rule needs 3")
    // What others use contaminates, and is found all the same.
    run.metrics = ["cpu.user[all]": 1e9]
    run.contaminated = [1, 2, 3, 4, 5, 6, 7]
    #expect(run.ids == ["others-on-cpus"])
  }

  @Test func othersAreLookedForOnTheWorkloadsOwnCPUs() throws {
    var run = MadeRun()
    run.metrics = [
      "cpu.user[all]": 1.4e9, "cpu.user[0]": 0.9e9, "cpu.user[1]": 0.5e9,
    ]
    run.configuration = [
      ConfigurationEntry(key: "workload.cpus", value: "1", origin: "command line")
    ]
    #expect(run.ids == [])
    run.configuration = [
      ConfigurationEntry(key: "workload.cpus", value: "0", origin: "command line")
    ]
    #expect(run.ids == ["others-on-cpus"])
    let numbers = try #require(run.findings.findings.first).numbers
    #expect(numbers.first?.value == 0.4)
    #expect(numbers.first { $0.name == "workload_cpus" }?.value == 1)
  }

  @Test func aSnapshotOfTheRunQueueTakesALongerBracket() {
    var run = MadeRun()
    run.metrics = ["cpu.procs_running": 9]
    run.walls = [1e8, 1e8, 1e8]
    #expect(run.ids == ["run-queue"])
    run.walls = [99e6, 99e6, 99e6]
    #expect(run.ids == [])
  }

  @Test func theWorstInstanceIsTold() {
    var run = MadeRun()
    for (name, drops) in [("a", 20.0), ("b", 30), ("c", 5)] {
      run.metrics["net.rx_drop[\(name)]"] = drops
      run.metrics["net.tx_drop[\(name)]"] = 0
      run.metrics["net.rx_packets[\(name)]"] = 100
      run.metrics["net.tx_packets[\(name)]"] = 0
    }
    #expect(run.findings.findings.map(\.instance) == ["b"])
  }

  @Test func warningsStandFirst() {
    var run = MadeRun(cpu: 1)
    run.metrics = ["softnet.dropped[0]": 50, "tree.majflt": 500]
    #expect(run.ids == ["memory-pressure", "packet-drops", "one-cpu"])
  }

  // MARK: Series

  private func ids(_ walls: [Double]) -> [String] {
    var run = MadeRun()
    run.walls = walls
    return run.ids
  }

  @Test func twoGroupsAreFoundFromTenRepetitionsOn() throws {
    // In no order, so that nothing drifts.
    let groups: [Double] = [1.000, 1.301, 1.003, 1.304, 1.002, 1.303, 1.001, 1.302, 1.004, 1.005]
    let walls = groups.map { $0 * 1e9 }
    #expect(ids(walls) == ["bimodal"])
    #expect(ids(Array(walls.prefix(9))) == [])
    // Groups that are 2 % apart, and such that are not.
    #expect(ids(groups.map { ($0 > 1.1 ? 1.0235 : 1) * 1e9 + $0 * 1e6 }) == ["bimodal"])
    #expect(ids(groups.map { ($0 > 1.1 ? 1.0185 : 1) * 1e9 + $0 * 1e6 }) == [])
    // Three of ten may be chance.
    #expect(ids(walls.dropLast() + [1.0045e9]) == ["bimodal"])
    #expect(ids([1.0045e9] + walls[0..<1] + walls[2...]) == [])
    var run = MadeRun()
    run.walls = walls
    let numbers = try #require(run.findings.findings.first).numbers
    #expect(numbers.first { $0.name == "lower_count" }?.value == 6)
    #expect(numbers.first { $0.name == "upper" }?.value == 1.3025e9)
  }

  @Test func aDriftIsFoundFromTenRepetitionsOn() {
    let rising = (0..<10).map { 1e9 + Double($0) * 2e6 }
    #expect(ids(rising) == ["drift"])
    #expect(ids(rising.reversed()) == ["drift"])
    #expect(ids(Array(rising.prefix(9))) == [])
    // 0.98 % is too little, whatever the p.
    #expect(ids((0..<10).map { 1e9 + Double($0) * 1.4e6 }) == [])
    // Orders of which p is 0.0091 and 0.0167.
    let enough = [0, 2, 1, 6, 4, 3, 9, 5, 7, 8]
    #expect(ids(enough.map { 1e9 + Double($0) * 3e6 }) == ["drift"])
    let tooFew = [2, 0, 4, 1, 6, 8, 3, 5, 7, 9]
    #expect(ids(tooFew.map { 1e9 + Double($0) * 3e6 }) == [])
  }

  @Test func aLongSeriesIsThinned() {
    let walls = (0..<2500).map { 1e9 + Double($0) * 1e5 }
    var run = MadeRun()
    run.walls = walls
    #expect(run.ids == ["drift"])
    let numbers = run.findings.findings.first?.numbers
    #expect(numbers?.first { $0.name == "repetitions" }?.value == 834)
  }
}
