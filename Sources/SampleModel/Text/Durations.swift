/// Parses and formats durations.
package enum Durations {
  private static let units: [(String, UInt64)] = [
    ("ns", 1), ("us", 1000), ("µs", 1000), ("ms", 1_000_000), ("s", 1_000_000_000),
    ("m", 60_000_000_000), ("h", 3_600_000_000_000),
  ]

  /// Nanoseconds of `100ms`, `1.5s` or a plain number of seconds; nil for anything else.
  package static func parse(_ text: String) -> UInt64? {
    guard let nanoseconds = nanoseconds(text), nanoseconds < limit else { return nil }
    return UInt64(bounded: nanoseconds)
  }

  /// The error for a duration above the limit; nil for all others, and for invalid text.
  package static func excess(_ text: String) -> String? {
    guard let nanoseconds = nanoseconds(text), nanoseconds >= limit else { return nil }
    return "too long; a duration is shorter than 2500000h"
  }

  /// 2500000 hours: added to any clock's time, it fits 64 bits.
  private static let limit = 9e18

  private static func nanoseconds(_ text: String) -> Double? {
    let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let suffix = text.dropFirst(number.count)
    guard let value = Double(number),
      let unit = suffix.isEmpty ? 1_000_000_000 : units.first(where: { $0.0 == suffix })?.1
    else { return nil }
    return (value * Double(unit)).rounded()
  }

  /// The shortest exact form.
  package static func text(_ nanoseconds: UInt64) -> String {
    for (name, unit) in [("s", 1_000_000_000 as UInt64), ("ms", 1_000_000), ("us", 1000)]
    where nanoseconds % unit == 0 {
      return "\(nanoseconds / unit)\(name)"
    }
    return "\(nanoseconds)ns"
  }

  /// The shortest exact form, in seconds from one second on: `40.96s`, `500ms`.
  package static func brief(_ nanoseconds: UInt64) -> String {
    let milliseconds = nanoseconds / 1_000_000
    guard milliseconds > 1000, nanoseconds % 1_000_000 == 0, milliseconds % 1000 > 0 else {
      return text(nanoseconds)
    }
    let all = String(milliseconds)
    var digits = String(all.dropLast(3)) + "." + all.suffix(3)
    while digits.hasSuffix("0") { digits.removeLast() }
    return digits + "s"
  }

  /// A form for people, such as `224.6 ms`: three or four significant digits.
  package static func rounded(_ nanoseconds: UInt64) -> String {
    switch nanoseconds {
    case ..<1000: "\(nanoseconds) ns"
    case ..<1_000_000: decimal(nanoseconds, step: 100, places: 1) + " µs"
    case ..<10_000_000: decimal(nanoseconds, step: 10_000, places: 2) + " ms"
    case ..<1_000_000_000: decimal(nanoseconds, step: 100_000, places: 1) + " ms"
    default: decimal(nanoseconds, step: 1_000_000, places: 3) + " s"
    }
  }

  /// `value` in units of `step`, half rounded up, with the last `places` digits after the point.
  private static func decimal(_ value: UInt64, step: UInt64, places: Int) -> String {
    let digits = String(value / step + (value % step >= step / 2 ? 1 : 0))
    return digits.dropLast(places) + "." + digits.suffix(places)
  }
}
