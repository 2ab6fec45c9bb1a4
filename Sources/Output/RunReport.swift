package import SampleModel

/// A run's result for people: status, repetitions, summary, own cost.
package enum RunReport {
  /// The whole report. Summary rows that never move are left out unless `all`.
  package static func text(_ result: RunResult, all: Bool = false) -> String {
    var lines: [String] = []
    let started = CivilTime(unixSeconds: Int64(result.startUnixNanoseconds / 1_000_000_000))
    lines.append("run      \(result.runID)")
    var status = "status   \(result.status.rawValue)"
    if let duration = result.durationNanoseconds { status += " in \(Readable.duration(duration))" }
    lines.append(status)
    lines.append("started  \(started.text) UTC")
    for (key, value) in result.labels.sorted(by: { $0.key < $1.key }) {
      lines.append("label    \(key)=\(value)")
    }
    for phase in result.phases where !phase.command.isEmpty {
      lines.append("command  \(phase.command.joined(separator: " "))")
    }
    for missing in result.unavailable {
      lines.append("without  \(missing.collector): \(missing.outcome): \(missing.reason)")
    }
    lines += repetitions(result)
    lines += summary(result, all: all)
    for repetition in result.phases.flatMap(\.repetitions) {
      for attempt in repetition.attempts where attempt.outputBytesKept < attempt.outputBytes {
        lines.append(
          "note     \(name(repetition)): \(attempt.outputBytesKept) of "
            + "\(attempt.outputBytes) bytes of output are kept")
      }
    }
    for warning in result.warnings { lines.append("warning  \(warning)") }
    for error in result.errors { lines.append("error    \(error)") }
    if let file = result.file { lines.append("file     \(file)") }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func repetitions(_ result: RunResult) -> [String] {
    let all = result.phases.flatMap(\.repetitions)
    guard !all.isEmpty else { return [] }
    if result.kind == "sample" {
      guard let only = all.first?.attempts.first else { return [] }
      guard let overhead = only.overhead else {
        return ["", "ledger and own cost are missing: the recording was cut off or still runs"]
      }
      return ["", LedgerText.line(only.ledger, overhead)]
    }
    var rows = [
      [
        "repetition", "status", "exit", "wall", "user", "system", "samples", "late", "skipped",
        "own cost",
      ]
    ]
    for repetition in all {
      guard let attempt = repetition.attempts.last else {
        rows.append([name(repetition), repetition.status.rawValue])
        continue
      }
      let ticks = attempt.ledger.ticks
      let taken = ticks.onTime + ticks.late + 2
      rows.append([
        name(repetition), repetition.status.rawValue,
        attempt.exitCode.map { "\($0)" } ?? attempt.signal.map { "sig \($0)" } ?? "-",
        attempt.wallNanoseconds.map(Readable.duration) ?? "-",
        attempt.userNanoseconds.map(Readable.duration) ?? "-",
        attempt.systemNanoseconds.map(Readable.duration) ?? "-",
        attempt.overhead == nil ? "-" : "\(taken)",
        attempt.overhead == nil ? "-" : "\(ticks.late)",
        attempt.overhead == nil ? "-" : "\(ticks.skipped)",
        attempt.overhead.map { Readable.percent($0.processFraction) } ?? "-",
      ])
    }
    return [""] + TextTable.lines(rows, leftColumns: 2)
  }

  private static func name(_ repetition: RepetitionResult) -> String {
    repetition.warmUp ? "warm-up \(repetition.repetition)" : "\(repetition.repetition)"
  }

  private static func summary(_ result: RunResult, all: Bool) -> [String] {
    let shown = result.metrics.filter {
      all || ($0.minimum != 0 || $0.maximum != 0) && !isTimeOfCounting($0.metric)
    }
    guard !shown.isEmpty else { return [] }
    var rows = [["metric", "median", "min", "max", "MAD", "median's 95 % CI"]]
    var marks: [String] = []
    for row in shown {
      var name = row.metric
      if let running = row.running {
        name += " ~"
        marks.append("\(row.metric) \(Readable.percent(running))")
      }
      var interval = "-"
      if let low = row.medianLow, let high = row.medianHigh {
        interval = "\(value(low, row.unit)) … \(value(high, row.unit))"
      }
      rows.append([
        name, value(row.median, row.unit), value(row.minimum, row.unit),
        value(row.maximum, row.unit), value(row.medianAbsoluteDeviation, row.unit), interval,
      ])
    }
    var lines = [""] + TextTable.lines(rows, leftColumns: 1)
    let hidden = result.metrics.count - shown.count
    if hidden > 0 {
      lines.append("(\(hidden) metrics that say nothing new are left out here; json has them)")
    }
    if !marks.isEmpty {
      lines.append(
        "~ counted for part of the time, and scaled: \(marks.joined(separator: ", ")) at the least")
    }
    return lines + partial(shown)
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

  /// For how long a group was counted: its share is marked where it is not all.
  private static func isTimeOfCounting(_ metric: String) -> Bool {
    ["perf.time_enabled[", "perf.time_running[", "perf.running["].contains {
      metric.hasPrefix($0)
    }
  }

  /// A value with its unit.
  package static func value(_ value: Double, _ unit: String) -> String {
    switch unit {
    case "ns": Readable.duration(UInt64(max(0, value.rounded())))
    case "bytes": Readable.bytes(value)
    default: Readable.count(value)
    }
  }
}

/// Columns of text, aligned by their widest cell.
package enum TextTable {
  /// One line a row; the first `leftColumns` stand left, the others right.
  package static func lines(_ rows: [[String]], leftColumns: Int) -> [String] {
    var widths: [Int] = []
    for row in rows {
      for (index, cell) in row.enumerated() {
        if index == widths.count { widths.append(0) }
        widths[index] = max(widths[index], cell.count)
      }
    }
    return rows.map { row in
      let cells = row.enumerated().map { index, cell in
        let pad = String(repeating: " ", count: widths[index] - cell.count)
        return index < leftColumns ? cell + pad : pad + cell
      }
      var line = cells.joined(separator: "  ")
      while line.hasSuffix(" ") { line.removeLast() }
      return line
    }
  }
}
