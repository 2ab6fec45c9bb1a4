import Glibc

/// The null distribution of a count of pairs, such as Mann and Whitney's U or the sum of Wilcoxon's
/// signed ranks, without ties.
package struct NullCounts: Sendable {
  /// The greatest count.
  package let greatest: Int
  /// P(count ≤ k) for each k; nil where the normal approximation is used.
  private let exact: [Double]?
  private let deviation: Double

  /// The number of positive Walsh averages of `count` differences that are symmetric about 0: the
  /// distribution of Wilcoxon's signed-rank sum, exact up to 100 (Lehmann, Nonparametrics, 3.2).
  package init(signedRanksOf count: Int) {
    greatest = count * (count + 1) / 2
    deviation = (Double(count * (count + 1)) * Double(2 * count + 1) / 24).squareRoot()
    guard count <= 100 else {
      exact = nil
      return
    }
    var chances = [Double](repeating: 0, count: greatest + 1)
    chances[0] = 1
    var top = 0
    for rank in 1..<(count + 1) {
      top += rank
      for sum in (0...top).reversed() {
        chances[sum] = 0.5 * (chances[sum] + (sum >= rank ? chances[sum - rank] : 0))
      }
    }
    exact = Self.sums(chances)
  }

  /// The number of pairs of `first` and `second` values, all of one distribution, in which the one
  /// is above the other: exact up to 2,500 pairs, by the recurrence of Mann and Whitney (Annals of
  /// Mathematical Statistics 18, 1947).
  package init(pairsOf first: Int, _ second: Int) {
    greatest = first * second
    deviation = (Double(greatest) * Double(first + second + 1) / 12).squareRoot()
    guard greatest <= 2500 else {
      exact = nil
      return
    }
    // Chances of each count for 0, 1, … values of the second kind, one row for each of the first.
    var row = [[Double]](repeating: [1], count: second + 1)
    for i in 1..<(first + 1) {
      var next: [[Double]] = [[1]]
      for j in 1..<(second + 1) {
        var chances = [Double](repeating: 0, count: i * j + 1)
        // The greatest of all is of the first kind, and so above all j of the second; or it is not.
        let ofFirst = Double(i) / Double(i + j)
        for (count, chance) in row[j].enumerated() { chances[count + j] += ofFirst * chance }
        for (count, chance) in next[j - 1].enumerated() {
          chances[count] += (1 - ofFirst) * chance
        }
        next.append(chances)
      }
      row = next
    }
    exact = Self.sums(row[second])
  }

  private static func sums(_ chances: [Double]) -> [Double] {
    var sum = 0.0
    return chances.map {
      sum += $0
      return min(1, sum)
    }
  }

  /// P(count ≤ k).
  package func cumulative(_ k: Int) -> Double {
    guard k >= 0 else { return 0 }
    guard k < greatest else { return 1 }
    if let exact { return exact[k] }
    return Normal.cumulative((Double(k) + 0.5 - Double(greatest) / 2) / deviation)
  }

  /// Two-sided p where `below` of all pairs are below 0, `above` above it, and the rest at it. The
  /// rest count for the side that has fewer, so that with ties the test errs on the safe side.
  package func twoSided(below: Int, above: Int) -> Double {
    min(1, 2 * cumulative(greatest - max(below, above)))
  }

  /// The smallest possible two-sided p.
  package var floor: Double { min(1, 2 * cumulative(0)) }

  /// The largest k for which the k-th smallest and the k-th largest of all pairs enclose the shift
  /// with at least `confidence`; nil where even the first and the last do not.
  package func rank(confidence: Double) -> Int? {
    let tail = (1 - confidence) / 2 * (1 + 1e-12)
    guard greatest > 0, cumulative(0) <= tail else { return nil }
    var low = 1
    var high = greatest / 2 + 1
    // cumulative(low - 1) is at most the tail's, cumulative(high - 1) is above it or not computed.
    while high - low > 1 {
      let middle = (low + high) / 2
      if cumulative(middle - 1) <= tail { low = middle } else { high = middle }
    }
    return low
  }
}

