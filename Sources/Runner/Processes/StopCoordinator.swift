package import LinuxSystem
import SampleModel
import Synchronization

/// Ends what a run has open, and knows which of its components have not answered.
///
/// Processes, groups and commands that a run has started are closed within a bound and acknowledge
/// it. One that does not is named among the run's warnings, and the run ends all the same. (A
/// sampling thread's own bound is the session's.)
package final class StopCoordinator: Sendable {
  /// Nanoseconds that a component has to acknowledge its end.
  package static let limit: UInt64 = 5_000_000_000

  private let clock: TimeSource
  private let limit: UInt64
  private let unanswered = Mutex<[String]>([])

  /// A coordinator of one run; tests shorten the `limit`.
  package init(clock: TimeSource, limit: UInt64 = StopCoordinator.limit) {
    self.clock = clock
    self.limit = limit
  }

  /// Closes `component`: `body` ends it and gives what it acknowledged with, nil if it has not by
  /// the deadline that it is given (CLOCK_MONOTONIC nanoseconds).
  package func close<Answer>(
    _ component: String, _ body: (_ deadline: UInt64) -> Answer?
  ) -> Answer? {
    let answer = body(clock.deadline(in: limit))
    if answer == nil { unanswered.withLock { $0.append(component) } }
    return answer
  }

  /// Whether a component has not acknowledged its end.
  var isUnanswered: Bool { unanswered.withLock { !$0.isEmpty } }

  /// For each component that has not acknowledged its end, a warning; each is given once.
  package func takeWarnings() -> [String] {
    unanswered.withLock { names in
      defer { names = [] }
      return names.map {
        "\($0) did not end within \(limit / 1_000_000) ms"
      }
    }
  }
}
