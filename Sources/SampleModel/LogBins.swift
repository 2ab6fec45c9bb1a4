/// Logarithmic bins, sixteen for each doubling: the middle of a bin is within 3 % of all numbers in
/// it. Zero has a bin of its own; negative numbers have those below it.
package enum LogBins {
  package static let perDoubling = 16

  /// The bin of a finite number: exponent and highest mantissa bits of its representation.
  package static func bin(_ number: Double) -> Int {
    let bin = Int(number.magnitude.bitPattern >> 48)
    return number < 0 ? -bin : bin
  }

  /// The number in the middle of a bin.
  package static func middle(_ bin: Int) -> Double {
    guard bin != 0 else { return 0 }
    let middle = Double(bitPattern: UInt64(bin.magnitude) << 48 | 1 << 47)
    return bin < 0 ? -middle : middle
  }
}
