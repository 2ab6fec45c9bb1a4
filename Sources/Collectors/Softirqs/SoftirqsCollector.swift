import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Counts of software interrupts by kind, from /proc/softirqs, summed over the CPUs:
///
/// ```
///                     CPU0       CPU1
///        TIMER:     146028     169515
/// ```
/// Documentation/filesystems/proc.rst. Minimum kernel 2.6.31. Privilege: none. Cost: one pread, 1.3
/// µs on two CPUs, growing with possible CPUs. Limits: does not show their time, which is
/// `cpu.softirq`.
struct SoftirqsCollector: TextCollector {
  let isNonBlocking = true
  let description = CollectorDescription(
    name: "softirqs", summary: "number of software interrupts of each kind",
    source: "proc/softirqs", minimumKernel: "2.6.31", privilege: "none", cost: .cheap,
    isOpen: true,
    metrics: [
      "HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU",
    ].map(SoftirqsCollector.kind))

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    [
      TextSource(context.roots.proc("softirqs")) { text throws(KernelTextError) in
        try TextFormat.softirqs(text)
      }
    ]
  }

  func metric(_ field: TextField) -> MetricDescription? {
    Self.kind(field.name)
  }

  /// A sum over CPUs, whose own counts have 32 bits.
  private static func kind(_ name: String) -> MetricDescription {
    counter(name, "software interrupts of kind \(name)", host: true, width: 32, isSum: true)
  }
}
