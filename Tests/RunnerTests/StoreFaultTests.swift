import GRDB
import LinuxSystem
import RunStore
import Runner
import SampleModel
import TestSupport
import Testing

/// A result file that takes no more of something, from the second repetition on.
@Suite struct StoreFaultTests {
  private static let faults = [
    "INSERT ON journal", "UPDATE ON phase", "INSERT ON repetition", "UPDATE ON repetition",
    "INSERT ON attempt", "UPDATE ON attempt", "INSERT ON ledger", "INSERT ON overhead",
    "INSERT ON summary", "UPDATE ON run",
  ]

  /// Statements that SQLite refuses: nothing that a disk or a lock does looks otherwise to a run.
  private func inject(_ fault: String, _ path: String) throws {
    try DatabaseQueue(path: path).write { db in
      try db.execute(
        sql: "CREATE TRIGGER fault BEFORE \(fault) BEGIN SELECT RAISE(ABORT, 'injected'); END")
    }
  }

  private func store(_ path: String) throws -> RunWriter {
    try RunWriter(
      path: path,
      identity: RunWriter.Identity(
        runID: "t", name: "t", kind: "run", version: "0", interval: 1, startUnixNanoseconds: 1,
        repetitions: 3),
      host: [], configuration: [], labels: [:])
  }

  @Test(arguments: faults) func whatWasKeptBeforeStays(_ fault: String) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    let store = try store(path)
    let events = Events()
    let spawner = FakeSpawner()
    var measured = outcome(.completed)
    measured.result.ledger = Ledger(threads: [ThreadLedger(thread: 0, cpu: nil)])
    measured.result.overhead = Overhead()
    measured.result.metrics = ["c.m": 7]
    let executor = FakeExecutor(Array(repeating: measured, count: 3))
    executor.onExecute = { place in
      guard place.repetition == 2 else { return }
      #expect(throws: Never.self) { try inject(fault, path) }
    }
    let controller = RunController(
      try context(spawner, repetitions: 3, store: store, events: events), executor: executor,
      collectors: FakeCollectors(spawner))
    var result = controller.run(session(store))
    do throws(LBError) {
      try store.finish(result)
    } catch {
      result.errors.append(error)
    }
    store.close()
    let first = try #require(result.errors.first)
    #expect(first.category == .resultPersistence && first.category.exitCode == 5, "\(first)")
    #expect(first.causes.contains { $0.contains("injected") }, "\(first.causes)")
    #expect(events.kinds.last == "run.end", "whoever watches is told all the same")
    #expect(result.phases[0].repetitions.first?.attempts.first?.metrics == ["c.m": 7])
    // Only what comes at the very end lets the other repetitions be measured.
    let isLate = ["UPDATE ON phase", "INSERT ON summary", "UPDATE ON run"].contains(fault)
    #expect(executor.attempts.count == (isLate ? 3 : 2))

    try DatabaseQueue(path: path).write { try $0.execute(sql: "DROP TRIGGER fault") }
    let reader = try RunReader(path: path)
    defer { reader.close() }
    let kept = try reader.result()
    let attempt = try #require(kept.phases.first?.repetitions.first?.attempts.first)
    #expect(attempt.status == .completed && attempt.metrics == ["c.m": 7])
  }

  @Test func everyPhaseIsCleanedUpWhenNoneCanBeSaved() throws {
    let folder = try TemporaryFolder()
    let store = try store(folder.file("r.lbsample"))
    defer { store.close() }
    var root = PhaseNode(name: "", kind: "plan")
    root.order = .interleaved
    root.children = ["one", "two"].map { name in
      var node = PhaseNode(name: name, kind: "command")
      node.specification = RunSpecification(name: name, command: ["/bin/true"])
      node.specification?.hooks[.cleanup] = "clean \(name)"
      return node
    }
    let executor = FakeExecutor([])
    executor.onExecute = { place in
      guard place.phase == "two" else { return }
      #expect(throws: Never.self) { try inject("UPDATE ON phase", store.path) }
    }
    let spawner = FakeSpawner()
    let result = RunController(
      try context(spawner, store: store), plan: root, executor: executor,
      collectors: FakeCollectors(spawner)
    ).run(session(store))
    #expect(executor.attempts.map(\.phase) == ["one", "two"])
    #expect(spawner.log.count { $0 == "spawn" } == 2, "one clean-up each: \(spawner.log)")
    #expect(result.errors.first?.category == .resultPersistence)
  }
}
