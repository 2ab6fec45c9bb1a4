package import SampleModel
import Synchronization

/// Keeps the opening and the closing frame of a bracket, for its exact differences.
package final class BracketDeltas: SampleSink {
  private struct Edge: Sendable {
    var bracket: UInt32
    var layout: Layout
    var values: [UInt64]
  }

  /// What the value of a column comes from, as short as it gets: a bracket's differences are on the
  /// way of whoever closes it.
  private struct Place: Sendable {
    let name: String
    let rule: ValueRule
  }

  private struct State: Sendable {
    var layouts: [UInt16: Layout] = [:]
    /// Of layouts whose columns are all that is shown: no formulas, nothing counted in part.
    var plain: [UInt16: [Place]] = [:]
    /// Of every column of any layout so far: units, and the names of the shares of counts.
    var units: [String: String] = [:]
    var shares: [String: String] = [:]
    var open: [UInt16: Edge] = [:]
    var close: [UInt16: Edge] = [:]
    var newest: UInt32 = 0
  }

  // The drain writes, the controller reads after a flush.
  private let state = Mutex(State())

  /// A sink that has seen nothing.
  package init() {}

  package var bytesWritten: UInt64 { 0 }

  /// Nothing to prepare.
  package func begin(_ meta: StreamMeta) throws(LBError) {}

  /// Remembers the columns.
  package func layout(_ layout: Layout) throws(LBError) {
    state.withLock { state in
      state.layouts[layout.stream] = layout
      let isPlain = layout.formulas.isEmpty && layout.columns.allSatisfy { $0.times == nil }
      state.plain[layout.stream] =
        !isPlain
        ? nil
        : layout.columns.map { Place(name: $0.name, rule: ValueRule($0.metric)) }
      for column in layout.shown { state.units[column.name] = column.metric.unit.rawValue }
      for column in layout.columns { state.shares[column.name] = column.share }
    }
  }

  /// Keeps the two edges, lets everything between pass.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    guard header.edge != .none else { return }
    state.withLock { state in
      // What is left of an earlier bracket is no edge of this one.
      if let open = state.open[header.stream], open.bracket != header.bracket {
        state.open[header.stream] = nil
      }
      if let close = state.close[header.stream], close.bracket != header.bracket {
        state.close[header.stream] = nil
      }
      state.newest = max(state.newest, header.bracket)
    }
    guard header.outcome == .complete else { return }
    var copy: [UInt64] = []
    copy.reserveCapacity(values.count)
    for index in values.indices { copy.append(values[index]) }
    state.withLock { state in
      guard let layout = state.layouts[header.stream] else { return }
      let edge = Edge(bracket: header.bracket, layout: layout, values: copy)
      if header.edge == .open {
        state.open[header.stream] = edge
      } else {
        state.close[header.stream] = edge
      }
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
      all.reserveCapacity(state.close.values.reduce(0) { $0 + $1.values.count })
      for stream in state.close.keys.sorted() {
        guard let close = state.close[stream], close.bracket == state.newest else { continue }
        let open = state.open[stream].flatMap { $0.bracket == close.bracket ? $0 : nil }
        if let open, let places = state.plain[stream], open.layout.epoch == close.layout.epoch {
          Self.append(places, open, close, to: &all)
        } else {
          Self.append(open, close, to: &all)
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
    _ places: [Place], _ open: Edge, _ close: Edge, to all: inout [(name: String, value: Double)]
  ) {
    for index in places.indices {
      let (value, old, rule) = (close.values[index], open.values[index], places[index].rule)
      if rule.isGauge {
        all.append((places[index].name, rule.level(value)))
      } else if let difference = CounterStep(from: old, to: value, rule: rule).difference {
        all.append((places[index].name, rule.scale.apply(Double(difference))))
      }
    }
  }

  private static func append(
    _ open: Edge?, _ close: Edge, to all: inout [(name: String, value: Double)]
  ) {
    let before = values(of: open, inPlacesOf: close.layout)
    let isOneLayout = open?.layout.epoch == close.layout.epoch
    var amounts: [Double?] = []
    var grown: [UInt64] = []
    for (place, column) in close.layout.columns.enumerated() {
      let (metric, value, old) = (column.metric, close.values[place], before[place])
      grown.append(value &- (old ?? 0))
      if metric.kind == .gauge {
        amounts.append(metric.level(value))
      } else if let old, isOneLayout || !metric.isSum {
        amounts.append(
          CounterStep(from: old, to: value, metric: metric).difference
            .map { metric.scale.apply(Double($0)) })
      } else {
        amounts.append(nil)
      }
    }
    for (column, value) in close.layout.totals(amounts, grown: grown) {
      all.append((column.name, value))
    }
  }

  /// An opening edge's values where the columns of `layout` stand: found by name where it had
  /// another layout.
  private static func values(of open: Edge?, inPlacesOf layout: Layout) -> [UInt64?] {
    guard let open else { return Array(repeating: nil, count: layout.columns.count) }
    if open.layout.epoch == layout.epoch { return open.values }
    var named: [String: UInt64] = [:]
    for (column, value) in zip(open.layout.columns, open.values) { named[column.name] = value }
    return layout.columns.map { named[$0.name] }
  }
}
