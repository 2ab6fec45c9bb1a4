package import SampleModel
import Synchronization

/// Keeps the account of each stream from the opening to the closing frame of a bracket, for its
/// exact differences: wraps between the edges count, and a reset makes a difference absent. Beside
/// them, what levels and rates were in between (`LevelTracks`, `RateTracks`).
package final class BracketDeltas: SampleSink {
  /// What the value of a column comes from, as short as it gets: a bracket's differences are on the
  /// way to the next repetition.
  private struct Place: Sendable {
    let name: String
    let rule: ValueRule
  }

  private struct Stream: Sendable {
    var layout: Layout
    var places: [Place]
    /// Its columns are all that is shown: no formulas, nothing counted in part.
    var isPlain: Bool
    var account = CounterAccount()
    var levels = LevelTracks()
    var rates = RateTracks()
    /// The brackets of the last complete opening frame, and of the last closing one, 0 for none.
    var opened: UInt32 = 0
    var closed: UInt32 = 0
    /// The closing frame was complete: without it counters have no difference, and levels that were
    /// read before are levels all the same.
    var isWhole = false
    /// A layout that comes into force with the first frame of its epoch.
    var next: Layout?

    init(_ layout: Layout) {
      self.layout = layout
      places = []
      isPlain = true
    }

    mutating func enforce(_ layout: Layout, _ isWorkloads: (Column) -> Bool) {
      let old = places.isEmpty ? nil : self.layout
      levels.enforce(layout, after: old) { column in
        guard ValueRule(column).isGauge else { return .none }
        if let window = column.metric.averagingWindow { return .after(window) }
        if column.metric.isPeak { return .peak }
        return isWorkloads(column) ? .within : .all
      }
      rates.enforce(layout, after: old)
      self.layout = layout
      places = layout.columns.map { Place(name: $0.name, rule: ValueRule($0)) }
      isPlain = layout.formulas.isEmpty && layout.columns.allSatisfy { $0.times == nil }
      account.layout(layout)
      next = nil
    }

    /// Takes a complete frame.
    mutating func take(
      _ header: FrameHeader, _ values: Span<UInt64>, _ isWorkloads: (Column) -> Bool
    ) {
      if next?.epoch == header.epoch, let next { enforce(next, isWorkloads) }
      guard header.epoch == layout.epoch, values.count == places.count else { return }
      if header.edge == .open {
        account.open(values, at: header.start)
        opened = header.bracket
        closed = 0
        levels.take(header, values)
        rates.take(header, account)
        return
      }
      // Behind its closing frame a bracket has no more.
      guard closed != header.bracket || header.edge == .close else { return }
      if opened != header.bracket {
        // What is left of an earlier bracket is no edge of this one.
        account.forget()
      }
      account.observe(values, at: header.start)
      levels.take(header, values)
      rates.take(header, account)
      if header.edge == .close { (closed, isWhole) = (header.bracket, true) }
    }

    /// Takes a frame without values.
    mutating func miss(_ header: FrameHeader) {
      if header.outcome == .absent { account.lose() }
      if header.edge == .close { (closed, isWhole) = (header.bracket, false) }
    }
  }

  private struct State: Sendable {
    /// By their numbers.
    var streams: [Stream?] = []
    /// Of every column of any layout so far: units, and the names of the shares of counts.
    var units: [String: String] = [:]
    var shares: [String: String] = [:]
    var newest: UInt32 = 0
    /// Some name has more than ASCII.
    var hasForeign = false
  }

  // The drain writes, the controller reads after a flush.
  private let state = Mutex(State())
  /// Whether a column is about a workload that lives between the edges alone.
  private let isWorkloads: @Sendable (Column) -> Bool

  /// A sink that has seen nothing; `isWorkloads` says of which columns the edges of a bracket tell
  /// nothing.
  package init(isWorkloads: @escaping @Sendable (Column) -> Bool = { _ in false }) {
    self.isWorkloads = isWorkloads
  }

  package var bytesWritten: UInt64 { 0 }

  /// Nothing to prepare.
  package func begin(_ meta: StreamMeta) throws(LBError) {}

  /// Remembers the columns. They come into force with their first frame, so that a bracket which
  /// closed before keeps its differences.
  package func layout(_ layout: Layout) throws(LBError) {
    state.withLock { state in
      let number = Int(layout.stream)
      while state.streams.count <= number { state.streams.append(nil) }
      if state.streams[number] == nil { state.streams[number] = Stream(layout) }
      state.streams[number]?.next = layout
      for column in layout.shown { state.units[column.name] = column.metric.unit.rawValue }
      for column in layout.columns { state.shares[column.name] = column.share }
      state.hasForeign =
        state.hasForeign
        || layout.columns.contains { !$0.instance.utf8.allSatisfy { $0 < 0x80 } }
    }
  }

  /// Takes a frame into its stream's account.
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
  /// Events do not matter here.
  package func event(_ event: SampleEvent) throws(LBError) {}
  /// Nothing to keep.
  package func commit(watermark: UInt64) throws(LBError) {}

  /// Units of every column seen, by name.
  package var units: [String: String] { state.withLock { $0.units } }

  /// For each count that has times, the name of the share that they make.
  package var shares: [String: String] { state.withLock { $0.shares } }

  /// Over the last bracket, in base units and in the order of streams and columns: each counter's
  /// difference, each gauge's mean by time. A counter without both edges, or that was reset between
  /// them, is left out, and so is a gauge of which no reading counts.
  ///
  /// A gauge that moved has its range under its own name with `.min` and `.max`; a counter that did
  /// has `.rate.mean` and `.rate.max`, and read often enough `.rate.p50` and `.rate.p95`. Of names
  /// that are equal to Swift and have other bytes all but one are escaped (`ExactText.apart`).
  package func values() -> [(name: String, value: Double)] {
    state.withLock { state in
      var all: [(name: String, value: Double)] = []
      all.reserveCapacity(state.streams.reduce(0) { $0 + ($1?.places.count ?? 0) })
      for case let stream? in state.streams
      where stream.closed != 0 && stream.closed == state.newest {
        if stream.isPlain {
          Self.append(stream, to: &all)
        } else {
          Self.appendTotals(stream, to: &all)
        }
        for place in stream.places.indices {
          Self.appendCourse(stream, place, to: &all, &state.units)
        }
      }
      // Results have the values by name, and Swift takes some names for one.
      if state.hasForeign {
        for (place, name) in ExactText.apart(all.map(\.name)) {
          state.units[name] = state.units[all[place].name]
          all[place].name = name
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
    for place in stream.places.indices {
      if let amount = amount(stream, place) {
        all.append((stream.places[place].name, amount))
      }
    }
  }

  private static func appendTotals(
    _ stream: Stream, to all: inout [(name: String, value: Double)]
  ) {
    let amounts = stream.places.indices.map { amount(stream, $0) }
    let grown = stream.places.indices.map { sum(stream, $0) }
    for (column, value) in stream.layout.totals(amounts, grown: grown) {
      all.append((column.name, value))
    }
  }

  /// A gauge's mean, a counter's growth since the opening, in base units.
  private static func amount(_ stream: Stream, _ place: Int) -> Double? {
    let rule = stream.places[place].rule
    if rule.isGauge { return level(stream, place).map { rule.scale.apply($0.mean) } }
    return sum(stream, place).map { rule.scale.apply(Double($0)) }
  }

  /// What a gauge did in the bracket that was closed last.
  private static func level(_ stream: Stream, _ place: Int) -> LevelTracks.Level? {
    stream.levels.bracket == stream.closed ? stream.levels.level(place) : nil
  }

  /// A counter's growth from edge to edge.
  private static func sum(_ stream: Stream, _ place: Int) -> UInt64? {
    stream.isWhole ? stream.account.sum(place) : nil
  }

  /// What lies between the edges. Counts of a part of the time have no rates: a reading scales
  /// them by more than the bracket does.
  private static func appendCourse(
    _ stream: Stream, _ place: Int, to all: inout [(name: String, value: Double)],
    _ units: inout [String: String]
  ) {
    let (name, rule) = (stream.places[place].name, stream.places[place].rule)
    func append(_ suffix: String, _ raw: Double, _ unit: String, _ factor: Double = 1) {
      let name = name + suffix
      if units[name] == nil { units[name] = unit }
      all.append((name, rule.scale.apply(raw) * factor))
    }
    if rule.isGauge {
      guard let level = level(stream, place), level.least < level.most else { return }
      let unit = units[name] ?? ""
      append(".min", level.least, unit)
      append(".max", level.most, unit)
      return
    }
    guard stream.isPlain, let sum = sum(stream, place),
      let rate = stream.rates.rate(place, sum)
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
