package import SampleModel
import Synchronization

/// Computes the exact differences of each stream's counters between the opening and the closing
/// frame of a bracket: wraps in between are counted, and a reset makes the difference absent. It
/// also summarises levels and rates in between (`LevelTracks`, `RateTracks`).
package final class BracketDeltas: SampleSink {
  /// The minimum needed to compute a column's delta; this is on the latency path of `stop`.
  private struct ColumnRule: Sendable {
    let name: String
    let rule: ValueRule
  }

  private struct Stream: Sendable {
    var layout: Layout
    var columns: [ColumnRule]
    /// The layout has no formulas, and no counts of a part of the time.
    var isPlain: Bool
    var account = CounterAccount()
    var levels = LevelTracks()
    var rates = RateTracks()
    /// The brackets of the last complete opening frame, and of the last closing one, 0 for none.
    var opened: UInt32 = 0
    var closed: UInt32 = 0
    /// The closing frame was complete. Counters need it for their difference; levels do not.
    var isWhole = false
    /// A layout that takes effect with the first frame of its epoch.
    var next: Layout?

    init(_ layout: Layout) {
      self.layout = layout
      columns = []
      isPlain = true
    }

    mutating func enforce(_ layout: Layout, _ isWorkloads: (Column) -> Bool) {
      let old = columns.isEmpty ? nil : self.layout
      levels.enforce(layout, after: old) { column in
        guard ValueRule(column).isGauge else { return .none }
        if let window = column.metric.averagingWindow { return .after(window) }
        if column.metric.isPeak { return .peak }
        return isWorkloads(column) ? .within : .all
      }
      rates.enforce(layout, after: old)
      self.layout = layout
      columns = layout.columns.map { ColumnRule(name: $0.name, rule: ValueRule($0)) }
      isPlain = layout.formulas.isEmpty && layout.columns.allSatisfy { $0.times == nil }
      account.layout(layout)
      next = nil
    }

    /// Takes a complete frame.
    mutating func take(
      _ header: FrameHeader, _ values: Span<UInt64>, _ isWorkloads: (Column) -> Bool
    ) {
      if next?.epoch == header.epoch, let next { enforce(next, isWorkloads) }
      guard header.epoch == layout.epoch, values.count == columns.count else { return }
      if header.edge == .open {
        account.open(values, at: header.start)
        opened = header.bracket
        closed = 0
        levels.take(header, values)
        rates.take(header, account)
        return
      }
      // Frames after the closing one do not belong to the bracket.
      guard closed != header.bracket || header.edge == .close else { return }
      if opened != header.bracket {
        // A previous bracket's opening sample is no edge of this one.
        account.invalidate()
      }
      account.observe(values, at: header.start)
      levels.take(header, values)
      rates.take(header, account)
      if header.edge == .close { (closed, isWhole) = (header.bracket, true) }
    }

    /// Takes a frame without values.
    mutating func miss(_ header: FrameHeader) {
      if header.outcome == .absent { account.recordSourceLoss() }
      if header.edge == .close { (closed, isWhole) = (header.bracket, false) }
    }
  }

  private struct State: Sendable {
    /// By stream number.
    var streams: [Stream?] = []
    /// Units, and the names of the shares of counts, of the columns of every layout so far.
    var units: [String: String] = [:]
    var shares: [String: String] = [:]
    var newest: UInt32 = 0
  }

  // Written by the drain, read by the controller after a flush.
  private let state = Mutex(State())
  /// Whether a column belongs to a workload that lives only between the edges.
  private let isWorkloads: @Sendable (Column) -> Bool

  /// An empty sink; `isWorkloads` selects the columns whose readings at the edges are not used.
  package init(isWorkloads: @escaping @Sendable (Column) -> Bool = { _ in false }) {
    self.isWorkloads = isWorkloads
  }

  package var bytesWritten: UInt64 { 0 }

  /// Nothing to prepare.
  package func begin(_ meta: StreamMeta) throws(LBError) {}

  /// Keeps the layout until its first frame, so that a bracket which closed before keeps its
  /// differences.
  package func layout(_ layout: Layout) throws(LBError) {
    state.withLock { state in
      let number = Int(layout.stream)
      while state.streams.count <= number { state.streams.append(nil) }
      if state.streams[number] == nil { state.streams[number] = Stream(layout) }
      state.streams[number]?.next = layout
      for column in layout.shown { state.units[column.name] = column.metric.unit.rawValue }
      for column in layout.columns { state.shares[column.name] = column.share }
    }
  }

  /// Adds a frame to its stream's account.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    state.withLock { state in
      if header.edge != .none { state.newest = max(state.newest, header.bracket) }
      let number = Int(header.stream)
      guard number < state.streams.count else { return }
      guard header.outcome == .complete else {
        state.streams[number]?.miss(header)
        return
      }
      state.streams[number]?.take(header, values, isWorkloads)
    }
  }

  /// Records have no differences.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}
  /// Events are ignored.
  package func event(_ event: SampleEvent) throws(LBError) {}
  /// Nothing to keep.
  package func commit(watermark: UInt64) throws(LBError) {}

  /// Units of every column seen, by name.
  package var units: [String: String] { state.withLock { $0.units } }

  /// For each count with a time counted, the name of its share.
  package var shares: [String: String] { state.withLock { $0.shares } }

  /// The last bracket's values in base units, in the order of streams and columns: each counter's
  /// difference and each gauge's time-weighted mean. Left out: counters without both edges or with
  /// a reset between them, and gauges without a usable reading.
  ///
  /// A gauge that changed also has `.min` and `.max`; a counter that changed also has `.rate.mean`
  /// and `.rate.max` and, with enough readings, `.rate.p50` and `.rate.p95`.
  package func values() -> [(name: String, value: Double)] {
    state.withLock { state in
      var all: [(name: String, value: Double)] = []
      all.reserveCapacity(state.streams.reduce(0) { $0 + ($1?.columns.count ?? 0) })
      for case let stream? in state.streams
      where stream.closed != 0 && stream.closed == state.newest {
        if stream.isPlain {
          Self.append(stream, to: &all)
        } else {
          Self.appendTotals(stream, to: &all)
        }
        for index in stream.columns.indices {
          Self.appendCourse(stream, index, to: &all, &state.units)
        }
      }
      return all
    }
  }

  /// `values` by name.
  package func metrics() -> [String: Double] {
    Dictionary(values().map { ($0.name, $0.value) }) { _, last in last }
  }

  private static func append(
    _ stream: Stream, to all: inout [(name: String, value: Double)]
  ) {
    for index in stream.columns.indices {
      if let amount = amount(stream, index) {
        all.append((stream.columns[index].name, amount))
      }
    }
  }

  private static func appendTotals(
    _ stream: Stream, to all: inout [(name: String, value: Double)]
  ) {
    let amounts = stream.columns.indices.map { amount(stream, $0) }
    let grown = stream.columns.indices.map { sum(stream, $0) }
    for (column, value) in stream.layout.totals(amounts, grown: grown) {
      all.append((column.name, value))
    }
  }

  /// A gauge's mean, a counter's growth since the opening, in base units.
  private static func amount(_ stream: Stream, _ index: Int) -> Double? {
    let rule = stream.columns[index].rule
    if rule.isGauge { return level(stream, index).map { rule.scale.apply($0.mean) } }
    return sum(stream, index).map { rule.scale.apply(Double($0)) }
  }

  /// A gauge's summary in the bracket that was closed last.
  private static func level(_ stream: Stream, _ index: Int) -> LevelTracks.Level? {
    stream.levels.bracket == stream.closed ? stream.levels.level(index) : nil
  }

  /// A counter's growth from edge to edge.
  private static func sum(_ stream: Stream, _ index: Int) -> UInt64? {
    stream.isWhole ? stream.account.sum(index) : nil
  }

  /// Adds the range or the rates between the edges. Counts of a part of the time have no rates: a
  /// single reading is scaled up by more than the bracket is.
  private static func appendCourse(
    _ stream: Stream, _ index: Int, to all: inout [(name: String, value: Double)],
    _ units: inout [String: String]
  ) {
    let (name, rule) = (stream.columns[index].name, stream.columns[index].rule)
    func append(_ suffix: String, _ raw: Double, _ unit: String, _ factor: Double = 1) {
      let name = name + suffix
      if units[name] == nil { units[name] = unit }
      all.append((name, rule.scale.apply(raw) * factor))
    }
    if rule.isGauge {
      guard let level = level(stream, index), level.least < level.most else { return }
      let unit = units[name] ?? ""
      append(".min", level.least, unit)
      append(".max", level.most, unit)
      return
    }
    guard stream.isPlain, let sum = sum(stream, index),
      let rate = stream.rates.rate(index, sum)
    else { return }
    // Time per time is a fraction; everything else is per second.
    let unit = rule.isTime ? "1" : (units[name] ?? "") + "/s"
    let factor = rule.isTime ? 1e-9 : 1
    append(".rate.mean", rate.mean, unit, factor)
    append(".rate.max", rate.most, unit, factor)
    if let median = rate.median { append(".rate.p50", median, unit, factor) }
    if let ninetyFifth = rate.ninetyFifth { append(".rate.p95", ninetyFifth, unit, factor) }
  }
}
