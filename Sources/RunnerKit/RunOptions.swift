public import Runner
public import SampleModel
public import SamplerKit

/// The options of a run, beside its phases: what is sampled, where the result is kept, its limits,
/// and who receives its events.
public struct RunOptions: Sendable {
  /// What workloads, servers and hooks have of an environment, before their own variables.
  public enum Environment: Sendable, Hashable {
    /// That of this program; under `user`, with HOME, USER and LOGNAME of that user.
    case inherited
    /// These variables alone. A command without a slash is looked up in their PATH.
    case only([String: String])
  }

  /// What the whole run may use; nil for no bound.
  public struct Limits: Sendable, Hashable {
    /// Time from its start.
    public var wallTime: Duration?
    /// lbsample's own CPU time.
    public var ownCPUTime: Duration?
    /// Bytes of the result.
    public var resultBytes: Int?
    /// Bytes of all rings together.
    public var ringBytes: Int?
    /// Attempts beyond the first ones.
    public var retries: Int?

    /// No bounds.
    public init() {}
  }

  /// What is sampled: CPUs, interfaces and the workload's tree every 100 ms by default.
  public var sampling: Sampling
  /// A new result file; nil to keep the result in memory.
  public var file: String?
  /// The run's name; that of the plan, or of its only command, otherwise.
  public var name: String?
  /// Kept with the result.
  public var labels: [String: String] = [:]
  /// What workloads have of an environment.
  public var environment = Environment.inherited
  /// Who workloads are: a name or number; only root may name another one. Nil for this user.
  public var user: String?
  /// Whether workloads get a control group of their own, which is sampled.
  public var controlGroupScope = false
  /// What the whole run may use.
  public var limits = Limits()
  /// Attempts at one repetition, whatever their cause, from 1 to 1000.
  public var maximumAttempts = 10
  /// Attempts after contaminated ones, from 0 to 1000.
  public var contaminatedRepeats = 3
  /// The pauses before the first, the second, … retry; the last one is repeated.
  public var backoff: [Duration] = [.zero, .seconds(5), .seconds(15)]
  /// Bytes of the workload's output that are kept of each attempt, at most 1 GiB.
  public var outputLimit = 1 << 20
  /// What contaminates a repetition.
  public var gateLimits = GateLimits()
  /// Gates of the program's own, beside the standard ones.
  public var gates: [any RepetitionGate] = []
  /// Decides about retries in the place of `retries` and `backoff`.
  public var retryPolicy: (any RetryPolicy)?
  /// Kinds of phases of the program's own.
  public var handlers: [any PhaseHandler] = []
  /// What stops the run; `StopSource.current` otherwise, where the task has one.
  public var stop: StopSource?
  /// Receives every event of the run, and ends with it.
  public var events: Subscription<JournalEntry>?
  /// Receives every frame that is sampled, and ends with the run.
  public var frames: Subscription<FrameSnapshot>?

  /// Options of a run that samples this, kept in a new `file` where one is named.
  public init(
    sampling: Sampling = Sampling(.cpu, .net, .tree, interval: .milliseconds(100)),
    file: String? = nil
  ) {
    self.sampling = sampling
    self.file = file
  }
}
