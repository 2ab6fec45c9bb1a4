/// Shares of one CPU as they are written.
package enum Share {
  /// 0.005 of `0.5%`; nil for anything else.
  package static func parse(_ text: String) -> Double? {
    guard text.hasSuffix("%"), let percent = Double(decimal: text.dropLast()), percent > 0,
      percent <= 100
    else { return nil }
    return percent / 100
  }

  /// `0.5%` of 0.005: as many digits as it takes, at most four behind the point.
  package static func text(_ fraction: Double) -> String {
    let percent = (fraction * 1e6).rounded() / 1e4
    return (percent == percent.rounded() ? "\(Int64(percent))" : "\(percent)") + "%"
  }
}

/// Lengths of time as they are written.
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

  /// What is wrong with a length of time that is longer than any that can be waited for; nil for
  /// all others, and for what is none.
  package static func excess(_ text: String) -> String? {
    guard let nanoseconds = nanoseconds(text), nanoseconds >= limit else { return nil }
    return "too long; a duration is shorter than 2500000h"
  }

  /// 2500000 hours: with any clock's time added, it is below 64 bits.
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

  /// The shortest form that loses nothing, from a second on in seconds: `40.96s`, `500ms`.
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

  /// For people's eyes, as `224.6 ms`: three or four significant digits.
  package static func rounded(_ nanoseconds: UInt64) -> String {
    switch nanoseconds {
    case ..<1000: "\(nanoseconds) ns"
    case ..<1_000_000: decimal(nanoseconds, step: 100, places: 1) + " µs"
    case ..<10_000_000: decimal(nanoseconds, step: 10_000, places: 2) + " ms"
    case ..<1_000_000_000: decimal(nanoseconds, step: 100_000, places: 1) + " ms"
    default: decimal(nanoseconds, step: 1_000_000, places: 3) + " s"
    }
  }

  /// `value` in steps, half of one rounded up, the last `places` digits behind the point.
  private static func decimal(_ value: UInt64, step: UInt64, places: Int) -> String {
    let digits = String(value / step + (value % step >= step / 2 ? 1 : 0))
    return digits.dropLast(places) + "." + digits.suffix(places)
  }
}

/// Numbers of things in messages.
package enum Counted {
  /// `1 frame`, `2 frames`.
  package static func text(_ count: some BinaryInteger, _ thing: String) -> String {
    "\(count) \(thing)\(count == 1 ? "" : "s")"
  }

  /// The first eight of `names`, and how many more there are.
  package static func list(_ names: [String]) -> String {
    let more = names.count > 8 ? " and \(names.count - 8) more" : ""
    return names.prefix(8).joined(separator: ", ") + more
  }
}

/// The nearest of some known words, for messages.
package enum Nearest {
  /// Known words and bytes of a word beyond which none is looked for: many mistakes beside many
  /// words would take minutes.
  package static let limit = 1000

  /// The known word with the fewest edits to `word`, if they are few enough to be a slip; nil also
  /// where there are more known words or more bytes than `limit`.
  package static func word(to word: String, in known: [String]) -> String? {
    guard known.count <= limit, word.utf8.count <= limit else { return nil }
    return known.map { ($0, distance(word, $0)) }
      // Of three letters one says nothing about the other two.
      .filter { $0.1 <= (word.count < 4 ? 1 : max(2, word.count / 3)) }
      .min { $0.1 < $1.1 }?.0
  }

  /// `; did you mean x?`, or nothing.
  package static func hint(_ nearest: String?) -> String {
    nearest.map { "; did you mean \($0)?" } ?? ""
  }

  /// Levenshtein's distance, by two rows.
  package static func distance(_ one: String, _ other: String) -> Int {
    let other = Array(other.utf8)
    var row = Array(0...other.count)
    for (place, letter) in one.utf8.enumerated() {
      var diagonal = row[0]
      row[0] = place + 1
      for column in other.indices {
        let above = row[column + 1]
        row[column + 1] = min(
          above + 1, row[column] + 1, diagonal + (letter == other[column] ? 0 : 1))
        diagonal = above
      }
    }
    return row[other.count]
  }
}
