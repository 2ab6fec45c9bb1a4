import LinuxSystem
import Runner
import SampleModel
import TestSupport
import Testing

/// Fails at the phases of these names, with one error for all of them.
private final class Failing: RepetitionExecuting {
  private let phases: Set<String>
  private(set) var executed: [String] = []
  init(_ phases: Set<String>) { self.phases = phases }

  func execute(
    _ place: AttemptID, _ context: RunContext, _ collectors: any CollectorLifecycle,
    background: [any BackgroundTask], willOpen: (UInt32) throws(LBError) -> Void
  ) -> AttemptOutcome {
    executed.append(place.phase)
    return phases.contains(place.phase)
      ? outcome(.failed, LBError(.workload, "false exited with code 1")) : outcome(.completed)
  }
}

private struct NoFiles: PlanSource {
  func plan(at path: String) throws(LBError) -> RunPlan { throw LBError(.configuration, path) }
}

/// Errors belong to their phase, however much their words are another's.
@Suite struct FallbackTests {
  private func run(
    _ phases: [PhasePlan], failing: Set<String>
  ) throws -> (result: RunResult, executed: [String]) {
    let planner = Planner(.standard, source: NoFiles())
    let root = try #require(
      planner.resolve(
        RunPlan(phases), in: PlanScope(RunSpecification(name: "t", command: []))),
      "\(planner.problems.all)")
    let spawner = FakeSpawner()
    let executor = Failing(failing)
    let controller = RunController(
      try context(spawner) { $0.repetitions = 1 }, plan: root, executor: executor,
      collectors: FakeCollectors(spawner))
    return (controller.run(session()), executor.executed)
  }

  private func command(_ name: String, orElse spare: String? = nil) -> PhasePlan {
    var settings: [String: PlanValue] = ["command": ["false"]]
    if let spare { settings["on_failure"] = .text(spare) }
    return PhasePlan(name: name, settings)
  }

  private func group(_ name: String, orElse spare: String?, _ phases: [PhasePlan]) -> PhasePlan {
    var settings: [String: PlanValue] = ["parameters": ["p": [1]]]
    if let spare { settings["on_failure"] = .text(spare) }
    return PhasePlan("repeat", name: name, settings, phases: phases)
  }

  @Test func aFallbackTakesBackItsOwnPhasesErrorsAlone() throws {
    let (result, executed) = try run(
      [command("x"), command("a", orElse: "b"), command("b")], failing: ["x", "a"])
    #expect(executed == ["x", "a", "b"])
    #expect(result.status == .failed)
    #expect(result.errors.map(\.context.phase) == ["x"])
    #expect(result.errors.first?.exitCode == 4)
    #expect(result.errors.first?.context.repetition == 1)
    #expect(result.errors.first?.context.attempt == 1)
    #expect(result.phases.map(\.replacedBy) == [nil, "b", nil])
  }

  @Test func nestedFallbacksTakeBackWhatIsTheirs() throws {
    let (result, executed) = try run(
      [
        command("x"),
        group(
          "g", orElse: "spare", [command("d"), command("a", orElse: "b"), command("b")]),
        command("spare"),
      ], failing: ["x", "d[p=1]", "a[p=1]"])
    #expect(executed == ["x", "d[p=1]", "a[p=1]", "b[p=1]", "spare"])
    #expect(result.status == .failed && result.errors.map(\.context.phase) == ["x"])
    let replaced = Dictionary(uniqueKeysWithValues: result.phases.map { ($0.name, $0.replacedBy) })
    #expect(replaced["d[p=1]"] == "spare" && replaced["a[p=1]"] == "b[p=1]")
    #expect(replaced["x"] == .some(nil))
  }

  @Test(arguments: [true, false]) func threeDeep(_ isSaved: Bool) throws {
    let inner = [command("a", orElse: "b"), command("b", orElse: "c"), command("c"), command("d")]
    var failing: Set = ["x", "a[p=1,p=1]", "b[p=1,p=1]", "c[p=1,p=1]", "d[p=1,p=1]"]
    if !isSaved { failing.formUnion(["middle[p=1]", "outer"]) }
    let (result, _) = try run(
      [
        command("x"),
        group(
          "one", orElse: "outer",
          [group("two", orElse: "middle", inner), command("middle")]),
        command("outer"),
      ], failing: failing)
    #expect(result.status == .failed)
    let phases = result.errors.map(\.context.phase)
    #expect(Set(phases).count == phases.count && phases.first == "x", "\(phases)")
    #expect(phases.count == (isSaved ? 1 : 7), "\(phases)")
  }

  @Test func aChainThatFailsToItsEndKeepsAllItsErrors() throws {
    let (result, _) = try run(
      [command("a", orElse: "b"), command("b", orElse: "c"), command("c")],
      failing: ["a", "b", "c"])
    #expect(result.errors.map(\.context.phase) == ["a", "b", "c"])
    #expect(result.phases.allSatisfy { $0.replacedBy == nil })
  }

  /// A run that failed without a word has one all the same.
  @Test func aFailedRunHasAnError() throws {
    let spawner = FakeSpawner()
    let controller = RunController(
      try context(spawner, repetitions: 1), executor: FakeExecutor([outcome(.failed)]),
      collectors: FakeCollectors(spawner))
    let result = controller.run(session())
    #expect(result.status == .failed && result.errors.count == 1)
  }

  @Test func phasesOfAConditionAreLookedForInThePlan() {
    func problems(_ condition: String) -> [String] {
      let planner = Planner(.standard, source: NoFiles())
      let plan = RunPlan([
        command("load"),
        PhasePlan(
          "when", name: "w", ["condition": .text(condition)], phases: [command("inner")]),
      ])
      _ = planner.resolve(plan, in: PlanScope(RunSpecification(name: "t", command: [])))
      return planner.problems.all.map { "\($0.keyPath): \($0.message)" }
    }
    #expect(problems("load.wall_time < 2s and host.cpus > 1 and available.cpu").isEmpty)
    let slip = problems("host.cpus > 1 or laod.wall_time < 2s")
    #expect(slip.count == 1)
    #expect(slip.first?.contains("no phase is called laod; did you mean load?") == true, "\(slip)")
    #expect(slip.first?.contains("condition") == true)
  }
}

