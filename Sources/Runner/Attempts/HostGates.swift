import SampleModel

/// What is looked at of a host before a run, and what follows.
package struct HostLimits: Sendable, Hashable {
  /// Whether a finding is noted or ends the run before it begins; nil to look at nothing.
  package var severity: GateFinding.Severity? = .note
  /// Nanoseconds for which the host is watched; 0 to look at it only.
  package var window: UInt64 = 0
  /// CPU time of others, of one CPU; nil for no bound.
  package var foreignCPU: Double? = 0.1
  /// Time that the hypervisor takes, of all CPUs; nil for no bound.
  package var steal: Double? = 0.02

  /// Whether repetitions wait until the host is quiet: that it is not yet is no finding then.
  package var isWaitedFor = false

  /// The standard limits.
  package init() {}
}

/// Looks at a host before a run and between its repetitions: pure. What it finds is noted unless
/// the limits say otherwise; the gates behind each repetition judge what came of it.
package enum HostGates {
  /// Clock sources that are read by a system call or slower, and not in user space.
  static let slowClocks: Set<String> = ["hpet", "acpi_pm", "jiffies", "refined-jiffies", "xen"]

  /// Everything that makes measurements on this host worse than they could be.
  package static func findings(
    _ state: HostState, _ limits: HostLimits = HostLimits()
  ) -> [GateFinding] {
    guard let severity = limits.severity else { return [] }
    var found: [GateFinding] = []
    func note(_ gate: String, _ message: String) {
      found.append(GateFinding(gate: gate, severity: severity, message: message, passes: true))
    }
    // The kernel accounts in ticks: two of them say nothing of one CPU, and as the errors of
    // several have nothing to do with one another, their sum grows with the root of their number.
    let ticks = 2 * RepetitionGates.tick / Double(max(1, state.watched))
    let tolerance = ticks * Double(state.cpus ?? 1).squareRoot()
    if let foreign = state.foreignCPU, let limit = limits.foreignCPU, !limits.isWaitedFor,
      foreign > limit + tolerance
    {
      note(
        "host.foreign_cpu",
        "other processes used \(RepetitionGates.percent(foreign)) of one CPU just before the run; "
          + "--cooldown-until-idle TIME waits for a quiet host")
    }
    if let steal = state.steal, let limit = limits.steal,
      steal > limit + tolerance / Double(state.cpus ?? 1)
    {
      note(
        "host.steal",
        "the hypervisor took \(RepetitionGates.percent(steal)) of the CPUs just before the run")
    }
    if state.wasThrottled {
      note("host.throttling", "a CPU was throttled for its heat just before the run")
    }
    for zone in state.hotZones { note("host.temperature", zone) }
    if let load = state.load, let cpus = state.cpus, !limits.isWaitedFor, load > Double(cpus) {
      note(
        "host.load",
        "the load average before the run was \(load) on \(Counted.text(cpus, "CPU")); "
          + "--cooldown-until-idle TIME waits for a quiet host")
    }
    let restless = state.governors.subtracting(["performance"]).sorted()
    if !restless.isEmpty {
      note(
        "host.governor",
        "the CPUs' frequency moves: governor \(restless.joined(separator: ", ")) "
          + "(--set-host governor=performance)")
    }
    if let limit = state.frequencyLimit, limit < 0.99 {
      note(
        "host.frequency",
        "a CPU is held at \(Int(bounded: limit * 100)) % of its highest frequency")
    }
    if let clock = state.clockSource, slowClocks.contains(clock) {
      note("host.clock", "the clock source is \(clock): reading the time is slow and coarse")
    }
    return found
  }

  /// What has changed of a host so that repetitions before and behind it do not compare.
  package static func drift(from old: HostState, to new: HostState) -> [GateFinding] {
    var found: [GateFinding] = []
    func compare<Value: Equatable>(
      _ what: String, _ old: Value, _ new: Value, _ text: (Value) -> String
    ) {
      guard old != new else { return }
      found.append(
        GateFinding(
          gate: "host.drift", severity: .note,
          message: "the host has changed: \(what) was \(text(old)) and is \(text(new))",
          passes: true))
    }
    compare("the number of its CPUs", old.cpus, new.cpus) { $0.map { "\($0)" } ?? "unknown" }
    compare("its clock source", old.clockSource, new.clockSource) { $0 ?? "unknown" }
    compare("the governor of its CPUs", old.governors, new.governors) {
      $0.isEmpty ? "unknown" : $0.sorted().joined(separator: ", ")
    }
    func percent(_ share: Double?) -> Int? { share.map { Int(bounded: $0 * 100) } }
    compare(
      "the limit of their frequency", percent(old.frequencyLimit), percent(new.frequencyLimit)
    ) { $0.map { "\($0) %" } ?? "unknown" }
    return found
  }
}
