import Collectors
import LinuxSystem
import Logging
import RunStore
import Runner
import SampleModel
import Sampler
import SamplerKit

/// One run of a plan by a program.
struct PlanExecution: Sendable {
  private let plan: Plan
  private let options: RunOptions

  init(_ plan: Plan, _ options: RunOptions) {
    self.plan = plan
    self.options = options
  }

  /// Ends the subscriptions.
  func end() {
    options.events?.finish()
    options.frames?.finish()
  }

  /// Runs everything.
  func outcome() -> Result<RunResult, LBError> {
    defer { end() }
    do throws(LBError) { return .success(try run()) } catch { return .failure(error) }
  }

  private func run() throws(LBError) -> RunResult {
    var configured = try configuration()
    let specification = configured.specification
    let clock = TimeSource.system
    let roots = MountRoots(
      proc: options.sampling.procRoot, sys: options.sampling.sysRoot)
    let runID = RunDirectory.newRunID(
      name: specification.name, unixNanoseconds: clock.realtime(),
      random: .random(in: .min ... .max))
    let scope =
      try options.controlGroupScope
      ? ControlGroupScope(ofRun: runID, roots, askedBy: "controlGroupScope") : nil
    let frames = FrameSink()
    if let subscription = options.frames { frames.add(subscription) }
    frames.add(options.sampling.receivers)
    defer { frames.finish() }
    let workload = WorkloadTarget()
    var requests = try options.sampling.requests(workload: workload, scope: scope?.group)
    var unmeasured: String?
    requests.add {
      let beside = configured.assignBackgroundTargets()
      unmeasured = beside.unmeasured
      return beside.targets
    }
    let isWatched = options.frames != nil || !options.sampling.receivers.isEmpty
    var sampling = RunSampling(
      try options.sampling.configuration(
        workload: specification.workloadCPUs?.members,
        maximumDeliveryLatency: isWatched ? HostSampler.deliveryPeriod : nil),
      requests.requests, workload: workload)
    sampling.notices = unmeasured.map { [$0] } ?? []
    sampling.sinks = [frames]
    let services = try services(roots, scope)
    let events = options.events
    var observers = RunObservers(
      logger: Logger(label: "lbsample", factory: { _ in SwiftLogNoOpLogHandler() }))
    observers.journal = { events?.offer($0) }
    // The file is made when everything else is there; the assembly removes it where arming fails.
    let record = try RunRecord(
      options.file, runID, specification, configured.plan, version: "library",
      interval: sampling.configuration.interval, now: clock.realtime(), roots)
    let assembly = try RunAssembly(record, configured, services, sampling, observers)
    var result = assembly.run()
    if let note = assembly.close(&result) { result.warnings.append(note) }
    return result
  }

  private func services(
    _ roots: MountRoots, _ scope: ControlGroupScope?
  ) throws(LBError) -> RunServices {
    let stop: StopSource
    if let known = options.stop ?? StopSource.current {
      stop = known
    } else {
      stop = try StopSource()
    }
    let sources = Set(options.sampling.sources.map(\.name))
    let isAvailable = CollectorRegistry.availability(roots)
    return RunServices(
      clock: .system, roots: roots, spawner: SystemSpawner(), stopSource: stop, scope: scope,
      isAvailable: { sources.contains($0) ? true : isAvailable($0) })
  }

  // MARK: What to do

  /// Plans of programs come whole: there are no files to include.
  private struct NoFiles: PlanSource {
    func plan(at path: String) throws(LBError) -> RunPlan {
      throw LBError(.configuration, "\(path): only the command includes plan files")
    }
  }

  private func configuration() throws(LBError) -> SessionConfiguration {
    let specification = try specification()
    var registry = PhaseRegistry.standard
    for handler in options.handlers { registry.register(HandlerKind(handler)) }
    let planner = Planner(registry, source: NoFiles())
    let whole = RunPlan(settings: plan.settings.values)
    guard let root = planner.resolve(whole, in: PlanScope(specification)) else {
      let problems = planner.problems.all.map {
        $0.keyPath.isEmpty ? $0.message : "\($0.keyPath): \($0.message)"
      }
      throw LBError.listing(.configuration, problems)
    }
    guard root.bounds.hostChanges.isEmpty else {
      throw LBError(
        .configuration, "set_host: a run of a program changes nothing of the host; use the command")
    }
    guard root.bounds.sampling == PlanSampling() else {
      throw LBError(
        .configuration,
        "collectors, perf, packets, interval: set RunOptions.sampling in place of these keys")
    }
    return try SessionConfiguration(
      specification, plan: root,
      planMistakes: planner.problems.forgiven.map { "\($0.keyPath): \($0.message)" })
  }

