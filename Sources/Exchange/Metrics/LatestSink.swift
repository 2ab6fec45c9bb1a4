import LinuxSystem
package import SampleModel
import Synchronization

/// Keeps the last reading of every collector, for an endpoint or a file.
///
/// The drain updates the board under a lock that a reader holds only while it takes a copy of the
/// board: formatting, and what a client does with the text, is nothing that sampling waits for.
package final class LatestSink: SampleSink, Sendable {
  private struct State {
    var board = MetricBoard()
    var facts = OwnMetrics.Facts()
    /// Grows with each pass of the drain that brought something.
    var generation: UInt64 = 0
    var hasNews = false
    var factsTime: UInt64 = 0
  }

  private let state = Mutex(State())
  private let own: OwnMetrics
  /// Facts that are read in the drain's thread, with each pass that brings something.
  private let read: @Sendable () -> OwnMetrics.Facts

  /// A sink of a program of this version; `facts` are asked for by the drain's thread.
  package init(version: String, facts: @escaping @Sendable () -> OwnMetrics.Facts) {
    own = OwnMetrics(version: version)
    read = facts
  }

  package var bytesWritten: UInt64 { 0 }

  /// The number of the last pass that brought something, 0 before the first.
  package var generation: UInt64 { state.withLock { $0.generation } }

  /// Takes the streams and the clock.
  package func begin(_ meta: StreamMeta) throws(LBError) {
    state.withLock {
      $0.board.begin(meta)
      $0.hasNews = true
    }
  }

  /// Takes columns.
  package func layout(_ layout: Layout) throws(LBError) {
    state.withLock { $0.board.layout(layout) }
  }

  /// Takes values.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    state.withLock { state in
      state.board.frame(header, values)
      state.hasNews = true
    }
  }

  /// Records have no series.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}

  /// Counts the event, and takes its clock.
  package func event(_ event: SampleEvent) throws(LBError) {
    state.withLock { $0.board.event(event) }
  }

  /// Ends a pass: readers see its values from now on.
  package func commit(watermark: UInt64) throws(LBError) {
    let now = Clock.monotonic()
    let isDue = state.withLock { $0.hasNews || now &- $0.factsTime >= 1_000_000_000 }
    let facts = isDue ? read() : nil
    state.withLock { state in
      if let facts {
        state.facts = facts
        state.factsTime = now
        state.hasNews = true
      }
      state.board.prepare()
      if state.hasNews { state.generation &+= 1 }
      state.hasNews = false
    }
  }

  /// The CLOCK_MONOTONIC time of the last acquisition with values, and the shortest interval of a
  /// collector; nil before the first.
  package var lastReading: (time: UInt64, interval: UInt64)? {
    state.withLock { state in
      let read = state.board.streams.filter(\.hasValues)
      guard let last = read.compactMap({ $0.header?.start }).max() else { return nil }
      return (last, read.map(\.interval).min() ?? 0)
    }
  }

  /// All families as text; with `hasTimes` each value with the time of its reading.
  package func text(
    _ format: ExpositionFormat, hasTimes: Bool, at now: UInt64 = Clock.monotonic()
  ) -> (bytes: [UInt8], generation: UInt64) {
    let (board, facts, generation) = state.withLock { ($0.board, $0.facts, $0.generation) }
    var writer = ExpositionWriter(format)
    board.write(to: &writer, at: now, hasTimes: hasTimes)
    own.write(board, facts, to: &writer, at: now)
    writer.end()
    return (writer.buffer.bytes, generation)
  }
}