/// What is kept of an output, and read in it.
@Suite struct KeptOutputTests {
  private func metric(_ text: String, json: Bool = false) throws -> WorkloadMetric {
    try WorkloadMetric(text) { json ? .json($0) : .pattern($0) }
  }

  private func cut(_ head: String, _ tail: String, missing: UInt64 = 100) -> KeptOutput {
    KeptOutput(
      head: Array(head.utf8), tail: Array(tail.utf8),
      total: UInt64(head.utf8.count + tail.utf8.count) + missing)
  }

  @Test func theLastLineIsFoundInTheTail() throws {
    let output = cut("n=1\nn=", "99\nn=7\nn=8\n")
    #expect(try metric("n=n=([0-9]+)").value(in: output) == 8)
    // The tail's first line may have lost its beginning.
    #expect(throws: LBError.self) { try metric("n=([0-9]+)").value(in: cut("n=1\n", "99\nend\n")) }
    #expect(throws: LBError.self) { try metric("n=([0-9]+)").value(in: cut("n=1\n", "99")) }
  }

  @Test func whatWasCutAwayIsNoNumber() throws {
    #expect {
      _ = try metric("n=n=([0-9]+)").value(in: cut("n=1\n", "x\nend\n"))
    } throws: {
      ($0 as? LBError)?.category == .outputParse && "\($0)".contains("run.output_limit")
    }
    #expect {
      _ = try metric("n=a", json: true).value(in: cut("{\"a\":1}\n", "{\"a\":2}\n"))
    } throws: {
      ($0 as? LBError)?.category == .outputParse && "\($0)".contains("run.output_limit")
    }
  }

  @Test func linesOfDOSAreLines() throws {
    let output = KeptOutput(Array("n=1\r\nn=2\r\n".utf8))
    #expect(try metric("n=n=([0-9]+)$").value(in: output) == 2)
    let json = KeptOutput(Array("a remark\r\n{\r\n\"a\": 3\r\n}\r\nbye\r\n".utf8))
    #expect(try metric("n=a", json: true).value(in: json) == 3)
    #expect("a\r\nb\n\nc".lines.map(String.init) == ["a", "b", "", "c"])
  }

  /// Each letter more makes three times as many ways to try.
  private func endless(_ letters: Int) -> KeptOutput {
    KeptOutput(Array("\(String(repeating: "a", count: letters))b\n".utf8))
  }

  @Test func aPatternThatTakesTooLongIsGivenUp() throws {
    let metrics = [try metric("n=b"), try metric("x=((a+)+)$"), try metric("y=a", json: true)]
    let search = MetricSearch.run(
      metrics, in: endless(15), stop: try StopFlag(), limit: 10_000_000)
    guard case .abandoned(let error) = search else {
      Issue.record("\(search)")
      return
    }
    #expect(error.category == .outputParse)
    for words in ["workload.x: ", " ((a+)+)$ took too long", "within 10ms", "write a+"] {
      #expect(error.message.contains(words), "\(error.message)")
    }
  }

  @Test func aStopEndsTheSearchForAMetric() throws {
    let stop = try StopFlag()
    stop.raise(reason: 15)
    let search = MetricSearch.run([try metric("x=((a+)+)$")], in: endless(16), stop: stop)
    guard case .stopped = search else {
      Issue.record("\(search)")
      return
    }
    // What is found at once is not lost with it.
    let output = KeptOutput(Array("n=7\n".utf8))
    guard
      case .ended(let numbers) = MetricSearch.run([try metric("n=n=(.)")], in: output, stop: stop)
    else {
      Issue.record("there was time enough")
      return
    }
    #expect(try numbers.map { try $0.get() } == [7])
  }

  @Test func metricsAreFoundInTheirOrder() throws {
    let metrics = [try metric("a=a=(.)"), try metric("c=c=(.)"), try metric("b=b=(.)")]
    let output = KeptOutput(Array("a=1 b=2\n".utf8))
    guard case .ended(let found) = MetricSearch.run(metrics, in: output, stop: try StopFlag())
    else {
      Issue.record("there was time enough")
      return
    }
    #expect(found.map { try? $0.get() } == [1, nil, 2])
  }
}
