import SampleModel

/// A counter track of a trace.
struct TraceCounter {
  /// Which values of a column it has.
  enum Family: Hashable {
    /// As `export --raw` has them: cumulative values, and levels.
    case raw
    /// As `export` has them: over each window.
    case rate
    /// The same of one repetition, by its bracket; its times begin with the trace.
    case repetition(UInt32)
  }

  let column: Column
  let collector: String
  let family: Family
  /// It is computed of other columns.
  let isFormula: Bool
  /// Points that it has before it is thinned.
  var count = 0
  var thinning = PointThinning()
  /// Its number in the trace.
  var track: UInt64 = 0
  /// The number of the track that says where it has no value.
  var absences: UInt64 = 0

  /// Whether its values are over windows.
  var isRate: Bool { family != .raw && (column.metric.kind != .gauge || isFormula) }

  /// `rate of cpu.user[0]`.
  var title: String {
    isRate && column.metric.kind != .gauge ? "rate of \(column.name)" : column.name
  }

  /// The metric without an instance, which its siblings have too.
  var metric: String {
    let name = "\(column.name.prefix { $0 != "[" })"
    return isRate && column.metric.kind != .gauge ? "rate of \(name)" : name
  }

  var unit: String { column.metric.shownUnit(isRate: isRate) }

  /// What a reader should know of it.
  var description: String {
    let metric = column.metric
    switch (metric.kind, isRate) {
    case (.gauge, true): return "\(metric.meaning); over each window, from its beginning on"
    case (.gauge, false): return "\(metric.meaning); a level"
    case (_, true):
      return "\(metric.meaning); its growth over each window, from the window's beginning on"
    case (_, false): return "\(metric.meaning); cumulative, as export --raw has it"
    }
  }
}

/// All counter tracks of a trace, by column and family.
struct TraceSeries {
  private struct Key: Hashable {
    let name: ExactText
    let family: TraceCounter.Family
  }

  private var indices: [Key: Int] = [:]
  var counters: [TraceCounter] = []

  /// The index of a column's counter, which is new if it is not known.
  mutating func index(
    _ column: Column, of collector: String, _ family: TraceCounter.Family, isFormula: Bool
  ) -> Int {
    let key = Key(name: ExactText(column.name), family: family)
    if let known = indices[key] { return known }
    indices[key] = counters.count
    counters.append(
      TraceCounter(column: column, collector: collector, family: family, isFormula: isFormula))
    return counters.count - 1
  }
}
