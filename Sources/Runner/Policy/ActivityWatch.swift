/// What a workload has done so far.
package struct ActivitySample: Sendable, Hashable {
  /// Bytes that it has written.
  package let output: UInt64
  /// CPU time of its process tree, in clock ticks.
  package let cpuTicks: UInt64

  /// Bytes of output and CPU time of the whole tree.
  package init(output: UInt64, cpuTicks: UInt64) {
    self.output = output
    self.cpuTicks = cpuTicks
  }
}

/// Detects an idle workload, from samples of its activity: pure.
package struct ActivityWatch: Sendable {
  /// The shortest limit: the kernel counts CPU time in steps of 10 ms, so that below 100 ms a busy
  /// workload can look idle.
  package static let shortestLimit: UInt64 = 100_000_000

  private let limit: UInt64
  private var last: ActivitySample?
  private var since: UInt64
  /// When the next sample is due (CLOCK_MONOTONIC): four samples within the limit.
  package private(set) var nextCheck: UInt64

  /// A watch that begins at `now` (CLOCK_MONOTONIC); all in nanoseconds.
  package init(limit: UInt64, now: UInt64) {
    self.limit = limit
    since = now
    nextCheck = now + max(1_000_000, limit / 4)
  }

  /// Whether the activity has not changed for at least the limit.
  package mutating func isIdle(_ sample: ActivitySample, now: UInt64) -> Bool {
    nextCheck = now + max(1_000_000, limit / 4)
    if sample != last {
      last = sample
      since = now
      return false
    }
    return now - since >= limit
  }
}
