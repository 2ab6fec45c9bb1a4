import Foundation
import LinuxSystem
import RunStore
import SampleModel
import Sampler

/// A plain recording: one run of one phase with one repetition, whose bracket is the session.
final class Recording {
  let path: String
  let sink: StoreSink
  private let writer: RunWriter
  private let session: Started
  private var result: RunResult
  /// CLOCK_MONOTONIC when it was begun.
  private let start = Clock.monotonic()

  private struct Started {
    var phase: Int64
    var repetition: Int64
  }
  private var attempt: Int64 = 0
  /// Whether there is a bracket in the file, and whether its end has been written or failed to be.
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
      session = try Self.begin(writer)
    } catch {
      writer.discard()
      throw error
    }
  }

  private static func begin(_ writer: RunWriter) throws(LBError) -> Started {
    var phase = PhaseResult(name: "sample", command: [])
    phase.status = .running
    let row = try writer.addPhase(phase)
    var repetition = RepetitionResult(repetition: 1, warmUp: false)
    repetition.status = .running
    let started = Started(
      phase: row, repetition: try writer.addRepetition(repetition, phase: row))
    try writer.checkpoint()
    return started
  }

  /// The session has started.
  func began(bracket: UInt32) throws(LBError) {
    attempt = try writer.addAttempt(
      number: 1, bracket: bracket, repetition: session.repetition)
    hasBegun = true
  }

  /// The session is over, maybe at a stop, which is an error unless it was to be ended by one:
  /// records its account and closes the file.
  func ended(
    _ account: BracketAccount, failure: LBError?, stopped: LBError?
  ) throws(LBError) {
    isOver = true
    if let failure, failure.category == .resultPersistence, failure.context.path == path {
      writer.close()  // The file has said what it could take; the error itself is the caller's.
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
    try writer.setRepetitionStatus(session.repetition, status)
    var phase = PhaseResult(name: "sample", command: [])
    phase.status = status
    try writer.updatePhase(session.phase, phase)
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

  /// Ends a recording that comes to no account: removes the file where no bracket was begun, else
  /// leaves it as that of an interrupted run, with what it has.
  func abandon() {
    guard !isOver else { return }
    isOver = true
    guard hasBegun else { return discard() }
    do throws(LBError) { try writer.setRunStatus(.interrupted) } catch {
      // A reader finds its writer gone, and says interrupted too.
    }
    writer.close()
  }
}