  private func specification() throws(LBError) -> RunSpecification {
    try check()
    var planned: String?
    if case .text(let name)? = plan.settings["name"] { planned = name }
    var specification = RunSpecification(
      name: RunSpecification.plainName(options.name ?? planned ?? "plan"), command: [])
    specification.user = try user()
    specification.environment = environment(of: specification.user)
    specification.grace = 5_000_000_000
    specification.adoptsOrphans = false
    specification.labels = options.labels
    specification.outputLimit = options.outputLimit
    specification.customGates = options.gates
    specification.retryPolicy = options.retryPolicy
    specification.gates = options.gateLimits
    specification.host.foreignCPU = options.gateLimits.foreignCPU
    specification.host.steal = options.gateLimits.steal
    specification.attempts.maximum = options.maximumAttempts
    specification.attempts.contaminatedRepeats = options.contaminatedRepeats
    specification.attempts.backoff = options.backoff.map { UInt64($0.wholeNanoseconds) }
    let limits = options.limits
    specification.quota.wall = limits.wallTime.map { UInt64($0.wholeNanoseconds) }
    specification.quota.ownCPU = limits.ownCPUTime.map { UInt64($0.wholeNanoseconds) }
    specification.quota.bytes = limits.resultBytes.map { UInt64($0) }
    specification.quota.ringBytes = limits.ringBytes.map { UInt64($0) }
    specification.quota.retries = limits.retries.map { UInt64($0) }
    return specification
  }

  /// Names everything that is out of its range at once.
  private func check() throws(LBError) {
    var problems: [String] = []
    func within<Value>(_ name: String, _ value: Value?, _ range: ClosedRange<Value>) {
      guard let value, !range.contains(value) else { return }
      problems.append("\(name) \(value): expected \(range.lowerBound) to \(range.upperBound)")
    }
    let times = Duration.zero...(.seconds(86_400 * 365))
    within("maximumAttempts", options.maximumAttempts, 1...1000)
    within("contaminatedRepeats", options.contaminatedRepeats, 0...1000)
    within("outputLimit", options.outputLimit, 0...1 << 30)
    for pause in options.backoff { within("backoff", pause, times) }
    if options.backoff.isEmpty { problems.append("backoff: expected one pause or more") }
    within("limits.wallTime", options.limits.wallTime, times)
    within("limits.ownCPUTime", options.limits.ownCPUTime, times)
    within("limits.resultBytes", options.limits.resultBytes, 0...(.max))
    within("limits.ringBytes", options.limits.ringBytes, 0...(.max))
    within("limits.retries", options.limits.retries, 0...(.max))
    if let name = options.labels.keys.first(where: { $0.isEmpty || $0.has("=") }) {
      problems.append("labels: \"\(name)\" is no name of a label: it is empty or has a =")
    }
    guard problems.isEmpty else { throw LBError.listing(.configuration, problems) }
  }

  private func user() throws(LBError) -> UserIdentity? {
    guard let name = options.user else { return nil }
    guard let identity = UserIdentity(named: name) else {
      throw LBError(.configuration, "user \(name): no such user on this host")
    }
    if identity.uid == UserIdentity.own { return nil }
    guard UserIdentity.own == 0 else {
      throw LBError(.configuration, "user \(name): only root may change the user")
    }
    return identity
  }

  private func environment(of user: UserIdentity?) -> [String] {
    switch options.environment {
    case .only(let variables):
      return variables.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    case .inherited:
      let own = user.map {
        [
          (name: "HOME", value: $0.home), (name: "USER", value: $0.name),
          (name: "LOGNAME", value: $0.name),
        ]
      }
      return ProgramEnvironment.entries(with: own ?? [])
    }
  }
}
