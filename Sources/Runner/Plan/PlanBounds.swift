/// What a plan says of the whole run: what it may use, and what it needs changed of the host.
package struct PlanBounds: Sendable, Hashable {
  package var quota = QuotaLimits()
  /// Nanoseconds that a person has to answer, as `RunSpecification.askLimit`.
  package var askLimit: UInt64?
  /// `NAME=VALUE`; only who starts the run can allow them.
  package var hostChanges: [String] = []
  /// What is sampled, unless who starts the run says otherwise.
  package var sampling = PlanSampling()

  /// What stands at the top of a plan alone.
  static let keys: Set<String> = [
    "ask", "max_wall", "max_own_cpu", "max_bytes", "max_ring_memory", "max_retries", "set_host",
    "collectors", "perf", "packets", "interval", "validate",
  ]

  /// No bounds.
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

/// What a plan says of what is sampled, in the words of the command line.
package struct PlanSampling: Sendable, Hashable {
  /// Names of collectors, `all` or `tree` among them.
  package var collectors: [String] = []
  /// Lists of performance events.
  package var events: [String] = []
  /// Interfaces whose packets are counted.
  package var packets: String?
  /// The time between two samples, as it is written.
  package var interval: String?

  /// Nothing said.
  package init() {}

  /// Reads it from a plan's own table.
  init(_ table: PlanTable) {
    collectors = table.list("collectors") ?? []
    events = table.list("perf") ?? []
    packets = table.text("packets")
    if table.duration("interval") != nil { interval = table.text("interval") }
  }

  /// Reads the settings from a plan before it is resolved. Resolving the plan reports its mistakes.
  package init(_ plan: RunPlan) {
    self.init(
      PlanTable(plan.settings, at: "", parameters: [:], problems: PlanProblems()))
  }
}
