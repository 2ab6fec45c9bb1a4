import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Free blocks by order and page statistics of each memory zone, from /proc/buddyinfo and
/// /proc/zoneinfo:
///
/// ```
/// Node 0, zone    DMA32      1      2      4      2 …
/// Node 0, zone   Normal
///   pages free     1553741
/// ```
/// Documentation/filesystems/proc.rst. Minimum kernel 2.6. Privilege: none. Cost: two texts, some
/// 30 µs, growing with nodes and CPUs: read once a second by default. Limits: the page sets of the
/// CPUs only if requested. Pages in free lists of CPUs are not in `free_blocks`.
struct ZonesCollector: TextCollector {
  private let perCPU: Bool
  let description = CollectorDescription(
    name: "zones", summary: "free blocks by order and page statistics of memory zones",
    source: "proc/buddyinfo, proc/zoneinfo", minimumKernel: "2.6", privilege: "none",
    cost: .expensive, systemCallsPerSample: 4, isOpen: true,
    metrics: (0...10).map { gauge("free_blocks_order\($0)", "free blocks of 2^\($0) pages") }
      + [
        gauge("free", "free pages"), gauge("min", "pages below which only the kernel allocates"),
        gauge("low", "pages below which kswapd is woken"),
        gauge("high", "pages at which kswapd rests"), gauge("managed", "pages of the allocator"),
        gauge("present", "pages that exist"), gauge("spanned", "pages from first to last"),
      ])

  /// The collector, with the page sets of each CPU or without.
  init(perCPU: Bool = false) { self.perCPU = perCPU }

  func sources(_ context: CollectorContext) -> [TextSource] {
    [
      TextSource(context.roots.proc("buddyinfo"), delivery: .shortRecords) {
        text throws(KernelTextError) in
        try TextFormat.buddies(text)
      },
      TextSource(context.roots.proc("zoneinfo"), delivery: .pieces, isNeeded: false) {
        text throws(KernelTextError) in
        try TextFormat.zones(text, perCPU: perCPU)
      },
    ]
  }

  func metric(_ field: TextField) -> MetricDescription? {
    // Fields of vmstat, and those of the zone: free, min, managed.
    let isOfVmstat = ["nr_", "numa_", "workingset_", "pg", "thp_"].contains {
      field.name.hasPrefix($0)
    }
    return isOfVmstat && VmCollector.isEvent(field.name)
      ? VmCollector.genericMetric(field) : gauge(field.name, "\(field.name) of zoneinfo")
  }
}
