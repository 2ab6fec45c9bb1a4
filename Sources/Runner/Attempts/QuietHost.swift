import LinuxSystem
import SampleModel

/// Waiting until the host has little to do, so that a repetition begins like the others.
package enum QuietHost {
  /// The time over which is judged: longer than two ticks of 10 ms by far.
  private static let window: UInt64 = 200_000_000

  /// What became of the wait.
  package enum Outcome: Sendable, Hashable {
    case quiet
    /// It was not quiet in time: the share of the CPUs that was last busy.
    case busy(Double)
    case stopped
    /// The host does not say what its CPUs do.
    case unknown
  }

  /// Waits until at most `share` of all CPUs' time is busy, `limit` nanoseconds at most.
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
