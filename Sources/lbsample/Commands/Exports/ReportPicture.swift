import ArgumentParser
import Output
import Report
import RunStore
import SampleModel
import Sampler

/// `lbsample report RUN --format svg`: charts of chosen metrics as a picture.
struct PictureOptions: ParsableArguments {
  @Option(
    name: .customLong("metric"),
    help: ArgumentHelp(
      "A chart of these metrics (--format svg), as in 'cpu.user[all]'; may be repeated.",
      valueName: "glob"))
  var metrics: [String] = []
  @OptionGroup(title: "Part of the run (--format svg)") var part: PartOptions

  /// Whether any of these options is given.
  var isChosen: Bool { !metrics.isEmpty || !part.isWhole }

  /// The picture of a run.
  func picture(of reader: RunReader) throws(LBError) -> [UInt8] {
    guard !metrics.isEmpty else {
      throw LBError(
        .configuration,
        "--format svg draws the metrics that --metric names, as in --metric 'cpu.user[all]'")
    }
    try MetricGlobs.check(metrics, try reader.metricNames())
    let result = try reader.result([])
    let labels = result.attemptsByBracket()
    let origin = try RunReplay.firstStart(reader)
    var selection = RunReplay.Selection()
    try part.choose(&selection, labels, result, origin: origin)
    let filter = ColumnFilter(only: metrics)
    selection.passes = { filter.passes($0) }
    let stretches = try stretches(of: reader, selection)
    guard !stretches.isEmpty else {
      throw LBError(.configuration, "no sample lies in \(part.words)")
    }
    let grid = TimeGrid(
      stretches, buckets: ChartPicture.columns, interval: try RunReplay.interval(reader))
    let sink = SeriesSink(grid, origin: origin)
    try RunReplay(reader, selection: selection).play(into: sink)
    let series = sink.finish()
    return ChartPicture(
      series, panels: try panels(series), title: title(result)
    ).svg()
  }

  private func title(_ result: RunResult) -> String {
    let host = result.host["hostname"].map { " on \($0)" } ?? ""
    return result.runID + host + (part.isWhole ? "" : ", \(part.words)")
  }

  /// The stretches of the run that are selected.
  private func stretches(
    of reader: RunReader, _ selection: RunReplay.Selection
  ) throws(LBError) -> [TimeGrid.Stretch] {
    try reader.sampledStretches().compactMap { stretch in
      let start = max(stretch.start, selection.from ?? 0)
      let end = min(stretch.end, selection.to ?? .max)
      guard start <= end, selection.brackets?.contains(stretch.bracket) ?? true else { return nil }
      return TimeGrid.Stretch(bracket: stretch.bracket, start: start, end: end)
    }
  }

  /// A panel for each pattern, or one for each unit of its metrics.
  private func panels(_ run: RunSeries) throws(LBError) -> [ChartPicture.Panel] {
    var panels: [ChartPicture.Panel] = []
    for glob in metrics {
      let filter = ColumnFilter(only: [glob])
      let chosen = run.series.filter { filter.passes($0.name) }
      var units: [String] = []
      for series in chosen where !units.contains(series.unit) { units.append(series.unit) }
      for unit in units {
        let own = chosen.filter { $0.unit == unit }
        guard own.count <= ChartPicture.mostSeries else {
          throw LBError(
            .configuration,
            "--metric \(glob): \(own.count) metrics match, and a chart has at most "
              + "\(ChartPicture.mostSeries) lines: name fewer, or give several --metric")
        }
        panels.append(ChartPicture.Panel(own))
      }
    }
    guard panels.count <= ChartPicture.mostPanels else {
      throw LBError(
        .configuration,
        "\(panels.count) charts: a picture has at most \(ChartPicture.mostPanels); give fewer "
          + "--metric")
    }
    return panels
  }
}

extension ReportCommand {
  /// Writes a picture instead of a page.
  func writePicture() throws {
    let runs = try NamedSides(sides, options).runs
    guard runs.count == 1, runs[0].phase == nil, full.isEmpty, !opens else {
      throw LBError(
        .configuration,
        "--format svg draws one run, without --full and --open; --phase chooses its phase")
    }
    let reader = try options.open(runs[0].path)
    defer { reader.close() }
    var files = NamedFiles()
    files.writes("--output", output)
    files.reads("the run", reader.path)
    try files.check()
    let picture = try picture.picture(of: reader)
    try TextDestination(path: output).write(picture)
    try options.checkWhole(reader)
  }
}
