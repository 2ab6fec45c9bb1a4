import SampleModel

/// Finds the points of all counters of a run. A run is played twice: first the points are counted,
/// and what is beside them is collected; then they are written, thinned where they are too many.
final class CounterSink: SampleSink {
  /// A repetition whose values are drawn from the beginning of the trace on.
  struct Overlay {
    /// Its first sample on the run's time line.
    let start: UInt64
  }

  /// What is drawn.
  struct Options {
    /// Brackets have opening samples that are shown.
    var isRun = false
    var withRates = true
    /// By bracket.
    var overlays: [UInt32: Overlay] = [:]
    /// The beginning of the trace on its own clock.
    var origin: UInt64 = 0
  }

  /// The counters of one collector's layout, in the order of the shown columns.
  private struct Stream {
    let layout: Layout
    let raw: [Int]
    /// -1 for a column whose value is the same as its raw one.
    let rates: [Int]
    /// Those of `bracket`, if that is drawn from the beginning on.
    var overlay: [Int] = []
    var bracket: UInt32 = 0
    /// Counters of the layout before that are not in this one.
    var gone: [Int] = []
  }

  private let options: Options
  private let clock: TraceClock
  private var levels = Derivation(raw: true)
  private var rates = Derivation(raw: false)
  private var streams: [UInt16: Stream] = [:]
  private(set) var series = TraceSeries()
  private(set) var gaps = TraceGaps()
  private(set) var lives = ProcessLives()
  /// Instants that concern all columns of a collector.
  private var common = 0
  /// The start of the last frame.
  private(set) var lastStart: UInt64 = 0
  /// What points are written to; nil while they are counted.
  private var writer: TraceWriter?

  var bytesWritten: UInt64 { 0 }

  /// A sink that counts.
  init(_ options: Options, _ clock: TraceClock) {
    self.options = options
    self.clock = clock
  }

  /// All points before thinning.
  var count: Int { series.counters.reduce(common) { $0 + $1.count } }

  /// Begins the second pass, which writes at most about `limit` points.
  func write(to writer: TraceWriter, limit: Int, tracks: inout TraceTracks) throws(LBError) {
    let sizes = PointThinning.sizes(
      series.counters.map(\.count), limit: max(0, limit - common))
    for index in series.counters.indices {
      series.counters[index].thinning = PointThinning(size: sizes[index])
      try tracks.declare(&series.counters[index], on: writer)
    }
    (levels, rates, streams) = (Derivation(raw: true), Derivation(raw: false), [:])
    self.writer = writer
  }

  func begin(_ meta: StreamMeta) throws(LBError) {
    guard writer == nil else { return }
    gaps.begin(meta)
    lives.begin(meta)
  }

  func layout(_ layout: Layout) throws(LBError) {
    levels.layout(layout)
    self.rates.layout(layout)
    let own = layout.columns.count
    let raw = layout.shown.enumerated().map { index, column in
      self.series.index(column, of: layout.collector, .raw, isFormula: index >= own)
    }
    let rates = layout.shown.enumerated().map { index, column in
      guard options.withRates, index >= own || column.metric.kind != .gauge else { return -1 }
      return self.series.index(column, of: layout.collector, .rate, isFormula: index >= own)
    }
    var stream = Stream(layout: layout, raw: raw, rates: rates)
    if let before = streams[layout.stream] {
      let kept = Set(raw + rates)
      let known = before.gone + (before.raw + before.rates)
      stream.gone = known.filter { $0 >= 0 && !kept.contains($0) }
    }
    streams[layout.stream] = stream
  }

  func pass(_ header: FrameHeader, _ values: Span<UInt64>) {
    _ = levels.derive(header, values)
    _ = rates.derive(header, values)
  }

