extension MetricDescription {
  /// Nanoseconds over which the kernel itself has averaged a level when it is read, nil where it is
  /// one of the moment: `avg10`, `avg60` and `avg300` of pressure, whoseever it is, and the load
  /// averages. What is read before so much of a bracket has passed tells of what was before it.
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

  /// Whether a level is itself the most that there has been, as the kernel keeps it of a control
  /// group: its mean over a bracket would say nothing.
  package var isPeak: Bool {
    kind == .gauge && (name.hasSuffix(".peak") || name.hasSuffix(".max_usage_in_bytes"))
  }
}
