import Glibc
import LinuxSystem
import RunStore
import Runner
import SampleModel
import Sampler
import Synchronization
import TestSupport
import Testing

/// Every failure on its way through a run: to the result, the events, the exit code.
@Suite struct FailurePathTests {
  private func run(
    _ outcomes: [AttemptOutcome], repetitions: Int = 2, _ plan: PhaseNode? = nil,
    growable: Set<Int> = [], prospect: SamplingOutlook = .whole,
    _ change: (inout RunSpecification) -> Void = { _ in }
  ) throws -> (result: RunResult, events: Events, collectors: FakeCollectors, attempts: Int) {
    let events = Events()
    let spawner = FakeSpawner()
    let context = try context(
      spawner, repetitions: repetitions, events: events, change)
    let collectors = FakeCollectors(spawner)
    collectors.growable = growable
    collectors.prospect = prospect
    let executor = FakeExecutor(outcomes)
    let controller = RunController(
      context, plan: plan, executor: executor, collectors: collectors)
    return (controller.run(session()), events, collectors, executor.attempts.count)
  }

  @Test(arguments: ErrorCategory.allCases)
  func eachCategoryReachesResultEventsAndExitCode(_ category: ErrorCategory) throws {
    let injected = LBError(category, "injected")
    var failed = outcome(.failed, injected, fatal: injected)
    failed.hasBegun = true
    failed.result.metrics = ["c.m": 7]
    let (result, events, _, attempts) = try run([outcome(.completed), failed], repetitions: 3)
    #expect(attempts == 2, "it ends the phase")
    // Its words are the injected one's, its place is the attempt's.
    let error = injected.located(phase: "main", repetition: 2, attempt: 1)
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
    #expect(told == Array(repeating: "thread=1 dropped=3 from_bytes=4096 to_bytes=5120", count: 3))
    let (stuck, silent) = try attempts([])
    #expect(stuck == 2 && silent.isEmpty, "the same again fails fast")
    #expect(try attempts([1], limit: 5000) == (2, []))
  }

