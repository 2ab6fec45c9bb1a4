/// Parses and formats shares: of a whole, or of one CPU, of which a host may have many.
package enum Share {
  /// The most CPUs that a share of one CPU may be, 100,000 %.
  package static let mostCPUs = 1000.0

  /// 0.005 of `0.5%`; nil for anything else, and above `most`.
  package static func parse(_ text: String, most: Double = 1) -> Double? {
    guard text.hasSuffix("%"), let percent = Double(decimal: text.dropLast()), percent > 0,
      percent <= 100 * most
    else { return nil }
    return percent / 100
  }

  /// `0.5%` for 0.005: as many digits as needed, at most four after the point.
  package static func text(_ fraction: Double) -> String {
    let percent = (fraction * 1e6).rounded() / 1e4
    return (percent == percent.rounded() ? "\(Int64(percent))" : "\(percent)") + "%"
  }
}
