import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Memory that processes really use, and its NUMA nodes. The kernel walks page tables for it, and
/// the process waits if it maps memory meanwhile, so it is read rarely.
///
/// The instance is the PID or `tree`; for a placement, `tree:node1`.
struct FootprintCollector: Collector {
  let isWanted: Bool
  let tree: WorkloadTarget?
  let processes: [Int32]
  let needsTarget = true

  let description = CollectorDescription(
    name: "footprint", summary: "memory footprint of processes (PSS, swap) and its NUMA nodes",
    source: "/proc/PID/{smaps_rollup,numa_maps,sched}", minimumKernel: "4.14",
    privilege: "the processes' own user, or CAP_SYS_PTRACE", cost: .heavy, systemCallsPerSample: 12,
    isOpen: true,
    metrics: [
      gauge("Rss", "resident memory", unit: .bytes, scale: Scale(1024)),
      gauge(
        "Pss", "its share: each page divided among its holders", unit: .bytes,
        scale: Scale(1024)),
      gauge("Swap", "swapped out", unit: .bytes, scale: Scale(1024)),
      gauge(
        "placement", "resident memory on a node (numa_maps)", unit: .bytes,
        scale: Scale(1024)),
      gauge("numa_pages_migrated", "pages that automatic balancing moved for those that live"),
      gauge("total_numa_faults", "hint faults of automatic balancing of those that live"),
      gauge("processes", "processes that were read"),
      gauge("denied", "processes that may not be read"),
    ])

  /// Available if a process is chosen and the kernel has the files.
  func probe(_ context: CollectorContext) -> Availability {
    guard isWanted, tree != nil || !processes.isEmpty else {
      return .absent(reason: "--process PID or --tree PID is required")
    }
    for pid in processes + (tree.map { $0.isWorkload ? [] : [$0.pid] } ?? []) {
      let availability = probeProcess(pid, context)
      if availability != .available { return availability }
    }
    return probeTextFile(context.roots.proc("self/smaps_rollup"))
  }

  /// Learns this kernel's labels and the host's nodes.
  func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    do throws(SystemError) {
      let bytes = try SmallFile.read(context.roots.proc("self/smaps_rollup"))
      let labels: [String]
      do throws(KernelTextError) {
        labels = try ProcessMemory.labels(KernelText(bytes.span))
      } catch {
        throw SystemError("parsing smaps_rollup", errno: EINVAL)
      }
      return try ArmedFootprint(self, context, labels: labels)
    } catch {
      throw LBError(
        .collectorUnavailable, "footprint: \(error)",
        context: ErrorContext(collector: "footprint", errno: error.errno))
    }
  }
}

@safe
private final class ArmedFootprint: ArmedCollector, @unchecked Sendable {
  // Sendable: see the base class.

  /// Values beside those of smaps_rollup, by the names of their metrics, in order.
  private enum Sum: String, CaseIterable {
    case pagesMigrated = "numa_pages_migrated"
    case numaFaults = "total_numa_faults"
    case processes
    case denied
  }

  private let tree: WorkloadTarget?
  private let processes: [Int32]
  private let reader: ProcessReader
  private let labelCount: Int
  /// Lines of smaps_rollup that are sizes, a bit each.
  private let sizes: UInt64
  private let nodes: [Int]
  /// The slot of each value of an instance, -1 for filtered ones.
  private let slots: [Int]
  /// Values of an instance: those of the labels, then of `Sum`, then of the nodes.
  private let width: Int
  /// The index of the first node's value.
  private let firstNode: Int
  /// Start times of the roots, in the order of the instances; 0 before the first reading.
  private let starts: UnsafeMutableBufferPointer<UInt64>
  private var generation: UInt32 = 0
  /// The processes of one instance: a queue of fixed size.
  private let queue: UnsafeMutableBufferPointer<Int32>
  private let sums: UnsafeMutableBufferPointer<UInt64>

  init(
    _ collector: FootprintCollector, _ context: CollectorContext, labels: [String]
  ) throws(SystemError) {
    tree = collector.tree
    processes = collector.processes
    reader = try ProcessReader(proc: context.roots.proc)
    labelCount = labels.count
    sizes = labels.enumerated().reduce(0) { $1.element.isEmpty ? $0 : $0 | 1 << UInt64($1.offset) }
    let nodes = HostFacts.nodes(context.roots)
    self.nodes = nodes
    var columns: [Column] = []
    var slots: [Int] = []
    // Values that this kernel does not have must be absent, not 0.
    let schedule = SmallFile.text(context.roots.proc("self/sched")) ?? ""
    let hasMaps = SmallFile.text(context.roots.proc("self/numa_maps")) != nil
    func add(_ metric: MetricDescription, _ instance: String) {
      let column = Column(collector: "footprint", metric: metric, instance: instance)
      let isThere =
        switch metric.name {
        case "placement": hasMaps
        case Sum.pagesMigrated.rawValue, Sum.numaFaults.rawValue:
          schedule.contains("\n\(metric.name) ")
        default: !metric.name.isEmpty
        }
      let isWanted = isThere && context.filter.passes(column.name)
      slots.append(isWanted ? columns.count : -1)
      if isWanted { columns.append(column) }
    }
    let known = Dictionary(
      uniqueKeysWithValues: collector.description.metrics.map { ($0.name, $0) })
    let named = Sum.allCases.map(\.rawValue)
    let instances = (collector.tree == nil ? [] : ["tree"]) + processes.map { "\($0)" }
    for instance in instances {
      for label in labels {
        add(
          known[label]
            ?? gauge(label, "see proc_pid_smaps(5)", unit: .bytes, scale: Scale(1024)), instance)
      }
      for name in named { if let metric = known[name] { add(metric, instance) } }
      for node in nodes {
        if let metric = known["placement"] { add(metric, "\(instance):node\(node)") }
      }
    }
    self.slots = slots
    firstNode = labels.count + named.count
    width = firstNode + nodes.count
    unsafe starts = .allocate(capacity: instances.count)
    unsafe starts.initialize(repeating: 0)
    for (index, pid) in processes.enumerated() {
      let instance = index + (collector.tree == nil ? 0 : 1)
      unsafe starts[instance] = ProcessIdentities.start(of: pid, context.roots) ?? 0
    }
    unsafe queue = .allocate(capacity: 4096)
    unsafe queue.initialize(repeating: 0)
    unsafe sums = .allocate(capacity: width)
    unsafe sums.initialize(repeating: 0)
    let isOfWorkload = collector.tree?.isWorkload ?? false
    super.init(
      columns: columns,
      notes: isOfWorkload
        ? [
          "footprint: a workload that has ended has no memory to read; its footprint is known only "
            + "from the reads during its life (--interval-of footprint=TIME)"
        ] : [])
  }

