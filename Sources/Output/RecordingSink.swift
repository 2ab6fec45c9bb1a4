import RunAnalysis
package import SampleModel

/// One metric over a recording: levels as they are, counters as rates.
package struct RecordedMetric: Sendable, Hashable, Codable {
  /// Its full name.
  package var metric: String
  /// The unit of all amounts; `1` of time by time.
  package var unit: String
  /// Amounts that it is made of.
  package var count: Int
  /// Their mean by time.
  package var mean: Double
  package var minimum: Double
  /// The quantiles over time, 50 % and 95 %, both within 3 %.
  package var median: Double
  package var percentile95: Double
  package var maximum: Double
  /// When the maximum was read first, since the first sample and as Unix time.
  package var maximumElapsedNanoseconds: UInt64
  package var maximumUnixNanoseconds: UInt64
}

/// The summary of a recording.
package struct RecordingSummary: Sendable, Hashable, Codable {
  /// From the first sample to the last, in nanoseconds.
  package var spanNanoseconds: UInt64
  /// Acquisitions, those without values too.
  package var frames: Int
  /// In the order of collectors and columns.
  package var metrics: [RecordedMetric]
  /// The number of metrics beyond the limit, which are left out.
  package var metricsLeftOut: Int
}

/// Summarises a recording while it is replayed: each metric over the whole recording, in memory
/// that grows with the number of metrics and not with the time.
package final class RecordingSink: SampleSink {
  /// Most metrics that are kept; further ones are only counted.
  static let limit = 65_536

  private struct Track {
    let name: String
    let unit: String
    /// The least window of a rate, in nanoseconds: in a shorter one its rounding error would
    /// dominate.
    let leastWindow: UInt64
    var distribution = Distribution()
    /// The growth and the time since the last rate.
    var area = 0.0
    var window: UInt64 = 0

    mutating func take(_ amount: Double, over span: UInt64, at elapsed: UInt64) {
      guard leastWindow > 0 else { return distribution.add(amount, over: span, at: elapsed) }
      area += amount * Double(span)
      window &+= span
      guard window >= leastWindow else { return }
      distribution.add(area / Double(window), over: window, at: elapsed)
      (area, window) = (0, 0)
    }

    /// Adds the rest to the mean.
    mutating func end() {
      if window > 0 { distribution.addToMean(area / Double(window), over: window) }
      (area, window) = (0, 0)
    }
  }

  private var reader = StreamReader(raw: false)
  private var interval: UInt64 = 0
  private var cadences: [UInt16: UInt64] = [:]
  private var tracks: [Track] = []
  private var known: [String: Int] = [:]
  /// The track of each value of each stream; nil for a metric that is not kept.
  private var trackIndexes: [UInt16: [Int?]] = [:]
  private var omittedMetrics = Set<String>()
  private var frames = 0
  private var first: UInt64?
  private var last: UInt64 = 0

  package var bytesWritten: UInt64 { 0 }

  /// A sink that has seen nothing.
  package init() {}

  /// Takes clocks and cadences.
  package func begin(_ meta: StreamMeta) throws(LBError) {
    reader.begin(meta)
    interval = meta.interval
    for stream in meta.streams { cadences[stream.stream] = stream.cadence }
  }

  /// Continues the track of a metric with the same name.
  package func layout(_ layout: Layout) throws(LBError) {
    reader.layout(layout)
    let usual = interval &* (cadences[layout.stream] ?? 1)
    trackIndexes[layout.stream] = layout.shown.enumerated().map { index, column in
      if let known = known[column.name] { return known }
      guard tracks.count < Self.limit else {
        omittedMetrics.insert(column.name)
        return nil
      }
      // A value that a formula computes from counters is not a rate itself.
      let isRate = index < layout.columns.count && column.metric.kind != .gauge
      known[column.name] = tracks.count
      tracks.append(
        Track(
          name: column.name, unit: column.metric.shownUnit(isRate: isRate),
          leastWindow: isRate ? max(usual / 2, 10 &* (column.metric.resolution ?? 0), 1) : 0))
      return tracks.count - 1
    }
  }

  /// Takes a frame's values.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    frames += 1
    if first == nil { first = header.start }
    last = max(last, header.start)
    guard let frame = reader.read(header, values), let trackIndexes = trackIndexes[header.stream]
    else {
      return
    }
    for (index, value) in frame.values.enumerated() where index < trackIndexes.count {
      guard let track = trackIndexes[index], let amount = value.number, amount.isFinite else {
        continue
      }
      let window = frame.windows[index] ?? frame.window ?? 0
      tracks[track].take(amount, over: window, at: header.start)
    }
  }

  /// Records have no course.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}
  /// Keeps the dates right.
  package func event(_ event: SampleEvent) throws(LBError) { reader.event(event) }
  /// Nothing waits.
  package func commit(watermark: UInt64) throws(LBError) {}

  /// The summary of all frames so far.
  package var summary: RecordingSummary {
    let origin = first ?? 0
    let metrics = tracks.compactMap { track -> RecordedMetric? in
      var track = track
      track.end()
      let quantiles = track.distribution.quantiles([0.5, 0.95])
      guard let mean = track.distribution.mean, quantiles.count == 2 else { return nil }
      return RecordedMetric(
        metric: track.name, unit: track.unit, count: track.distribution.count, mean: mean,
        minimum: track.distribution.least, median: quantiles[0], percentile95: quantiles[1],
        maximum: track.distribution.most,
        maximumElapsedNanoseconds: track.distribution.mostAt &- origin,
        maximumUnixNanoseconds: reader.unixTime(of: track.distribution.mostAt))
    }
    return RecordingSummary(
      spanNanoseconds: last &- origin, frames: frames, metrics: metrics,
      metricsLeftOut: omittedMetrics.count)
  }
}

