import SampleModel
import Synchronization
import Testing

@testable import Runner

/// Plans as a test writes them.
private struct Files: PlanSource {
  var plans: [String: RunPlan] = [:]
  func plan(at path: String) throws(LBError) -> RunPlan {
    guard let plan = plans[path] else {
      throw LBError(.configuration, "plan \(path) cannot be read")
    }
    return plan
  }
}

/// A kind of phase that counts how often it is resolved.
private final class CountedPhase: PhaseKind {
  let name = "counted"
  let count = Mutex(0)

  func resolve(_ table: PlanTable, _ scope: PlanScope, _ planner: Planner) -> [PhaseNode] {
    count.withLock { $0 += 1 }
    var node = planner.node(table, name, scope)
    node.specification = scope.specification
    return [node]
  }
}

private func resolve(
  _ plan: RunPlan, pinned: Set<String> = [], files: [String: RunPlan] = [:],
  _ change: (inout PlanScope) -> Void = { _ in }
) -> (root: PhaseNode?, problems: [String]) {
  let planner = Planner(.standard, pinned: pinned, source: Files(plans: files))
  var scope = PlanScope(RunSpecification(name: "t", command: []))
  change(&scope)
  let root = planner.resolve(plan, in: scope)
  return (root, planner.problems.all.map { "\($0.keyPath): \($0.message)" })
}

