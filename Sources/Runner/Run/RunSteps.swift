import Glibc
import LinuxSystem
import Logging
import RunStore
import SampleModel

/// A step of a run before its phases, with its counterpart after them.
protocol RunStep {
  /// Performs the step. An error that it throws ends the run before its phases.
  func begin(_ session: RunSession) throws(LBError)
  /// Undoes the step, also after a failure of `begin`. Returns what went wrong with that.
  func end(_ session: RunSession) -> [LBError]
}

extension RunStep {
  /// Nothing to undo.
  func end(_ session: RunSession) -> [LBError] { [] }
}

/// The steps of each run.
enum RunSteps {
  /// In order of their beginning: checks come before steps that change something.
  static func standard(
    _ context: RunContext, _ plan: PhaseNode, _ collectors: any CollectorLifecycle
  ) -> [any RunStep] {
    [
      OrphanCleanup(context),
      HostInspection(context: context, plan: plan),
      QuotaStep(limits: context.specification.quota, collectors: collectors),
      RecoveryReplay(context: context, collectors: collectors),
      OutputFiles(plan: plan),
      HostSettings(context: context),
      EmptiedOutputs(plan: plan),
      RunHooks(hooks: HookRunner(context)),
    ]
  }
}

/// Ends processes that hooks and phases left running. A hook may have started a server, which must
/// live until all other steps have ended.
private final class OrphanCleanup: RunStep {
  private let context: RunContext
  /// Children that this process had before the run.
  private var earlierChildren: Set<Int32> = []

  init(_ context: RunContext) { self.context = context }

  func begin(_ session: RunSession) {
    if context.specification.adoptsOrphans { earlierChildren = context.services.spawner.children() }
  }

  func end(_ session: RunSession) -> [LBError] {
    defer { context.services.orphanedOutputs.close() }
    let spawner = context.services.spawner
    guard context.specification.adoptsOrphans, !spawner.children().isSubset(of: earlierChildren)
    else {
      return []
    }
    var count = 0
    if context.stopping.isUnanswered {
      // A process that cannot be ended has been waited for, and is named in a warning.
      count = spawner.killRemaining(except: earlierChildren, sparingBackground: false, until: 0)
    } else {
      _ = context.stopping.close("what the run left running") { deadline in
        count = spawner.killRemaining(
          except: earlierChildren, sparingBackground: false, until: deadline)
        return spawner.children().isSubset(of: earlierChildren) ? true : nil
      }
    }
    // Processes that had ended by themselves were only reaped.
    guard count > 0 else { return [] }
    let warning =
      "\(count) \(count == 1 ? "process" : "processes") of hooks, ready_command or phases outlived "
      + "the run and \(count == 1 ? "was" : "were") killed"
    session.result.warnings.append(warning)
    do throws(LBError) {
      try context.journal.record(.warning, "run.orphans", warning)
    } catch {
      return [error]
    }
    return []
  }
}

/// Checks the host. Findings are warnings, or end the run if `gates.host` is `block`.
private struct HostInspection: RunStep {
  let context: RunContext
  let plan: PhaseNode

  func begin(_ session: RunSession) throws(LBError) {
    var limits = context.specification.host
    limits.waitsUntilQuiet = plan.specifications.contains { $0.quietLimit > 0 }
    guard limits.severity != nil else { return }
    let state = HostState.watch(context.services, for: limits.window)
    let findings = HostGates.findings(state, limits)
    for finding in findings {
      session.result.warnings.append(finding.message)
      try context.journal.record(
        finding.severity == .block ? .warning : .notice, "gate.\(finding.gate)", finding.message)
    }
    let blocking = findings.filter { $0.severity == .block }
    guard !blocking.isEmpty else { return }
    let reasons = blocking.map(\.message).joined(separator: "; ")
    throw LBError(.gate, "this host is not fit to measure on (gates.host = block): \(reasons)")
  }
}

/// Sets the run's quota, and ends the run if its rings are larger than their limit.
private struct QuotaStep: RunStep {
  let limits: QuotaLimits
  let collectors: any CollectorLifecycle

