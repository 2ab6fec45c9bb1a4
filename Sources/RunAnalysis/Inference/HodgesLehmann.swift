/// Hodges and Lehmann's estimates of a shift, with the interval and the p of their rank tests: the
/// interval has 0 in it exactly where p is above 1 - confidence (Hodges and Lehmann, Annals of
/// Mathematical Statistics 34, 1963; Hollander and Wolfe, Nonparametric Statistical Methods, 3.2,
/// 3.3, 4.2 and 4.3).
///
/// With ties both are conservative: any way to break them would give a smaller p.
package struct HodgesLehmann: Sendable {
  /// Most values of a side, and most differences of pairs: the pairs of them are all in memory.
  package static let greatestCount = 2000

  /// Walsh averages of differences, or all differences between two samples, in order.
  private let pairs: [Double]
  private let counts: NullCounts

  /// The shift of paired `differences` from 0: the median of the means of any two of them, one with
  /// itself included, and Wilcoxon's signed-rank test. nil without differences or with too many.
  package init?(differences: [Double]) {
    guard !differences.isEmpty, differences.count <= Self.greatestCount else { return nil }
    var averages: [Double] = []
    averages.reserveCapacity(differences.count * (differences.count + 1) / 2)
    for i in differences.indices {
      for j in i..<differences.count {
        averages.append(differences[i] / 2 + differences[j] / 2)
      }
    }
    averages.sort()
    pairs = averages
    counts = NullCounts(signedRanksOf: differences.count)
  }

  /// The shift from `a` to `b`: the median of all differences between one of each, and Mann and
  /// Whitney's test. nil without values on a side or with too many.
  package init?(from a: [Double], to b: [Double]) {
    guard !a.isEmpty, !b.isEmpty, max(a.count, b.count) <= Self.greatestCount else { return nil }
    var differences: [Double] = []
    differences.reserveCapacity(a.count * b.count)
    for before in a {
      for after in b { differences.append(after - before) }
    }
    differences.sort()
    pairs = differences
    counts = NullCounts(pairsOf: a.count, b.count)
  }

  /// The estimate.
  package var shift: Double {
    let middle = pairs.count / 2
    return pairs.count % 2 == 1 ? pairs[middle] : pairs[middle - 1] / 2 + pairs[middle] / 2
  }

  /// Two-sided p of no shift.
  package var p: Double {
    counts.twoSided(below: pairs.count { $0 < 0 }, above: pairs.count { $0 > 0 })
  }

  /// The smallest p that is possible with this number of values.
  package var floor: Double { counts.floor }

  /// The interval that encloses the shift with at least `confidence`; nil where so few values have
  /// none: at 95 % below six pairs, or below four values on both sides.
  package func interval(confidence: Double = 0.95) -> Statistics.Interval? {
    guard let rank = counts.rank(confidence: confidence) else { return nil }
    return Statistics.Interval(low: pairs[rank - 1], high: pairs[pairs.count - rank])
  }
}
