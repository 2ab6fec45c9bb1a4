import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Connections tracked by netfilter, from /proc/sys/net/netfilter, and counters of each CPU, from
/// /proc/net/stat/nf_conntrack:
///
/// ```
/// entries  clashres found new invalid ignore delete chainlength insert insert_failed drop …
/// 00000001  00000000 00000000 00000000 00000007 0000000c 00000000 00000000 00000000 …
/// ```
/// Documentation/networking/nf_conntrack-sysctl.rst, net/netfilter/nf_conntrack_standalone.c.
/// Minimum kernel 2.6.14 with nf_conntrack loaded. Privilege: none. Cost: three preads, the third
/// growing with CPUs. Limits: only the reader's network namespace. The instance is the CPU's index
/// among the possible ones.
struct ConntrackCollector: TextCollector {
  /// Columns by the kernel's header; others are named by the kernel.
  private static let counters = [
    "clashres": "clashes resolved", "found": "entries found", "invalid": "packets not tracked",
    "insert": "entries inserted", "insert_failed": "insertions refused",
    "drop": "packets dropped because tracking failed",
    "early_drop": "entries dropped for newer ones",
    "icmp_error": "malformed ICMP packets", "expect_new": "expected connections that were opened",
    "expect_create": "expectations added", "expect_delete": "expectations deleted",
    "search_restart": "searches restarted", "chaintoolong": "insertions refused, chain too long",
  ]

  let description = CollectorDescription(
    name: "conntrack", summary: "connections that netfilter tracks",
    source: "proc/sys/net/netfilter/nf_conntrack_{count,max}, proc/net/stat/nf_conntrack",
    minimumKernel: "2.6.14", privilege: "none", cost: .cheap, pace: .slow,
    systemCallsPerSample: 3, isOpen: true,
    metrics: [
      gauge("count", "connections tracked", host: true),
      gauge("max", "connections that may be tracked", host: true),
    ]
      + counters.sorted { $0.key < $1.key }.map { counter($0.key, $0.value, width: 32) })

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    ["count", "max"].map { name in
      TextSource(
        number: context.roots.proc("sys/net/netfilter/nf_conntrack_\(name)"), TextField(name))
    } + [
      TextSource(context.network("stat/nf_conntrack"), delivery: .shortRecords, isNeeded: false) {
        text throws(KernelTextError) in
        try TextFormat.conntrack(text)
      }
    ]
  }

  func metric(_ field: TextField) -> MetricDescription? {
    // `entries` is the same as `count` in each CPU's line.
    field.name == "entries"
      ? nil : counter(field.name, "\(field.name) of nf_conntrack", width: 32)
  }
}
