public import SampleModel
import Sampler
import Synchronization

/// One acquisition of a collector, as its readers want it.
public struct FrameSnapshot: Sendable {
  /// The collector.
  public let collector: CollectorName
  /// When it began.
  public let start: MonotonicInstant
  /// When it ended.
  public let end: MonotonicInstant
  /// The bracket that it belongs to, from 1.
  public let bracket: UInt32
  /// Counters as they stand and gauges, in base units; what is absent is left out.
  public let values: [MetricKey: Double]

  /// The value of one metric; nil where it is absent or another collector's.
  public subscript(_ key: MetricKey) -> Double? { values[key] }
}

/// Hands frames to subscribers.
package final class FrameSink: SampleSink, Sendable {
  private struct State {
    var names = FrameNames()
    var subscribers: [Subscription<FrameSnapshot>] = []
    var receivers: [any FrameReceiver] = []
  }

  // The drain feeds it; subscribers come from elsewhere.
  private let state = Mutex(State())

  /// A sink without subscribers.
  package init() {}

  package var bytesWritten: UInt64 { 0 }

  /// Gives these every frame from now on.
  package func add(_ receivers: [any FrameReceiver]) {
    state.withLock { $0.receivers += receivers }
  }

  /// From now on this one is offered every frame.
  package func add(_ subscription: Subscription<FrameSnapshot>) {
    state.withLock { $0.subscribers.append(subscription) }
  }

  func subscribe(capacity: Int) -> Subscription<FrameSnapshot> {
    let subscription = Subscription<FrameSnapshot>(capacity: capacity)
    add(subscription)
    return subscription
  }

  /// There is no more for anybody.
  package func finish() {
    let (subscribers, receivers) = state.withLock { state in
      defer { (state.subscribers, state.receivers) = ([], []) }
      return (state.subscribers, state.receivers)
    }
    for one in subscribers { one.finish() }
    for one in receivers { one.finish() }
  }

  /// Nothing.
  package func begin(_ meta: StreamMeta) throws(LBError) {}
  /// Records have no snapshots.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}
  /// Nothing.
  package func event(_ event: SampleEvent) throws(LBError) {}
  /// Nothing.
  package func commit(watermark: UInt64) throws(LBError) {}

  /// What the next frames are made of.
  package func layout(_ layout: Layout) throws(LBError) {
    state.withLock { $0.names.add(layout) }
  }

  /// Gives the frame to all.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    let isWatched = state.withLock { !$0.subscribers.isEmpty || !$0.receivers.isEmpty }
    guard header.outcome == .complete, isWatched else { return }
    var copy: [UInt64] = []
    copy.reserveCapacity(values.count)
    for index in values.indices { copy.append(values[index]) }
    // Receivers are called outside of the lock: they may ask for more subscriptions.
    let (given, receivers) = state.withLock {
      state -> (FrameSnapshot?, [any FrameReceiver]) in
      guard let snapshot = state.names.snapshot(header, copy.span) else { return (nil, []) }
      for one in state.subscribers { one.offer(snapshot) }
      return (snapshot, state.receivers)
    }
    guard let given else { return }
    for one in receivers { one.receive(given) }
  }
}
