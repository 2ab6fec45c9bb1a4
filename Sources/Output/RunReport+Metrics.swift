import RunAnalysis
import SampleModel

/// In which order the table of metrics has its rows.
package enum MetricOrder: String, Sendable, CaseIterable {
  /// By name.
  case name
  /// By unit, and there the greatest median first: amounts of two units have no order.
  case median
  /// The greatest median absolute deviation in terms of the median first; a median of 0 last.
  case spread

  /// The rows in this order; equal ones by name.
  func sorted(_ rows: [MetricSummary]) -> [MetricSummary] {
    switch self {
    case .name: rows.sorted { $0.metric < $1.metric }
    case .median:
      rows.sorted { ($0.unit, $1.median, $0.metric) < ($1.unit, $0.median, $1.metric) }
    case .spread:
      rows.sorted { (Self.spread($1), $0.metric) < (Self.spread($0), $1.metric) }
    }
  }

  private static func spread(_ row: MetricSummary) -> Double {
    row.median == 0 ? -1 : row.medianAbsoluteDeviation / row.median.magnitude
  }

  /// The same of a recording, whose rows have a mean in place of a median, and whose spread is from
  /// the median to the 95th percentile.
  func sorted(_ rows: [RecordedMetric]) -> [RecordedMetric] {
    switch self {
    case .name: rows.sorted { $0.metric < $1.metric }
    case .median: rows.sorted { ($0.unit, $1.median, $0.metric) < ($1.unit, $0.median, $1.metric) }
    case .spread: rows.sorted { (Self.spread($1), $0.metric) < (Self.spread($0), $1.metric) }
    }
  }

  private static func spread(_ row: RecordedMetric) -> Double {
    row.median == 0 ? -1 : (row.percentile95 - row.median) / row.median.magnitude
  }
}

/// The table of a phase's metrics.
extension RunReport {
  /// A phase's summary; of several phases, only of what is the workload's own.
  static func summary(
    _ phase: PhaseResult, of run: String, all: Bool, isOnly: Bool, sort: MetricOrder?
  ) -> [String] {
    let rows = ownRows(phase)
    var shown = rows.filter { all || isOnly || isOfWorkload($0.metric) }.filter {
      // A metric that was asked for by name is shown even if it is zero.
      all || $0.metric.hasPrefix("workload.")
        || ($0.minimum != 0 || $0.maximum != 0) && !isTimeOfCounting($0.metric)
    }
    guard !shown.isEmpty else { return [] }
    if let sort { shown = sort.sorted(shown) }
    let peaks = peaks(phase, shown)
    var table = [["metric", "median", "min", "max", "MAD", "median's 95 % CI"]]
    if !peaks.isEmpty { table[0].append("peak") }
    var marks: [String] = []
    var hasTicks = false
    for row in shown {
      var name = row.metric
      if let running = row.running {
        name += " ~"
        marks.append("\(row.metric) \(Readable.percent(running))")
      }
      if isOfTicks(row) {
        name += " ±"
        hasTicks = true
      }
      var interval = "-"
      if let low = row.medianLow, let high = row.medianHigh {
        interval = "\(value(low, row.unit)) … \(value(high, row.unit))"
      }
      table.append([
        name, value(row.median, row.unit), value(row.minimum, row.unit),
        value(row.maximum, row.unit), value(row.medianAbsoluteDeviation, row.unit), interval,
      ])
      if !peaks.isEmpty { table[table.count - 1].append(peaks[row.metric] ?? "") }
    }
    var lines = [""] + TextTable.lines(table, leftColumns: 1)
    if hasTicks {
      lines.append(
        "± counted in kernel clock ticks (usually 10 ms): a difference of one or two ticks is not "
          + "significant")
    }
    lines += unsampledLevels(phase)
    let hidden = rows.count - shown.count
    if hidden > 0 {
      let (are, them) = hidden == 1 ? ("is", "it") : ("are", "them")
      lines.append(
        "(\(Counted.text(hidden, "metric")) \(are) not shown; lbsample runs show \(run) --all "
          + "shows \(them))")
    }
    if !marks.isEmpty {
      lines.append(
        "~ counted for part of the time, and scaled: at least \(marks.joined(separator: ", "))")
    }
    return lines + partial(shown)
  }

  /// Whether a metric is of the workload or of its processes, not of the host.
  static func isOfWorkload(_ metric: String) -> Bool {
    !metric.contains(".") || metric.hasPrefix("workload.") || metric.hasPrefix("tree.")
  }

  /// A phase's metrics without what levels and rates did within a repetition.
  static func ownRows(_ phase: PhaseResult) -> [MetricSummary] {
    let names = Set(phase.metrics.map(\.metric))
    return phase.metrics.filter { !isOfCourse($0.metric, names) }
  }

  /// What a level or rate did within a repetition: it stands beside the metric, not in a row of its
  /// own.
  private static func isOfCourse(_ name: String, _ names: Set<String>) -> Bool {
    MetricCourse.base(of: name).map(names.contains) ?? false
  }

  /// Of each metric the greatest level, or rate, that a repetition had: the median of them.
  private static func peaks(_ phase: PhaseResult, _ shown: [MetricSummary]) -> [String: String] {
    let rows = Dictionary(phase.metrics.map { ($0.metric, $0) }) { first, _ in first }
    var peaks: [String: String] = [:]
    for row in shown {
      if let peak = rows[row.metric + ".max"] {
        let text = value(peak.median, peak.unit)
        if text != value(row.median, row.unit) { peaks[row.metric] = text }
      } else if let rate = rows[row.metric + ".rate.max"] {
        peaks[row.metric] =
          rate.unit == "1" ? Readable.percent(rate.median) : value(rate.median, rate.unit)
      }
    }
    return peaks
  }

  /// A workload that ended before its first sample has no levels; its counters are whole.
  private static func unsampledLevels(_ phase: PhaseResult) -> [String] {
    let names = phase.metrics.filter { $0.metric.hasPrefix("tree.") }.map(\.metric)
    guard names.contains("tree.exits"), !names.contains("tree.processes") else { return [] }
    return [
      "gauges of the workload's tree (memory, processes, threads) are missing: no sample was taken "
        + "between the opening and the closing sample; use a shorter --interval"
    ]
  }

  /// Metrics that not every repetition has, by the repetitions that have them.
  private static func partial(_ rows: [MetricSummary]) -> [String] {
    var order: [[Int]] = []
    var names: [[Int]: [String]] = [:]
    for row in rows {
      guard let repetitions = row.repetitions else { continue }
      if names[repetitions] == nil { order.append(repetitions) }
      names[repetitions, default: []].append(row.metric)
    }
    return order.map { repetitions in
      "from repetition\(repetitions.count > 1 ? "s" : "") "
        + repetitions.map(String.init).joined(separator: ", ") + " only: "
        + (names[repetitions] ?? []).joined(separator: ", ")
    }
  }

  /// A time below a hundred ticks that the kernel counts in them: it stands beside exact ones.
  private static func isOfTicks(_ row: MetricSummary) -> Bool {
    let ofTree: Set = ["tree.utime", "tree.stime", "tree.guest_time", "tree.unseen_time"]
    return row.unit == "ns" && row.median < 1e9
      && (row.metric.hasPrefix("cpu.") || ofTree.contains(String(row.metric.prefix { $0 != "[" })))
  }

  /// For how long a group was counted: its share is marked where it is not all.
  private static func isTimeOfCounting(_ metric: String) -> Bool {
    ["perf.time_enabled[", "perf.time_running[", "perf.running["].contains {
      metric.hasPrefix($0)
    }
  }
}
