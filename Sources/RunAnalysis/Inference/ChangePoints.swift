/// Changes of a series' distribution: E-divisive with a permutation test (Matteson and James,
/// Journal of the American Statistical Association 109, 2014), on the distances between values.
///
/// A series is split where the energy distance between its two parts is greatest. The split is a
/// change if at most `alpha` of random orders of the values have a split as far apart. Each part is
/// then tested in the same way. A split ends at the end of its part, as in MongoDB's and Hunter's
/// form of the method: the end of the later part is not searched for.
///
/// The rate of false positives: of series whose values could have come in any order, at most the
/// share `alpha` has a change. Every such order has the same chance, so that the test is exact for
/// any distribution, ties included. In a series with true changes each part is tested at `alpha`
/// again. A drift is no such series: it is found as one change or as several.
package enum ChangePoints {
  /// A part has no fewer values than this.
  package static let leastPart = 3
  /// Series are no longer than this: each of the `permutations` takes n · log n steps.
  package static let longest = 2000

  /// An index at which the distribution changes.
  package struct Change: Sendable, Equatable {
    /// The first value of the later part.
    package let index: Int
    /// The share of orders whose best split is as far apart, the series' own order counted: not
    /// below 1 / (permutations + 1).
    package let p: Double
  }

  /// The indices, in order, at which a part of `values` begins that differs from the one before.
  package static func find(
    _ values: [Double], alpha: Double = 0.05, permutations: Int = 199, seed: UInt64 = 1
  ) -> [Int] {
    changes(values, alpha: alpha, permutations: permutations, seed: seed).map(\.index)
  }

  /// The changes of `values`, in order, with a permutation test at `alpha` whose random numbers
  /// follow from `seed`. Empty for a series that is too short or too long, or that has a value
  /// which is not finite.
  package static func changes(
    _ values: [Double], alpha: Double, permutations: Int, seed: UInt64 = 1
  ) -> [Change] {
    guard values.count <= longest, values.allSatisfy(\.isFinite) else { return [] }
    var random = SplitMix64(seed: seed)
    var found: [Change] = []
    var parts = [0..<values.count]
    while let part = parts.popLast() {
      guard part.count >= 2 * leastPart else { continue }
      var series = EnergySeries(Array(values[part]))
      guard let split = series.best(leastPart),
        let p = test(&series, split.distance, alpha, permutations, &random)
      else { continue }
      let index = part.lowerBound + split.index
      found.append(Change(index: index, p: p))
      parts.append(part.lowerBound..<index)
      parts.append(index..<part.upperBound)
    }
    return found.sorted { $0.index < $1.index }
  }

  /// The split of `values` in which the parts are farthest apart: the first value of the later
  /// part, and the scaled energy distance, mn / (m + n) · Ê, with the exponent 1. nil of values
  /// that are all the same, and of fewer than two parts take.
  package static func split(_ values: [Double]) -> (index: Int, distance: Double)? {
    guard values.allSatisfy(\.isFinite) else { return nil }
    var series = EnergySeries(values)
    return series.best(leastPart)
  }

  /// The p of a distance; nil above `alpha`, of which no more than that is found out (Besag and
  /// Clifford, Biometrika 78, 1991).
  private static func test(
    _ series: inout EnergySeries, _ distance: Double, _ alpha: Double, _ permutations: Int,
    _ random: inout SplitMix64
  ) -> Double? {
    let most = Int((alpha * Double(permutations + 1) * (1 + 1e-12)).rounded(.down))
    // What differs by rounding alone is the same.
    let bound = distance * (1 - 1e-9)
    var asFar = 1
    for _ in 0..<permutations where asFar <= most {
      series.shuffle(&random)
      if let best = series.best(leastPart), best.distance >= bound { asFar += 1 }
    }
    return asFar <= most ? Double(asFar) / Double(permutations + 1) : nil
  }

  /// The fewest values whose best split can have a p of `alpha` or less. Of the orders of n values
  /// without ties in two equal parts, two in C(n, n / 2) are as far apart as any can be.
  package static func fewest(alpha: Double) -> Int {
    var count = 2 * leastPart
    while count < longest {
      // ln C(n, k), n over its half.
      let half = count / 2
      var ways = 1.0
      for index in 1...half { ways *= Double(count - half + index) / Double(index) }
      if 2 / ways <= alpha { break }
      count += 1
    }
    return count
  }
}

