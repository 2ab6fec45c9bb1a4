import LinuxSystem
import SampleModel

/// Waits until the host is quiet, so that all repetitions begin under the same conditions.
package enum QuietHost {
  /// Nanoseconds over which CPU usage is averaged: many clock ticks of 10 ms.
  private static let window: UInt64 = 200_000_000

  /// How the wait ended.
  package enum Outcome: Sendable, Hashable {
    case quiet
    /// The timeout passed; the share of CPU time that was last busy.
    case busy(Double)
    case stopped
    /// /proc/stat cannot be read.
    case unknown
  }

  /// Waits until at most `share` of the time of all CPUs is busy, at most `limit` nanoseconds.
  package static func wait(
    below share: Double, limit: UInt64, _ services: RunServices
  ) -> Outcome {
    let deadline = services.clock.deadline(in: limit)
    guard var last = HostLoad.ticks(services.roots) else { return .unknown }
    while true {
      if services.pause(window) { return .stopped }
      guard let now = HostLoad.ticks(services.roots) else { return .unknown }
      let total = now.total.growth(since: last.total)
      let busy = total == 0 ? 0 : Double(now.busy.growth(since: last.busy)) / Double(total)
      if busy <= share { return .quiet }
      if services.clock.monotonic() >= deadline { return .busy(busy) }
      last = now
    }
  }
}
