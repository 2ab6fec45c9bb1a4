/// A description of the session, given to every sink before the first frame.
package struct StreamMeta: Sendable {
  /// A requested collector that is unavailable, with the reason.
  package typealias Unavailable = UnavailableCollector

  /// How one collector is sampled in this session.
  public struct Stream: Sendable, Hashable, Codable {
    /// The collector concerned.
    public let collector: String
    /// Index within the session.
    public let stream: UInt16
    /// The sampling thread.
    public let thread: Int
    /// The CPU that it is pinned to.
    public let cpu: Int?
    /// Deadlines between two acquisitions.
    public let cadence: UInt64
    /// Whether its absence fails the session.
    public let required: Bool

    /// One collector's stream number, thread, placement and cadence.
    public init(
      collector: String, stream: UInt16, thread: Int, cpu: Int?, cadence: UInt64, required: Bool
    ) {
      self.collector = collector
      self.stream = stream
      self.thread = thread
      self.cpu = cpu
      self.cadence = cadence
      self.required = required
    }
  }

  /// Nanoseconds between two deadlines.
  public var interval: UInt64
  /// What is sampled.
  public var streams: [Stream]
  /// Requested collectors that are unavailable.
  public var unavailable: [Unavailable]
  /// Record schemas.
  public var records: [RecordSchema]
  /// Pairs of clocks read together at arm time.
  public var anchor: ClockAnchor
  /// Requests that could not be fulfilled (huge pages, locked memory, a NUMA node), with reasons.
  public var notes: [String]

  /// A description of a stream of frames.
  public init(
    interval: UInt64, streams: [Stream], unavailable: [Unavailable], records: [RecordSchema],
    anchor: ClockAnchor, notes: [String]
  ) {
    self.interval = interval
    self.streams = streams
    self.unavailable = unavailable
    self.records = records
    self.anchor = anchor
    self.notes = notes
  }
}

/// The three clocks read together, in nanoseconds.
package struct ClockAnchor: Sendable, Hashable, Codable {
  /// CLOCK_MONOTONIC.
  public let monotonic: UInt64
  /// CLOCK_REALTIME.
  public let realtime: UInt64
  /// CLOCK_BOOTTIME.
  public let boottime: UInt64

  /// The readings of CLOCK_MONOTONIC, CLOCK_REALTIME and CLOCK_BOOTTIME.
  public init(monotonic: UInt64, realtime: UInt64, boottime: UInt64) {
    self.monotonic = monotonic
    self.realtime = realtime
    self.boottime = boottime
  }

  /// Unix time of a CLOCK_MONOTONIC reading by this anchor.
  public func unixTime(of monotonic: UInt64) -> UInt64 {
    realtime &+ (monotonic &- self.monotonic)
  }
}

/// An event in the course of sampling.
package struct SampleEvent: Sendable, Hashable, Codable {
  /// The kinds of event.
  public enum Kind: String, Sendable, Codable {
    case layoutEpoch
    case gap
    case clockStep
    case clockAnchor
    case suspend
    case stop
    /// A cadence was lengthened to keep the budget.
    case budget
    case note

    /// Whether an event of this kind has an anchor.
    package var concernsClocks: Bool {
      self == .clockStep || self == .clockAnchor || self == .suspend
    }
  }

  /// The kind.
  public let kind: Kind
  /// CLOCK_MONOTONIC nanoseconds.
  public let time: UInt64
  /// What happened, in words.
  public let message: String
  /// The clocks at that time, for the kinds that concern them.
  public let anchor: ClockAnchor?

  /// An event at `time`.
  public init(_ kind: Kind, time: UInt64, message: String, anchor: ClockAnchor? = nil) {
    self.kind = kind
    self.time = time
    self.message = message
    self.anchor = anchor
  }
}

/// The destination of frames: a table, a stream, a result file.
///
/// Calls come from the drain's thread, one at a time, in the order begin, then layouts, frames,
/// records and events with a commit after each pass, then end. A thrown error disables this sink
/// and ends the session; the others continue.
package protocol SampleSink: AnyObject {
  /// The stream is about to start.
  func begin(_ meta: StreamMeta) throws(LBError)
  /// A collector's new columns, before the first frame of their epoch.
  func layout(_ layout: Layout) throws(LBError)
  /// One acquisition; `values` is empty unless the outcome is complete.
  func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError)
  /// A frame before the part of a stored run that is shown; the first rates are counted from it.
  func pass(_ header: FrameHeader, _ values: Span<UInt64>)
  /// A batch of records: whole rows of the stream's schema.
  func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError)
  /// An event.
  func event(_ event: SampleEvent) throws(LBError)
  /// All frames that started before `watermark`, and all of deadlines before it, have been
  /// delivered: show and store them.
  func commit(watermark: UInt64) throws(LBError)
  /// Bytes handed to the outside so far.
  var bytesWritten: UInt64 { get }
}

extension SampleSink {
  /// Ignored by a sink that shows each frame by itself.
  package func pass(_ header: FrameHeader, _ values: Span<UInt64>) {}
}
