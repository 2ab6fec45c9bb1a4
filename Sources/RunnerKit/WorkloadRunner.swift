import Collectors
import LinuxSystem
import Logging
import RunStore
import Runner
import Sampler
@_exported public import SamplerKit

/// Brackets repetitions of a command from within a program.
///
/// ```swift
/// let result = try WorkloadRunner.run(.init(command: ["sort", "big.txt"], repetitions: 5))
/// for row in result.summary() { print(row.metric, row.median, row.unit) }
/// ```
/// Unlike the command it is no reaper of orphaned descendants: they may be another's children.
public enum WorkloadRunner {
  /// What to run, how often, and how to sample it.
  public struct Request: Sendable {
    /// The command and its arguments.
    public var command: [String]
    /// Counted repetitions.
    public var repetitions: Int
    /// Repetitions before them that do not count.
    public var warmUps: Int
    /// Names of collectors; `tree` is the workload's.
    public var collectors: [String]
    /// Time between two samples.
    public var interval: Duration
    /// `NAME=value` entries: the workload's whole environment.
    public var environment: [String]
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
  }

  /// Runs everything; what fails while it runs stands in the result's errors. Throws
  /// `configuration`, `collectorUnavailable` or `resultPersistence` when nothing was started.
  public static func run(_ request: Request) throws(LBError) -> RunResult {
    var specification = RunSpecification(
      name: request.command.first?.split(separator: "/").last.map(String.init) ?? "run",
      command: request.command)
    specification.repetitions = request.repetitions
    specification.warmUps = request.warmUps
    specification.environment = request.environment
    specification.adoptsOrphans = false
    _ = try WorkloadCommand.resolve(specification)

    let clock = SystemClock()
    let now = clock.realtime()
    let runID = RunDirectory.newRunID(
      name: specification.name, unixNanoseconds: now, random: .random(in: .min ... .max))
    let parts = request.interval.components
    let interval = UInt64(
      max(10_000, parts.seconds * 1_000_000_000 + parts.attoseconds / 1_000_000_000))
    let roots = MountRoots()
    let store = try request.file.map { path throws(LBError) in
      try RunWriter(
        path: path,
        identity: RunWriter.Identity(
          runID: runID, name: specification.name, kind: "run", version: "library",
          interval: interval, startUnixNanoseconds: now, repetitions: request.repetitions,
          warmUps: request.warmUps),
        host: HostFacts.read(roots), configuration: [], labels: [:])
    }
    let collectors = try session(request, interval: interval, roots: roots, store: store)
    defer { collectors.disarm() }
    let services: RunServices
    do throws(SystemError) {
      services = RunServices(
        clock: clock, roots: roots, spawner: SystemSpawner(), stop: try StopFlag(),
        kill: try StopFlag())
    } catch {
      throw LBError(.internal, "\(error)")
    }
    let journal = Journal(
      runID: runID, clock: clock,
      logger: Logger(label: "lbsample", factory: { _ in SwiftLogNoOpLogHandler() }),
      store: store)
    let context = RunContext(
      runID: runID, specification: specification, services: services, store: store,
      journal: journal, allowedCPUs: .allowed())
    var start = RunResult(
      runID: runID, name: specification.name, kind: "run", startUnixNanoseconds: now)
    start.file = request.file
    let controller = RunController(
      context, executor: RepetitionExecutor(), collectors: collectors)
    let result = controller.run(RunSession(result: start, store: store))
    try store?.finish(result)
    return result
  }

  private static func session(
    _ request: Request, interval: UInt64, roots: MountRoots, store: RunWriter?
  ) throws(LBError) -> CollectorSession {
    var options = Collectors.CollectorOptions()
    let workload = WorkloadTarget()
    options.tree = workload
    let registry = CollectorRegistry.host(options)
    let requests = try request.collectors.map { name throws(LBError) in
      guard let collector = registry[name] else {
        throw LBError(.configuration, "unknown collector \(name)")
      }
      return CollectorRequest(collector)
    }
    let cpus = try Placement.automatic.resolve(
      roots: roots, allowed: .allowed(), workload: nil)
    let session = CollectorSession(
      SamplerConfiguration(
        interval: interval, cpus: cpus, context: CollectorContext(roots: roots)),
      requests: requests, workload: workload,
      sinks: store.map { [StoreSink($0, now: Clock.monotonic)] } ?? [])
    try session.arm()
    return session
  }
}
