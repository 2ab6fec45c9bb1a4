import LinuxSystem
import Logging
import RunAnalysis
package import RunStore
package import SampleModel

/// Executes a run: begins its steps, executes its phases in order, and ends the steps.
///
/// It holds services and components; the state of the run is in its session.
package struct RunController {
  private let context: RunContext
  private let executor: any RepetitionExecuting
  private let collectors: any CollectorLifecycle
  private let plan: PhaseNode
  /// The stored runs in which phases that were measured earlier are searched; nil: measure all.
  private let stored: StoredCells?
  /// Called with the current activity, for a progress line.
  private let progress: (RunProgress) -> Void

  /// A controller of the run that `context` describes: of `plan`, or of its one command.
  package init(
    _ context: RunContext, plan: PhaseNode? = nil, executor: any RepetitionExecuting,
    collectors: any CollectorLifecycle, stored: StoredCells? = nil,
    progress: @escaping (RunProgress) -> Void = { _ in }
  ) {
    self.context = context
    self.plan = plan ?? .only(context.specification)
    self.executor = executor
    self.collectors = collectors
    self.stored = stored
    self.progress = progress
  }

  /// Executes the run. Failures stand in the result, and measurements before them are kept. During
  /// the run the task's `StopSource.current` is the run's own.
  package func run(_ session: RunSession) -> RunResult {
    StopSource.$current.withValue(context.services.stopSource) { execute(session) }
  }

  private func execute(_ session: RunSession) -> RunResult {
    let context = context.during(session)
    var fatal: LBError?
    do throws(LBError) {
      try context.journal.record(.info, "run.start", context.runID, status: .running)
      for (kind, message) in session.startNotices {
        try context.journal.record(.notice, kind, message)
      }
    } catch {
      fatal = error
    }
    var begun: [any RunStep] = []
    for step in RunSteps.standard(context, plan, collectors) where fatal == nil {
      begun.append(step)
      do throws(LBError) { try step.begin(session) } catch { fatal = error }
    }
    if fatal == nil {
      let phases = PhaseRunner(
        context, session, executor: executor, collectors: collectors, stored: stored,
        progress: progress)
      do throws(LBError) {
        fatal = try phases.run(plan).error
      } catch {
        fatal = error
      }
    }
    if let fatal { session.recordOnce(fatal) }
    // Each step that was begun is ended, in reverse order. Its errors follow those of the phases.
    for step in begun.reversed() {
      for failure in step.end(session) { session.record(failure) }
    }
    if let stop = context.services.stopError,
      !session.result.errors.contains(where: { $0.category == stop.category })
    {
      session.record(stop)
    }
    do throws(LBError) {
      try finish(session, fatal)
    } catch {
      session.record(error)
    }
    return session.result
  }

  /// Adds the notices of the collectors to the run's warnings, and the changes of columns to its
  /// labels.
  package static func addCollectorSummary(
    _ result: inout RunResult, _ collectors: any CollectorLifecycle
  ) {
    result.unavailable = collectors.meta?.unavailable ?? []
    result.warnings += (collectors.meta?.notes ?? []) + collectors.notices
    let changes = collectors.columnChanges.sorted { $0.key < $1.key }
    guard !changes.isEmpty else { return }
    result.labels[RunResult.columnsLabel] =
      changes.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
  }

  private func finish(_ session: RunSession, _ fatal: LBError?) throws(LBError) {
    Self.addCollectorSummary(&session.result, collectors)
    session.result.warnings += session.stopping.takeWarnings()
    if let notice = context.services.spawner.notice { session.result.warnings.append(notice) }
    session.reportMissingPrecision()
    let isCutShort =
      context.services.stop.raised != nil || session.isResumable(after: fatal)
    try session.end(
      stopped: isCutShort, fatal: fatal != nil, at: context.services.clock.realtime())
    try session.keepLabels()
    try session.addUnreached(plan)
    try context.journal.record(
      .info, "run.end", "run \(session.result.status.rawValue)",
      status: session.result.status, error: session.result.errors.first)
  }
}

extension PhaseResult {
  /// Summarises the phase, with the units of the collectors' and of the phase's own metrics.
  package mutating func summarise(
    _ collectors: any CollectorLifecycle, own: [WorkloadMetric] = [], confidence: Double = 0.95
  ) {
    var units = collectors.units
    for metric in own { units[metric.name] = metric.unit }
    let shares = collectors.shares
    metrics = RunSummary.rows(
      of: self, confidence: confidence, unit: { units[$0] ?? "" }, running: { shares[$0] })
    let attempts = repetitions.filter { !$0.warmUp }.flatMap(\.attempts)
    guard attempts.contains(where: { !$0.contamination.isEmpty }) else { return }
    cleanMetrics = RunSummary.rows(
      of: self, clean: true, confidence: confidence, unit: { units[$0] ?? "" },
      running: { shares[$0] })
  }
}

extension PhaseResult {
  /// Summarises the phase from the metrics of its completed attempts, where it does not have those.
  package mutating func summarise(_ collectors: any CollectorLifecycle, of columns: MetricColumns) {
    let (units, shares) = (collectors.units, collectors.shares)
    metrics = RunSummary.rows(
      of: columns, unit: { units[$0] ?? "" }, running: { shares[$0] })
  }
}

extension PhaseNode {
  /// The phase's result before it is executed.
  var unexecuted: PhaseResult {
    PhaseResult(
      name: name, command: specification?.command ?? [], kind: kind, parameters: parameters)
  }

  /// The plan of a single command: one phase, called `main`.
  package static func only(_ specification: RunSpecification) -> PhaseNode {
    var main = PhaseNode(name: "main", kind: "command")
    main.specification = specification
    main.specification?.hooks[.setup] = nil
    main.specification?.hooks[.cleanup] = nil
    var root = PhaseNode(name: "", kind: "plan")
    root.children = [main]
    return root
  }
}

/// The current activity of a run.
package struct RunProgress: Sendable {
  /// Kinds of activities.
  package enum Activity: Sendable, Hashable {
    case running
    case coolingDown
    /// Waiting until the host is quiet.
    case awaitingQuiet
    /// Pausing between the preparation of an attempt and its beginning.
    case settling
    /// Waiting for something outside of the run, described by the text.
    case waiting(String)
    /// A phase was not measured: an earlier run has measured the same.
    case taken(String)

    /// The activity in words.
    package var text: String {
      switch self {
      case .running: "running"
      case .coolingDown: "cooling down"
      case .awaitingQuiet: "waiting until the host is quiet"
      case .settling: "settling"
      case .waiting(let what), .taken(let what): what
      }
    }

    /// A message that is printed once, with or without a progress line.
    package var notice: String? {
      switch self {
      case .waiting(let what), .taken(let what): what
      case .running, .coolingDown, .awaitingQuiet, .settling: nil
      }
    }
  }

  package let phase: String
  /// The current attempt; nil between repetitions.
  package let attempt: AttemptID?
  /// The number of repetitions, or of warm-ups, of the phase.
  package let total: Int
  package let activity: Activity
}
