import Glibc

/// Mann and Kendall's test for a trend in a series (Mann, Econometrica 13, 1945; Kendall, Rank
/// Correlation Methods, 1975).
package struct MannKendall: Sendable, Equatable {
  /// Pairs in which the later value is the greater one, less those in which it is the smaller one.
  package let statistic: Int
  /// Two-sided.
  package let p: Double

  /// Up to this number of values the distribution is exact, if there are no ties.
  package static let exactLimit = 50

  /// Tests `values` in order of time: exact without ties for few values, else by the normal
  /// distribution with the corrections for ties and continuity. nil below four values.
  package init?(_ values: [Double]) {
    guard values.count > 3 else { return nil }
    var sum = 0
    for later in values.indices {
      for earlier in 0..<later {
        sum += values[later] > values[earlier] ? 1 : values[later] < values[earlier] ? -1 : 0
      }
    }
    statistic = sum
    var ties = 0.0
    var counts: [Double: Double] = [:]
    for value in values { counts[value, default: 0] += 1 }
    for tied in counts.values where tied > 1 { ties += tied * (tied - 1) * (2 * tied + 5) }
    let n = Double(values.count)
    if ties == 0, values.count <= Self.exactLimit {
      p = Self.exact(count: values.count, distance: sum.magnitude)
      return
    }
    let variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
    let distance = max(0, Double(sum.magnitude) - 1)
    p = variance > 0 ? Normal.twoSided(distance / variance.squareRoot()) : 1
  }

  /// Chances of each number of inversions of a random order, by the recurrence over its length
  /// (Kendall, 5.2).
  private static func exact(count: Int, distance: UInt) -> Double {
    var chances = [1.0]
    for length in 2...count {
      var next = [Double](repeating: 0, count: length * (length - 1) / 2 + 1)
      var window = 0.0
      for inversions in next.indices {
        if inversions < chances.count { window += chances[inversions] }
        if inversions >= length, inversions - length < chances.count {
          window -= chances[inversions - length]
        }
        next[inversions] = max(0, window) / Double(length)
      }
      chances = next
    }
    // This number of inversions or fewer is at least as extreme.
    let all = count * (count - 1) / 2
    let most = (all - Int(distance)) / 2
    return min(1, 2 * chances[...most].reduce(0, +))
  }
}
