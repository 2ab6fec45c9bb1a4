import Output
import RunStore
import SampleModel

/// Reads the rows of a stored run when a view needs them.
final class StoredView: ViewSource {
  /// Ends a replay once there are enough rows, or when the view is to stop.
  private final class Limited: SampleSink {
    private let sink: TableSink
    private let isEnough: () -> Bool
    private(set) var hasEnough = false

    init(_ sink: TableSink, _ isEnough: @escaping () -> Bool) {
      self.sink = sink
      self.isEnough = isEnough
    }

    func begin(_ meta: StreamMeta) throws(LBError) { try sink.begin(meta) }
    func layout(_ layout: Layout) throws(LBError) { try sink.layout(layout) }
    func pass(_ header: FrameHeader, _ values: Span<UInt64>) { sink.pass(header, values) }
    func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
      try sink.frame(header, values)
    }
    func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
      try sink.records(header, rows)
    }
    func event(_ event: SampleEvent) throws(LBError) { try sink.event(event) }
    func commit(watermark: UInt64) throws(LBError) {
      try sink.commit(watermark: watermark)
      guard isEnough() else { return }
      hasEnough = true
      throw LBError(.stopRequested, "enough rows")
    }
    var bytesWritten: UInt64 { 0 }
  }

  let interval: UInt64
  private let replay: RunReplay
  private let selection: RunReplay.Selection
  private let columns: ViewColumns
  private let style: TableSink.Style
  private let stream: StreamReader
  private let clock: (UInt64) -> String
  private let stretches: [RunReader.SampledStretch]
  /// Whether the view is to end.
  private let isStopped: () -> Bool

  /// A source of the rows in `selection`. `stream` derives their values, `columns` receives their
  /// columns.
  init(
    _ replay: RunReplay, _ selection: RunReplay.Selection, stretches: [RunReader.SampledStretch],
    interval: UInt64, columns: ViewColumns, style: TableSink.Style, stream: StreamReader,
    clock: @escaping (UInt64) -> String, isStopped: @escaping () -> Bool
  ) {
    self.replay = replay
    self.selection = selection
    self.stretches = stretches
    self.interval = interval
    self.columns = columns
    self.style = style
    self.stream = stream
    self.clock = clock
    self.isStopped = isStopped
  }

  /// How far the samples of a row may be from its deadline, which is its key, in nanoseconds.
  private var margin: UInt64 {
    let (four, isOver) = interval.multipliedReportingOverflow(by: 4)
    return (isOver ? .max / 4 : min(four, .max / 4)) + 200_000_000
  }

  func part(
    _ range: Range<UInt64>, limit: Int, keepsLast: Bool
  ) throws(LBError) -> ViewPart {
    var selection = selection
    let (low, high) = (range.lowerBound, range.upperBound.addingReportingOverflow(margin))
    selection.from = max(selection.from ?? 0, low > margin ? low - margin : 0)
    selection.to = min(selection.to ?? .max, high.overflow ? .max : high.partialValue)
    selection.isSeeking = true
    let rows = ViewRows(
      columns, range: range, limit: limit, keepsLast: keepsLast, clock: clock)
    let table = TableSink(
      reader: stream, style: style, clock: clock, writer: { _ throws(LBError) in },
      notice: { _ in })
    table.receiver = rows
    let isStopped = isStopped
    let sink = Limited(table) { rows.isFull || isStopped() }
    do throws(LBError) {
      try replay.selecting(selection).play(into: sink)
    } catch {
      guard sink.hasEnough else { throw error }
    }
    let entries = rows.takeAll()
    if keepsLast { return Self.last(entries, limit, range) }
    guard rows.isFull || entries.count >= limit, let last = entries.last else {
      return ViewPart(entries, range)
    }
    return ViewPart(entries, low..<min(range.upperBound, last.key &+ 1))
  }

  /// The last `limit` lines; all lines of a key are kept together.
  private static func last(
    _ entries: [ViewEntry], _ limit: Int, _ range: Range<UInt64>
  ) -> ViewPart {
    guard entries.count > limit else { return ViewPart(entries, range) }
    var start = entries.count - limit
    while start > 0, entries[start].key == entries[start - 1].key { start -= 1 }
    guard start > 0 else { return ViewPart(entries, range) }
    let kept = Array(entries[start...])
    return ViewPart(kept, kept[0].key..<range.upperBound)
  }

  func sampled(from key: UInt64) -> UInt64? {
    // A deadline precedes its samples, by less than an interval.
    stretches.filter { $0.end >= key }.map { max(key, $0.start - min($0.start, interval)) }.min()
  }

  func sampled(before key: UInt64) -> UInt64? {
    stretches.filter { $0.start - min($0.start, interval) < key }.map { min(key, $0.end &+ 1) }
      .max()
  }
}

/// Lines between the rows of a stored run: events, and the beginning of each repetition.
enum ViewMarks {
  private static let limit = 20_000
  private static let textLimit = 400

  /// The lines of a run, in chronological order.
  static func all(
    _ replay: RunReplay, _ result: RunResult, _ stretches: [RunReader.SampledStretch],
    labels: [UInt32: AttemptID]
  ) throws(LBError) -> [ViewEntry] {
    var dates = AnchorTable()
    for anchor in try replay.anchors() { dates.add(anchor) }
    let events = try replay.events().prefix(limit).map { event in
      ViewEntry(
        key: event.time, time: dates.unixTime(of: event.time),
        .text(event.message.shortened(to: textLimit).shownInLine, .event))
    }
    let words = words(of: result)
    var seen = Set<UInt32>()
    var beginnings: [ViewEntry] = []
    for stretch in stretches {
      guard let label = labels[stretch.bracket], seen.insert(stretch.bracket).inserted else {
        continue
      }
      let text = "\(text(label)): \(words[stretch.bracket] ?? "no result")"
      beginnings.append(
        ViewEntry(
          key: stretch.start, time: dates.unixTime(of: stretch.start),
          .text(text.shortened(to: textLimit).shownInLine, .repetition)))
    }
    return (events + beginnings).enumerated().sorted {
      ($0.element.key, $0.offset) < ($1.element.key, $1.offset)
    }.map(\.element)
  }

  /// The name of a bracket's attempt.
  static func text(_ label: AttemptID) -> String {
    var text = "\(label.warmUp ? "warm-up" : "repetition") \(label.repetition)"
    if label.attempt > 1 { text += ", attempt \(label.attempt)" }
    return ["main", ""].contains(label.phase) ? text : "\(label.phase), \(text)"
  }

  /// The outcome of each bracket's attempt.
  private static func words(of result: RunResult) -> [UInt32: String] {
    var words: [UInt32: String] = [:]
    for attempt in result.phases.flatMap(\.repetitions).flatMap(\.attempts) {
      guard let bracket = attempt.bracket else { continue }
      var text = attempt.status.rawValue
      if let wall = attempt.wallNanoseconds { text += " in \(Durations.rounded(wall))" }
      if let reason = attempt.contamination.first { text += ", contaminated: \(reason)" }
      words[bracket] = text
    }
    return words
  }
}
