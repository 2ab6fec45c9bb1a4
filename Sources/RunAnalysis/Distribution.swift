import SampleModel

/// The distribution of a value over time, from values that each hold for some time: mean, range,
/// and quantiles within 3 % (`LogBins`).
///
/// It keeps one number per bin with any value: at most 65,536, usually a few dozen, independent of
/// the number of values.
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
  /// The last value and its weight: most values are equal to the one before.
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

  /// The quantiles at these shares of the time, which must ascend; empty without values.
  package func quantiles(_ shares: [Double]) -> [Double] {
    guard count > 0 else { return [] }
    var whole = self
    whole.settle()
    let all = whole.bins.sorted { $0.key < $1.key }
    let total = all.reduce(0) { $0 + $1.value }
    var below = 0.0
    var index = -1
    return shares.map { share in
      while index + 1 < all.count, index < 0 || below < share * total {
        index += 1
        below += all[index].value
      }
      return min(max(LogBins.middle(all[index].key), least), most)
    }
  }
}
