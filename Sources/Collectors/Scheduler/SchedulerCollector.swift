import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// The scheduler's own account of each CPU, from /proc/schedstat:
///
/// ```
/// cpu0 0 0 2105 1023 1053 512 1198234567 123456789 1051
/// ```
/// Documentation/scheduler/sched-stats.rst. Minimum kernel 2.6.10 with CONFIG_SCHEDSTATS.
/// Privilege: none. Cost: one pread, growing with CPUs and their domains.
/// It does not tell: load balancing by domain, whose lines are read over.
struct SchedulerCollector: TextCollector {
  let description = CollectorDescription(
    name: "scheduler", summary: "time run, time waited and switches of each CPU",
    source: "proc/schedstat", minimumKernel: "2.6.10", privilege: "none", cost: .moderate,
    metrics: [
      counter("yld_count", "calls of sched_yield"),
      counter("legacy", "always zero since the O(1) scheduler's array went"),
      counter("sched_count", "calls of schedule"),
      counter("sched_goidle", "of these, those that left the CPU idle"),
      counter("ttwu_count", "wake-ups"), counter("ttwu_local", "wake-ups on the waker's own CPU"),
      counter("rq_cpu_time", "time that tasks ran", unit: .nanoseconds),
      counter("run_delay", "time that tasks waited for the CPU", unit: .nanoseconds),
      counter("pcount", "timeslices run"),
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    [
      TextSource(context.roots.proc("schedstat"), comesWhole: false) {
        text throws(KernelTextError) in
        try TextFormat.schedule(text)
      }
    ]
  }
}