  func begin(_ session: RunSession) throws(LBError) {
    session.quota = Quota(limits)
    guard let limit = limits.ringBytes, collectors.ringBytes > limit else { return }
    let needed = Counted.text(collectors.ringBytes, "byte")
    throw LBError(
      .quota,
      "--max-ring-memory stops the run: the rings need \(needed), "
        + "\(limit) \(limit == 1 ? "is" : "are") allowed; start a new run with a larger "
        + "--max-ring-memory")
  }
}

/// Applies the decisions of earlier sessions about sampling again.
private struct RecoveryReplay: RunStep {
  let context: RunContext
  let collectors: any CollectorLifecycle

  func begin(_ session: RunSession) throws(LBError) {
    let limit = context.specification.quota.ringBytes.map { Int(clamping: $0) } ?? .max
    try session.decisions.apply(to: collectors, ringLimit: limit)
  }
}

/// Checks that the files of --workload-output can be written. They keep their content, since the
/// run may still be refused.
private struct OutputFiles: RunStep {
  let plan: PhaseNode

  func begin(_ session: RunSession) throws(LBError) {
    for path in Self.paths(plan.everyCommand) { try Self.open(path) }
  }

  /// The files to which these commands append, each once.
  static func paths(_ commands: [RunSpecification]) -> [ExactText] {
    var paths: [ExactText] = []
    for specification in commands {
      guard case .file(let path) = specification.output, !paths.contains(ExactText(path))
      else { continue }
      paths.append(ExactText(path))
    }
    return paths
  }

  static func open(_ path: ExactText, _ flags: Int32 = 0) throws(LBError) {
    let path = path.text
    do throws(SystemError) {
      _ = try WorkloadLauncher.openFile(path, flags)
    } catch {
      throw LBError(
        .configuration, "--workload-output \(path) cannot be opened: \(error.reason)",
        context: ErrorContext(path: path, errno: error.errno))
    }
  }
}

/// Truncates the files of --workload-output to which background processes append, once nothing can
/// refuse the run any more. Those of measured phases are truncated before the first attempt
/// (`RunSession.emptyOutputs`): a phase of which nothing is executed keeps its file.
private struct EmptiedOutputs: RunStep {
  let plan: PhaseNode

  func begin(_ session: RunSession) throws(LBError) {
    let measured = OutputFiles.paths(plan.specifications)
    let others = OutputFiles.paths(plan.everyCommand).filter { !measured.contains($0) }
    try session.emptyOutputs(others)
  }
}

extension RunSession {
  /// Truncates files to which attempts append, each once in a run. A resumed run keeps their
  /// content.
  func emptyOutputs(_ paths: [ExactText]) throws(LBError) {
    for path in paths where !isResumed && emptiedOutputs.insert(path).inserted {
      try OutputFiles.open(path, O_TRUNC)
    }
  }

  /// Truncates the files of a measured phase whose attempt is about to be executed.
  func emptyOutputs(of phase: MeasuredPhase) throws(LBError) {
    try emptyOutputs(OutputFiles.paths(phase.node.everyCommand))
  }
}

/// Changes the host's settings for the run, and restores them.
private struct HostSettings: RunStep {
  let context: RunContext

  func begin(_ session: RunSession) throws(LBError) {
    let changes = context.specification.hostChanges
    guard !changes.isEmpty else { return }
    guard let file = context.store?.path else {
      throw LBError(
        .gate,
        "the host's settings cannot be changed in a run without a result file: lbsample could not "
          + "restore them after a kill")
    }
    let host = HostChanges(changes, context.services.roots, run: file, context.journal)
    session.host = host
    try host.apply()
  }

  func end(_ session: RunSession) -> [LBError] {
    do throws(LBError) { return try session.host?.restore() ?? [] } catch { return [error] }
  }
}

/// Runs the hooks `setup` and `cleanup`.
private struct RunHooks: RunStep {
  let hooks: HookRunner

  func begin(_ session: RunSession) throws(LBError) {
    if let failure = hooks.run(.setup) { throw failure }
  }

  func end(_ session: RunSession) -> [LBError] { hooks.run(.cleanup).map { [$0] } ?? [] }
}
