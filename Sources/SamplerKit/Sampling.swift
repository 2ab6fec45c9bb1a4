public import SampleModel

/// What is sampled, how often and where: of a `HostSampler`, or of the runs of RunnerKit.
///
/// ```swift
/// var sampling = Sampling(.cpu, .net, interval: .milliseconds(10))
/// sampling.intervals[.net] = .milliseconds(100)
/// sampling.events = ["cycles", "instructions"]
/// ```
/// Nothing of it is checked before something is armed with it.
public struct Sampling: Sendable {
  /// Where the sampling threads are pinned.
  public enum Placement: Sendable, Hashable {
    /// The highest allowed CPU that is neither the workload's nor isolated.
    case automatic
    /// One thread on each of these CPUs.
    case cpus([Int])
    /// One thread on a CPU of each NUMA node.
    case nodes
  }

  /// The scheduling policy of the sampling threads (sched(7)).
  public enum Priority: Sendable, Hashable {
    /// SCHED_OTHER, as every thread.
    case other
    /// SCHED_FIFO at a level from 1 to 99, which needs CAP_SYS_NICE or RLIMIT_RTPRIO.
    case fifo(Int)
    /// SCHED_RR at a level from 1 to 99, which needs CAP_SYS_NICE or RLIMIT_RTPRIO.
    case roundRobin(Int)
  }

  /// The collectors. Those that need a target are added by naming it: `events`, `interfaces`,
  /// `processes`, `controlGroups`, `top`.
  public var collectors: [CollectorName]
  /// Time between two samples, from 10 µs to a year.
  public var interval: Duration
  /// Intervals of single collectors, which are not shorter than `interval`.
  public var intervals: [CollectorName: Duration] = [:]
  /// Collectors that may be unavailable; all others are required.
  public var optional: Set<CollectorName> = []
  /// Performance events, as `--perf` takes them: `cycles`, `{cycles,instructions}`, `sched:*`. The
  /// sets of collectors.conf are the command's.
  public var events: [String] = []
  /// Interfaces of which packets are counted, or `any`.
  public var interfaces: [String] = []
  /// An expression of pcap-filter(7) that these packets pass.
  public var packetFilter: String?
  /// The process whose tree `tree` follows. In a run it is the workload's, unless one is named.
  public var tree: Int32?
  /// Processes that are sampled alone.
  public var processes: [Int32] = []
  /// Control groups, by their paths below the root of the hierarchy.
  public var controlGroups: [String] = []
  /// How many of the busiest processes are named, at most 256; 0 for none.
  public var top = 0
  /// Whether threads are counted and recorded each on its own.
  public var perThread = false
  /// Patterns of the columns that are kept, such as `net.*[eth0]`; empty for all.
  public var only: [String] = []
  /// Patterns of columns that are left out.
  public var except: [String] = []
  /// Where the sampling threads are pinned.
  public var placement = Placement.automatic
  /// Their scheduling policy.
  public var priority = Priority.other
  /// The most that sampling may cost, as a share of one CPU: intervals are lengthened to keep it.
  /// Nil for no bound.
  public var budget: Double?
  /// Sources of the program's own metrics.
  public var sources: [any MetricSource] = []
  /// Who is given every frame, beside subscribers.
  public var receivers: [any FrameReceiver] = []
  /// The mount of procfs.
  public var procRoot = "/proc"
  /// The mount of sysfs.
  public var sysRoot = "/sys"

  /// Sampling of these collectors.
  public init(_ collectors: CollectorName..., interval: Duration = .seconds(1)) {
    self.init(collectors, interval: interval)
  }

  /// Sampling of these collectors.
  public init(_ collectors: [CollectorName], interval: Duration = .seconds(1)) {
    self.collectors = collectors
    self.interval = interval
  }
}
