/// One execution of a workload within a bracket.
public struct AttemptResult: Sendable, Hashable, Codable {
  /// The attempt, from 1.
  public var attempt: Int
  /// The number of its bracket in the result file, nil where none was opened.
  public var bracket: UInt32?
  /// The status.
  public var status: RunStatus
  /// Unix time in nanoseconds of the opening sample's start.
  package var startUnixNanoseconds: UInt64
  /// From the opening of the start gate until the exit is noticed, in nanoseconds.
  package var wallNanoseconds: UInt64?
  /// From the opening sample's start to the closing sample's end, in nanoseconds.
  package var bracketNanoseconds: UInt64
  /// The exit code, nil when there is none.
  public var exitCode: Int32?
  /// The signal that ended it, nil when there is none.
  public var signal: Int32?
  /// User and system time and peak memory of the workload and its reaped descendants (wait4).
  package var userNanoseconds: UInt64?
  /// System time.
  package var systemNanoseconds: UInt64?
  /// Peak resident memory; nil if it does not exceed that of the forked process.
  public var peakResidentBytes: UInt64?
  /// Voluntary context switches of the workload and its reaped descendants (wait4), with those at
  /// its start gate.
  public var voluntarySwitches: UInt64?
  /// Involuntary context switches (preemptions).
  public var involuntarySwitches: UInt64?
  /// By metric name, in base units: the differences of counters over the bracket, the time-weighted
  /// means of gauges, and with suffixes such as `.max` and `.rate.max` the extremes in between.
  package var metrics: [String: Double]
  /// The exact account of ticks and frames.
  public var ledger: Ledger
  /// nil when the attempt was cut off before its account was made.
  public var overhead: Overhead?
  /// Bytes of output that were kept.
  public var outputBytesKept: UInt64
  /// Bytes of output in all.
  public var outputBytes: UInt64
  /// Why it did not complete.
  public var error: LBSampleError?
  /// Descendants that outlived the workload's process group and had to be killed.
  public var orphansKilled: Int
  /// The disturbances that a gate found; empty for a clean attempt.
  public var contamination: [String]

  /// An attempt that has not been made.
  package init(attempt: Int) {
    self.attempt = attempt
    status = .pending
    startUnixNanoseconds = 0
    bracketNanoseconds = 0
    metrics = [:]
    ledger = Ledger()
    outputBytesKept = 0
    outputBytes = 0
    orphansKilled = 0
    contamination = []
  }
}

/// One repetition with every attempt made at it.
public struct RepetitionResult: Sendable, Hashable, Codable {
  /// From 1; warm-ups are numbered apart.
  public var repetition: Int
  /// Whether it is a warm-up, which is not counted.
  public var warmUp: Bool
  /// The label given by the program that opened its bracket; nil if lbsample ran it.
  public var label: String?
  /// The status.
  public var status: RunStatus
  /// Every attempt, in order.
  public var attempts: [AttemptResult]

  /// The attempt that decides the repetition's status, or the last one.
  package var standing: AttemptResult? {
    attempts.last { $0.status == status } ?? attempts.last
  }

  /// A repetition that has not begun.
  package init(repetition: Int, warmUp: Bool) {
    self.repetition = repetition
    self.warmUp = warmUp
    status = .pending
    attempts = []
  }
}

/// One phase of a run.
public struct PhaseResult: Sendable, Hashable, Codable {
  /// Its name, with the parameters that distinguish it: `load[threads=2]`.
  public var name: String
  /// Its kind: `command`, `parallel`, …
  public var kind: String
  /// The parameters that it was executed with.
  public var parameters: [String: String]
  /// The status.
  public var status: RunStatus
  /// The command and its arguments.
  public var command: [String]
  /// Warm-ups and repetitions, in order of execution.
  public var repetitions: [RepetitionResult]
  /// The summary over every completed attempt at a counted repetition, wall time first.
  public var metrics: [MetricSummary]
  /// The summary without contaminated attempts; empty if there were none.
  public var cleanMetrics: [MetricSummary]
  /// Why it was skipped, or that the run ended before it (status `pending`).
  public var note: String?
  /// The fallback that was executed in its place.
  public var replacedBy: String?
  /// The contents and settings of the measurement; nil where they were not recorded.
  public var provenance: PhaseProvenance?

  /// A phase that has not begun.
  package init(
    name: String, command: [String], kind: String = "command", parameters: [String: String] = [:]
  ) {
    self.name = name
    self.kind = kind
    self.parameters = parameters
    status = .pending
    self.command = command
    repetitions = []
    metrics = []
    cleanMetrics = []
  }
}

/// One metric over the counted, completed repetitions.
public struct MetricSummary: Sendable, Codable, Hashable {
  /// The metric's full name.
  package var metric: String
  /// Its base unit.
  public var unit: String
  /// The number of repetitions.
  public var count: Int
  /// The median over them.
  public var median: Double
  /// The least of them.
  public var minimum: Double
  /// The greatest of them.
  public var maximum: Double
  /// Median absolute deviation from the median.
  public var medianAbsoluteDeviation: Double
  /// The lower end of the confidence interval of the median, with at least 95 % by order
  /// statistics; nil for fewer than six values. If repetitions were added until it was narrow
  /// enough, it accounts for the repeated testing.
  package var medianLow: Double?
  /// The upper end of that interval.
  package var medianHigh: Double?
  /// The smallest share of time for which it was counted, nil if it was counted all the time.
  public var running: Double?
  /// The repetitions with a value, nil if all have one.
  public var repetitions: [Int]?