@Suite struct PlanTests {
  @Test func settingsAreInheritedAndParametersPutIn() throws {
    let plan = RunPlan(
      [
        PhasePlan(
          "repeat", name: "matrix", ["parameters": ["n": [1, 2]]],
          phases: [
            PhasePlan(name: "a", ["command": ["work", "{n}", "{x}"]]),
            PhasePlan(name: "b", ["command": "sort '{n} of 2'", "repetitions": 7]),
          ])
      ], settings: ["repetitions": 3, "warmup": 1])
    let root = try #require(resolve(plan).root)
    let all = root.children[0].children
    #expect(all.map(\.name) == ["a[n=1]", "b[n=1]", "a[n=2]", "b[n=2]"])
    #expect(
      all.map { $0.specification?.command ?? [] } == [
        ["work", "1", "{x}"], ["sort", "1 of 2"], ["work", "2", "{x}"], ["sort", "2 of 2"],
      ])
    #expect(all.map { $0.specification?.repetitions } == [3, 7, 3, 7])
    #expect(all.allSatisfy { $0.specification?.warmUps == 1 })
    let pinned = try #require(resolve(plan, pinned: ["repetitions"]).root)
    #expect(pinned.specifications.allSatisfy { $0.repetitions == 1 }, "the command line has it")
  }

  /// A short file may have a mistake in each of a hundred thousand phases.
  @Test(arguments: ["strict", "soft"]) func mistakesWithoutEndAreToldInPart(_ word: String) {
    let nameless = PlanValue.table(["command": "x"])
    let phases = PlanValue.list(Array(repeating: nameless, count: 20_000))
    let plan = RunPlan(settings: ["validate": .text(word), "phase": phases])
    let problems = resolve(plan).problems
    #expect(problems.count >= PlanProblems.most)
    #expect(problems.first?.contains("a phase needs a name") == true)
    guard word == "strict" else { return }
    #expect(problems.count == PlanProblems.most)
    #expect(problems.last?.contains("more problems may follow") == true)
  }

  @Test(
    arguments: [
      (["phase": [["name": "a", "kind": "comand", "command": "x"]]], "did you mean command?"),
      (["phase": [["name": "a", "command": "x", "repetition": 3]]], "did you mean repetitions?"),
      (
        ["phase": [["name": "a", "command": "x", "validate": "soft"]]],
        "validate is valid only at the top of the plan: move it there"
      ),
      (["phase": [["name": "a", "command": "x", "repetitions": 0]]], "from 1 to 1000000"),
      (["phase": [["name": "a", "command": "x", "timeout": 5]]], "a duration in quotes"),
      (["phase": [["name": "a", "command": "x", "interval": "5ms"]]], "at the top of the plan"),
      (["phase": [["name": "a"]]], "needs a command"),
      (["phase": [["command": "x"]]], "a phase needs a name"),
      (["phase": [["name": "a", "command": "'x"]]], "its quotes closed"),
      (["phase": [["name": "a", "command": "x"], ["name": "a", "command": "y"]]], "used twice"),
      (["phase": [["name": "a", "kind": "repeat"]]], "needs parameters"),
      (["phase": [["name": "a", "kind": "when", "condition": "x > "]]], "with blanks"),
      (["phase": [["name": "a", "kind": "include"]]], "needs a file"),
      (["phase": [["name": "a", "kind": "workload", "tool": "fioo"]]], "did you mean fio?"),
      (["phase": [["name": "a", "kind": "parallel"]]], "has to be measured"),
      (["phase": [["name": "a", "command": "x", "on_failure": "c"]]], "no phase in the same list"),
      (["phase": [["name": "a", "command": "x", "metrics": ["n=("]]]], "regular expression"),
      (["order": "mixed", "phase": [["name": "a", "command": "x"]]], "random:SEED"),
      ([:], "at least one phase"),
    ] as [([String: PlanValue], String)])
  func whatIsWrongIsNamed(_ settings: [String: PlanValue], _ expected: String) {
    let (root, problems) = resolve(RunPlan(settings: settings))
    #expect(root == nil)
    #expect(problems.contains { $0.contains(expected) }, "\(problems)")
  }

  @Test func everythingWrongIsToldAtOnceWithItsPlace() {
    let plan = RunPlan(settings: [
      "warmup": "x",
      "phase": [["name": "a", "command": "x"], ["name": "b b", "kind": "when", "colour": 1]],
    ])
    let places = resolve(plan).problems.map { $0.prefix { $0 != ":" } }
    #expect(Set(places) == ["warmup", "phase[2]", "phase[2].name", "phase[2].colour"])
  }

  @Test func includedPhasesTakeParametersAndGiveMetrics() throws {
    let inner = RunPlan(
      [PhasePlan(name: "inner", ["command": "work {size}"])], settings: ["repetitions": 4])
    let plan = RunPlan([
      PhasePlan(
        "include", name: "part",
        [
          "file": "inner.toml", "parameters": ["size": 9], "metrics": ["speed": "inner.wall_time"],
        ])
    ])
    let root = try #require(
      resolve(plan, files: ["here/inner.toml": inner]) { $0.directory = "here" }.root)
    let node = root.children[0]
    #expect(node.children[0].specification?.command == ["work", "9"])
    #expect(node.children[0].specification?.repetitions == 4)
    #expect(node.exports == ["speed": "inner.wall_time"])
  }

  @Test func aParameterThatAnIncludedPlanDoesNotUseIsASlip() {
    let inner = RunPlan([PhasePlan(name: "inner", ["command": "work {size}"])])
    func problems(_ parameters: PlanValue) -> [String] {
      resolve(
        RunPlan([
          PhasePlan("include", name: "part", ["file": "inner.toml", "parameters": parameters])
        ]), files: ["inner.toml": inner]
      ).problems
    }
    #expect(problems(["size": 9]).isEmpty)
    let found = problems(["size": 9, "sise": 8])
    #expect(
      found == ["phase[1].parameters.sise: nothing in inner.toml uses {sise}"], "\(found)")
  }

  @Test func aPlanIncludedTwiceHasAParameterInItsNames() throws {
    func resolved(_ name: String) -> (root: PhaseNode?, problems: [String]) {
      resolve(
        RunPlan(
          [1, 2].map {
            PhasePlan(
              "include", name: "part-\($0)",
              ["file": "inner.toml", "parameters": ["n": .integer($0)]])
          }),
        files: ["inner.toml": RunPlan([PhasePlan(name: name, ["command": "work {n}"])])])
    }
    let root = try #require(resolved("work-{n}").root)
    #expect(root.children.flatMap(\.children).map(\.name) == ["work-1", "work-2"])
    #expect(resolved("work").problems.contains { $0.contains("use a parameter: \"work-{n}\"") })
  }

  @Test func circlesAreRefusedWithTheirChain() {
    func including(_ file: String) -> RunPlan {
      RunPlan([PhasePlan("include", name: "to-\(file)", ["file": .text(file)])])
    }
    let (_, problems) = resolve(
      including("b"), files: ["b": including("c"), "c": including("b")])
    #expect(problems.contains { $0.contains("includes itself: b → c → b") }, "\(problems)")
    let lost = RunPlan([
      PhasePlan(name: "a", ["command": "x", "on_failure": "b"]),
      PhasePlan(name: "b", ["command": "x", "on_failure": "a"]),
      PhasePlan(name: "c", ["command": "x"]),
    ])
    #expect(resolve(lost).problems.contains { $0.contains("no other phase leads to") })
    let falling = RunPlan([
      PhasePlan(name: "start", ["command": "x", "on_failure": "a"]),
      PhasePlan(name: "a", ["command": "x", "on_failure": "b"]),
      PhasePlan(name: "b", ["command": "x", "on_failure": "a"]),
    ])
    #expect(
      resolve(falling).problems.contains { $0.contains("form a circle: start → a → b → a") })
  }

  @Test func elevenFallbacksAreTooMany() {
    let phases = (0..<12).map { number in
      PhasePlan(
        name: "p\(number)",
        number < 11 ? ["command": "x", "on_failure": .text("p\(number + 1)")] : ["command": "x"])
    }
    #expect(resolve(RunPlan(phases)).problems.contains { $0.contains("more than 10 phases") })
  }

  /// What tools report, shortened, with the numbers that are read of it.
  private static let reports: [(tool: String, report: String, numbers: [String: Double])] = [
    (
      "stress-ng",
      """
      stress-ng: info:  [812] dispatching hogs: 1 cpu
      stress-ng: metrc: [812] stressor       bogo ops real time  usr time  sys time   bogo ops/s
      stress-ng: metrc: [812]                           (secs)    (secs)    (secs)   (real time)
      stress-ng: metrc: [812] cpu                5214      2.00      1.99      0.00      2606.87
      stress-ng: info:  [812] passed: 1: cpu (1)
      """, ["bogo_ops": 5214, "bogo_ops_rate": 2606.87]
    ),
    (
      "fio",
      """
      note: both iodepth >= 1 and synchronous I/O engine are selected
      {
        "jobs": [{"read": {"iops": 0, "bw_bytes": 0, "lat_ns": {"mean": 0.0}},
          "write": {"iops": 31250.5, "bw_bytes": 128002048, "lat_ns": {"mean": 31000.25}}}]
      }
      """,
      [
        "read_iops": 0, "read_bw": 0, "read_lat_mean": 0, "write_iops": 31250.5,
        "write_bw": 128_002_048, "write_lat_mean": 31000.25,
      ]
    ),
    (
      "iperf3",
      """
      {"end": {"sum_sent": {"bits_per_second": 9.5e9}, "sum_received": {"bits_per_second": 9.25e9},
        "cpu_utilization_percent": {"host_total": 1, "remote_total": 55.5}}}
      """, ["sent": 9.5e9, "received": 9.25e9, "cpu_host": 1, "cpu_remote": 55.5]
    ),
    (
      "iperf3",
      """
      {"end": {"sum": {"bits_per_second": 1e6, "lost_percent": 0},
        "cpu_utilization_percent": {"host_total": 1, "remote_total": 2}}}
      """, ["sent": 1e6, "received": 1e6, "cpu_host": 1, "cpu_remote": 2]
    ),
    (
      "stress-ng",
      """
      stress-ng: info:  [77] dispatching hogs: 1 cpu
      stress-ng: info:  [77] stressor     bogo ops real time  usr time  sys time   bogo ops/s
      stress-ng: info:  [77] cpu                 811      1.00      0.99      0.00  810.52  819.19
      stress-ng: info:  [77] successful run completed in 1.00s
      """, ["bogo_ops": 811, "bogo_ops_rate": 810.52]
    ),
  ]

  @Test(arguments: reports.indices) func reportsOfKnownToolsAreRead(_ index: Int) throws {
    let (tool, report, numbers) = Self.reports[index]
    let plan = RunPlan([
      PhasePlan("workload", name: "w", ["tool": .text(tool), "arguments": ["--own"]])
    ])
    let specification = try #require(resolve(plan).root?.children.first?.specification)
    #expect(specification.command.first == tool && specification.command.last == "--own")
    var found: [String: Double] = [:]
    for metric in specification.metrics {
      let name = metric.name.split(separator: ".").last.map(String.init) ?? metric.name
      found[name] = try metric.value(in: KeptOutput(Array(report.utf8)))
    }
    #expect(found == numbers)
  }

  @Test func membersAreMeasuredOrLoad() throws {
    let plan = RunPlan(settings: [
      "phase": [
        [
          "name": "p", "kind": "parallel",
          "member": [
            ["name": "noise", "command": "burn"],
            ["command": "work", "measured": true, "directory": "/tmp"],
          ],
        ]
      ]
    ])
    let node = try #require(resolve(plan).root).children[0]
    #expect(node.specification?.command == ["work"] && node.specification?.directory == "/tmp")
    #expect(node.coRunners.map(\.summary) == ["noise: burn"])
    func loads(_ members: PlanValue...) -> RunPlan {
      let measured: PlanValue = ["name": "work", "command": "work", "measured": true]
      return RunPlan(settings: [
        "workspace": "empty",
        "phase": [["name": "p", "kind": "parallel", "member": .list(members + [measured])]],
      ])
    }
    let fresh = try #require(
      resolve(
        loads(["command": "burn"], ["command": "burn", "directory": "/tmp"], ["command": "burn"])
      ).root
    ).children[0]
    #expect(fresh.coRunners.map { $0.specification.workspace != nil } == [true, false, true])
    #expect(fresh.specification?.workspace != nil)
    let torn = loads(["command": "burn", "directory": "/tmp", "workspace": "empty"])
    #expect(resolve(torn).problems.contains { $0.contains("a directory or a workspace, not both") })
    let twins = loads(["name": "a", "command": "burn"], ["name": "a", "command": "burn"])
    #expect(resolve(twins).problems.contains { $0.contains("another member is called a") })
  }

  @Test(arguments: [
    ("a b", ["a", "b"]), ("a 'b c' \"d e\"", ["a", "b c", "d e"]), (#"a\ b"#, ["a b"]),
    (#""a\"b" 'c\d'"#, ["a\"b", #"c\d"#]), (#""a\n""#, [#"a\n"#]), ("''", [""]),
  ]) func wordsAreSplitAsAShellWould(_ text: String, _ words: [String]) {
    #expect(CommandWords.split(text) == words)
  }

  @Test(arguments: ["", "  ", "'a", "\"a", "a\\"])
  func textsThatAreNoCommandAreNone(_ text: String) { #expect(CommandWords.split(text) == nil) }

  @Test(arguments: [
    ("1", "4", "1", ["1", "2", "3", "4"]),
    ("0", "1", "0.25", ["0.00", "0.25", "0.50", "0.75", "1.00"]),
    ("3", "1", "-1", ["3", "2", "1"]), ("0.1", "0.3", "0.1", ["0.1", "0.2", "0.3"]),
    ("5", "5", "1", ["5"]), ("-1", "0", "0.5", ["-1.0", "-0.5", "0.0"]),
  ]) func scansReachTheirEnd(_ from: String, _ to: String, _ step: String, _ values: [String]) {
    #expect(ParameterMatrix.scan(from: from, to: to, step: step) == values)
  }

  @Test(arguments: [
    ("1e300", "1e300", "1"), ("1", "2", "0.00000000000000000001"), ("1e3", "2e3", "1"),
    ("99999999999999999999", "99999999999999999999", "1"),
  ]) func scansThatDoNotFitAreNone(_ from: String, _ to: String, _ step: String) {
    #expect(ParameterMatrix.scan(from: from, to: to, step: step) == nil)
  }

  @Test(arguments: [("1", "4", "0"), ("1", "4", "-1"), ("a", "4", "1"), ("0", "1e9", "1")])
  func scansThatLeadNowhereAreNone(_ from: String, _ to: String, _ step: String) {
    #expect(ParameterMatrix.scan(from: from, to: to, step: step) == nil)
  }

  @Test func valuesArePutInOnce() {
    let parameters = ["a": "{b}", "b": "2"]
    #expect(ParameterMatrix.fill("{a} {b} {c} {{b}} {", parameters) == "{b} 2 {c} {2} {")
  }

  @Test(arguments: [
    ("host.cpus >= 4", true), ("host.cpus > 8", false), ("host.cpus == 8", true),
    ("available.perf", true), ("not available.numa", true), ("available.numa", false),
    ("nothing", false), ("not nothing", true), ("nothing < 5", false), ("not nothing < 5", false),
    ("load.wall_time < 2s", true), ("load.wall_time <= 1ms", false),
    ("host.kernel == 6.1", true), ("host.kernel != 6.2", true),
    ("host.cpus > 9 or available.perf", true), ("host.cpus > 1 and available.numa", false),
    ("host.cpus > 1 and available.numa or available.perf", true),
  ]) func conditionsHoldOrNot(_ text: String, _ holds: Bool) throws {
    let values: [String: Condition.Value] = [
      "host.cpus": .number(8), "available.perf": .number(1), "available.numa": .number(0),
      "load.wall_time": .number(1e9), "host.kernel": .text("6.1"),
    ]
    let outcome = try Condition(text).evaluate { values[$0] }
    #expect(outcome.holds == holds)
    #expect(holds || !outcome.reason.isEmpty)
  }

  @Test func ordersHaveEveryRepetitionOnceAndWarmUpsFirst() {
    let counts = [(1, 3), (0, 2), (2, 4)]
    for order in [RunOrder.sequential, .interleaved, .abba, .random(seed: 7)] {
      let all = Schedule.repetitions(of: counts, order)
      #expect(Set(all).count == 12 && all.count == 12)
      for phase in 0..<3 {
        let own = all.filter { $0.phase == phase }
        #expect(own.map(\.warmUp) == own.map(\.warmUp).sorted { $0 && !$1 })
        let counted = own.filter { !$0.warmUp }.map(\.repetition)
        #expect(counted == Array(1...counts[phase].1))
      }
    }
    let interleaved = Schedule.repetitions(of: [(0, 2), (0, 2)], .interleaved).map(\.phase)
    #expect(interleaved == [0, 1, 0, 1])
    let turning = Schedule.repetitions(of: [(0, 3), (0, 2)], .abba)
    #expect(turning.map(\.phase) == [0, 1, 1, 0, 0])
    #expect(turning.map(\.repetition) == [1, 1, 2, 2, 3])
    let one = Schedule.repetitions(of: [(0, 9), (0, 9)], .random(seed: 7))
    #expect(one == Schedule.repetitions(of: [(0, 9), (0, 9)], .random(seed: 7)))
    #expect(one != Schedule.repetitions(of: [(0, 9), (0, 9)], .random(seed: 8)))
  }

  /// Phases within phases, as deep as that.
  private func nested(_ depth: Int) -> PhasePlan {
    depth == 1
      ? PhasePlan(name: "inner", ["command": "x"])
      : PhasePlan(
        "when", name: "w\(depth)", ["condition": "host.cpus >= 1"], phases: [nested(depth - 1)])
  }

  @Test func phasesHaveALimitOfDepth() {
    #expect(resolve(RunPlan([nested(64)])).root != nil)
    let (root, problems) = resolve(RunPlan([nested(65)]))
    #expect(root == nil && problems.count == 1, "\(problems)")
    #expect(problems.first?.contains("more than 64 deep") == true, "\(problems)")
    // Those that include one another are deep together.
    let (whole, all) = resolve(
      RunPlan([PhasePlan("include", name: "part", ["file": "deep"])]),
      files: ["deep": RunPlan([nested(64)])])
    #expect(whole == nil && all.contains { $0.contains("more than 64 deep") }, "\(all)")
  }

  /// Ten files of ten each are 10^7 phases: nobody waits until they are counted.
  @Test(arguments: ["strict", "soft"]) func plansIncludeSoManyOthersInAll(_ word: String) {
    var files = ["f7": RunPlan([PhasePlan(name: "p", ["command": "x"])])]
    for level in 0..<7 {
      files["f\(level)"] = RunPlan(
        (0..<10).map { PhasePlan("include", name: "i\($0)", ["file": .text("f\(level + 1)")]) },
        settings: ["validate": .text(word)])
    }
    let (root, problems) = resolve(
      RunPlan([PhasePlan("include", name: "all", ["file": "f0"])]), files: files)
    #expect(root == nil)
    #expect(problems.count { $0.contains("more than 1000 plans are included") } == 1)
    #expect(problems.count < 10_000, "\(problems.count)")
  }

  /// `repeat` phases within one another, each with so many values, around one command.
  private func repeated(_ depth: Int, _ values: Int) -> PhasePlan {
    let inner =
      depth == 1 ? PhasePlan("counted", name: "x") : repeated(depth - 1, values)
    let all = PlanValue.list((0..<values).map { .integer($0) })
    return PhasePlan(
      "repeat", name: "r\(depth)", ["parameters": ["p\(depth)": all]], phases: [inner])
  }

  /// A few lines are more phases than anybody can wait for, and not one of them is resolved.
  @Test(arguments: [
    (17, 2), (60, 2), (5, 10), (12, 1000), (2, 10_000),
  ]) func aPlanIsCountedBeforeItIsResolved(_ depth: Int, _ values: Int) {
    let kind = CountedPhase()
    var registry = PhaseRegistry.standard
    registry.register(kind)
    let planner = Planner(registry, source: Files())
    let scope = PlanScope(RunSpecification(name: "t", command: []))
    #expect(planner.resolve(RunPlan([repeated(depth, values)]), in: scope) == nil)
    #expect(
      planner.problems.all.map(\.message) == [
        "the plan has more than 100000 phases, with those of repeats and includes"
      ])
    #expect(kind.count.withLock { $0 } == 0)
  }

  /// Of parameters that multiply to too many, once, and before any of them is expanded.
  @Test func parametersAreCountedBeforeTheyAreResolved() {
    let scans = (1...300).map { ("p\($0)", PlanValue.table(["from": 1, "to": 9999])) }
    let parameters = PlanValue.table(Dictionary(uniqueKeysWithValues: scans))
    let inner = PhasePlan(
      "repeat", name: "s", ["parameters": parameters], phases: [PhasePlan("counted", name: "x")])
    let outer = PhasePlan(
      "repeat", name: "r", ["parameters": ["n": .list((0..<5000).map { .integer($0) })]],
      phases: [PhasePlan("counted", name: "y"), inner])
    let kind = CountedPhase()
    var registry = PhaseRegistry.standard
    registry.register(kind)
    let planner = Planner(registry, source: Files())
    let scope = PlanScope(RunSpecification(name: "t", command: []))
    #expect(planner.resolve(RunPlan([outer]), in: scope) == nil)
    #expect(
      planner.problems.all == [
        PlanProblem(
          keyPath: "phase[1].phase[2].parameters",
          message: "the parameters have more than 10000 combinations")
      ])
    #expect(kind.count.withLock { $0 } == 0)
  }

  /// What is counted is what is resolved: repeats, scans, and spares once for each phase.
  @Test func theCountIsExact() throws {
    let spares = ["a", "b", "c"].map { PhasePlan(name: $0, ["command": "x", "on_failure": "s"]) }
    let plan = RunPlan(
      [
        PhasePlan(
          "repeat", name: "outer",
          ["parameters": ["n": [1, 2, 3], "m": ["from": 1, "to": 9, "step": 2]]],
          phases: [PhasePlan(name: "one", ["command": "x"]), repeated(2, 2)])
      ] + spares + [PhasePlan("counted", name: "s")])
    let kind = CountedPhase()
    var registry = PhaseRegistry.standard
    registry.register(kind)
    let planner = Planner(registry, source: Files())
    _ = try #require(
      planner.resolve(plan, in: PlanScope(RunSpecification(name: "t", command: []))))
    #expect(kind.count.withLock { $0 } == 15 * 4 + 3)
    // outer, 15 times one, r2, two r1 and four x; a, b, c, each with s.
    let size = 1 + 15 * (1 + 1 + 2 + 4) + 6
    #expect(PlanSize(limit: size).count(plan.settings) == size)
    #expect(PlanSize(limit: size - 1).count(plan.settings) == size)
    #expect(PlanSize(limit: 10).count(plan.settings) == 11)
  }

  @Test func anIncludedPlanHasPhases() {
    let (root, problems) = resolve(
      RunPlan([PhasePlan("include", name: "part", ["file": "empty"])]),
      files: ["empty": RunPlan(settings: [:])])
    #expect(root == nil && problems.count == 1, "\(problems)")
    #expect(problems.first?.contains("empty has no phases") == true, "\(problems)")
  }

  @Test func freePortsHaveALimit() {
    func problems(_ count: Int) -> [String] {
      let names = (0..<count).map { PlanValue.text("p\($0)") }
      return resolve(
        RunPlan([PhasePlan(name: "a", ["command": "x"])], settings: ["free_ports": .list(names)])
      ).problems
    }
    #expect(problems(100).isEmpty)
    #expect(problems(70_000) == ["free_ports: free_ports has 70000 names: 100 at most in one plan"])
  }

  @Test func aNameThatCannotBeOneIsToldOfBriefly() {
    for (condition, words) in [
      ("(host.cpus >= 4)", "expected a name"), ("host.cpus>=4", "blanks around a comparison"),
      (String(repeating: "(", count: 3000), "expected a name"),
      (String(repeating: "(", count: 20_000), "longer than 4096 characters"),
      (Array(repeating: "not", count: 50_000).joined(separator: " "), "longer than 4096"),
      ("cpus", "expected host.FACT"),
    ] as [(String, String)] {
      let problems = resolve(
        RunPlan([
          PhasePlan(
            "when", name: "w", ["condition": .text(condition)],
            phases: [PhasePlan(name: "a", ["command": "x"])])
        ])
      ).problems
      #expect(problems.count == 1 && problems.joined().count < 600, "\(problems)")
      #expect(problems.first?.contains(words) == true, "\(problems)")
    }
  }

  @Test func ofASlipTheRestIsNotToBlame() {
    func problems(_ settings: [String: PlanValue]) -> [String] {
      resolve(RunPlan([PhasePlan("workload", name: "a", settings)])).problems
    }
    let unknown = problems(["tool": "rm", "arguments": ["x"], "repetitions": 2])
    #expect(unknown.count == 1 && unknown[0].contains("unknown tool rm"), "\(unknown)")
    let none = problems(["arguments": ["x"], "repetitions": 2])
    #expect(none.count == 1 && none[0].contains("needs a tool"), "\(none)")
    let long = problems(["tool": "fio", "cooldown": "9223372036s"])
    #expect(
      long == [
        "phase[1].cooldown: cooldown is 9223372036s: too long; a duration is shorter than 2500000h"
      ])
    let idle = problems(["tool": "fio", "idempotent": true, "idle_retries": 1])
    #expect(idle.count == 1 && idle[0].contains("without idle_timeout"), "\(idle)")
  }
}
