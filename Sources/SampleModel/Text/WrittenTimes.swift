/// Moments, ages and amounts of storage as they are written on a command line.
package enum WrittenTimes {
  private static let day: UInt64 = 86_400_000_000_000

  /// Nanoseconds of an age such as `90d`, `2w` or `12h`: a number with a unit, of which `d` is 24
  /// hours and `w` seven of these; nil for anything else, and beyond 2500000 hours.
  package static func age(_ text: String) -> UInt64? {
    guard let last = text.last, last.isLetter else { return nil }
    guard last == "d" || last == "w" else { return Durations.parse(text) }
    guard let number = Double(decimal: text.dropLast()), number >= 0 else { return nil }
    let nanoseconds = number * Double(day) * (last == "w" ? 7 : 1)
    return nanoseconds < 9e18 ? UInt64(bounded: nanoseconds) : nil
  }

  /// Unix nanoseconds of a UTC date `2026-01-31`, of a date with a time as `2026-01-31T12:30` or
  /// `2026-01-31 12:30:15Z`, or of so long before `now` where an age is written; nil for anything
  /// else, and for what is before 1970.
  package static func moment(_ text: String, now: UInt64) -> UInt64? {
    if let age = age(text) { return age <= now ? now - age : 0 }
    let bytes = Array((text.hasSuffix("Z") ? text.dropLast() : text[...]).utf8)
    guard bytes.count >= 10, bytes.count == 10 || bytes[10] == UInt8(ascii: "T") || bytes[10] == 32
    else { return nil }
    guard let date = numbers(bytes[..<10], UInt8(ascii: "-"), [4, 2, 2]) else { return nil }
    var time = [0, 0, 0]
    if bytes.count > 10 {
      let rest = bytes[11...]
      let widths = rest.count == 5 ? [2, 2] : [2, 2, 2]
      guard let parts = numbers(rest, UInt8(ascii: ":"), widths) else { return nil }
      time.replaceSubrange(0..<parts.count, with: parts)
    } else if text.hasSuffix("Z") {
      return nil
    }
    guard time[0] < 24, time[1] < 60, time[2] < 60, date[0] >= 1970, date[1] >= 1, date[2] >= 1
    else { return nil }
    let days = days(date[0], date[1], date[2])
    let seconds = days * 86_400 + Int64(time[0] * 3600 + time[1] * 60 + time[2])
    // A day that its month has not would be one of the next month.
    let civil = CivilTime(unixSeconds: seconds)
    guard civil.month == Int64(date[1]), civil.day == Int64(date[2]) else { return nil }
    let (nanoseconds, isBeyond) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    return isBeyond ? nil : nanoseconds
  }

  /// Bytes of `10G`, `500M`, `1.5T`, `64KiB` or a plain number, with binary prefixes; nil for
  /// anything else, and beyond 64 bits.
  package static func bytes(_ text: String) -> UInt64? {
    var number = text[...]
    if number.hasSuffix("iB") { number = number.dropLast(2) }
    let hasUnit = number.count < text.count
    var shift = 0
    for (index, letter) in ["K", "M", "G", "T", "P"].enumerated() where number.hasSuffix(letter) {
      shift = 10 * (index + 1)
      number = number.dropLast()
      break
    }
    guard !hasUnit || shift > 0, let value = Double(decimal: number), value >= 0 else { return nil }
    let bytes = value * Double(1 << shift)
    guard bytes < 0x1p64, shift > 0 || bytes == bytes.rounded() else { return nil }
    return UInt64(bounded: bytes)
  }

  /// Numbers of these widths between separators, and nothing else.
  private static func numbers(
    _ bytes: ArraySlice<UInt8>, _ separator: UInt8, _ widths: [Int]
  ) -> [Int]? {
    let parts = bytes.split(separator: separator, omittingEmptySubsequences: false)
    guard parts.map(\.count) == widths else { return nil }
    var numbers: [Int] = []
    for part in parts {
      guard part.allSatisfy({ (48...57).contains($0) }) else { return nil }
      numbers.append(part.reduce(0) { $0 * 10 + Int($1) - 48 })
    }
    return numbers
  }

  /// Days from 1970 by Howard Hinnant's `days_from_civil`
  /// (https://howardhinnant.github.io/date_algorithms.html), of years from 1970 on.
  private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int64 {
    let year = month <= 2 ? year - 1 : year
    let era = year / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return Int64(era * 146_097 + dayOfEra - 719_468)
  }
}
