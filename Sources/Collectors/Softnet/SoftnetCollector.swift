import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// The network receive path of each CPU, from /proc/net/softnet_stat:
///
/// ```
/// 000014f3 00000000 00000001 00000000 … 00000001 00000000 00000000
/// ```
/// net/core/net-procfs.c. Minimum kernel 2.6. Privilege: none. Cost: one pread, 1.1 µs on two CPUs.
/// Limits: does not distinguish interfaces. The columns are 32 bits wide and wrap.
struct SoftnetCollector: TextCollector {
  private static let meanings = [
    "processed": "packets taken off the backlog or a driver",
    "dropped": "packets dropped because the backlog was full",
    "time_squeeze": "times that packets were left when the budget was used up",
    "cpu_collision": "times that a device was locked by another CPU (until 4.7)",
    "received_rps": "times that another CPU asked this one to take packets (2.6.35)",
    "flow_limit_count": "packets dropped by the flow limit (3.11)",
  ]

  let isNonBlocking = true
  let description: CollectorDescription

  /// The collector.
  init() {
    let metrics = TextFormat.softnetColumns.filter { !$0.isEmpty && $0 != "index" }.map { name in
      if let meaning = Self.meanings[name] { return counter(name, meaning, width: 32) }
      return gauge(name, "packets waiting (\(name), 5.14 or 6.5)")
    }
    description = CollectorDescription(
      name: "softnet", summary: "packets taken, dropped and left by each CPU's receive path",
      source: "proc/net/softnet_stat", minimumKernel: "2.6", privilege: "none", cost: .cheap,
      metrics: metrics)
  }

  func sources(_ context: CollectorContext) -> [TextSource] {
    [
      TextSource(context.network("softnet_stat"), delivery: .shortRecords) {
        text throws(KernelTextError) in
        try TextFormat.softnet(text)
      }
    ]
  }
}
