/// One event of a run: the journal in the result file and the log share this type.
public struct JournalEntry: Sendable, Hashable, Codable {
  /// Unix time.
  package var unixNanoseconds: UInt64
  /// A swift-log level name.
  public var level: String
  /// A short word for programs: `repetition.start`, `workload.exit`, …
  public var kind: String
  /// What happened, in words.
  public var message: String
  /// The run's id.
  public var run: String
  /// The phase it belongs to.
  public var phase: String?
  /// The repetition, from 1.
  public var repetition: Int?
  /// The attempt, from 1.
  public var attempt: Int?
  /// The status of its subject.
  public var status: RunStatus?
  /// The whole error.
  public var error: LBSampleError?

  /// An event.
  package init(
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
