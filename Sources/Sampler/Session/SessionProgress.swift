import LinuxSystem
package import SampleModel

/// The account of a session's present bracket while it lasts, for any thread.
package final class SessionProgress: Sendable {
  private let threads: [SamplingThread]

  init(_ threads: [SamplingThread]) { self.threads = threads }

  /// Deadlines and frames so far. Deadlines at which nothing is due count when the next one is
  /// waited for; frames that the drain has not taken yet count as drained.
  package var ledger: Ledger {
    Ledger(
      threads: threads.enumerated().map { $1.published.line(thread: $0, cpu: $1.cpu) })
  }

  /// CPU time of each sampling thread in nanoseconds, while the session is armed.
  package var cpuTimes: [UInt64] { threads.map { Clock.read($0.clock) } }
}

extension SamplerSession {
  /// The account of brackets while they last. After `arm`.
  package var progress: SessionProgress { SessionProgress(threads) }
}
