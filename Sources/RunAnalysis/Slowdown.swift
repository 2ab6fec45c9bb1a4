/// How much longer something takes under a condition than without it, from pairs measured side by
/// side.
package struct Slowdown: Sendable, Equatable {
  /// Median of the pairs' ratios, less 1: 0.01 is one hundredth longer.
  package let median: Double
  /// Its 95 % interval, by the order of the ratios.
  package let interval: Statistics.Interval
  /// The smallest true slowdown that would be found with a probability of 80 %, by as many pairs
  /// with as much noise: a smaller one cannot be distinguished from none.
  package let detectable: Double

  /// The effect, in standard errors, that is found with a power of 80 % at the two-sided level of 5
  /// %: 1.96 + 0.84.
  private static let power = 2.8

  /// Of pairs of positive times, `off` without the condition and `on` with it. nil below six
  /// pairs.
  package init?(off: [Double], on: [Double]) {
    guard off.count == on.count, off.allSatisfy({ $0 > 0 }) else { return nil }
    let ratios = zip(off, on).map { $1 / $0 - 1 }
    guard let median = Statistics.median(ratios),
      let interval = Statistics.medianInterval(ratios)
    else { return nil }
    self.median = median
    self.interval = interval
    // The interval is 2 × 1.96 standard errors wide, of few pairs a little more.
    detectable = Self.power * (interval.high - interval.low) / 3.92
  }
}
