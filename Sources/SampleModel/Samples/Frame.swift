/// The outcome of one acquisition.
@_documentation(visibility: internal)
public enum AcquisitionOutcome: UInt8, Sendable, CaseIterable {
  case complete = 0
  /// The kernel's text did not fit the buffer; the values are absent, and the buffer grows.
  case truncated
  /// Instances were added or removed; the values are absent, and the next acquisition has a new
  /// layout.
  case layoutChanged
  /// The source disappeared.
  case absent
  /// The kernel refused the read.
  case denied
  /// A known line did not parse.
  case malformed

  /// The outcome for messages.
  package var phrase: String {
    switch self {
    case .complete: "complete"
    case .truncated: "file contents have outgrown the read buffer; no values until it is enlarged"
    case .layoutChanged: "its instances changed"
    case .absent: "its source cannot be read"
    case .denied: "permission to read its source was denied"
    case .malformed: "its file contents could not be parsed"
    }
  }

  /// The outcome in one word, as in results.
  package var word: String {
    switch self {
    case .complete: "complete"
    case .truncated: "truncated"
    case .layoutChanged: "layoutChanged"
    case .absent: "absent"
    case .denied: "denied"
    case .malformed: "malformed"
    }
  }
}

/// The edge of a bracket that a frame belongs to.
@_documentation(visibility: internal)
public enum BracketEdge: UInt8, Sendable {
  case none = 0
  case open
  case close
}

/// The fixed words in front of every frame and record batch in a ring.
///
/// Word 0 holds kind, outcome and edge in its lowest three bytes and the stream in bits 32 to 47,
/// the other bits are free for what carries it; word 1 epoch and bracket; then deadline index,
/// deadline, acquisition start and end, all CLOCK_MONOTONIC nanoseconds.
@_documentation(visibility: internal)
public struct FrameHeader: Sendable, Equatable {
  /// A frame of values, or a batch of records.
  public enum Kind: UInt8, Sendable {
    case frame = 1
    case records = 2
  }

  /// Words of a header.
  @inlinable package static var wordCount: Int { 6 }

  /// The kind.
  public var kind: Kind
  /// The outcome in one word.
  public var outcome: AcquisitionOutcome
  /// The edge of the bracket, if any.
  public var edge: BracketEdge
  /// Index within the session.
  public var stream: UInt16
  /// The layout's epoch.
  public var epoch: UInt32
  /// Number of the bracket within the session, from 1.
  public var bracket: UInt32
  /// k of the deadline start + k × interval; 0 at the opening sample.
  public var deadlineIndex: UInt64
  /// The scheduled time.
  public var deadline: UInt64
  /// The start of the acquisition.
  public var start: UInt64
  /// The end of the acquisition.
  public var end: UInt64

  /// A header of a frame that belongs to no deadline yet.
  @inlinable package init(
    kind: Kind = .frame, outcome: AcquisitionOutcome = .complete, edge: BracketEdge = .none,
    stream: UInt16, epoch: UInt32, bracket: UInt32, deadlineIndex: UInt64 = 0,
    deadline: UInt64 = 0, start: UInt64 = 0, end: UInt64 = 0
  ) {
    self.kind = kind
    self.outcome = outcome
    self.edge = edge
    self.stream = stream
    self.epoch = epoch
    self.bracket = bracket
    self.deadlineIndex = deadlineIndex
    self.deadline = deadline
    self.start = start
    self.end = end
  }

  /// Whether both frames belong to the same edge of the same bracket, which each thread takes at
  /// its own time.
  package func isOfSameEdge(_ other: FrameHeader) -> Bool {
    edge != .none && edge == other.edge && bracket == other.bracket
  }

  /// Writes the header to the beginning of `words`.
  @inlinable @inline(__always)
  package func encode(into words: inout MutableSpan<UInt64>) {
    words[0] =
      UInt64(kind.rawValue) | UInt64(outcome.rawValue) << 8 | UInt64(edge.rawValue) << 16
      | UInt64(stream) << 32
    words[1] = UInt64(epoch) | UInt64(bracket) << 32
    words[2] = deadlineIndex
    words[3] = deadline
    words[4] = start
    words[5] = end
  }

  /// The acquisition's start in the header at the beginning of `words`.
  @inlinable @inline(__always)
  package static func start(of words: Span<UInt64>) -> UInt64 { words[4] }

  /// The header at the beginning of `words`, nil if it is not valid.
  package init?(decoding words: Span<UInt64>) {
    guard words.count >= Self.wordCount,
      let kind = Kind(rawValue: UInt8(truncatingIfNeeded: words[0])),
      let outcome = AcquisitionOutcome(rawValue: UInt8(truncatingIfNeeded: words[0] >> 8)),
      let edge = BracketEdge(rawValue: UInt8(truncatingIfNeeded: words[0] >> 16))
    else { return nil }
    self.kind = kind
    self.outcome = outcome
    self.edge = edge
    stream = UInt16(truncatingIfNeeded: words[0] >> 32)
    epoch = UInt32(truncatingIfNeeded: words[1])
    bracket = UInt32(truncatingIfNeeded: words[1] >> 32)
    deadlineIndex = words[2]
    deadline = words[3]
    start = words[4]
    end = words[5]
  }
}
