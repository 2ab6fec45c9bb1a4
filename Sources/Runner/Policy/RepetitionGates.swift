package import SampleModel

/// What a gate found about an attempt, or about the host.
package struct GateFinding: Sendable, Hashable {
  /// What follows from a finding.
  package enum Severity: String, Sendable {
    /// It is reported only.
    case note
    /// It contaminates the attempt, or before a run ends it.
    case block
  }

  package let gate: String
  package let severity: Severity
  package let message: String
  /// Whether the next attempt may be without it: its cause lies in the host, not in the sampling.
  package let isTransient: Bool

  /// The same finding, as a transient one.
  var transient: GateFinding {
    GateFinding(gate: gate, severity: severity, message: message, isTransient: true)
  }

  /// A finding of `gate`.
  package init(gate: String, severity: Severity, message: String, isTransient: Bool) {
    self.gate = gate
    self.severity = severity
    self.message = message
    self.isTransient = isTransient
  }
}

/// What a repetition has to keep to, each as a share; nil turns a gate off.
public struct GateLimits: Sendable, Hashable {
  /// Deadlines that were not taken, of all.
  public var skipped: Double? = 0.1
  /// Time that events were counted, of all, at the least.
  public var running: Double?
  /// lbsample's own CPU time, of one CPU.
  public var ownCost: Double? = 0.05
  /// CPU time of others on the workload's CPUs, of one CPU.
  public var foreignCPU: Double? = 0.1
  /// Time that the hypervisor took, of all CPUs.
  public var steal: Double? = 0.02
  /// Packets that found the capture's buffer full, of all that passed the filter.
  public var packetDrops: Double? = 0.01
  /// Whether thermal throttling contaminates.
  public var throttling = true
  /// Gates whose findings are noted and contaminate nothing: `deadlines`, `drops`, `running`,
  /// `packets`, `own_cost`, `steal`, `foreign_cpu`, `throttling`.
  public var noted: Set<String> = []

  /// The standard limits.
  public init() {}

  fileprivate func finding(_ gate: String, isTransient: Bool, _ message: String) -> GateFinding {
    GateFinding(
      gate: gate, severity: noted.contains(gate) ? .note : .block, message: message,
      isTransient: isTransient)
  }
}

