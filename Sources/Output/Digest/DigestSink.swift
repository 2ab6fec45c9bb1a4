package import RunAnalysis
package import SampleModel

/// Takes a recording as it is played back, and gives each row of the digest as it was over time, in
/// memory that grows with the rows and not with the time: a few kilobytes a row, of at most
/// `DigestDefinition.mostRows` rows.
///
/// A row is computed at each acquisition of the collector that has all metrics of one of its
/// formulas, from rates of counters and from levels. A counter of nanoseconds counts as nanoseconds
/// a second, and so do `wall_time` and `bracket_time`, of which each second has 1,000,000,000.
package final class DigestSink: SampleSink {
  /// A row that a collector of the recording can give.
  private struct Feed {
    let row: DigestRow
    /// Which of its formulas, and the stream that has its metrics.
    var rule: Int
    var stream: UInt16
    /// Of each name the indices of its metrics in a frame, with the factor to base units a second;
    /// none: a time. Nil while the present layout lacks a name.
    var parts: [[(index: Int, factor: Double)]]?
    var unit: String
    var factor: Double
    var leastWindow: UInt64
    /// What was read since the last value.
    var areas: [Double] = []
    var window: UInt64 = 0
    var distribution = Distribution()
    var episodes: Episodes?
  }

  private let definition: DigestDefinition
  /// What is high, by the rows' keys and names, in the second pass; nil in the first.
  private let thresholds: [String: Double]?
  private var reader = StreamReader(raw: false)
  private var interval: UInt64 = 0
  private var cadences: [UInt16: UInt64] = [:]
  private var feeds: [Feed] = []
  private var indices: [String: Int] = [:]
  private var first: UInt64?
  private var last: UInt64 = 0
  private var frames = 0
  private var leftOut = Set<String>()
  private var hasProcesses = false

  package var bytesWritten: UInt64 { 0 }

  /// The first pass over a recording: what each row was.
  package convenience init(_ definition: DigestDefinition) {
    self.init(definition, thresholds: nil)
  }

  /// The second one: when it was high, by what the first one found.
  package convenience init(_ definition: DigestDefinition, busyIn digest: RecordingDigest) {
    self.init(definition, thresholds: digest.thresholds)
  }

  private init(_ definition: DigestDefinition, thresholds: [String: Double]?) {
    self.definition = definition
    self.thresholds = thresholds
  }

  /// Takes clocks and cadences.
  package func begin(_ meta: StreamMeta) throws(LBError) {
    reader.begin(meta)
    interval = meta.interval
    hasProcesses = meta.records.contains { ProcessTimes.schemas.contains($0.name) }
    for stream in meta.streams { cadences[stream.stream] = stream.cadence }
  }

  /// Finds out which rows the layout can give.
  package func layout(_ layout: Layout) throws(LBError) {
    reader.layout(layout)
    let columns = RowColumns(layout)
    for row in definition.rows {
      if row.isOfEach {
        for metric in columns.metrics(row.rules[0].expression.names[0]) {
          if let own = row.row(of: metric) { feed(own, layout, columns) }
        }
      } else {
        feed(row, layout, columns)
      }
    }
  }

  private func feed(_ row: DigestRow, _ layout: Layout, _ columns: RowColumns) {
    let key = RecordingDigest.key(row)
    if let index = indices[key] {
      if feeds[index].stream == layout.stream {
        let names = row.rules[feeds[index].rule].expression.names
        feeds[index].parts = columns.parts(names)
        return
      }
      // An earlier formula takes the place of a later one while nothing has been read.
      guard feeds[index].distribution.count == 0, feeds[index].window == 0 else { return }
    }
    let usual = interval &* (cadences[layout.stream] ?? 1)
    for (number, rule) in row.rules.enumerated() {
      if let index = indices[key], number >= feeds[index].rule { return }
      guard let parts = columns.parts(rule.expression.names) else { continue }
      let kind = columns.kind(rule.expression.names, row.unit)
      var feed = Feed(
        row: row, rule: number, stream: layout.stream, parts: parts, unit: kind.unit,
        factor: kind.factor,
        leastWindow: kind.isRate ? max(usual / 2, 10 &* kind.resolution, 1) : 0)
      if let threshold = thresholds?[key] { feed.episodes = Episodes(above: threshold) }
      if let index = indices[key] {
        feeds[index] = feed
      } else if feeds.count < DigestDefinition.mostRows {
        indices[key] = feeds.count
        feeds.append(feed)
      } else {
        leftOut.insert(key)
      }
      return
    }
  }

  /// Takes a frame's values.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    frames += 1
    if first == nil { first = header.start }
    last = max(last, header.start)
    guard let frame = reader.read(header, values) else { return }
    for index in feeds.indices where feeds[index].stream == header.stream {
      guard let parts = feeds[index].parts else { continue }
      take(frame, parts, &feeds[index])
    }
  }

  private func take(
    _ frame: ReadFrame, _ parts: [[(index: Int, factor: Double)]], _ feed: inout Feed
  ) {
    var amounts: [Double] = []
    var window: UInt64?
    for part in parts {
      if part.isEmpty {
        amounts.append(1e9)
        continue
      }
      var sum: Double?
      for (index, factor) in part where index < frame.values.count {
        guard let number = frame.values[index].number, number.isFinite else { continue }
        sum = (sum ?? 0) + number * factor
        window = max(window ?? 0, frame.windows[index] ?? frame.window ?? 0)
      }
      guard let sum else { return }
      amounts.append(sum)
    }
    guard let window else { return }
    let span = max(1, window)
    // What is a value by itself keeps all its digits.
    if feed.window == 0, span >= feed.leastWindow {
      return add(amounts, over: span, to: &feed, at: frame.header.start)
    }
    if feed.areas.isEmpty { feed.areas = amounts.map { _ in 0 } }
    for index in amounts.indices { feed.areas[index] += amounts[index] * Double(span) }
    feed.window &+= span
    guard feed.window >= feed.leastWindow else { return }
    let means = feed.areas.map { $0 / Double(feed.window) }
    add(means, over: feed.window, to: &feed, at: frame.header.start)
    (feed.areas, feed.window) = ([], 0)
  }

  private func add(
    _ amounts: [Double], over span: UInt64, to feed: inout Feed, at time: UInt64
  ) {
    guard let value = feed.row.rules[feed.rule].expression.evaluate(amounts) else { return }
    let amount = value * feed.factor
    feed.distribution.add(amount, over: span, at: time)
    feed.episodes?.add(amount, from: time > span ? time - span : 0, to: time)
  }

  /// What is left is of too little time for a rate: it counts in the mean alone.
  private func end(_ feed: inout Feed) {
    defer { (feed.areas, feed.window) = ([], 0) }
    guard feed.window > 0,
      let value = feed.row.rules[feed.rule].expression.evaluate(
        feed.areas.map { $0 / Double(feed.window) })
    else { return }
    feed.distribution.addToMean(value * feed.factor, over: feed.window)
  }

  /// `ProcessSink` reads the records of processes.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}
  /// Keeps the dates right.
  package func event(_ event: SampleEvent) throws(LBError) { reader.event(event) }
  /// Nothing waits.
  package func commit(watermark: UInt64) throws(LBError) {}

  /// What was taken so far.
  package var digest: RecordingDigest {
    let origin = first ?? 0
    var entries: [RecordingDigest.Entry] = []
    for row in definition.rows.inOrderOfGroups {
      let own = feeds.filter { $0.row.key == row.key }
      if own.isEmpty {
        entries.append(RecordingDigest.Entry(absent: row))
        continue
      }
      for var feed in own {
        end(&feed)
        feed.episodes?.finish()
        let quantiles = feed.distribution.quantiles([0.5, 0.95])
        guard let mean = feed.distribution.mean, quantiles.count == 2 else {
          entries.append(RecordingDigest.Entry(absent: feed.row))
          continue
        }
        var entry = RecordingDigest.Entry(
          row: feed.row, unit: feed.unit, formula: feed.row.rules[feed.rule].text)
        entry.count = feed.distribution.count
        entry.mean = mean
        entry.median = quantiles[0]
        entry.percentile95 = quantiles[1]
        entry.maximum = feed.distribution.most
        entry.maximumElapsed = feed.distribution.mostAt &- origin
        entry.maximumUnix = reader.unixTime(of: feed.distribution.mostAt)
        entry.episodes = feed.episodes?.longest ?? []
        entry.episodeCount = feed.episodes?.count ?? 0
        entries.append(entry)
      }
    }
    return RecordingDigest(
      origin: origin, span: last &- origin, frames: frames, entries: entries,
      leftOut: leftOut.count, hasProcesses: hasProcesses)
  }
}

