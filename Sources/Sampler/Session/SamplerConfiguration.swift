import Glibc
package import LinuxSystem
package import SampleModel

/// The settings of a sampling session.
package struct SamplerConfiguration: Sendable {
  /// Nanoseconds between two deadlines.
  package var interval: UInt64
  /// Deadlines of each bracket, nil for no end.
  package var limit: UInt64?
  /// CPUs of the sampling threads.
  package var cpus: [Int]
  package var priority: SchedulingPriority
  /// CPUs that the drain is pinned to, nil: all that the process may use.
  package var drainCPUs: CPUSet?
  /// The maximum delivery latency for a live view, in nanoseconds; nil if there is none.
  package var maximumDeliveryLatency: UInt64?
  /// Whether deadlines fall on multiples of the interval on the wall clock.
  package var aligned: Bool
  /// The share of one CPU that sampling may use; nil for no limit. Cadences are lengthened to keep
  /// it, at arm time and while sampling.
  package var budget: Double?
  /// Whether the user chose the interval: metrics that the source updates less often are then
  /// reported.
  package var isIntervalExplicit: Bool
  package var hugePages: Bool
  package var lockMemory: Bool
  /// Nanoseconds after which a sampling thread that does not answer is unresponsive, and the
  /// session continues without it.
  package var responseTimeout: UInt64
  /// Raised to abandon the session while it is being armed.
  package var stop: StopFlag?
  package var context: CollectorContext
  package var time: TimeSource

  /// Sampling on `cpus` every `interval` nanoseconds; everything else has the usual default.
  package init(interval: UInt64, cpus: [Int], context: CollectorContext) {
    self.interval = interval
    self.cpus = cpus
    self.context = context
    limit = nil
    priority = .other
    drainCPUs = nil
    maximumDeliveryLatency = nil
    aligned = false
    budget = nil
    isIntervalExplicit = false
    hugePages = false
    lockMemory = true
    responseTimeout = 5_000_000_000
    stop = nil
    time = .system
  }
}

/// A collector requested for a session.
package struct CollectorRequest: Sendable {
  package let collector: any Collector
  /// Nanoseconds between two acquisitions, nil: the session's interval.
  package let interval: UInt64?
  /// Whether its absence fails the session.
  package let required: Bool

  /// A request for `collector`.
  package init(_ collector: any Collector, interval: UInt64? = nil, required: Bool = true) {
    self.collector = collector
    self.interval = interval
    self.required = required
  }
}

/// The account of one bracket.
package struct BracketAccount: Sendable {
  package var number: UInt32
  /// CLOCK_MONOTONIC at the start of the opening sample and at the end of the closing one.
  package var openStart: UInt64
  package var closeEnd: UInt64
  package var ledger: Ledger
  package var overhead: Overhead

  /// The account of bracket `number`.
  package init(
    number: UInt32, openStart: UInt64, closeEnd: UInt64, ledger: Ledger, overhead: Overhead
  ) {
    self.number = number
    self.openStart = openStart
    self.closeEnd = closeEnd
    self.ledger = ledger
    self.overhead = overhead
  }
}

extension LBError {
  /// The error for a session ended by a stop request; `rest` follows the name of the requester.
  package static func stopped(by reason: StopReason, _ rest: String = "") -> LBError {
    let names = [SIGHUP: "SIGHUP", SIGINT: "SIGINT", SIGQUIT: "SIGQUIT", SIGTERM: "SIGTERM"]
    let who = reason.signal.map { names[$0] ?? "signal \($0)" } ?? "the program that runs it"
    var error = LBError(.stopRequested, "stopped by \(who)\(rest)")
    error.context.signal = reason.signal
    return error
  }
}

/// Where sampling threads are pinned: `--pin CPU|LIST|node|auto`.
package enum Placement: Sendable, Hashable {
  /// The highest allowed CPU outside the workload's and the isolated ones.
  case automatic
  /// One thread on each of these CPUs.
  case cpus([Int])
  /// One thread on the highest allowed CPU of each NUMA node.
  case nodes

  /// Reads `auto`, `node` or a CPU list; nil for anything else.
  package init?(_ text: String) {
    switch text {
    case "auto": self = .automatic
    case "node": self = .nodes
    default:
      guard let set = CPUSet(list: text), !set.isEmpty else { return nil }
      self = .cpus(set.members)
    }
  }

  /// The CPUs of the sampling threads, in order.
  package func resolve(
    roots: MountRoots, allowed: CPUSet, workload: CPUSet?
  ) throws(LBError) -> [Int] {
    switch self {
    case .automatic:
      let isolated = HostFacts.isolatedCPUs(roots)
      let free = allowed.subtracting(isolated).subtracting(workload ?? CPUSet())
      guard let cpu = free.members.last ?? allowed.members.last else {
        throw LBError(.configuration, "--pin auto: no CPU is allowed to this process")
      }
      return [cpu]
    case .cpus(let cpus):
      for cpu in cpus where !allowed.contains(cpu) {
        throw LBError(
          .configuration,
          "--pin \(cpu): this process may run on CPUs \(allowed) only; name one of them")
      }
      return cpus
    case .nodes:
      let cpus = HostFacts.nodes(roots).compactMap { node in
        HostFacts.cpus(ofNode: node, roots)?.intersection(allowed).members.last
      }
      guard !cpus.isEmpty else {
        throw LBError(
          .configuration,
          "--pin node: no NUMA node of this host has an allowed CPU; use --pin auto")
      }
      return cpus
    }
  }
}
