import LinuxSystem

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
