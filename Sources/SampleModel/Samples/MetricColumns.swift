/// What many attempts gave, by metric: eight bytes a value, where a dictionary for each attempt
/// takes several times as much.
package struct MetricColumns: Sendable, Equatable {
  /// The number of each attempt's repetition, in order of the attempts.
  package private(set) var repetitions: [Int] = []
  private var columns: [String: [Double]] = [:]

  /// Nothing yet.
  package init() {}

  /// Begins the next attempt, which is one at that repetition.
  package mutating func begin(repetition: Int) { repetitions.append(repetition) }

  /// Gives the last attempt a value of a metric.
  package mutating func add(_ value: Double, of metric: String) {
    let missing = repetitions.count - 1 - (columns[metric]?.count ?? 0)
    guard missing >= 0 else { return }
    // Of those before it that had none.
    if missing > 0 {
      columns[metric, default: []].append(contentsOf: repeatElement(.nan, count: missing))
    }
    columns[metric, default: []].append(value)
  }

  /// The metrics that any attempt has.
  package var names: [String] { Array(columns.keys) }

  /// An attempt's value of a metric, nil where it has none.
  package func value(of metric: String, at attempt: Int) -> Double? {
    guard let column = columns[metric], attempt < column.count, !column[attempt].isNaN else {
      return nil
    }
    return column[attempt]
  }
}
