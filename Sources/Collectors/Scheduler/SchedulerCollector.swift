import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// The scheduler's statistics of each CPU, from /proc/schedstat:
///
/// ```
/// cpu0 0 0 2105 1023 1053 512 1198234567 123456789 1051
/// domain0 MC 0f 3 12 11 0 …
/// ```
/// Documentation/scheduler/sched-stats.rst. Minimum kernel 2.6.10 with CONFIG_SCHEDSTATS.
/// Privilege: none. Cost: one pread, growing with CPUs and their domains. Limits: does not show
/// reasons. Load balancing in each of a CPU's domains has instances such as `0.domain1`; the
/// domains of file versions other than 15 to 17 are skipped.
struct SchedulerCollector: TextCollector {
  let description = CollectorDescription(
    name: "scheduler", summary: "time run, time waited and switches of each CPU",
    source: "proc/schedstat", minimumKernel: "2.6.10", privilege: "none", cost: .moderate,
    isOpen: true,
    metrics: [
      counter("yld_count", "calls of sched_yield", width: 32),
      counter("legacy", "always zero since the O(1) scheduler's array went", width: 32),
      counter("sched_count", "calls of schedule", width: 32),
      counter("sched_goidle", "of these, those that left the CPU idle", width: 32),
      counter("ttwu_count", "wake-ups", width: 32),
      counter("ttwu_local", "wake-ups on the waker's own CPU", width: 32),
      counter("rq_cpu_time", "time that tasks ran", unit: .nanoseconds),
      counter("run_delay", "time that tasks waited for the CPU", unit: .nanoseconds),
      counter("pcount", "timeslices run"),
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    [
      TextSource(context.roots.proc("schedstat"), delivery: .pieces) {
        text throws(KernelTextError) in
        try TextFormat.schedule(text)
      }
    ]
  }
  func metric(_ field: TextField) -> MetricDescription? {
    counter(field.name, "\(field.name) of a scheduling domain", width: 32)
  }
}
