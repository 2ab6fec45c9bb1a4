import Glibc
import LinuxSystem
import Logging
import RunAnalysis
import RunStore
import SampleModel

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

  /// All repetitions; gives the error that ends the run. `leases` are what they lean on.
  func run(
    _ phases: [MeasuredPhase], _ order: RunOrder, _ leases: [any PhaseLease]
  ) throws(LBError) -> LBError? {
    var isFirst = true
    func execute(_ next: ScheduledRepetition) throws(LBError) -> (goOn: Bool, fatal: LBError?) {
      let phase = phases[next.phase]
      let services = phase.context.services
      if session.isDone(next.repetition, warmUp: next.warmUp, phase: phase.index) {
        return (true, nil)
      }
      let place = AttemptPlace(
        phase: phase.node.name, repetition: next.repetition, warmUp: next.warmUp, attempt: 1)
      if !isFirst, phase.specification.cooldown > 0 {
        tell(place, phase, .coolingDown)
        if services.pause(phase.specification.cooldown) { return (false, nil) }
      }
      try watchHost(place, phase, isFirst: isFirst)
      isFirst = false
      try awaitQuiet(place, phase)
      if services.stop.raised != nil { return (false, nil) }
      return (true, try repetition(place, phase, leases))
    }
    let counts = phases.map { ($0.specification.warmUps, $0.specification.repetitions) }
    for next in Schedule.repetitions(of: counts, order) {
      let (goOn, fatal) = try execute(next)
      guard goOn, fatal == nil else { return fatal }
    }
    return try refine(phases, execute)
  }

  /// Says what has changed of the host since the repetition before; before the `first` one of a
  /// phase its own setup may have changed it.
  private func watchHost(
    _ place: AttemptPlace, _ phase: MeasuredPhase, isFirst: Bool
  ) throws(LBError) {
    let state = HostState.read(phase.context.services.roots)
    for finding in isFirst ? [] : HostGates.drift(from: session.hostState, to: state) {
      try warn("gate.\(finding.gate)", finding.message, place, phase)
    }
    session.hostState = state
  }

  /// Waits until the host is quiet, if that was asked for.
  private func awaitQuiet(_ place: AttemptPlace, _ phase: MeasuredPhase) throws(LBError) {
    let specification = phase.specification
    guard specification.quietLimit > 0 else { return }
    tell(place, phase, .awaitingQuiet)
    let outcome = QuietHost.wait(
      below: specification.quietShare, limit: specification.quietLimit, phase.context.services)
    switch outcome {
    case .quiet, .stopped: break
    case .busy(let share):
      try warn(
        "gate.quiet",
        "the host was not quiet within \(Durations.text(specification.quietLimit)): "
          + "\(Int(bounded: share * 100)) % of the CPUs were busy", place, phase)
    case .unknown:
      try warn("gate.quiet", "whether the host is quiet cannot be told", place, phase)
    }
  }

  private func tell(
    _ place: AttemptPlace, _ phase: MeasuredPhase, _ activity: RunProgress.Activity
  ) {
    let specification = phase.specification
    progress(
      RunProgress(
        phase: place.phase, place: place,
        total: place.warmUp ? specification.warmUps : specification.repetitions,
        activity: activity))
  }

  /// One repetition, with as many attempts as its policy allows.
  private func repetition(
    _ place: AttemptPlace, _ phase: MeasuredPhase, _ leases: [any PhaseLease]
  ) throws(LBError) -> LBError? {
    let services = phase.context.services
    let earlier = session.history(at: place, phase: phase.index)
    var machine = AttemptMachine(phase.specification.attempts, after: earlier)
    var made = 0
    var last = RunStatus.interrupted
    while true {
      let place = AttemptPlace(
        phase: place.phase, repetition: place.repetition, warmUp: place.warmUp,
        attempt: earlier.count + made + 1)
      let tried = try attempt(place, phase, leases, isFirst: made == 0)
      made += 1
      guard let outcome = tried.outcome else {
        if made > 1 { try close(last, phase) }
        return tried.failure
      }
      // A measurement that was made stands, whatever becomes of its repetition.
      let standing: RunStatus? =
        last == .completed && outcome.result.status != .completed && outcome.fatal == nil
        ? .completed : nil
      if standing == nil { last = outcome.result.status }
      let isFinal = services.stop.raised != nil || (tried.failure != nil && outcome.fatal == nil)
      guard !isFinal, case .again(let pause, let reason) = machine.decide(tried.verdict),
        outcome.fatal == nil || tried.verdict.failedToStart
      else {
        try session.end(outcome, phase: phase.index, standing: standing)
        if standing != nil, let error = outcome.result.error {
          try warn("attempt.end", "\(error); the attempt before it stands", place, phase)
        }
        return outcome.fatal ?? tried.failure
      }
      try session.end(outcome, phase: phase.index, another: true)
      let when = pause > 0 ? " in \(Durations.text(pause))" : ""
      let message = "\(describe(place, isAttempt: true)) \(reason)\(when)"
      try record("attempt.again", message, place, phase)
      if pause > 0 { tell(place, phase, .waiting(message)) }
      if services.pause(pause) {
        try close(.interrupted, phase)
        return nil
      }
    }
  }

  /// Ends a repetition whose next attempt does not come.
  private func close(_ last: RunStatus, _ phase: MeasuredPhase) throws(LBError) {
    let isStopped = phase.context.services.stop.raised != nil
    try session.closeRepetition(
      isStopped && last != .completed ? .interrupted : last, phase: phase.index,
      isStopped: isStopped)
  }

  /// What an attempt came to.
  private struct Tried {
    /// nil where it was not begun.
    var outcome: AttemptOutcome?
    var verdict = AttemptVerdict(.skipped)
    /// What ends the run, beside the outcome's own.
    var failure: LBError?

    mutating func locate(at place: AttemptPlace) {
      outcome?.locate(at: place)
      failure = failure?.located(at: place)
    }
  }

  /// One attempt, with what it is allowed to use and where it works.
  private func attempt(
    _ place: AttemptPlace, _ phase: MeasuredPhase, _ leases: [any PhaseLease], isFirst: Bool
  ) throws(LBError) -> Tried {
    let store = phase.context.store
    let clock = phase.context.services.clock
    let reservation: Quota.Reservation
    do throws(Quota.Denial) {
      reservation = try session.quota.reserve(
        place.phase, isRetry: !isFirst, elapsed: clock.monotonic() - session.began)
    } catch {
      return Tried(failure: error.error.located(at: place))
    }
    let began = (time: clock.monotonic(), bytes: store?.bytesWritten ?? 0)
    var workspaces: [Workspace] = []
    var tried: Tried
    do throws(LBError) {
      try session.host?.applyBeforeAttempt()
      tried = try bracket(
        place, try phase.furnished(at: place, &workspaces), leases, isFirst: isFirst)
    } catch {
      tried = Tried(failure: error)
    }
    tried.locate(at: place)
    let hasBegun = tried.outcome != nil
    let failed = tried.failure != nil || tried.outcome?.result.status != .completed
    for note in workspaces.compactMap({ $0.leave(failed: failed, hasBegun: hasBegun) }) {
      do throws(LBError) { try warn("workspace", note, place, phase) } catch {
        let error = error.located(at: place)
        if tried.failure == nil { tried.failure = error } else { session.note(error) }
      }
    }
    session.quota.settle(
      reservation,
      [
        .wall: clock.monotonic() - began.time,
        .ownCPU: tried.outcome?.result.overhead?.processNanoseconds ?? 0,
        // Its output is written when it is over.
        .bytes: (store?.bytesWritten ?? 0) - began.bytes
          + UInt64(tried.outcome?.output.count ?? 0),
      ])
    return tried
  }

  /// The attempt itself, with its hooks and what runs beside it.
  private func bracket(
    _ place: AttemptPlace, _ phase: MeasuredPhase, _ leases: [any PhaseLease], isFirst: Bool
  ) throws(LBError) -> Tried {
    guard try SamplingRemedies.resume(collectors, session, phase.context, at: place) else {
      return Tried()
    }
    let hooks = HookRunner(phase.context)
    if let failure = hooks.run(.prepare) { return Tried(failure: failure) }
    if phase.context.services.stop.raised != nil { return Tried() }
    var beside: [any PhaseLease] = []
    defer {
      for lease in beside.reversed() {
        if let failure = lease.leave() { session.note(failure.located(at: place)) }
      }
    }
    do throws(LBError) {
      for lease in leases {
        guard let failure = lease.failure else { continue }
        let message = "\(lease.title) was restarted; before: \(failure)"
        try warn("background.renewed", message, place, phase)
        try lease.renew()
      }
      let at = PhasePlace(context: phase.context, phase: place.phase, result: session.result)
      for companion in phase.node.companions {
        if case .proceed(let lease?) = try companion.enter(at) { beside.append(lease) }
      }
    } catch {
      return Tried(failure: error)
    }
    if phase.specification.settle > 0 {
      tell(place, phase, .settling)
      if phase.context.services.pause(phase.specification.settle) { return Tried() }
    }
    if isFirst {
      try session.begin(
        RepetitionResult(repetition: place.repetition, warmUp: place.warmUp), phase: phase.index)
    }
    tell(place, phase, .running)
    try phase.context.journal.record(
      .info, "repetition.start", describe(place), at: place, status: .running)
    var outcome = executor.execute(
      place, phase.context, collectors, beside: leases + beside
    ) { bracket throws(LBError) in
      try session.beginAttempt(number: place.attempt, bracket: bracket)
    }
    outcome.locate(at: place)
    if outcome.result.status == .completed,
      let failure = (leases + beside).lazy.compactMap(\.failure).first
    {
      outcome.result.status = .failed
      outcome.result.error = failure.located(at: place)
    }
    let failure = hooks.run(.conclude)?.located(at: place)
    if outcome.fatal != nil, let failure { session.note(failure) }
    var limits = phase.specification.gates
    // What runs beside it on purpose is no disturbance.
    if !(leases + beside).isEmpty { limits.foreignCPU = nil }
    let findings: [GateFinding]
    let mayStart: Bool
    do throws(LBError) {
      for remark in beside.compactMap(\.remark) {
        try warn("background.end", remark, place, phase)
      }
      mayStart = try SamplingRemedies.mendFailure(
        of: &outcome, collectors, session, phase.context, at: place)
      let hasRoom = try session.remedies.mend(
        after: outcome.result, collectors, session, phase.context, at: place)
      findings = try review(&outcome, limits, place, phase).map {
        // With a larger ring it need not come again.
        $0.gate == "drops" && hasRoom ? $0.passing : $0
      }
    } catch {
      // What was measured is kept, whatever cannot be said of it.
      if outcome.fatal != nil || failure != nil { session.note(error.located(at: place)) }
      return Tried(
        outcome: outcome, verdict: AttemptVerdict(outcome.result.status), failure: failure ?? error)
    }
    var verdict = AttemptVerdict(
      outcome.result.status, failedToStart: mayStart, findings: findings)
    verdict.isIdle = outcome.wasIdle
    if let policy = phase.specification.retryPolicy,
      [.failed, .timeout].contains(outcome.result.status)
    {
      let earlier = session.history(at: place, phase: phase.index)
      let pause = policy.pause(after: earlier + [outcome.result])
      verdict.own = .init(pause: pause.map { UInt64(max(0, $0.wholeNanoseconds)) })
    }
    return Tried(outcome: outcome, verdict: verdict, failure: failure)
  }

  /// Says what is to be said of an attempt, and gives what disturbed it.
  private func review(
    _ outcome: inout AttemptOutcome, _ limits: GateLimits, _ place: AttemptPlace,
    _ phase: MeasuredPhase
  ) throws(LBError) -> [GateFinding] {
    let journal = phase.context.journal
    let standard =
      outcome.result.status == .completed
      ? RepetitionGates.findings(
        outcome.result, limits, workloadCPUs: phase.specification.workloadCPUs?.members,
        beside: outcome.besideNanoseconds)
      : []
    let own = outcome.result.status == .completed ? phase.specification.ownGates : []
    let findings =
      standard
      + own.compactMap { gate in
        gate.objection(to: outcome.result).map {
          GateFinding(gate: gate.name, severity: .block, message: $0, passes: true)
        }
      }
    outcome.result.contamination = findings.filter { $0.severity == .block }.map(\.message)
    for finding in findings {
      if finding.severity == .note {
        try warn("gate.\(finding.gate)", finding.message, place, phase)
        continue
      }
      try journal.record(
        .warning, "gate.\(finding.gate)", "\(describe(place)): \(finding.message)", at: place)
    }
    let result = outcome.result
    if let error = result.error {
      try journal.record(
        .warning, "repetition.end", "\(error)", at: place, status: result.status, error: error)
    } else {
      try journal.record(
        .info, "repetition.end", "\(describe(place)) \(result.status.rawValue)", at: place,
        status: result.status)
    }
    for note in outcome.notes { try warn("workload.metric", note, place, phase) }
    if result.orphansKilled > 0 {
      try warn(
        "workload.orphans",
        "\(result.orphansKilled) of the workload's descendants outlived it and were killed",
        place, phase)
    }
    if !result.ledger.isExact {
      throw LBError(.internal, "\(describe(place)): LEDGER MISMATCH, a bug: please report it")
    }
    return findings
  }

  private func warn(
    _ kind: String, _ message: String, _ place: AttemptPlace, _ phase: MeasuredPhase
  ) throws(LBError) {
    try record(kind, "\(describe(place)): \(message)", place, phase)
  }

  private func record(
    _ kind: String, _ warning: String, _ place: AttemptPlace, _ phase: MeasuredPhase
  ) throws(LBError) {
    session.result.warnings.append(warning)
    try phase.context.journal.record(.warning, kind, warning, at: place)
  }

  /// A repetition, and which attempt where it is not the first or this is about attempts.
  private func describe(_ place: AttemptPlace, isAttempt: Bool = false) -> String {
    let phase = place.phase == "main" ? "" : "\(place.phase): "
    return phase + (place.warmUp ? "warm-up " : "repetition ") + "\(place.repetition)"
      + (place.attempt > 1 || isAttempt ? ", attempt \(place.attempt)" : "")
  }
}
