import Glibc

/// What the variances of many metrics have in common: a scaled inverse chi-squared distribution,
/// from which a metric's own variance comes.
package struct VariancePrior: Sendable, Equatable {
  /// The degrees of freedom of the prior; infinite where all variances are equal, 0 for no prior.
  package let freedom: Double
  /// The common variance.
  package let variance: Double

  /// A prior.
  package init(freedom: Double, variance: Double) {
    self.freedom = freedom
    self.variance = variance
  }

  /// The prior of sample variances that have these degrees of freedom each, by the moments of their
  /// logarithms (Smyth, Statistical Applications in Genetics and Molecular Biology 3, 2004, 6.2, as
  /// limma's fitFDist does it). It is worth nothing below three variances, or where more than half
  /// of them are 0.
  package init(of variances: [Double], freedoms: [Double]) {
    let usable = zip(variances, freedoms).filter { $0.isFinite && $0 >= 0 && $1 > 0 }
    guard usable.count > 2, let median = Statistics.median(usable.map(\.0)), median > 0 else {
      self.init(freedom: 0, variance: 0)
      return
    }
    let bounded = usable.map { (variance: max($0, 1e-5 * median), half: $1 / 2) }
    let logarithms = bounded.map {
      log($0.variance) - SpecialFunctions.digamma($0.half) + log($0.half)
    }
    let count = Double(bounded.count)
    let mean = logarithms.reduce(0, +) / count
    let spread = logarithms.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
    // What chance alone makes of it is taken away.
    let own = bounded.reduce(0) { $0 + SpecialFunctions.trigamma($1.half) } / count
    guard spread > own else {
      self.init(
        freedom: .infinity, variance: bounded.reduce(0) { $0 + $1.variance } / count)
      return
    }
    let freedom = 2 * SpecialFunctions.inverseTrigamma(spread - own)
    let scale = SpecialFunctions.digamma(freedom / 2) - log(freedom / 2)
    self.init(freedom: freedom, variance: exp(mean + scale))
  }

  /// A metric's variance in the light of it.
  package func moderated(_ variance: Double, freedom own: Double) -> Double {
    if freedom.isInfinite { return self.variance }
    guard freedom > 0 else { return variance }
    return (own * variance + freedom * self.variance) / (own + freedom)
  }
}

/// One metric's mean difference, whose variance may come from those of others too.
package struct TEstimate: Sendable, Equatable {
  /// The mean difference.
  package let estimate: Double
  /// The metric's own variance: of its differences, or pooled over both sides.
  package let variance: Double
  /// Degrees of freedom of that variance.
  package let ownFreedom: Double
  /// What the variance is multiplied by for that of the estimate: 1/n, or 1/n + 1/m.
  package let factor: Double
  /// Standard error of the estimate and its degrees of freedom, moderated where `moderate` has been
  /// at it.
  package private(set) var standardError: Double
  /// Of the standard error.
  package private(set) var freedom: Double

  private init(_ estimate: Double, _ variance: Double, _ freedom: Double, _ factor: Double) {
    self.estimate = estimate
    self.variance = variance
    ownFreedom = freedom
    self.factor = factor
    standardError = (variance * factor).squareRoot()
    self.freedom = freedom
  }

  /// Of paired differences; nil below two.
  package init?(differences: [Double]) {
    guard differences.count > 1 else { return nil }
    let (mean, squares) = Self.moments(differences)
    let freedom = Double(differences.count - 1)
    self.init(mean, squares / freedom, freedom, 1 / Double(differences.count))
  }

  /// Of `b` less `a`, with one variance for both; nil without values on a side, or below three.
  package init?(from a: [Double], to b: [Double]) {
    guard !a.isEmpty, !b.isEmpty, a.count + b.count > 2 else { return nil }
    let (meanA, squaresA) = Self.moments(a)
    let (meanB, squaresB) = Self.moments(b)
    let freedom = Double(a.count + b.count - 2)
    self.init(
      meanB - meanA, (squaresA + squaresB) / freedom, freedom,
      1 / Double(a.count) + 1 / Double(b.count))
  }

  /// The same with a variance of `least` at the least.
  package func bounded(below least: Double) -> TEstimate {
    variance < least ? TEstimate(estimate, least, ownFreedom, factor) : self
  }

  private static func moments(_ values: [Double]) -> (mean: Double, squares: Double) {
    // Relative to one of the values, so that equal values have no spread despite rounding.
    let origin = values.first ?? 0
    let mean = origin + values.reduce(0) { $0 + ($1 - origin) } / Double(values.count)
    return (mean, values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) })
  }

  /// The moderated t of many metrics: each variance is drawn to what all have in common, and gains
  /// the degrees of freedom that this is worth, in all no more than all metrics have together
  /// (Smyth 2004; limma's eBayes).
  package static func moderate(_ estimates: [TEstimate]) -> [TEstimate] {
    let prior = VariancePrior(
      of: estimates.map(\.variance), freedoms: estimates.map(\.ownFreedom))
    guard prior.freedom > 0 else { return estimates }
    let pooled = estimates.reduce(0) { $0 + $1.ownFreedom }
    return estimates.map { one in
      var moderated = one
      let variance = prior.moderated(one.variance, freedom: one.ownFreedom)
      moderated.standardError = (variance * one.factor).squareRoot()
      moderated.freedom = min(one.ownFreedom + prior.freedom, pooled)
      return moderated
    }
  }

  /// The t statistic; infinite for a difference without any spread.
  package var statistic: Double {
    if standardError > 0 { return estimate / standardError }
    return estimate == 0 ? 0 : estimate > 0 ? .infinity : -.infinity
  }

  /// Two-sided p of no difference.
  package var p: Double { StudentT.twoSided(statistic, freedom: freedom) }

  /// The interval that encloses the difference with `confidence`.
  package func interval(confidence: Double = 0.95) -> Statistics.Interval {
    let quantile = StudentT.upperQuantile((1 - confidence) / 2, freedom: freedom)
    let half = quantile * standardError
    return Statistics.Interval(low: estimate - half, high: estimate + half)
  }
}
