import Glibc
import LinuxSystem
import SampleModel

/// Runs jobs that may block (arming opens and reads files) on a thread of its own, one at a time.
/// Callers wait for a job up to a deadline.
///
/// A job that does not return in time is abandoned with its thread, and the next job gets a new
/// thread. An abandoned job that returns later must close its own descriptors.
final class ArmingWorker: Sendable {
  private struct Job {
    let stream: UInt16
    /// It closes something, and is done even if the stream's other jobs are abandoned.
    let isClosing: Bool
    let work: @Sendable () -> Void
  }

  private struct State {
    var queue: [Job] = []
    /// The stream of the running job, and when the job began.
    var running: (stream: UInt16, since: UInt64)?
    /// The number of the present thread; 0: none has been started.
    var thread = 0
    var isEnding = false
  }

  private let time: TimeSource
  private let state: Guarded<State>
  private let work: Signal
  private let done: Signal

  init(_ time: TimeSource) {
    self.time = time
    state = Guarded(time, State())
    work = Signal(time)
    done = Signal(time)
  }

  /// Queues a job for `stream`; false if no thread can be created. A closing job is done even if
  /// the stream's other jobs are abandoned, and at `shutDown`.
  func submit(
    _ stream: UInt16, isClosing: Bool = false, _ body: @escaping @Sendable () -> Void
  ) -> Bool {
    let needsThread = state.withLock { state in
      state.queue.append(Job(stream: stream, isClosing: isClosing, work: body))
      guard state.thread <= 0 else { return false }
      state.thread = 1 - state.thread
      return true
    }
    if needsThread, !startThread() { return false }
    work.wake()
    return true
  }

  /// The outcome of a job.
  enum Outcome {
    case done
    /// It did not return in time, and was abandoned.
    case overdue
    /// A stop was requested, and the job was abandoned.
    case stopped
    /// No thread could be created.
    case noThread
  }

  /// Nanoseconds between two checks for a stop while waiting for a job.
  private static let stopCheck: UInt64 = 20_000_000

  /// Runs a job for `stream` and waits for it, for up to `limit` nanoseconds or until `stop` is
  /// raised.
  func run(
    _ stream: UInt16, within limit: UInt64, unless stop: StopFlag? = nil,
    _ body: @escaping @Sendable () -> Void
  ) -> Outcome {
    guard submit(stream, body) else { return .noThread }
    let deadline = time.monotonic() &+ limit
    while true {
      let seen = done.current()
      let isPending = state.withLock { state in
        state.running?.stream == stream || state.queue.contains { $0.stream == stream }
      }
      guard isPending else { return .done }
      let now = time.monotonic()
      let isStopped = stop?.raised != nil
      if isStopped || now >= deadline {
        giveUp()
        state.withLock { $0.queue.removeAll { $0.stream == stream && !$0.isClosing } }
        return isStopped ? .stopped : .overdue
      }
      done.wait(since: seen, until: stop == nil ? deadline : min(deadline, now + Self.stopCheck))
    }
  }

  /// Abandons a job that has run for more than `limit` nanoseconds; returns its stream, nil if
  /// there is none.
  func overdue(_ limit: UInt64) -> UInt16? {
    let running = state.withLock { $0.running }
    guard let running, time.monotonic() &- running.since > limit else { return nil }
    giveUp()
    return running.stream
  }

  /// Whether a job for `stream` is queued or runs.
  func isBusy(_ stream: UInt16) -> Bool {
    state.withLock { state in
      state.running?.stream == stream || state.queue.contains { $0.stream == stream }
    }
  }

  /// Ends the thread after its present job and all closing jobs; does not wait.
  func shutDown() {
    state.withLock {
      $0.queue.removeAll { !$0.isClosing }
      $0.isEnding = true
    }
    work.wake()
  }

  /// Abandons the running job; its thread ends after it.
  private func giveUp() {
    let needsThread = state.withLock { state in
      guard state.running != nil else { return false }
      state.running = nil
      // Negative: there is no present thread, and the next one gets the next number.
      state.thread = -state.thread
      guard !state.queue.isEmpty else { return false }
      state.thread = 1 - state.thread
      return true
    }
    if needsThread, !startThread() { state.withLock { $0.queue = [] } }
  }

  private func startThread() -> Bool {
    let number = state.withLock { $0.thread }
    do throws(SystemError) {
      // Detached: the thread retains this object and is never joined.
      try SystemThread(name: "lb-arm", time: time) { [self] in main(number) }.detach()
      return true
    } catch {
      state.withLock {
        $0.thread = -$0.thread
        $0.queue = []
      }
      return false
    }
  }

  private func main(_ number: Int) {
    while true {
      let seen = work.current()
      let now = time.monotonic()
      let (job, isOver) = state.withLock { state -> (Job?, Bool) in
        guard state.thread == number else { return (nil, true) }
        guard !state.queue.isEmpty else { return (nil, state.isEnding) }
        let job = state.queue.removeFirst()
        state.running = (job.stream, now)
        return (job, false)
      }
      if isOver { return }
      guard let job else {
        work.wait(since: seen, until: Futex.forever)
        continue
      }
      job.work()
      state.withLock { state in
        if state.thread == number { state.running = nil }
      }
      done.wake()
    }
  }
}

