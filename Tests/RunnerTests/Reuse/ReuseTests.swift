import LinuxSystem
import RunStore
import Runner
import SampleModel
import TestSupport
import Testing

/// Phases that an earlier run has measured.
@Suite struct ReuseTests {
  private let folder: TemporaryFolder
  private var directory: RunDirectory { RunDirectory(path: folder.path) }

  init() throws { folder = try TemporaryFolder() }

  private struct Done {
    let result: RunResult
    /// The phases that were executed, in order.
    let executed: [String]
    let events: [String]
  }

  /// Runs phases called `names` with what is stored here so far, and stores that too.
  private func run(
    _ number: Int, _ names: [String] = ["a"], order: RunOrder = .sequential,
    contaminated: Bool = false,
    _ change: (inout RunSpecification) -> Void = { _ in }
  ) throws -> Done {
    let id = "t-2026010\(number)-000000-0000000\(number)"
    let store = try RunWriter(
      path: directory.file(ofRun: id),
      identity: RunWriter.Identity(
        runID: id, name: "t", kind: "run", version: "0", interval: 1, startUnixNanoseconds: 1),
      host: [], configuration: [], labels: [:])
    var root = PhaseNode(name: "", kind: "plan")
    root.order = order
    root.children = names.map { name in
      var node = PhaseNode(name: name, kind: "command")
      var one = RunSpecification(name: "t", command: ["/bin/true"])
      one.repetitions = 2
      one.reuse = .max
      change(&one)
      node.specification = one
      return node
    }
    var measured = outcome(.completed)
    measured.result.startUnixNanoseconds = 1_700_000_000_000_000_000 - 3_600_000_000_000
    measured.result.wallNanoseconds = UInt64(number) * 10
    if contaminated {
      var thread = ThreadLedger(thread: 0, cpu: nil)
      (thread.ticks.deadlines, thread.ticks.onTime, thread.ticks.skipped) = (10, 5, 5)
      measured.result.ledger = Ledger(threads: [thread])
    }
    let executor = FakeExecutor(Array(repeating: measured, count: 2 * names.count))
    let (spawner, events) = (FakeSpawner(), Events())
    let plain = try context(spawner, store: store, events: events)
    let surrounded = RunContext(
      runID: id, specification: plain.specification, services: plain.services, store: store,
      journal: plain.journal, allowedCPUs: .allowed(),
      surroundings: CellSurroundings(
        version: "0", host: [], user: 1, directory: "/", hasScope: false))
    let session = RunSession(
      result: RunResult(runID: id, name: "t", kind: "run", startUnixNanoseconds: 1), store: store,
      clock: plain.services.clock)
    let result = RunController(
      surrounded, plan: root, executor: executor, collectors: FakeCollectors(spawner),
      stored: StoredCells(in: directory, except: id)
    ).run(session)
    try store.finish(result)
    return Done(result: result, executed: executor.attempts.map(\.phase), events: events.kinds)
  }

  private func stored(_ number: Int) throws -> RunResult {
    let reader = try RunReader(
      path: directory.file(ofRun: "t-2026010\(number)-000000-0000000\(number)"))
    defer { reader.close() }
    return try reader.result()
  }

  @Test func aPhaseThatWasMeasuredWithTheSameIsTaken() throws {
    let first = try run(1)
    #expect(first.executed == ["a", "a"] && first.result.status == .completed)
    let second = try run(2)
    #expect(second.executed.isEmpty && second.result.status == .completed)
    #expect(second.events.contains("phase.taken"))
    for result in [second.result, try stored(2)] {
      let phase = try #require(result.phases.first)
      #expect(phase.provenance?.takenFrom == "t-20260101-000000-00000001")
      #expect(phase.status == .completed && phase.repetitions.map(\.repetition) == [1, 2])
      #expect(phase.metrics.first?.median == 10, "what the first run measured")
      let attempts = phase.repetitions.flatMap(\.attempts)
      #expect(attempts.map(\.wallNanoseconds) == [10, 10])
      #expect(attempts.allSatisfy { $0.bracket == nil && $0.overhead == nil })
    }
    let third = try run(3)
    #expect(third.executed.isEmpty)
    #expect(
      third.result.phases[0].provenance?.takenFrom == "t-20260101-000000-00000001",
      "the run that measured it is named, not the one that took it")
  }

  @Test func whatIsOlderOrOtherwiseIsMeasured() throws {
    _ = try run(1)
    // It was measured an hour ago.
    #expect(try run(2) { $0.reuse = 3_599_000_000_000 }.executed.count == 2)
    #expect(try run(3) { $0.reuse = nil }.executed.count == 2, "nobody asked for it")
    #expect(try run(4, ["b"]).executed.count == 2)
    #expect(try run(5) { $0.environment = ["A=1"] }.executed.count == 2)
    #expect(try run(6) { $0.reuse = 3_601_000_000_000 }.executed.isEmpty)
  }

  @Test func whatWasDisturbedIsNotTaken() throws {
    let first = try run(1, contaminated: true)
    let attempts = first.result.phases.flatMap(\.repetitions).flatMap(\.attempts)
    #expect(attempts.count == 2 && attempts.allSatisfy { !$0.contamination.isEmpty })
    let second = try run(2)
    #expect(second.executed.count == 2 && !second.events.contains("phase.taken"))
    #expect(try run(3).result.phases[0].metrics.first?.median == 20)
  }

  /// Pairs of one run stay pairs; half of one is no pair.
  @Test func phasesThatTakeTurnsAreTakenTogether() throws {
    _ = try run(1, ["a"], order: .abba)
    let second = try run(2, ["a", "b"], order: .abba)
    #expect(second.executed == ["a", "b", "b", "a"])
    let third = try run(3, ["a", "b"], order: .abba)
    #expect(third.executed.isEmpty)
    #expect(Set(third.result.phases.compactMap { $0.provenance?.takenFrom }).count == 1)
    #expect(try run(4, ["a", "b"], order: .interleaved).executed == ["a", "b", "a", "b"])
  }

  @Test func anInputThatIsNotThereEndsThePhase() throws {
    let missing = folder.file("none")
    let done = try run(1) { $0.inputs = [missing] }
    #expect(done.executed.isEmpty && done.result.status == .failed)
    let error = try #require(done.result.errors.first)
    #expect(error.category == .configuration && error.message.contains("--depends \(missing)"))
  }

  @Test func anInputThatChangesMeanwhileIsSaid() throws {
    let path = try folder.write("data", "1")
    let done = try run(1) { one in
      one.inputs = [path]
      one.customGates = [Rewriter(folder: folder)]
    }
    #expect(done.executed.count == 2)
    #expect(done.result.warnings.contains { $0.contains("\(path) changed while it was measured") })
    #expect(try stored(1).phases[0].provenance?.unknown?.contains("changed") == true)
  }

  /// A workload that writes what it is said to read.
  private struct Rewriter: RepetitionGate {
    let folder: TemporaryFolder
    var name: String { "rewriter" }

    func objection(to attempt: AttemptResult) -> String? {
      #expect(throws: Never.self) { try folder.write("data", "2") }
      return nil
    }
  }

  @Test func aDamagedRunIsWarnedOfAndNotUsed() throws {
    _ = try run(1)
    let path = directory.file(ofRun: "t-20260101-000000-00000001")
    try folder.write("t-20260101-000000-00000001.lbsample", "no result")
    let second = try run(2)
    #expect(second.executed.count == 2)
    #expect(second.result.warnings.contains { $0.contains("--reuse") && $0.contains(path) })
  }
}
