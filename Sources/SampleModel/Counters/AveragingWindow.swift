extension MetricDescription {
  /// Nanoseconds over which the kernel averages a level, nil if it does not: `avg10`, `avg60` and
  /// `avg300` of every pressure file, and the load averages. A reading earlier in a bracket
  /// includes time before the bracket.
  package var averagingWindow: UInt64? {
    guard kind == .gauge else { return nil }
    let last = name.split(separator: ".").last.map(String.init) ?? name
    switch last {
    case "avg10": return 10_000_000_000
    case "avg60": return 60_000_000_000
    case "avg300": return 300_000_000_000
    case "load1": return 60_000_000_000
    case "load5": return 300_000_000_000
    case "load15": return 900_000_000_000
    default: return nil
    }
  }

  /// Whether a level is a maximum so far, as the kernel keeps it for control groups: its mean over
  /// a bracket would be meaningless.
  package var isPeak: Bool {
    kind == .gauge && (name.hasSuffix(".peak") || name.hasSuffix(".max_usage_in_bytes"))
  }
}
