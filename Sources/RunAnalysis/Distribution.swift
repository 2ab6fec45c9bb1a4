import SampleModel

/// What a value was over time, from amounts that each hold for a stretch of it: its mean, its range
/// and its quantiles by time, these within 3 % (`LogBins`).
///
/// It keeps one number for each bin that any amount fell into, 65,536 at the very most and a few
/// dozen as a rule, however long it is added to.
package struct Distribution: Sendable {
  /// The least amount, and the greatest.
  package private(set) var least = Double.infinity
  package private(set) var most = -Double.infinity
  /// When the greatest was first added, as the caller counts time.
  package private(set) var mostAt: UInt64 = 0
  /// Amounts so far.
  package private(set) var count = 0
  private var area = 0.0
  private var weight = 0.0
  private var bins: [Int: Double] = [:]
  /// What was added last, and its weight: most amounts are those before them.
  private var last = 0.0
  private var lastWeight = 0.0

  /// No amounts yet.
  package init() {}

  /// Adds an amount that held for `span`, at `time`; one that is not finite is none.
  package mutating func add(_ amount: Double, over span: UInt64, at time: UInt64) {
    guard amount.isFinite else { return }
    addToMean(amount, over: span)
    count += 1
    if amount < least { least = amount }
    if amount > most { (most, mostAt) = (amount, time) }
    if amount != last {
      settle()
      last = amount
    }
    lastWeight += Double(max(1, span))
  }

  /// Adds an amount to the mean alone: one over too little time to be called a rate.
  package mutating func addToMean(_ amount: Double, over span: UInt64) {
    guard amount.isFinite else { return }
    area += amount * Double(max(1, span))
    weight += Double(max(1, span))
  }

  private mutating func settle() {
    if lastWeight > 0 { bins[LogBins.bin(last), default: 0] += lastWeight }
    lastWeight = 0
  }

  /// The mean by time, nil without an amount.
  package var mean: Double? { weight > 0 ? area / weight : nil }

  /// What it was at or below for each of these shares of the time, which ascend; empty without an
  /// amount.
  package func quantiles(_ shares: [Double]) -> [Double] {
    guard count > 0 else { return [] }
    var whole = self
    whole.settle()
    let all = whole.bins.sorted { $0.key < $1.key }
    let total = all.reduce(0) { $0 + $1.value }
    var below = 0.0
    var place = -1
    return shares.map { share in
      while place + 1 < all.count, place < 0 || below < share * total {
        place += 1
        below += all[place].value
      }
      return min(max(LogBins.middle(all[place].key), least), most)
    }
  }
}
