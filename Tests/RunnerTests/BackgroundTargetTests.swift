import Runner
import SampleModel
import Sampler
import TestSupport
import Testing

private struct NoFiles: PlanSource {
  func plan(at path: String) throws(LBError) -> RunPlan { throw LBError(.configuration, path) }
}

/// Notes in the spawner's log when it is told of a process.
private final class Recorder: ProcessFollower {
  private let spawner: FakeSpawner
  init(_ spawner: FakeSpawner) { self.spawner = spawner }
  func open(_ process: Int32) { spawner.mark("open") }
  func close() { spawner.mark("close") }
}

/// What lives beside workloads is measured under its own name.
@Suite struct BackgroundTargetTests {
  private func resolve(_ phases: [PhasePlan]) throws -> PhaseNode {
    let planner = Planner(.standard, source: NoFiles())
    return try #require(
      planner.resolve(RunPlan(phases), in: PlanScope(RunSpecification(name: "t", command: []))),
      "\(planner.problems.all)")
  }

  private func server(_ name: String, _ settings: [String: PlanValue] = [:]) -> PhasePlan {
    PhasePlan(
      "background", name: name, ["command": ["true"]].merging(settings) { $1 })
  }

  private func mix(_ name: String, _ members: [String]) -> PhasePlan {
    PhasePlan(
      "parallel", name: name,
      [
        "member": .list(
          members.map { .table(["name": .text($0), "command": ["true"]]) }
            + [.table(["name": "measured", "command": ["true"], "measured": true])])
      ])
  }

  @Test func theNamesAreThoseOfPhasesAndMembers() throws {
    var root = try resolve([
      server("db", ["on_failure": "spare"]), server("spare"),
      PhasePlan(
        "repeat", name: "sizes", ["parameters": ["n": [1, 2]]],
        phases: [server("cache"), mix("mix", ["load", "db"])]),
      mix("other", ["load"]),
    ])
    let (targets, unmeasured) = root.assignBackgroundTargets()
    #expect(
      targets.map(\.name) == [
        "db", "spare", "cache[n=1]", "load", "mix[n=1]/db", "cache[n=2]", "mix[n=2]/db",
      ])
    #expect(unmeasured == nil)
    #expect(targets.allSatisfy { $0.isWorkload && $0.pid == 0 && $0.generation == 0 })
  }

  @Test func whatIsBeyondTheBoundIsNamed() throws {
    var root = try resolve((0..<34).map { server("s\($0)") } + [mix("mix", ["load"])])
    let (targets, unmeasured) = root.assignBackgroundTargets()
    #expect(targets.count == PhaseNode.backgroundTargetLimit && targets.last?.name == "s31")
    #expect(
      unmeasured
        == "at most 32 processes beside the workload are measured: not s32 and 2 more")
  }

  /// It ends at once each time, and is begun again before each repetition.
  @Test func eachBeginningIsAimedAt() throws {
    var root = try resolve([server("db"), PhasePlan(name: "client", ["command": ["true"]])])
    let target = try #require(root.assignBackgroundTargets().targets.first)
    let spawner = FakeSpawner()
    target.follow(by: Recorder(spawner))
    var generation: [UInt32] = []
    let executor = FakeExecutor([])
    executor.onExecute = { _ in generation.append(target.generation) }
    root.children[1].specification?.repetitions = 3
    let controller = RunController(
      try context(spawner), plan: root, executor: executor, collectors: FakeCollectors(spawner))
    _ = controller.run(session())
    #expect(generation == [2, 3, 4], "begun with its phase, and again")
    // At its gate, and let go before its number is another's.
    let life = ["spawn", "open", "gate", "close", "signal 9", "reap"]
    #expect(spawner.log.filter { $0 != "resume" } == life + life + life + life)
    #expect(target.clockFailure == nil && target.taskClock == nil, "it is let go with its phase")
  }
}
