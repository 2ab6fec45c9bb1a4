package import RunStore
package import SampleModel

/// `export --format openmetrics`: all samples of a run with their times, family by family, as
/// `promtool tsdb create-blocks-from openmetrics` takes them.
///
/// The format has all samples of a series together, a run those of a time. So a replay fills a text
/// for each series, up to a limit; the last ones are given up when it is reached, and another
/// replay fills those. The first text is written as it grows: each replay ends at least one.
package final class OpenMetricsExport {
  /// What was written.
  package struct Summary: Sendable, Equatable {
    package var families = 0
    package var series = 0
    package var samples = 0
    /// Samples in the millisecond of the one before, or before that: Prometheus has no room for
    /// them.
    package var left = 0
  }

  private struct Key: Hashable {
    let stream: UInt16
    let series: ExactText
  }

  /// One series: a column, in all of its layouts.
  private struct Series {
    let key: Key
    let family: MetricFamily
    let labels: String
  }

  private let replay: RunReplay
  private let run: String
  private let attempts: [UInt32: AttemptID]
  /// Bytes of all texts.
  private let limit: Int
  private var series: [Series] = []
  private var names = FamilyNames()
  /// The family of the last series that is written.
  private var announced: MetricFamily?
  private var families = 0

  /// An export of the selected part of a run, of whose brackets `attempts` says what they are; at
  /// most `limit` bytes of text wait to be written.
  package init(
    _ reader: RunReader, selection: RunReplay.Selection, run: String,
    attempts: [UInt32: AttemptID], limit: Int = 64 << 20
  ) throws(LBError) {
    replay = RunReplay(reader, selection: selection)
    self.run = run
    self.attempts = attempts
    self.limit = limit
    var order: [MetricFamily] = []
    var byFamily: [MetricFamily: [Series]] = [:]
    var known = Set<Key>()
    var texts = Set<ExactText>()
    for layout in try replay.layouts() {
      for (_, family, key, labels) in Self.series(of: layout, &names)
      where known.insert(key).inserted && texts.insert(key.series).inserted {
        if byFamily[family] == nil { order.append(family) }
        byFamily[family, default: []].append(Series(key: key, family: family, labels: labels))
      }
    }
    series = order.flatMap { byFamily[$0] ?? [] }
  }

  private static func series(
    of layout: Layout, _ names: inout FamilyNames
  ) -> [(column: Int, family: MetricFamily, key: Key, labels: String)] {
    SeriesLabels.of(layout).compactMap { index, labels in
      let column = layout.columns[index]
      let prefix = String(column.name.prefix { $0 != "." })
      return names.family(column.metric, prefix: prefix).map {
        let key = Key(stream: layout.stream, series: ExactText("\($0.name){\(labels)"))
        return (column: index, family: $0, key: key, labels: labels)
      }
    }
  }

  /// Writes everything by `output`.
  package func write(
    by output: @escaping ([UInt8]) throws(LBError) -> Void
  ) throws(LBError) -> Summary {
    var summary = Summary()
    var next = 0
    while next < series.count {
      let pass = Pass(Array(series[next...]), self, output)
      try replay.play(into: pass)
      try pass.finish(&summary)
      next += pass.count
    }
    summary.families = families
    var end = ExpositionWriter(.openMetrics)
    end.end()
    try output(end.buffer.bytes)
    return summary
  }

  /// The labels of every series in a bracket.
  private func labels(of bracket: UInt32) -> String {
    var labels = [(name: "run", value: run)]
    if let attempt = attempts[bracket] {
      labels += [
        ("phase", attempt.phase), ("repetition", "\(attempt.repetition)"),
        ("attempt", "\(attempt.attempt)"),
      ]
      if attempt.warmUp { labels.append(("warm_up", "true")) }
    }
    return ExpositionWriter.labels(labels)
  }

  /// One replay, which fills the texts of as many series as there is room for.
  private final class Pass: SampleSink {
    private struct Entry {
      let series: Series
      var writer = ExpositionWriter(.openMetrics, hasCreated: false)
      /// The last written sample's millisecond.
      var last: UInt64?
      var samples = 0
      var left = 0
    }

    private let export: OpenMetricsExport
    private let output: ([UInt8]) throws(LBError) -> Void
    private var board = MetricBoard()
    private var entries: [Entry]
    private let positions: [Key: Int]
    /// Of each stream's present layout, columns with the index of their entry.
    private var columns: [UInt16: [(column: Int, entry: Int)]] = [:]
    private var names: FamilyNames
    private var bracket: (number: UInt32, labels: String)?
    private var bytes = 0
    private(set) var bytesWritten: UInt64 = 0

    init(
      _ series: [Series], _ export: OpenMetricsExport,
      _ output: @escaping ([UInt8]) throws(LBError) -> Void
    ) {
      self.export = export
      self.output = output
      entries = series.map { Entry(series: $0) }
      positions = Dictionary(
        series.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { first, _ in first })
      names = export.names
      for index in entries.indices {
        entries[index].writer.begin(series[index].family, isAnnounced: false)
      }
    }

    /// Series that this pass has all samples of.
    var count: Int { entries.count }

    func begin(_ meta: StreamMeta) throws(LBError) { board.begin(meta) }
    func event(_ event: SampleEvent) throws(LBError) { board.event(event) }
    func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}
    func commit(watermark: UInt64) throws(LBError) {}

    func layout(_ layout: Layout) throws(LBError) {
      board.layout(layout)
      columns[layout.stream] = OpenMetricsExport.series(of: layout, &names).compactMap { one in
        positions[one.key].map { (column: one.column, entry: $0) }
      }
    }

    func pass(_ header: FrameHeader, _ values: Span<UInt64>) { board.frame(header, values) }

    func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
      board.frame(header, values)
      guard header.outcome == .complete else { return }
      if bracket?.number != header.bracket {
        bracket = (header.bracket, export.labels(of: header.bracket))
      }
      let stream = board.streams[Int(header.stream)]
      guard let totals = stream.totals, let read = stream.readTime, let bracket else { return }
      for (column, index) in columns[header.stream] ?? [] where index < entries.count {
        guard let value = totals.value(column) else { continue }
        if let last = entries[index].last, read / 1_000_000 <= last {
          entries[index].left += 1
          continue
        }
        entries[index].last = read / 1_000_000
        entries[index].samples += 1
        let labels = entries[index].series.labels
        let before = entries[index].writer.buffer.bytes.count
        entries[index].writer.sample(
          labels.isEmpty ? bracket.labels : "\(bracket.labels),\(labels)", value,
          ExpositionWriter.Times(read: read))
        bytes += entries[index].writer.buffer.bytes.count - before
      }
      if bytes > export.limit { try makeRoom() }
    }

    /// Writes the first text; gives up the second half of the others if that is not enough.
    private func makeRoom() throws(LBError) {
      try flush(0)
      while bytes > export.limit / 2, entries.count > 1 {
        for entry in entries[(entries.count / 2)...] {
          bytes -= entry.writer.buffer.bytes.count
        }
        entries.removeLast(entries.count - entries.count / 2)
      }
    }

    private func flush(_ index: Int) throws(LBError) {
      let text = entries[index].writer.buffer.bytes
      guard !text.isEmpty else { return }
      if export.announced != entries[index].series.family {
        export.announced = entries[index].series.family
        export.families += 1
        var head = ExpositionWriter(.openMetrics)
        head.begin(entries[index].series.family)
        try output(head.buffer.bytes)
      }
      try output(text)
      bytes -= text.count
      entries[index].writer.clear()
    }

    /// Writes what is left, and adds up what was written.
    func finish(_ summary: inout Summary) throws(LBError) {
      for index in entries.indices { try flush(index) }
      for entry in entries where entry.samples > 0 {
        summary.series += 1
        summary.samples += entry.samples
        summary.left += entry.left
      }
    }
  }
}
