package import SampleModel

/// Summaries over the counted, completed repetitions of a run.
package enum RunSummary {
  /// The name under which the wall time of a repetition is summarised.
  package static let wallTime = "wall_time"

  /// One row a metric that every counted repetition has: wall time first, the workload's own
  /// usage next, then the host's metrics by name. Median intervals from three repetitions on.
  package static func rows(
    of phases: [PhaseResult], unit: (String) -> String
  ) -> [MetricSummary] {
    let attempts = phases.flatMap(\.repetitions)
      .filter { !$0.warmUp && $0.status == .completed }
      .compactMap { repetition in repetition.attempts.last { $0.status == .completed } }
    var rows: [MetricSummary] = []
    let own: [(String, (AttemptResult) -> UInt64?, String)] = [
      (wallTime, \.wallNanoseconds, "ns"),
      ("user_time", \.userNanoseconds, "ns"),
      ("system_time", \.systemNanoseconds, "ns"),
      ("peak_resident", \.peakResidentBytes, "bytes"),
    ]
    for (name, value, unit) in own {
      let values = attempts.compactMap(value).map { Double($0) }
      if values.count == attempts.count, let row = row(name, unit, values) { rows.append(row) }
    }
    let names = attempts.reduce(into: Set<String>()) { $0.formUnion($1.metrics.keys) }
    for name in names.sorted() {
      let values = attempts.compactMap { $0.metrics[name] }
      if let row = row(name, unit(name), values) { rows.append(row) }
    }
    return rows
  }

  private static func row(_ name: String, _ unit: String, _ values: [Double]) -> MetricSummary? {
    guard let median = Statistics.median(values), let low = values.min(),
      let high = values.max(),
      let deviation = Statistics.medianAbsoluteDeviation(values)
    else { return nil }
    // A series that never varies needs no resampling.
    let interval =
      low == high
      ? (values.count >= 3 ? Statistics.Interval(low: low, high: high) : nil)
      : Statistics.medianInterval(values)
    return MetricSummary(
      metric: name, unit: unit, count: values.count, median: median, minimum: low,
      maximum: high, medianAbsoluteDeviation: deviation, medianLow: interval?.low,
      medianHigh: interval?.high)
  }
}
