import SampleModel
import Synchronization

/// A sampling thread's counts while it samples, for other threads to read.
///
/// The thread stores them at each tick. Each is whole, but a reader may see one of this tick beside
/// one of the last.
final class PublishedCounts: Sendable {
  private let onTime = Atomic<UInt64>(0)
  private let late = Atomic<UInt64>(0)
  private let skipped = Atomic<UInt64>(0)
  private let lateness = Atomic<UInt64>(0)
  private let pushed = Atomic<UInt64>(0)
  private let dropped = Atomic<UInt64>(0)

  init() {}

  /// Stores the counts. For the sampling thread: plain stores, since nothing is ordered by them.
  @inline(__always)
  func store(_ ticks: borrowing TickLedger, pushed: UInt64, dropped: UInt64) {
    onTime.store(ticks.onTime, ordering: .relaxed)
    late.store(ticks.late, ordering: .relaxed)
    skipped.store(ticks.skipped, ordering: .relaxed)
    lateness.store(ticks.latenessMaximum, ordering: .relaxed)
    self.pushed.store(pushed, ordering: .relaxed)
    self.dropped.store(dropped, ordering: .relaxed)
  }

  /// The counts as a line of the ledger, whose deadlines are those that were counted; what is not
  /// drained yet counts as drained.
  func line(thread: Int, cpu: Int?) -> ThreadLedger {
    var line = ThreadLedger(thread: thread, cpu: cpu)
    line.ticks.onTime = onTime.load(ordering: .relaxed)
    line.ticks.late = late.load(ordering: .relaxed)
    line.ticks.skipped = skipped.load(ordering: .relaxed)
    line.ticks.deadlines = line.ticks.onTime &+ line.ticks.late &+ line.ticks.skipped
    line.ticks.latenessMaximum = lateness.load(ordering: .relaxed)
    line.ring.dropped = dropped.load(ordering: .relaxed)
    line.ring.pushed = max(pushed.load(ordering: .relaxed), line.ring.dropped)
    line.ring.drained = line.ring.pushed &- line.ring.dropped
    return line
  }
}
