import Glibc
import LinuxSystem
import RunStore
import Runner
import SampleModel
import Synchronization
import TestSupport
import Testing

@Suite struct DiagnosisTests {
  /// A failure as a table has it.
  struct Case: Sendable {
    let category: ErrorCategory
    var hasBegun = true
    var isMeasured = true
    let remedy: Diagnosis.Remedy
  }

  @Test(arguments: [
    Case(category: .metricCollection, hasBegun: false, remedy: .retry),
    Case(category: .metricCollection, remedy: .abort),
    Case(category: .collectorUnavailable, hasBegun: false, remedy: .retry),
    Case(category: .collectorUnavailable, remedy: .abort),
    Case(category: .workload, remedy: .skipPhase),
    Case(category: .workload, isMeasured: false, remedy: .abort),
    Case(category: .outputParse, remedy: .skipPhase),
    Case(category: .remoteExecution, remedy: .skipPhase),
    Case(category: .configuration, remedy: .skipPhase),
    Case(category: .configuration, isMeasured: false, remedy: .abort),
    Case(category: .gate, remedy: .abort), Case(category: .quota, remedy: .abort),
    Case(category: .stopRequested, remedy: .abort),
    Case(category: .resultPersistence, remedy: .abort),
    Case(category: .internal, remedy: .abort),
  ]) func eachFailureHasItsRemedy(_ one: Case) {
    var diagnosis = Diagnosis()
    let remedy = diagnosis.remedy(
      for: LBError(one.category, "it failed"), phase: "p", hasBegun: one.hasBegun,
      isMeasured: one.isMeasured)
    #expect(remedy == one.remedy)
  }

  @Test func aPersonIsAskedWhereTheRunWouldEndAndNowhereElse() {
    func remedy(_ category: ErrorCategory, isMeasured: Bool) -> Diagnosis.Remedy {
      var diagnosis = Diagnosis()
      return diagnosis.remedy(
        for: LBError(category, "it failed"), phase: "p", hasBegun: true, isMeasured: isMeasured,
        mayAsk: true)
    }
    for category in [ErrorCategory.workload, .outputParse, .remoteExecution, .configuration] {
      #expect(remedy(category, isMeasured: false) == .ask)
      #expect(remedy(category, isMeasured: true) == .skipPhase)
    }
    #expect(remedy(.metricCollection, isMeasured: true) == .ask)
    #expect(remedy(.collectorUnavailable, isMeasured: false) == .ask)
    for category in [ErrorCategory.gate, .quota, .stopRequested, .resultPersistence, .internal] {
      #expect(remedy(category, isMeasured: false) == .abort)
    }
  }

  @Test func remediesAreBoundedByPhaseAndByRun() {
    let error = LBError(.workload, "it failed")
    var diagnosis = Diagnosis()
    func remedies(_ phase: String, _ count: Int) -> [Diagnosis.Remedy] {
      (0..<count).map { _ in
        diagnosis.remedy(for: error, phase: phase, hasBegun: true, isMeasured: true)
      }
    }
    #expect(remedies("a", 3) == [.skipPhase, .skipPhase, .abort])
    let others = "bcdef".flatMap { remedies("\($0)", 2) }
    #expect(others.prefix(8).allSatisfy { $0 == .skipPhase })
    #expect(others.suffix(2) == [.abort, .abort])
  }

  @Test func aCollectorIsGivenUpAtItsFifthFailureRunning() {
    func ledger(_ gaps: UInt64) -> Ledger {
      var line = CollectorLedger(collector: "net")
      line.acquisitions = 3
      line.gaps = ["malformed": gaps]
      var thread = ThreadLedger(thread: 0, cpu: nil)
      thread.collectors = [line]
      return Ledger(threads: [thread])
    }
    var watch = CollectorWatch()
    let failed = (0..<7).map { _ in watch.observe(ledger(3)) }
    #expect(failed.map(\.count) == [0, 0, 0, 0, 1, 0, 0] && failed[4] == ["net"])
    var lucky = CollectorWatch()
    let gone = (0..<12).flatMap { lucky.observe(ledger($0 % 5 == 4 ? 2 : 3)) }
    #expect(gone.isEmpty, "a value in between begins the count anew")
  }
}

