import Foundation
import LinuxSystem
import RunStore
import SampleModel
import Sampler

/// A recording: a run of one phase with one repetition, whose bracket is the whole sampling.
final class Recording {
  let path: String
  let sink: StoreSink
  private let writer: RunWriter
  private let rows: RecordingRows
  private var result: RunResult
  /// CLOCK_MONOTONIC when it began.
  private let start = Clock.monotonic()

  /// The rows of the phase and of the repetition in the file.
  private struct RecordingRows {
    var phase: Int64
    var repetition: Int64
  }
  private var attempt: Int64 = 0
  /// Whether the file has a bracket, and whether its end was written or could not be written.
  private var hasBegun = false
  private var isOver = false

  /// Creates the file with everything that is known before the first sample.
  init(
    path: String, name: String, interval: UInt64, host: [(name: String, value: String)],
    configuration: [ConfigurationEntry]
  ) throws(LBError) {
    self.path = path
    let now = TimeSource.system.realtime()
    let runID = RunDirectory.newRunID(
      name: name, unixNanoseconds: now, random: .random(in: .min ... .max))
    writer = try RunWriter(
      path: path,
      identity: RunWriter.Identity(
        runID: runID, name: name, kind: "sample", version: Lbsample.version,
        interval: interval, startUnixNanoseconds: now),
      host: host, configuration: configuration, labels: [:])
    sink = StoreSink(writer, now: Clock.monotonic)
    result = RunResult(runID: runID, name: name, kind: "sample", startUnixNanoseconds: now)
    do throws(LBError) {
      rows = try Self.begin(writer)
    } catch {
      writer.discard()
      throw error
    }
  }

  private static func begin(_ writer: RunWriter) throws(LBError) -> RecordingRows {
    var phase = PhaseResult(name: "sample", command: [])
    phase.status = .running
    let row = try writer.addPhase(phase)
    var repetition = RepetitionResult(repetition: 1, warmUp: false)
    repetition.status = .running
    let rows = RecordingRows(
      phase: row, repetition: try writer.addRepetition(repetition, phase: row))
    try writer.checkpoint()
    return rows
  }

  /// Records that sampling has begun, with this bracket.
  func began(bracket: UInt32) throws(LBError) {
    attempt = try writer.addAttempt(
      number: 1, bracket: bracket, repetition: rows.repetition)
    hasBegun = true
  }

  /// Ends the recording: writes the account and closes the file. `stopped` is the error of a stop
  /// request, nil where the sampling was to be ended by one.
  func ended(
    _ account: BracketAccount, failure: LBError?, stopped: LBError?
  ) throws(LBError) {
    isOver = true
    if let failure, failure.category == .resultPersistence, failure.context.path == path {
      // The file cannot be written; the caller reports the error.
      writer.close()
      return
    }
    let status: RunStatus =
      failure != nil ? .failed : stopped != nil ? .interrupted : .completed
    let clock = TimeSource.system
    var outcome = AttemptResult(attempt: 1)
    outcome.status = status
    outcome.startUnixNanoseconds =
      clock.realtime() &- (Clock.monotonic() &- account.openStart)
    outcome.bracketNanoseconds = account.closeEnd &- account.openStart
    outcome.ledger = account.ledger
    outcome.overhead = account.overhead
    outcome.error = failure
    try writer.finishAttempt(attempt, outcome, output: [])
    try writer.setRepetitionStatus(rows.repetition, status)
    var phase = PhaseResult(name: "sample", command: [])
    phase.status = status
    try writer.updatePhase(rows.phase, phase)
    result.status = status
    result.errors = [failure, stopped].compactMap { $0 }
    result.endUnixNanoseconds = clock.realtime()
    result.durationNanoseconds = Clock.monotonic().growth(since: start)
    if let note = try writer.finish(result) {
      Console.say("lbsample: \(note)")
    }
  }

  /// Removes a file in which nothing was recorded.
  func discard() { writer.discard() }

  /// Ends a recording without an account: removes the file where no bracket began, otherwise marks
  /// it as interrupted.
  func abandon() {
    guard !isOver else { return }
    isOver = true
    guard hasBegun else { return discard() }
    do throws(LBError) { try writer.setRunStatus(.interrupted) } catch {
      // A reader finds that the writer has ended, and marks the file as interrupted too.
    }
    writer.close()
  }
}
