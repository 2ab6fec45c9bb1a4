import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// The use of the host's memory, from /proc/meminfo:
///
/// ```
/// MemTotal:       24684092 kB
/// HugePages_Total:       0
/// ```
/// Documentation/filesystems/proc.rst. Minimum kernel 2.6; MemAvailable 3.14. Privilege: none.
/// Cost: one pread, about 2 µs. Limits: per-CPU counters are added lazily, so levels may lag by
/// some hundred kB.
struct MemoryCollector: TextCollector {
  let isNonBlocking = true
  let description = CollectorDescription(
    name: "memory", summary: "use of the host's memory", source: "proc/meminfo",
    minimumKernel: "2.6", privilege: "none", cost: .cheap, isOpen: true,
    metrics: [
      level("MemTotal", "usable memory"), level("MemFree", "memory in no use at all"),
      level("MemAvailable", "memory that programs can get without swapping (3.14)"),
      level("Buffers", "cache of block devices"),
      level("Cached", "page cache, shared memory included, without SwapCached"),
      level("SwapCached", "pages both in memory and in swap"), level("Active", "used recently"),
      level("Inactive", "not used recently: reclaimed first"),
      level("SwapTotal", "swap space"), level("SwapFree", "unused swap space"),
      level("Dirty", "waiting to be written back"), level("Writeback", "being written back"),
      level("AnonPages", "anonymous pages in page tables"), level("Mapped", "mapped files"),
      level("Shmem", "shared memory and tmpfs"), level("Slab", "kernel objects"),
      level("SReclaimable", "kernel objects that can be reclaimed"),
      level("SUnreclaim", "kernel objects that cannot"), level("KernelStack", "kernel stacks"),
      level("PageTables", "page tables"), level("CommitLimit", "limit of committed memory"),
      level("Committed_AS", "committed memory"),
      level("AnonHugePages", "transparent huge pages"),
      gauge("HugePages_Total", "huge pages of the default size", host: true),
      gauge("HugePages_Free", "of these, not allocated", host: true),
    ])

  private static func level(_ name: String, _ meaning: String) -> MetricDescription {
    gauge(name, meaning, unit: .bytes, scale: Scale(1024), host: true)
  }

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    [
      TextSource(context.roots.proc("meminfo")) { text throws(KernelTextError) in
        try TextFormat.list(text)
      }
    ]
  }

  /// A metric for fields without a description, by suffix: kibibytes or a count.
  func metric(_ field: TextField) -> MetricDescription? { Self.genericMetric(field) }

  /// The metric of a field of a meminfo without a description.
  static func genericMetric(_ field: TextField) -> MetricDescription {
    let isSize = field.suffix == "kB"
    return gauge(
      field.name, "\(field.name) of meminfo", unit: isSize ? .bytes : .count,
      scale: Scale(isSize ? 1024 : 1), host: field.instance.isEmpty)
  }
}
