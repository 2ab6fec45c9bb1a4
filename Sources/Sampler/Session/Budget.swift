import LinuxSystem
import SampleModel
import Synchronization

/// What sampling may cost, kept by lengthening cadences.
///
/// The order, at arm time and while sampling: of the collectors without an interval of their own,
/// the one that costs most a second is read half as often, again and again; when each of them is
/// read no more than every `longest`, those with an interval of their own follow.
enum Budget {
  /// No cadence is made longer than this.
  static let longest: UInt64 = 60_000_000_000
  /// What a tick costs beside the reading: the wake-up, the ring, and caches that have gone cold.
  private static let wakeUp: UInt64 = 20_000

  /// One collector of a plan.
  struct Item {
    /// Nanoseconds of one acquisition.
    var cost: UInt64
    /// Deadlines between two acquisitions.
    var cadence: UInt64
    /// Whether its interval was asked for.
    var isFixed: Bool
  }

  /// The item to read half as often next, nil when all are as slow as they may be.
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

  /// The share of one CPU that a plan costs.
  static func cost(_ items: [Item], interval: UInt64) -> Double {
    // The thread wakes when something is due: as often as the most frequent of them.
    let ticks = items.map { 1 / Double($0.cadence) }.max() ?? 0
    return (items.reduce(0) { $0 + share($1) } + ticks * Double(wakeUp)) / Double(interval)
  }

  /// Lengthens cadences until the plan costs at most `budget`, or cannot be made cheaper.
  static func fit(_ items: [Item], interval: UInt64, budget: Double) -> [Item] {
    var items = items
    while cost(items, interval: interval) > budget, let index = next(items, interval: interval) {
      items[index].cadence *= 2
    }
    return items
  }
}

/// Cadences as a sampling thread has them now: written by it, read by the drain.
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
  /// Nanoseconds between two looks at what was spent.
  static let checkInterval: UInt64 = 1_000_000_000

  /// Keeps each stream to its own limit, then the process to its budget.
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

  /// False when it is as slow as it may be, or has nothing to save.
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

  /// Compares what the process used since the last check with what it may, and reads what cost most
  /// half as often, until what that saves would do; the next check sees whether it did.
  private func keepBudget(_ now: UInt64) {
    let cpu = time.processCPU()
    let used = cpu &- cpuAtCheck
    let allowed = UInt64(budget * Double(now &- checkedAt))
    cpuAtCheck = cpu
    checkedAt = now
    var spent: UInt64 = 0
    for index in unsafe streams.indices { spent &+= unsafe streams[index].spent }
    // A tenth of tolerance: what a second costs varies by more than that on a quiet host.
    var excess = Double(used) - Double(allowed) * 1.1
    // Wake-ups and drain go with the readings: each pays its part of them.
    let factor = Double(used) / Double(max(1, spent))
    while excess > 0, spent > 0, let index = costliest() {
      let saved = unsafe streams[index].spent / 2
      guard readHalfAsOften(index) else { break }
      excess -= Double(saved) * factor
    }
  }

  /// The stream to read half as often next, in `Budget`'s order; nil when all are slow.
  private func costliest() -> Int? {
    var worst: Int?
    var isWorstFixed = true
    var most: UInt64 = 0
    for index in unsafe streams.indices {
      let stream = unsafe streams[index]
      // What was not read since the last check has nothing to save.
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
