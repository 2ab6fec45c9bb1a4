import Foundation
import LinuxSystem
import RunStore
import RunnerKit
import SampleModel
import Synchronization
import TestSupport
import Testing

@Suite(.serialized) struct WorkloadRunnerTests {
  @Test func aWorkloadIsRunSampledAndKept() throws {
    let folder = try TemporaryFolder()
    let result = try WorkloadRunner.run(
      .init(
        command: ["sh", "-c", "exit 0"], repetitions: 3, warmUps: 1,
        file: folder.file("r.lbsample")))
    #expect(result.status == .completed)
    #expect(result.phases[0].repetitions.count == 4)
    #expect(result.summary().first?.metric == "wall_time")
    #expect(result.summary().first?.count == 3)
    #expect(result.phases[0].repetitions.allSatisfy { $0.attempts[0].ledger.isExact })
  }

  @Test func aStoredRunIsReadAgain() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    let made: RunResult = try WorkloadRunner.run(
      .init(
        command: ["sh", "-c", "echo said; sleep 0.05"], repetitions: 2,
        collectors: ["load", "cpu"],
        interval: .milliseconds(10), file: path))
    let run = try StoredRun(at: path)
    #expect(run.result.status == .completed && run.result.runID == made.runID)
    let attempts = run.result.phases[0].repetitions.map { $0.attempts[0] }
    for (attempt, other) in zip(attempts, attempts.reversed()) {
      #expect(try run.output(of: attempt) == Array("said\n".utf8))
      var frames: [FrameSnapshot] = []
      try run.forEachFrame(of: attempt) { frames.append($0) }
      #expect(frames.count >= 8 && frames.allSatisfy { $0.bracket == attempt.bracket })
      #expect(frames.allSatisfy { $0.bracket != other.bracket })
      #expect(frames.map(\.start) == frames.map(\.start).sorted())
      #expect(frames.allSatisfy { $0.collector != "cpu" || $0.values["cpu.user[all]"] != nil })
    }
    var count = 0
    try run.forEachFrame { _ in count += 1 }
    #expect(UInt64(count) == attempts.reduce(0) { $0 + $1.ledger.ring.drained })
    #expect(throws: LBError.self) { _ = try StoredRun(at: folder.file("none")) }
  }

  /// What cannot be armed leaves no file that would look like a run under way.
  @Test func aRunThatIsNotArmedLeavesNoFile() throws {
    let folder = try TemporaryFolder()
    for collector in ["no-such", "cgroup"] {
      #expect(throws: LBError.self) {
        try WorkloadRunner.run(
          .init(command: ["true"], collectors: [collector], file: folder.file("r.lbsample")))
      }
      #expect(directoryEntries(folder.path).isEmpty)
    }
  }

  /// Of a plan it is known beforehand how much is to come, unless something in it decides.
  @Test func aPlansFileSaysWhatWasPlanned() throws {
    let folder = try TemporaryFolder()
    let work = PhasePlan(name: "work", ["command": ["true"], "repetitions": 2, "warmup": 1])
    for (name, phases) in [
      ("plain", [work]),
      ("open", [PhasePlan("when", name: "w", ["condition": "host.cpus > 0"], phases: [work])]),
    ] {
      let file = folder.file("\(name).lbsample")
      let made: RunResult = try WorkloadRunner.run(
        .init(plan: RunPlan(phases), collectors: ["entropy"], file: file))
      #expect(made.status == .completed)
      let reader = try RunReader(path: file)
      defer { reader.close() }
      let planned = try reader.planned()
      #expect(planned?.repetitions == (name == "plain" ? 2 : nil))
      #expect(planned?.warmUps == (name == "plain" ? 1 : nil))
    }
  }

  @Test func failuresStandInTheResult() throws {
    let result = try WorkloadRunner.run(.init(command: ["sh", "-c", "exit 9"]))
    #expect(result.status == .failed)
    #expect(result.errors.first?.category == .workload)
    #expect(result.phases[0].repetitions[0].attempts[0].exitCode == 9)
    #expect(throws: LBError.self) { try WorkloadRunner.run(.init(command: ["no-such-thing"])) }
  }
}

