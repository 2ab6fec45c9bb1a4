import Glibc

/// How much the medians of runs that measured the same differ on a host, by metric.
///
/// Sessions differ in what lasts as long as they do: the placement of memory, the layout of address
/// spaces, frequencies, neighbours. Repetitions of one session do not show it.
package struct SessionNoise: Sendable, Equatable {
  /// The least number of pairs of runs from which the noise of a metric is estimated.
  package static let fewestPairs = 5

  /// One run's measurement of one thing.
  package struct Session: Sendable {
    /// What was measured: sessions of the same have the same text.
    package let identity: String
    /// By metric.
    package let medians: [String: Double]

    /// A session.
    package init(identity: String, medians: [String: Double]) {
      self.identity = identity
      self.medians = medians
    }
  }

  /// What is known of one metric.
  package struct Bound: Sendable, Equatable {
    /// The standard deviation of the logarithm of a run's median between sessions.
    package let deviation: Double
    /// Independent pairs of runs that it is from.
    package let pairs: Int

    /// The logarithm of the ratio by which one of two runs of the same exceeds the other, or falls
    /// below it, with a probability of 5 %: Student's t at as many degrees of freedom as there are
    /// pairs, times the deviation of a difference of two.
    package var reach: Double {
      StudentT.upperQuantile(0.025, freedom: Double(pairs)) * deviation * 2.0.squareRoot()
    }
  }

  /// Sums of squared deviations, and how many of them are free.
  private var sums: [String: (squares: Double, pairs: Int)] = [:]

  /// The noise that sessions show. Of n sessions of the same n - 1 pairs are independent; all of
  /// them have one variance, which is pooled. Medians that are not above 0 have no logarithm.
  package init(_ sessions: [Session]) {
    var groups: [String: [String: [Double]]] = [:]
    for session in sessions {
      for (metric, median) in session.medians where median > 0 && median.isFinite {
        groups[session.identity, default: [:]][metric, default: []].append(log(median))
      }
    }
    // In one order, so that sums are the same each time.
    for (_, metrics) in groups.sorted(by: { $0.key < $1.key }) {
      for (metric, values) in metrics where values.count > 1 {
        let mean = values.reduce(0, +) / Double(values.count)
        sums[metric, default: (0, 0)].squares += values.reduce(0) {
          $0 + ($1 - mean) * ($1 - mean)
        }
        sums[metric, default: (0, 0)].pairs += values.count - 1
      }
    }
  }

  /// Independent pairs of runs that have a metric.
  package func pairs(of metric: String) -> Int { sums[metric]?.pairs ?? 0 }

  /// What is known of a metric; nil where too few pairs have it.
  package func bound(of metric: String) -> Bound? {
    guard let sum = sums[metric], sum.pairs >= Self.fewestPairs else { return nil }
    return Bound(deviation: (sum.squares / Double(sum.pairs)).squareRoot(), pairs: sum.pairs)
  }

  /// Whether both are made of the same sums.
  package static func == (one: Self, other: Self) -> Bool {
    one.sums.keys == other.sums.keys
      && one.sums.allSatisfy { name, sum in other.sums[name].map { $0 == sum } ?? false }
  }
}
