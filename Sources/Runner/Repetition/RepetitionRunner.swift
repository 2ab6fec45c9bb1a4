import Glibc
import LinuxSystem
import Logging
import RunAnalysis
import RunStore
import SampleModel

/// How a repetition ended.
enum RepetitionEnd {
  /// The next repetition follows.
  case next
  /// A stop request came: no repetition follows.
  case stopped
  /// The error ends the phase.
  case failed(LBError)
}

/// Executes the repetitions of one or several phases in order, each with as many attempts as its
/// policy allows.
struct RepetitionRunner {
  let session: RunSession
  private let executor: any RepetitionExecuting
  private let collectors: any CollectorLifecycle
  private let progress: (RunProgress) -> Void

  init(
    _ session: RunSession, executor: any RepetitionExecuting,
    collectors: any CollectorLifecycle, progress: @escaping (RunProgress) -> Void
  ) {
    self.session = session
    self.executor = executor
    self.collectors = collectors
    self.progress = progress
  }

  /// Executes all repetitions. `background` are the processes that they need.
  func run(
    _ phases: [MeasuredPhase], _ order: RunOrder, _ background: [any BackgroundTask]
  ) throws(LBError) -> PhaseEnd {
    var isFirst = true
    func execute(_ next: ScheduledRepetition) throws(LBError) -> RepetitionEnd {
      let phase = phases[next.phase]
      let services = phase.context.services
      if session.isDone(next.repetition, warmUp: next.warmUp, phase: phase.index) { return .next }
      let first = AttemptID(
        phase: phase.node.name, repetition: next.repetition, warmUp: next.warmUp, attempt: 1)
      if !isFirst, phase.specification.cooldown > 0 {
        report(.coolingDown, first, phase)
        if services.pause(phase.specification.cooldown) { return .stopped }
      }
      try checkDrift(first, phase, isFirst: isFirst)
      isFirst = false
      try awaitQuiet(first, phase)
      if services.stop.raised != nil { return .stopped }
      return try repetition(first, phase, background)
    }
    let counts = phases.map { ($0.specification.warmUps, $0.specification.repetitions) }
    for next in Schedule.repetitions(of: counts, order) {
      switch try execute(next) {
      case .next: continue
      case .stopped: return .over
      case .failed(let error): return .failed(error)
      }
    }
    return try refine(phases, execute)
  }

  /// Warns of changes of the host since the repetition before. Before the `first` repetition of a
  /// phase nothing is compared: the phase's own setup may have changed the host.
  private func checkDrift(
    _ id: AttemptID, _ phase: MeasuredPhase, isFirst: Bool
  ) throws(LBError) {
    let state = HostState.read(phase.context.services.roots)
    for finding in isFirst ? [] : HostGates.drift(from: session.hostState, to: state) {
      try warn("gate.\(finding.gate)", finding.message, id, phase)
    }
    session.hostState = state
  }

  /// Waits until the host is quiet, if the run is to.
  private func awaitQuiet(_ id: AttemptID, _ phase: MeasuredPhase) throws(LBError) {
    let specification = phase.specification
    guard specification.quietLimit > 0 else { return }
    report(.awaitingQuiet, id, phase)
    let outcome = QuietHost.wait(
      below: specification.quietShare, limit: specification.quietLimit, phase.context.services)
    switch outcome {
    case .quiet, .stopped: break
    case .busy(let share):
      try warn(
        "gate.quiet",
        "the host did not become quiet within \(Durations.text(specification.quietLimit)): its "
          + "CPUs were busy for \(Int(bounded: share * 100)) % of the time (gates.quiet)", id,
        phase)
    case .unknown:
      try warn(
        "gate.quiet", "/proc/stat cannot be read: whether the host is quiet is not known", id, phase
      )
    }
  }

  private func report(
    _ activity: RunProgress.Activity, _ id: AttemptID, _ phase: MeasuredPhase
  ) {
    let specification = phase.specification
    progress(
      RunProgress(
        phase: id.phase, attempt: id,
        total: id.warmUp ? specification.warmUps : specification.repetitions,
        activity: activity))
  }

