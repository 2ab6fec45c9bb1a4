/// Base units of the metrics of a run's brackets by name, from the layouts.
package struct MetricUnits: Sendable, Equatable {
  private var units: [String: String] = [:]
  private var shares: [String: String] = [:]

  /// The units of all columns of these layouts.
  package init(_ layouts: [Layout]) {
    for layout in layouts {
      for column in layout.shown { units[column.name] = column.metric.unit.rawValue }
      for column in layout.columns { shares[column.name] = column.share }
    }
  }

  /// Adds a metric without a column, such as the workload's own.
  package mutating func add(_ name: String, _ unit: String) {
    if units[name] == nil { units[name] = unit }
  }

  /// The unit of a metric, also with the suffix of a range or a rate; nil if unknown.
  package func unit(of name: String) -> String? {
    if let unit = units[name] { return unit }
    for suffix in [".rate.mean", ".rate.max", ".rate.p50", ".rate.p95"] {
      guard name.hasSuffix(suffix), let unit = units[String(name.dropLast(suffix.count))] else {
        continue
      }
      // Time per time is a fraction; everything else is per second.
      return unit == MetricUnit.nanoseconds.rawValue ? "1" : unit + "/s"
    }
    for suffix in [".min", ".max"] where name.hasSuffix(suffix) {
      return units[String(name.dropLast(suffix.count))]
    }
    return nil
  }

  /// The name of a metric's share of time counted; nil if it is always counted.
  package func share(of name: String) -> String? { shares[name] }
}

extension MetricDescription {
  /// The unit of its values, or of a counter's rates: time by time is a ratio.
  package func shownUnit(isRate: Bool) -> String {
    guard isRate, kind != .gauge else { return unit.rawValue }
    return unit == .nanoseconds ? MetricUnit.ratio.rawValue : unit.rawValue + "/s"
  }
}
