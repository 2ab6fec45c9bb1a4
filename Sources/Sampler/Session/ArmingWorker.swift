import Glibc
import LinuxSystem
import SampleModel

/// Runs what may hang (arming, and all that it opens and asks) on a thread of its own, one job at a
/// time. Callers wait for a job only up to a deadline.
///
/// A job that does not come back is given up with its thread, and the next one gets another thread.
/// What such a job brings later is of no use to anybody: a job says itself what it then closes.
final class ArmingWorker: Sendable {
  private struct Job {
    let stream: UInt16
    /// It lets go of something, and is done whatever becomes of the others.
    let isClosing: Bool
    let work: @Sendable () -> Void
  }

  private struct State {
    var queue: [Job] = []
    /// The stream that is worked for, and since when.
    var running: (stream: UInt16, since: UInt64)?
    /// The thread that is in charge, by number; 0: none has been started.
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

  /// Queues a job for `stream`; false when no thread can be had. One that is closing is done also
  /// when the stream's other jobs are given up, or all are at the end.
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

  /// What became of a job that somebody waited for.
  enum Outcome {
    case done
    /// It has not come back in time, and was given up.
    case overdue
    /// A stop was requested meanwhile, and it was given up.
    case stopped
    /// No thread can be had to do it.
    case noThread
  }

  /// A stop is looked for this often, in nanoseconds, while a job is waited for.
  private static let stopCheck: UInt64 = 20_000_000

  /// Does a job for `stream` and waits for it, for up to `limit` nanoseconds or until `stop` is
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

  /// The stream whose job has run for more than `limit` nanoseconds, if there is one: it is given
  /// up.
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

  /// Ends the thread when its job is done and what is to be closed is; waits for nothing.
  func shutDown() {
    state.withLock {
      $0.queue.removeAll { !$0.isClosing }
      $0.isEnding = true
    }
    work.wake()
  }

  /// Leaves the running job to its thread, which ends behind it.
  private func giveUp() {
    let needsThread = state.withLock { state in
      guard state.running != nil else { return false }
      state.running = nil
      // Negative: no thread is in charge, and the next one has the next number.
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
      // Detached: it holds this object, and nothing else waits for it.
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

/// What a job of the arming thread answers to whoever waits for it, which may be nobody any more.
final class JobAnswer<Value>: Sendable {
  private struct State {
    var value: Value?
    var hasBegun = false
    var isAwaited = true
  }

  private let state: Guarded<State>

  init(_ time: TimeSource) { state = Guarded(time, State()) }

  /// The job begins; false when nobody waits for it any more.
  func begin() -> Bool {
    state.withLock { state in
      state.hasBegun = state.isAwaited
      return state.isAwaited
    }
  }

  /// The job's answer; false when nobody takes it.
  func give(_ value: sending Value) -> Bool {
    state.withLock { state in
      guard state.isAwaited else { return false }
      state.value = value
      return true
    }
  }

  /// The answer, if it is there, and whether the job has begun. It is awaited no more.
  func take() -> (value: Value?, hasBegun: Bool) {
    state.withLock { state in
      state.isAwaited = false
      return (state.value, state.hasBegun)
    }
  }
}

/// What a collector or thread that could not be armed is called.
enum ArmingFailure {
  /// The outcome that a failed arming stands for.
  static func outcome(of error: LBError) -> String {
    switch error.context.errno {
    case EACCES, EPERM: "denied"
    case nil: AcquisitionOutcome.malformed.word
    default: "absent"
    }
  }

  /// The error that names a collector which was asked for and is not there.
  static func unavailable(_ name: String, _ availability: Availability) -> LBError {
    LBError(
      .collectorUnavailable,
      "collector \(name) is not available: \(availability.reasonAndFix); \(remedy(name))",
      context: ErrorContext(collector: name))
  }

  /// The error of a collector that was asked for and could not be armed.
  static func ofRequired(_ name: String, _ error: LBError) -> LBError {
    var error = error
    // What names the option already is as clear as can be.
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

  /// An arming's error begins with its collector, which whoever reports it names.
  static func withoutName(_ name: String, _ message: String) -> String {
    let prefix = "\(name): "
    return message.hasPrefix(prefix) ? String(message.dropFirst(prefix.count)) : message
  }

  /// What to do about a thread that could not be set up.
  static func fix(_ error: SystemError) -> String {
    if error.call.hasPrefix("pthread_setschedparam") {
      return "real-time priority needs CAP_SYS_NICE: run as root, or: "
        + "sudo setcap cap_sys_nice+ep \"$(command -v lbsample)\""
    }
    if error.errno == EMFILE { return "raise the limit of open files (ulimit -n)" }
    return "see lbsample doctor for what this host permits"
  }
}

/// What is done between two brackets.
extension SamplerSession {
  /// Opens what belongs to the next bracket alone, so that its opening sample only reads. What
  /// cannot be armed anew here is tried again at the edge. Not between `start` and `stop`.
  package func prepare() {
    guard !isSilent else { return }
    welcomeBack()
    // A thread that is left alone may be reading.
    let busy = Set(
      (meta?.streams ?? []).filter { !canBeTouched($0.thread) }.map(\.stream))
    var rearmed = Set<UInt16>()
    for (stream, arming) in table.prepared(but: busy) where prepare(stream, arming) {
      rearmed.insert(stream)
      if let failure = rearm(
        stream, after: arming.number, within: configuration.answerLimit)
      {
        edgeFailure = failure
      }
    }
    guard !rearmed.isEmpty else { return }
    for (stream, arming) in table.prepared(but: busy) where rearmed.contains(stream) {
      _ = prepare(stream, arming)
    }
  }

  /// Prepares one stream on the arming thread; gives whether it is to be armed anew. One that does
  /// not come back is read no more: it may be using its source for ever.
  private func prepare(_ stream: UInt16, _ arming: Arming) -> Bool {
    let answer = JobAnswer<AcquisitionOutcome>(time)
    let limit = configuration.answerLimit
    _ = worker.run(stream, within: limit) {
      guard answer.begin() else { return }
      let outcome = arming.armed.prepare()
      if !answer.give(outcome) { arming.armed.disarm() }
    }
    let (outcome, hasBegun) = answer.take()
    // An acquisition does what was not begun.
    guard outcome == nil, hasBegun, let place = meta?.streams.first(where: { $0.stream == stream })
    else { return outcome?.needsRearm ?? false }
    threads[place.thread].disable(stream)
    table.giveUp(stream, on: threads[place.thread])
    let message =
      "\(place.collector): preparing the next bracket did not finish within "
      + "\(Durations.text(limit)): a source hangs; the collector is no longer read"
    drain?.note(message)
    if place.required, lostFailure == nil {
      lostFailure = LBError(
        .metricCollection, message, context: ErrorContext(collector: place.collector))
    }
    return false
  }
}