  /// Executes one repetition, whose `first` attempt has this identity, with as many attempts as its
  /// policy allows.
  private func repetition(
    _ first: AttemptID, _ phase: MeasuredPhase, _ background: [any BackgroundTask]
  ) throws(LBError) -> RepetitionEnd {
    func end(_ error: LBError?) -> RepetitionEnd { error.map { .failed($0) } ?? .next }
    let services = phase.context.services
    let earlier = session.history(of: first, phase: phase.index)
    var machine = AttemptMachine(phase.specification.attempts, after: earlier)
    var made = 0
    var last = RunStatus.interrupted
    while true {
      let id = AttemptID(
        phase: first.phase, repetition: first.repetition, warmUp: first.warmUp,
        attempt: earlier.count + made + 1)
      let trial = attempt(id, phase, background, isFirst: made == 0)
      made += 1
      guard let outcome = trial.outcome else {
        if made > 1 { try close(last, phase) }
        return end(trial.failure)
      }
      // A completed attempt stays the repetition's result when a repeat of it fails.
      let standing: RunStatus? =
        last == .completed && outcome.result.status != .completed && outcome.fatal == nil
        ? .completed : nil
      if standing == nil { last = outcome.result.status }
      let isFinal = services.stop.raised != nil || (trial.failure != nil && outcome.fatal == nil)
      guard !isFinal, case .again(let pause, let reason) = machine.decide(trial.verdict),
        outcome.fatal == nil || trial.verdict.failedToStart
      else {
        try session.end(outcome, phase: phase.index, standing: standing)
        if standing != nil, let error = outcome.result.error {
          try warn("attempt.end", "\(error); the previous attempt counts", id, phase)
        }
        return end(outcome.fatal ?? trial.failure)
      }
      try session.end(outcome, phase: phase.index, another: true)
      let when = pause > 0 ? " in \(Durations.text(pause))" : ""
      let message = "\(describe(id, isAttempt: true)) \(reason)\(when)"
      try record("attempt.again", message, id, phase)
      if pause > 0 { report(.waiting(message), id, phase) }
      if services.pause(pause) {
        try close(.interrupted, phase)
        return .next
      }
    }
  }

  /// Ends a repetition that gets no further attempt.
  private func close(_ last: RunStatus, _ phase: MeasuredPhase) throws(LBError) {
    let isStopped = phase.context.services.stop.raised != nil
    try session.closeRepetition(
      isStopped && last != .completed ? .interrupted : last, phase: phase.index,
      isStopped: isStopped)
  }

  /// The outcome of an attempt, with what decides about another one.
  private struct AttemptTrial {
    /// nil where the attempt was not begun.
    var outcome: AttemptOutcome?
    var verdict = AttemptVerdict(.skipped)
    /// An error beside the outcome's own that ends the phase.
    var failure: LBError?

    mutating func locate(at id: AttemptID) {
      outcome?.locate(at: id)
      failure = failure?.located(at: id)
    }
  }

