import Glibc
import LinuxSystem
import Logging
import RunStore
import SampleModel

/// A part of what a run does before its phases, and undoes behind them.
protocol RunStep {
  /// Does it. What it throws ends the run before its phases.
  func begin(_ session: RunSession) throws(LBError)
  /// Undoes it, whatever happened since, its own failure included; gives what went wrong with that.
  func end(_ session: RunSession) -> [LBError]
}

extension RunStep {
  /// Nothing is left to undo.
  func end(_ session: RunSession) -> [LBError] { [] }
}

/// The steps of each run.
enum RunSteps {
  /// In order of their beginning: what only looks goes before what changes something.
  static func standard(
    _ context: RunContext, _ plan: PhaseNode, _ collectors: any CollectorLifecycle
  ) -> [any RunStep] {
    [
      Remainders(context),
      HostInspection(context: context, plan: plan),
      QuotaStep(limits: context.specification.quota, collectors: collectors),
      EarlierRemedies(context: context, collectors: collectors),
      OutputFiles(plan: plan),
      HostSettings(context: context),
      EmptiedOutputs(plan: plan),
      RunHooks(hooks: HookRunner(context)),
    ]
  }
}

/// Ends what hooks and phases left running. A server that a hook began may live as long as what it
/// is for, which is over when all other steps have ended.
private final class Remainders: RunStep {
  private let context: RunContext
  /// Children that this process had before.
  private var strangers: Set<Int32> = []

  init(_ context: RunContext) { self.context = context }

  func begin(_ session: RunSession) {
    if context.specification.adoptsOrphans { strangers = context.services.spawner.children() }
  }

  func end(_ session: RunSession) -> [LBError] {
    defer { context.services.leftOutputs.close() }
    let spawner = context.services.spawner
    guard context.specification.adoptsOrphans, !spawner.children().isSubset(of: strangers) else {
      return []
    }
    var count = 0
    if context.stopping.isUnanswered {
      // What cannot be ended has its name among the warnings, and was waited for.
      count = spawner.killRemaining(except: strangers, sparingBeside: false, until: 0)
    } else {
      _ = context.stopping.close("what the run left running") { deadline in
        count = spawner.killRemaining(
          except: strangers, sparingBeside: false, until: deadline)
        return spawner.children().isSubset(of: strangers) ? true : nil
      }
    }
    // What had ended by itself only had to be reaped.
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

/// Says what is wrong with the host, which ends the run where that was asked for.
private struct HostInspection: RunStep {
  let context: RunContext
  let plan: PhaseNode

  func begin(_ session: RunSession) throws(LBError) {
    var limits = context.specification.host
    limits.isWaitedFor = plan.specifications.contains { $0.quietLimit > 0 }
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

/// Bounds what the run may use, and refuses rings that are larger already.
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

/// Does what earlier sessions of the run had to do about its sampling.
private struct EarlierRemedies: RunStep {
  let context: RunContext
  let collectors: any CollectorLifecycle

  func begin(_ session: RunSession) throws(LBError) {
    let limit = context.specification.quota.ringBytes.map { Int(clamping: $0) } ?? .max
    try session.decided.apply(to: collectors, ringLimit: limit)
  }
}

/// Makes sure that the files that outputs go to can be written. They keep what they have: the run
/// may still be refused.
private struct OutputFiles: RunStep {
  let plan: PhaseNode

  func begin(_ session: RunSession) throws(LBError) {
    try Self.open(plan)
  }

  /// Opens each of the files once, with `flags`.
  static func open(_ plan: PhaseNode, _ flags: Int32 = 0) throws(LBError) {
    var seen: Set<ExactText> = []
    for specification in plan.everyCommand {
      guard case .file(let path) = specification.output, seen.insert(ExactText(path)).inserted
      else { continue }
      do throws(SystemError) {
        _ = try WorkloadLauncher.openFile(path, flags)
      } catch {
        throw LBError(
          .configuration, "--workload-output \(path) cannot be opened: \(error.reason)",
          context: ErrorContext(path: path, errno: error.errno))
      }
    }
  }
}

/// Empties the files that outputs go to, before anything is appended to them and once nothing can
/// refuse the run any more; those of a resumed run keep what they have.
private struct EmptiedOutputs: RunStep {
  let plan: PhaseNode

  func begin(_ session: RunSession) throws(LBError) {
    guard !session.isResumed else { return }
    try OutputFiles.open(plan, O_TRUNC)
  }
}

/// Changes what the run is to change of the host, and puts it back.
private struct HostSettings: RunStep {
  let context: RunContext

  func begin(_ session: RunSession) throws(LBError) {
    let changes = context.specification.hostChanges
    guard !changes.isEmpty else { return }
    guard let file = context.store?.path else {
      throw LBError(.gate, "without a result file the host's settings could not be put back")
    }
    let host = HostChanges(changes, context.services.roots, run: file, context.journal)
    session.host = host
    try host.apply()
  }

  func end(_ session: RunSession) -> [LBError] {
    do throws(LBError) { return try session.host?.restore() ?? [] } catch { return [error] }
  }
}

/// The commands of `setup` and `cleanup`.
private struct RunHooks: RunStep {
  let hooks: HookRunner

  func begin(_ session: RunSession) throws(LBError) {
    if let failure = hooks.run(.setup) { throw failure }
  }

  func end(_ session: RunSession) -> [LBError] { hooks.run(.cleanup).map { [$0] } ?? [] }
}
