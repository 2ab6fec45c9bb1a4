import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// CPU time by state, overall and per CPU, and the host's interrupt, context-switch and process
/// counts, from /proc/stat:
///
/// ```
/// cpu  2482 0 1774 69406 508 0 26 37 0 0
/// intr 98291 0 0 0 …
/// ```
/// Documentation/filesystems/proc.rst, 1.7. Minimum kernel 2.6.11 (steal); later columns are noted.
/// Privilege: none. Cost: one pread, about 3 µs on two CPUs, growing with CPUs and interrupts.
/// Limits: the kernel samples time at its tick unless it accounts precisely
/// (CONFIG_VIRT_CPU_ACCOUNTING_GEN), so the user/system split of short bursts is coarse; user
/// includes guest time.
struct CpuCollector: TextCollector {
  private static let younger = [
    "steal": "2.6.11", "guest": "2.6.24", "guest_nice": "2.6.33",
  ]
  private static let meanings = [
    "user": "time in user mode, guest time included",
    "nice": "time in user mode at lowered priority, guest_nice included",
    "system": "time in kernel mode",
    "idle": "time with nothing to run",
    "iowait": "idle time with a disk request outstanding; not reliable per CPU",
    "irq": "time in hardware interrupts",
    "softirq": "time in software interrupts",
    "steal": "time that the hypervisor gave to others",
    "guest": "time running a guest",
    "guest_nice": "time running a guest at lowered priority",
  ]

  private static let idling: Set<String> = ["idle", "iowait"]

  /// The host-wide totals, named so that they differ from the time columns.
  private static let totals: [MetricDescription] = [
    // Sums over all possible CPUs of counts that are 32 bits wide, in part at least:
    // fs/proc/stat.c, arch/x86/kernel/irq.c. They fall by 2^32 when one of them wraps.
    MetricDescription(
      "intr", .count, .counter, width: 32, extent: .host, isSum: true,
      meaning: "interrupts serviced since boot"),
    MetricDescription(
      "ctxt", .count, .counter, extent: .host, meaning: "context switches since boot"),
    MetricDescription(
      "processes", .count, .counter, extent: .host, meaning: "forks since boot"),
    MetricDescription(
      "procs_running", .count, .gauge, extent: .host, meaning: "threads running or runnable"),
    MetricDescription(
      "procs_blocked", .count, .gauge, extent: .host, meaning: "threads waiting for a disk"),
    MetricDescription(
      "softirq_total", .count, .counter, width: 32, extent: .host, isSum: true,
      meaning: "software interrupts since boot: the softirq line's total (2.6.31)"),
  ]

  let isNonBlocking = true
  let description: CollectorDescription
  private let onlyCPUs: CPUSet?

  /// The collector; `cpus` selects CPUs besides the line of all.
  init(cpus: CPUSet? = nil) {
    onlyCPUs = cpus
    let tick = Scale(1_000_000_000, per: HostFacts.ticksPerSecond)
    let times = TextFormat.cpuTimes.map { field in
      let since = Self.younger[field].map { " (\($0))" } ?? ""
      return MetricDescription(
        field, .nanoseconds, .counter, scale: tick,
        // kernel/time/tick-sched.c: an idle period moves from one of the two to the other when a
        // disk request ends on another CPU; it is as long as requests take.
        mayStepBack: Self.idling.contains(field), stepBackLimit: HostFacts.ticksPerSecond,
        resolution: 1_000_000_000 / HostFacts.ticksPerSecond,
        meaning: (Self.meanings[field] ?? field) + since)
    }
    description = CollectorDescription(
      name: "cpu", summary: "CPU time by state, interrupts, context switches, processes",
      source: "proc/stat", minimumKernel: "2.6.11", privilege: "none", cost: .cheap,
      metrics: times + Self.totals)
  }

  func sources(_ context: CollectorContext) -> [TextSource] {
    let path = context.roots.proc("stat")
    let isKernels = OwnedDescriptor.isOnProc(path)
    let possible = SmallFile.text(context.roots.sys("devices/system/cpu/possible"))
      .flatMap { CPUSet(list: $0) }?.members
    return [
      TextSource(path) { text throws(KernelTextError) in
        try TextFormat.stat(text, summed: Self.idling) { isKernels || $0.sorted() == possible }
      }
    ]
  }

  func keeps(_ field: TextField) -> Bool {
    guard let onlyCPUs, let cpu = Int(field.instance) else { return true }
    return onlyCPUs.contains(cpu)
  }

  /// The line of all CPUs includes offline ones (fs/proc/stat.c), so it continues when the set of
  /// online CPUs changes. But the idle time of an offline CPU comes from another clock, which
  /// restarts in kernels before 6.8 when the CPU returns: that sum continues only with the same
  /// CPUs. The host's totals cover all possible CPUs, and always continue. The grammar gives the
  /// parts of each sum.
  func column(
    _ metric: MetricDescription, _ field: TextField, _ context: CollectorContext
  ) -> Column {
    let isSummed = field.instance == "all" && field.identity != nil
    return Column(
      collector: "cpu", metric: metric, instance: field.instance, isSum: isSummed,
      identity: metric.isSum ? "possible" : field.identity)
  }

  /// On a host with several NUMA nodes, each node's time: the sum over its listed CPUs.
  func sums(
    of columns: [Column], _ instances: Set<String>, _ context: CollectorContext
  ) -> [SummedColumn] {
    let nodes = HostFacts.nodes(context.roots)
    guard nodes.count > 1 else { return [] }
    var indices: [String: Int] = [:]
    for (index, column) in columns.enumerated() { indices[column.name] = index }
    var sums: [SummedColumn] = []
    for node in nodes {
      let members = HostFacts.cpus(ofNode: node, context.roots)?.members ?? []
      // A CPU that goes offline or online is listed slightly longer or shorter than its row.
      let cpus = members.filter { instances.contains("\($0)") }
      for metric in description.metrics where metric.extent == .instance {
        let column = Column(
          collector: "cpu", metric: metric, instance: "node\(node)", isSum: true,
          identity: TextFormat.numberList(Array(cpus)))
        let parts = cpus.compactMap { indices["cpu.\(metric.name)[\($0)]"] }
        // If the user filtered one of its CPUs, the node has no sum.
        guard !parts.isEmpty, parts.count == cpus.count, context.filter.passes(column.name) else {
          continue
        }
        sums.append(SummedColumn(column: column, parts: parts))
      }
    }
    return sums
  }
}
