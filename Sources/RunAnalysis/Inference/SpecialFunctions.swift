import Glibc

/// The functions that distributions are made of. Relative errors are below 1e-10 for the arguments
/// that tests of hypotheses have.
package enum SpecialFunctions {
  /// Godfrey's coefficients of Lanczos' approximation with g = 7.
  private static let lanczos = [
    0.999_999_999_999_809_93, 676.520_368_121_885_1, -1259.139_216_722_402_8,
    771.323_428_777_653_13, -176.615_029_162_140_59, 12.507_343_278_686_905,
    -0.138_571_095_265_720_12, 9.984_369_578_019_571_6e-6, 1.505_632_735_149_311_6e-7,
  ]

  /// ln Γ(x) for x > 0: Lanczos' approximation (Numerical Recipes, 3rd edition, 6.1).
  package static func logGamma(_ x: Double) -> Double {
    // DLMF 5.5.3, where the approximation is poor.
    if x < 0.5 { return log(Double.pi / sin(Double.pi * x)) - logGamma(1 - x) }
    var sum = lanczos[0]
    for power in 1..<lanczos.count { sum += lanczos[power] / (x - 1 + Double(power)) }
    let base = x + 6.5
    let power = (x - 0.5) * log(base) - base
    return power + log(sum) + 0.5 * log(2 * Double.pi)
  }

  /// The sum of each coefficient times the power of `s` that is its index.
  private static func series(_ coefficients: [Double], _ s: Double) -> Double {
    coefficients.reversed().reduce(0) { $0 * s + $1 }
  }

  /// ψ(x) = d ln Γ(x) / dx for x > 0: DLMF 5.5.2 up to 10, then the asymptotic series 5.11.2.
  package static func digamma(_ x: Double) -> Double {
    var x = x
    var sum = 0.0
    while x < 10 {
      sum -= 1 / x
      x += 1
    }
    let s = 1 / (x * x)
    let series = Self.series([1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240, 1.0 / 132], s)
    return sum + log(x) - 0.5 / x - s * series
  }

  /// ψ′(x) for x > 0: DLMF 5.15.5 up to 10, then the asymptotic series 5.15.8.
  package static func trigamma(_ x: Double) -> Double {
    var x = x
    var sum = 0.0
    while x < 10 {
      sum += 1 / (x * x)
      x += 1
    }
    let s = 1 / (x * x)
    let series = Self.series([1, 1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66], s)
    return sum + 0.5 * s + series / x
  }

  /// ψ″(x) for x > 0: the derivative of the series of `trigamma`.
  static func tetragamma(_ x: Double) -> Double {
    var x = x
    var sum = 0.0
    while x < 10 {
      sum -= 2 / (x * x * x)
      x += 1
    }
    let s = 1 / (x * x)
    let series = Self.series([1, 0.5, -1.0 / 6, 1.0 / 6, -3.0 / 10, 5.0 / 6], s)
    return sum - s / x - s * series
  }

  /// The x > 0 at which ψ′ is `value` > 0: Newton's method on 1/ψ′, which is convex (Smyth,
  /// Statistical Applications in Genetics and Molecular Biology 3, 2004, appendix).
  package static func inverseTrigamma(_ value: Double) -> Double {
    if value > 1e7 { return 1 / value.squareRoot() }
    if value < 1e-6 { return 1 / value }
    var x = 0.5 + 1 / value
    for _ in 0..<50 {
      let found = trigamma(x)
      let step = found * (1 - found / value) / tetragamma(x)
      x += step
      if -step / x < 1e-10 { break }
    }
    return x
  }

  /// The regularised incomplete beta function I_x(a, b), of which `x` and `complement` = 1 - x are
  /// both given, since one of them has lost its digits: DLMF 8.17.22 by Lentz' method (Numerical
  /// Recipes, 6.4), and 8.17.4 where that is slow.
  package static func incompleteBeta(
    _ x: Double, complement: Double, _ a: Double, _ b: Double
  ) -> Double {
    guard x > 0 else { return 0 }
    guard complement > 0 else { return 1 }
    let power = a * log(x) + b * log(complement)
    let front = exp(logGamma(a + b) - logGamma(a) - logGamma(b) + power)
    if x < (a + 1) / (a + b + 2) { return front * betaFraction(x, a, b) / a }
    return 1 - front * betaFraction(complement, b, a) / b
  }

  private static func betaFraction(_ x: Double, _ a: Double, _ b: Double) -> Double {
    let tiny = 1e-300
    func atLeast(_ value: Double) -> Double { value.magnitude < tiny ? tiny : value }
    var c = 1.0
    var d = 1 / atLeast(1 - (a + b) * x / (a + 1))
    var fraction = d
    for step in 1...1000 {
      let m = Double(step)
      let twice = a + 2 * m
      let even = m * (b - m) * x / ((twice - 1) * twice)
      d = 1 / atLeast(1 + even * d)
      c = atLeast(1 + even / c)
      fraction *= d * c
      let odd = (a + m) * (a + b + m) * x / (twice * (twice + 1))
      d = 1 / atLeast(1 - odd * d)
      c = atLeast(1 - odd / c)
      fraction *= d * c
      if (d * c - 1).magnitude < 1e-15 { break }
    }
    return fraction
  }
}