  func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    if writer == nil {
      gaps.take(header)
      lastStart = max(lastStart, header.start)
    }
    guard var stream = streams[header.stream] else { return }
    let time = clock.boottime(header.start)
    for index in stream.gone { try add(index, time, .absent, "its column is gone") }
    stream.gone = []
    if stream.bracket != header.bracket { enter(header.bracket, &stream) }
    streams[header.stream] = stream
    let raw = levels.derive(header, values)
    let rate = options.withRates ? rates.derive(header, values) : nil
    guard header.outcome == .complete else { return try lose(stream, header) }
    guard !raw.values.isEmpty else { return }
    // As `export` has it: the opening sample of a recording is a baseline only.
    if header.edge != .open || options.isRun {
      for (index, value) in zip(stream.raw, raw.values) {
        try add(index, time, value, "absent in this reading")
      }
      try overlay(header, stream, raw.values)
    }
    guard header.edge != .open, let rate, let window = rate.window else { return }
    for (position, index) in stream.rates.enumerated() where index >= 0 {
      let start = header.start &- (rate.windows[position] ?? window)
      try add(
        index, clock.boottime(start), rate.values[position], "no growth is known in this window")
      guard !stream.overlay.isEmpty else { continue }
      try add(
        stream.overlay[position], overlayTime(start, header.bracket), rate.values[position],
        "no growth is known in this window")
    }
  }

  /// Finds the counters of a repetition.
  private func enter(_ bracket: UInt32, _ stream: inout Stream) {
    stream.bracket = bracket
    stream.overlay = []
    guard options.withRates, options.overlays[bracket] != nil else { return }
    let own = stream.layout.columns.count
    stream.overlay = stream.layout.shown.enumerated().map { index, column in
      series.index(
        column, of: stream.layout.collector, .repetition(bracket), isFormula: index >= own)
    }
  }

  /// Levels of a repetition; its rates follow by their windows.
  private func overlay(
    _ header: FrameHeader, _ stream: Stream, _ values: [DerivedValue]
  ) throws(LBError) {
    guard !stream.overlay.isEmpty else { return }
    for (position, value) in values.enumerated() where stream.rates[position] < 0 {
      try add(
        stream.overlay[position], overlayTime(header.start, header.bracket), value,
        "absent in this reading")
    }
  }

  private func overlayTime(_ time: UInt64, _ bracket: UInt32) -> UInt64 {
    let start = options.overlays[bracket]?.start ?? time
    return options.origin &+ (time > start ? time - start : 0)
  }

  /// A frame without values: no column has a level. Rates go on: the window of the next one begins
  /// with the last frame that had values.
  private func lose(_ stream: Stream, _ header: FrameHeader) throws(LBError) {
    try lose(stream.raw, of: stream, at: clock.boottime(header.start), header.outcome)
    let levels = zip(stream.overlay, stream.rates).filter { $0.1 < 0 }.map(\.0)
    try lose(levels, of: stream, at: overlayTime(header.start, header.bracket), header.outcome)
  }

  private func lose(
    _ counters: [Int], of stream: Stream, at time: UInt64, _ outcome: AcquisitionOutcome
  ) throws(LBError) {
    var isNew = false
    for index in counters {
      isNew = isNew || series.counters[index].thinning.isPresent
      series.counters[index].thinning.lose()
    }
    guard isNew, let first = counters.first else { return }
    if writer == nil { common += 1 }
    try writer?.instant(
      series.counters[first].absences, at: time, "no value",
      [
        TraceNote("column", "all of \(stream.layout.collector)"),
        TraceNote("cause", outcome.phrase),
      ])
  }

  /// A counter's next value.
  private func add(
    _ index: Int, _ time: UInt64, _ value: DerivedValue, _ cause: String
  ) throws(LBError) {
    let points = series.counters[index].thinning.add(TracePoint(time: time, value: value))
    guard !points.isEmpty else { return }
    guard let writer else {
      series.counters[index].count += points.count
      return
    }
    for point in points { try write(point, series.counters[index], cause, to: writer) }
  }

  private func write(
    _ point: TracePoint, _ counter: TraceCounter, _ cause: String, to writer: TraceWriter
  ) throws(LBError) {
    // Of a run that goes on, a column that came after its points were counted.
    guard counter.track != 0 else { return }
    guard point.value == .absent else {
      return try writer.counter(counter.track, at: point.time, point.value)
    }
    var notes = [TraceNote("column", counter.title), TraceNote("cause", cause)]
    if case .repetition(let bracket) = counter.family {
      notes.append(TraceNote("bracket", .number(UInt64(bracket))))
    }
    try writer.instant(counter.absences, at: point.time, "no value", notes)
  }

  func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
    if writer == nil { lives.take(header, rows) }
  }

  func event(_ event: SampleEvent) throws(LBError) { if writer == nil { gaps.take(event) } }

  /// At the end, what remains of the last groups.
  func commit(watermark: UInt64) throws(LBError) {
    guard watermark == .max, let writer else { return }
    for index in series.counters.indices {
      for point in series.counters[index].thinning.end() {
        try write(point, series.counters[index], "absent in this reading", to: writer)
      }
    }
  }
}
