import LinuxSystem
import Logging
import RunStore
import Runner
import SampleModel
import Sampler

/// The brackets of an armed sampler as the repetitions of one run.
final class BracketRecording: BracketObserver {
  let sink: StoreSink
  private let writer: RunWriter
  private let session: RunSession
  private let journal: Journal
  private let clock = TimeSource.system
  private var count = 0

  /// Creates the file with everything that is known before the first bracket.
  init(
    path: String, name: String, interval: UInt64, host: [(name: String, value: String)],
    configuration: [ConfigurationEntry], logger: Logger
  ) throws(LBError) {
    let now = clock.realtime()
    let runID = RunDirectory.newRunID(
      name: name, unixNanoseconds: now, random: .random(in: .min ... .max))
    writer = try RunWriter(
      path: path,
      identity: RunWriter.Identity(
        runID: runID, name: name, kind: "run", version: Lbsample.version, interval: interval,
        startUnixNanoseconds: now),
      host: host, configuration: configuration, labels: [:])
    sink = StoreSink(writer, now: Clock.monotonic)
    var result = RunResult(runID: runID, name: name, kind: "run", startUnixNanoseconds: now)
    result.configuration = configuration
    session = RunSession(result: result, store: writer, clock: clock, forgets: true)
    journal = Journal(runID: runID, clock: clock, logger: logger, store: writer)
    do throws(LBError) {
      try session.begin(PhaseResult(name: "main", command: []))
    } catch {
      writer.discard()
      throw error
    }
  }

  func bracketOpens(_ bracket: ControlState.Open) throws(LBError) {
    count += 1
    var repetition = RepetitionResult(repetition: count, warmUp: false)
    repetition.label = bracket.label.isEmpty ? nil : bracket.label
    try session.begin(repetition)
    try session.beginAttempt(number: 1, bracket: bracket.number)
  }

  func bracketClosed(
    _ bracket: ControlState.Open, _ outcome: BracketOutcome, interruptedBy reason: String?
  ) throws(LBError) {
    var attempt = AttemptResult(attempt: 1)
    attempt.status = reason == nil ? .completed : .interrupted
    attempt.error = reason.map {
      LBError(.stopRequested, "bracket \(bracket.number) (\(bracket.label)): interrupted: \($0)")
    }
    let account = outcome.account
    attempt.startUnixNanoseconds =
      clock.realtime() &- (Clock.monotonic() &- account.openStart)
    attempt.bracketNanoseconds = account.closeEnd &- account.openStart
    attempt.metrics = outcome.metrics
    attempt.ledger = account.ledger
    attempt.overhead = account.overhead
    try session.end(AttemptOutcome(result: attempt))
  }

  func marked(_ name: String, _ bracket: ControlState.Open?) throws(LBError) {
    let attempt = bracket.map { _ in
      AttemptID(phase: "main", repetition: count, warmUp: false, attempt: 1)
    }
    try journal.record(.info, "mark", name, at: attempt)
  }

  /// Ends the recording: adds the summary over the brackets and converts the result into one file.
  func finish(
    _ failure: LBError?, stopped: StopReason?, _ collectors: CollectorSet
  ) throws(LBError) {
    if let failure { session.record(failure) }
    RunController.addCollectorSummary(&session.result, collectors)
    let metrics = try session.metrics(ofPhase: 0)
    try session.endPhase(0, stopped == nil ? failure.map { _ in .failed } : .interrupted) {
      $0.summarise(collectors, of: metrics)
    }
    try session.end(stopped: stopped != nil, fatal: failure != nil, at: clock.realtime())
    try session.keepLabels()
    if let note = try writer.finish(session.result) { Console.say("lbsample: \(note)") }
  }

  /// Removes a file in which nothing was recorded.
  func discard() {
    writer.discard()
  }
}
