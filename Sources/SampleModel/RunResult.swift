/// One execution of a workload within a bracket.
public struct AttemptResult: Sendable, Codable {
  public var attempt: Int
  public var status: RunStatus
  /// Unix time in nanoseconds of the opening sample's start.
  public var startUnixNanoseconds: UInt64
  /// From the gate's opening to the notice of the exit, in nanoseconds.
  public var wallNanoseconds: UInt64?
  /// From the opening sample's start to the closing sample's end, in nanoseconds.
  public var bracketNanoseconds: UInt64
  public var exitCode: Int32?
  public var signal: Int32?
  /// User and system time and peak memory of the workload and its reaped descendants (wait4).
  public var userNanoseconds: UInt64?
  public var systemNanoseconds: UInt64?
  public var peakResidentBytes: UInt64?
  /// Differences of every counter over the bracket in base units, and gauges at its close.
  public var metrics: [String: Double]
  public var ledger: Ledger
  public var overhead: Overhead
  /// Bytes of output that were kept, and that there were.
  public var outputBytesKept: UInt64
  public var outputBytes: UInt64
  public var error: LBError?
  /// Descendants that outlived the workload's process group and had to be killed.
  public var orphansKilled: Int

  /// An attempt that has not been made.
  public init(attempt: Int) {
    self.attempt = attempt
    status = .pending
    startUnixNanoseconds = 0
    bracketNanoseconds = 0
    metrics = [:]
    ledger = Ledger()
    overhead = Overhead()
    outputBytesKept = 0
    outputBytes = 0
    orphansKilled = 0
  }
}

/// One repetition with every attempt made at it.
public struct RepetitionResult: Sendable, Codable {
  /// From 1; warm-ups are numbered apart.
  public var repetition: Int
  public var warmUp: Bool
  public var status: RunStatus
  public var attempts: [AttemptResult]

  /// A repetition that has not begun.
  public init(repetition: Int, warmUp: Bool) {
    self.repetition = repetition
    self.warmUp = warmUp
    status = .pending
    attempts = []
  }
}

/// One phase of a run.
public struct PhaseResult: Sendable, Codable {
  public var name: String
  public var status: RunStatus
  public var command: [String]
  public var repetitions: [RepetitionResult]

  /// A phase that has not begun.
  public init(name: String, command: [String]) {
    self.name = name
    status = .pending
    self.command = command
    repetitions = []
  }
}

/// One metric over the counted, completed repetitions.
public struct MetricSummary: Sendable, Codable, Hashable {
  public var metric: String
  public var unit: String
  public var count: Int
  public var median: Double
  public var minimum: Double
  public var maximum: Double
  /// Median absolute deviation from the median.
  public var medianAbsoluteDeviation: Double
  /// 95 % bootstrap confidence interval of the median; nil below three repetitions.
  public var medianLow: Double?
  public var medianHigh: Double?

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
  public var key: String
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
public struct RunResult: Sendable, Codable {
  public var runID: String
  public var name: String
  /// `run` for bracketed repetitions, `sample` for a plain recording.
  public var kind: String
  public var status: RunStatus
  public var configuration: [ConfigurationEntry]
  public var host: [String: String]
  public var labels: [String: String]
  public var phases: [PhaseResult]
  public var metrics: [MetricSummary]
  public var unavailable: [StreamMeta.Unavailable]
  public var errors: [LBError]
  public var warnings: [String]
  public var startUnixNanoseconds: UInt64
  public var endUnixNanoseconds: UInt64?
  public var durationNanoseconds: UInt64?
  /// The account of a `sample` recording; those of a run stand in its attempts.
  public var ledger: Ledger?
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

  /// The summary rows, wall time first, then by name.
  public func summary() -> [MetricSummary] { metrics }
}