/// Every failure on its way through a run: to the result, the events, the exit code.
@Suite struct FailurePathTests {
  private func run(
    _ outcomes: [AttemptOutcome], repetitions: Int = 2, _ plan: PhaseNode? = nil,
    growable: Set<Int> = [], _ change: (inout RunSpecification) -> Void = { _ in }
  ) throws -> (result: RunResult, events: Events, collectors: FakeCollectors, attempts: Int) {
    let events = Events()
    let spawner = FakeSpawner()
    let context = try context(
      spawner, repetitions: repetitions, events: events, change)
    let collectors = FakeCollectors(spawner)
    collectors.growable = growable
    let executor = FakeExecutor(outcomes)
    let controller = RunController(
      context, plan: plan, executor: executor, collectors: collectors)
    return (controller.run(session()), events, collectors, executor.places.count)
  }

  @Test(arguments: ErrorCategory.allCases)
  func eachCategoryReachesResultEventsAndExitCode(_ category: ErrorCategory) throws {
    let error = LBError(category, "injected")
    var failed = outcome(.failed, error, fatal: error)
    failed.hasBegun = true
    failed.result.metrics = ["c.m": 7]
    let (result, events, _, attempts) = try run([outcome(.completed), failed], repetitions: 3)
    #expect(attempts == 2, "it ends the phase")
    // What a quota ended can be gone on with.
    #expect(result.errors.first == error)
    #expect(result.status == (category == .quota ? .interrupted : .failed))
    #expect(result.errors.count { $0 == error } == 1, "\(result.errors)")
    let expected: [ErrorCategory: Int32] = [
      .configuration: 2, .collectorUnavailable: 3, .metricCollection: 3, .workload: 4,
      .outputParse: 4, .resultPersistence: 5, .remoteExecution: 4, .gate: 6, .quota: 6,
      .stopRequested: 130, .internal: 1,
    ]
    #expect(result.errors.first?.category.exitCode == expected[category])
    let kept = result.phases[0].repetitions.flatMap(\.attempts)
    #expect(kept.map(\.status) == [.completed, .failed], "what was measured is kept")
    #expect(kept.last?.metrics == ["c.m": 7])
    #expect(result.metrics.first { $0.metric == "wall_time" }?.count == 1)
    let told = events.entries.withLock { $0 }
    #expect(told.contains { $0.kind == "repetition.end" && $0.error == error })
    #expect(told.last?.kind == "run.end" && told.last?.error == error)
  }

  @Test func aRingThatOverflowedGrowsForTheNextAttempt() throws {
    var full = outcome(.completed)
    var thread = ThreadLedger(thread: 1, cpu: nil)
    thread.ring.pushed = 9
    thread.ring.drained = 6
    thread.ring.dropped = 3
    full.result.ledger = Ledger(threads: [thread])
    func attempts(_ growable: Set<Int>, limit: UInt64? = nil) throws -> (Int, [String]) {
      let run = try run([full, full, full], repetitions: 1, growable: growable) {
        $0.attempts.isIdempotent = true
        $0.quota.ringBytes = limit
      }
      let grown = run.events.entries.withLock { $0.filter { $0.kind == "ring.grown" } }
      return (run.attempts, grown.map(\.message))
    }
    let (all, told) = try attempts([1])
    #expect(all == 4, "three repeats of a disturbance that may pass, and the fourth is clean")
    #expect(told == Array(repeating: "thread=1 dropped=3 from_bytes=4096 to_bytes=8192", count: 3))
    let (stuck, silent) = try attempts([])
    #expect(stuck == 2 && silent.isEmpty, "the same again fails fast")
    #expect(try attempts([1], limit: 5000) == (2, []))
  }

  @Test func whatEarlierSessionsMendedIsMendedAgain() throws {
    func entry(_ kind: String, _ message: String) -> JournalEntry {
      JournalEntry(
        unixNanoseconds: 1, level: "notice", kind: kind, message: message, run: "r", phase: nil,
        repetition: nil, attempt: nil)
    }
    let decisions = EarlierDecisions([
      entry("ring.grown", "thread=0 dropped=7 from_bytes=4096 to_bytes=8192"),
      entry("ring.grown", "the ring could not be made: no memory"), entry("mark", "thread=1"),
      entry("collector.disabled", "disk gave nothing in 5 attempts running: it is read no more"),
      entry("approval", "go: really?: approve by user 0"),
      entry("approval", "stay: really?: refuse by user 0 at the terminal"),
    ])
    #expect(decisions.approved == ["go: really?"])
    let collectors = FakeCollectors(FakeSpawner())
    collectors.growable = [0, 1]
    try decisions.apply(to: collectors, ringLimit: .max)
    #expect(collectors.grown == [0] && collectors.disabled == ["disk"])
    let small = FakeCollectors(FakeSpawner())
    small.growable = [0]
    try decisions.apply(to: small, ringLimit: 4096)
    #expect(small.grown.isEmpty, "the quota still holds")
  }

