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
