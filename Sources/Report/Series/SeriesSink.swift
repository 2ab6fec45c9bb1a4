import Output
package import SampleModel

/// Receives the replay of a run and aggregates it into series over a time grid.
///
/// Memory grows with the number of series times buckets, not with the number of samples: only the
/// values of each collector's current bucket are held (`BucketRows`).
package final class SeriesSink: SampleSink {
  /// The maximum number of gaps that are kept.
  package static let mostGaps = 2000
  /// The maximum number of events that are kept.
  package static let mostEvents = 1000

  /// A collector's current bucket, and the state from which its gaps are found.
  private struct Stream {
    /// The index of each column's series; nil for a column that is left out.
    var series: [Int?] = []
    /// The columns whose series keep every sample.
    var whole: [Int] = []
    /// The current bucket; nil before the first acquisition.
    var bucket: Int?
    var rows = BucketRows()
    /// The previous frame.
    var last: FrameHeader?
    /// The number of deadlines from one frame to the next; nil while unknown.
    var step: UInt64?
    /// The index of the gap that has not ended.
    var gap: Int?
  }

  private let grid: TimeGrid
  private let mostSeries: Int
  private let isWhole: (String) -> Bool
  /// The indices of each bracket's segments.
  private var segments: [UInt32: [Int]] = [:]
  private var reader: StreamReader
  private var streams: [UInt16: Stream] = [:]
  private var cadences: [UInt16: UInt64] = [:]
  private var series: [Series] = []
  private var known: [ExactText: Int] = [:]
  private var leftOut = Set<String>()
  private var gaps: [SeriesGap] = []
  private var gapsLeftOut = 0
  private var events: [SampleEvent] = []
  private var eventsLeftOut = 0
  private var anchors: [ClockAnchor] = []
  private var processes: ProcessUse
  private var interval: UInt64 = 0
  private let origin: UInt64

  package var bytesWritten: UInt64 { 0 }

  /// Aggregates into the buckets of `grid`; of more than `mostSeries` series the first are kept.
  /// `origin` is the start of the run's first sample, on its time line. Series for whose names
  /// `isWhole` returns true also keep every sample.
  package init(
    _ grid: TimeGrid, origin: UInt64, mostSeries: Int = 20_000,
    isWhole: @escaping (String) -> Bool = { _ in false }
  ) {
    self.grid = grid
    self.origin = origin
    self.mostSeries = mostSeries
    self.isWhole = isWhole
    processes = ProcessUse(grid)
    reader = StreamReader(raw: false, origin: origin)
    for (index, segment) in grid.segments.enumerated() {
      for bracket in segment.stretch.brackets { segments[bracket, default: []].append(index) }
    }
  }

  /// Receives the first clock anchor and the cadences.
  package func begin(_ meta: StreamMeta) throws(LBError) {
    reader.begin(meta)
    anchors.append(meta.anchor)
    processes.begin(meta)
    interval = meta.interval
    for stream in meta.streams { cadences[stream.stream] = max(1, stream.cadence) }
    for note in meta.notes { keep(SampleEvent(.note, time: origin, message: note)) }
  }

  /// Assigns a series to each column.
  package func layout(_ layout: Layout) throws(LBError) {
    reader.layout(layout)
    var stream = streams.removeValue(forKey: layout.stream) ?? Stream()
    defer { streams[layout.stream] = stream }
    stream.step = stream.step ?? cadences[layout.stream]
    let formulas = layout.columns.count
    stream.series = layout.shown.enumerated().map { position, column in
      if let index = known[ExactText(column.name)] {
        return series[index].stream == layout.stream ? index : nil
      }
      guard series.count < mostSeries else {
        leftOut.insert(column.name)
        return nil
      }
      // A formula's counter is an amount: nanoseconds of it per second are not shown as a ratio.
      let isRate =
        column.metric.kind == .counter || position < formulas && column.metric.kind != .gauge
      let unit =
        position < formulas || !isRate
        ? column.metric.shownUnit(isRate: isRate) : column.metric.unit.rawValue + "/s"
      known[ExactText(column.name)] = series.count
      series.append(
        Series(
          name: column.name, metric: column.metric, instance: column.instance, unit: unit,
          collector: layout.collector, stream: layout.stream,
          envelope: Envelope(buckets: grid.bucketCount)))
      return series.count - 1
    }
    stream.whole = stream.series.indices.filter { column in
      stream.series[column].map { isWhole(series[$0].name) } ?? false
    }
    stream.rows.columns(stream.series)
  }

  /// Adds a frame to its bucket.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    guard let bucket = segment(of: header)?.bucket(at: header.start) else { return }
    find(header)
    let frame = reader.read(header, values)
    guard var stream = streams.removeValue(forKey: header.stream) else { return }
    defer { streams[header.stream] = stream }
    // A complete frame that the reader does not show is a baseline for later rates.
    guard frame != nil || header.outcome != .complete else { return }
    if let open = stream.bucket, open != bucket { flush(&stream) }
    stream.bucket = bucket
    guard let frame else { return }
    stream.rows.append(frame.values)
    for column in stream.whole where column < frame.values.count {
      guard let index = stream.series[column] else { continue }
      let value = frame.values[column].number.flatMap { $0.isFinite ? $0 : nil }
      series[index].samples.append(Series.Sample(time: header.start, value: value))
    }
  }

  private func segment(of header: FrameHeader) -> TimeGrid.Segment? {
    guard let candidates = segments[header.bracket], let first = candidates.first else {
      return nil
    }
    // The sessions of a recording are separate stretches of the same bracket.
    let index = candidates.last { grid.segments[$0].stretch.start <= header.start } ?? first
    return grid.segments[index]
  }

  /// Ends the current bucket of a stream.
  private func flush(_ number: UInt16) {
    guard var stream = streams.removeValue(forKey: number) else { return }
    flush(&stream)
    streams[number] = stream
  }

  private func flush(_ stream: inout Stream) {
    if let bucket = stream.bucket { stream.rows.end(bucket, of: &series) }
    stream.bucket = nil
  }

  // MARK: Gaps

  /// Detects a gap: deadlines without a frame since the stream's previous frame, or a frame without
  /// values.
  private func find(_ header: FrameHeader) {
    guard var stream = streams.removeValue(forKey: header.stream) else { return }
    defer { streams[header.stream] = stream }
    let last = stream.last.flatMap { $0.bracket == header.bracket ? $0 : nil }
    if last == nil { stream.gap = nil }
    if let last, header.edge == .none, header.deadlineIndex > last.deadlineIndex {
      let away = header.deadlineIndex - last.deadlineIndex
      let step = stream.step ?? away
      stream.step = min(step, away)
      if away > step, stream.gap == nil {
        note(
          SeriesGap(
            stream: header.stream, bracket: header.bracket, cause: .deadlines, start: last.start,
            end: header.start, count: away / step - 1))
      }
    }
    if header.outcome == .complete {
      if let gap = stream.gap { gaps[gap].end = header.start }
      stream.gap = nil
    } else if let gap = stream.gap, gaps[gap].cause == .outcome(header.outcome) {
      gaps[gap].end = header.start
      gaps[gap].count += 1
    } else {
      if let gap = stream.gap { gaps[gap].end = header.start }
      stream.gap = note(
        SeriesGap(
          stream: header.stream, bracket: header.bracket, cause: .outcome(header.outcome),
          start: last?.start ?? header.start, end: header.start, count: 1))
    }
    stream.last = header
  }

  @discardableResult
  private func note(_ gap: SeriesGap) -> Int? {
    guard gap.count > 0 else { return nil }
    guard gaps.count < Self.mostGaps else {
      gapsLeftOut += 1
      return nil
    }
    gaps.append(gap)
    return gaps.count - 1
  }

  // MARK: Records and events

  /// Receives the CPU time of processes.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
    guard let segment = segment(of: header) else { return }
    processes.take(header, rows, in: segment)
  }

  /// Receives clock anchors, and keeps all other events.
  package func event(_ event: SampleEvent) throws(LBError) {
    reader.event(event)
    if let anchor = event.anchor { anchors.append(anchor) }
    if event.kind == .budget {
      // The event does not identify the collector whose cadence changed, except in its message:
      // the next two frames of each stream give its new cadence.
      for number in Array(streams.keys) { streams[number]?.step = nil }
    }
    if event.kind != .clockAnchor { keep(event) }
  }

  private func keep(_ event: SampleEvent) {
    guard events.count < Self.mostEvents else {
      eventsLeftOut += 1
      return
    }
    events.append(event)
  }

  /// Does nothing: there is no output before `finish`.
  package func commit(watermark: UInt64) throws(LBError) {}

  /// The series of everything received. Ends the current buckets.
  package func finish() -> RunSeries {
    for number in Array(streams.keys) { flush(number) }
    return RunSeries(
      grid: grid, series: series, gaps: gaps, gapsLeftOut: gapsLeftOut,
      seriesLeftOut: leftOut.count, events: events, eventsLeftOut: eventsLeftOut,
      interval: interval, origin: origin, originUnix: reader.unixTime(of: origin),
      anchors: anchors, processes: processes.bands())
  }
}
