import LinuxSystem
import SampleModel
import Synchronization

/// Keeps the cost of sampling within a budget by lengthening cadences.
///
/// At arm time and while sampling, the cadence of the collector that costs most a second is
/// doubled, repeatedly. Collectors whose interval the user chose follow only when all others have
/// reached `longest`.
enum Budget {
  /// The longest interval, in nanoseconds.
  static let longest: UInt64 = 60_000_000_000
  /// Nanoseconds of a tick besides reading: the wake-up, the ring, and cold caches.
  private static let wakeUp: UInt64 = 20_000

  /// One collector.
  struct Item {
    /// Nanoseconds of one acquisition.
    var cost: UInt64
    /// Deadlines between two acquisitions.
    var cadence: UInt64
    /// Whether the user chose its interval.
    var isFixed: Bool
  }

  /// The item whose cadence is doubled next, nil if all have reached the longest interval.
  static func next(_ items: [Item], interval: UInt64) -> Int? {
    for isFixed in [false, true] {
      let mine = items.indices.filter {
        items[$0].isFixed == isFixed && items[$0].cadence * 2 * interval <= longest
      }
      let worst = mine.max { one, other in
        share(items[one]) < share(items[other])
      }
      if let worst { return worst }
    }
    return nil
  }

  private static func share(_ item: Item) -> Double { Double(item.cost) / Double(item.cadence) }

  /// The share of one CPU that the items cost.
  static func cost(_ items: [Item], interval: UInt64) -> Double {
    // The thread wakes as often as the most frequent item.
    let ticks = items.map { 1 / Double($0.cadence) }.max() ?? 0
    return (items.reduce(0) { $0 + share($1) } + ticks * Double(wakeUp)) / Double(interval)
  }

  /// Lengthens cadences until the items cost at most `budget`, or cannot be made cheaper.
  static func fit(_ items: [Item], interval: UInt64, budget: Double) -> [Item] {
    var items = items
    while cost(items, interval: interval) > budget, let index = next(items, interval: interval) {
      items[index].cadence *= 2
    }
    return items
  }
}

/// The present cadences of a sampling thread: written by the thread, read by the drain.
final class CadenceBoard: Sendable {
  private let cadences: [Cell]

  private final class Cell: Sendable {
    let value: Atomic<UInt64>
    init(_ value: UInt64) { self.value = Atomic(value) }
  }

  init(_ cadences: [UInt64]) { self.cadences = cadences.map { Cell($0) } }

  /// The cadence of the thread's stream number `index`.
  subscript(index: Int) -> UInt64 {
    get { cadences[index].value.load(ordering: .relaxed) }
    set { cadences[index].value.store(newValue, ordering: .relaxed) }
  }

  var count: Int { cadences.count }
}

extension SamplingThread {
  /// Nanoseconds between two checks of the cost.
  static let checkInterval: UInt64 = 1_000_000_000

  /// Lengthens the cadences of streams above their own limit, then of others while the process is
  /// above its budget.
  func keepBounds(_ now: UInt64) {
    let elapsed = now &- checkedAt
    for index in unsafe streams.indices where unsafe streams[index].costLimit > 0 {
      let allowed = unsafe UInt64(streams[index].costLimit * Double(elapsed))
      while unsafe streams[index].spent > allowed, readHalfAsOften(index) {}
    }
    if budget > 0 {
      keepBudget(now)
    } else {
      checkedAt = now
    }
    for index in unsafe streams.indices { unsafe streams[index].spent = 0 }
  }

  /// Doubles a stream's cadence; false if it has reached the longest interval, or was not read.
  private func readHalfAsOften(_ index: Int) -> Bool {
    let cadence = unsafe streams[index].cadence &* 2
    guard unsafe streams[index].spent >= 2, cadence &* bracket.interval <= Budget.longest else {
      return false
    }
    unsafe streams[index].cadence = cadence
    unsafe due[index] = ((nextIndex &- 1) / cadence &+ 1) &* cadence
    unsafe streams[index].spent &-= streams[index].spent / 2
    cadences[index] = cadence
    return true
  }

  /// Compares the CPU time since the last check with the budget, and doubles cadences in `Budget`'s
  /// order until the expected savings suffice. The next check measures the effect.
  private func keepBudget(_ now: UInt64) {
    let cpu = time.processCPU()
    let used = cpu &- cpuAtCheck
    let allowed = UInt64(budget * Double(now &- checkedAt))
    cpuAtCheck = cpu
    checkedAt = now
    var spent: UInt64 = 0
    for index in unsafe streams.indices { spent &+= unsafe streams[index].spent }
    // A tolerance of a tenth: the cost of a second varies by more on a quiet host.
    var excess = Double(used) - Double(allowed) * 1.1
    // The cost of wake-ups and of the drain is attributed in proportion to reading.
    let factor = Double(used) / Double(max(1, spent))
    while excess > 0, spent > 0, let index = costliest() {
      let saved = unsafe streams[index].spent / 2
      guard readHalfAsOften(index) else { break }
      excess -= Double(saved) * factor
    }
  }

  /// The stream whose cadence is doubled next, in `Budget`'s order; nil if there is none.
  private func costliest() -> Int? {
    var worst: Int?
    var isWorstFixed = true
    var most: UInt64 = 0
    for index in unsafe streams.indices {
      let stream = unsafe streams[index]
      // Only streams read since the last check can save anything.
      guard stream.spent >= 2, stream.cadence &* 2 &* bracket.interval <= Budget.longest else {
        continue
      }
      let isBetter =
        worst == nil || (isWorstFixed && !stream.isFixed)
        || (isWorstFixed == stream.isFixed && stream.spent > most)
      if isBetter { (worst, isWorstFixed, most) = (index, stream.isFixed, stream.spent) }
    }
    return worst
  }
}
