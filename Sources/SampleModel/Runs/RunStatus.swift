/// The status of a run, a phase, a repetition or an attempt.
public enum RunStatus: String, Sendable, Codable, CaseIterable {
  case pending
  case running
  case waiting
  case completed
  case failed
  case timeout
  case interrupted
  case skipped

  /// The legal transitions; any other is an internal error.
  package static let transitions: [RunStatus: Set<RunStatus>] = [
    .pending: [.running, .skipped, .interrupted],
    .running: [.waiting, .completed, .failed, .timeout, .interrupted],
    .waiting: [.running, .failed, .timeout, .interrupted],
    .completed: [], .failed: [], .timeout: [], .skipped: [],
    .interrupted: [.running],
  ]

  /// Whether `next` may follow.
  package func mayBecome(_ next: RunStatus) -> Bool {
    Self.transitions[self]?.contains(next) ?? false
  }

  /// The status of a run from its counted repetitions: the worst of them.
  package static func worst(of statuses: some Sequence<RunStatus>) -> RunStatus {
    let order: [RunStatus] = [.interrupted, .failed, .timeout]
    let present = Set(statuses)
    return order.first(where: present.contains) ?? .completed
  }
}
