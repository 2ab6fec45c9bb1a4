/// One event of a run: the journal in the result file and the log share this type.
public struct JournalEntry: Sendable, Hashable, Codable {
  public var unixNanoseconds: UInt64
  /// A swift-log level name.
  public var level: String
  /// A short word for programs: `repetition.start`, `workload.exit`, …
  public var kind: String
  public var message: String
  public var run: String
  public var phase: String?
  public var repetition: Int?
  public var attempt: Int?

  /// An event.
  public init(
    unixNanoseconds: UInt64, level: String, kind: String, message: String, run: String,
    phase: String? = nil, repetition: Int? = nil, attempt: Int? = nil
  ) {
    self.unixNanoseconds = unixNanoseconds
    self.level = level
    self.kind = kind
    self.message = message
    self.run = run
    self.phase = phase
    self.repetition = repetition
    self.attempt = attempt
  }
}
