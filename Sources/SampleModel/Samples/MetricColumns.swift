/// The values of many attempts by metric, in eight bytes each: a dictionary for each attempt would
/// take several times as much.
package struct MetricColumns: Sendable, Equatable {
  /// The number of each attempt's repetition, in order of the attempts.
  package private(set) var repetitions: [Int] = []
  private var columns: [String: [Double]] = [:]

  /// No attempts.
  package init() {}

  /// Begins the next attempt, at `repetition`.
  package mutating func begin(repetition: Int) { repetitions.append(repetition) }

  /// Adds a metric's value to the last attempt.
  package mutating func add(_ value: Double, of metric: String) {
    let missing = repetitions.count - 1 - (columns[metric]?.count ?? 0)
    guard missing >= 0 else { return }
    // For earlier attempts without a value.
    if missing > 0 {
      columns[metric, default: []].append(contentsOf: repeatElement(.nan, count: missing))
    }
    columns[metric, default: []].append(value)
  }

  /// The metrics that any attempt has.
  package var names: [String] { Array(columns.keys) }

  /// An attempt's value of a metric, nil without one.
  package func value(of metric: String, at attempt: Int) -> Double? {
    guard let column = columns[metric], attempt < column.count, !column[attempt].isNaN else {
      return nil
    }
    return column[attempt]
  }
}