@Suite(.serialized) struct RunnerKitTests {
  private let plan = RunPlan([
    PhasePlan(
      "repeat", name: "sizes", ["parameters": ["n": [1, 2]], "order": "interleaved"],
      phases: [PhasePlan(name: "work", ["command": ["echo", "{n}"], "repetitions": 2])])
  ])

  @Test func aPlansServerIsMeasured() throws {
    let plan = RunPlan([
      PhasePlan("background", name: "server", ["command": ["sleep", "100"]]),
      PhasePlan(name: "client", ["command": ["sleep", "0.05"]]),
    ])
    var request = WorkloadRunner.Request(plan: plan, interval: .milliseconds(10))
    for collectors in [["cpu", "tree"], ["cpu"]] {
      request.collectors = collectors
      let result: RunResult = try WorkloadRunner.run(request)
      let metrics = try #require(result.phases.first?.repetitions[0].attempts[0].metrics)
      let isMeasured = collectors.contains("tree")
      #expect(metrics["tree.processes[server]"] == (isMeasured ? 1 : nil))
      #expect(metrics.keys.contains { $0.contains("[server]") } == isMeasured)
    }
  }

  @Test func aPlanIsRunAndWatched() async throws {
    var request = WorkloadRunner.Request(plan: plan, collectors: ["cpu"])
    let events = Subscription<JournalEntry>(capacity: 1000)
    request.events = events
    let result = try await WorkloadRunner.run(request)
    #expect(result.status == .completed)
    #expect(result.phases.map(\.name) == ["work[n=1]", "work[n=2]"])
    #expect(result.summary(of: "work[n=2]").first?.count == 2)
    var kinds: [String] = []
    for await event in events { kinds.append(event.kind) }
    #expect(kinds.first == "run.start" && kinds.last == "run.end" && events.lost == 0)
    #expect(kinds.count { $0 == "repetition.end" } == 4)
  }

  @Test func aSlowSubscriberLosesCountedEvents() async throws {
    var request = WorkloadRunner.Request(plan: plan, collectors: ["cpu"])
    let events = Subscription<JournalEntry>(capacity: 3)
    request.events = events
    let result = try await WorkloadRunner.run(request)
    #expect(result.status == .completed)
    var taken: UInt64 = 0
    for await _ in events { taken += 1 }
    // A host that is not quiet adds notes.
    #expect(taken == 3 && events.lost >= 7, "\(taken) \(events.lost)")
  }

  // On the wall clock: the workload is a real process, which has to be dead long before its time.
  @Test(.tags(.wallClock)) func aCancelledTaskStopsTheRun() async throws {
    var request = WorkloadRunner.Request(command: ["sleep", "600"], collectors: ["cpu"])
    let events = Subscription<JournalEntry>(capacity: 1000)
    request.events = events
    let sent = request
    let task = Task { try await WorkloadRunner.run(sent) }
    for await event in events where event.kind == "repetition.start" { break }
    let began = ContinuousClock.now
    task.cancel()
    let result = try await task.value
    #expect(result.status == .interrupted && ContinuousClock.now - began < .seconds(300))
    #expect(result.phases[0].repetitions[0].attempts[0].ledger.isExact)
  }