extension RunReport {
  /// A recording's metrics: those that moved, or all of them.
  package static func lines(
    _ summary: RecordingSummary, all: Bool, sort: MetricOrder? = nil
  ) -> [String] {
    var lines = [
      "",
      "span     \(Readable.duration(summary.spanNanoseconds)), "
        + Counted.text(summary.frames, "frame"),
    ]
    var shown = summary.metrics.filter { all || $0.minimum != $0.maximum }
    if let sort { shown = sort.sorted(shown) }
    if !shown.isEmpty {
      var table = [["metric", "mean", "min", "p50", "p95", "max", "max at"]]
      for row in shown {
        // The time is rounded down: from there on, an export has the maximum in it.
        let amounts = [row.mean, row.minimum, row.median, row.percentile95, row.maximum]
        table.append(
          [row.metric] + amounts.map { amount($0, row) } + [
            "\(Readable.fixed(Double(row.maximumElapsedNanoseconds / 1_000_000) / 1e3, 3)) s"
          ])
      }
      lines += [""] + TextTable.lines(table, leftColumns: 1)
      lines.append(
        "p50, p95: at or below for 50 % and 95 % of the time (within 3 %); max at: since the first "
          + "sample, as export --from takes it; % of CPU times: of one CPU")
    }
    let hidden = summary.metrics.count - shown.count
    if hidden > 0 {
      let (are, them) = hidden == 1 ? ("is", "it") : ("are", "them")
      lines.append(
        "(\(Counted.text(hidden, "metric")) that did not change \(are) not shown; --all shows "
          + "\(them))")
    }
    if summary.metricsLeftOut > 0 {
      lines.append("(\(summary.metricsLeftOut) metrics that came too late are not kept)")
    }
    return lines
  }

  /// A value with its unit: a share in percent, except ratios of events such as instructions per
  /// cycle.
  private static func amount(_ amount: Double, _ row: RecordedMetric) -> String {
    switch row.unit {
    case "1" where !row.metric.hasPrefix("perf."):
      "\(Readable.exact((amount * 1e4).rounded() / 100)) %"
    case "1": Readable.exact(amount)
    default: value(amount, row.unit)
    }
  }
}
