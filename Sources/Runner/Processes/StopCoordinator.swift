package import LinuxSystem
import SampleModel
import Synchronization

/// Ends the processes, groups and commands that a run has started, each within a time limit.
///
/// A component that does not end in time is named in the run's warnings, and the run ends
/// nevertheless. (The sampler has its own limit for its threads.)
package final class StopCoordinator: Sendable {
  /// Nanoseconds within which a component has to end.
  package static let limit: UInt64 = 5_000_000_000

  private let clock: TimeSource
  private let limit: UInt64
  private let unanswered = Mutex<[String]>([])

  /// The coordinator of a run; tests use a shorter `limit`.
  package init(clock: TimeSource, limit: UInt64 = StopCoordinator.limit) {
    self.clock = clock
    self.limit = limit
  }

  /// Closes `component`: `body` ends it and returns the result, or nil if it has not ended by the
  /// deadline (CLOCK_MONOTONIC).
  package func close<Answer>(
    _ component: String, _ body: (_ deadline: UInt64) -> Answer?
  ) -> Answer? {
    let answer = body(clock.deadline(in: limit))
    if answer == nil { unanswered.withLock { $0.append(component) } }
    return answer
  }

  /// Whether a component has not ended in time.
  var isUnanswered: Bool { unanswered.withLock { !$0.isEmpty } }

  /// A warning for each component that has not ended in time; each is returned once.
  package func takeWarnings() -> [String] {
    unanswered.withLock { names in
      defer { names = [] }
      return names.map {
        "\($0) did not end within \(limit / 1_000_000) ms"
      }
    }
  }
}
