import Glibc
package import LinuxSystem
import Runner
import Synchronization

/// A process that exists as a thread in virtual time: it runs, writes, fails, hangs, and may ignore
/// signals.
package final class SimulatedProcess: Workload, Sendable {
  private struct State {
    var isOpen = false
    /// When it ends, and how.
    var end: (time: UInt64, status: ExitStatus)?
    var nextLine: UInt64?
    var status: ExitStatus?
    var thread: SystemThread?
    var gate: UInt64?
    var signals: [(time: UInt64, signal: Int32)] = []
    var isReaped = false
    /// When the rest of its group is dead; there is none until SIGTERM.
    var membersEnd: UInt64 = 0
    var groupKilled: UInt64?
  }

  /// Its program.
  package let path: String
  private let behaviour: SimulatedBehaviour
  private let time: TimeSource
  private let exit: StopFlag
  /// Closed by its thread.
  private let output: Int32
  /// Changes with everything that its thread has to look at.
  private let word = FutexWord(0)
  private let state = Mutex(State())

  init(
    _ plan: SpawnPlan, _ behaviour: SimulatedBehaviour, _ time: TimeSource
  ) throws(SystemError) {
    path = plan.path
    self.behaviour = behaviour
    self.time = time
    exit = try StopFlag()
    output = fcntl(plan.output, F_DUPFD_CLOEXEC, 0)
    guard output >= 0 else { throw SystemError("dup of the output", errno: errno) }
    // Safe: who spawned it keeps it, and its thread meets it no more once it has ended.
    let thread = try SystemThread(name: "process", time: time) { [unowned self] in live() }
    state.withLock { $0.thread = thread }
  }

  /// CLOCK_MONOTONIC when its gate was opened, nil where it never was.
  package var gateOpened: UInt64? { state.withLock { $0.gate } }
  /// The signals that were sent to it while it lived, with CLOCK_MONOTONIC.
  package var signals: [(time: UInt64, signal: Int32)] { state.withLock { $0.signals } }
  /// CLOCK_MONOTONIC when its group was sent SIGKILL first, nil where it never was.
  package var groupKilled: UInt64? { state.withLock { $0.groupKilled } }
  /// When it ended, nil while it lives.
  package var ended: UInt64? { state.withLock { $0.status == nil ? nil : $0.end?.time } }
  /// Whether it was reaped after its end.
  package var isReaped: Bool { state.withLock { $0.isReaped } }

  private func live() {
    while true {
      let seen = word.load()
      let now = time.monotonic()
      let (ended, writes, next) = state.withLock { state in look(&state, now) }
      if writes {
        var line: UInt8 = 10
        _ = unsafe write(output, &line, 1)
      }
      if ended {
        closeOutput()
        exit.raise()
        return
      }
      time.wait(word, whileEqualTo: seen, until: next)
    }
  }

  /// Closes the output, and waits in real time until nothing writes to it any more: a process that
  /// another test forks meanwhile holds a copy of each pipe until it executes its command.
  private func closeOutput() {
    let reading = unsafe open("/proc/self/fd/\(output)", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    close(output)
    guard reading >= 0 else { return }
    var entry = pollfd(fd: reading, events: 0, revents: 0)
    _ = unsafe poll(&entry, 1, 10_000)
    close(reading)
  }

  /// Whether it ends by now, whether it writes a line, and when to look again.
  private func look(_ state: inout State, _ now: UInt64) -> (Bool, Bool, UInt64) {
    let end = state.end
    if let end, end.time <= now {
      state.status = end.status
      return (true, false, 0)
    }
    var writes = false
    if state.isOpen, let period = behaviour.talksEvery {
      writes = state.nextLine.map { $0 <= now } ?? false
      if writes || state.nextLine == nil { state.nextLine = now + period }
    }
    return (false, writes, min(end?.time ?? .max, state.nextLine ?? .max))
  }

  private func change(_ change: (inout State, UInt64) -> Void) {
    let now = time.monotonic()
    state.withLock { change(&$0, now) }
    word.store(word.load() &+ 1)
    time.wakeAll(word)
  }

  /// No real process: there is nothing of it in /proc.
  package var pid: Int32 { 0 }

  /// It runs from now on.
  package func openGate() {
    change { state, now in
      state.isOpen = true
      state.gate = now
      if state.end == nil, let lasts = behaviour.lasts {
        state.end = (now + lasts, behaviour.exit)
      }
    }
  }

  /// Readable once it has ended.
  package var exitPollDescriptor: Int32 { exit.pollDescriptor }
  /// How it ended, nil while it lives.
  package func peekExit() -> ExitStatus? { state.withLock { $0.status } }
  /// It always becomes its command.
  package func execFailure() -> SpawnFailure? { nil }

  /// Whether it or the rest of its group lives.
  package var isGroupAlive: Bool {
    let now = time.monotonic()
    return state.withLock { $0.status == nil || $0.membersEnd > now }
  }

  /// Brings its end nearer, where it does not ignore the signal.
  package func signalGroup(_ signal: Int32) -> Int32? {
    change { state, now in
      if signal == SIGKILL {
        state.membersEnd = now
        state.groupKilled = state.groupKilled ?? now
      } else if signal == SIGTERM {
        state.membersEnd = behaviour.membersDieAfterTerminate.map { now + $0 } ?? .max
      }
      guard state.status == nil else { return }
      state.signals.append((now, signal))
      let delay =
        signal == SIGKILL
        ? behaviour.diesAfterKill : state.isOpen ? behaviour.diesAfterTerminate : 0
      guard let delay, now + delay < state.end?.time ?? .max else { return }
      let own = signal == SIGTERM ? behaviour.exitAtTerminate : nil
      state.end = (now + delay, own ?? ExitStatus(code: nil, signal: signal))
    }
    return nil
  }

  /// Waits for its end in virtual time.
  package func reap(until limit: UInt64) -> ResourceUsage? {
    guard !time.wait(readable: [exit.pollDescriptor], until: limit).isEmpty else { return nil }
    let thread = state.withLock { state in
      defer { state.thread = nil }
      state.isReaped = true
      return state.thread
    }
    thread?.join()
    return ResourceUsage(userNanoseconds: 1, systemNanoseconds: 2, peakResidentBytes: 3)
  }

  /// Kills and reaps it.
  package func abandon() {
    _ = signalGroup(SIGKILL)
    _ = reap(until: .max)
  }
}
