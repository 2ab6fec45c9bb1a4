package import SampleModel

/// One metric over the stored runs of a workload, oldest first, with the runs at which it changed.
///
/// The run is the unit: its value is the median of its repetitions, so that the noise between
/// sessions is in the series and repetitions of one session do not count as independent.
package struct RunHistory: Sendable {
  /// A run of the history.
  package struct Run: Sendable, Equatable {
    /// Its id.
    package let run: String
    /// Unix time of its start, in nanoseconds.
    package let startUnixNanoseconds: UInt64
    /// `completed`, or how it ended otherwise: repetitions that completed count all the same.
    package let status: String
    /// The host's name; nil where the result has none.
    package let host: String?
    /// The first command of it, as it was executed.
    package let command: [String]

    /// A run.
    package init(
      run: String, startUnixNanoseconds: UInt64, status: String, host: String?, command: [String]
    ) {
      self.run = run
      self.startUnixNanoseconds = startUnixNanoseconds
      self.status = status
      self.host = host
      self.command = command
    }
  }

  /// The metric in one run.
  package struct Point: Sendable, Equatable {
    /// The run, by its index in `runs`.
    package let run: Int
    /// Repetitions that have it.
    package let count: Int
    /// Contaminated ones that are left out.
    package let leftOut: Int
    /// In base units.
    package let median: Double
    /// The interval that contains the median with a confidence of at least 95 %; nil below six
    /// repetitions.
    package let interval: Statistics.Interval?
  }

  /// A change of the metric's distribution.
  package struct Change: Sendable, Equatable {
    /// The point at which it begins, by its index in `points`.
    package let point: Int
    /// The median of the runs' medians from the change before to this one.
    package let before: Double
    /// The same from this change to the next one.
    package let after: Double
    /// Of the permutation test that found it; not below 1 / (permutations + 1).
    package let p: Double
    /// Whether the command is another one from this run on.
    package let changesCommand: Bool

    /// `after` less `before`, in base units.
    package var difference: Double { after - before }
    /// The share that it changed by, 0.05 for 5 % more; nil where `before` is not above 0.
    package var share: Double? { before > 0 ? after / before - 1 : nil }
  }

  /// A metric of a phase.
  package struct Series: Sendable, Equatable {
    package let phase: String
    package let metric: String
    /// The base unit.
    package let unit: String
    /// Oldest first; a run without it has none.
    package let points: [Point]
    /// In order.
    package let changes: [Change]
    /// The number of oldest points that are not searched for changes: there are too many points.
    package let unexamined: Int
  }

  /// How changes are found.
  package struct Settings: Sendable {
    /// The share of series without a change that is reported to have one, at most.
    package var alpha = 0.01
    /// Random orders that each test compares with.
    package var permutations = 999
    /// The seed of the random numbers.
    package var seed: UInt64 = 1
    /// Whether contaminated repetitions count.
    package var includesContaminated = false

    /// As documented.
    package init() {}
  }

  /// A phase of a run as it is stored.
  package struct Phase: Sendable {
    /// Its repetitions.
    package fileprivate(set) var repetitions: ComparedPhase
    /// Contaminated ones that are left out.
    package fileprivate(set) var leftOut = 0
    /// The summaries that stand beside them: an interval of repetitions that were added until it
    /// was narrow enough holds for all looks together, and no other one does.
    package let summaries: [MetricSummary]

    /// A phase.
    package init(_ repetitions: ComparedPhase, summaries: [MetricSummary] = []) {
      self.repetitions = repetitions
      self.summaries = summaries
    }
  }

  package let settings: Settings
  /// Oldest first.
  package let runs: [Run]
  /// By phase in order of appearance, then in the order of their metrics' names, wall time first.
  package let series: [Series]

  /// The history of the metrics of `phases` (of each run as of `runs`) that `passes`.
  package init(
    _ runs: [Run], phases: [[Phase]], settings: Settings = Settings(),
    metrics passes: (String) -> Bool
  ) {
    self.settings = settings
    self.runs = runs
    let stored = phases.map { phases in
      phases.map { phase in
        var phase = phase
        if !settings.includesContaminated { phase.leaveOutContaminated() }
        return phase
      }
    }
    // A level that stood still in one run has a maximum in another: each is asked for all names.
    var order: [String] = []
    var names: [String: Set<String>] = [:]
    for phase in stored.joined() {
      let name = phase.repetitions.phase
      if names[name] == nil { order.append(name) }
      let known = phase.repetitions.repetitions.reduce(into: Set<String>()) {
        $0.formUnion($1.values.keys.filter(passes))
      }
      names[name, default: []].formUnion(known)
    }
    var series: [Series] = []
    for phase in order {
      for metric in (names[phase] ?? []).sorted(by: Self.precedes) {
        var (points, unit) = ([Point](), String?.none)
        for (index, phases) in stored.enumerated() {
          guard let one = phases.first(where: { $0.repetitions.phase == phase }),
            let point = one.point(metric, run: index)
          else { continue }
          points.append(point)
          // A run that was killed before its summary lacks the unit; another run has it.
          unit = unit ?? one.repetitions.units[metric]
        }
        let unexamined = max(0, points.count - ChangePoints.longest)
        series.append(
          Series(
            phase: phase, metric: metric, unit: unit ?? "", points: points,
            changes: Self.changes(points, from: unexamined, runs, settings),
            unexamined: unexamined))
      }
    }
    self.series = series
  }

  private static func precedes(_ one: String, _ other: String) -> Bool {
    if one == other { return false }
    return one == RunSummary.wallTime || (other != RunSummary.wallTime && one < other)
  }

  private static func changes(
    _ points: [Point], from first: Int, _ runs: [Run], _ settings: Settings
  ) -> [Change] {
    let medians = points[first...].map(\.median)
    let found = ChangePoints.changes(
      medians, alpha: settings.alpha, permutations: settings.permutations, seed: settings.seed)
    let bounds = [0] + found.map(\.index) + [medians.count]
    return found.enumerated().compactMap { number, change in
      let (start, middle, end) = (bounds[number], bounds[number + 1], bounds[number + 2])
      guard let before = Statistics.median(Array(medians[start..<middle])),
        let after = Statistics.median(Array(medians[middle..<end]))
      else { return nil }
      let (last, next) = (points[first + middle - 1].run, points[first + middle].run)
      return Change(
        point: first + middle, before: before, after: after, p: change.p,
        changesCommand: runs[last].command != runs[next].command)
    }
  }
}

extension RunHistory.Phase {
  /// Leaves out what was disturbed.
  fileprivate mutating func leaveOutContaminated() {
    let count = repetitions.repetitions.count
    repetitions.repetitions.removeAll { !$0.contamination.isEmpty }
    leftOut += count - repetitions.repetitions.count
  }

  /// A metric in it; nil where no repetition has it.
  fileprivate func point(_ metric: String, run: Int) -> RunHistory.Point? {
    let values = repetitions.repetitions.compactMap { $0.value(of: metric) }
    guard let median = Statistics.median(values) else { return nil }
    return RunHistory.Point(
      run: run, count: values.count, leftOut: leftOut, median: median,
      interval: interval(metric, values, median))
  }

  /// The interval of a metric's median: as stored with the same values, or else of them.
  fileprivate func interval(
    _ metric: String, _ values: [Double], _ median: Double
  ) -> Statistics.Interval? {
    let known = summaries.first {
      $0.metric == metric && $0.count == values.count && $0.median == median
    }
    guard let known else { return Statistics.medianInterval(values) }
    guard let low = known.medianLow, let high = known.medianHigh else { return nil }
    return Statistics.Interval(low: low, high: high)
  }
}