  @Test func theDecisionsOfEarlierSessionsAreAppliedAgain() throws {
    func entry(_ kind: String, _ message: String, collector: String? = nil) -> JournalEntry {
      var entry = JournalEntry(
        unixNanoseconds: 1, level: "notice", kind: kind, message: message, run: "r", phase: nil,
        repetition: nil, attempt: nil)
      entry.error = collector.map {
        LBError(.metricCollection, "it failed", context: ErrorContext(collector: $0))
      }
      return entry
    }
    let decisions = ResumeDecisions([
      entry("ring.grown", "thread=0 dropped=7 from_bytes=4096 to_bytes=5120"),
      entry("ring.grown", "the ring could not be made: no memory"), entry("mark", "thread=1"),
      entry("collector.disabled", "whatever the message is", collector: "disk"),
      entry("collector.disabled", "net: a message alone names no collector"),
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

  @Test func journalMessagesAreReadBackAsTheyWereWritten() {
    let ring = GrownRing(RingGrowth(thread: 3, from: 4096, to: 5120), dropped: 17)
    #expect(GrownRing(journalMessage: ring.journalMessage) == ring)
    for text in ["", "thread=3", "thread=3 dropped=-1 from_bytes=1 to_bytes=2", "a=b=c"] {
      #expect(GrownRing(journalMessage: text) == nil, "\(text)")
    }
    for question in ["go: really?", "", "x: refuse by user 1: approve by user 2", ": approve by "] {
      for word in Approval.Word.allCases {
        let answer = ApprovalAnswer(question: question, word, by: "user 0 at the terminal")
        #expect(ApprovalAnswer(journalMessage: answer.journalMessage) == answer, "\(question)")
      }
    }
    #expect(ApprovalAnswer(journalMessage: "approve by user 0") == nil)
  }

  @Test func ringsAboveTheirQuotaAreRefusedBeforeAnythingRuns() throws {
    let (result, _, _, attempts) = try run([]) { $0.quota.ringBytes = 100 }
    #expect(attempts == 0 && result.errors.map(\.category) == [.quota])
    #expect(result.errors.first?.message.contains("need 4096 bytes, 100 are allowed") == true)
  }

  @Test func aCollectorWithoutValuesIsDisabled() throws {
    var line = CollectorLedger(collector: "net")
    line.acquisitions = 2
    line.gaps = ["absent": 2]
    var thread = ThreadLedger(thread: 0, cpu: nil)
    thread.collectors = [line]
    var empty = outcome(.completed)
    empty.result.ledger = Ledger(threads: [thread])
    let (result, events, collectors, _) = try run(
      Array(repeating: empty, count: 7), repetitions: 7, prospect: .without("net"))
    #expect(collectors.disabled == ["net"] && events.kinds.contains("collector.disabled"))
    #expect(
      result.warnings.contains(
        "net gave no values in 5 consecutive attempts; collector net is disabled"))
    let entry = events.entries.withLock { $0.first { $0.kind == "collector.disabled" } }
    #expect(entry?.error?.context.collector == "net", "by which a later session knows it")
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
    #expect(result.errors.map(\.message) == [error.message] && result.status == .failed)
    #expect(result.errors.first?.context.phase == result.phases.first?.name)
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

  @Test func aCollectorThatIsLostOverAWaitIsReadNoMoreAndARequiredOneEndsTheRun() throws {
    func run(_ prospect: SamplingOutlook) throws -> (RunResult, FakeCollectors, Events) {
      let (spawner, events) = (FakeSpawner(), Events())
      let collectors = FakeCollectors(spawner)
      collectors.failAtResume = LBError(
        .metricCollection, "net cannot be armed again after the wait",
        context: ErrorContext(collector: "net"))
      collectors.prospect = prospect
      let context = try context(spawner, repetitions: 1, events: events)
      let controller = RunController(
        context, executor: FakeExecutor([]), collectors: collectors)
      return (controller.run(session()), collectors, events)
    }
    let (without, collectors, events) = try run(.without("net"))
    #expect(without.status == .completed && collectors.disabled == ["net"])
    #expect(events.kinds.contains("collector.disabled"))
    let (ended, inVain, _) = try run(.whole)
    #expect(ended.errors.map(\.category) == [.metricCollection])
    #expect(inVain.spawner.log.count { $0 == "resume" } == 3, "tried twice more")
  }

  /// Sampling that hangs in the second of three brackets, for as long as the run lasts. On the wall
  /// clock, since the real sampler's threads are what hangs.
  @Test(
    .tags(.wallClock), .timeLimit(.minutes(1)),
    arguments: [(edge: 2, required: false), (3, false), (2, true), (3, true)])
  func aRunWhoseSamplingHangsGoesOnWithTimesUnlessItWasRequired(
    _ hang: (edge: Int, required: Bool)
  ) throws {
    let collector = HangingCollector(after: hang.edge)
    // Nothing but edges is sampled.
    var configuration = SamplerConfiguration(
      interval: 3_600_000_000_000, cpus: [CPUSet.allowed().members[0]],
      context: CollectorContext(roots: MountRoots()))
    configuration.lockMemory = false
    configuration.responseTimeout = 1_000_000_000
    let collectors = CollectorSet(
      configuration, requests: [CollectorRequest(collector, required: hang.required)], sinks: [])
    try collectors.arm()
    defer {
      collectors.disarm()
      // It comes back to memory that is still there.
      collector.hangs.store(false, ordering: .relaxed)
      usleep(20_000)
    }
    let events = Events()
    let context = try context(FakeSpawner(), repetitions: 3, events: events, clock: .system)
    let controller = RunController(
      context, executor: RepetitionExecutor(), collectors: collectors)
    let result = controller.run(session(clock: .system))
    let repetitions = result.phases[0].repetitions
    #expect(repetitions[0].attempts.map(\.metrics.isEmpty) == [false])
    guard !hang.required else {
      #expect(result.errors.map(\.category) == [.metricCollection])
      #expect(repetitions.count == 2 && repetitions[1].attempts.count == 1, "in vain: once")
      return
    }
    #expect(result.status == .completed && result.errors.isEmpty)
    #expect(events.kinds.count { $0 == "sampling.degraded" } == 1)
    #expect(result.warnings.contains { $0.contains("in collector hanging") })
    #expect(repetitions.map(\.status) == [.completed, .completed, .completed])
    // The workload had not begun, or had come to its end.
    let attempts = repetitions[1].attempts.map(\.status)
    #expect(attempts == (hang.edge == 2 ? [.failed, .completed] : [.completed]))
    let times = repetitions.compactMap { $0.attempts.last }
    #expect(times.allSatisfy { ($0.wallNanoseconds ?? 0) > 0 && $0.ledger.isExact })
    #expect(times.allSatisfy { $0.bracketNanoseconds < 500_000_000 }, "the hang is not its time")
    for unsampled in times.dropFirst() {
      #expect(unsampled.metrics.isEmpty && unsampled.contamination.isEmpty)
      #expect(unsampled.overhead == nil, "what was not measured is no zero")
    }
    #expect(Set(times.map(\.bracket)).count == 3, "numbers go on behind the bracket that failed")
    #expect(result.metrics.first { $0.metric == "wall_time" }?.count == 3)
  }

  @Test func aMetricThatEndsIsNotWaitedFor() throws {
    let spawner = FakeSpawner()
    let context = try context(spawner, repetitions: 3) {
      $0.until = Precision("ci(c.m)<=0.001%")
      $0.maximumRepetitions = 50
    }
    let collectors = FakeCollectors(spawner)
    collectors.metricEnds = 5
    let controller = RunController(
      context, executor: RepetitionExecutor(), collectors: collectors)
    let result = controller.run(session())
    #expect(result.phases[0].repetitions.count == 8, "three without it are enough")
    #expect(
      result.warnings.contains {
        $0.contains("not reached for c.m after 8 repetitions; the last repetitions do not have")
      })
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
