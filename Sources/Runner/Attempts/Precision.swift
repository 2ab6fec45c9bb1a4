import Glibc
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

  /// Looks at the most: each shares the 5 % that the interval may be wrong in.
  package static let mostLooks = 12

  /// Below this many values a median has no 95 % interval.
  package static let fewest = 6

  /// What of these counts keeps any precision from being reached, as what is needed; nil where
  /// nothing does.
  package static func problem(repetitions: Int, most: Int) -> String? {
    if most < fewest {
      return "max_repetitions of at least \(fewest): fewer values have no 95 % interval"
    }
    return repetitions > most
      ? "max_repetitions of at least repetitions (\(repetitions)): \(most) are less" : nil
  }

  /// The counts of repetitions at which it is looked whether they are enough, from `first` to
  /// `last`: each half as many more as the one before, or more, so that there are few of them.
  ///
  /// Whoever looks at a 95 % interval after every repetition and stops at the first narrow one has
  /// one that is wrong in more than 5 %. So the looks are counted beforehand and share it.
  package static func looks(from first: Int, to last: Int) -> [Int] {
    let first = max(first, fewest)
    guard last > first else { return [max(first, last)] }
    let growth = max(1.5, pow(Double(last) / Double(first), 1 / Double(mostLooks - 1)))
    var counts = [first]
    while let count = counts.last, count < last {
      counts.append(min(last, max(count + 1, Int((Double(count) * growth).rounded(.up)))))
    }
    return counts
  }

  /// What each of so many looks has to enclose the median with, so that all together do with 95 %.
  package static func confidence(ofLooks count: Int) -> Double { 1 - 0.05 / Double(max(1, count)) }

  /// Whether these values are enough, at one of so many looks.
  package func isReached(by values: [Double], looks: Int) -> Bool {
    let confidence = Self.confidence(ofLooks: looks)
    guard let median = Statistics.median(values), median != 0,
      let interval = Statistics.medianInterval(values, confidence: confidence)
    else { return false }
    return (interval.high - interval.low) / median.magnitude <= width
  }
}

extension RunSpecification {
  /// The looks at whether its repetitions are precise enough; none where that was not asked for.
  var looks: [Int] {
    until == nil ? [] : Precision.looks(from: repetitions, to: maximumRepetitions)
  }

  /// What its summary's intervals enclose the median with at each look.
  package var confidence: Double { Precision.confidence(ofLooks: looks.count) }
}