  /// Executes one attempt within its quota and in its workspaces.
  private func attempt(
    _ id: AttemptID, _ phase: MeasuredPhase, _ background: [any BackgroundTask], isFirst: Bool
  ) -> AttemptTrial {
    let store = phase.context.store
    let clock = phase.context.services.clock
    let reservation: Quota.Reservation
    do throws(Quota.Denial) {
      reservation = try session.quota.reserve(
        id.phase, isRetry: !isFirst, elapsed: clock.monotonic() - session.began)
    } catch {
      return AttemptTrial(failure: error.error.located(at: id))
    }
    let began = (time: clock.monotonic(), bytes: store?.bytesWritten ?? 0)
    var workspaces: [Workspace] = []
    var trial: AttemptTrial
    do throws(LBError) {
      try session.host?.applyBeforeAttempt()
      trial = try bracket(
        id, try phase.withWorkspaces(for: id, &workspaces), background, isFirst: isFirst)
    } catch {
      trial = AttemptTrial(failure: error)
    }
    trial.locate(at: id)
    let hasBegun = trial.outcome != nil
    let failed = trial.failure != nil || trial.outcome?.result.status != .completed
    for notice in workspaces.compactMap({
      $0.removeUnlessKept(failed: failed, hasBegun: hasBegun)
    }) {
      do throws(LBError) { try warn("workspace", notice, id, phase) } catch {
        let error = error.located(at: id)
        if trial.failure == nil { trial.failure = error } else { session.record(error) }
      }
    }
    session.quota.settle(
      reservation,
      [
        .wall: clock.monotonic() - began.time,
        .ownCPU: trial.outcome?.result.overhead?.processNanoseconds ?? 0,
        // The output is written to the store after this.
        .bytes: (store?.bytesWritten ?? 0) - began.bytes
          + UInt64(trial.outcome?.output.count ?? 0),
      ])
    return trial
  }

  /// Executes the attempt itself, with its hooks and co-runners, and applies the gates.
  private func bracket(
    _ id: AttemptID, _ phase: MeasuredPhase, _ background: [any BackgroundTask], isFirst: Bool
  ) throws(LBError) -> AttemptTrial {
    guard try SamplingRecovery.resume(collectors, session, phase.context, at: id) else {
      return AttemptTrial()
    }
    let hooks = HookRunner(phase.context)
    if let failure = hooks.run(.prepare) { return AttemptTrial(failure: failure) }
    if phase.context.services.stop.raised != nil { return AttemptTrial() }
    try session.emptyOutputs(of: phase)
    var coRunners: [any BackgroundTask] = []
    defer {
      for task in coRunners.reversed() {
        if let failure = task.stop() { session.record(failure.located(at: id)) }
      }
    }
    do throws(LBError) {
      for task in background {
        guard let failure = task.failure else { continue }
        let message = "\(task.title) was restarted; before: \(failure)"
        try warn("background.renewed", message, id, phase)
        try task.restart()
      }
      let context = PhaseContext(run: phase.context, name: id.phase, result: session.result)
      for action in phase.node.coRunners { coRunners.append(try action.start(context)) }
    } catch {
      return AttemptTrial(failure: error)
    }
    let beside = background + coRunners
    if phase.specification.settle > 0 {
      report(.settling, id, phase)
      if phase.context.services.pause(phase.specification.settle) { return AttemptTrial() }
    }
    if isFirst {
      try session.begin(
        RepetitionResult(repetition: id.repetition, warmUp: id.warmUp), phase: phase.index)
    }
    report(.running, id, phase)
    try phase.context.journal.record(
      .info, "repetition.start", describe(id), at: id, status: .running)
    var outcome = executor.execute(
      id, phase.context, collectors, background: beside
    ) { bracket throws(LBError) in
      try session.beginAttempt(number: id.attempt, bracket: bracket)
    }
    outcome.locate(at: id)
    if outcome.result.status == .completed,
      let failure = beside.lazy.compactMap(\.failure).first
    {
      outcome.result.status = .failed
      outcome.result.error = failure.located(at: id)
    }
    let failure = hooks.run(.conclude)?.located(at: id)
    if outcome.fatal != nil, let failure { session.record(failure) }
    var limits = phase.specification.gates
    // CPU time of background processes is intended.
    if !beside.isEmpty { limits.foreignCPU = nil }
    let findings: [GateFinding]
    let mayStartNextTime: Bool
    do throws(LBError) {
      for notice in coRunners.compactMap(\.notice) {
        try warn("background.end", notice, id, phase)
      }
      mayStartNextTime = try SamplingRecovery.recoverAttempt(
        &outcome, collectors, session, phase.context, at: id)
      let hasGrown = try session.samplingRecovery.recover(
        after: outcome.result, collectors, session, phase.context, at: id)
      findings = try review(&outcome, limits, id, phase).map {
        // With larger rings the next attempt may be without drops.
        $0.gate == "drops" && hasGrown ? $0.transient : $0
      }
    } catch {
      // The measurement is kept, even if its events cannot be recorded.
      if outcome.fatal != nil || failure != nil { session.record(error.located(at: id)) }
      return AttemptTrial(
        outcome: outcome, verdict: AttemptVerdict(outcome.result.status), failure: failure ?? error)
    }
    var verdict = AttemptVerdict(
      outcome.result.status, failedToStart: mayStartNextTime, findings: findings)
    verdict.isIdle = outcome.wasIdle
    if let policy = phase.specification.retryPolicy,
      [.failed, .timeout].contains(outcome.result.status)
    {
      let earlier = session.history(of: id, phase: phase.index)
      let pause = policy.pause(after: earlier + [outcome.result])
      verdict.custom = .init(pause: pause.map { UInt64(max(0, $0.wholeNanoseconds)) })
    }
    return AttemptTrial(outcome: outcome, verdict: verdict, failure: failure)
  }

