package import LinuxSystem
package import RunStore
package import SampleModel

/// All mutable state of one run: made fresh for it, gone with it.
package final class RunSession {
  package var result: RunResult
  let store: RunWriter?
  private let clock: TimeSource
  /// Who ends what the run has open.
  package let stopping: StopCoordinator
  /// What an earlier session left of the run.
  private let earlier: Resumption
  /// Whether repetitions that are over are in the file alone: as many may come as a program wants,
  /// and it may stay for days.
  private let forgets: Bool
  /// As what those ended, by their phase.
  private var forgotten: [Int: Set<RunStatus>] = [:]
  /// Errors of such repetitions that are kept; each stands with its attempt in the file.
  private static let errorsOfForgotten = 100
  var phaseRows: [Int64]
  private var repetitionRow: Int64 = 0
  /// The current repetition's place in its phase.
  private var repetition = 0
  /// Where each repetition stands in its phase, and its row in the file.
  private var known: [Place: (index: Int, row: Int64)] = [:]

  private struct Place: Hashable {
    let phase: Int
    let repetition: Int
    let isWarmUp: Bool
  }
  private var attemptRow: Int64 = 0
  private var bracket: UInt32?
  /// The phase under way: errors that do not say theirs are of it.
  var phase: String?
  /// Whether this session has begun any repetition.
  private var hasMeasured = false
  /// What `until` names though a phase's repetitions have it not, by metric.
  var missingPrecision: [String: [String]] = [:]
  /// What the run has used of what it may.
  var quota = Quota(QuotaLimits())
  /// What follows failures, and what has failed so far.
  var diagnosis = Diagnosis()
  var remedies = SamplingRemedies()
  /// CLOCK_MONOTONIC when this session began.
  let began: UInt64
  /// The wall clock at that moment.
  private let startedAt: UInt64
  /// CLOCK_MONOTONIC of the last checkpoint.
  private lazy var checkpointed = began
  /// Nanoseconds between checkpoints at the least: each flushes to the disk twice, and the first
  /// write behind it once more, all of which the next repetition or a stop has to wait for.
  private static let checkpointPeriod: UInt64 = 10_000_000_000
  /// The changes that it has made to the host.
  var host: HostChanges?
  /// What is to be said of the run at its start: a kind of event, and in words.
  package var remarks: [(kind: String, message: String)] = []
  /// What the sessions before this one decided.
  package var decided = EarlierDecisions()
  /// The host as it was at the last look.
  var hostState = HostState()

  /// The state of a run that has not begun. One that `forgets` keeps no repetition that is over:
  /// each is in `store`.
  package init(
    result: RunResult, store: RunWriter?, behind earlier: Resumption = Resumption(),
    clock: TimeSource, forgets: Bool = false
  ) {
    self.forgets = forgets && store != nil
    self.result = result
    self.store = store
    self.clock = clock
    stopping = StopCoordinator(clock: clock)
    began = clock.monotonic()
    startedAt = clock.realtime()
    self.earlier = earlier
    phaseRows = earlier.phases
    for (phase, one) in result.phases.enumerated() {
      for (index, repetition) in one.repetitions.enumerated() {
        let place = Place(
          phase: phase, repetition: repetition.repetition, isWarmUp: repetition.warmUp)
        let rows = phase < earlier.repetitions.count ? earlier.repetitions[phase] : []
        known[place] = (index, index < rows.count ? rows[index] : 0)
      }
    }
  }

  /// Says at the start what is wrong with phases that are skipped.
  package func remark(mistakes: [String]) {
    for mistake in mistakes {
      result.warnings.append(mistake)
      remarks.append(("plan.mistake", mistake))
    }
  }

  /// Whether an earlier session has begun a phase of the run.
  var isResumed: Bool { !earlier.phases.isEmpty }

  /// Notes an error; the first one decides the exit code.
  package func note(_ error: LBError) {
    result.errors.append(error.located(phase: phase))
  }

  /// Whether an error has been noted.
  func hasNoted(_ error: LBError) -> Bool {
    result.errors.contains(error.located(phase: phase))
  }

  /// What ends the run whatever could take a phase's place.
  static let ending: Set<ErrorCategory> = [
    .resultPersistence, .stopRequested, .internal, .quota, .gate,
  ]

  /// The errors of the phases of these names that another phase can make good, of earlier sessions
  /// too.
  func errors(of phases: Set<String>) -> [LBError] {
    result.errors.filter { Self.isOf(phases, $0) }
  }

  /// Takes them back: another phase took the place of these.
  func withdrawErrors(of phases: Set<String>) {
    result.errors.removeAll { Self.isOf(phases, $0) }
  }

  private static func isOf(_ phases: Set<String>, _ error: LBError) -> Bool {
    error.context.phase.map(phases.contains) == true && !ending.contains(error.category)
  }

  /// Whether everything that is measured in `node` was, or need not be.
  func isComplete(_ node: PhaseNode) -> Bool {
    let skipped = Set(result.phases.filter { $0.status == .skipped }.map(\.name))
    let done = Set(
      result.phases.filter { $0.status == .completed || $0.replacedBy != nil }.map(\.name))
    return node.measured(without: skipped).allSatisfy { done.contains($0.name) }
  }

  /// Moves a status on, refusing what the table of transitions does not have.
  func advance(_ status: inout RunStatus, to next: RunStatus) {
    guard status != next else { return }
    assert(status.mayBecome(next), "illegal transition from \(status) to \(next)")
    if status.mayBecome(next) { status = next }
  }

  /// The run waits for something outside of it, or goes on.
  func wait(_ isWaiting: Bool) throws(LBError) {
    let next: RunStatus = isWaiting ? .waiting : .running
    if ![.running, .waiting].contains(result.status) { advance(&result.status, to: .running) }
    guard result.status != next else { return }
    advance(&result.status, to: next)
    try store?.setRunStatus(next)
  }

  /// Persists what its end says of the whole run as a label.
  package func keepLabels() throws(LBError) {
    guard let changes = result.labels[RunResult.columnsLabel] else { return }
    try store?.setLabels([RunResult.columnsLabel: changes])
  }

  /// Begins the run, if this is its first phase, and the phase; gives its place among them.
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

  /// The place of a phase that an earlier session had begun.
  func earlierPhase(_ name: String) -> Int? {
    result.phases.indices.prefix(earlier.phases.count).first { result.phases[$0].name == name }
  }

  /// Whether what a run ended with lets it be gone on with: a quota that let one repetition begin,
  /// in this session or in an earlier one, can let another one, since each session has it anew.
  func isResumable(after fatal: LBError?) -> Bool {
    fatal?.category == .quota && (hasMeasured || isResumed)
  }

  /// A phase that is not executed, and why.
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

  /// A phase that could not be set up, and why.
  func fail(_ phase: PhaseResult, because reason: String) throws(LBError) {
    let index = try begin(phase)
    result.phases[index].note = reason
    try endPhase(index, .failed)
  }

  /// Adds the phases that a run did not come to before it ended.
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
    let place = Place(
      phase: phase, repetition: repetition.repetition, isWarmUp: repetition.warmUp)
    if let known = known[place] {
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
    if !forgets { known[place] = (self.repetition, repetitionRow) }
    result.phases[phase].repetitions.append(repetition)
  }

  /// Begins an attempt in a bracket.
  package func beginAttempt(number: Int, bracket: UInt32) throws(LBError) {
    self.bracket = bracket &+ earlier.brackets
    attemptRow =
      try store?.addAttempt(
        number: number, bracket: bracket &+ earlier.brackets, repetition: repetitionRow) ?? 0
  }

  /// Ends an attempt at the current repetition of a phase, by default the last one; unless there is
  /// `another` one to come, the repetition too, as what an earlier attempt is `standing` as, or as
  /// this one.
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
      if standing == nil, let error = outcome.result.error, isKept { note(error) }
    }
    if attemptRow == 0, repetitionRow != 0 {
      // It failed before its bracket was opened.
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

  /// Lets go of what is in the file.
  private func forget(_ phase: Int) {
    let over = result.phases[phase].repetitions.filter { !$0.warmUp }
    forgotten[phase, default: []].formUnion(over.map(\.status))
    result.phases[phase].repetitions.removeAll(keepingCapacity: true)
    repetition = 0
  }

  /// What the completed attempts of a phase gave, from the file.
  package func metrics(ofPhase index: Int) throws(LBError) -> MetricColumns {
    try store?.metrics(ofPhase: phaseRows[index]) ?? MetricColumns()
  }

  /// Ends the current repetition after attempts of which there will be no other.
  func closeRepetition(
    _ status: RunStatus, phase: Int, isStopped: Bool
  ) throws(LBError) {
    let attempts = result.phases[phase].repetitions[repetition].attempts
    advance(&result.phases[phase].repetitions[repetition].status, to: status)
    // A stop is what ends it then; what the attempt says stands with the attempt.
    if !isStopped, status != .completed, let error = attempts.last?.error { note(error) }
    if repetitionRow != 0 { try store?.setRepetitionStatus(repetitionRow, status) }
  }

  /// Whether a repetition has come to its end in an earlier session.
  func isDone(_ repetition: Int, warmUp: Bool, phase: Int) -> Bool {
    guard phase < earlier.phases.count,
      let index = known[Place(phase: phase, repetition: repetition, isWarmUp: warmUp)]?.index
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

  /// Attempts that have ended at a repetition, in earlier sessions too.
  func history(at place: AttemptPlace, phase: Int) -> [AttemptResult] {
    let place = Place(phase: phase, repetition: place.repetition, isWarmUp: place.warmUp)
    return known[place].map { result.phases[phase].repetitions[$0.index].attempts } ?? []
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

  /// Says which phase took the place of one that failed.
  func replace(_ index: Int, by name: String) throws(LBError) {
    result.phases[index].replacedBy = name
    if phaseRows[index] != 0 {
      try store?.updatePhase(phaseRows[index], result.phases[index])
    }
  }

  /// Ends the run with the worst status of what counts in it.
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
      // It was gone on with, and came to nothing: that can be done again.
      status = .interrupted
    } else if [.pending, .interrupted].contains(result.status) {
      advance(&result.status, to: .running)
    }
    advance(&result.status, to: status)
    // Whatever became of its errors: the exit code of a run that failed is not 0.
    if [.failed, .timeout].contains(status), result.errors.isEmpty {
      result.addErrorsOfRepetitions()
      if result.errors.isEmpty {
        note(LBError(.internal, "the run is \(status.rawValue), and no error says why"))
      }
    }
    result.promoteOnlySummary()
    result.endUnixNanoseconds = time
    // By a clock that nobody sets, as far as one session has seen it.
    let before = startedAt.growth(since: result.startUnixNanoseconds)
    result.durationNanoseconds = before + clock.monotonic().growth(since: began)
  }
}
