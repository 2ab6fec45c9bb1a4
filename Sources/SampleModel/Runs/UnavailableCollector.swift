/// A collector that a run asked for and that is not there.
public struct UnavailableCollector: Sendable, Hashable, Codable {
  /// The collector concerned.
  public let collector: String
  /// The outcome in one word.
  public let outcome: String
  /// The cause.
  public let reason: String

  /// A collector, its outcome word and the cause.
  package init(collector: String, outcome: String, reason: String) {
    self.collector = collector
    self.outcome = outcome
    self.reason = reason
  }
}