/// A series of numbers in some order, of which sums of distances are known in n · log n steps.
private struct EnergySeries {
  /// The distinct values, ascending, less the middle one: of numbers that differ in their last
  /// digits the sums would lose these.
  private let levels: [Double]
  /// Of each value in order, the index of its level.
  private var order: [Int]
  /// Of each level the sum of its distances from all values.
  private let rows: [Double]
  /// The sum over all pairs.
  private let total: Double
  /// Fenwick's trees of the number and of the sum of what is before the split, by level.
  private var counts: [Double]
  private var sums: [Double]

  init(_ values: [Double]) {
    let sorted = values.sorted()
    let middle = sorted.isEmpty ? 0 : sorted[sorted.count / 2]
    var levels: [Double] = []
    for value in sorted where levels.last != value - middle { levels.append(value - middle) }
    self.levels = levels
    order = values.map { value in
      var (low, high) = (0, levels.count)
      while high - low > 1 {
        let half = (low + high) / 2
        if levels[half] <= value - middle { low = half } else { high = half }
      }
      return low
    }
    var numbers = [Double](repeating: 0, count: levels.count)
    for index in order { numbers[index] += 1 }
    let count = Double(values.count)
    let sum = zip(numbers, levels).reduce(0) { $0 + $1.0 * $1.1 }
    var (below, sumBelow, total) = (0.0, 0.0, 0.0)
    var rows: [Double] = []
    for (number, level) in zip(numbers, levels) {
      below += number
      sumBelow += number * level
      let row = level * below - sumBelow + (sum - sumBelow) - level * (count - below)
      rows.append(row)
      total += number * row / 2
    }
    (self.rows, self.total) = (rows, total)
    counts = [Double](repeating: 0, count: levels.count + 1)
    sums = counts
  }

  /// Puts the values into a random order (Fisher and Yates).
  mutating func shuffle(_ random: inout SplitMix64) {
    for last in order.indices.dropFirst().reversed() {
      order.swapAt(last, random.index(below: last + 1))
    }
  }

  /// Where the energy distance between what is before and what follows is greatest; nil of values
  /// that are all the same, and of too few.
  mutating func best(_ leastPart: Int) -> (index: Int, distance: Double)? {
    let length = order.count
    guard length >= 2 * leastPart, levels.count > 1, total.isFinite, total > 0 else { return nil }
    for index in counts.indices {
      counts[index] = 0
      sums[index] = 0
    }
    var (number, sum, before, behind) = (0.0, 0.0, 0.0, total)
    var best: (index: Int, distance: Double)?
    for moved in 0..<(length - leastPart) {
      let level = order[moved]
      let value = levels[level]
      var (below, sumBelow) = (0.0, 0.0)
      var node = level + 1
      while node > 0 {
        below += counts[node]
        sumBelow += sums[node]
        node &= node - 1
      }
      let toBefore = value * below - sumBelow + (sum - sumBelow) - value * (number - below)
      before += toBefore
      behind -= rows[level] - toBefore
      number += 1
      sum += value
      node = level + 1
      while node <= levels.count {
        counts[node] += 1
        sums[node] += value
        node += node & -node
      }
      let index = moved + 1
      guard index >= leastPart else { continue }
      let (m, n) = (number, Double(length - index))
      let within = 2 * before / (m * (m - 1)) + 2 * behind / (n * (n - 1))
      let between = total - before - behind
      let distance = m * n / (m + n) * (2 * between / (m * n) - within)
      if distance > best?.distance ?? -.infinity { best = (index, distance) }
    }
    return best
  }
}