  deinit {
    unsafe starts.deallocate()
    unsafe queue.deallocate()
    unsafe sums.deallocate()
  }

  override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
    reader.calls = 0
    var first = 0
    var instance = 0
    defer { systemCallsOfSample = reader.calls }
    // An ended process must be absent: 0 would mean that it uses no memory.
    if let tree {
      if tree.generation != generation {
        generation = tree.generation
        unsafe starts[0] = 0
      }
      guard isSame(tree.pid, instance) else { return .absent }
      guard read(tree.pid, withDescendants: true) else { return failure }
      take(&first, &values)
      instance += 1
    }
    for pid in processes {
      guard isSame(pid, instance) else { return .absent }
      guard read(pid, withDescendants: false) else { return failure }
      take(&first, &values)
      instance += 1
    }
    return .complete
  }

  /// The outcome if nothing could be read.
  private var failure: AcquisitionOutcome { unsafe sums[index(.denied)] > 0 ? .denied : .absent }

  /// Whether the PID still belongs to the same process.
  private func isSame(_ pid: Int32, _ instance: Int) -> Bool {
    var file = reader.open(pid, "stat")
    defer { reader.closeDescriptor(&file) }
    guard file >= 0, let start = reader.stat(file)?.startTicks else { return false }
    if unsafe starts[instance] == 0 { unsafe starts[instance] = start }
    return unsafe starts[instance] == start
  }

  /// The index of a value in `sums`.
  private func index(_ sum: Sum) -> Int {
    switch sum {
    case .pagesMigrated: labelCount
    case .numaFaults: labelCount + 1
    case .processes: labelCount + 2
    case .denied: labelCount + 3
    }
  }

  private func take(_ first: inout Int, _ values: inout MutableSpan<UInt64>) {
    for value in 0..<width where slots[first + value] >= 0 {
      values[slots[first + value]] = unsafe sums[value]
    }
    first += width
  }

  /// Sums over a process, and its descendants if requested; false if none could be read.
  private func read(_ pid: Int32, withDescendants: Bool) -> Bool {
    unsafe sums.update(repeating: 0)
    unsafe queue[0] = pid
    var count = 1
    var next = 0
    while next < count {
      let process = unsafe queue[next]
      next += 1
      readOne(process)
      guard withDescendants else { break }
      reader.childrenOfThreads(process) { child in
        guard unsafe count < queue.count else { return }
        unsafe queue[count] = child
        count += 1
      }
    }
    return unsafe sums[index(.processes)] > 0
  }

  private func readOne(_ pid: Int32) {
    var rollup = reader.open(pid, "smaps_rollup")
    defer { reader.closeDescriptor(&rollup) }
    var isRead = false
    let count =
      rollup < 0
      ? Int(rollup)
      : reader.read(rollup) { text in
        do throws(KernelTextError) {
          try ProcessMemory.rollup(text, count: labelCount, sizes: sizes) {
            unsafe sums[$0] &+= $1
          }
          isRead = true
        } catch {
          isRead = false
        }
      }
    if count == -Int(EACCES) || count == -Int(EPERM) { unsafe sums[index(.denied)] &+= 1 }
    // A kernel thread or an ended process has no memory.
    guard isRead else { return }
    unsafe sums[index(.processes)] &+= 1
    var schedule = reader.open(pid, "sched")
    if schedule >= 0 {
      _ = reader.read(schedule) { text in
        unsafe sums[index(.pagesMigrated)] &+=
          ProcessMemory.scheduleValue(text, "numa_pages_migrated") ?? 0
        unsafe sums[index(.numaFaults)] &+=
          ProcessMemory.scheduleValue(text, "total_numa_faults") ?? 0
      }
    }
    reader.closeDescriptor(&schedule)
    readPlacement(pid)
  }

  /// Adds a process's pages by node. The text may be long: read in buffers of complete lines.
  private func readPlacement(_ pid: Int32) {
    var maps = reader.open(pid, "numa_maps")
    defer { reader.closeDescriptor(&maps) }
    guard maps >= 0 else { return }
    var offset = 0
    while true {
      var consumed = 0
      let count = reader.read(maps, at: offset) { text in
        consumed = ProcessMemory.placement(text) { node, kibibytes in
          guard let number = nodes.firstIndex(of: node) else { return }
          unsafe sums[firstNode + number] &+= kibibytes
        }
      }
      guard count > 0, consumed > 0 else { return }
      offset += consumed
    }
  }
}
