import Collectors
import LinuxSystem
import Logging
import RunStore
@_exported public import Runner
import SampleModel
import Sampler
@_exported public import SamplerKit

/// Brackets repetitions of a command from within a program.
///
/// ```swift
/// let result = try WorkloadRunner.run(.init(command: ["sort", "big.txt"], repetitions: 5))
/// for row in result.summary() { print(row.metric, row.median, row.unit) }
/// ```
/// The same with a plan of several phases, from asynchronous code, and watched:
///
/// ```swift
/// var request = WorkloadRunner.Request(plan: RunPlan([
///   PhasePlan("repeat", name: "sizes", ["parameters": ["n": [1, 2, 4]]], phases: [
///     PhasePlan(name: "work", ["command": ["./work", "{n}"], "repetitions": 5])
///   ])
/// ]))
/// let events = Subscription<JournalEntry>(capacity: 1000)
/// request.events = events
/// let result = try await WorkloadRunner.run(request)
/// ```
/// Unlike the command it is no reaper of orphaned descendants: they may be another's children.
public enum WorkloadRunner {
  /// What to run, how often, and how to sample it.
  public struct Request: Sendable {
    /// The command and its arguments; empty for a plan.
    public var command: [String]
    /// The phases to run in place of one command.
    public var plan: RunPlan?
    /// What stops the run; else `StopSource.current`, where there is one.
    public var stop: StopSource?
    /// Told every event of the run, and its end.
    public var events: Subscription<JournalEntry>?
    /// Told every frame that is sampled.
    public var frames: Subscription<FrameSnapshot>?
    /// Kinds of phases of the program's own.
    public var phases: [any PhaseHandler] = []
    /// Gates of the program's own, beside the standard ones.
    public var gates: [any RepetitionGate] = []
    /// Whether and when a failed attempt is repeated, in the place of `retries`.
    public var retries: (any RetryPolicy)?
    /// Whether a command may be executed again once it has begun; a plan says so of each phase.
    public var isIdempotent = false
    /// Sources of metrics of the program's own, sampled beside the collectors.
    public var sources: [any MetricSource] = []
    /// Counted repetitions.
    public var repetitions: Int
    /// Repetitions before them that do not count.
    public var warmUps: Int
    /// Names of collectors; `tree` is that of the workload, and of each server and load of a plan.
    public var collectors: [String]
    /// Time between two samples.
    public var interval: Duration
    /// `NAME=value` entries: the workload's whole environment.
    public var environment: [String]
    /// From SIGTERM to SIGKILL, where a workload has to end; a plan may say otherwise.
    public var grace: Duration = .seconds(5)
    /// A new result file, nil to keep the result in memory only.
    public var file: String?

    /// A request; the workload's environment has just a PATH unless given.
    public init(
      command: [String], repetitions: Int = 1, warmUps: Int = 0,
      collectors: [String] = ["cpu", "net", "tree"], interval: Duration = .milliseconds(100),
      environment: [String] = ["PATH=/usr/local/bin:/usr/bin:/bin"], file: String? = nil
    ) {
      self.command = command
      self.repetitions = repetitions
      self.warmUps = warmUps
      self.collectors = collectors
      self.interval = interval
      self.environment = environment
      self.file = file
    }

    /// A request for a plan.
    public init(
      plan: RunPlan, collectors: [String] = ["cpu", "net", "tree"],
      interval: Duration = .milliseconds(100),
      environment: [String] = ["PATH=/usr/local/bin:/usr/bin:/bin"], file: String? = nil
    ) {
      self.init(
        command: [], collectors: collectors, interval: interval, environment: environment,
        file: file)
      self.plan = plan
    }
  }

