package import RunAnalysis
package import SampleModel

/// A run's result for people: status, repetitions, summary, overhead.
package enum RunReport {
  /// The whole report: the rows of `digest`, then the table of metrics where `all` is asked for;
  /// without a digest the table alone, of which rows that never move are left out unless `all`.
  /// `name` is what its reader calls the run, nil for its id; `findings` are those of it before
  /// metrics were chosen.
  package static func text(
    _ result: RunResult, all: Bool = false, name: String? = nil, findings: RunFindings? = nil,
    digest: DigestDefinition? = .standard, sort: MetricOrder? = nil
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
    if let host = host(result) { lines.append("host     \(host)") }
    for missing in result.unavailable {
      lines.append("skipped  \(missing.collector): \(missing.reason)")
    }
    if result.kind == "sample" { lines += recording(result) }
    for phase in result.phases where result.kind != "sample" {
      if !isPlain { lines += heading(phase) }
      lines += RepetitionLines.lines(phase, all: all)
      if let digest { lines += DigestText.lines(Digest(phase, digest), isOnly: isPlain) }
      if all || digest == nil {
        let run = name ?? result.runID
        lines += summary(phase, of: run, all: all, isOnly: isPlain, sort: sort)
      }
      lines += FindingLines.text(findings[phase.name])
      lines += notes(phase, all: all)
    }
    if digest != nil, !all { lines += rest(result, name: name) }
    if !isPlain { lines += comparison(result) }
    if let changes = result.labels[RunResult.columnsLabel] {
      lines.append("columns  changed during sampling, number of times: \(changes)")
    }
    for warning in result.warnings { lines.append("warning  \(warning)") }
    lines += errors(result)
    if let file = result.file { lines.append("file     \(file)") }
    return lines.map { $0.shownInLine + "\n" }.joined()
  }

  /// Where all metrics are, for a reader of a digest.
  private static func rest(_ result: RunResult, name: String?) -> [String] {
    let count = result.phases.reduce(into: Set<String>()) {
      $0.formUnion(ownRows($1).map(\.metric))
    }.count
    guard count > 0 else { return [] }
    return [
      "(\(Counted.text(count, "metric")) in all: lbsample runs show \(name ?? result.runID) --all, "
        + "or --metrics GLOB)"
    ]
  }

  /// The host in a word: its name, CPUs and kernel, as far as they are known.
  private static func host(_ result: RunResult) -> String? {
    var parts: [String] = []
    if let name = result.host["hostname"] { parts.append(name) }
    if let cpus = result.host["cpus"] {
      let model = result.host["cpu_model"].map { " (\($0))" } ?? ""
      parts.append("\(cpus) CPU\(cpus == "1" ? "" : "s")\(model)")
    }
    if let kernel = result.host["kernel"] { parts.append("Linux \(kernel)") }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
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

  /// The run's errors. An error of several repetitions is shown once, with their numbers.
  private static func errors(_ result: RunResult) -> [String] {
    var groups: [(error: LBError, repetitions: [Int])] = []
    var groupIndices: [LBError: Int] = [:]
    for error in result.errors {
      guard let number = error.context.repetition else {
        groups.append((error, []))
        continue
      }
      var shared = error
      shared.context.repetition = nil
      shared.context.attempt = nil
      if let index = groupIndices[shared] {
        groups[index].repetitions.append(number)
      } else {
        groupIndices[shared] = groups.count
        groups.append((shared, [number]))
      }
    }
    return groups.map { error, repetitions in
      let phase = result.phases.first { $0.name == error.context.phase }
      let isPlain = result.phases.count == 1
      guard !repetitions.isEmpty, !isPlain || phase?.repetitions.count ?? 0 > 1 else {
        return "error    \(error)"
      }
      let subject = isPlain ? "" : "\(error.context.phase ?? ""), "
      let whose = error.context.isWarmUp == true ? "warm-up" : "repetition"
      return "error    \(subject)\(numbered(whose, repetitions)): \(error)"
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

  /// Notes on contaminated repetitions that are shown without --all: the table of repetitions has
  /// the gates of all of them.
  private static let mostNotes = 4

  /// What a reader of a phase's repetitions should know.
  private static func notes(_ phase: PhaseResult, all: Bool) -> [String] {
    var lines: [String] = []
    if let run = phase.provenance?.takenFrom {
      lines.append(
        "note     phase \(phase.name): results of run \(run), not measured again (--reuse)")
    }
    for repetition in phase.repetitions {
      for attempt in repetition.attempts {
        let name = RepetitionLines.name(repetition)
        let number = repetition.warmUp ? name : "repetition \(name)"
        let subject =
          number + (repetition.attempts.count > 1 ? ", attempt \(attempt.attempt)" : "")
        for reason in attempt.contamination {
          lines.append("note     \(subject) is contaminated: \(reason)")
        }
      }
    }
    if !all, lines.count > mostNotes {
      let rest = lines.count - mostNotes
      lines.removeLast(rest)
      lines.append("note     \(rest) more notes on contaminated repetitions: --all")
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
  /// One line per row; line feeds in cells are escaped. The first `leftColumns` columns are
  /// left-aligned, the others right-aligned.
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
