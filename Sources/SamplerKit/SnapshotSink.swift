package import SampleModel

/// Names the values of frames by the layouts that came before them.
struct FrameNames {
  private var derivation = Derivation(raw: true)
  private var layouts: [UInt16: Layout] = [:]

  /// What the next frames are made of.
  mutating func add(_ layout: Layout) {
    layouts[layout.stream] = layout
    derivation.layout(layout)
  }

  /// A complete frame of a known layout.
  mutating func snapshot(_ header: FrameHeader, _ values: Span<UInt64>) -> FrameSnapshot? {
    guard header.outcome == .complete, let layout = layouts[header.stream] else { return nil }
    return FrameSnapshot(
      collector: CollectorName(layout.collector),
      start: MonotonicInstant(nanoseconds: header.start),
      end: MonotonicInstant(nanoseconds: header.end), bracket: header.bracket,
      values: derivation.derive(header, values).keyed(layout))
  }
}

/// Gives each frame as it comes, to one reader on the same thread.
package final class SnapshotSink: SampleSink {
  private var names = FrameNames()
  private let receive: (FrameSnapshot) throws(LBError) -> Void

  /// A sink that calls `receive`; what that throws ends what feeds the sink.
  package init(_ receive: @escaping (FrameSnapshot) throws(LBError) -> Void) {
    self.receive = receive
  }

  package var bytesWritten: UInt64 { 0 }

  /// Nothing.
  package func begin(_ meta: StreamMeta) throws(LBError) {}
  /// Records have no snapshots.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}
  /// Nothing.
  package func event(_ event: SampleEvent) throws(LBError) {}
  /// Nothing.
  package func commit(watermark: UInt64) throws(LBError) {}
  /// What the next frames are made of.
  package func layout(_ layout: Layout) throws(LBError) { names.add(layout) }

  /// Gives the frame.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    if let snapshot = names.snapshot(header, values) { try receive(snapshot) }
  }
}
