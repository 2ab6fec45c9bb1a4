/// A benchmark tool: how it is started so that its report can be read, and the metrics of the
/// report.
package protocol WorkloadAdapter: Sendable {
  /// The command, which is also the tool's name in plans.
  var tool: String { get }
  /// The whole command line, with the plan's arguments.
  func command(_ arguments: [String]) -> [String]
  /// The metrics of its report.
  var metrics: [WorkloadMetric] { get }
}

/// iperf3: throughput between two ends, from `--json`. Many versions have one sum for both ends of
/// a UDP test.
struct IperfAdapter: WorkloadAdapter {
  let tool = "iperf3"
  func command(_ arguments: [String]) -> [String] { [tool, "--json"] + arguments }

  var metrics: [WorkloadMetric] {
    [
      WorkloadMetric(
        "sent", "bits/s",
        .anyJSON(["end.sum_sent.bits_per_second", "end.sum.bits_per_second"])),
      WorkloadMetric(
        "received", "bits/s",
        .anyJSON(["end.sum_received.bits_per_second", "end.sum.bits_per_second"])),
      WorkloadMetric("cpu_host", "%", .json("end.cpu_utilization_percent.host_total")),
      WorkloadMetric("cpu_remote", "%", .json("end.cpu_utilization_percent.remote_total")),
    ]
  }
}

/// fio: storage, from `--output-format=json`; `--group_reporting` makes one report of all jobs.
struct FioAdapter: WorkloadAdapter {
  let tool = "fio"
  func command(_ arguments: [String]) -> [String] {
    [tool, "--output-format=json", "--group_reporting"] + arguments
  }

  var metrics: [WorkloadMetric] {
    ["read", "write"].flatMap { direction in
      [
        WorkloadMetric("\(direction)_iops", "1/s", .json("jobs[0].\(direction).iops")),
        WorkloadMetric("\(direction)_bw", "bytes/s", .json("jobs[0].\(direction).bw_bytes")),
        WorkloadMetric("\(direction)_lat_mean", "ns", .json("jobs[0].\(direction).lat_ns.mean")),
      ]
    }
  }
}

/// stress-ng: operations of its stressor (the last one of several), from `--metrics-brief`. A line
/// is `stress-ng: metrc: [1] cpu  1234  1.00  0.99  0.00  1234.00  1246.46`; earlier versions have
/// `info:` in place of `metrc:`.
struct StressNgAdapter: WorkloadAdapter {
  let tool = "stress-ng"
  func command(_ arguments: [String]) -> [String] { [tool, "--metrics-brief"] + arguments }

  var metrics: [WorkloadMetric] {
    let start = #"(?:metrc|metrics|info): *\[[0-9]+\] +[a-z][a-z0-9_-]* +"#
    return [
      WorkloadMetric(
        "bogo_ops", "count", .pattern(start + #"([0-9]+)(?: +[0-9.]+){4}"#)),
      WorkloadMetric(
        "bogo_ops_rate", "1/s", .pattern(start + #"(?:[0-9.]+ +){4}([0-9.]+)"#)),
    ]
  }
}
