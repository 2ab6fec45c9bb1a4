import Glibc

/// Statistics over repetitions: robust, deterministic, without assumptions about distributions.
package enum Statistics {
  /// The median; nil without values.
  package static func median(_ values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1
      ? sorted[middle] : sorted[middle - 1] / 2 + sorted[middle] / 2
  }

  /// Median absolute deviation from the median, not rescaled; nil without values.
  package static func medianAbsoluteDeviation(_ values: [Double]) -> Double? {
    guard let center = median(values) else { return nil }
    return median(values.map { ($0 - center).magnitude })
  }

  /// A closed interval on the real line.
  package struct Interval: Sendable, Equatable {
    package let low: Double
    package let high: Double
  }

  /// The interval of the median at no less than `confidence`; nil where so few values have none, at
  /// 95 % below six.
  ///
  /// From the k-th smallest value to the k-th largest: exact for every continuous distribution, for
  /// the number of values below the median is binomial. Conover, Practical Nonparametric
  /// Statistics, 3.2.
  package static func medianInterval(
    _ values: [Double], confidence: Double = 0.95
  ) -> Interval? {
    guard let rank = medianRank(of: values.count, confidence: confidence) else { return nil }
    let sorted = values.sorted()
    return Interval(low: sorted[rank - 1], high: sorted[values.count - rank])
  }

  /// The largest k for which the k-th smallest and the k-th largest of `count` values enclose the
  /// median with at least `confidence`; nil where the whole range does not.
  package static func medianRank(of count: Int, confidence: Double) -> Int? {
    guard count > 0 else { return nil }
    // Chance that exactly k values lie below the median, beginning with none: by logarithms, since
    // of many values it is less than a double can be.
    var logarithm = -Double(count) * log(2)
    var below = exp(logarithm)
    var rank = 0
    // A hair more than the error that the sum has by its rounding.
    let tail = (1 - confidence) / 2 * (1 + 1e-12)
    while below <= tail, rank < count / 2 {
      rank += 1
      logarithm += log(Double(count - rank + 1) / Double(rank))
      below += exp(logarithm)
    }
    return rank > 0 ? rank : nil
  }

  /// Paired comparison of two equally long series: the median of the differences `b - a`, and
  /// its interval (nil below six pairs).
  package static func pairedDifference(
    _ a: [Double], _ b: [Double], confidence: Double = 0.95
  ) -> (median: Double, interval: Interval?)? {
    guard a.count == b.count else { return nil }
    let differences = zip(a, b).map { $1 - $0 }
    guard let median = median(differences) else { return nil }
    return (median, medianInterval(differences, confidence: confidence))
  }

  /// The median of `a` in terms of that of `b`, both positive, and an interval that encloses the
  /// true ratio with at least `confidence`, nil below seven values at 95 %: each median's own
  /// interval may be wrong in half of the cases in which this one may.
  package static func ratioOfMedians(
    _ a: [Double], _ b: [Double], confidence: Double = 0.95
  ) -> (ratio: Double, interval: Interval?)? {
    guard let upper = median(a), let lower = median(b), lower > 0 else { return nil }
    let each = 1 - (1 - confidence) / 2
    guard let one = medianInterval(a, confidence: each),
      let other = medianInterval(b, confidence: each), other.low > 0
    else { return (upper / lower, nil) }
    return (upper / lower, Interval(low: one.low / other.high, high: one.high / other.low))
  }
}

/// Sebastiano Vigna's splitmix64: small, fast, and the same everywhere.
package struct SplitMix64: Sendable {
  private var state: UInt64

  /// A generator that always gives the same sequence for `seed`.
  package init(seed: UInt64) { state = seed }

  /// The next 64 bits.
  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }

  /// An index below `bound`, uniform by the high half of a product (Lemire); the bias is below
  /// bound / 2^64.
  package mutating func index(below bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }
}
