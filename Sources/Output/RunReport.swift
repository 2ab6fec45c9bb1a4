package import RunAnalysis
package import SampleModel

/// A run's result for people: status, repetitions, summary, overhead.
package enum RunReport {
  /// The whole report. Summary rows that never move are left out unless `all`; `name` is what its
  /// reader calls the run, nil for its id; `findings` are those of it before metrics were chosen.
  package static func text(
    _ result: RunResult, all: Bool = false, name: String? = nil, findings: RunFindings? = nil
  ) -> String {
    let findings = findings ?? RunFindings(result)
    var lines: [String] = []
    let started = CivilTime(unixSeconds: Int64(result.startUnixNanoseconds / 1_000_000_000))
    lines.append("run      \(result.runID)")
    var status = "status   \(result.status.rawValue)"
    if let duration = result.durationNanoseconds { status += " in \(Readable.duration(duration))" }
    lines.append(status)
    lines.append("started  \(started.text) UTC")
    for (key, value) in result.labels.sorted(by: { $0.key < $1.key })
    where !RunResult.ownLabels.contains(key) {
      lines.append("label    \(key)=\(value)")
    }
    if let wall = result.labels[RunResult.startWallLabel],
      let cpu = result.labels[RunResult.startCPULabel]
    {
      lines.append(
        "start    an empty program takes \(wall) wall time and \(cpu) CPU time; each repetition "
          + "includes this")
    }
    let isPlain = result.phases.count == 1
    for phase in result.phases where isPlain && !phase.command.isEmpty {
      lines.append("command  \(phase.command.joined(separator: " "))")
    }
    for missing in result.unavailable {
      lines.append("skipped  \(missing.collector): \(missing.reason)")
    }
    if result.kind == "sample" { lines += recording(result) }
    for phase in result.phases where result.kind != "sample" {
      if !isPlain { lines += heading(phase) }
      lines += repetitions(phase)
      lines += summary(phase, of: name ?? result.runID, all: all, isOnly: isPlain)
      lines += FindingLines.text(findings[phase.name])
      lines += notes(phase)
    }
    if !isPlain { lines += comparison(result) }
    if let changes = result.labels[RunResult.columnsLabel] {
      lines.append("columns  changed during sampling, number of times: \(changes)")
    }
    for warning in result.warnings { lines.append("warning  \(warning)") }
    lines += errors(result)
    if let file = result.file { lines.append("file     \(file)") }
    return lines.map { $0.shownInLine + "\n" }.joined()
  }

  /// What a plain recording says in place of repetitions.
  private static func recording(_ result: RunResult) -> [String] {
    guard let only = result.phases.first?.repetitions.first?.attempts.first else { return [] }
    guard let overhead = only.overhead else {
      let reason =
        result.status == .running
        ? "not written until the recording ends" : "lost, the recording was interrupted"
      return ["", "ledger and overhead: \(reason)"]
    }
    return ["", LedgerText.line(only.ledger, overhead)]
  }

  /// A phase of several.
  private static func heading(_ phase: PhaseResult) -> [String] {
    var lines = ["", "phase    \(phase.name): \(phase.status.rawValue)"]
    if !phase.command.isEmpty {
      lines.append("command  \(phase.command.joined(separator: " "))")
    }
    if let note = phase.note { lines.append("note     \(note)") }
    if let other = phase.replacedBy { lines.append("note     \(other) took its place") }
    return lines
  }

  /// The run's errors. An error of several repetitions stands once, with their numbers.
  private static func errors(_ result: RunResult) -> [String] {
    var groups: [(error: LBError, repetitions: [Int])] = []
    var places: [LBError: Int] = [:]
    for error in result.errors {
      guard let number = error.context.repetition else {
        groups.append((error, []))
        continue
      }
      var shared = error
      shared.context.repetition = nil
      shared.context.attempt = nil
      if let place = places[shared] {
        groups[place].repetitions.append(number)
      } else {
        places[shared] = groups.count
        groups.append((shared, [number]))
      }
    }
    return groups.map { error, repetitions in
      let phase = result.phases.first { $0.name == error.context.phase }
      let isPlain = result.phases.count == 1
      guard !repetitions.isEmpty, !isPlain || phase?.repetitions.count ?? 0 > 1 else {
        return "error    \(error)"
      }
      let place = isPlain ? "" : "\(error.context.phase ?? ""), "
      let whose = error.context.isWarmUp == true ? "warm-up" : "repetition"
      return "error    \(place)\(numbered(whose, repetitions)): \(error)"
    }
  }

  /// "repetition 3", or "repetitions 1-4, 7".
  private static func numbered(_ thing: String, _ numbers: [Int]) -> String {
    var ranges: [ClosedRange<Int>] = []
    for number in Set(numbers).sorted() {
      if let last = ranges.last, number == last.upperBound + 1 {
        ranges[ranges.count - 1] = last.lowerBound...number
      } else {
        ranges.append(number...number)
      }
    }
    let text = ranges.map {
      $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
    }
    return thing + (ranges.count == 1 && ranges[0].count == 1 ? " " : "s ")
      + text.joined(separator: ", ")
  }

  /// What a reader of a phase's repetitions should know.
  private static func notes(_ phase: PhaseResult) -> [String] {
    var lines: [String] = []
    if let run = phase.provenance?.takenFrom {
      lines.append("note     measured by \(run) and taken from it (--reuse)")
    }
    for repetition in phase.repetitions {
      for attempt in repetition.attempts {
        let number = repetition.warmUp ? name(repetition) : "repetition \(name(repetition))"
        let place =
          number + (repetition.attempts.count > 1 ? ", attempt \(attempt.attempt)" : "")
        for reason in attempt.contamination {
          lines.append("note     \(place) is contaminated: \(reason)")
        }
      }
    }
    let cut = phase.repetitions.flatMap(\.attempts).filter { $0.outputBytesKept < $0.outputBytes }
    if let most = cut.max(by: { $0.outputBytes < $1.outputBytes }) {
      let whose = cut.count == 1 ? "one attempt's output" : "the output of \(cut.count) attempts"
      lines.append(
        "note     \(whose) is kept in part (run.output_limit): \(most.outputBytesKept) of "
          + "\(most.outputBytes) bytes of the longest")
    }
    if let all = phase.metrics.first, let clean = phase.cleanMetrics.first {
      lines.append(
        "note     median of \(clean.metric): \(value(clean.median, clean.unit)) over "
          + "\(Counted.text(clean.count, "clean attempt")), "
          + "\(value(all.median, all.unit)) over all \(all.count)")
    }
    return lines
  }

  /// The phases side by side, by their wall times, each with how sure its ratio is.
  private static func comparison(_ result: RunResult) -> [String] {
    let measured = result.phases.compactMap { phase in
      phase.metrics.first { $0.metric == RunSummary.wallTime }.map { (phase, $0) }
    }
    guard measured.count > 1,
      let (best, fastest) = measured.min(by: { $0.1.median < $1.1.median }), fastest.median > 0
    else { return [] }
    func times(_ phase: PhaseResult) -> [Double] {
      RunSummary.values(of: RunSummary.wallTime, in: phase)
    }
    let base = times(best)
    var isUnsure = false
    var rows = [
      ["phase", "repetitions", "wall time", "min", "max", "ratio to fastest", "95 % CI", "command"]
    ]
    for (phase, row) in measured {
      var interval = "-"
      if phase.name != best.name {
        let found = Statistics.ratioOfMedians(times(phase), base)?.interval
        isUnsure = isUnsure || found == nil
        interval =
          found.map { "\(Readable.fixed($0.low, 2)) … \(Readable.fixed($0.high, 2))" } ?? "unknown"
      }
      let command = phase.command.joined(separator: " ")
      rows.append([
        phase.name, "\(row.count)", value(row.median, row.unit), value(row.minimum, row.unit),
        value(row.maximum, row.unit), "\(Readable.fixed(row.median / fastest.median, 2)) ×",
        interval, command.count > 40 ? "\(command.prefix(39))…" : command,
      ])
    }
    let note =
      isUnsure ? ["the 95 % CI of a ratio needs at least 7 repetitions of both phases"] : []
    return [""] + TextTable.lines(rows, leftColumns: 1) + note
  }

  private static func repetitions(_ phase: PhaseResult) -> [String] {
    guard !phase.repetitions.isEmpty else { return [] }
    var rows = [
      [
        "repetition", "status", "exit", "wall", "user", "system", "samples", "late", "skipped",
        "overhead",
      ]
    ]
    for repetition in phase.repetitions {
      guard let attempt = repetition.standing else {
        rows.append([name(repetition), repetition.status.rawValue])
        continue
      }
      let ticks = attempt.ledger.ticks
      let taken = ticks.onTime &+ ticks.late &+ 2
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

  /// A phase's summary; of several phases, only of what is the workload's own.
  private static func summary(
    _ phase: PhaseResult, of run: String, all: Bool, isOnly: Bool
  ) -> [String] {
    let names = Set(phase.metrics.map(\.metric))
    let rows = phase.metrics.filter { !isOfCourse($0.metric, names) }
    let shown = rows.filter {
      all || isOnly || $0.metric.hasPrefix("workload.") || !$0.metric.contains(".")
    }.filter {
      // What was asked for by name is said, and be it zero.
      all || $0.metric.hasPrefix("workload.")
        || ($0.minimum != 0 || $0.maximum != 0) && !isTimeOfCounting($0.metric)
    }
    guard !shown.isEmpty else { return [] }
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
        "~ counted for part of the time, and scaled: \(marks.joined(separator: ", ")) at the least")
    }
    return lines + partial(shown)
  }

  /// What a level or rate did within a repetition: it stands beside the metric, not in a row of its
  /// own.
  private static func isOfCourse(_ name: String, _ names: Set<String>) -> Bool {
    base(of: name).map(names.contains) ?? false
  }

  /// The metric of which this name says what it was within a repetition; nil for any other name.
  package static func base(of name: String) -> String? {
    [".rate.mean", ".rate.max", ".rate.p50", ".rate.p95", ".min", ".max"].first {
      name.hasSuffix($0)
    }.map { String(name.dropLast($0.utf8.count)) }
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

  /// A value with its unit: times and bytes in the multiple that fits, all digits of a count.
  package static func value(_ value: Double, _ unit: String) -> String {
    switch unit {
    // A stored value may be beyond what 64 bits hold.
    case "ns" where value < 1e18: Readable.duration(UInt64(bounded: max(0, value)))
    case "ns": Readable.count(value / 1e9) + " s"
    case "bytes": Readable.bytes(value)
    case "bytes/s": Readable.bytes(value) + "/s"
    case "count/s": Readable.count(value) + "/s"
    case "1": Readable.count(value)
    case "", "count": Readable.exact(value)
    default: "\(Readable.exact(value)) \(unit)"
    }
  }
}

/// Columns of text, aligned by their widest cell.
package enum TextTable {
  /// One line a row, whatever names its cells hold; the first `leftColumns` stand left, the others
  /// right.
  package static func lines(_ rows: [[String]], leftColumns: Int) -> [String] {
    let rows = rows.map { $0.map(\.shownInLine) }
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
