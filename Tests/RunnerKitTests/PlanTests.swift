import Foundation
import RunnerKit
import Testing

/// What the builder makes: the keys of plan files.
@Suite struct PlanFormTests {
  private func phases(_ plan: Plan) -> [[String: PlanValue]] {
    guard case .list(let list)? = plan.settings["phase"] else { return [] }
    return list.map { if case .table(let table) = $0 { table } else { [:] } }
  }

  @Test func everyModifierSetsItsKey() {
    let benchmark = Benchmark("./work", "a b", name: "w")
      .repetitions(5).warmUps(1).untilPrecise(0.01, limit: 50).coolDown(.seconds(1))
      .coolDownUntilIdle(.milliseconds(1500)).settle(.microseconds(3)).timeout(.seconds(30))
      .idleTimeout(.milliseconds(200)).grace(.zero).idempotent().retries(2).idleRetries(1)
      .ignoringFailures(.codes([1, 2])).setUp("a").prepare("b").conclude("c").cleanUp("d")
      .workspace(.git("repo", revision: "main"), keep: .always, limit: 10)
      .metric("rate", unit: "1/s", pattern: "rate ([0-9.]+)").metric("n", pattern: "n (.)")
      .metric("iops", json: "jobs[0].iops").missingMetrics(.note)
      .environment(["A": "1"]).directory("/tmp").cpus([0, 2]).input("inherit")
      .output(.file("null")).fallback(to: "spare").checkpoint("data").setting("own", 1)
    let expected: [String: PlanValue] = [
      "kind": "command", "name": "w", "command": ["./work", "a b"], "repetitions": 5, "warmup": 1,
      "until": "ci(wall_time)<=1%", "max_repetitions": 50, "cooldown": "1000000000ns",
      "cooldown_until_idle": "1500000000ns", "settle": "3000ns", "timeout": "30000000000ns",
      "idle_timeout": "200000000ns", "grace": "0ns", "idempotent": true, "retries": 2,
      "idle_retries": 1, "ignore_failure": "1,2", "setup": "a", "prepare": "b", "conclude": "c",
      "cleanup": "d", "workspace": "git:repo@main", "keep": "always", "keep_limit": 10,
      "metrics": ["rate[1/s]=rate ([0-9.]+)", "n[]=n (.)"],
      "metrics_json": ["iops[]=jobs[0].iops"], "metric_missing": "note", "env": ["A": "1"],
      "directory": "/tmp", "cpus": "0,2", "input": "./inherit", "workload_output": "./null",
      "on_failure": "spare", "checkpoint": "data", "own": 1,
    ]
    for (key, value) in expected { #expect(benchmark.settings[key] == value, "\(key)") }
    #expect(Plan { benchmark }.settings["phase"] == [.table(expected)], "and no other")
    #expect(benchmark.inheritsInput().settings["input"] == "inherit")
    #expect(benchmark.output(.discarded).output(.result).settings["workload_output"] == "keep")
    #expect(benchmark.ignoringFailures(.all).settings["ignore_failure"] == "all")
    #expect(benchmark.workspace(.copy(of: "empty")).settings["workspace"] == "./empty")
  }

  @Test func theBuilderTakesConditionsAndLoops() {
    func names(_ isLarge: Bool) -> [PlanValue?] {
      let more = [Benchmark("c"), Benchmark("d")]
      let plan = Plan {
        if isLarge { Benchmark("large") } else { Benchmark("small") }
        if isLarge { Benchmark("only") }
        for name in ["a", "b"] { Benchmark("true", name: name) }
        more
      }
      return phases(plan).map { $0["name"] }
    }
    #expect(names(true) == ["large", "only", "a", "b", "c", "d"])
    #expect(names(false) == ["small", "a", "b", "c", "d"])
  }

  @Test func groupsHaveTheFormOfPlanFiles() {
    let plan = Plan(name: "p", order: .random(seed: 7), freePorts: ["port"]) {
      Background("server", ["s"], ready: .port("{port}"), within: .seconds(1)).cpus([1])
      Matrix(["b": [1, 2], "a": ["x"]], order: .interleaved) { Tool(.fio, "job") }
      Together("mix", measuring: Benchmark("m").repetitions(2), beside: [Load("./l")])
      Approval("ask", message: "on?")
    }
    .repetitions(3).skippingMistakes()
    #expect(plan.settings["name"] == "p" && plan.settings["order"] == "random:7")
    #expect(plan.settings["free_ports"] == ["port"] && plan.settings["repetitions"] == 3)
    #expect(plan.settings["validate"] == "soft")
    let expected: [[String: PlanValue]] = [
      [
        "kind": "background", "name": "server", "command": ["s"], "ready_port": "{port}",
        "ready_within": "1000000000ns", "cpus": "1",
      ],
      [
        "kind": "repeat", "name": "matrix", "parameters": ["a": ["x"], "b": [1, 2]],
        "slowest_first": ["b", "a"], "order": "interleaved",
        "phase": [["kind": "workload", "name": "fio", "tool": "fio", "arguments": ["job"]]],
      ],
      [
        "kind": "parallel", "name": "mix", "fail": "any",
        "member": [
          ["name": "m", "command": ["m"], "measured": true, "repetitions": 2],
          ["name": "l", "command": ["./l"]],
        ],
      ],
      ["kind": "approve", "name": "ask", "message": "on?"],
    ]
    #expect(phases(plan) == expected)
  }

  @Test func aPlanSurvivesJSON() throws {
    let plan = Plan { Matrix(["n": [1, 2]]) { Benchmark("echo", "{n}").repetitions(2) } }
    let data = try JSONEncoder().encode(plan)
    #expect(try JSONDecoder().decode(Plan.self, from: data) == plan)
  }
}

/// Plans that are run.
@Suite(.serialized) struct PlanTests {
  private let plan = Plan {
    Matrix(["n": [1, 2]], order: .interleaved) {
      Benchmark("echo", "{n}", name: "work").repetitions(2)
    }
  }

