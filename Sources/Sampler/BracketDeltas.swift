package import SampleModel
import Synchronization

/// Keeps the account of each stream from the opening to the closing frame of a bracket, for its
/// exact differences: wraps between the edges count, and a reset makes a difference absent.
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
    /// The brackets of the last complete opening and closing frames, 0 for none.
    var opened: UInt32 = 0
    var closed: UInt32 = 0
    /// A layout that comes into force with the first frame of its epoch.
    var next: Layout?

    init(_ layout: Layout) {
      self.layout = layout
      places = []
      isPlain = true
    }

    mutating func enforce(_ layout: Layout) {
      self.layout = layout
      places = layout.columns.map { Place(name: $0.name, rule: ValueRule($0)) }
      isPlain = layout.formulas.isEmpty && layout.columns.allSatisfy { $0.times == nil }
      account.layout(layout)
      next = nil
    }

    /// Takes a complete frame.
    mutating func take(_ header: FrameHeader, _ values: Span<UInt64>) {
      if next?.epoch == header.epoch, let next { enforce(next) }
      guard header.epoch == layout.epoch, values.count == places.count else { return }
      if header.edge == .open {
        account.open(values, at: header.start)
        opened = header.bracket
        closed = 0
        return
      }
      // Behind its closing frame a bracket has no more.
      guard closed != header.bracket || header.edge == .close else { return }
      if opened != header.bracket {
        // What is left of an earlier bracket is no edge of this one.
        account.forget()
      }
      account.observe(values, at: header.start)
      if header.edge == .close { closed = header.bracket }
    }
  }

  private struct State: Sendable {
    /// By their numbers.
    var streams: [Stream?] = []
    /// Of every column of any layout so far: units, and the names of the shares of counts.
    var units: [String: String] = [:]
    var shares: [String: String] = [:]
    var newest: UInt32 = 0
  }

  // The drain writes, the controller reads after a flush.
  private let state = Mutex(State())

  /// A sink that has seen nothing.
  package init() {}

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
    }
  }

  /// Takes a frame into its stream's account.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    state.withLock { state in
      if header.edge != .none { state.newest = max(state.newest, header.bracket) }
      let number = Int(header.stream)
      guard header.outcome == .complete, number < state.streams.count else { return }
      state.streams[number]?.take(header, values)
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
  /// difference, each gauge at the close. A counter without both edges, or that was reset between
  /// them, is left out.
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
    let grown = stream.places.indices.map { stream.account.sum($0) }
    for (column, value) in stream.layout.totals(amounts, grown: grown) {
      all.append((column.name, value))
    }
  }

  /// A gauge's level at the close, a counter's growth since the opening, in base units.
  private static func amount(_ stream: Stream, _ place: Int) -> Double? {
    let rule = stream.places[place].rule
    if rule.isGauge { return stream.account.level(place).map { rule.level($0) } }
    return stream.account.sum(place).map { rule.scale.apply(Double($0)) }
  }
}
