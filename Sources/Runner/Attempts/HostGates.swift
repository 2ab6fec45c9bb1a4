package import LinuxSystem
import SampleModel

/// What of a host matters before anything is measured on it.
package struct HostState: Sendable, Hashable {
  /// Processes that ran or wanted to, averaged over the last minute.
  package var load: Double?
  /// CPUs that are online.
  package var cpus: Int?
  /// Where CLOCK_MONOTONIC comes from.
  package var clockSource: String?
  /// Frequency governors in force.
  package var governors: Set<String> = []
  /// The least share of its highest frequency that a CPU is held below.
  package var frequencyLimit: Double?

  /// Nothing known.
  package init() {}

  /// Reads it: /proc/loadavg, and of /sys/devices/system cpu/online, cpufreq and clocksource.
  package static func read(_ roots: MountRoots) -> HostState {
    var state = HostState()
    state.load = SmallFile.text(roots.proc("loadavg"))?.split(separator: " ").first
      .flatMap { Double($0) }
    let online = SmallFile.text(roots.sys("devices/system/cpu/online"))
      .flatMap { CPUSet(list: $0) }
    state.cpus = online?.members.count
    state.clockSource = SmallFile.text(
      roots.sys("devices/system/clocksource/clocksource0/current_clocksource"))
    for cpu in online?.members ?? [] {
      let folder = roots.sys("devices/system/cpu/cpu\(cpu)/cpufreq")
      if let governor = SmallFile.text("\(folder)/scaling_governor") {
        state.governors.insert(governor)
      }
      if let limit = SmallFile.text("\(folder)/scaling_max_freq").flatMap({ Double($0) }),
        let most = SmallFile.text("\(folder)/cpuinfo_max_freq").flatMap({ Double($0) }), most > 0
      {
        state.frequencyLimit = min(state.frequencyLimit ?? 1, limit / most)
      }
    }
    return state
  }
}

/// Looks at a host before a run and between its repetitions: pure. What it finds is noted; the
/// gates behind each repetition judge what came of it.
package enum HostGates {
  /// Clock sources that are read by a system call or slower, and not in user space.
  static let slowClocks: Set<String> = ["hpet", "acpi_pm", "jiffies", "refined-jiffies", "xen"]

  /// Everything that makes measurements on this host worse than they could be.
  package static func findings(_ state: HostState) -> [GateFinding] {
    var found: [GateFinding] = []
    func note(_ gate: String, _ message: String) {
      found.append(GateFinding(gate: gate, severity: .note, message: message, passes: true))
    }
    if let load = state.load, let cpus = state.cpus, load > Double(cpus) {
      note(
        "host.load",
        "the host was not quiet before the run: \(load) processes on average wanted its \(cpus) "
          + "CPUs (--cooldown-until-idle waits)")
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
        "a CPU is held at \(Int((limit * 100).rounded())) % of its highest frequency")
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
    func percent(_ share: Double?) -> Int? { share.map { Int(($0 * 100).rounded()) } }
    compare(
      "the limit of their frequency", percent(old.frequencyLimit), percent(new.frequencyLimit)
    ) { $0.map { "\($0) %" } ?? "unknown" }
    return found
  }
}
