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

/// Changes of a series' distribution: E-divisive with a permutation test, each part being looked at
/// in turn (Matteson and James, Journal of the American Statistical Association 109, 2014).
package enum ChangePoints {
  /// A part has no fewer values than this.
  package static let leastPart = 3
  /// Series are no longer than this: the time is that of `permutations` squares of the length.
  package static let longest = 1000

  /// The places, in order, at which a part of `values` begins that differs from the one before:
  /// with a permutation test at `alpha` whose random numbers follow from `seed`. Empty for a series
  /// that is too short or too long.
  package static func find(
    _ values: [Double], alpha: Double = 0.05, permutations: Int = 199, seed: UInt64 = 1
  ) -> [Int] {
    guard values.count <= longest else { return [] }
    var random = SplitMix64(seed: seed)
    var found: [Int] = []
    var parts = [0..<values.count]
    while let part = parts.popLast() {
      let series = Array(values[part])
      guard let split = best(series) else { continue }
      var shuffled = series
      var asFar = 1
      for _ in 0..<permutations {
        for last in shuffled.indices.dropFirst().reversed() {
          shuffled.swapAt(last, random.index(below: last + 1))
        }
        if (best(shuffled)?.distance ?? 0) >= split.distance { asFar += 1 }
      }
      guard Double(asFar) <= alpha * Double(permutations + 1) else { continue }
      let place = part.lowerBound + split.place
      found.append(place)
      parts.append(part.lowerBound..<place)
      parts.append(place..<part.upperBound)
    }
    return found.sorted()
  }

  /// The index at which the energy distance between the values before and after it is greatest.
  private static func best(_ series: [Double]) -> (place: Int, distance: Double)? {
    guard series.count >= 2 * leastPart else { return nil }
    var before = 0.0
    var between = 0.0
    var behind = 0.0
    for i in series.indices {
      for j in 0..<i { behind += (series[i] - series[j]).magnitude }
    }
    guard behind > 0 else { return nil }
    var best: (place: Int, distance: Double)?
    for moved in 0..<(series.count - leastPart) {
      var toBefore = 0.0
      var toBehind = 0.0
      for other in series.indices {
        let distance = (series[moved] - series[other]).magnitude
        if other < moved { toBefore += distance } else { toBehind += distance }
      }
      before += toBefore
      behind -= toBehind
      between += toBehind - toBefore
      let place = moved + 1
      guard place >= leastPart else { continue }
      let (m, n) = (Double(place), Double(series.count - place))
      let within = 2 * before / (m * (m - 1)) + 2 * behind / (n * (n - 1))
      let distance = m * n / (m + n) * (2 * between / (m * n) - within)
      if distance > best?.distance ?? -.infinity { best = (place, distance) }
    }
    return best
  }
}
