import Output
import RunAnalysis
import SampleModel

/// The tables of repetitions, metrics and the journal.
extension ReportPage {
  /// The maximum number of rows in a table: more would make the page slow to open.
  private static let mostRows = 4000

  func repetitions(_ page: inout Markup) {
    let measured = runs.indices.filter { runs[$0].result.kind != "sample" }
    page.own("<section id=\"repetitions\"><h2>Repetitions</h2>\n")
    page.own("<div id=\"overlays\" hidden></div>\n")
    for index in measured {
      for phase in runs[index].result.phases { repetitions(phase, runs[index], index, &page) }
    }
    page.own("</section>\n")
  }

  private func repetitions(
    _ phase: PhaseResult, _ run: ReportedRun, _ index: Int, _ page: inout Markup
  ) {
    guard !phase.repetitions.isEmpty else { return }
    let isPlain = run.result.phases.count == 1
    let shown = phase.repetitions.prefix(Self.mostRows)
    var table = MarkupTable(
      "\(prefix(index))\(isPlain ? "" : "phase \(phase.name): ")"
        + Counted.text(phase.repetitions.count, "repetition"),
      [
        ("repetition", false), ("status", false), ("exit", true), ("wall", true), ("user", true),
        ("system", true), ("deadlines", true), ("late", true), ("skipped", true),
        ("dropped", true), ("overhead", true), ("contaminated by", false),
      ])
    table.isSortable = true
    func time(_ nanoseconds: UInt64?) -> MarkupTable.Cell {
      .init(nanoseconds.map(Readable.duration) ?? "-", nanoseconds.map { Double($0) })
    }
    for repetition in shown {
      guard let attempt = repetition.standing else {
        table.rows.append([.init(repetition.title), .init(repetition.status.rawValue)])
        continue
      }
      let (ticks, ring) = (attempt.ledger.ticks, attempt.ledger.ring)
      let isKnown = attempt.overhead != nil
      func count(_ number: UInt64) -> MarkupTable.Cell {
        isKnown ? .init("\(number)", Double(number)) : .init("-")
      }
      let isBad = ![.completed, .pending, .skipped].contains(repetition.status)
      table.rows.append([
        .init(repetition.title, Double(repetition.repetition)),
        .init(repetition.status.rawValue, style: isBad ? "bad" : ""),
        .init(attempt.exitCode.map { "\($0)" } ?? attempt.signal.map { "signal \($0)" } ?? "-"),
        time(attempt.wallNanoseconds), time(attempt.userNanoseconds),
        time(attempt.systemNanoseconds), count(ticks.deadlines), count(ticks.late),
        count(ticks.skipped), count(ring.dropped),
        .init(
          attempt.overhead.map { Readable.percent($0.processFraction) } ?? "-",
          attempt.overhead?.processFraction),
        .init(
          GateNames.gates(of: attempt.contamination),
          style: attempt.contamination.isEmpty ? "" : "bad"),
      ])
    }
    let isLong = shown.count > 40
    if isLong { page.own("<details><summary>Every repetition</summary>\n") }
    table.write(to: &page)
    if isLong { page.own("</details>\n") }
    if phase.repetitions.count > shown.count {
      page.element(
        "p", "\(phase.repetitions.count - shown.count) more repetitions are in the result file.")
    }
  }

  func metrics(_ page: inout Markup) {
    page.own("<section id=\"metrics\"><h2>All metrics</h2>\n")
    var room = Self.mostRows
    for (index, run) in runs.enumerated() {
      for phase in run.result.phases where !phase.metrics.isEmpty {
        let moved = phase.metrics.filter { $0.minimum != $0.maximum || !$0.metric.contains(".") }
        let shown = moved.prefix(max(0, room))
        room -= shown.count
        let isPlain = run.result.phases.count == 1
        var table = MarkupTable(
          "\(prefix(index))\(isPlain ? "" : "phase \(phase.name): ")over the repetitions",
          [
            ("metric", false), ("unit", false), ("repetitions", true), ("median", true),
            ("min", true), ("max", true), ("MAD", true), ("median's 95 % CI", true),
          ])
        table.isSortable = true
        for row in shown { table.rows.append(cells(row)) }
        page.own("<details><summary>")
        page.text(
          "\(table.caption): \(Counted.text(moved.count, "metric")) that moved, of "
            + "\(phase.metrics.count)")
        page.own("</summary>\n")
        table.write(to: &page)
        if shown.count < moved.count {
          page.element(
            "p", "\(moved.count - shown.count) more: lbsample runs show \(run.command) --all")
        }
        page.own("</details>\n")
      }
    }
    page.own("</section>\n")
  }

  private func cells(_ row: MetricSummary) -> [MarkupTable.Cell] {
    func cell(_ value: Double) -> MarkupTable.Cell {
      .init(DigestText.value(value, row.unit), value)
    }
    var interval = "-"
    if let low = row.medianLow, let high = row.medianHigh {
      interval = "\(DigestText.value(low, row.unit)) … \(DigestText.value(high, row.unit))"
    }
    return [
      .init(row.metric), .init(row.unit), .init("\(row.count)", Double(row.count)),
      cell(row.median), cell(row.minimum), cell(row.maximum), cell(row.medianAbsoluteDeviation),
      .init(interval, row.medianLow),
    ]
  }

  func journal(_ page: inout Markup) {
    page.own("<section id=\"journal\"><h2>Journal</h2>\n")
    for (index, run) in runs.enumerated() where !run.journal.isEmpty {
      var table = MarkupTable(
        "\(prefix(index))events",
        [("time", false), ("level", false), ("kind", false), ("what happened", false)])
      // Of too many, the last ones are shown: they say how the run ended.
      let shown = run.journal.suffix(Self.mostRows / 2)
      for entry in shown {
        let time = CivilTime(unixSeconds: Int64(entry.unixNanoseconds / 1_000_000_000)).text
        let isBad = ["error", "warning", "critical"].contains(entry.level)
        table.rows.append([
          .init(time), .init(entry.level, style: isBad ? "bad" : ""), .init(entry.kind),
          .init(entry.message),
        ])
      }
      page.own("<details><summary>")
      page.text("\(prefix(index))\(Counted.text(run.journal.count, "event"))")
      page.own("</summary>\n")
      table.write(to: &page)
      page.own("</details>\n")
    }
    page.own("</section>\n")
  }
}
