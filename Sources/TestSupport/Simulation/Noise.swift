import Glibc
import RunAnalysis

/// Random numbers that follow from a seed, for simulated measurements.
package struct Noise {
  private var random: SplitMix64

  /// The sequence of that seed.
  package init(seed: UInt64) { random = SplitMix64(seed: seed) }

  /// Uniform, above 0 and below 1.
  package mutating func uniform() -> Double { (Double(random.next() >> 11) + 0.5) * 0x1p-53 }

  /// Normal, with mean 0 and deviation 1 (Box and Muller).
  package mutating func normal() -> Double {
    let radius = (-2 * log(uniform())).squareRoot()
    return radius * cos(2 * Double.pi * uniform())
  }
}