/// The result of a rank test.
package struct RankTest: Sendable, Equatable {
  /// Mann and Whitney's U of the second sample, or the sum of the positive ranks.
  package let statistic: Double
  /// The statistic without any difference.
  package let expected: Double
  /// Two-sided.
  package let p: Double
  /// By the exact distribution rather than the normal one.
  package let isExact: Bool
}

/// Ranks of values, tied ones sharing their mean.
enum Ranks {
  /// The ranks in the order of `values`, and Σ(t³ - t) over groups of t tied ones.
  static func of(_ values: [Double]) -> (ranks: [Double], ties: Double) {
    let order = values.indices.sorted { values[$0] < values[$1] }
    var ranks = [Double](repeating: 0, count: values.count)
    var ties = 0.0
    var start = 0
    while start < order.count {
      var end = start + 1
      while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
      for position in start..<end { ranks[order[position]] = Double(start + end + 1) / 2 }
      let tied = Double(end - start)
      ties += tied * tied * tied - tied
      start = end
    }
    return (ranks, ties)
  }
}

/// Mann and Whitney's test of two samples.
package enum MannWhitney {
  /// Up to this number of values a side the distribution is exact, if there are no ties.
  package static let exactLimit = 25

  /// Tests whether `b` tends to be above or below `a`. Exact without ties for few values, else by
  /// the normal distribution with the correction for ties and that for continuity (Lehmann,
  /// Nonparametrics, 1.2 and 1.4). nil without values on a side.
  package static func test(_ a: [Double], _ b: [Double]) -> RankTest? {
    guard !a.isEmpty, !b.isEmpty else { return nil }
    let (ranks, ties) = Ranks.of(a + b)
    let (n, m) = (Double(a.count), Double(b.count))
    let statistic = ranks[a.count...].reduce(0, +) - m * (m + 1) / 2
    let expected = n * m / 2
    if ties == 0, a.count <= exactLimit, b.count <= exactLimit {
      let counts = NullCounts(pairsOf: a.count, b.count)
      let above = Int(statistic)
      let p = counts.twoSided(below: counts.greatest - above, above: above)
      return RankTest(statistic: statistic, expected: expected, p: p, isExact: true)
    }
    let all = n + m
    let variance = n * m / 12 * (all + 1 - ties / (all * (all - 1)))
    let distance = max(0, (statistic - expected).magnitude - 0.5)
    let p = variance > 0 ? Normal.twoSided(distance / variance.squareRoot()) : 1
    return RankTest(statistic: statistic, expected: expected, p: p, isExact: false)
  }
}

/// Wilcoxon's signed-rank test of paired differences.
package enum SignedRank {
  /// Tests whether `differences` tend to be above or below 0; those that are 0 are left out, as
  /// Wilcoxon did. Up to `SignFlip.exactLimit` exact, ties or not, by the sign flips of the ranks;
  /// else by the normal distribution with the correction for ties and that for continuity (Lehmann,
  /// Nonparametrics, 3.2). nil without differences.
  package static func test(_ differences: [Double]) -> RankTest? {
    guard !differences.isEmpty else { return nil }
    let moved = differences.filter { $0 != 0 }
    let (ranks, ties) = Ranks.of(moved.map(\.magnitude))
    let n = Double(moved.count)
    let statistic = zip(moved, ranks).reduce(0.0) { $0 + ($1.0 > 0 ? $1.1 : 0) }
    let expected = n * (n + 1) / 4
    if moved.count <= SignFlip.exactLimit {
      let signed = zip(moved, ranks).map { $0 > 0 ? $1 : -$1 }
      return RankTest(
        statistic: statistic, expected: expected, p: SignFlip.test(signed), isExact: true)
    }
    let variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48
    let distance = max(0, (statistic - expected).magnitude - 0.5)
    let p = variance > 0 ? Normal.twoSided(distance / variance.squareRoot()) : 1
    return RankTest(statistic: statistic, expected: expected, p: p, isExact: false)
  }
}