  @Test func aPlansServerIsMeasured() throws {
    let plan = Plan {
      Background("server", ["sleep", "100"])
      Benchmark("sleep", "0.05", name: "client")
    }
    for collectors: [CollectorName] in [[.cpu, .tree], [.cpu]] {
      let sampling = Sampling(collectors, interval: .milliseconds(10))
      let result = try plan.run(RunOptions(sampling: sampling))
      let attempt = try #require(result.phases.first?.repetitions[0].attempts[0])
      let isMeasured = collectors.contains(.tree)
      #expect(attempt[.tree.processes["server"]] == (isMeasured ? 1 : nil))
      #expect(attempt.keys.contains { $0.instance == "server" } == isMeasured)
    }
  }

  @Test func aLoadRunsBesideWhatIsMeasured() throws {
    let plan = Plan {
      Together(
        "mix", measuring: Benchmark("sleep", "0.01"), beside: [Load("sleep", "100", name: "noise")])
    }
    let result = try plan.run(RunOptions(sampling: Sampling(.tree)))
    #expect(result.status == .completed && result.phases.map(\.name) == ["mix"])
    let noise = result.phases[0].repetitions[0].attempts[0][.tree.processes["noise"]]
    #expect(noise ?? 0 > 0)
  }

  @Test func aPlanIsRunAndWatched() async throws {
    var options = RunOptions(sampling: Sampling(.cpu))
    let events = Subscription<JournalEntry>(capacity: 1000)
    options.events = events
    let result = try await plan.run(options)
    #expect(result.status == .completed)
    #expect(result.phases.map(\.name) == ["work[n=1]", "work[n=2]"])
    #expect(result.summary(of: "work[n=2]").first?.count == 2)
    #expect(result.summary(of: .wallTime, phase: "work[n=1]")?.count == 2)
    #expect(result.summary(of: .wallTime) == nil, "two phases have each their own")
    var kinds: [String] = []
    for await event in events {
      #expect(event.time >= result.start)
      kinds.append(event.kind)
    }
    #expect(kinds.first == "run.start" && kinds.last == "run.end" && events.lost == 0)
    #expect(kinds.count { $0 == "repetition.end" } == 4)
  }

  @Test func aSlowSubscriberLosesCountedEvents() async throws {
    var options = RunOptions(sampling: Sampling(.cpu))
    let events = Subscription<JournalEntry>(capacity: 3)
    options.events = events
    let result = try await plan.run(options)
    #expect(result.status == .completed)
    var taken: UInt64 = 0
    for await _ in events { taken += 1 }
    // A host that is not quiet adds notes.
    #expect(taken == 3 && events.lost >= 7, "\(taken) \(events.lost)")
  }

  @Test func conditionsKnowTheHostAndItsCollectors() throws {
    let conditions = ["host.hostname != none", "available.cpu", "not available.cpu"]
    for (condition, statuses) in zip(conditions, [[RunStatus.completed], [.completed], [.skipped]])
    {
      let plan = Plan { When(condition) { Benchmark("true") } }
      let result = try plan.run(RunOptions(sampling: Sampling(.load)))
      #expect(result.errors.isEmpty && result.phases.map(\.status) == statuses, "\(result.errors)")
    }
  }

  @Test func aWrongPlanIsAClearError() {
    let events = Subscription<JournalEntry>(capacity: 1)
    let wrong: [(plan: Plan, words: String)] = [
      (Plan { CustomPhase("comand", name: "a") }, "did you mean command?"),
      (Plan {}, "a plan has at least one phase"),
      (Plan { for _ in 0..<2 { Benchmark("true") } }, "true"),
      (Plan { Benchmark("true") }.setting("set_host", ["aslr=0"]), "use the command"),
      (Plan { Benchmark("true") }.setting("interval", "1s"), "RunOptions.sampling"),
      (Plan { Benchmark() }, "command"),
    ]
    for (plan, words) in wrong {
      var options = RunOptions()
      options.events = events
      let error = #expect(throws: LBSampleError.self) { try plan.run(options) }
      #expect(error?.category == .configuration)
      #expect(error?.message.contains(words) == true, "\(error?.message ?? "nothing")")
    }
  }
}