/// Checks an attempt by its own metrics and ledger: pure.
package enum RepetitionGates {
  /// Nanoseconds of a clock tick, in which the kernel counts CPU time.
  static let tick: Double = 10_000_000

  /// Nanoseconds within the rounding error of `cpus` CPUs: three ticks for one CPU, whose states
  /// are each rounded to ticks. The errors of several CPUs are independent, so that their sum grows
  /// with the square root of their number.
  private static func tolerance(cpus: Int) -> Double { 3 * tick * Double(cpus).squareRoot() }

  /// The names of all gates.
  package static let names: Set<String> = [
    "deadlines", "drops", "running", "packets", "own_cost", "steal", "foreign_cpu", "throttling",
  ]

  /// The findings about a completed attempt. `ownCPUNanoseconds` is the CPU time that lbsample used
  /// while the workload ran; nil where only the cost of the whole bracket is known.
  package static func findings(
    _ attempt: AttemptResult, _ limits: GateLimits, workloadCPUs: [Int]?,
    ownCPUNanoseconds: UInt64? = nil
  ) -> [GateFinding] {
    samplingFindings(attempt, limits, ownCPUNanoseconds)
      + hostFindings(attempt, limits, workloadCPUs)
  }

  private static func samplingFindings(
    _ attempt: AttemptResult, _ limits: GateLimits, _ ownCPUNanoseconds: UInt64?
  ) -> [GateFinding] {
    var found: [GateFinding] = []
    func add(_ gate: String, isTransient: Bool, _ message: String) {
      found.append(limits.finding(gate, isTransient: isTransient, message))
    }
    let ticks = attempt.ledger.ticks
    // Of few deadlines a single skipped one is a large share.
    if let limit = limits.skipped, ticks.deadlines > 0, ticks.skipped > 1 {
      let share = Double(ticks.skipped) / Double(ticks.deadlines)
      if share > limit {
        add("deadlines", isTransient: false, "\(percent(share)) of the deadlines were skipped")
      }
    }
    let dropped = attempt.ledger.ring.dropped
    if dropped > 0 {
      add(
        "drops", isTransient: false,
        "\(Counted.text(dropped, "frame")) \(dropped == 1 ? "was" : "were") dropped since the ring "
          + "was full")
    }
    if let limit = limits.running {
      for (name, share) in attempt.metrics.sorted(by: { $0.key < $1.key })
      where name.hasPrefix("perf.running[") && share < limit {
        add("running", isTransient: false, "\(name) is \(percent(share))")
      }
    }
    if let limit = limits.packetDrops {
      for (name, dropped) in attempt.metrics.sorted(by: { $0.key < $1.key })
      where name.hasPrefix("packets.dropped_socket[") {
        let received = attempt.metrics[name.replacing("dropped_socket", with: "received")] ?? 0
        if received > 0, dropped / received > limit {
          add(
            "packets", isTransient: true,
            "\(name): \(percent(dropped / received)) of the packets were dropped")
        }
      }
    }
    // Thread clocks count nanoseconds: no tolerance is needed. The cost of opening and closing the
    // bracket lies outside the workload's time and does not count.
    if let limit = limits.ownCost, let overhead = attempt.overhead {
      let wall = Double(max(1, attempt.wallNanoseconds ?? 0))
      let share = ownCPUNanoseconds.map { Double($0) / wall } ?? overhead.processFraction
      if share > limit {
        add(
          "own_cost", isTransient: false,
          "lbsample used \(percent(share)) of one CPU while the workload ran "
            + "(gates.own_cost allows \(Share.text(limit).dropLast()) %)")
      }
    }
    return found
  }

  private static func hostFindings(
    _ attempt: AttemptResult, _ limits: GateLimits, _ workloadCPUs: [Int]?
  ) -> [GateFinding] {
    guard attempt.bracketNanoseconds > 0 else { return [] }
    var found: [GateFinding] = []
    func add(_ gate: String, _ message: String) {
      found.append(limits.finding(gate, isTransient: true, message))
    }
    let wall = Double(attempt.bracketNanoseconds)
    let all = cpus(attempt)
    if let limit = limits.steal, let stolen = attempt.metrics["cpu.steal[all]"], all > 0 {
      let time = wall * Double(all)
      if stolen > limit * time + tolerance(cpus: all) {
        add("steal", "the hypervisor took \(percent(stolen / time)) of the CPUs")
      }
    }
    if let limit = limits.foreignCPU, let foreign = foreign(attempt, workloadCPUs),
      foreign.time > limit * wall + tolerance(cpus: foreign.cpus)
    {
      add(
        "foreign_cpu",
        "other processes used \(percent(foreign.time / wall)) of one CPU on the workload's CPUs "
          + "(gates.foreign_cpu allows \(Share.text(limit).dropLast()) %)")
    }
    if limits.throttling {
      let throttled = attempt.metrics.filter {
        $0.key.hasPrefix("frequency.") && $0.key.contains("throttle_count") && $0.value > 0
      }
      if let first = throttled.keys.min() { add("throttling", "\(first) rose") }
    }
    return found
  }

  private static func cpus(_ attempt: AttemptResult) -> Int {
    let listed = attempt.metrics.keys.filter {
      $0.hasPrefix("cpu.idle[") && $0 != "cpu.idle[all]"
    }.count
    guard listed == 0 else { return listed }
    // Without a column for each CPU: the sum of all states, which is the time times their number.
    let states = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"]
    let total = states.compactMap { attempt.metrics["cpu.\($0)[all]"] }.reduce(0, +)
    return Int(bounded: total / Double(max(1, attempt.bracketNanoseconds)))
  }

  /// Busy time on the workload's CPUs that neither the workload nor lbsample used, in nanoseconds.
  private static func foreign(
    _ attempt: AttemptResult, _ workloadCPUs: [Int]?
  ) -> (time: Double, cpus: Int)? {
    // User time includes guest time; stolen time was used by no process of this host.
    let states = ["user", "nice", "system", "irq", "softirq"]
    func busy(_ instance: String) -> Double? {
      guard attempt.metrics["cpu.user[\(instance)]"] != nil else { return nil }
      return states.compactMap { attempt.metrics["cpu.\($0)[\(instance)]"] }.reduce(0, +)
    }
    guard let user = attempt.userNanoseconds, let system = attempt.systemNanoseconds else {
      return nil
    }
    let own = Double(user) + Double(system)
    if let workloadCPUs {
      let each = workloadCPUs.compactMap { busy("\($0)") }
      if each.count == workloadCPUs.count {
        return (
          max(0, each.reduce(0, +) - own - sampling(attempt, on: workloadCPUs)), each.count
        )
      }
    }
    guard let total = busy("all") else { return nil }
    let ours = attempt.overhead.map { Double($0.processNanoseconds) } ?? 0
    return (max(0, total - own - ours), max(1, cpus(attempt)))
  }

  /// CPU time of the sampling threads that are pinned to these CPUs, in nanoseconds.
  private static func sampling(_ attempt: AttemptResult, on cpus: [Int]) -> Double {
    let used = attempt.overhead?.samplingThreadNanoseconds ?? []
    return attempt.ledger.threads.reduce(0) { sum, thread in
      guard let cpu = thread.cpu, cpus.contains(cpu), used.indices.contains(thread.thread) else {
        return sum
      }
      return sum + Double(used[thread.thread])
    }
  }

  static func percent(_ share: Double) -> String {
    let tenths = Int(bounded: share * 1000)
    return "\(tenths / 10).\(tenths % 10) %"
  }
}