  /// As `run` does, on a thread of its own; a cancelled task stops the run, which then gives what
  /// it has as interrupted.
  public static func run(_ request: Request) async throws -> RunResult {
    var request = request
    // One of its own: cancelling this task stops no other's run.
    let stop = try StopSource()
    let outer = request.stop ?? StopSource.current
    outer?.adopt(stop)
    defer { outer?.release(stop) }
    request.stop = stop
    let sent = request
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        do throws(SystemError) {
          // It ends by itself with the run: nobody has to join it, and nothing of it stays.
          try SystemThread(name: "lb-run") {
            continuation.resume(with: Result { try runBlocking(sent) })
          }.detach()
        } catch {
          continuation.resume(throwing: LBError(.internal, "\(error)"))
        }
      }
    } onCancel: {
      stop.stop()
    }
  }

  /// Runs everything; what fails while it runs stands in the result's errors. Throws
  /// `configuration`, `collectorUnavailable` or `resultPersistence` when nothing was started.
  public static func run(_ request: Request) throws(LBError) -> RunResult {
    try runBlocking(request)
  }

  private static func runBlocking(_ request: Request) throws(LBError) -> RunResult {
    defer {
      request.events?.finish()
      request.frames?.finish()
    }
    guard (1...1_000_000).contains(request.repetitions),
      (0...1_000_000).contains(request.warmUps),
      (.microseconds(10)...(.seconds(86_400 * 365))).contains(request.interval),
      (.zero...(.seconds(86_400 * 365))).contains(request.grace)
    else {
      throw LBError(
        .configuration,
        "expected 1 to 1000000 repetitions, at most 1000000 warm-ups, an interval of 10 µs to a "
          + "year, and a grace of at most a year")
    }
    var specification = RunSpecification(
      name: request.command.first?.parts("/").last.map(String.init) ?? "plan",
      command: request.command)
    specification.repetitions = request.repetitions
    specification.warmUps = request.warmUps
    specification.environment = request.environment
    specification.grace = nanoseconds(request.grace)
    specification.adoptsOrphans = false
    specification.customGates = request.gates
    specification.retryPolicy = request.retries
    specification.attempts.isIdempotent = request.isIdempotent
    let configuration = try configuration(request, specification)
    var plan = configuration.plan
    specification = configuration.specification

    let clock = TimeSource.system
    let now = clock.realtime()
    let runID = RunDirectory.newRunID(
      name: specification.name, unixNanoseconds: now, random: .random(in: .min ... .max))
    let interval = max(10_000, nanoseconds(request.interval))
    let roots = MountRoots()
    let host = HostFacts.read(roots)
    let frames = FrameSink()
    if let subscription = request.frames { frames.add(subscription) }
    defer { frames.finish() }
    let sources = Set(request.sources.map(\.name))
    let isAvailable = CollectorRegistry.availability(roots)
    let known = request.stop ?? StopSource.current
    let source: StopSource
    if let known { source = known } else { source = try StopSource() }
    let services = RunServices(
      clock: clock, roots: roots, spawner: SystemSpawner(), stopSource: source,
      isAvailable: { sources.contains($0) ? true : isAvailable($0) })
    // The file is made when everything else is there, and taken back where arming fails.
    let store = try request.file.map { path throws(LBError) in
      try RunWriter(
        path: path,
        identity: RunWriter.Identity(
          runID: runID, name: specification.name, kind: "run", version: "library",
          interval: interval, startUnixNanoseconds: now,
          repetitions: plan.planned?.repetitions, warmUps: plan.planned?.warmUps),
        host: host, configuration: [], labels: [:])
    }
    let collectors: CollectorSet
    do throws(LBError) {
      collectors = try session(
        request, &plan, frames, interval: interval, roots: roots, store: store)
    } catch {
      store?.discard()
      throw error
    }
    defer { collectors.disarm() }
    let journal = Journal(
      runID: runID, clock: clock,
      logger: Logger(label: "lbsample", factory: { _ in SwiftLogNoOpLogHandler() }),
      store: store, observer: { entry in request.events?.offer(entry) })
    let context = RunContext(
      runID: runID, specification: specification, services: services, store: store,
      journal: journal, allowedCPUs: .allowed())
    var start = RunResult(
      runID: runID, name: specification.name, kind: "run", startUnixNanoseconds: now)
    start.file = request.file
    for fact in host { start.host[fact.name] = fact.value }
    if let offset = StartOffset.measure(
      services.spawner, on: context.allowedCPUs, from: collectors.bracketCPU, clock: clock)
    {
      start.labels.merge(offset.labels) { $1 }
      try store?.setLabels(offset.labels)
    }
    let controller = RunController(
      context, plan: plan, executor: RepetitionExecutor(), collectors: collectors)
    let session = RunSession(result: start, store: store, clock: clock)
    session.addPlanMistakes(configuration.planMistakes)
    return finish(controller.run(session), store)
  }

  private static func nanoseconds(_ duration: Duration) -> UInt64 {
    let parts = duration.components
    return UInt64(clamping: parts.seconds * 1_000_000_000 + parts.attoseconds / 1_000_000_000)
  }

  /// Closes the file; what was measured is given even where that fails.
  private static func finish(_ result: RunResult, _ store: RunWriter?) -> RunResult {
    var result = result
    do throws(LBError) {
      if let note = try store?.finish(result) { result.warnings.append(note) }
    } catch {
      store?.close()
      result.errors.append(error)
      if result.errors.count == 1 { result.status = .failed }
    }
    return result
  }

  /// Plans of programs come whole: there are no files to include.
  private struct NoFiles: PlanSource {
    func plan(at path: String) throws(LBError) -> RunPlan {
      throw LBError(.configuration, "\(path): only the command includes plan files")
    }
  }

  private static func configuration(
    _ request: Request, _ specification: RunSpecification
  ) throws(LBError) -> SessionConfiguration {
    guard let plan = request.plan else {
      return try SessionConfiguration(specification, plan: .only(specification))
    }
    var registry = PhaseRegistry.standard
    for handler in request.phases { registry.register(HandlerKind(handler)) }
    let planner = Planner(registry, source: NoFiles())
    guard let root = planner.resolve(plan, in: PlanScope(specification)) else {
      let problems = planner.problems.all.map { "\($0.keyPath): \($0.message)" }
      throw LBError.listing(.configuration, problems)
    }
    guard root.bounds.hostChanges.isEmpty else {
      throw LBError(
        .configuration, "set_host: a program's runs change nothing of the host; the command does")
    }
    guard root.bounds.sampling == PlanSampling() else {
      throw LBError(
        .configuration,
        "collectors, perf, packets, interval: a program says in its request what is sampled")
    }
    return try SessionConfiguration(
      specification, plan: root,
      planMistakes: planner.problems.forgiven.map { "\($0.keyPath): \($0.message)" })
  }

  private static func session(
    _ request: Request, _ plan: inout PhaseNode, _ frames: FrameSink, interval: UInt64,
    roots: MountRoots, store: RunWriter?
  ) throws(LBError) -> CollectorSet {
    var options = Collectors.CollectorOptions()
    let workload = WorkloadTarget()
    options.tree = workload
    var requests = try SourceCollector.requests(
      request.collectors, in: .host(options), request.sources)
    var unmeasured: String?
    requests += options.besideRequests(requests) {
      let beside = plan.assignBackgroundTargets()
      unmeasured = beside.unmeasured
      return beside.targets
    }
    let cpus = try Placement.automatic.resolve(
      roots: roots, allowed: .allowed(), workload: nil)
    var sampling = SamplerConfiguration(
      interval: interval, cpus: cpus, context: CollectorContext(roots: roots))
    if request.frames != nil { sampling.liveWithin = HostSampler.deliveryPeriod }
    let session = CollectorSet(
      sampling, requests: requests, workload: workload, notices: unmeasured.map { [$0] } ?? [],
      sinks: (store.map { [StoreSink($0, now: Clock.monotonic)] } ?? []) + [frames])
    try session.arm()
    return session
  }
}
