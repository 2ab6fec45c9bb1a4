/// What a plan says of the whole run: what it may use, and what it needs changed of the host.
package struct PlanBounds: Sendable, Hashable {
  package var quota = QuotaLimits()
  /// Nanoseconds that a person has to answer, as `RunSpecification.askLimit`.
  package var askLimit: UInt64?
  /// `NAME=VALUE`; only who starts the run can allow them.
  package var hostChanges: [String] = []

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
  }
}
