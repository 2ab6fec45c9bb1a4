import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Memory, allocations and memory events of each NUMA node, from sysfs:
///
/// ```
/// Node 0 MemTotal:       24684092 kB
/// numa_hit 312552100
/// ```
/// Documentation/admin-guide/numastat.rst. Minimum kernel 2.6. Privilege: none. Cost: three preads
/// a node, 9 µs. Limits: does not show the users of a node's memory.
struct NumaCollector: TextCollector {
  let description = CollectorDescription(
    name: "numa", summary: "memory, allocations and memory events of each NUMA node",
    source: "sys/devices/system/node/node*/{meminfo,numastat,vmstat}", minimumKernel: "2.6",
    privilege: "none", cost: .moderate, systemCallsPerSample: 4, isOpen: true,
    metrics: [
      gauge("MemTotal", "memory of the node", unit: .bytes, scale: Scale(1024)),
      gauge("MemFree", "of this, in no use", unit: .bytes, scale: Scale(1024)),
      gauge("MemUsed", "of this, in use", unit: .bytes, scale: Scale(1024)),
      gauge("AnonPages", "anonymous pages", unit: .bytes, scale: Scale(1024)),
      gauge("FilePages", "page cache", unit: .bytes, scale: Scale(1024)),
      counter("numa_hit", "pages allocated here as intended"),
      counter("numa_miss", "pages allocated here, intended for another node"),
      counter("numa_foreign", "pages intended for here, allocated on another node"),
      counter("interleave_hit", "interleaved pages allocated here as intended"),
      counter("local_node", "pages allocated here by a process that ran here"),
      counter("other_node", "pages allocated here by a process that ran elsewhere"),
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    let online = context.roots.sys("devices/system/node/online")
    return [TextSource(sentinel: online)]
      + HostFacts.nodes(context.roots).flatMap { node in
        let instance = "node\(node)"
        let folder = context.roots.sys("devices/system/node/\(instance)")
        return [
          TextSource("\(folder)/meminfo", isNeeded: false) { text throws(KernelTextError) in
            try TextFormat.list(text, leading: 2, of: instance)
          },
          TextSource("\(folder)/numastat", isNeeded: false) { text throws(KernelTextError) in
            try TextFormat.list(text, of: instance)
          },
          TextSource("\(folder)/vmstat", isNeeded: false) { text throws(KernelTextError) in
            try TextFormat.list(text, of: instance)
          },
        ]
      }
  }

  /// meminfo names its fields in capitals, vmstat in lower case.
  func metric(_ field: TextField) -> MetricDescription? {
    field.name.first?.isUppercase == true
      ? MemoryCollector.genericMetric(field) : VmCollector.genericMetric(field)
  }
}
