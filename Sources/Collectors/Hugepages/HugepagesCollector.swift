import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Huge pages of each size, of the host and of each NUMA node, from sysfs.
///
/// Documentation/admin-guide/mm/hugetlbpage.rst. Minimum kernel 2.6.27. Privilege: none. Cost: a
/// pread for each size, node and attribute, 0.5 µs each. Limits: excludes transparent huge pages;
/// see `memory.AnonHugePages` and `vm.thp_*`.
struct HugepagesCollector: TextCollector {
  let description = CollectorDescription(
    name: "hugepages", summary: "huge pages of each size, of the host and of each node",
    source: "sys/kernel/mm/hugepages, sys/devices/system/node/node*/hugepages",
    minimumKernel: "2.6.27", privilege: "none", cost: .moderate, pace: .slow,
    systemCallsPerSample: 16,
    metrics: [
      gauge("nr_hugepages", "huge pages"), gauge("free_hugepages", "of these, not allocated"),
      gauge("surplus_hugepages", "huge pages beyond the configured number"),
      gauge("resv_hugepages", "promised, not yet allocated"),
      gauge("nr_overcommit_hugepages", "limit of surplus pages"),
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    var sources = [
      TextSource(sentinel: context.roots.sys("devices/system/node/online"))
    ]
    let nodes = HostFacts.nodes(context.roots)
    let folders =
      [("kernel/mm/hugepages", "")]
      + nodes.map { ("devices/system/node/node\($0)/hugepages", "@node\($0)") }
    for (folder, suffix) in folders {
      for entry in directoryEntries(context.roots.sys(folder)) where entry.hasPrefix("hugepages-") {
        // A node has the first three only.
        for metric in description.metrics.prefix(suffix.isEmpty ? 5 : 3) {
          sources.append(
            TextSource(
              number: context.roots.sys("\(folder)/\(entry)/\(metric.name)"),
              TextField(metric.name, of: entry.dropFirst(10) + suffix)))
        }
      }
    }
    return sources
  }
}
