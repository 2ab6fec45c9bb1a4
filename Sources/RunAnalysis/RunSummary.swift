package import SampleModel

/// Summaries over the counted, completed repetitions of a run.
package enum RunSummary {
  /// The name under which the wall time of a repetition is summarised.
  package static let wallTime = "wall_time"

  /// What the executor itself knows of an attempt.
  private static var own: [(name: String, value: (AttemptResult) -> UInt64?, unit: String)] {
    [
      (wallTime, \.wallNanoseconds, "ns"),
      ("user_time", \.userNanoseconds, "ns"),
      ("system_time", \.systemNanoseconds, "ns"),
      ("peak_resident", \.peakResidentBytes, "bytes"),
      ("voluntary_switches", \.voluntarySwitches, "count"),
      ("involuntary_switches", \.involuntarySwitches, "count"),
    ]
  }

  /// What the executor itself knows of an attempt, by name and in base units.
  static func ownValues(of attempt: AttemptResult) -> [(name: String, value: Double)] {
    own.compactMap { one in one.value(attempt).map { (name: one.name, value: Double($0)) } }
  }

  /// The base units of what the executor itself knows of an attempt, by name.
  package static var ownUnits: [String: String] {
    Dictionary(own.map { ($0.name, $0.unit) }) { first, _ in first }
  }

  /// The values of one metric over the completed attempts at a phase's counted repetitions.
  package static func values(of metric: String, in phase: PhaseResult) -> [Double] {
    let attempts = phase.repetitions.filter { !$0.warmUp }.flatMap(\.attempts).filter {
      $0.status == .completed
    }
    if let own = own.first(where: { $0.name == metric }) {
      return attempts.compactMap(own.value).map { Double($0) }
    }
    return attempts.compactMap { amount(metric, $0) }
  }

  /// An attempt's value of a metric, in its base unit; nil where it has none.
  package static func value(of metric: String, in attempt: AttemptResult) -> Double? {
    if let own = own.first(where: { $0.name == metric }) {
      return own.value(attempt).map { Double($0) }
    }
    return amount(metric, attempt)
  }

  /// An attempt's value of a metric. A level that stood still has no `.min` and `.max`: it is both.
  private static func amount(_ metric: String, _ attempt: AttemptResult) -> Double? {
    amount(metric) { attempt.metrics[$0] }
  }

  /// The same of any source of values.
  static func amount(_ metric: String, _ value: (String) -> Double?) -> Double? {
    if let amount = value(metric) { return amount }
    guard metric.hasSuffix(".min") || metric.hasSuffix(".max") else { return nil }
    return value(String(metric.dropLast(4)))
  }

  /// The metrics that the completed attempts at a phase's counted repetitions have.
  package static func names(in phase: PhaseResult) -> [String] {
    let attempts = phase.repetitions.filter { !$0.warmUp }.flatMap(\.attempts).filter {
      $0.status == .completed
    }
    let measured = Set(attempts.flatMap(\.metrics.keys)).sorted()
    return own.filter { one in attempts.contains { one.value($0) != nil } }.map(\.name) + measured
  }

  /// One row a metric: wall time first, the workload's own usage next, then the host's metrics by
  /// name, over the counted repetitions that have it. Median intervals at `confidence`, where there
  /// are enough repetitions for one.
  ///
  /// Every completed attempt is a value, so that repeats of disturbed attempts do not bias the
  /// summary; `clean` leaves out those that were. `running` names the metric that says for how much
  /// of its time another one was counted.
  package static func rows(
    of phase: PhaseResult, clean: Bool = false, confidence: Double = 0.95, unit: (String) -> String,
    running: (String) -> String? = { _ in nil }
  ) -> [MetricSummary] {
    let pairs = phase.repetitions.filter { !$0.warmUp }.flatMap { repetition in
      repetition.attempts.filter {
        $0.status == .completed && (!clean || $0.contamination.isEmpty)
      }.map { (repetition.repetition, $0) }
    }
    var rows: [MetricSummary] = []
    func add(
      _ name: String, _ unit: String, running: String? = nil, _ value: (AttemptResult) -> Double?
    ) {
      let having = pairs.filter { value($0.1) != nil }
      guard var row = row(name, unit, having.compactMap { value($0.1) }, confidence) else { return }
      if having.count < pairs.count { row.repetitions = having.map(\.0) }
      let shares = running.map { share in having.compactMap { $0.1.metrics[share] } } ?? []
      row.running = shares.min().flatMap { $0 < 1 ? $0 : nil }
      rows.append(row)
    }
    for (name, value, unit) in own { add(name, unit) { value($0).map { Double($0) } } }
    let names = pairs.reduce(into: Set<String>()) { $0.formUnion($1.1.metrics.keys) }
    for name in names.sorted() {
      add(name, unit(name), running: running(name)) { amount(name, $0) }
    }
    return rows
  }

  /// The rows of attempts of which only the metrics are known: the brackets of an armed sampler,
  /// each of them the completed attempt of one repetition.
  package static func rows(
    of columns: MetricColumns, confidence: Double = 0.95, unit: (String) -> String,
    running: (String) -> String? = { _ in nil }
  ) -> [MetricSummary] {
    let attempts = columns.repetitions.indices
    return columns.names.sorted().compactMap { name -> MetricSummary? in
      func amount(_ attempt: Int) -> Double? {
        Self.amount(name) { columns.value(of: $0, at: attempt) }
      }
      let having = attempts.filter { amount($0) != nil }
      guard var row = row(name, unit(name), having.compactMap(amount), confidence) else {
        return nil
      }
      if having.count < attempts.count {
        row.repetitions = having.map { columns.repetitions[$0] }
      }
      let shares =
        running(name).map { share in having.compactMap { columns.value(of: share, at: $0) } } ?? []
      row.running = shares.min().flatMap { $0 < 1 ? $0 : nil }
      return row
    }
  }

  private static func row(
    _ name: String, _ unit: String, _ values: [Double], _ confidence: Double
  ) -> MetricSummary? {
    guard let median = Statistics.median(values), let low = values.min(),
      let high = values.max(),
      let deviation = Statistics.medianAbsoluteDeviation(values)
    else { return nil }
    let interval = Statistics.medianInterval(values, confidence: confidence)
    return MetricSummary(
      metric: name, unit: unit, count: values.count, median: median, minimum: low,
      maximum: high, medianAbsoluteDeviation: deviation, medianLow: interval?.low,
      medianHigh: interval?.high)
  }
}
