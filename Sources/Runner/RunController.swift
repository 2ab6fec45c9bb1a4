import LinuxSystem
import Logging
import RunAnalysis
import RunStore
package import SampleModel

/// Composes a run: its setup, its phases in order, its clean-up, its end.
///
/// It holds services and components, no state: that is the session's, made fresh for each run.
package struct RunController {
  private let context: RunContext
  private let executor: any RepetitionExecuting
  private let collectors: any CollectorLifecycle
  private let plan: PhaseNode
  /// Told what is happening, for a progress line.
  private let progress: (RunProgress) -> Void

  /// A controller of the run that `context` describes: of `plan`, or of its one command.
  package init(
    _ context: RunContext, plan: PhaseNode? = nil, executor: any RepetitionExecuting,
    collectors: any CollectorLifecycle, progress: @escaping (RunProgress) -> Void = { _ in }
  ) {
    self.context = context
    self.plan = plan ?? .only(context.specification)
    self.executor = executor
    self.collectors = collectors
    self.progress = progress
  }

  /// Runs everything. Whatever fails stands in the result, and what was measured is kept.
  package func run(_ session: RunSession) -> RunResult {
    let hooks = HookRunner(context)
    var fatal: LBError?
    do throws(LBError) {
      try context.journal.record(.info, "run.start", context.runID, status: .running)
      for (kind, message) in session.remarks {
        try context.journal.record(.notice, kind, message)
      }
      fatal = try lookAtHost(session)
    } catch {
      fatal = error
    }
    session.quota = Quota(context.specification.quota)
    if fatal == nil, let limit = context.specification.quota.ringBytes,
      collectors.ringBytes > limit
    {
      fatal = LBError(
        .quota,
        "the quota of ring memory is too small: the rings take \(collectors.ringBytes) bytes, "
          + "\(limit) are allowed, \(collectors.ringBytes - Int(clamping: limit)) more are needed")
    }
    fatal = fatal ?? mendAgain(session) ?? changeHost(session)
    let isBegun = fatal == nil
    fatal = fatal ?? hooks.run(.setup)
    if fatal == nil {
      let phases = PhaseRunner(
        context, session, executor: executor, collectors: collectors, progress: progress)
      do throws(LBError) {
        fatal = try phases.run(plan)
      } catch {
        fatal = error
      }
    }
    if let fatal, !session.hasNoted(fatal) { session.note(fatal) }
    // Whatever happened since the setup; its own failure comes behind what did.
    if isBegun, let failure = hooks.run(.cleanup) { session.note(failure) }
    do throws(LBError) {
      for failure in try session.host?.restore() ?? [] { session.note(failure) }
    } catch {
      session.note(error)
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

  /// Says what is wrong with the host; gives the error that this is, where it ends the run.
  private func lookAtHost(_ session: RunSession) throws(LBError) -> LBError? {
    var limits = context.specification.host
    limits.isWaitedFor = plan.specifications.contains { $0.quietLimit > 0 }
    guard limits.severity != nil else { return nil }
    let state = HostState.watch(context.services, for: limits.window)
    let findings = HostGates.findings(state, limits)
    for finding in findings {
      session.result.warnings.append(finding.message)
      try context.journal.record(
        finding.severity == .block ? .warning : .notice, "gate.\(finding.gate)", finding.message)
    }
    let blocking = findings.filter { $0.severity == .block }
    guard !blocking.isEmpty else { return nil }
    let reasons = blocking.map(\.message).joined(separator: "; ")
    return LBError(.gate, "this host is not fit to measure on (gates.host = block): \(reasons)")
  }

  /// Does what earlier sessions had to do about sampling.
  private func mendAgain(_ session: RunSession) -> LBError? {
    let limit = context.specification.quota.ringBytes.map { Int(clamping: $0) } ?? .max
    do throws(LBError) {
      try session.decided.apply(to: collectors, ringLimit: limit)
      return nil
    } catch {
      return error
    }
  }

  /// Changes what the run is to change of the host.
  private func changeHost(_ session: RunSession) -> LBError? {
    let changes = context.specification.hostChanges
    guard !changes.isEmpty else { return nil }
    guard let file = context.store?.path else {
      return LBError(.gate, "without a result file the host's settings could not be put back")
    }
    let host = HostChanges(changes, context.services.roots, run: file, context.journal)
    session.host = host
    do throws(LBError) { try host.apply() } catch { return error }
    return nil
  }

  /// Adds what the collectors say of the whole run.
  package static func conclude(_ result: inout RunResult, _ collectors: any CollectorLifecycle) {
    result.unavailable = collectors.meta?.unavailable ?? []
    result.warnings += (collectors.meta?.notes ?? []) + collectors.notices
  }

  private func finish(_ session: RunSession, _ fatal: LBError?) throws(LBError) {
    Self.conclude(&session.result, collectors)
    session.result.warnings += context.services.stopping.takeWarnings()
    if let remark = context.services.spawner.remark { session.result.warnings.append(remark) }
    session.notePrecision()
    let isCutShort =
      context.services.stop.raised != nil || session.isResumable(after: fatal)
    try session.end(
      stopped: isCutShort, fatal: fatal != nil, at: context.services.clock.realtime())
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

extension PhaseNode {
  /// Its place in the result before anything of it is executed.
  var unexecuted: PhaseResult {
    PhaseResult(
      name: name, command: specification?.command ?? [], kind: kind, parameters: parameters)
  }

  /// The plan of a single command: one phase, called `main`.
  static func only(_ specification: RunSpecification) -> PhaseNode {
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

    /// In words.
    package var text: String {
      switch self {
      case .running: "running"
      case .coolingDown: "cooling down"
      case .awaitingQuiet: "waiting until the host is quiet"
      case .settling: "settling"
      case .waiting(let what): what
      }
    }
  }

  package let phase: String
  /// nil between repetitions.
  package let place: AttemptPlace?
  package let total: Int
  package let activity: Activity
}
