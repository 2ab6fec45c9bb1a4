import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// The load averages, from /proc/loadavg:
///
/// ```
/// 0.04 0.97 1.56 1/79 31465
/// ```
/// Documentation/filesystems/proc.rst. Minimum kernel 2.6. Privilege: none. Cost: one pread, 0.5
/// µs. Limits: the kernel computes the averages every five seconds.
struct LoadCollector: TextCollector {
  let isNonBlocking = true
  let description = CollectorDescription(
    name: "load", summary: "load averages and numbers of threads", source: "proc/loadavg",
    minimumKernel: "2.6", privilege: "none", cost: .cheap, pace: .slow,
    metrics: [
      average("load1", 1), average("load5", 5), average("load15", 15),
      gauge("runnable", "threads running or runnable", host: true),
      gauge("threads", "threads on the host", host: true),
      gauge("last_pid", "the process ID assigned last", host: true),
    ])

  private static func average(_ name: String, _ minutes: Int) -> MetricDescription {
    gauge(
      name, "threads running, runnable or waiting for a disk, averaged over \(minutes) min",
      scale: Scale(1, per: 100), host: true, resolution: 5_000_000_000)
  }

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    [
      TextSource(context.roots.proc("loadavg")) { text throws(KernelTextError) in
        try TextFormat.loadavg(text)
      }
    ]
  }
}
