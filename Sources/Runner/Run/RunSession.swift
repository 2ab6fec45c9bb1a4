package import LinuxSystem
package import RunStore
package import SampleModel

/// The mutable state of one session of a run.
package final class RunSession {
  package var result: RunResult
  let store: RunWriter?
  private let clock: TimeSource
  /// Ends the processes that the run has started.
  package let stopping: StopCoordinator
  /// The rows and numbers of the run's file at the beginning of this session.
  private let resumePoint: ResumePoint
  /// Whether repetitions that have ended are kept in the file only: a program may make any number
  /// of brackets over many days.
  private let forgets: Bool
  /// The statuses of forgotten repetitions, by phase.
  private var forgotten: [Int: Set<RunStatus>] = [:]
  /// Most errors of forgotten repetitions in the result; the file has them all, with the attempts.
  private static let errorsOfForgotten = 100
  var phaseRows: [Int64]
  private var repetitionRow: Int64 = 0
  /// The index of the current repetition in its phase.
  private var repetition = 0
  /// The index of each repetition in its phase, and its row in the file.
  private var known: [RepetitionID: (index: Int, row: Int64)] = [:]

  private struct RepetitionID: Hashable {
    let phase: Int
    let repetition: Int
    let isWarmUp: Bool
  }
  private var attemptRow: Int64 = 0
  private var bracket: UInt32?
  /// The phase that is being executed: errors without a phase get it.
  var phase: String?
  /// Whether this session has begun any repetition.
  private var hasMeasured = false
  /// Phases whose repetitions do not have the metric of their `until`, by that metric.
  var missingPrecision: [String: [String]] = [:]
  /// The limits of the run's resources, and their use.
  var quota = Quota(QuotaLimits())
  var failurePolicy = FailurePolicy()
  var samplingRecovery = SamplingRecovery()
  /// CLOCK_MONOTONIC when this session began.
  let began: UInt64
  /// The wall clock at that moment.
  private let startedAt: UInt64
  /// CLOCK_MONOTONIC of the last checkpoint.
  private lazy var checkpointed = began
  /// Least nanoseconds between checkpoints: each costs up to three flushes to the disk, for which
  /// the next repetition or a stop waits.
  private static let checkpointPeriod: UInt64 = 10_000_000_000
  /// The changes that it has made to the host.
  var host: HostChanges?
  /// Events to record at the start of the run.
  package var startNotices: [(kind: String, message: String)] = []
  /// Files of --workload-output that this run has truncated.
  var emptiedOutputs: Set<ExactText> = []
  /// The decisions of earlier sessions of the run.
  package var decisions = ResumeDecisions()
  /// The state of the host before the last repetition.
  var hostState = HostState()

  /// The state of a session that has not begun. One that `forgets` keeps repetitions that have
  /// ended in `store` only.
  package init(
    result: RunResult, store: RunWriter?, resuming resumePoint: ResumePoint = ResumePoint(),
    clock: TimeSource, forgets: Bool = false
  ) {
    self.forgets = forgets && store != nil
    self.result = result
    self.store = store
    self.clock = clock
    stopping = StopCoordinator(clock: clock)
    began = clock.monotonic()
    startedAt = clock.realtime()
    self.resumePoint = resumePoint
    phaseRows = resumePoint.phases
    for (phase, one) in result.phases.enumerated() {
      for (index, repetition) in one.repetitions.enumerated() {
        let id = RepetitionID(
          phase: phase, repetition: repetition.repetition, isWarmUp: repetition.warmUp)
        let rows = phase < resumePoint.repetitions.count ? resumePoint.repetitions[phase] : []
        known[id] = (index, index < rows.count ? rows[index] : 0)
      }
    }
  }

  /// Records the mistakes of phases that are skipped, as warnings and as events at the start.
  package func addPlanMistakes(_ mistakes: [String]) {
    for mistake in mistakes {
      result.warnings.append(mistake)
      startNotices.append(("plan.mistake", mistake))
    }
  }

  /// Whether an earlier session has begun a phase of the run.
  var isResumed: Bool { !resumePoint.phases.isEmpty }

  /// Adds an error to the result; the first one decides the exit code.
  package func record(_ error: LBError) {
    result.errors.append(error.located(phase: phase))
  }

  /// Adds an error to the result unless it is there.
  func recordOnce(_ error: LBError) {
    if !result.errors.contains(error.located(phase: phase)) { record(error) }
  }

  /// Categories of errors that end the run even if the phase has a fallback.
  static let endingCategories: Set<ErrorCategory> = [
    .resultPersistence, .stopRequested, .internal, .quota, .gate,
  ]

  /// The errors of these phases that a fallback can replace, those of earlier sessions included.
  func errors(of phases: Set<String>) -> [LBError] {
    result.errors.filter { Self.isOf(phases, $0) }
  }

  /// Removes those errors, after a fallback of the phases has succeeded.
  func removeErrors(of phases: Set<String>) {
    result.errors.removeAll { Self.isOf(phases, $0) }
  }

  private static func isOf(_ phases: Set<String>, _ error: LBError) -> Bool {
    error.context.phase.map(phases.contains) == true && !endingCategories.contains(error.category)
  }

  /// Whether all measured phases in `node` are completed, skipped or replaced by a fallback.
  func isComplete(_ node: PhaseNode) -> Bool {
    let skipped = Set(result.phases.filter { $0.status == .skipped }.map(\.name))
    let done = Set(
      result.phases.filter { $0.status == .completed || $0.replacedBy != nil }.map(\.name))
    return node.measured(without: skipped).allSatisfy { done.contains($0.name) }
  }

  /// Changes a status, if the table of transitions allows it.
  func advance(_ status: inout RunStatus, to next: RunStatus) {
    guard status != next else { return }
    assert(status.mayBecome(next), "illegal transition from \(status) to \(next)")
    if status.mayBecome(next) { status = next }
  }

  /// Sets the run's status to waiting or running.
  func setWaiting(_ isWaiting: Bool) throws(LBError) {
    let next: RunStatus = isWaiting ? .waiting : .running
    if ![.running, .waiting].contains(result.status) { advance(&result.status, to: .running) }
    guard result.status != next else { return }
    advance(&result.status, to: next)
    try store?.setRunStatus(next)
  }

  /// Writes the labels that are known at the end of the run.
  package func keepLabels() throws(LBError) {
    guard let changes = result.labels[RunResult.columnsLabel] else { return }
    try store?.setLabels([RunResult.columnsLabel: changes])
  }

  /// Begins a phase, and the run if it is the first one. Returns the phase's index in the result.
  @discardableResult
  package func begin(_ phase: PhaseResult) throws(LBError) -> Int {
    advance(&result.status, to: .running)
    if let index = earlierPhase(phase.name) {
      if result.phases[index].status == .interrupted {
        advance(&result.phases[index].status, to: .running)
        try store?.updatePhase(phaseRows[index], result.phases[index])
      }
      return index
    }
    result.phases.append(phase)
    let index = result.phases.count - 1
    advance(&result.phases[index].status, to: .running)
    phaseRows.append(try store?.addPhase(result.phases[index]) ?? 0)
    return index
  }

  /// The index of a phase that an earlier session had begun.
  func earlierPhase(_ name: String) -> Int? {
    result.phases.indices.prefix(resumePoint.phases.count).first { result.phases[$0].name == name }
  }

  /// Whether a run that ended with this error can be resumed: each session has the whole quota, so
  /// that one which let a repetition begin, in this session or in an earlier one, will let another.
  func isResumable(after error: LBError?) -> Bool {
    error?.category == .quota && (hasMeasured || isResumed)
  }

  /// Adds a phase that is not executed, with the reason.
  func skip(_ phase: PhaseResult, because reason: String) throws(LBError) {
    if earlierPhase(phase.name) != nil { return }
    var phase = phase
    advance(&phase.status, to: .skipped)
    phase.note = reason
    result.phases.append(phase)
    let row = try store?.addPhase(phase) ?? 0
    phaseRows.append(row)
    try store?.updatePhase(row, phase)
  }

  /// Adds a phase that could not be set up, with the reason.
  func fail(_ phase: PhaseResult, because reason: String) throws(LBError) {
    let index = try begin(phase)
    result.phases[index].note = reason
    try endPhase(index, .failed)
  }

  /// Adds the phases that the run had not reached when it ended.
  func addUnreached(_ plan: PhaseNode) throws(LBError) {
    let skipped = Set(result.phases.filter { $0.status == .skipped }.map(\.name))
    let known = Set(result.phases.map(\.name))
    for node in plan.measured(without: skipped) where !known.contains(node.name) {
      var phase = node.unexecuted
      phase.note = "never reached"
      result.phases.append(phase)
      let row = try store?.addPhase(phase) ?? 0
      phaseRows.append(row)
      try store?.updatePhase(row, phase)
    }
  }

  /// Begins a repetition of a phase, by default the last one.
  package func begin(_ repetition: RepetitionResult, phase: Int? = nil) throws(LBError) {
    hasMeasured = true
    let phase = phase ?? result.phases.count - 1
    let id = RepetitionID(
      phase: phase, repetition: repetition.repetition, isWarmUp: repetition.warmUp)
    if let known = known[id] {
      self.repetition = known.index
      advance(&result.phases[phase].repetitions[known.index].status, to: .running)
      repetitionRow = known.row
      try store?.setRepetitionStatus(repetitionRow, .running)
      return
    }
    var repetition = repetition
    advance(&repetition.status, to: .running)
    repetitionRow = try store?.addRepetition(repetition, phase: phaseRows[phase]) ?? 0
    self.repetition = result.phases[phase].repetitions.count
    if !forgets { known[id] = (self.repetition, repetitionRow) }
    result.phases[phase].repetitions.append(repetition)
  }

  /// Begins an attempt whose bracket has this number within the session.
  package func beginAttempt(number: Int, bracket: UInt32) throws(LBError) {
    self.bracket = bracket &+ resumePoint.brackets
    attemptRow =
      try store?.addAttempt(
        number: number, bracket: bracket &+ resumePoint.brackets, repetition: repetitionRow) ?? 0
  }

  /// Ends an attempt at the current repetition of a phase, by default the last phase. Unless
  /// `another` attempt follows, ends the repetition too, with the attempt's status or, where an
  /// earlier attempt is its result, with the status `standing`.
  package func end(
    _ outcome: AttemptOutcome, phase: Int? = nil, another: Bool = false,
    standing: RunStatus? = nil
  ) throws(LBError) {
    let phase = phase ?? result.phases.count - 1
    let status = standing ?? outcome.result.status
    var outcome = outcome
    let (name, current) = (
      result.phases[phase].name, result.phases[phase].repetitions[repetition]
    )
    outcome.result.error = outcome.result.error?.located(
      phase: name, repetition: current.repetition, isWarmUp: current.warmUp,
      attempt: outcome.result.attempt)
    outcome.result.bracket = outcome.isUnopened ? nil : bracket
    bracket = nil
    result.phases[phase].repetitions[repetition].attempts.append(outcome.result)
    if !another {
      advance(&result.phases[phase].repetitions[repetition].status, to: status)
      let isKept = !forgets || result.errors.count < Self.errorsOfForgotten
      if standing == nil, let error = outcome.result.error, isKept { record(error) }
    }
    if attemptRow == 0, repetitionRow != 0 {
      // The attempt failed before its bracket was recorded.
      attemptRow =
        try store?.addAttempt(
          number: outcome.result.attempt, bracket: nil, repetition: repetitionRow) ?? 0
    }
    if attemptRow != 0 {
      try store?.finishAttempt(
        attemptRow, outcome.result, output: outcome.output, unopened: outcome.isUnopened)
    }
    attemptRow = 0
    if repetitionRow != 0, !another { try store?.setRepetitionStatus(repetitionRow, status) }
    if !another, forgets { forget(phase) }
    let now = clock.monotonic()
    if now - checkpointed >= Self.checkpointPeriod {
      checkpointed = now
      try store?.checkpoint()
    }
  }

  /// Removes the ended repetitions of a phase, which are in the file, from memory.
  private func forget(_ phase: Int) {
    let over = result.phases[phase].repetitions.filter { !$0.warmUp }
    forgotten[phase, default: []].formUnion(over.map(\.status))
    result.phases[phase].repetitions.removeAll(keepingCapacity: true)
    repetition = 0
  }

  /// The metrics of the completed attempts of a phase, from the file.
  package func metrics(ofPhase index: Int) throws(LBError) -> MetricColumns {
    try store?.metrics(ofPhase: phaseRows[index]) ?? MetricColumns()
  }

  /// Ends the current repetition after its last attempt.
  func closeRepetition(
    _ status: RunStatus, phase: Int, isStopped: Bool
  ) throws(LBError) {
    let attempts = result.phases[phase].repetitions[repetition].attempts
    advance(&result.phases[phase].repetitions[repetition].status, to: status)
    // After a stop the stop is the run's error; the attempt keeps its own.
    if !isStopped, status != .completed, let error = attempts.last?.error { record(error) }
    if repetitionRow != 0 { try store?.setRepetitionStatus(repetitionRow, status) }
  }

  /// Whether an earlier session has ended a repetition.
  func isDone(_ repetition: Int, warmUp: Bool, phase: Int) -> Bool {
    guard phase < resumePoint.phases.count,
      let index = known[RepetitionID(phase: phase, repetition: repetition, isWarmUp: warmUp)]?.index
    else { return false }
    return Self.isOver(result.phases[phase].repetitions[index].status)
  }

  /// Whether an earlier session has ended a phase.
  func isDone(_ phase: String) -> Bool {
    earlierPhase(phase).map { Self.isOver(result.phases[$0].status) } ?? false
  }

  private static func isOver(_ status: RunStatus) -> Bool {
    [.completed, .failed, .timeout, .skipped].contains(status)
  }

  /// The ended attempts at the repetition of an attempt, those of earlier sessions included.
  func history(of attempt: AttemptID, phase: Int) -> [AttemptResult] {
    let id = RepetitionID(
      phase: phase, repetition: attempt.repetition, isWarmUp: attempt.warmUp)
    return known[id].map { result.phases[phase].repetitions[$0.index].attempts } ?? []
  }

  /// Ends a phase with the worst status of its counted repetitions, or with `status`.
  package func endPhase(
    _ index: Int, _ status: RunStatus? = nil, summarise: (inout PhaseResult) -> Void = { _ in }
  ) throws(LBError) {
    let counted =
      result.phases[index].repetitions.filter { !$0.warmUp }.map(\.status)
      + Array(forgotten[index] ?? [])
    advance(&result.phases[index].status, to: status ?? RunStatus.worst(of: counted))
    summarise(&result.phases[index])
    if phaseRows[index] != 0 {
      try store?.updatePhase(phaseRows[index], result.phases[index])
    }
  }

  /// Records which phase took the place of one that failed.
  func replace(_ index: Int, by name: String) throws(LBError) {
    result.phases[index].replacedBy = name
    if phaseRows[index] != 0 {
      try store?.updatePhase(phaseRows[index], result.phases[index])
    }
  }

  /// Ends the run with the worst status of its phases, without those that a fallback replaced.
  package func end(stopped: Bool, fatal: Bool, at time: UInt64) throws(LBError) {
    var status = RunStatus.worst(
      of: result.phases.filter { $0.replacedBy == nil }.map(\.status))
    if fatal { status = .failed }
    if stopped { status = .interrupted }
    for index in result.phases.indices
    where [.running, .waiting].contains(result.phases[index].status) {
      try endPhase(index, stopped ? .interrupted : status)
    }
    if result.status == .interrupted, fatal {
      // A resumed session failed before its first phase: the run can be resumed again.
      status = .interrupted
    } else if [.pending, .interrupted].contains(result.status) {
      advance(&result.status, to: .running)
    }
    advance(&result.status, to: status)
    // A failed run without an error in its result would have exit code 0.
    if [.failed, .timeout].contains(status), result.errors.isEmpty {
      result.addErrorsOfRepetitions()
      if result.errors.isEmpty {
        record(
          LBError(
            .internal,
            "the run is \(status.rawValue), but has no error: a bug of lbsample, please report it"))
      }
    }
    result.promoteOnlySummary()
    result.endUnixNanoseconds = time
    // By the monotonic clock, as far as this session has measured it.
    let before = startedAt.growth(since: result.startUnixNanoseconds)
    result.durationNanoseconds = before + clock.monotonic().growth(since: began)
  }
}
