import LinuxSystem
import Logging
import RunStore
import Runner
import SampleModel
import Sampler
import Synchronization
import TestSupport

/// Collectors that exist in a log only.
final class FakeCollectors: CollectorLifecycle {
  let spawner: FakeSpawner
  /// What brackets' times are taken from, nil for the same times in each.
  var clock: TimeSource?
  private var opened: UInt64 = 100
  var failAtStart: LBError?
  var failAtStop: LBError?
  var ledger = Ledger()
  private var bracket: UInt32 = 0
  init(_ spawner: FakeSpawner) { self.spawner = spawner }

  func arm() throws(LBError) { spawner.mark("arm") }
  func aim(at workload: Int32) { spawner.mark("aim") }
  var nextBracket: UInt32 { bracket + 1 }
  func start() throws(LBError) -> UInt32 {
    spawner.mark("start")
    if let failAtStart { throw failAtStart }
    bracket += 1
    opened = clock?.monotonic() ?? opened
    return bracket
  }
  func stop() throws(LBError) -> BracketOutcome {
    spawner.mark("stop")
    if let failAtStop { throw failAtStop }
    return BracketOutcome(
      account: BracketAccount(
        number: bracket, openStart: opened, closeEnd: clock?.monotonic() ?? 350, ledger: ledger,
        overhead: Overhead()),
      values: metricEnds.map { bracket > $0 } == true ? [] : [("c.m", Double(bracket))])
  }
  /// The last bracket that has the metric.
  var metricEnds: UInt32?
  func disarm() { spawner.mark("disarm") }
  var bracketCPU: Int? { nil }
  var attentionDescriptor: Int32 { -1 }
  var failure: LBError? { nil }
  var units: [String: String] { ["c.m": "count"] }
  var meta: StreamMeta? { nil }

  /// Rings that may grow, and what was asked for.
  var growable: Set<Int> = []
  private(set) var grown: [Int] = []
  private(set) var disabled: [String] = []
  var ringBytes = 4096

  func growRings(of threads: [Int], limit: Int) throws(LBError) -> [RingGrowth] {
    let mine = threads.filter { growable.contains($0) && ringBytes * 5 / 4 <= limit }
    grown += mine
    return mine.map { RingGrowth(thread: $0, from: ringBytes, to: ringBytes * 5 / 4) }
  }
  func disable(_ collector: String) -> Bool {
    disabled.append(collector)
    if failAtResume?.context.collector == collector { failAtResume = nil }
    return true
  }

  /// What there is to sample with after a failure; none of it fails any more once it is given up.
  var prospect = SamplingOutlook.whole
  var failAtResume: LBError?

  func outlook(after error: LBError) -> SamplingOutlook { prospect }
  func resume() throws(LBError) {
    spawner.mark("resume")
    if let failAtResume { throw failAtResume }
  }
}

/// An executor that gives what a test wrote down.
final class FakeExecutor: RepetitionExecuting {
  var outcomes: [AttemptOutcome]
  private(set) var attempts: [AttemptID] = []
  var onExecute: (AttemptID) -> Void = { _ in }
  init(_ outcomes: [AttemptOutcome]) { self.outcomes = outcomes }

  func execute(
    _ id: AttemptID, _ context: RunContext, _ collectors: any CollectorLifecycle,
    background: [any BackgroundTask], willOpen: (UInt32) throws(LBError) -> Void
  ) -> AttemptOutcome {
    attempts.append(id)
    onExecute(id)
    return outcomes.isEmpty ? outcome(.completed) : outcomes.removeFirst()
  }
}

/// What an observer of the run was told.
final class Events: Sendable {
  let entries = Mutex<[JournalEntry]>([])
  var kinds: [String] { entries.withLock { $0.map(\.kind) } }
}

func outcome(
  _ status: RunStatus, _ error: LBError? = nil, fatal: LBError? = nil
) -> AttemptOutcome {
  var result = AttemptResult(attempt: 1)
  result.status = status
  result.error = error
  result.wallNanoseconds = 10
  return AttemptOutcome(result: result, fatal: fatal)
}

func context(
  _ spawner: any WorkloadSpawner, repetitions: Int = 3, warmUps: Int = 0, store: RunWriter? = nil,
  events: Events = Events(), answers: Int32? = nil,
  roots: MountRoots = MountRoots(proc: "/nowhere", sys: "/nowhere"),
  clock: TimeSource = VirtualScheduler().source,
  _ change: (inout RunSpecification) -> Void = { _ in }
) throws -> RunContext {
  var specification = RunSpecification(name: "t", command: ["/bin/true"])
  specification.repetitions = repetitions
  specification.warmUps = warmUps
  change(&specification)
  let services = RunServices(
    clock: clock, roots: roots, spawner: spawner, stopSource: try StopSource(),
    answers: answers)
  let journal = Journal(
    runID: "t", clock: clock,
    logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), store: store,
    observer: { entry in events.entries.withLock { $0.append(entry) } })
  return RunContext(
    runID: "t", specification: specification, services: services, store: store,
    journal: journal, allowedCPUs: .allowed())
}

func session(
  _ store: RunWriter? = nil, clock: TimeSource = VirtualScheduler().source
) -> RunSession {
  RunSession(
    result: RunResult(runID: "t", name: "t", kind: "run", startUnixNanoseconds: 1), store: store,
    clock: clock)
}
