import Glibc
import LinuxSystem
import PerfEvents
import SampleModel
import Sampler

/// Performance events with the names of perf(1): counted, never sampled.
///
/// perf_event_open(2), Documentation/admin-guide/perf-security.rst. Minimum kernel 4.13, for groups
/// that children inherit. Privilege: none for one's own workload's user space; the kernel and whole
/// CPUs need CAP_PERFMON or a low kernel.perf_event_paranoid. Cost: one read for each group of a
/// workload, which walks its live tasks and interrupts those that run; one for each group and CPU
/// of the system. Limits: does not locate events in code. If there are more events than hardware
/// counters, each is counted for a part of the time (time_enabled and time_running), by which
/// readers scale, as perf does.
struct PerfCollector: Collector {
  let description: CollectorDescription
  private let choice: PerfChoice?
  /// The counters of a process beside the workload.
  private let beside: BesideCounters?

  /// The collector of the chosen events.
  init(_ choice: PerfChoice? = nil) {
    self.choice = choice
    var name = "perf"
    if let choice, case .workload(let target) = choice.scope, target.name != nil {
      name = target.nameOfCollector(name)
      beside = BesideCounters(choice.kernel)
    } else {
      beside = nil
    }
    var seen = Set<String>()
    let events = (choice?.groups.flatMap { $0 } ?? []).filter { seen.insert($0.name).inserted }
    description = CollectorDescription(
      name: name, summary: "performance events, as perf names them",
      source: "perf_event_open(2)", minimumKernel: "4.13",
      privilege: "none, or CAP_PERFMON for the kernel and whole CPUs", cost: .cheap, isOpen: true,
      metrics: Self.times + events.map(Self.metric))
  }

  var needsTarget: Bool { true }

  static let times = [
    counter(
      "time_enabled", "time for which the group was enabled", unit: .nanoseconds, isSum: true),
    counter(
      "time_running", "time for which the group was counted", unit: .nanoseconds, isSum: true),
  ]

  static let running = gauge(
    "running", "the share of its time for which a group was counted", unit: .ratio)

  /// The metric of a formula.
  static func derived(_ name: String) -> MetricDescription {
    gauge(name, "made of events by the formula of that name", unit: .ratio)
  }

  static func metric(_ event: PerfEvent) -> MetricDescription {
    counter(
      event.name, "occurrences of \(event.name)", unit: event.unit, scale: event.scale, isSum: true)
  }

  func probe(_ context: CollectorContext) -> Availability {
    guard let choice else { return .absent(reason: "--perf EVENTS is required") }
    var clock = PerfEventAttributes(type: 1, config: 1)
    clock.flags = [.disabled, .excludeKernel, .excludeHypervisor]
    let descriptor = choice.kernel.open(clock, process: 0, cpu: -1, leader: -1)
    guard descriptor < 0 else {
      choice.kernel.close(descriptor)
      return .available
    }
    switch -descriptor {
    case ENOSYS: return .unsupported(reason: "this kernel has no perf events")
    case EACCES, EPERM:
      return .denied(reason: PerfRefusal.paranoia(context), fix: PerfRefusal.fix(choice.scope))
    default: return .unsupported(reason: SystemError.words(-descriptor))
    }
  }

  func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    guard let choice else {
      throw LBError(.collectorUnavailable, "perf: no event is chosen: --perf EVENTS")
    }
    let plan = try PerfPlan(choice, context)
    guard !choice.isStrict || plan.refused.isEmpty else {
      throw LBError(
        .collectorUnavailable,
        "perf: it is required, and not all of its events can be counted: \(plan.refused)",
        context: ErrorContext(collector: "perf"))
    }
    guard !plan.groups.isEmpty else {
      let reasons = plan.notes.map { $0.hasPrefix("perf: ") ? String($0.dropFirst(6)) : $0 }
      throw LBError(
        .collectorUnavailable,
        "perf: no event can be counted: " + reasons.joined(separator: "; "),
        context: ErrorContext(collector: "perf"))
    }
    let needed = plan.descriptorCount + 64
    let limit = DescriptorLimit.raise()
    guard needed <= limit else {
      throw LBError(
        .collectorUnavailable,
        "perf: \(plan.events.count) events on \(plan.targets(of: plan.events[0]).count) "
          + "\(plan.isOfCPUs ? "CPUs" : "tasks") need \(plan.descriptorCount) descriptors and 64 "
          + "for the rest; RLIMIT_NOFILE is \(limit): raise it (ulimit -Hn), or name fewer of them",
        context: ErrorContext(collector: "perf"))
    }
    if choice.perThread { return try ArmedThreads(plan, context) }
    let armed = try ArmedPerf(plan, context, beside: beside)
    if let beside, case .workload(let target) = choice.scope { target.follow(by: beside) }
    return armed
  }
}

/// Messages for refused events.
enum PerfRefusal {
  /// The commands that permit it: level 1 for tasks including the kernel, 0 for whole CPUs.
  static func fix(_ scope: PerfScope) -> String {
    let capability = "sudo setcap cap_perfmon+ep \"$(command -v lbsample)\""
    let level = "sudo sysctl kernel.perf_event_paranoid="
    switch scope {
    case .system, .controlGroups: return "\(level)0, or \(capability)"
    case .workload: return "\(level)1, or \(capability)"
    case .processes:
      return "to count in the kernel: \(level)1; to count another user's process: run lbsample as "
        + "that user, or \(capability)"
    }
  }

  /// The state of the refusing sysctl.
  static func paranoia(_ context: CollectorContext) -> String {
    let path = context.roots.proc("sys/kernel/perf_event_paranoid")
    return "kernel.perf_event_paranoid is \(SmallFile.text(path) ?? "not to be read")"
  }

  /// The reason of a failed perf_event_open(2) for one event.
  static func reason(
    _ errno: Int32, _ event: PerfEvent, _ scope: PerfScope, _ context: CollectorContext
  ) -> String {
    switch errno {
    case ENOENT where event.attributes.type == 0 || event.attributes.type >= 3:
      "not supported by any PMU of this host (common in virtual machines)"
    case ENOENT, EOPNOTSUPP, ENODEV: "not supported on this host"
    case EACCES, EPERM: "denied: \(paranoia(context)): \(fix(scope))"
    case ENOSPC: "refused: no breakpoint register, or no counter, is left"
    case E2BIG: "refused: this kernel does not know all of its fields"
    case EMFILE: "refused: no descriptor is left (ulimit -n)"
    default: "refused: \(SystemError.words(errno))"
    }
  }
}
