import LinuxSystem
import Logging
import RunAnalysis
package import SampleModel

/// Composes a run: warm-ups and repetitions in order, each by the executor, each recorded.
///
/// It holds services and components, no state: that is the session's, made fresh for each run.
package struct RunController {
  private let context: RunContext
  private let executor: any RepetitionExecuting
  private let collectors: any CollectorLifecycle
  /// Told what is happening, for a progress line.
  private let progress: (RunProgress) -> Void

  /// A controller of the run that `context` describes.
  package init(
    _ context: RunContext, executor: any RepetitionExecuting,
    collectors: any CollectorLifecycle, progress: @escaping (RunProgress) -> Void = { _ in }
  ) {
    self.context = context
    self.executor = executor
    self.collectors = collectors
    self.progress = progress
  }

  /// Runs everything. Whatever fails stands in the result, and what was measured is kept.
  package func run(_ session: RunSession) -> RunResult {
    let hooks = HookRunner(context)
    var fatal: LBError?
    do throws(LBError) {
      fatal = try runPhase(session, hooks)
    } catch {
      fatal = error
    }
    if let fatal, !session.result.errors.contains(fatal) { session.note(fatal) }
    // Whatever happened; its own failure comes behind what did.
    if let failure = hooks.run(.cleanup) { session.note(failure) }
    if let stop = stopError,
      !session.result.errors.contains(where: { $0.category == stop.category })
    {
      session.note(stop)
    }
    do throws(LBError) {
      try finish(session, isFatal: fatal != nil)
    } catch {
      session.note(error)
    }
    return session.result
  }

  private var stopError: LBError? {
    guard let signal = context.services.stop.raised else { return nil }
    var error = LBError(.stopRequested, "stopped by signal \(signal); what was sampled is kept")
    error.context.signal = signal
    return error
  }

  /// Gives the error that ended the phase early, nil when all of it was executed.
  private func runPhase(
    _ session: RunSession, _ hooks: HookRunner
  ) throws(LBError) -> LBError? {
    let specification = context.specification
    let name = "main"
    try session.begin(PhaseResult(name: name, command: specification.command))
    if let failure = hooks.run(.setup) { return failure }
    let total = specification.warmUps + specification.repetitions
    for index in 0..<total {
      let isWarmUp = index < specification.warmUps
      let number = isWarmUp ? index + 1 : index - specification.warmUps + 1
      let place = AttemptPlace(phase: name, repetition: number, warmUp: isWarmUp, attempt: 1)
      if index > 0, specification.cooldown > 0 {
        progress(RunProgress(place: place, specification: specification, activity: .coolingDown))
        if context.services.pause(specification.cooldown) { return nil }
      }
      if context.services.stop.raised != nil { return nil }
      if let failure = hooks.run(.prepare) { return failure }
      if context.services.stop.raised != nil { return nil }
      let fatal = try runRepetition(place, session)
      let failure = hooks.run(.conclude)
      if let ended = fatal ?? failure {
        if fatal != nil, let failure { session.note(failure) }
        return ended
      }
    }
    return nil
  }

  private func runRepetition(
    _ place: AttemptPlace, _ session: RunSession
  ) throws(LBError) -> LBError? {
    progress(RunProgress(place: place, specification: context.specification, activity: .running))
    try session.begin(RepetitionResult(repetition: place.repetition, warmUp: place.warmUp))
    try context.journal.record(.info, "repetition.start", describe(place), at: place)
    let outcome = executor.execute(place, context, collectors) { bracket throws(LBError) in
      try session.beginAttempt(number: place.attempt, bracket: bracket)
    }
    try session.end(outcome)
    let result = outcome.result
    if let error = result.error {
      try context.journal.record(.warning, "repetition.end", "\(error)", at: place)
    } else {
      try context.journal.record(
        .info, "repetition.end", "\(describe(place)) \(result.status.rawValue)", at: place)
    }
    for note in outcome.notes {
      let warning = "\(describe(place)): \(note)"
      session.result.warnings.append(warning)
      try context.journal.record(.warning, "workload.metric", warning, at: place)
    }
    if result.orphansKilled > 0 {
      let warning =
        "\(describe(place)): \(result.orphansKilled) of the workload's descendants outlived it "
        + "and were killed"
      session.result.warnings.append(warning)
      try context.journal.record(.warning, "workload.orphans", warning, at: place)
    }
    if !result.ledger.isExact {
      throw LBError(.internal, "\(describe(place)): the ledger does not add up")
    }
    return outcome.fatal
  }

  private func describe(_ place: AttemptPlace) -> String {
    (place.warmUp ? "warm-up " : "repetition ") + "\(place.repetition)"
  }

  /// Adds what the collectors say of the whole run, and the summary over its repetitions.
  /// `own` are the units of the workload's own metrics.
  package static func summarise(
    _ result: inout RunResult, _ collectors: any CollectorLifecycle, own: [String: String] = [:]
  ) {
    let units = collectors.units.merging(own) { $1 }
    let shares = collectors.shares
    result.metrics = RunSummary.rows(
      of: result.phases, unit: { units[$0] ?? "" }, running: { shares[$0] })
    result.unavailable = collectors.meta?.unavailable ?? []
    result.warnings += (collectors.meta?.notes ?? []) + collectors.notices
  }

  private func finish(_ session: RunSession, isFatal: Bool) throws(LBError) {
    var own: [String: String] = [:]
    for metric in context.specification.metrics { own[metric.name] = metric.unit }
    Self.summarise(&session.result, collectors, own: own)
    try session.end(
      stopped: context.services.stop.raised != nil, fatal: isFatal,
      at: context.services.clock.realtime())
    try context.journal.record(
      .info, "run.end", "run \(session.result.status.rawValue)")
  }
}

/// What a run is doing now.
package struct RunProgress: Sendable {
  /// The kinds of thing it can be doing.
  package enum Activity: String, Sendable {
    case running
    case coolingDown = "cooling down"
  }

  package let place: AttemptPlace
  package let total: Int
  package let activity: Activity

  init(place: AttemptPlace, specification: RunSpecification, activity: Activity) {
    self.place = place
    total = place.warmUp ? specification.warmUps : specification.repetitions
    self.activity = activity
  }
}