/// The normal distribution.
package enum Normal {
  /// P(Z ≤ z).
  package static func cumulative(_ z: Double) -> Double { 0.5 * erfc(-z / 2.0.squareRoot()) }

  /// P(|Z| ≥ |z|).
  package static func twoSided(_ z: Double) -> Double { erfc(z.magnitude / 2.0.squareRoot()) }

  /// The z with P(Z > z) = `tail`, 0 < tail < 1: by halving, to the last digits.
  package static func upperQuantile(_ tail: Double) -> Double {
    Quantile.find(tail) { 0.5 * erfc($0 / 2.0.squareRoot()) }
  }
}

/// Student's t distribution; with infinitely many degrees of freedom it is the normal one.
package enum StudentT {
  /// From here on the transformation to a normal variable of Gaver and Kafadar (The American
  /// Statistician 38, 1984) has all digits that matter, and the fraction of DLMF 8.17.22 is slow.
  private static let approximateFrom = 1e5

  /// P(T > t) with `freedom` degrees of freedom: DLMF 8.17 with x = ν / (ν + t²).
  package static func upperTail(_ t: Double, freedom: Double) -> Double {
    guard !t.isNaN, freedom > 0 else { return .nan }
    if freedom.isInfinite { return 0.5 * erfc(t / 2.0.squareRoot()) }
    if t.isInfinite { return t > 0 ? 0 : 1 }
    let square = t * t
    if freedom > approximateFrom {
      let scale = (freedom - 1.5) / ((freedom - 1) * (freedom - 1))
      let z = (log1p(square / freedom) / scale).squareRoot()
      return 0.5 * erfc((t >= 0 ? z : -z) / 2.0.squareRoot())
    }
    let x = square.isInfinite ? 0 : freedom / (freedom + square)
    let complement = square.isInfinite ? 1 : square / (freedom + square)
    let tail =
      0.5
      * SpecialFunctions.incompleteBeta(x, complement: complement, freedom / 2, 0.5)
    return t >= 0 ? tail : 1 - tail
  }

  /// P(|T| ≥ |t|).
  package static func twoSided(_ t: Double, freedom: Double) -> Double {
    min(1, 2 * upperTail(t.magnitude, freedom: freedom))
  }

  /// The t with P(T > t) = `tail`, 0 < tail < 1.
  package static func upperQuantile(_ tail: Double, freedom: Double) -> Double {
    Quantile.find(tail) { upperTail($0, freedom: freedom) }
  }
}

/// Inverses of tails of distributions that are symmetric about 0.
private enum Quantile {
  /// The value above which `tail` lies, by halving.
  static func find(_ tail: Double, _ above: (Double) -> Double) -> Double {
    guard tail > 0, tail < 1 else { return tail <= 0 ? .infinity : -.infinity }
    if tail == 0.5 { return 0 }
    if tail > 0.5 { return -find(1 - tail, above) }
    var low = 0.0
    var high = 1.0
    while above(high) > tail, high < 1e300 {
      low = high
      high *= 2
    }
    for _ in 0..<100 {
      let middle = low + (high - low) / 2
      if middle <= low || middle >= high { break }
      if above(middle) > tail { low = middle } else { high = middle }
    }
    return low + (high - low) / 2
  }
}