  /// Applies the gates to an attempt and records its events; returns the gates' findings.
  private func review(
    _ outcome: inout AttemptOutcome, _ limits: GateLimits, _ id: AttemptID,
    _ phase: MeasuredPhase
  ) throws(LBError) -> [GateFinding] {
    let journal = phase.context.journal
    let standard =
      outcome.result.status == .completed
      ? RepetitionGates.findings(
        outcome.result, limits, workloadCPUs: phase.specification.workloadCPUs?.members,
        ownCPUNanoseconds: outcome.ownCPUNanoseconds)
      : []
    let custom = outcome.result.status == .completed ? phase.specification.customGates : []
    let findings =
      standard
      + custom.compactMap { gate in
        gate.objection(to: outcome.result).map {
          GateFinding(gate: gate.name, severity: .block, message: $0, isTransient: true)
        }
      }
    outcome.result.contamination = findings.filter { $0.severity == .block }.map(\.message)
    for finding in findings {
      if finding.severity == .note {
        try warn("gate.\(finding.gate)", finding.message, id, phase)
        continue
      }
      try journal.record(
        .warning, "gate.\(finding.gate)", "\(describe(id)): \(finding.message)", at: id)
    }
    let result = outcome.result
    if let error = result.error {
      try journal.record(
        .warning, "repetition.end", "\(error)", at: id, status: result.status, error: error)
    } else {
      try journal.record(
        .info, "repetition.end", "\(describe(id)) \(result.status.rawValue)", at: id,
        status: result.status)
    }
    for notice in outcome.notices { try warn("workload.metric", notice, id, phase) }
    if result.orphansKilled > 0 {
      try warn(
        "workload.orphans",
        "\(result.orphansKilled) of the workload's descendants outlived it and were killed",
        id, phase)
    }
    if !result.ledger.isExact {
      throw LBError(.internal, "\(describe(id)): LEDGER MISMATCH, a bug: please report it")
    }
    return findings
  }

  private func warn(
    _ kind: String, _ message: String, _ id: AttemptID, _ phase: MeasuredPhase
  ) throws(LBError) {
    try record(kind, "\(describe(id)): \(message)", id, phase)
  }

  private func record(
    _ kind: String, _ warning: String, _ id: AttemptID, _ phase: MeasuredPhase
  ) throws(LBError) {
    session.result.warnings.append(warning)
    try phase.context.journal.record(.warning, kind, warning, at: id)
  }

  /// The name of a repetition in messages; with the attempt's number if `isAttempt` or if it is not
  /// the first one.
  private func describe(_ id: AttemptID, isAttempt: Bool = false) -> String {
    let phase = id.phase == "main" ? "" : "\(id.phase): "
    return phase + (id.warmUp ? "warm-up " : "repetition ") + "\(id.repetition)"
      + (id.attempt > 1 || isAttempt ? ", attempt \(id.attempt)" : "")
  }
}
