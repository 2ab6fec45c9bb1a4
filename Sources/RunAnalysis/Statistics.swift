/// Statistics over repetitions: robust, seeded, deterministic.
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

  /// Resamples of a bootstrap.
  package static let resamples = 2000

  /// Percentile bootstrap interval of the median at `confidence`; nil below three values.
  ///
  /// Efron and Tibshirani, An Introduction to the Bootstrap, 13. The same values and seed give the
  /// same interval. 2,000 resamples of n values: about n × 50 µs.
  package static func medianInterval(
    _ values: [Double], confidence: Double = 0.95, seed: UInt64 = 1
  ) -> Interval? {
    bootstrap(values.count, confidence: confidence, seed: seed) { indices in
      median(indices.map { values[$0] }) ?? 0
    }
  }

  /// Paired comparison of two equally long series: the median of the differences `b - a`, and
  /// its bootstrap interval (nil below three pairs).
  package static func pairedDifference(
    _ a: [Double], _ b: [Double], confidence: Double = 0.95, seed: UInt64 = 1
  ) -> (median: Double, interval: Interval?)? {
    guard a.count == b.count else { return nil }
    let differences = zip(a, b).map { $1 - $0 }
    guard let median = median(differences) else { return nil }
    return (median, medianInterval(differences, confidence: confidence, seed: seed))
  }

  private static func bootstrap(
    _ count: Int, confidence: Double, seed: UInt64, _ statistic: ([Int]) -> Double
  ) -> Interval? {
    guard count >= 3 else { return nil }
    var random = SplitMix64(seed: seed)
    var outcomes: [Double] = []
    outcomes.reserveCapacity(resamples)
    var indices = Array(repeating: 0, count: count)
    for _ in 0..<resamples {
      for place in indices.indices { indices[place] = random.index(below: count) }
      outcomes.append(statistic(indices))
    }
    outcomes.sort()
    let tail = (1 - confidence) / 2
    let low = Int((Double(resamples) * tail).rounded(.down))
    let high = Int((Double(resamples) * (1 - tail)).rounded(.up)) - 1
    return Interval(low: outcomes[low], high: outcomes[min(high, resamples - 1)])
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
