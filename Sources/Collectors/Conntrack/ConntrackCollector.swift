import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Connections that netfilter tracks, from /proc/sys/net/netfilter.
///
/// Documentation/networking/nf_conntrack-sysctl.rst. Minimum kernel 2.6.14 with nf_conntrack
/// loaded. Privilege: none. Cost: two preads of 0.4 µs.
/// It does not tell: more than the reader's network namespace.
struct ConntrackCollector: TextCollector {
  let description = CollectorDescription(
    name: "conntrack", summary: "connections that netfilter tracks",
    source: "proc/sys/net/netfilter/nf_conntrack_{count,max}", minimumKernel: "2.6.14",
    privilege: "none", cost: .cheap, pace: .slow, systemCallsPerSample: 2,
    metrics: [
      gauge("count", "connections tracked", host: true),
      gauge("max", "connections that may be tracked", host: true),
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    description.metrics.map { metric in
      TextSource(
        number: context.roots.proc("sys/net/netfilter/nf_conntrack_\(metric.name)"),
        TextField(metric.name))
    }
  }
}
