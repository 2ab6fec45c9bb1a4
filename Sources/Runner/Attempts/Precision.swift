import RunAnalysis
import SampleModel

/// Until when repetitions are added: the confidence interval of a metric's median is narrow enough.
package struct Precision: Sendable, Hashable {
  /// The metric's name, as the summary has it.
  package let metric: String
  /// The width of its interval, from end to end, of its median.
  package let width: Double

  /// Reads `ci<=1%` (of the wall time) or `ci(METRIC)<=1%`.
  package init?(_ text: String) {
    let sides = text.filter { $0 != " " }.split(separator: "<=", omittingEmptySubsequences: false)
    guard let left = sides.first, let right = sides.last, text.contains("<="),
      let width = Share.parse(String(right))
    else { return nil }
    if left == "ci" {
      metric = RunSummary.wallTime
    } else if left.hasPrefix("ci("), left.hasSuffix(")"), left.count > 4 {
      metric = String(left.dropFirst(3).dropLast())
    } else {
      return nil
    }
    self.width = width
  }

  /// Below this many values an interval is only their range.
  package static let fewest = 6

  /// Whether these values are enough.
  package func isReached(by values: [Double]) -> Bool {
    guard values.count >= Self.fewest, let median = Statistics.median(values), median != 0,
      let interval = Statistics.medianInterval(values)
    else { return false }
    return (interval.high - interval.low) / median.magnitude <= width
  }
}
