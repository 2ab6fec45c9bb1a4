package import SampleModel
import Synchronization

/// A sink that records all calls, and fails on request.
package final class CollectingSink: SampleSink {
  /// One frame or record batch.
  package struct Frame: Sendable, Equatable {
    package var header: FrameHeader
    package var values: [UInt64]

    /// A frame as a sink got it.
    package init(header: FrameHeader, values: [UInt64]) {
      self.header = header
      self.values = values
    }
  }

  private struct State: Sendable {
    var meta: StreamMeta?
    var layouts: [Layout] = []
    var frames: [Frame] = []
    var records: [Frame] = []
    var events: [SampleEvent] = []
    var commits: [UInt64] = []
    var works: [UInt64] = []
  }

  private let state = Mutex(State())
  private let failAtFrame: Int?
  private let scheduler: VirtualScheduler?

  /// A sink that fails at that frame, counted from 1, and works for the first of `works`
  /// nanoseconds at its first frame, for the second at the next, in the time of `scheduler`.
  package init(
    failAtFrame: Int? = nil, scheduler: VirtualScheduler? = nil, works: [UInt64] = []
  ) {
    self.failAtFrame = failAtFrame
    self.scheduler = scheduler
    state.withLock { $0.works = works.reversed() }
  }

  package var meta: StreamMeta? { state.withLock { $0.meta } }
  package var layouts: [Layout] { state.withLock { $0.layouts } }
  package var frames: [Frame] { state.withLock { $0.frames } }
  package var recordBatches: [Frame] { state.withLock { $0.records } }
  package var events: [SampleEvent] { state.withLock { $0.events } }
  package var commits: [UInt64] { state.withLock { $0.commits } }
  package var bytesWritten: UInt64 { 0 }

  /// Remembers.
  package func begin(_ meta: StreamMeta) throws(LBError) { state.withLock { $0.meta = meta } }
  /// Remembers.
  package func layout(_ layout: Layout) throws(LBError) {
    state.withLock { $0.layouts.append(layout) }
  }
  /// Remembers, or fails.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    let frame = Frame(header: header, values: values.indices.map { values[$0] })
    let (count, work) = state.withLock { state in
      state.frames.append(frame)
      return (state.frames.count, state.works.popLast() ?? 0)
    }
    scheduler?.work(work)
    if count == failAtFrame {
      throw LBError(.resultPersistence, "the sink fails at frame \(count), as it was told")
    }
  }
  /// Remembers.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
    let frame = Frame(header: header, values: rows.indices.map { rows[$0] })
    state.withLock { $0.records.append(frame) }
  }
  /// Remembers.
  package func event(_ event: SampleEvent) throws(LBError) {
    state.withLock { $0.events.append(event) }
  }
  /// Remembers.
  package func commit(watermark: UInt64) throws(LBError) {
    state.withLock { $0.commits.append(watermark) }
  }
}
