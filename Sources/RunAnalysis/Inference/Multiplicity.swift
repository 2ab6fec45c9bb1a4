/// Adjustments of p values for multiple tests. Each returns, in the order of its input,
/// the least level at which a hypothesis would be rejected.
package enum Multiplicity {
  /// Holm's: with these at or below α, the chance of any false rejection is at most α, however the
  /// tests depend on each other (Scandinavian Journal of Statistics 6, 1979).
  package static func holm(_ values: [Double]) -> [Double] {
    let order = values.indices.sorted { values[$0] < values[$1] }
    var adjusted = values
    var greatest = 0.0
    for (rank, index) in order.enumerated() {
      greatest = max(greatest, min(1, Double(values.count - rank) * values[index]))
      adjusted[index] = greatest
    }
    return adjusted
  }

  /// Benjamini and Hochberg's: with these at or below q, the mean share of false ones among the
  /// rejections is at most q, of tests that are independent or depend positively (Journal of the
  /// Royal Statistical Society B 57, 1995).
  package static func benjaminiHochberg(_ values: [Double]) -> [Double] {
    let order = values.indices.sorted { values[$0] < values[$1] }
    var adjusted = values
    var least = 1.0
    for (rank, index) in order.enumerated().reversed() {
      least = min(least, Double(values.count) / Double(rank + 1) * values[index])
      adjusted[index] = least
    }
    return adjusted
  }
}

/// Equivalence of two sides, and the effect that a test could have found.
package enum Equivalence {
  /// Whether an interval lies within these bounds. Of an interval at 1 - 2α this is the test of
  /// equivalence at α by two one-sided tests (Schuirmann, Journal of Pharmacokinetics and
  /// Biopharmaceutics 15, 1987).
  package static func holds(
    _ interval: Statistics.Interval, within bounds: Statistics.Interval
  ) -> Bool {
    interval.low > bounds.low && interval.high < bounds.high
  }

  /// p of two one-sided t tests that the difference is within the bounds: the greater one of both.
  package static func p(_ estimate: TEstimate, within bounds: Statistics.Interval) -> Double {
    func tail(_ distance: Double) -> Double {
      guard estimate.standardError > 0 else { return distance > 0 ? 0 : 1 }
      return StudentT.upperTail(distance / estimate.standardError, freedom: estimate.freedom)
    }
    return max(tail(estimate.estimate - bounds.low), tail(bounds.high - estimate.estimate))
  }

  /// The least true difference that a two-sided t test at `alpha` finds with a probability of
  /// `power`: (t(1 - α/2) + t(power)) standard errors (Kupper and Hafner, The American Statistician
  /// 43, 1989).
  package static func detectable(
    standardError: Double, freedom: Double, alpha: Double, power: Double = 0.8
  ) -> Double {
    let upper = StudentT.upperQuantile(alpha / 2, freedom: freedom)
    return (upper + StudentT.upperQuantile(1 - power, freedom: freedom)) * standardError
  }
}
