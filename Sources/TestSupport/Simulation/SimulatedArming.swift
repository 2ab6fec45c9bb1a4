import Sampler
import Synchronization

/// What is common to the armings of a `SimulatedCollector`: it sees whether it is used once it is
/// closed, or by two threads at once.
final class SimulatedArming: Sendable {
  private let collector: SimulatedCollector
  private let isClosed = Atomic<Bool>(false)
  private let isInUse = Atomic<Bool>(false)

  init(_ collector: SimulatedCollector) { self.collector = collector }

  /// Notes that an acquisition begins, and what is wrong about that.
  func enter() {
    if isClosed.load(ordering: .acquiring) { collector.fault("read when it was closed") }
    if isInUse.exchange(true, ordering: .acquiringAndReleasing) {
      collector.fault("read by two threads at once")
    }
  }

  /// Notes that an acquisition has ended.
  func leave() {
    if isClosed.load(ordering: .acquiring) { collector.fault("closed while it was read") }
    isInUse.store(false, ordering: .releasing)
  }

  /// Notes a call of `prepare`, which may hang.
  func prepare() {
    if isClosed.load(ordering: .acquiring) { collector.fault("prepared when it was closed") }
    if isInUse.load(ordering: .acquiring) { collector.fault("prepared while it was read") }
    collector.prepare()
    if isClosed.load(ordering: .acquiring) { collector.fault("closed while it was prepared") }
  }

  /// Notes the disarming.
  func close() {
    if isClosed.exchange(true, ordering: .acquiringAndReleasing) {
      collector.fault("closed twice")
    }
    if isInUse.load(ordering: .acquiring) { collector.fault("closed while it is read") }
    collector.countDisarming()
  }
}
