package import SampleModel
import Synchronization

/// A sink of a simulated session: slow at times, it remembers every call in order, and may fail.
package final class SimulatedSink: SampleSink {
  /// One call.
  enum Call: Sendable {
    case layout(Layout)
    case frame(FrameHeader, [UInt64])
    case records(FrameHeader, [UInt64])
    case event(SampleEvent)
    case commit(watermark: UInt64, at: UInt64)
  }

  private struct State {
    var calls: [Call] = []
    var frames = 0
    var random: SeededGenerator
  }

  private let state: Mutex<State>
  private let scheduler: VirtualScheduler
  private let works: [UInt64]
  private let failure: Int?

  /// A sink that works for one of `works` nanoseconds at a call, and fails at frame `failure`.
  init(_ scheduler: VirtualScheduler, seed: UInt64, works: [UInt64], failure: Int? = nil) {
    self.scheduler = scheduler
    self.works = works
    self.failure = failure
    state = Mutex(State(random: SeededGenerator(seed)))
  }

  var calls: [Call] { state.withLock { $0.calls } }

  private func note(_ call: Call) {
    let work = state.withLock { state in
      state.calls.append(call)
      return state.random.pick(works)
    }
    if work > 0 { scheduler.work(work) }
  }

  package var bytesWritten: UInt64 { 0 }
  /// Needs nothing.
  package func begin(_ meta: StreamMeta) throws(LBError) {}
  /// Remembers.
  package func layout(_ layout: Layout) throws(LBError) {
    state.withLock { $0.calls.append(.layout(layout)) }
  }
  /// Remembers, works or fails.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    note(.frame(header, values.indices.map { values[$0] }))
    let count = state.withLock { state in
      state.frames += 1
      return state.frames
    }
    if count == failure { throw LBError(.resultPersistence, "the sink fails at frame \(count)") }
  }
  /// Remembers and works.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
    note(.records(header, rows.indices.map { rows[$0] }))
  }
  /// Remembers.
  package func event(_ event: SampleEvent) throws(LBError) {
    state.withLock { $0.calls.append(.event(event)) }
  }
  /// Remembers and works.
  package func commit(watermark: UInt64) throws(LBError) {
    note(.commit(watermark: watermark, at: scheduler.monotonic()))
  }
}