/// The answer of a job of the arming thread; its caller may have stopped waiting.
final class JobAnswer<Value>: Sendable {
  private struct State {
    var value: Value?
    var hasBegun = false
    var isAwaited = true
  }

  private let state: Guarded<State>

  init(_ time: TimeSource) { state = Guarded(time, State()) }

  /// The job begins; false if its caller stopped waiting.
  func begin() -> Bool {
    state.withLock { state in
      state.hasBegun = state.isAwaited
      return state.isAwaited
    }
  }

  /// Stores the job's answer; false if its caller stopped waiting.
  func give(_ value: sending Value) -> Bool {
    state.withLock { state in
      guard state.isAwaited else { return false }
      state.value = value
      return true
    }
  }

  /// Takes the answer, if there is one, and whether the job began; the caller stops waiting.
  func take() -> (value: Value?, hasBegun: Bool) {
    state.withLock { state in
      state.isAwaited = false
      return (state.value, state.hasBegun)
    }
  }
}

/// The messages for a collector or thread that could not be armed.
enum ArmingFailure {
  /// The outcome of a failed arming.
  static func outcome(of error: LBError) -> String {
    switch error.context.errno {
    case EACCES, EPERM: "denied"
    case nil: AcquisitionOutcome.malformed.word
    default: "absent"
    }
  }

  /// The error for a required collector that is unavailable.
  static func unavailable(_ name: String, _ availability: Availability) -> LBError {
    LBError(
      .collectorUnavailable,
      "collector \(name) is not available: \(availability.reasonAndFix); \(remedy(name))",
      context: ErrorContext(collector: name))
  }

  /// The error for a required collector that could not be armed.
  static func ofRequired(_ name: String, _ error: LBError) -> LBError {
    var error = error
    // An error that names the option needs no prefix.
    guard !error.message.hasPrefix("--"), error.category != .stopRequested else { return error }
    let isLate = error.context.errno == ETIMEDOUT
    let isAbsent = error.category == .collectorUnavailable && !isLate
    error.message =
      "collector \(name)\(isAbsent ? " is not available" : ""): "
      + withoutName(name, error.message)
    if isLate { error.message += "; \(remedy(name))" }
    return error
  }

  private static func remedy(_ name: String) -> String {
    "add --optional \(name) to continue without it"
  }

  /// Removes the collector's name from the beginning of an error that is reported with the name.
  static func withoutName(_ name: String, _ message: String) -> String {
    let prefix = "\(name): "
    return message.hasPrefix(prefix) ? String(message.dropFirst(prefix.count)) : message
  }

  /// The remedy for a thread that could not be set up.
  static func fix(_ error: SystemError) -> String {
    if error.call.hasPrefix("pthread_setschedparam") {
      return "real-time priority needs CAP_SYS_NICE: run as root, or: "
        + "sudo setcap cap_sys_nice+ep \"$(command -v lbsample)\""
    }
    if error.errno == EMFILE { return "raise the limit of open files (ulimit -n)" }
    return "see lbsample doctor for what this host permits"
  }
}

/// Preparation between two brackets.
extension SamplerSession {
  /// Opens the sources of the next bracket's workload, so that its opening sample only reads. A
  /// collector that cannot be re-armed here is retried at the edge. Not between `start` and `stop`.
  package func prepare() {
    guard !isUnresponsive else { return }
    readmitThreads()
    // An unresponsive thread may be reading.
    let busy = Set(
      (meta?.streams ?? []).filter { !canBeTouched($0.thread) }.map(\.stream))
    var rearmed = Set<UInt16>()
    for (stream, arming) in table.prepared(but: busy) where prepare(stream, arming) {
      rearmed.insert(stream)
      if let failure = rearm(
        stream, after: arming.number, within: configuration.responseTimeout)
      {
        edgeFailure = failure
      }
    }
    guard !rearmed.isEmpty else { return }
    for (stream, arming) in table.prepared(but: busy) where rearmed.contains(stream) {
      _ = prepare(stream, arming)
    }
  }

  /// Prepares one stream on the arming thread; returns whether it must be re-armed. A stream whose
  /// preparation hangs is disabled.
  private func prepare(_ stream: UInt16, _ arming: Arming) -> Bool {
    let answer = JobAnswer<AcquisitionOutcome>(time)
    let limit = configuration.responseTimeout
    _ = worker.run(stream, within: limit) {
      guard answer.begin() else { return }
      let outcome = arming.armed.prepare()
      if !answer.give(outcome) { arming.armed.disarm() }
    }
    let (outcome, hasBegun) = answer.take()
    // Work that was not begun is done by the next acquisition.
    guard outcome == nil, hasBegun, let entry = meta?.streams.first(where: { $0.stream == stream })
    else { return outcome?.needsRearm ?? false }
    threads[entry.thread].disable(stream)
    table.giveUp(stream, on: threads[entry.thread])
    let message =
      "\(entry.collector): preparing the next bracket did not finish within "
      + "\(Durations.text(limit)): a source hangs; the collector is no longer read"
    drain?.note(message)
    if entry.required, lostFailure == nil {
      lostFailure = LBError(
        .metricCollection, message, context: ErrorContext(collector: entry.collector))
    }
    return false
  }
}
