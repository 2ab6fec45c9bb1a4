package import SampleModel

/// When the row of a tick is complete, for sinks that write one row a tick.
///
/// Frames come in order of their starts. One sampling thread finishes a tick before it begins the
/// next one; of several, a slow one may begin its frame of a tick after another thread's next tick.
/// A row is therefore open until the commit watermark has passed its deadline.
package enum OpenRows {
  /// With one thread a frame of another tick ends the row.
  package static let ofOneThread = 1
  /// Most rows that wait for a slow thread; beyond that the oldest one is written incomplete.
  package static let ofSeveralThreads = 1024

  /// Rows that may be open at once in this stream of frames.
  package static func limit(_ meta: StreamMeta) -> Int {
    Set(meta.streams.map(\.thread)).count > 1 ? ofSeveralThreads : ofOneThread
  }

  /// Whether two frames belong to the same row.
  package static func isSameTick(_ one: FrameHeader, _ other: FrameHeader) -> Bool {
    // Two threads may take a closing edge on both sides of a deadline.
    one.isOfSameEdge(other)
      || one.deadlineIndex == other.deadlineIndex && one.bracket == other.bracket
        && one.edge == other.edge
  }

  /// Whether every frame of the tick of `header` has been delivered: no thread's floor is at its
  /// deadline any more.
  package static func isComplete(_ header: FrameHeader, at watermark: UInt64) -> Bool {
    watermark > header.deadline && watermark > header.start
  }
}