  /// Nobody signalled anything: the program stopped it.
  @Test(arguments: [false, true]) func aStopEndsWhatIgnoresSIGTERM(_ isKilled: Bool) async throws {
    var request = WorkloadRunner.Request(
      command: ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], collectors: ["entropy"])
    request.grace = isKilled ? .seconds(3600) : .milliseconds(100)
    let stop = try StopSource()
    request.stop = stop
    let events = Subscription<JournalEntry>(capacity: 1000)
    request.events = events
    let sent = request
    let task = Task { try await WorkloadRunner.run(sent) }
    for await event in events where event.kind == "repetition.start" { break }
    if isKilled { stop.kill() } else { stop.stop() }
    let result = try await task.value
    #expect(result.status == .interrupted)
    let error = try #require(result.errors.first)
    #expect(error.category == .stopRequested && error.context.signal == nil)
    #expect(error.exitCode == 130 && error.message.contains("the program"), "\(error)")
  }

  /// A thread that nobody joins keeps its stack until the process ends.
  @Test func asynchronousRunsLeaveNoThread() async throws {
    func stacks() throws -> Int {
      let maps = try String(contentsOfFile: "/proc/self/maps", encoding: .utf8)
      return maps.split(separator: "\n").count { line in
        let ends = line.prefix { $0 != " " }.split(separator: "-").compactMap {
          UInt64($0, radix: 16)
        }
        return ends.count == 2 && ((8 << 20) - 65536...8 << 20).contains(ends[1] - ends[0])
      }
    }
    let request = WorkloadRunner.Request(command: ["true"], collectors: ["entropy"])
    let result = try await WorkloadRunner.run(request)
    #expect(result.status == .completed)
    let before = try stacks()
    for _ in 0..<16 { _ = try await WorkloadRunner.run(request) }
    let after = try stacks()
    #expect(after < before + 12, "\(before) and \(after) stacks")
  }

  @Test func theTasksSourceStopsUnlessTheRequestHasOne() async throws {
    let outer = try StopSource()
    outer.stop()
    let inner = try StopSource()
    let request = WorkloadRunner.Request(command: ["true"], collectors: ["cpu"])
    var own = request
    own.stop = inner
    let explicit = own
    func status(_ request: WorkloadRunner.Request) async throws -> RunStatus {
      try await WorkloadRunner.run(request).status
    }
    let statuses = try await StopSource.$current.withValue(outer) { () async throws in
      var statuses = [try await status(request), try await status(explicit)]
      statuses.append(
        try await StopSource.$current.withValue(inner) { () async throws in
          try await status(request)
        })
      #expect(StopSource.current === outer)
      return statuses
    }
    #expect(statuses == [.interrupted, .completed, .completed])
    #expect(StopSource.current == nil)
  }

  /// What the task's source is where a handler looks.
  private final class Looker: PhaseHandler {
    let seen = Mutex<[StopSource?]>([])
    let kind = "look"
    func run(_ phase: HandledPhase) throws(LBError) {
      seen.withLock { $0.append(StopSource.current) }
    }
  }

  @Test func aRunsOwnSourceIsTheTasksWithinItAlone() throws {
    let looker = Looker()
    let plan = RunPlan([
      PhasePlan("look", name: "l", [:], phases: [PhasePlan(name: "a", ["command": "true"])])
    ])
    var request = WorkloadRunner.Request(plan: plan, collectors: ["cpu"])
    request.phases = [looker]
    let first = try StopSource()
    request.stop = first
    #expect(try WorkloadRunner.run(request).status == .completed)
    #expect(StopSource.current == nil, "behind it")
    let second = try StopSource()
    request.stop = second
    #expect(try WorkloadRunner.run(request).status == .completed)
    request.stop = nil
    #expect(try WorkloadRunner.run(request).status == .completed)
    let seen = looker.seen.withLock { $0 }
    #expect(seen.count == 3 && seen[0] === first && seen[1] === second, "between two")
    #expect(seen[2] != nil && seen[2] !== second, "one without has its own")
  }

  @Test func conditionsKnowTheHostAndItsCollectors() throws {
    let conditions = ["host.hostname != none", "available.cpu", "not available.cpu"]
    for (condition, statuses) in zip(conditions, [[RunStatus.completed], [.completed], [.skipped]])
    {
      let plan = RunPlan([
        PhasePlan(
          "when", name: "w", ["condition": .text(condition)],
          phases: [PhasePlan(name: "inner", ["command": ["true"]])])
      ])
      let result: RunResult = try WorkloadRunner.run(.init(plan: plan, collectors: ["load"]))
      #expect(result.errors.isEmpty && result.phases.map(\.status) == statuses, "\(result.errors)")
    }
  }

  @Test func aPlanSurvivesJSON() throws {
    let data = try JSONEncoder().encode(plan)
    #expect(try JSONDecoder().decode(RunPlan.self, from: data) == plan)
  }

  @Test func aWrongPlanIsAClearError() {
    let wrong = RunPlan([PhasePlan("comand", name: "a")])
    let error = #expect(throws: LBError.self) { () throws in
      let _: RunResult = try WorkloadRunner.run(WorkloadRunner.Request(plan: wrong))
    }
    #expect(error?.message.contains("did you mean command?") == true)
  }
}