/// The columns of a layout, by the names that formulas use.
private struct RowColumns {
  private let layout: Layout
  private let names: [String]
  private let indices: [String: Int]

  init(_ layout: Layout) {
    self.layout = layout
    names = layout.shown.map(\.name)
    indices = Dictionary(zip(names, names.indices)) { first, _ in first }
  }

  /// The metrics that a name or pattern means, in the order of the columns.
  func metrics(_ name: String) -> [String] {
    guard DigestName.isPattern(name) else { return indices[name] == nil ? [] : [name] }
    return names.filter { Glob.matches(name, $0) }
  }

  /// Where the parts of the names stand; nil where one is not there, or all are times.
  func parts(_ wanted: [String]) -> [[(index: Int, factor: Double)]]? {
    var parts: [[(index: Int, factor: Double)]] = []
    for name in wanted {
      if DigestName.isTime(name) {
        parts.append([])
        continue
      }
      let found = metrics(name).compactMap { indices[$0] }
      guard !found.isEmpty else { return nil }
      parts.append(found.map { ($0, isRate($0) && isTime($0) ? 1e9 : 1) })
    }
    return parts.allSatisfy(\.isEmpty) ? nil : parts
  }

  private func isRate(_ index: Int) -> Bool {
    // What a formula makes of counters is no rate of its own.
    index < layout.columns.count && layout.columns[index].metric.kind != .gauge
  }

  private func isTime(_ index: Int) -> Bool {
    layout.shown[index].metric.unit == .nanoseconds
  }

  /// What a formula of these names is of, with the unit of a row that has `unit` in a repetition.
  func kind(
    _ wanted: [String], _ unit: String
  ) -> (isRate: Bool, unit: String, factor: Double, resolution: UInt64) {
    let found = wanted.flatMap { metrics($0) }.compactMap { indices[$0] }
    let rates = found.filter(isRate)
    let own = found.first.map { layout.shown[$0].metric.unit.rawValue } ?? ""
    let base = unit.isEmpty ? own : unit
    let resolution = rates.compactMap { layout.columns[$0].metric.resolution }.max() ?? 0
    guard !rates.isEmpty else { return (false, base, 1, 0) }
    switch base {
    case "ns": return (true, "1", 1e-9, resolution)
    case "J": return (true, "W", 1, resolution)
    case "bytes", "count": return (true, base + "/s", 1, resolution)
    default: return (true, base, 1, resolution)
    }
  }
}
