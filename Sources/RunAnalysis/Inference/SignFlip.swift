/// The sign-flip permutation test: under the null hypothesis each difference of a pair is as likely
/// to have the other sign (Fisher, The Design of Experiments, 1935, 21; Pitman, Supplement to the
/// Journal of the Royal Statistical Society 4, 1937).
package enum SignFlip {
  /// Up to this number of differences all 2ⁿ combinations of signs are enumerated.
  package static let exactLimit = 16

  /// Two-sided p of the sum of `differences`: the share of all combinations of signs in which the
  /// sum is at least as far from 0. Above `exactLimit` an estimate from `draws` random ways, the
  /// same for each `seed`, which counts the ways that were found as one of them (Phipson and Smyth,
  /// Statistical Applications in Genetics and Molecular Biology 9, 2010). 1 without differences.
  package static func test(
    _ differences: [Double], seed: UInt64 = 1, draws: Int = 9999
  ) -> Double {
    let moved = differences.filter { $0 != 0 }
    guard !moved.isEmpty else { return 1 }
    let observed = moved.reduce(0, +).magnitude
    // Sums that are equal but for rounding are as far away.
    let bound = observed - 1e-10 * moved.reduce(0) { $0 + $1.magnitude }
    return moved.count <= exactLimit
      ? exact(moved, bound) : estimate(moved, bound, seed: seed, draws: draws)
  }

  /// Half of the ways, since the others are their mirror images; each differs from the one before
  /// in one sign (Gray's code).
  private static func exact(_ differences: [Double], _ bound: Double) -> Double {
    var signed = differences
    var sum = signed.reduce(0, +)
    let ways = 1 << (differences.count - 1)
    var count = sum.magnitude >= bound ? 1 : 0
    for way in 1..<ways {
      let index = way.trailingZeroBitCount
      sum -= 2 * signed[index]
      signed[index] = -signed[index]
      if sum.magnitude >= bound { count += 1 }
    }
    return Double(count) / Double(ways)
  }

  private static func estimate(
    _ differences: [Double], _ bound: Double, seed: UInt64, draws: Int
  ) -> Double {
    var random = SplitMix64(seed: seed)
    var count = 1
    for _ in 0..<draws {
      var sum = 0.0
      var bits: UInt64 = 0
      for index in differences.indices {
        if index % 64 == 0 { bits = random.next() }
        sum += bits & 1 == 0 ? differences[index] : -differences[index]
        bits >>= 1
      }
      if sum.magnitude >= bound { count += 1 }
    }
    return Double(count) / Double(draws + 1)
  }
}
