/// Parses and formats shares of one CPU.
package enum Share {
  /// 0.005 of `0.5%`; nil for anything else.
  package static func parse(_ text: String) -> Double? {
    guard text.hasSuffix("%"), let percent = Double(decimal: text.dropLast()), percent > 0,
      percent <= 100
    else { return nil }
    return percent / 100
  }

  /// `0.5%` for 0.005: as many digits as needed, at most four after the point.
  package static func text(_ fraction: Double) -> String {
    let percent = (fraction * 1e6).rounded() / 1e4
    return (percent == percent.rounded() ? "\(Int64(percent))" : "\(percent)") + "%"
  }
}
