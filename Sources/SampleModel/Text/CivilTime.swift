/// A UTC date and time of day, proleptic Gregorian, without any locale.
///
/// Days to date by Howard Hinnant's `civil_from_days`
/// (https://howardhinnant.github.io/date_algorithms.html).
package struct CivilTime: Sendable, Equatable {
  package let year: Int64
  package let month: Int64
  package let day: Int64
  package let hour: Int64
  package let minute: Int64
  package let second: Int64

  /// The UTC time of a Unix second.
  package init(unixSeconds: Int64) {
    let days = unixSeconds >= 0 ? unixSeconds / 86400 : (unixSeconds - 86399) / 86400
    let rest = unixSeconds - days * 86400
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    hour = rest / 3600
    minute = rest % 3600 / 60
    second = rest % 60
  }

  /// `20260102`.
  package var compactDate: String { Self.padded(year, 4) + Self.padded(month) + Self.padded(day) }
  /// `030405`.
  package var compactTime: String {
    Self.padded(hour) + Self.padded(minute) + Self.padded(second)
  }
  /// `2026-01-02 03:04:05`.
  package var text: String {
    "\(Self.padded(year, 4))-\(Self.padded(month))-\(Self.padded(day)) \(clock)"
  }
  /// `03:04:05`.
  package var clock: String {
    "\(Self.padded(hour)):\(Self.padded(minute)):\(Self.padded(second))"
  }

  private static func padded(_ value: Int64, _ width: Int = 2) -> String {
    let digits = "\(value)"
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}
