import Glibc

/// One metric on its way to a row: its values on the scale that its test is on.
struct ComparedMetric {
  var row: Comparison.Row
  let isRatio: Bool
  let isPaired: Bool
  /// The lag of `b` after `a`, as a share of the distance from pair to pair.
  let lag: Double
  /// Logarithms, or values over `unit`.
  let a: [Double]
  let b: [Double]
  /// The mean magnitude of all values on a scale of differences, so that variances compare.
  let unit: Double
  /// The step in which its source counts, in base units; 0 for none.
  let resolution: Double
  /// Of medians of whole numbers the variance of rounding to them, on the test's scale; else 0.
  let rounding: Double
  var estimate: TEstimate?
  /// Whether its own variance is no more than that of rounding, which stands in its estimate.
  var isRounded = false
  var shift: HodgesLehmann?

  /// A metric with both samples. On a scale of ratios where all values are above 0.
  init(
    _ row: Comparison.Row, _ sample: (a: [Double], b: [Double]), isPaired: Bool, lag: Double,
    resolution: Double
  ) {
    self.row = row
    self.isPaired = isPaired
    self.lag = lag
    self.resolution = resolution
    let all = sample.a + sample.b
    let isWhole = all.allSatisfy { (2 * $0).rounded() == 2 * $0 }
    let size = all.reduce(0) { $0 + $1.magnitude / Double(max(1, all.count)) }
    rounding = isWhole && size > 0 && size.isFinite ? 1 / (12 * size * size) : 0
    isRatio = !all.isEmpty && all.allSatisfy { $0 > 0 }
    if isRatio {
      unit = 1
      a = sample.a.map { log($0) }
      b = sample.b.map { log($0) }
    } else {
      let unit = size > 0 && size.isFinite ? size : 1
      self.unit = unit
      a = sample.a.map { $0 / unit }
      b = sample.b.map { $0 / unit }
    }
  }

  /// Differences of the pairs.
  var differences: [Double] { zip(a, b).map { $1 - $0 } }

  /// The mean difference and its error.
  func mean() -> TEstimate? {
    isPaired ? TEstimate(differences: differences) : TEstimate(from: a, to: b)
  }

  /// The rank test with its estimate and interval.
  func ranked() -> HodgesLehmann? {
    isPaired ? HodgesLehmann(differences: differences) : HodgesLehmann(from: a, to: b)
  }

  /// The rank test alone, with the correction for ties.
  func rankTest() -> RankTest? {
    isPaired ? SignedRank.test(differences) : MannWhitney.test(a, b)
  }

  /// The smallest p that a rank test of this number of values can have.
  var floor: Double {
    isPaired
      ? min(1, 2 * exp(-Double(a.count) * log(2)))
      : min(1, 2 * exp(Self.logChance(a.count, b.count)))
  }

  /// The logarithm of one over the number of possible assignments to the sides.
  private static func logChance(_ n: Int, _ m: Int) -> Double {
    let (n, m) = (Double(n), Double(m))
    return SpecialFunctions.logGamma(n + 1) + SpecialFunctions.logGamma(m + 1)
      - SpecialFunctions.logGamma(n + m + 1)
  }

  /// Pairs, or values on the side that has fewer.
  var count: Int { min(a.count, b.count) }

  /// The fewest repetitions a side whose rank test can have a p of `alpha`.
  static func fewest(_ alpha: Double, isPaired: Bool) -> Int {
    for count in 1...200 {
      let least =
        isPaired ? exp(Double(1 - count) * log(2)) : 2 * exp(logChance(count, count))
      // The logarithms are not exact.
      if least <= alpha * (1 + 1e-9) { return count }
    }
    return 200
  }

  /// A number of the test's scale as the row counts.
  func shown(_ value: Double) -> Double {
    let shown = isRatio ? expm1(value) : value * unit
    return shown.isFinite ? shown : isRatio ? .greatestFiniteMagnitude : 0
  }

  private func shown(_ interval: Statistics.Interval) -> Statistics.Interval {
    Statistics.Interval(low: shown(interval.low), high: shown(interval.high))
  }

  /// The effect as a row has it.
  func effect(
    _ value: Double, _ interval: Statistics.Interval?, _ narrow: Statistics.Interval?
  ) -> Comparison.Effect {
    Comparison.Effect(
      kind: isRatio ? .ratio : .difference, value: shown(value), interval: interval.map(shown),
      narrow: narrow.map(shown))
  }

  /// The equivalence margin in the scale of the row; nil where the base is 0.
  func bounds(_ margin: Double) -> Statistics.Interval? {
    if isRatio { return Statistics.Interval(low: -margin, high: margin) }
    guard let median = row.a?.median.magnitude, median > 0 else { return nil }
    return Statistics.Interval(low: -margin * median, high: margin * median)
  }

  /// Whether an interval of the effect, in the scale of the row, proves the sides to be the same.
  func isSame(_ narrow: Statistics.Interval, margin: Double) -> Bool {
    // A base of 0 has no margin, and needs none where no value of the other side differs.
    guard let bounds = bounds(margin) else { return narrow.low == 0 && narrow.high == 0 }
    return Equivalence.holds(narrow, within: bounds)
  }

  /// The margin on the test's scale; nil where the base is 0.
  private func margin(_ margin: Double) -> Double? {
    if isRatio { return log1p(margin) }
    return bounds(margin).map { $0.high / unit }
  }

  /// Whether the difference is more than a step of the source on either side.
  var exceedsResolution: Bool {
    guard resolution > 0, let a = row.a, let b = row.b else { return true }
    return (b.median - a.median).magnitude > resolution
  }

  /// Whether the drift of both sides in the time from `a` to `b` explains half of this effect or
  /// more, on the test's scale: where one side always comes after the other, a steady drift makes a
  /// difference in every pair.
  func isDrift(_ effect: Double) -> Bool {
    guard isPaired, lag != 0, count > 2, let firstA = a.first, let lastA = a.last,
      let firstB = b.first, let lastB = b.last
    else { return false }
    let step = (lastA - firstA + lastB - firstB) / Double(2 * (count - 1))
    let drift = lag * step
    return drift * effect > 0 && drift.magnitude >= effect.magnitude / 2
  }

  /// What could have been found at `alpha`, and how many more repetitions a decision takes, from a
  /// standard error on the test's scale.
  mutating func tellPower(
    standardError: Double, freedom: Double, alpha: Double, margin: Double, estimate: Double
  ) {
    let least = Equivalence.detectable(
      standardError: standardError, freedom: freedom, alpha: alpha)
    guard least.isFinite else { return }
    row.detectable = shown(least)
    guard row.verdict == .undecided else { return }
    let isLarge = self.margin(margin).map { estimate.magnitude >= $0 } ?? true
    let target =
      isLarge ? estimate.magnitude : (self.margin(margin) ?? 0) - estimate.magnitude
    let quantiles =
      Normal.upperQuantile(isLarge ? alpha / 2 : 0.05) + Normal.upperQuantile(0.2)
    let ratio = quantiles * standardError / target
    let more = (Double(count) * ratio * ratio).rounded(.up) - Double(count)
    row.needs = target > 0 && more <= 10_000 ? max(1, Int(more)) : nil
  }
}
