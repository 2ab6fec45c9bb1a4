import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// CPU time by state, overall and per CPU, and the host's interrupt, context-switch and process
/// counts, from /proc/stat:
///
/// ```
/// cpu  2482 0 1774 69406 508 0 26 37 0 0
/// intr 98291 0 0 0 …
/// ```
/// Documentation/filesystems/proc.rst, 1.7. Minimum kernel 2.6.11 (steal); younger columns say
/// so. Privilege: none. Cost: one pread, about 3 µs on two CPUs, growing with CPUs and interrupts.
/// It does not tell: time is sampled at the kernel's tick unless it accounts precisely
/// (CONFIG_VIRT_CPU_ACCOUNTING_GEN), so the user/system split of short bursts is coarse; guest
/// time is contained in user.
struct CpuCollector: TextCollector {
  private static let younger = [
    "steal": "2.6.11", "guest": "2.6.24", "guest_nice": "2.6.33",
  ]
  private static let meanings = [
    "user": "time in user mode, guest time included",
    "nice": "time in user mode at lowered priority, guest_nice included",
    "system": "time in kernel mode",
    "idle": "time with nothing to run",
    "iowait": "idle time with a disk request outstanding; not reliable per CPU",
    "irq": "time in hardware interrupts",
    "softirq": "time in software interrupts",
    "steal": "time that the hypervisor gave to others",
    "guest": "time running a guest",
    "guest_nice": "time running a guest at lowered priority",
  ]

  /// The host-wide totals, with the names that keep them apart from the time columns.
  private static let totals: [MetricDescription] = [
    MetricDescription(
      "intr", .count, .counter, extent: .host, meaning: "interrupts serviced since boot"),
    MetricDescription(
      "ctxt", .count, .counter, extent: .host, meaning: "context switches since boot"),
    MetricDescription(
      "processes", .count, .counter, extent: .host, meaning: "forks since boot"),
    MetricDescription(
      "procs_running", .count, .gauge, extent: .host, meaning: "threads running or runnable"),
    MetricDescription(
      "procs_blocked", .count, .gauge, extent: .host, meaning: "threads waiting for a disk"),
    MetricDescription(
      "softirq_total", .count, .counter, extent: .host,
      meaning: "software interrupts since boot: the softirq line's total (2.6.31)"),
  ]

  let description: CollectorDescription
  private let onlyCPUs: CPUSet?

  /// The collector; `cpus` picks some CPUs beside the line of all of them.
  init(cpus: CPUSet? = nil) {
    onlyCPUs = cpus
    let tick = Scale(1_000_000_000, per: HostFacts.ticksPerSecond)
    let times = TextFormat.cpuTimes.map { field in
      let since = Self.younger[field].map { " (\($0))" } ?? ""
      return MetricDescription(
        field, .nanoseconds, .counter, scale: tick,
        mayStepBack: field == "idle" || field == "iowait",
        meaning: (Self.meanings[field] ?? field) + since)
    }
    description = CollectorDescription(
      name: "cpu", summary: "CPU time by state, interrupts, context switches, processes",
      source: "proc/stat", minimumKernel: "2.6.11", privilege: "none", cost: .cheap,
      metrics: times + Self.totals)
  }

  func sources(_ context: CollectorContext) -> [TextSource] {
    [
      TextSource(context.roots.proc("stat")) { text throws(KernelTextError) in
        try TextFormat.stat(text)
      }
    ]
  }

  func keeps(_ field: TextField) -> Bool {
    guard let onlyCPUs, let cpu = Int(field.instance) else { return true }
    return onlyCPUs.contains(cpu)
  }
}
