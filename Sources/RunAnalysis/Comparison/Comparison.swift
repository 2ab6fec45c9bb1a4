import Glibc

/// What differs between sides of repetitions, with what could have been found.
///
/// The repetition is the unit. A primary family is held to an error rate of 5 % by Holm's procedure
/// over rank tests; everything else to a false discovery rate of 5 % by the moderated t, which a
/// rank test may veto. Every interval inverts the test of its row.
package struct Comparison: Sendable {
  package let settings: Settings
  package let base: ComparedSide
  /// One for each further side, against the first.
  package let pairs: [Pair]

  /// The settings of a comparison.
  package struct Settings: Sendable {
    /// The chance of any false change in the primary family.
    package var alpha = 0.05
    /// The mean share of false ones among the changes of all other metrics.
    package var falseDiscoveryRate = 0.05
    /// The equivalence margin: differences below it are the same in practice, as a share of the
    /// base.
    package var margin = 0.02
    /// Names, or patterns of names, of the primary family.
    package var primary = Self.standardPrimary
    /// Whether repetitions that were disturbed count.
    package var includesContaminated = false

    /// The primary family unless another is asked for.
    package static let standardPrimary = [
      RunSummary.wallTime, ComparedPhase.cpuTime, "workload.*",
    ]

    /// The nominal level of findings. It is below the promised rate, since the prior of the
    /// variances is estimated from the same metrics, which may not have the assumed distribution:
    /// of several runs a side, from few medians of each. Benchmarks/comparisons has what comes of
    /// it.
    func listedRate(ofRuns: Bool) -> Double { (ofRuns ? 0.6 : 0.8) * falseDiscoveryRate }

    /// The usual settings.
    package init() {}
  }

  /// The experimental design: how the repetitions of two sides were made. It decides the test and
  /// the possible conclusions.
  package enum Design: String, Sendable {
    /// In turns within one run: the k-th of both are a pair.
    case paired
    /// Within one run, in an order that makes no pairs.
    case mixed
    /// Within one run, one side after the other.
    case sequential
    /// In two runs.
    case separate
    /// In several runs on both sides, each of which is one value.
    case runs

    /// Whether what the host did in the meantime, or between sessions, may look like an effect.
    package var isConfounded: Bool { self == .sequential || self == .separate }
  }

  /// A metric on both sides.
  package enum Verdict: String, Sendable, CaseIterable {
    case notComparable
    /// Proven, at the rate of its family.
    case changed
    /// Proven to differ by less than the margin.
    case same
    case undecided
  }

  /// Which values of a metric are wanted.
  package enum Better: String, Sendable {
    case lower
    case higher
  }

  /// A side's values of a metric.
  package struct Level: Sendable, Equatable {
    package let count: Int
    package let median: Double
    /// Of the median, at 95 %; nil below six values.
    package let interval: Statistics.Interval?

    /// Of values, of which there is one at least.
    init?(_ values: [Double]) {
      guard let median = Statistics.median(values) else { return nil }
      count = values.count
      self.median = median
      interval = Statistics.medianInterval(values)
    }
  }

  /// What the other side is against the base.
  package struct Effect: Sendable, Equatable {
    /// What its numbers are.
    package enum Kind: String, Sendable {
      /// The ratio less 1: 0.05 is 5 % more.
      case ratio
      /// The difference in base units, where values are not all above 0.
      case difference
    }
    package let kind: Kind
    package let value: Double
    /// At 95 %; nil where so few values have none.
    package let interval: Statistics.Interval?
    /// The 90 % interval, which decides whether the sides are equivalent.
    package let narrow: Statistics.Interval?
  }

  /// The test that a row's verdict is of.
  package struct Test: Sendable, Equatable {
    package let name: String
    package let p: Double
    /// The smallest p that is possible with this number of values; nil without a test.
    package let floor: Double?
    /// In the light of all others of its family: by Holm, or Benjamini and Hochberg.
    package var adjusted: Double
  }

  /// One metric.
  package struct Row: Sendable {
    package let metric: String
    package let unit: String
    package let isPrimary: Bool
    package var a: Level?
    package var b: Level?
    package var effect: Effect?
    package var test: Test?
    /// The least effect that would have been found with a probability of 80 %, as `effect` counts.
    package var detectable: Double?
    package var verdict = Verdict.undecided
    /// The reason of the verdict.
    package var why: String?
    /// About how many more repetitions a side a decision takes; nil where it is made, or where no
    /// number of them would do.
    package var needs: Int?
    /// How much runs of the same differ in it on this host; nil where that is not known, or where
    /// the sides are not two runs.
    package var betweenSessions: SessionNoise.Bound?

    /// Whether a difference between two runs is known to be more than what two runs of the same
    /// differ by.
    package var exceedsSessions: Bool {
      guard let betweenSessions, let effect, effect.kind == .ratio, effect.value > -1 else {
        return false
      }
      return log1p(effect.value).magnitude > betweenSessions.reach
    }

    init(_ metric: String, _ unit: String, isPrimary: Bool) {
      self.metric = metric
      self.unit = unit
      self.isPrimary = isPrimary
    }

    /// Which values are wanted; nil where that is not known.
    package var better: Better? {
      [
        RunSummary.wallTime, ComparedPhase.cpuTime, "user_time", "system_time", "peak_resident",
      ].contains(metric) ? .lower : nil
    }
  }

  /// A fact that differs between the sides; nil where a side does not have it.
  package struct Difference: Sendable, Equatable {
    package let name: String
    package let a: String?
    package let b: String?
  }

  /// Notes about a side.
  package enum Note: Sendable, Equatable {
    /// Repetitions that were left out since they were disturbed, and by what.
    case leftOut(side: String, count: Int, reasons: [String])
    /// Contaminated repetitions that are included nevertheless.
    case contaminated(side: String, count: Int)
    /// Repetitions that did not complete.
    case failed(side: String, count: Int)
    /// Repetitions whose pair is not there.
    case withoutPair(side: String, count: Int)
    /// Values that rise or fall from repetition to repetition.
    case drifts(side: String, metric: String, rises: Bool, p: Double)
    /// Values that are others from this repetition on.
    case steps(side: String, metric: String, repetition: Int)
  }

  /// Two sides.
  package struct Pair: Sendable {
    package let other: ComparedSide
    package let design: Design
    /// Repetitions, pairs or runs on both sides that count.
    package let counts: (a: Int, b: Int)
    package let differences: [Difference]
    package let notes: [Note]
    /// The primary family, then all others by name.
    package var rows: [Row]
    /// Metrics that had one value only on both sides together.
    package let neverMoved: [String]
    /// Metrics that moved by no more than their sources' own steps.
    package let belowResolution: [String]
    /// The fewest repetitions a side with which a change of metrics outside of the primary family
    /// can be found; nil where there were enough.
    package let fewestForFindings: Int?
    /// Pairs of stored runs of the same on this host from which the noise between sessions is
    /// known; nil where the sides are not two runs.
    package let sessionPairs: Int?
  }
}

extension Comparison.Pair {
  /// The rows with this verdict, of the primary family or of all others.
  package func rows(_ verdict: Comparison.Verdict, primary: Bool) -> [Comparison.Row] {
    rows.filter { $0.verdict == verdict && $0.isPrimary == primary }
  }

  /// Whether a change of this row is for the better, where that may be said: a difference of one
  /// phase behind another may be the host's, and so may one between two sessions unless it exceeds
  /// what two runs of the same are known to differ by.
  package func isBetter(_ row: Comparison.Row) -> Bool? {
    guard row.verdict == .changed, !design.isConfounded || row.exceedsSessions,
      let better = row.better,
      let effect = row.effect
    else { return nil }
    return (effect.value < 0) == (better == .lower)
  }
}
