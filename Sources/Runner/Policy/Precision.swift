import Glibc
import RunAnalysis
import SampleModel

/// The precision at which no more repetitions are added: the width of the confidence interval of a
/// metric's median.
package struct Precision: Sendable, Hashable {
  /// The metric's name, as in the summary.
  package let metric: String
  /// The whole width of the interval, as a share of the median.
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

  /// Most interim looks: all looks share the error probability of 5 %.
  package static let mostLooks = 12

  /// Fewest values of which a median has a 95 % interval.
  package static let fewest = 6

  /// What `until` needs, where no precision can be reached with these counts, by the `names` of the
  /// two settings; nil where it can.
  package static func problem(
    repetitions: Int, most: Int,
    names: (most: String, repetitions: String) = ("max_repetitions", "repetitions")
  ) -> String? {
    if most < fewest {
      return "\(names.most) of at least \(fewest): fewer values have no 95 % interval"
    }
    return repetitions > most
      ? "\(names.most) of at least \(names.repetitions) (\(repetitions)), not \(most)" : nil
  }

  /// The counts of repetitions at which the precision is checked, from `first` to `last`: each at
  /// least 1.5 times the one before, so that there are few of them.
  ///
  /// Stopping at the first narrow 95 % interval after any repetition would give intervals that miss
  /// the median in more than 5 % of all cases. The looks are therefore fixed beforehand and share
  /// the error probability (Bonferroni).
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

  /// The confidence of each of `count` looks with which all of them together have 95 %.
  package static func confidence(ofLooks count: Int) -> Double { 1 - 0.05 / Double(max(1, count)) }

  /// Whether these values are precise enough, at one of `looks` looks.
  package func isReached(by values: [Double], looks: Int) -> Bool {
    let confidence = Self.confidence(ofLooks: looks)
    guard let median = Statistics.median(values), median != 0,
      let interval = Statistics.medianInterval(values, confidence: confidence)
    else { return false }
    return (interval.high - interval.low) / median.magnitude <= width
  }
}

extension RunSpecification {
  /// The counts of repetitions at which the precision is checked; none without `until`.
  var looks: [Int] {
    until == nil ? [] : Precision.looks(from: repetitions, to: maximumRepetitions)
  }

  /// The confidence of the intervals in its summary.
  package var confidence: Double { Precision.confidence(ofLooks: looks.count) }
}
