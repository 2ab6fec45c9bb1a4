import Output
package import SampleModel

/// Takes a run as it is played back and gives its series in the buckets of a grid, in memory that
/// grows with series times buckets and not with the number of samples.
///
/// Of a bucket, the values of one collector are kept until it is over, at most `mostInBucket` of a
/// series; beyond that every second one in order of size is dropped, which leaves the median nearly
/// as it was, and least and greatest exactly.
package final class SeriesSink: SampleSink {
  /// Gaps that are kept.
  package static let mostGaps = 2000
  /// Events that are kept.
  package static let mostEvents = 1000
  /// Values of a series in a bucket of which the median is exact.
  static let mostInBucket = 1024

  /// One collector's values of the present bucket, and what its gaps are found by.
  private struct Stream {
    /// The series of each shown column of the layout; nil for one that is left out.
    var series: [Int?] = []
    /// The columns of series that are kept whole.
    var whole: [Int] = []
    var bucket: Int?
    /// The values of the bucket by column.
    var pending: [[Double]] = []
    /// The least and the greatest of the bucket by column, for those that were thinned.
    var extremes: [Int: (low: Double, high: Double)] = [:]
    /// The last frame with values.
    var last: FrameHeader?
    /// The number of deadlines from one frame to the next; nil until it is known.
    var step: UInt64?
    /// The open gap's place.
    var gap: Int?
  }

  private let grid: TimeGrid
  private let mostSeries: Int
  private let isWhole: (String) -> Bool
  private var places: [UInt32: [Int]] = [:]
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

  /// Takes series into the buckets of `grid`, the first `mostSeries` of them. `origin` is the start
  /// of the run's first sample. Of those that `isWhole` names every value is kept.
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
    for (place, segment) in grid.segments.enumerated() {
      for bracket in segment.stretch.brackets { places[bracket, default: []].append(place) }
    }
  }

  /// Takes the clock and the cadences.
  package func begin(_ meta: StreamMeta) throws(LBError) {
    reader.begin(meta)
    anchors.append(meta.anchor)
    processes.begin(meta)
    interval = meta.interval
    for stream in meta.streams { cadences[stream.stream] = max(1, stream.cadence) }
    for note in meta.notes { keep(SampleEvent(.note, time: origin, message: note)) }
  }

  /// Finds the series of the columns.
  package func layout(_ layout: Layout) throws(LBError) {
    reader.layout(layout)
    var stream = streams.removeValue(forKey: layout.stream) ?? Stream()
    defer { streams[layout.stream] = stream }
    stream.step = stream.step ?? cadences[layout.stream]
    let formulas = layout.columns.count
    let open = Bucket(stream)
    stream.series = layout.shown.enumerated().map { place, column in
      if let index = known[ExactText(column.name)] {
        return series[index].stream == layout.stream ? index : nil
      }
      guard series.count < mostSeries else {
        leftOut.insert(column.name)
        return nil
      }
      // A formula's counter is an amount; time of it per time is not made a share.
      let isRate =
        column.metric.kind == .counter || place < formulas && column.metric.kind != .gauge
      let unit =
        place < formulas || !isRate
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
    // The bucket goes on: columns may have other places now.
    open.move(to: &stream)
  }

  /// What was taken of a bucket before its columns changed.
  private struct Bucket {
    private var pending: [Int: [Double]] = [:]
    private var extremes: [Int: (low: Double, high: Double)] = [:]

    init(_ stream: Stream) {
      for (column, place) in stream.series.enumerated() {
        guard let place else { continue }
        pending[place] = stream.pending[column]
        extremes[place] = stream.extremes[column]
      }
    }

    func move(to stream: inout Stream) {
      stream.pending = stream.series.map { $0.flatMap { pending[$0] } ?? [] }
      stream.extremes = [:]
      for (column, place) in stream.series.enumerated() {
        if let place, let known = extremes[place] { stream.extremes[column] = known }
      }
    }
  }

  /// Takes a frame's values into its bucket.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    guard let bucket = segment(of: header)?.bucket(at: header.start) else { return }
    find(header)
    let frame = reader.read(header, values)
    guard var stream = streams.removeValue(forKey: header.stream) else { return }
    defer { streams[header.stream] = stream }
    // A frame that is not shown is a baseline; one without values is a gap, and no values.
    guard frame != nil || header.outcome != .complete else { return }
    if let open = stream.bucket, open != bucket { flush(&stream) }
    stream.bucket = bucket
    guard let frame else { return }
    for (column, value) in frame.values.enumerated() where column < stream.pending.count {
      guard stream.series[column] != nil, let number = value.number, number.isFinite else {
        continue
      }
      stream.pending[column].append(number)
      if stream.pending[column].count > Self.mostInBucket { thin(&stream, column) }
    }
    for column in stream.whole where column < frame.values.count {
      guard let place = stream.series[column] else { continue }
      let value = frame.values[column].number.flatMap { $0.isFinite ? $0 : nil }
      series[place].samples.append(Series.Sample(time: header.start, value: value))
    }
  }

  private func segment(of header: FrameHeader) -> TimeGrid.Segment? {
    guard let candidates = places[header.bracket], let first = candidates.first else { return nil }
    // A recording has a stretch for each session, all of the same bracket.
    let place = candidates.last { grid.segments[$0].stretch.start <= header.start } ?? first
    return grid.segments[place]
  }

  private func thin(_ stream: inout Stream, _ column: Int) {
    stream.pending[column].sort()
    let sorted = stream.pending[column]
    var (low, high) = (sorted[0], sorted[sorted.count - 1])
    if let before = stream.extremes[column] {
      (low, high) = (min(low, before.low), max(high, before.high))
    }
    stream.extremes[column] = (low, high)
    stream.pending[column] = sorted.indices.filter { $0 % 2 == 1 }.map { sorted[$0] }
  }

  /// Ends the present bucket of a stream.
  private func flush(_ number: UInt16) {
    guard var stream = streams.removeValue(forKey: number) else { return }
    flush(&stream)
    streams[number] = stream
  }

  private func flush(_ stream: inout Stream) {
    defer { (stream.bucket, stream.extremes) = (nil, [:]) }
    guard let bucket = stream.bucket else { return }
    for (column, place) in stream.series.enumerated() {
      guard let place else { continue }
      if let (low, high) = stream.extremes[column] {
        stream.pending[column].append(low)
        stream.pending[column].append(high)
      }
      series[place].envelope.set(bucket, &stream.pending[column])
      stream.pending[column].removeAll(keepingCapacity: true)
    }
  }

  // MARK: Gaps

  /// Finds out whether deadlines lie between this frame of a stream and the one before, or whether
  /// it has no values.
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

  // MARK: Others

  /// Takes the CPU time of processes.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
    guard let segment = segment(of: header) else { return }
    processes.take(header, rows, in: segment)
  }

  /// Takes clocks, and keeps what happened.
  package func event(_ event: SampleEvent) throws(LBError) {
    reader.event(event)
    if let anchor = event.anchor { anchors.append(anchor) }
    if event.kind == .budget {
      // Which collector's cadence changed is in words alone: the next two frames show it.
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

  /// Nothing is written before the end.
  package func commit(watermark: UInt64) throws(LBError) {}

  /// What was taken so far; the present buckets end with it.
  package func finish() -> RunSeries {
    for number in Array(streams.keys) { flush(number) }
    return RunSeries(
      grid: grid, series: series, gaps: gaps, gapsLeftOut: gapsLeftOut,
      seriesLeftOut: leftOut.count, events: events, eventsLeftOut: eventsLeftOut,
      interval: interval, origin: origin, originUnix: reader.unixTime(of: origin),
      anchors: anchors, processes: processes.bands())
  }
}
