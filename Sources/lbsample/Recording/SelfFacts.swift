import Exchange
import LinuxSystem
import SampleModel
import Sampler
import Synchronization

/// What lbsample's own metrics are made of while it samples, for the drain's thread to ask for.
final class SelfFacts: Sendable {
  private struct State {
    var progress: SessionProgress?
    var endpoint: MetricsEndpoint?
    /// Of a session that has ended.
    var last: (ledger: Ledger, cpuTimes: [UInt64]) = (Ledger(), [])
  }

  private let state = Mutex(State())
  private let resident = ResidentMemory()

  /// A session is armed.
  func begin(_ session: SamplerSession, endpoint: MetricsEndpoint? = nil) {
    state.withLock {
      $0.progress = session.progress
      $0.endpoint = endpoint
    }
  }

  /// The session is about to be disarmed: its threads' clocks end with them.
  func end() {
    state.withLock { state in
      if let progress = state.progress { state.last = (progress.ledger, progress.cpuTimes) }
      state.progress = nil
      state.endpoint = nil
    }
  }

  /// The facts of now.
  func read() -> OwnMetrics.Facts {
    var facts = OwnMetrics.Facts()
    let (endpoint, session) = state.withLock { state in
      (state.endpoint, state.progress.map { ($0.ledger, $0.cpuTimes) } ?? state.last)
    }
    facts.ledger = session.0
    for (number, time) in session.1.enumerated() {
      facts.threads.append(("sampling-\(number)", time))
    }
    endpoint?.report(to: &facts)
    facts.process = Clock.processCPU()
    // The drain, and the beginning.
    let others = facts.threads.reduce(0) { $0 &+ $1.nanoseconds }
    facts.threads.append(("other", facts.process - min(others, facts.process)))
    facts.resident = resident.bytes()
    return facts
  }
}
