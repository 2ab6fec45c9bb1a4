import SampleModel

/// The limits of the checks of a host before a run, and what a finding leads to.
package struct HostLimits: Sendable, Hashable {
  /// `.note`: a finding is a warning; `.block`: it ends the run before it begins; nil: no checks.
  package var severity: GateFinding.Severity? = .note
  /// Nanoseconds for which the host is observed; 0: its state is read once.
  package var window: UInt64 = 0
  /// CPU time of other processes, as a share of one CPU; nil: no limit.
  package var foreignCPU: Double? = 0.1
  /// Time that the hypervisor takes, as a share of all CPUs; nil: no limit.
  package var steal: Double? = 0.02

  /// Whether repetitions wait until the host is quiet: load before the run is no finding then.
  package var waitsUntilQuiet = false

  /// The default limits.
  package init() {}
}

/// Checks a host before a run and between its repetitions: pure. The gates of each repetition
/// decide whether the host disturbed it.
package enum HostGates {
  /// Clock sources that are read by a system call or by slow hardware, not in user space.
  static let slowClocks: Set<String> = ["hpet", "acpi_pm", "jiffies", "refined-jiffies", "xen"]

  /// The findings that make measurements on this host less precise.
  package static func findings(
    _ state: HostState, _ limits: HostLimits = HostLimits()
  ) -> [GateFinding] {
    guard let severity = limits.severity else { return [] }
    var found: [GateFinding] = []
    func note(_ gate: String, _ message: String) {
      found.append(
        GateFinding(gate: gate, severity: severity, message: message, isTransient: true))
    }
    // The kernel counts CPU time in ticks: for one CPU two ticks are within the rounding error. The
    // errors of several CPUs are independent, so that their sum grows with the square root of their
    // number.
    let ticks = 2 * RepetitionGates.tick / Double(max(1, state.watched))
    let tolerance = ticks * Double(state.cpus ?? 1).squareRoot()
    if let foreign = state.foreignCPU, let limit = limits.foreignCPU, !limits.waitsUntilQuiet,
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
      note("host.throttling", "a CPU was thermally throttled just before the run")
    }
    for zone in state.hotZones { note("host.temperature", zone) }
    if let load = state.load, let cpus = state.cpus, !limits.waitsUntilQuiet, load > Double(cpus) {
      note(
        "host.load",
        "the load average before the run was \(load) on \(Counted.text(cpus, "CPU")); "
          + "--cooldown-until-idle TIME waits for a quiet host")
    }
    let others = state.governors.subtracting(["performance"]).sorted()
    if !others.isEmpty {
      note(
        "host.governor",
        "the CPUs' frequency varies: governor \(others.joined(separator: ", ")) "
          + "(--set-host governor=performance)")
    }
    if let limit = state.frequencyLimit, limit < 0.99 {
      note(
        "host.frequency",
        "a CPU is limited to \(Int(bounded: limit * 100)) % of its highest frequency")
    }
    if let clock = state.clockSource, slowClocks.contains(clock) {
      note("host.clock", "the clock source is \(clock), which is slow to read and coarse")
    }
    return found
  }

  /// What has changed on a host so that repetitions before and after the change do not compare.
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
          isTransient: true))
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
