import SampleModel

/// A stretch in which a collector has no values.
struct TraceGap: Equatable {
  /// Why there are none.
  enum Cause: Equatable {
    /// Deadlines without a frame: skipped by the sampling thread, or dropped by a full ring.
    case deadlines
    /// Frames without values.
    case outcome(AcquisitionOutcome)
  }

  let stream: UInt16
  let bracket: UInt32
  let cause: Cause
  let start: UInt64
  var end: UInt64
  /// Deadlines, or frames.
  var count: UInt64
}

/// Finds the gaps of each collector in the order of its frames.
struct TraceGaps {
  /// The most that are kept.
  static let most = 100_000

  private struct Stream {
    /// Deadlines between two frames; nil until it is seen again after a change.
    var cadence: UInt64?
    var last: FrameHeader?
    /// The index of a gap that goes on.
    var open: Int?
  }

  private var streams: [UInt16: Stream] = [:]
  private(set) var gaps: [TraceGap] = []
  private(set) var leftOut = 0

  /// Takes the cadences of the collectors.
  mutating func begin(_ meta: StreamMeta) {
    for stream in meta.streams {
      streams[stream.stream] = Stream(cadence: max(1, stream.cadence))
    }
  }

  /// Takes an event: a budget changes cadences.
  mutating func take(_ event: SampleEvent) {
    guard event.kind == .budget else { return }
    for stream in streams.keys { streams[stream]?.cadence = nil }
  }

  /// Takes the next frame.
  mutating func take(_ header: FrameHeader) {
    guard var stream = streams[header.stream] else { return }
    defer {
      stream.last = header
      streams[header.stream] = stream
    }
    if let open = stream.open { gaps[open].end = max(gaps[open].start, header.start) }
    guard let last = stream.last, last.bracket == header.bracket, header.edge != .open else {
      stream.open = nil
      return note(header, &stream)
    }
    if header.edge == .none, header.deadlineIndex > last.deadlineIndex {
      let away = header.deadlineIndex - last.deadlineIndex
      let cadence = stream.cadence ?? away
      stream.cadence = cadence
      // Deadlines that are due are multiples of the cadence; one that was skipped is taken at the
      // next that is not.
      let passed = header.deadlineIndex / cadence - last.deadlineIndex / cadence
      if passed > 1 {
        add(
          TraceGap(
            stream: header.stream, bracket: header.bracket, cause: .deadlines, start: last.start,
            end: max(last.start, header.start), count: passed - 1))
      }
    }
    note(header, &stream)
  }

  /// Begins or continues a gap of frames without values.
  private mutating func note(_ header: FrameHeader, _ stream: inout Stream) {
    guard header.outcome != .complete else {
      stream.open = nil
      return
    }
    if let open = stream.open, gaps[open].cause == .outcome(header.outcome) {
      gaps[open].count += 1
      return
    }
    stream.open = add(
      TraceGap(
        stream: header.stream, bracket: header.bracket, cause: .outcome(header.outcome),
        start: header.start, end: max(header.start, header.end), count: 1))
  }

  /// Keeps a gap; gives its index, nil if there are too many.
  @discardableResult
  private mutating func add(_ gap: TraceGap) -> Int? {
    guard gaps.count < Self.most else {
      leftOut += 1
      return nil
    }
    gaps.append(gap)
    return gaps.count - 1
  }
}
