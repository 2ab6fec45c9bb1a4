import ArgumentParser
import Runner
import SampleModel

/// Numbers that are read from the workload's output.
struct WorkloadMetricOptions: ParsableArguments {
  @Option(
    name: .customLong("metric"),
    help: ArgumentHelp(
      "Read a number from the workload's output by a regular expression, of the last line that "
        + "matches its first group; may be repeated.", valueName: "name[unit]=regex"))
  var metrics: [String] = []
  @Option(
    name: .customLong("metric-json"),
    help: ArgumentHelp(
      "Read a number from an output that is JSON, as jobs[0].read.iops; may be repeated.",
      valueName: "name[unit]=path"))
  var jsonMetrics: [String] = []
  @Option(
    name: .customLong("metric-missing"),
    help: ArgumentHelp(
      "What an output without such a number means: fail, or note: a warning", valueName: "what"))
  var metricMissing = "fail"

  /// What was asked for, as it stands in a result's configuration; nil for nothing.
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
        .configuration, "\(metric.name) is named twice: give each metric a name of its own")
    }
    return read
  }

  /// Whether an output without one of them fails its repetition.
  func areRequired() throws(LBError) -> Bool {
    guard ["fail", "note"].contains(metricMissing) else {
      throw LBError(.configuration, "--metric-missing \(metricMissing): expected fail or note")
    }
    return metricMissing == "fail"
  }

  private static func metric(
    _ text: String, _ option: String, _ place: (String) -> WorkloadMetric.Place
  ) throws(LBError) -> WorkloadMetric {
    do throws(WorkloadMetricError) {
      return try WorkloadMetric(text, place)
    } catch {
      throw LBError(.configuration, "\(option) \(text): \(error.reason)")
    }
  }
}
