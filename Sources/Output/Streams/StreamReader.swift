package import SampleModel

/// Where finished text goes: a descriptor, a file, a test's array.
package typealias TextWriter = ([UInt8]) throws(LBError) -> Void

/// One frame as every reader of a stream sees it: derived, dated, and worth showing.
package struct ReadFrame {
  package var layout: Layout
  package var header: FrameHeader
  package var values: [DerivedValue]
  package var time: UInt64
  package var elapsed: UInt64
  package var window: UInt64?
  /// The time that a value's rate is made over, by its index, where that is another than `window`.
  package var windows: [Int: UInt64] = [:]
  package var label: AttemptID?
}

/// What all sinks share: layouts in force, derivation, dates, and which frames are shown.
///
/// The opening sample is the baseline of what follows. A plain recording does not show it; a run
/// shows it in raw form, where it is one of a bracket's two edges.
package struct StreamReader {
  package let raw: Bool
  private var derivation: Derivation
  private var anchors = AnchorTable()
  private var origin: UInt64?
  private var absences = Set<String>()
  /// The time of the last event about what a collector's file lacks.
  private var explained: [Substring: UInt64] = [:]
  private let labels: [UInt32: AttemptID]
  package private(set) var layouts: [UInt16: Layout] = [:]

  /// A reader; `labels` names the brackets of a run, `origin` is the CLOCK_MONOTONIC time that
  /// elapsed time counts from (else the first frame's).
  package init(raw: Bool, labels: [UInt32: AttemptID] = [:], origin: UInt64? = nil) {
    self.origin = origin
    self.raw = raw
    self.labels = labels
    derivation = Derivation(raw: raw)
  }

  package var isRun: Bool { !labels.isEmpty }

  /// The repetition that a frame or batch of records belongs to.
  func label(of header: FrameHeader) -> AttemptID? { labels[header.bracket] }

  /// Takes the stream's first clock anchor.
  package mutating func begin(_ meta: StreamMeta) { anchors.add(meta.anchor) }

  /// Takes a layout into force.
  package mutating func layout(_ layout: Layout) {
    layouts[layout.stream] = layout
    derivation.layout(layout)
  }

  /// Frames of a stream were skipped: its next one is a baseline.
  package mutating func invalidate(_ stream: UInt16) { derivation.invalidate(stream) }

  /// Takes an event's anchor, if it has one.
  package mutating func event(_ event: SampleEvent) {
    if let anchor = event.anchor { anchors.add(anchor) }
    if event.kind == .gap { explained[event.message.prefix { $0 != ":" }] = event.time }
  }

  /// Unix time of a CLOCK_MONOTONIC reading.
  package func unixTime(of monotonic: UInt64) -> UInt64 { anchors.unixTime(of: monotonic) }

  /// Takes a frame that is not shown, so that the next one has its rates.
  package mutating func pass(_ header: FrameHeader, _ values: Span<UInt64>) {
    if origin == nil { origin = header.start }
    _ = derivation.derive(header, values)
  }

  /// The frame to show, of its values those at `indices` only, if given; nil for one without
  /// values, or that is a baseline only.
  package mutating func read(
    _ header: FrameHeader, _ values: Span<UInt64>, only indices: [Int]? = nil
  ) -> ReadFrame? {
    if origin == nil { origin = header.start }
    guard let layout = layouts[header.stream] else { return nil }
    let derived = derivation.derive(header, values, only: indices)
    guard !derived.values.isEmpty else { return nil }
    if header.edge == .open, !(raw && isRun) { return nil }
    if !raw, derived.window == nil { return nil }
    return ReadFrame(
      layout: layout, header: header, values: derived.values,
      time: anchors.unixTime(of: header.start), elapsed: header.start &- (origin ?? 0),
      window: derived.window, windows: derived.windows, label: labels[header.bracket])
  }

  /// A frame without values as its position in time, for a row of absent cells; nil for any other.
  package func gap(_ header: FrameHeader) -> ReadFrame? {
    guard header.outcome != .complete, header.edge == .none,
      let layout = layouts[header.stream]
    else { return nil }
    return ReadFrame(
      layout: layout, header: header, values: [], time: anchors.unixTime(of: header.start),
      elapsed: header.start &- (origin ?? 0), window: nil, label: labels[header.bracket])
  }

  /// Once for each stream and cause: the words for a frame that has no values.
  package mutating func absence(_ header: FrameHeader) -> String? {
    guard header.outcome != .complete, let layout = layouts[header.stream] else { return nil }
    let phrase = hasEnded(header, layout) ? "its processes have exited" : header.outcome.phrase
    let cause = "\(layout.collector): \(phrase)"
    // An event of the same frame has reported it already.
    let isExplained = explained[layout.collector[...]] == header.start
    return absences.insert(cause).inserted && !isExplained ? cause : nil
  }

  /// Whether a frame has no values because its processes have ended: those of a
  /// tree, or of events, whose columns have no instances as those of CPUs and control groups have.
  private func hasEnded(_ header: FrameHeader, _ layout: Layout) -> Bool {
    header.outcome == .absent && !isRun && ["tree", "perf"].contains(layout.collector)
      && layout.columns.contains { $0.instance.isEmpty }
  }
}
