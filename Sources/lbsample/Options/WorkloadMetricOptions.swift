import ArgumentParser
import Runner
import SampleModel

/// Metrics that are read from the workload's output.
struct WorkloadMetricOptions: ParsableArguments {
  @Option(
    name: .customLong("metric"),
    help: ArgumentHelp(
      "Read a number from the workload's output by a regular expression: the first capture group "
        + "in the last matching line. May be repeated.", valueName: "name[unit]=regex"))
  var metrics: [String] = []
  @Option(
    name: .customLong("metric-json"),
    help: ArgumentHelp(
      "Read a number from JSON output by its path, such as jobs[0].read.iops; may be repeated.",
      valueName: "name[unit]=path"))
  var jsonMetrics: [String] = []
  @Option("output.metric_missing") var metricMissing: Given?

  /// The metrics as one text for a result's configuration; nil without metrics.
  var text: String? {
    metrics.isEmpty && jsonMetrics.isEmpty ? nil : (metrics + jsonMetrics).joined(separator: "; ")
  }

  /// The metrics, each checked.
  func read() throws(LBError) -> [WorkloadMetric] {
    let read =
      try metrics.map { text throws(LBError) in
        try Self.metric(text, "--metric") { .pattern($0) }
      }
      + jsonMetrics.map { text throws(LBError) in
        try Self.metric(text, "--metric-json") { .json($0) }
      }
    var seen = Set<String>()
    for metric in read where !seen.insert(metric.name).inserted {
      throw LBError(
        .configuration, "\(metric.name) is given twice: give each metric a different name")
    }
    return read
  }

  private static func metric(
    _ text: String, _ option: String, _ source: (String) -> WorkloadMetric.Source
  ) throws(LBError) -> WorkloadMetric {
    do throws(WorkloadMetricError) {
      return try WorkloadMetric(text, source)
    } catch {
      throw LBError(.configuration, "\(option) \(text): \(error.reason)")
    }
  }
}
