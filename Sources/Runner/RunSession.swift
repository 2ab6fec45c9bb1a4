package import RunStore
package import SampleModel

/// All mutable state of one run: made fresh for it, gone with it.
package final class RunSession {
  package var result: RunResult
  private let store: RunWriter?
  private var phaseRow: Int64 = 0
  private var repetitionRow: Int64 = 0
  private var attemptRow: Int64 = 0
  private(set) var firstError: LBError?

  /// The state of a run that has not begun.
  package init(result: RunResult, store: RunWriter?) {
    self.result = result
    self.store = store
  }

  /// Notes an error; the first one decides the exit code.
  package func note(_ error: LBError) {
    if firstError == nil { firstError = error }
    result.errors.append(error)
  }

  /// Moves a status on, refusing what the table of transitions does not have.
  private func advance(_ status: inout RunStatus, to next: RunStatus) {
    assert(status.mayBecome(next), "illegal transition from \(status) to \(next)")
    if status.mayBecome(next) { status = next }
  }

  /// Begins the run and its phase.
  package func begin(_ phase: PhaseResult) throws(LBError) {
    advance(&result.status, to: .running)
    result.phases.append(phase)
    let last = result.phases.count - 1
    advance(&result.phases[last].status, to: .running)
    phaseRow = try store?.addPhase(result.phases[last]) ?? 0
  }

  /// Begins a repetition of the current phase.
  package func begin(_ repetition: RepetitionResult) throws(LBError) {
    var repetition = repetition
    advance(&repetition.status, to: .running)
    repetitionRow = try store?.addRepetition(repetition, phase: phaseRow) ?? 0
    result.phases[result.phases.count - 1].repetitions.append(repetition)
  }

  /// Begins an attempt in a bracket.
  package func beginAttempt(number: Int, bracket: UInt32) throws(LBError) {
    attemptRow =
      try store?.addAttempt(number: number, bracket: bracket, repetition: repetitionRow) ?? 0
  }

  /// Ends the current repetition with its attempt's outcome.
  package func end(_ outcome: AttemptOutcome) throws(LBError) {
    let phase = result.phases.count - 1
    let repetition = result.phases[phase].repetitions.count - 1
    let status = outcome.result.status
    result.phases[phase].repetitions[repetition].attempts.append(outcome.result)
    advance(&result.phases[phase].repetitions[repetition].status, to: status)
    if let error = outcome.result.error { note(error) }
    if attemptRow != 0 {
      try store?.finishAttempt(attemptRow, outcome.result, output: outcome.output)
    }
    attemptRow = 0
    if repetitionRow != 0 { try store?.setRepetitionStatus(repetitionRow, status) }
    try store?.checkpoint()
  }

  /// Ends phase and run with the worst status of the counted repetitions.
  package func end(stopped: Bool, fatal: Bool, at time: UInt64) throws(LBError) {
    let counted = result.phases.flatMap(\.repetitions).filter { !$0.warmUp }.map(\.status)
    var status = RunStatus.worst(of: counted)
    if fatal { status = .failed }
    if stopped { status = .interrupted }
    if let last = result.phases.indices.last {
      advance(&result.phases[last].status, to: status)
      if phaseRow != 0 { try store?.setPhaseStatus(phaseRow, status) }
    }
    advance(&result.status, to: status)
    result.endUnixNanoseconds = time
    result.durationNanoseconds = time &- result.startUnixNanoseconds
  }
}
