import SampleModel
import Sampler
import Synchronization

/// One acquisition of a collector, as its readers want it.
public struct FrameSnapshot: Sendable {
  /// The collector.
  public let collector: String
  /// CLOCK_MONOTONIC in nanoseconds when it began.
  public let start: UInt64
  /// When it ended.
  public let end: UInt64
  /// The bracket that it belongs to, from 1.
  public let bracket: UInt32
  /// Counters as they stand and gauges, in base units, by full name; what is absent is left out.
  public let values: [String: Double]
}

/// Hands frames to subscribers.
final class FrameSink: SampleSink {
  private struct State {
    var derivation = Derivation(raw: true)
    var layouts: [UInt16: Layout] = [:]
    var subscribers: [Subscription<FrameSnapshot>] = []
  }

  // The drain feeds it; subscribers come from elsewhere.
  private let state = Mutex(State())

  var bytesWritten: UInt64 { 0 }

  func subscribe(capacity: Int) -> Subscription<FrameSnapshot> {
    let subscription = Subscription<FrameSnapshot>(capacity: capacity)
    state.withLock { $0.subscribers.append(subscription) }
    return subscription
  }

  func finish() {
    let all = state.withLock { state in
      defer { state.subscribers = [] }
      return state.subscribers
    }
    for one in all { one.finish() }
  }

  func begin(_ meta: StreamMeta) throws(LBError) {}
  func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}
  func event(_ event: SampleEvent) throws(LBError) {}
  func commit(watermark: UInt64) throws(LBError) {}

  func layout(_ layout: Layout) throws(LBError) {
    state.withLock { state in
      state.layouts[layout.stream] = layout
      state.derivation.layout(layout)
    }
  }

  func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    guard header.outcome == .complete, state.withLock({ !$0.subscribers.isEmpty }) else { return }
    var copy: [UInt64] = []
    copy.reserveCapacity(values.count)
    for index in values.indices { copy.append(values[index]) }
    state.withLock { state in
      guard let layout = state.layouts[header.stream] else { return }
      let derived = state.derivation.derive(header, copy.span)
      var named: [String: Double] = [:]
      for (column, value) in zip(layout.shown, derived.values) {
        switch value {
        case .absent: break
        case .integer(let number): named[column.name] = Double(number)
        case .real(let number): named[column.name] = number
        }
      }
      let snapshot = FrameSnapshot(
        collector: layout.collector, start: header.start, end: header.end,
        bracket: header.bracket, values: named)
      for one in state.subscribers { one.offer(snapshot) }
    }
  }
}
