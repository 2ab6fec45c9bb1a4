import Runner
public import SampleModel

/// What has settings of repetitions: a phase that measures, or a plan for all its phases.
public protocol MeasurementSettings: ProcessSettings {}

/// Which ends of a workload count as success beside exit code 0.
public enum AcceptedFailures: Sendable, Hashable {
  /// Every exit code and signal.
  case all
  /// These exit codes; 128 and its number for a signal.
  case codes([Int])
}

/// What stands in the directory that each attempt gets for itself.
public enum WorkspaceContent: Sendable, Hashable {
  /// Nothing.
  case empty
  /// A copy of this directory.
  case copy(of: String)
  /// A git repository at a revision, its default branch without one.
  case git(String, revision: String? = nil)
}

/// Which of these directories are kept.
public enum WorkspaceKeeping: String, Sendable, Hashable {
  /// Each.
  case always
  /// Those of attempts that failed.
  case failure
  /// None.
  case never
}

/// What a metric means that the output of a repetition lacks.
public enum MissingMetric: String, Sendable, Hashable {
  /// The repetition fails.
  case fail
  /// A note in the result.
  case note
}

extension MeasurementSettings {
  // MARK: How often

  /// Counted repetitions, from 1 to 1,000,000; the default is 1.
  public func repetitions(_ count: Int) -> Self { setting("repetitions", .integer(count)) }

  /// Repetitions before them that do not count.
  public func warmUps(_ count: Int) -> Self { setting("warmup", .integer(count)) }

  /// Adds repetitions until the 95 % confidence interval of the median of `key` is at most `share`
  /// of that median wide (0.01 is 1 %), up to `limit` of them.
  public func untilPrecise(
    _ share: Double, of key: MetricKey = .wallTime, limit: Int = 100
  ) -> Self {
    let width = if case .text(let text) = PlanValue.share(share) { text } else { "" }
    return setting("until", .text("ci(\(key))<=\(width)"))
      .setting("max_repetitions", .integer(limit))
  }

  // MARK: Time

  /// The pause between two repetitions.
  public func coolDown(_ time: Duration) -> Self { setting("cooldown", .time(time)) }

  /// Waits before each repetition until the host is quiet, at most so long.
  public func coolDownUntilIdle(_ limit: Duration) -> Self {
    setting("cooldown_until_idle", .time(limit))
  }

  /// The pause between the preparation of an attempt and its start.
  public func settle(_ time: Duration) -> Self { setting("settle", .time(time)) }

  /// Ends an attempt that takes longer.
  public func timeout(_ time: Duration) -> Self { setting("timeout", .time(time)) }

  /// Ends an attempt that writes nothing and uses no CPU time for so long, at least 100 ms.
  public func idleTimeout(_ time: Duration) -> Self { setting("idle_timeout", .time(time)) }

  // MARK: Again

  /// The workload may be executed again once it has begun: after a failure, as `retries` says, and
  /// where something disturbed a repetition.
  public func idempotent(_ isIdempotent: Bool = true) -> Self {
    setting("idempotent", .boolean(isIdempotent))
  }

  /// Attempts after one that failed; needs `idempotent()`.
  public func retries(_ count: Int) -> Self { setting("retries", .integer(count)) }

  /// Attempts after one that `idleTimeout` ended; needs `idempotent()`.
  public func idleRetries(_ count: Int) -> Self { setting("idle_retries", .integer(count)) }

  /// Ends that count as success.
  public func ignoringFailures(_ accepted: AcceptedFailures) -> Self {
    switch accepted {
    case .all: setting("ignore_failure", "all")
    case .codes(let codes):
      setting("ignore_failure", .text(codes.map { "\($0)" }.joined(separator: ",")))
    }
  }

  // MARK: Around it

  /// A shell command once before everything; of a phase, before its repetitions.
  public func setUp(_ command: String) -> Self { setting("setup", .text(command)) }

  /// A shell command before each repetition, outside its bracket.
  public func prepare(_ command: String) -> Self { setting("prepare", .text(command)) }

  /// A shell command after each repetition, outside its bracket.
  public func conclude(_ command: String) -> Self { setting("conclude", .text(command)) }

  /// A shell command once after everything, whatever happened.
  public func cleanUp(_ command: String) -> Self { setting("cleanup", .text(command)) }

  /// A working directory of its own for each attempt. Of those that are kept none has more than
  /// `limit` bytes.
  public func workspace(
    _ content: WorkspaceContent, keep: WorkspaceKeeping = .failure, limit: Int = 1 << 30
  ) -> Self {
    let text: PlanValue =
      switch content {
      case .empty: "empty"
      case .copy(let path): .file(path, except: ["empty"])
      case .git(let repository, let revision):
        .text("git:\(repository)" + (revision.map { "@\($0)" } ?? ""))
      }
    return setting("workspace", text).setting("keep", .text(keep.rawValue))
      .setting("keep_limit", .integer(limit))
  }

  // MARK: Its own numbers

  /// A number of the workload's output: the first group of the last line that matches `pattern`.
  /// Results have it as `workload.NAME`.
  public func metric(_ name: String, unit: String = "", pattern: String) -> Self {
    metric("\(name)[\(unit)]=\(pattern)", key: "metrics")
  }

  /// The number at `path` of an output that is one JSON value: `jobs[0].read.iops`.
  public func metric(_ name: String, unit: String = "", json path: String) -> Self {
    metric("\(name)[\(unit)]=\(path)", key: "metrics_json")
  }

  /// What an output without one of its metrics means; by default the repetition fails.
  public func missingMetrics(_ meaning: MissingMetric) -> Self {
    setting("metric_missing", .text(meaning.rawValue))
  }

  private func metric(_ text: String, key: String) -> Self {
    var copy = self
    copy.settings.append(text, to: key)
    return copy
  }
}
