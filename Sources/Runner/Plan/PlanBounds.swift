/// The settings of a plan for the whole run: its limits, its changes of the host, and what is
/// sampled.
package struct PlanBounds: Sendable, Hashable {
  package var quota = QuotaLimits()
  /// See `RunSpecification.askLimit`.
  package var askLimit: UInt64?
  /// `NAME=VALUE`; the user has to allow each of them.
  package var hostChanges: [String] = []
  /// What is sampled, unless the user chooses it.
  package var sampling = PlanSampling()

  /// Keys that are valid only at the top of a plan.
  static let keys: Set<String> = [
    "ask", "max_wall", "max_own_cpu", "max_bytes", "max_ring_memory", "max_retries", "set_host",
    "collectors", "perf", "packets", "interval", "validate",
  ]

  /// No limits and no changes.
  package init() {}

  /// Reads them from a plan's own table.
  init(_ table: PlanTable) {
    askLimit = table.duration("ask")
    quota.wall = table.duration("max_wall")
    quota.ownCPU = table.duration("max_own_cpu")
    func number(_ key: String) -> UInt64? { table.integer(key, 0...(.max)).map { UInt64($0) } }
    quota.bytes = number("max_bytes")
    quota.ringBytes = number("max_ring_memory")
    quota.retries = number("max_retries")
    hostChanges = table.list("set_host") ?? []
    sampling = PlanSampling(table)
  }
}

/// A plan's choice of what is sampled, in the form of the command line's options.
package struct PlanSampling: Sendable, Hashable {
  /// Names of collectors, `all` or `tree` among them.
  package var collectors: [String] = []
  /// Lists of performance events.
  package var events: [String] = []
  /// Interfaces whose packets are counted.
  package var packets: String?
  /// The time between two samples, as text.
  package var interval: String?

  /// No choice.
  package init() {}

  /// Reads it from a plan's own table.
  init(_ table: PlanTable) {
    collectors = table.list("collectors") ?? []
    events = table.list("perf") ?? []
    packets = table.text("packets")
    if table.duration("interval") != nil { interval = table.text("interval") }
  }

  /// Reads the choice from a plan before it is resolved. Resolving the plan reports mistakes.
  package init(_ plan: RunPlan) {
    self.init(
      PlanTable(plan.settings, keyPath: "", parameters: [:], problems: PlanProblems()))
  }
}
