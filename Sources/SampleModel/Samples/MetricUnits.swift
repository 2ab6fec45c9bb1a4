/// Base units of what the brackets of a run measure, by name, as the layouts of its columns have
/// them.
package struct MetricUnits: Sendable, Equatable {
  private var units: [String: String] = [:]
  private var shares: [String: String] = [:]

  /// Those of all columns of these layouts.
  package init(_ layouts: [Layout]) {
    for layout in layouts {
      for column in layout.shown { units[column.name] = column.metric.unit.rawValue }
      for column in layout.columns { shares[column.name] = column.share }
    }
  }

  /// Adds a metric that no layout has, such as one of the workload's own.
  package mutating func add(_ name: String, _ unit: String) {
    if units[name] == nil { units[name] = unit }
  }

  /// The unit of a metric, or of the range of a level or the rate of a counter by its suffix; nil
  /// where nothing says it.
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

  /// The name of the share of its time for which a metric was counted; nil for what always is.
  package func share(of name: String) -> String? { shares[name] }
}
