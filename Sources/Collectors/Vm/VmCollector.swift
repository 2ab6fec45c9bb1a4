import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Counters of memory management, from /proc/vmstat:
///
/// ```
/// nr_free_pages 1553741
/// pgfault 98123
/// ```
/// mm/vmstat.c. Minimum kernel 2.6. Privilege: none. Cost: one pread, about 10 µs (it folds the
/// counters of every CPU). Limits: the meaning of names differs by version; fields without a
/// description have the kernel's names.
struct VmCollector: TextCollector {
  let isNonBlocking = true
  let description = CollectorDescription(
    name: "vm", summary: "faults, paging, reclaim, compaction and other memory events",
    source: "proc/vmstat", minimumKernel: "2.6", privilege: "none", cost: .moderate, isOpen: true,
    metrics: [
      counter("pgpgin", "read from disk", unit: .bytes, scale: Scale(1024), host: true),
      counter("pgpgout", "written to disk", unit: .bytes, scale: Scale(1024), host: true),
      counter("pswpin", "pages read from swap", host: true),
      counter("pswpout", "pages written to swap", host: true),
      counter("pgfault", "page faults", host: true),
      counter("pgmajfault", "page faults that read a disk", host: true),
      counter("pgfree", "pages freed", host: true),
      counter("oom_kill", "processes killed by the OOM killer (4.13)", host: true),
      counter("pgsteal_kswapd", "pages reclaimed by kswapd", host: true),
      counter("pgsteal_direct", "pages reclaimed by allocating processes", host: true),
      counter("pgscan_kswapd", "pages scanned by kswapd", host: true),
      counter("pgscan_direct", "pages scanned by allocating processes", host: true),
      counter("compact_stall", "waits for compaction", host: true),
      counter("thp_fault_alloc", "huge pages given at a fault", host: true),
      counter("numa_pages_migrated", "pages moved by automatic NUMA balancing", host: true),
      counter("numa_hint_faults", "faults taken to learn who uses a page", host: true),
      counter("numa_hint_faults_local", "of these, on the page's own node", host: true),
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    [
      TextSource(context.roots.proc("vmstat"), delivery: .shortRecords) {
        text throws(KernelTextError) in
        try TextFormat.list(text)
      }
    ]
  }

  func metric(_ field: TextField) -> MetricDescription? { Self.genericMetric(field) }

  /// Fields called `nr_` that are counters.
  private static let events: Set<String> = [
    "nr_vmscan_write", "nr_vmscan_immediate_reclaim", "nr_dirtied", "nr_written",
    "nr_throttled_written", "nr_foll_pin_acquired", "nr_foll_pin_released", "nr_tlb_remote_flush",
    "nr_tlb_remote_flush_received", "nr_tlb_local_flush_all", "nr_tlb_local_flush_one",
  ]

  /// Whether a field of a vmstat is a counter.
  static func isEvent(_ name: String) -> Bool {
    name.hasPrefix("nr_") ? events.contains(name) : name != "workingset_nodes"
  }

  /// The metric of a field of a vmstat without a description: `nr_` means a level, except for the
  /// counters of mm/vmstat.c.
  static func genericMetric(_ field: TextField) -> MetricDescription {
    let isLevel = !isEvent(field.name)
    let isHost = field.instance.isEmpty
    let meaning = "\(field.name) of vmstat" + (isLevel ? ", in pages unless it says otherwise" : "")
    return isLevel
      ? gauge(field.name, meaning, host: isHost) : counter(field.name, meaning, host: isHost)
  }
}
