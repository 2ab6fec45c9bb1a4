import LinuxSystem
import Logging
import RunAnalysis
package import RunStore
package import SampleModel

/// Composes a run: the steps before its phases, its phases in order, the same steps' ends, its end.
///
/// It holds services and components, no state: that is the session's, made fresh for each run.
package struct RunController {
  private let context: RunContext
  private let executor: any RepetitionExecuting
  private let collectors: any CollectorLifecycle
  private let plan: PhaseNode
  /// Where phases that were measured earlier are looked for; nil to measure all of them.
  private let stored: StoredCells?
  /// Told what is happening, for a progress line.
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

  /// Runs everything. Whatever fails stands in the result, and what was measured is kept. While it
  /// runs, the task's `StopSource.current` is the run's own.
  package func run(_ session: RunSession) -> RunResult {
    StopSource.$current.withValue(context.services.stopSource) { execute(session) }
  }

  private func execute(_ session: RunSession) -> RunResult {
    let context = context.during(session)
    var fatal: LBError?
    do throws(LBError) {
      try context.journal.record(.info, "run.start", context.runID, status: .running)
      for (kind, message) in session.remarks {
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
        fatal = try phases.run(plan)
      } catch {
        fatal = error
      }
    }
    if let fatal, !session.hasNoted(fatal) { session.note(fatal) }
    // Each step that was begun is ended, in reverse order. Its errors follow those of the phases.
    for step in begun.reversed() {
      for failure in step.end(session) { session.note(failure) }
    }
    if let stop = context.services.stopError,
      !session.result.errors.contains(where: { $0.category == stop.category })
    {
      session.note(stop)
    }
    do throws(LBError) {
      try finish(session, fatal)
    } catch {
      session.note(error)
    }
    return session.result
  }

  /// Adds what the collectors say of the whole run.
  package static func conclude(_ result: inout RunResult, _ collectors: any CollectorLifecycle) {
    result.unavailable = collectors.meta?.unavailable ?? []
    result.warnings += (collectors.meta?.notes ?? []) + collectors.notices
    let changes = collectors.columnChanges.sorted { $0.key < $1.key }
    guard !changes.isEmpty else { return }
    result.labels[RunResult.columnsLabel] =
      changes.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
  }

  private func finish(_ session: RunSession, _ fatal: LBError?) throws(LBError) {
    Self.conclude(&session.result, collectors)
    session.result.warnings += session.stopping.takeWarnings()
    if let remark = context.services.spawner.remark { session.result.warnings.append(remark) }
    session.notePrecision()
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
  /// Summarises it, with the units that the collectors and the phase's own metrics have.
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
  /// The same of what its completed attempts gave, which it does not have itself.
  package mutating func summarise(_ collectors: any CollectorLifecycle, of columns: MetricColumns) {
    let (units, shares) = (collectors.units, collectors.shares)
    metrics = RunSummary.rows(
      of: columns, unit: { units[$0] ?? "" }, running: { shares[$0] })
  }
}

extension PhaseNode {
  /// Its place in the result before anything of it is executed.
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

/// What a run is doing now.
package struct RunProgress: Sendable {
  /// The kinds of thing it can be doing.
  package enum Activity: Sendable, Hashable {
    case running
    case coolingDown
    /// Until the host has little to do.
    case awaitingQuiet
    /// Until what was prepared has settled.
    case settling
    /// For something outside of the run.
    case waiting(String)
    /// A phase was not measured: an earlier run has measured the same.
    case taken(String)

    /// In words.
    package var text: String {
      switch self {
      case .running: "running"
      case .coolingDown: "cooling down"
      case .awaitingQuiet: "waiting until the host is quiet"
      case .settling: "settling"
      case .waiting(let what), .taken(let what): what
      }
    }

    /// What is told once, whether or not there is a line of progress.
    package var told: String? {
      switch self {
      case .waiting(let what), .taken(let what): what
      case .running, .coolingDown, .awaitingQuiet, .settling: nil
      }
    }
  }

  package let phase: String
  /// nil between repetitions.
  package let place: AttemptPlace?
  package let total: Int
  package let activity: Activity
}
