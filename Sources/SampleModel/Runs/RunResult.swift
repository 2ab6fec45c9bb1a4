/// One execution of a workload within a bracket.
public struct AttemptResult: Sendable, Hashable, Codable {
  /// The attempt, from 1.
  public var attempt: Int
  /// The number of its bracket in the result file, nil where none was opened.
  public var bracket: UInt32?
  /// Where it stands.
  public var status: RunStatus
  /// Unix time in nanoseconds of the opening sample's start.
  public var startUnixNanoseconds: UInt64
  /// From the gate's opening to the notice of the exit, in nanoseconds.
  public var wallNanoseconds: UInt64?
  /// From the opening sample's start to the closing sample's end, in nanoseconds.
  public var bracketNanoseconds: UInt64
  /// The exit code, nil when there is none.
  public var exitCode: Int32?
  /// The signal that ended it, nil when there is none.
  public var signal: Int32?
  /// User and system time and peak memory of the workload and its reaped descendants (wait4).
  public var userNanoseconds: UInt64?
  /// System time.
  public var systemNanoseconds: UInt64?
  /// Peak resident memory; nil when it does not stand out from the forked process's own.
  public var peakResidentBytes: UInt64?
  /// Context switches of the workload and its reaped descendants (wait4): it waited, at its gate
  /// too.
  public var voluntarySwitches: UInt64?
  /// It was preempted.
  public var involuntarySwitches: UInt64?
  /// Differences of every counter over the bracket in base units, means by time of gauges, and
  /// with `.max`, `.rate.max` and others behind their names what lies between.
  public var metrics: [String: Double]
  /// The exact account of ticks and frames.
  public var ledger: Ledger
  /// nil when the attempt was cut off before its account was made.
  public var overhead: Overhead?
  /// Bytes of output that were kept, and that there were.
  public var outputBytesKept: UInt64
  /// Bytes of output that there were.
  public var outputBytes: UInt64
  /// Why it did not complete.
  public var error: LBError?
  /// Descendants that outlived the workload's process group and had to be killed.
  public var orphansKilled: Int
  /// What disturbed it, so that its numbers say something else than the workload's; empty for a
  /// clean one.
  public var contamination: [String]

  /// An attempt that has not been made.
  public init(attempt: Int) {
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
  /// Whether it does not count.
  public var warmUp: Bool
  /// What it was called by the program that opened its bracket; nil of one that lbsample ran.
  public var label: String?
  /// Where it stands.
  public var status: RunStatus
  /// Every attempt, in order.
  public var attempts: [AttemptResult]

  /// The attempt that the repetition stands as, else its last one.
  package var standing: AttemptResult? {
    attempts.last { $0.status == status } ?? attempts.last
  }

  /// A repetition that has not begun.
  public init(repetition: Int, warmUp: Bool) {
    self.repetition = repetition
    self.warmUp = warmUp
    status = .pending
    attempts = []
  }
}

/// One phase of a run.
public struct PhaseResult: Sendable, Hashable, Codable {
  /// Its name, with the parameters that tell it apart: `load[threads=2]`.
  public var name: String
  /// Its kind: `command`, `parallel`, …
  public var kind: String
  /// The parameters that it was executed with.
  public var parameters: [String: String]
  /// Where it stands.
  public var status: RunStatus
  /// The command and its arguments.
  public var command: [String]
  /// Warm-ups and repetitions, in order of execution.
  public var repetitions: [RepetitionResult]
  /// The summary over every completed attempt at a counted repetition, wall time first.
  public var metrics: [MetricSummary]
  /// The same without the contaminated ones; empty where there were none.
  public var cleanMetrics: [MetricSummary]
  /// Why it was skipped, or that the run ended before it: then it stands as `pending`.
  public var note: String?
  /// The phase that took its place when it failed.
  public var replacedBy: String?
  /// With what it was measured; nil where that was not recorded.
  public var provenance: PhaseProvenance?

  /// A phase that has not begun.
  public init(
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
  public var metric: String
  /// Its base unit.
  public var unit: String
  /// Repetitions that it is made of.
  public var count: Int
  /// The median over them.
  public var median: Double
  /// The least of them.
  public var minimum: Double
  /// The greatest of them.
  public var maximum: Double
  /// Median absolute deviation from the median.
  public var medianAbsoluteDeviation: Double
  /// Interval that encloses the median with at least 95 %, by the values' order; nil below six.
  /// Where repetitions were added until one was narrow enough, it holds for all looks together.
  public var medianLow: Double?
  /// Upper end of it.
  public var medianHigh: Double?
  /// The least share of its time for which it was counted, nil for what always is or always was.
  public var running: Double?
  /// The repetitions that have it, nil when all have.
  public var repetitions: [Int]?

  /// A summary row.
  public init(
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
  /// The value in force.
  public var value: String
  /// `default`, `command line`, `environment`, or a file with its line.
  public var origin: String

  /// One value and its origin.
  public init(key: String, value: String, origin: String) {
    self.key = key
    self.value = value
    self.origin = origin
  }
}

/// A run, whole: what `run --format json`, `--result` and `runs show` give.
public struct RunResult: Sendable, Hashable, Codable {
  /// The run's id.
  public var runID: String
  /// Its name.
  public var name: String
  /// `run` for bracketed repetitions, `sample` for a plain recording.
  public var kind: String
  /// Where it stands.
  public var status: RunStatus
  /// The configuration as used.
  public var configuration: [ConfigurationEntry]
  /// Facts of the host, by name.
  public var host: [String: String]
  /// The user's labels.
  public var labels: [String: String]
  /// The phases, in order.
  public var phases: [PhaseResult]
  /// The summary of the only phase that measured, wall time first; with several of them each has
  /// its own.
  public var metrics: [MetricSummary]
  /// Collectors that were asked for and not there.
  public var unavailable: [StreamMeta.Unavailable]
  /// Every error, the first deciding the exit code.
  public var errors: [LBError]
  /// What the user should know.
  public var warnings: [String]
  /// Unix time of the start.
  public var startUnixNanoseconds: UInt64
  /// Unix time of the end.
  public var endUnixNanoseconds: UInt64?
  /// From start to end.
  public var durationNanoseconds: UInt64?
  /// The account of a `sample` recording; those of a run stand in its attempts.
  public var ledger: Ledger?
  /// What lbsample itself cost.
  public var overhead: Overhead?
  /// The result file, nil when nothing was persisted.
  public var file: String?

  /// A run that has not begun.
  public init(runID: String, name: String, kind: String, startUnixNanoseconds: UInt64) {
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

  /// Adds the errors of repetitions that failed where nobody came to note them: those of a run are
  /// written at its end.
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

  /// What ran when its writer died was interrupted.
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

  /// Makes the summary of the only phase that measured the run's.
  package mutating func promoteOnlySummary() {
    let measured = phases.filter { !$0.metrics.isEmpty }
    metrics = measured.count == 1 ? measured[0].metrics : []
  }
}

extension RunResult {
  /// The labels that say what an empty program takes: its wall time and its CPU time, which each
  /// repetition has in it.
  package static let startWallLabel = "start.wall_time"
  package static let startCPULabel = "start.cpu_time"
  /// The label that says how often the columns of which collectors changed: `cpu 1, net 12`.
  package static let columnsLabel = "columns.changed"
  /// Labels that are not the user's.
  package static let ownLabels: Set<String> = [startWallLabel, startCPULabel, columnsLabel]
}