  /// A summary row.
  package init(
    metric: String, unit: String, count: Int, median: Double, minimum: Double, maximum: Double,
    medianAbsoluteDeviation: Double, medianLow: Double?, medianHigh: Double?
  ) {
    self.metric = metric
    self.unit = unit
    self.count = count
    self.median = median
    self.minimum = minimum
    self.maximum = maximum
    self.medianAbsoluteDeviation = medianAbsoluteDeviation
    self.medianLow = medianLow
    self.medianHigh = medianHigh
  }
}

/// A configuration value with where it came from.
public struct ConfigurationEntry: Sendable, Codable, Hashable {
  /// The key, `section.name`.
  public var key: String
  /// The value used.
  public var value: String
  /// `default`, `command line`, `environment`, or a file with its line.
  public var origin: String

  /// One value and its origin.
  package init(key: String, value: String, origin: String) {
    self.key = key
    self.value = value
    self.origin = origin
  }
}

/// A whole run, as `run --format json`, `--result` and `runs show` write it.
public struct RunResult: Sendable, Hashable, Codable {
  /// The run's id.
  public var runID: String
  /// Its name.
  public var name: String
  /// `run` for bracketed repetitions, `sample` for a plain recording.
  public var kind: String
  /// The status.
  public var status: RunStatus
  /// The configuration as used.
  public var configuration: [ConfigurationEntry]
  /// Facts of the host, by name.
  public var host: [String: String]
  /// The user's labels.
  public var labels: [String: String]
  /// The phases, in order.
  public var phases: [PhaseResult]
  /// The summary of the only phase that measured, wall time first; with several such phases, each
  /// has its own.
  public var metrics: [MetricSummary]
  /// Requested collectors that are unavailable.
  public var unavailable: [UnavailableCollector]
  /// Every error, the first deciding the exit code.
  public var errors: [LBSampleError]
  /// What the user should know.
  public var warnings: [String]
  /// Unix time of the start.
  package var startUnixNanoseconds: UInt64
  /// Unix time of the end.
  package var endUnixNanoseconds: UInt64?
  /// From start to end.
  package var durationNanoseconds: UInt64?
  /// The account of a `sample` recording; a run has one for each attempt.
  public var ledger: Ledger?
  /// The overhead of lbsample itself.
  public var overhead: Overhead?
  /// The result file, nil when nothing was persisted.
  public var file: String?

  /// A run that has not begun.
  package init(runID: String, name: String, kind: String, startUnixNanoseconds: UInt64) {
    self.runID = runID
    self.name = name
    self.kind = kind
    status = .pending
    configuration = []
    host = [:]
    labels = [:]
    phases = []
    metrics = []
    unavailable = []
    errors = []
    warnings = []
    self.startUnixNanoseconds = startUnixNanoseconds
  }

  /// The summary rows, wall time first, then by name; of a run with several phases, those of the
  /// named one.
  public func summary(of phase: String? = nil) -> [MetricSummary] {
    guard let phase else { return metrics }
    return phases.first { $0.name == phase }?.metrics ?? []
  }

  /// Adds errors of failed repetitions that were not recorded because the writer died: a run's
  /// errors are written at its end.
  package mutating func addErrorsOfRepetitions() {
    for phase in phases where phase.replacedBy == nil {
      for repetition in phase.repetitions
      where [.failed, .timeout].contains(repetition.status) {
        guard let standing = repetition.standing,
          let error = standing.error?.located(
            phase: phase.name, repetition: repetition.repetition, isWarmUp: repetition.warmUp,
            attempt: standing.attempt), !errors.contains(error)
        else { continue }
        errors.append(error)
      }
    }
  }

  /// Marks the parts that were running when the writer died as interrupted.
  package mutating func interruptParts() {
    func end(_ status: inout RunStatus) {
      if status == .running || status == .waiting { status = .interrupted }
    }
    for phase in phases.indices {
      end(&phases[phase].status)
      for repetition in phases[phase].repetitions.indices {
        end(&phases[phase].repetitions[repetition].status)
      }
    }
  }

  /// Copies the summary of the only phase that measured to the run.
  package mutating func promoteOnlySummary() {
    let measured = phases.filter { !$0.metrics.isEmpty }
    metrics = measured.count == 1 ? measured[0].metrics : []
  }
}

extension RunResult {
  /// The labels with the wall time and CPU time of an empty program, which are part of each
  /// repetition.
  package static let startWallLabel = "start.wall_time"
  package static let startCPULabel = "start.cpu_time"
  /// The label with the number of changes of columns by collector: `cpu 1, net 12`.
  package static let columnsLabel = "columns.changed"
  /// Labels that are not the user's.
  package static let ownLabels: Set<String> = [startWallLabel, startCPULabel, columnsLabel]
}