  @Test func ringsAboveTheirQuotaAreRefusedBeforeAnythingRuns() throws {
    let (result, _, _, attempts) = try run([]) { $0.quota.ringBytes = 100 }
    #expect(attempts == 0 && result.errors.map(\.category) == [.quota])
    #expect(result.errors.first?.message.contains("3996 more are needed") == true)
  }

  @Test func aCollectorThatGivesNothingIsReadNoMore() throws {
    var line = CollectorLedger(collector: "net")
    line.acquisitions = 2
    line.gaps = ["absent": 2]
    var thread = ThreadLedger(thread: 0, cpu: nil)
    thread.collectors = [line]
    var empty = outcome(.completed)
    empty.result.ledger = Ledger(threads: [thread])
    let (result, events, collectors, _) = try run(
      Array(repeating: empty, count: 7), repetitions: 7)
    #expect(collectors.disabled == ["net"] && events.kinds.contains("collector.disabled"))
    #expect(result.warnings.contains { $0.hasPrefix("net gave nothing in 5 attempts") })
    #expect(result.status == .completed)
  }

  @Test func aPhaseThatCannotBeStartedTakesNothingFromTheNext() throws {
    var root = PhaseNode(name: "", kind: "plan")
    root.children = ["bad", "good"].map { name in
      var node = PhaseNode(name: name, kind: "command")
      node.specification = RunSpecification(name: name, command: ["/bin/true"])
      return node
    }
    let error = LBError(.workload, "no such command")
    let (result, events, _, attempts) = try run(
      [outcome(.failed, error, fatal: error)], repetitions: 1, root)
    #expect(attempts == 2 && result.phases.map(\.status) == [.failed, .completed])
    #expect(result.errors == [error] && result.status == .failed)
    #expect(events.kinds.contains("phase.skipped"))
  }

  @Test func aBracketThatCannotBeOpenedIsTriedTwiceMore() throws {
    let spawner = FakeSpawner()
    let context = try context(spawner, repetitions: 1)
    let collectors = FakeCollectors(spawner)
    collectors.failAtStart = LBError(.metricCollection, "the edge is a gap")
    let controller = RunController(
      context, executor: RepetitionExecutor(), collectors: collectors)
    let result = controller.run(session())
    #expect(spawner.log.count { $0 == "start" } == 3)
    #expect(result.errors.map(\.category) == [.metricCollection])
    #expect(result.phases[0].repetitions[0].attempts.count == 3, "each is in the history")
  }
}

@Suite struct ApprovalTests {
  private func ask(_ said: String) throws -> (RunResult, waits: Int) {
    let folder = try TemporaryFolder()
    let store = try RunWriter(
      path: folder.file("r.lbsample"),
      identity: RunWriter.Identity(
        runID: "t", name: "t", kind: "run", version: "0", interval: 1, startUnixNanoseconds: 1,
        repetitions: 1),
      host: [], configuration: [], labels: [:])
    var ends: [Int32] = [0, 0]
    try #require(unsafe pipe(&ends) == 0)
    defer { close(ends[0]) }
    let bytes = Array(said.utf8)
    try #require(unsafe write(ends[1], bytes, bytes.count) == bytes.count)
    close(ends[1])
    let waits = Mutex(0)
    let spawner = FakeSpawner()
    let context = try context(spawner, repetitions: 1, store: store, answers: ends[0])
    var approve = PhaseNode(name: "go", kind: "approve")
    approve.actions = [ApproveAction(message: "may it go on?", limit: 300_000_000)]
    var root = PhaseNode(name: "", kind: "plan")
    root.children = [approve]
    let controller = RunController(
      context, plan: root, executor: FakeExecutor([]), collectors: FakeCollectors(spawner),
      progress: { if case .waiting = $0.activity { waits.withLock { $0 += 1 } } })
    let result = controller.run(session(store))
    try store.finish(result)
    return (result, waits.withLock { $0 })
  }

  @Test func aPersonAnswersAtTheTerminal() throws {
    #expect(try ask("yes\n").0.errors.isEmpty)
    let refused = try ask("No\n").0
    #expect(refused.errors.map(\.category) == [.gate])
    #expect(refused.errors.first?.message.contains("at the terminal") == true)
    // Neither: asked once more; then nobody is there, and time passes.
    let (silent, waits) = try ask("perhaps\n")
    #expect(waits == 2 && silent.errors.first?.message.contains("nobody approved") == true)
  }
}
