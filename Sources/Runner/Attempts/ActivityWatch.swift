/// Notices that a workload does nothing: pure.
package struct ActivityWatch: Sendable {
  /// What a workload has done so far.
  package struct Sign: Sendable, Hashable {
    package let output: UInt64
    package let cpuTicks: UInt64

    /// Bytes of output and CPU time of the whole tree.
    package init(output: UInt64, cpuTicks: UInt64) {
      self.output = output
      self.cpuTicks = cpuTicks
    }
  }

  /// The shortest limit: the kernel's account of CPU time moves in steps of 10 ms, so that below it
  /// a busy workload can look idle.
  package static let shortestLimit: UInt64 = 100_000_000

  private let limit: UInt64
  private var last: Sign?
  private var since: UInt64
  /// When to look again: four times within the limit.
  package private(set) var nextLook: UInt64

  /// A watch that began at `now`, all in nanoseconds.
  package init(limit: UInt64, now: UInt64) {
    self.limit = limit
    since = now
    nextLook = now + max(1_000_000, limit / 4)
  }

  /// Whether nothing has moved for as long as it may.
  package mutating func isIdle(_ sign: Sign, now: UInt64) -> Bool {
    nextLook = now + max(1_000_000, limit / 4)
    if sign != last {
      last = sign
      since = now
      return false
    }
    return now - since >= limit
  }
}
