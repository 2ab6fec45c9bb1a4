/// Why a `VirtualScheduler` ended a test: what every thread waits for, and the last decisions.
package struct VirtualFailure: Error, CustomStringConvertible, Equatable {
  /// What went wrong.
  package enum Kind: Sendable, Equatable {
    /// Every thread waits, and none of them for a moment in time.
    case deadlock
    /// More scheduling points than the test allows: threads keep each other busy for ever.
    case livelock
    /// The running thread met no scheduling point for as long as the watchdog waits: it is in a
    /// call that really blocks, in a lock that a parked thread holds, or in a loop.
    case stall
  }

  /// What went wrong.
  package let kind: Kind
  /// The seed that makes it happen again.
  package let seed: UInt64
  /// One line a thread: its name and its wait.
  package let threads: [String]
  /// The last scheduling decisions, oldest first.
  package let decisions: [String]

  /// The whole report.
  package var description: String {
    (["\(kind) with seed \(seed):"] + threads.map { "  \($0)" }
      + ["last decisions:"] + decisions.map { "  \($0)" }).joined(separator: "\n")
  }
}
