import SampleModel

/// The tables of what a run has besides samples and records.
struct ResultTables {
  let result: RunResult
  let context: ExportedRun
  let units: MetricUnits

  private var runColumn: [ParquetColumn] {
    context.namesRun ? [ParquetColumn("run", .text)] : []
  }

  private var runCell: [Cell] { context.namesRun ? [.text(context.run)] : [] }

  private static let repetition = [
    ParquetColumn("phase", .text), ParquetColumn("repetition", .integer),
    ParquetColumn("warm_up", .flag), ParquetColumn("attempt", .integer),
    ParquetColumn(
      "stands", .flag, facts: [("meaning", "the attempt that the repetition's result is of")]),
  ]

  /// Calls `body` with each attempt and its first cells.
  private func forEachAttempt(
    _ body: (AttemptResult, RepetitionResult, [Cell]) throws(LBError) -> Void
  ) throws(LBError) {
    for phase in result.phases {
      for repetition in phase.repetitions {
        let standing = repetition.standing?.attempt
        for attempt in repetition.attempts {
          try body(
            attempt, repetition,
            runCell + [
              .text(phase.name), Cell(signed: repetition.repetition), .flag(repetition.warmUp),
              Cell(signed: attempt.attempt), .flag(attempt.attempt == standing),
            ])
        }
      }
    }
  }

  private static func count(_ name: String, _ unit: String? = nil) -> ParquetColumn {
    ParquetColumn(name, .integer, isOptional: true, facts: unit.map { [("unit", $0)] } ?? [])
  }

  /// A row for each attempt at a repetition.
  func writeRepetitions(_ file: TableFile) throws(LBError) -> Int {
    let columns =
      [
        ParquetColumn("status", .text), ParquetColumn("start", .timestamp),
        Self.count("start_ns", "ns"), Self.count("wall_ns", "ns"), Self.count("bracket_ns", "ns"),
        Self.count("user_ns", "ns"), Self.count("system_ns", "ns"),
        Self.count("peak_resident", "bytes"), Self.count("voluntary_switches"),
        Self.count("involuntary_switches"), Self.count("exit_code"), Self.count("signal"),
        Self.count("output_bytes", "bytes"), Self.count("orphans_killed"),
        Self.count("deadlines"), Self.count("on_time"), Self.count("late"),
        Self.count("skipped"), Self.count("frames_pushed"), Self.count("frames_dropped"),
        Self.count("own_cpu_ns", "ns"),
      ] + ["label", "contamination", "error"].map { ParquetColumn($0, .text, isOptional: true) }
    let table = try CellTable(file, runColumn + Self.repetition + columns)
    try forEachAttempt { attempt, repetition, cells throws(LBError) in
      let (ticks, ring) = (attempt.ledger.ticks, attempt.ledger.ring)
      let start = attempt.startUnixNanoseconds
      try table.append(
        cells + [
          .text(attempt.status.rawValue), .integer(start / 1000), .integer(start),
          Cell(attempt.wallNanoseconds), .integer(attempt.bracketNanoseconds),
          Cell(attempt.userNanoseconds), Cell(attempt.systemNanoseconds),
          Cell(attempt.peakResidentBytes), Cell(attempt.voluntarySwitches),
          Cell(attempt.involuntarySwitches), Cell(signed: attempt.exitCode),
          Cell(signed: attempt.signal), .integer(attempt.outputBytes),
          Cell(signed: attempt.orphansKilled), .integer(ticks.deadlines), .integer(ticks.onTime),
          .integer(ticks.late), .integer(ticks.skipped), .integer(ring.pushed),
          .integer(ring.dropped), Cell(attempt.overhead?.processNanoseconds),
          Cell(repetition.label),
          Cell(
            attempt.contamination.isEmpty ? nil : attempt.contamination.joined(separator: "; ")),
          Cell(attempt.error.map { "\($0)" }),
        ])
    }
    try table.finish()
    return table.count
  }

  /// A row for each metric of each attempt.
  func writeMetrics(_ file: TableFile, passes: (String) -> Bool) throws(LBError) -> Int {
    let table = try CellTable(
      file,
      runColumn + Self.repetition + [
        ParquetColumn("metric", .text), ParquetColumn("unit", .text, isOptional: true),
        ParquetColumn("value", .real),
      ])
    try forEachAttempt { attempt, _, cells throws(LBError) in
      for (metric, value) in attempt.metrics.sorted(by: { $0.key < $1.key })
      where passes(metric) {
        try table.append(cells + [.text(metric), Cell(units.unit(of: metric)), .real(value)])
      }
    }
    try table.finish()
    return table.count
  }

  /// A row for each entry of the journal.
  func writeEvents(_ file: TableFile, _ journal: [JournalEntry]) throws(LBError) -> Int {
    let texts = ["level", "kind", "message"].map { ParquetColumn($0, .text) }
    let table = try CellTable(
      file,
      runColumn + [ParquetColumn("time", .timestamp), ParquetColumn("time_ns", .integer)] + texts
        + [
          ParquetColumn("phase", .text, isOptional: true), Self.count("repetition"),
          Self.count("attempt"), ParquetColumn("status", .text, isOptional: true),
          ParquetColumn("error", .text, isOptional: true),
        ])
    for entry in journal {
      try table.append(
        runCell + [
          .integer(entry.unixNanoseconds / 1000), .integer(entry.unixNanoseconds),
          .text(entry.level), .text(entry.kind), .text(entry.message), Cell(entry.phase),
          Cell(signed: entry.repetition), Cell(signed: entry.attempt),
          Cell(entry.status?.rawValue), Cell(entry.error.map { "\($0)" }),
        ])
    }
    try table.finish()
    return table.count
  }
}
