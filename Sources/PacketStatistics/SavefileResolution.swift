/// The unit of a pcapng interface's times: if_tsresol and if_tsoffset.
///
/// Source: draft-ietf-opsawg-pcapng, 4.2 (Interface Description Block).
struct SavefileResolution: Equatable {
  /// Units of a second: 10 or 2 to this power.
  var exponent: UInt8 = 6
  var isBinary = false
  /// Seconds to add.
  var offset: Int64 = 0

  /// The latest time: in the year 2262, where 63 bits of nanoseconds end.
  static let latest = UInt64(Int64.max)

  /// Parses if_tsresol's byte: the highest bit means a power of two.
  mutating func take(_ byte: UInt8) {
    isBinary = byte & 0x80 != 0
    exponent = byte & 0x7F
  }

  /// Unix time in nanoseconds of `units`; nil before 1970 or beyond `latest`.
  func time(_ units: UInt64) -> UInt64? {
    guard let (seconds, rest) = parts(units), seconds <= Self.latest / 1_000_000_000 else {
      return nil
    }
    let (moved, overflow) = Int64(seconds).addingReportingOverflow(offset)
    guard !overflow, moved >= 0, moved < Int64(Self.latest / 1_000_000_000) else { return nil }
    return UInt64(moved) * 1_000_000_000 + rest
  }

  /// Whole seconds, and nanoseconds of the rest.
  private func parts(_ units: UInt64) -> (seconds: UInt64, rest: UInt64)? {
    if isBinary {
      // With a fraction of 64 or more bits, the whole value is less than a second.
      let seconds = exponent < 64 ? units >> UInt64(exponent) : 0
      let fraction = exponent < 64 ? units & ((1 << UInt64(exponent)) - 1) : units
      let product = fraction.multipliedFullWidth(by: 1_000_000_000)
      if exponent >= 64 { return (seconds, product.high >> UInt64(exponent - 64)) }
      if exponent == 0 { return (seconds, 0) }
      return (
        seconds,
        product.high << UInt64(64 - exponent) | product.low >> UInt64(exponent)
      )
    }
    // 64 bits of 10^-20 s are less than a second.
    if exponent > 19 {
      var rest = units
      for _ in 9..<exponent where rest > 0 { rest /= 10 }
      return (0, rest)
    }
    let unit = Self.power(Int(exponent))
    let (seconds, fraction) = units.quotientAndRemainder(dividingBy: unit)
    return (
      seconds,
      exponent <= 9
        ? fraction * Self.power(9 - Int(exponent)) : fraction / Self.power(Int(exponent) - 9)
    )
  }

  private static func power(_ exponent: Int) -> UInt64 {
    var value: UInt64 = 1
    for _ in 0..<exponent { value *= 10 }
    return value
  }
}
