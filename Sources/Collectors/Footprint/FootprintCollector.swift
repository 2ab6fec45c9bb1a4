import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// What processes really hold in memory, and on which NUMA nodes: page tables are walked for it,
/// and the process waits for that when it maps memory meanwhile. So it is read seldom.
///
/// The instance is the process number or `tree`; of a placement, `tree:node1`.
struct FootprintCollector: Collector {
  let isWanted: Bool
  let tree: WorkloadTarget?
  let processes: [Int32]
  let needsTarget = true

  let description = CollectorDescription(
    name: "footprint", summary: "memory that processes really hold, and on which NUMA nodes",
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

  /// Available where a process is chosen and the kernel has the texts.
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
  // Sendable: as the base class says.
  private let tree: WorkloadTarget?
  private let processes: [Int32]
  private let reader: ProcessReader
  private let labelCount: Int
  /// Lines of smaps_rollup that are sizes, a bit each.
  private let sizes: UInt64
  private let nodes: [Int]
  /// Of each value of an instance, its slot; -1 for what is not wanted.
  private let slots: [Int]
  private let width: Int
  /// The processes of one instance: a queue of fixed size.
  /// Start times of the roots, in the order of the instances; 0 before the first reading.
  private let starts: UnsafeMutableBufferPointer<UInt64>
  private var aims: UInt32 = 0
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
    // What this kernel does not have must not read as nothing.
    let schedule = SmallFile.text(context.roots.proc("self/sched")) ?? ""
    let hasMaps = SmallFile.text(context.roots.proc("self/numa_maps")) != nil
    func add(_ metric: MetricDescription, _ instance: String) {
      let column = Column(collector: "footprint", metric: metric, instance: instance)
      let isThere =
        switch metric.name {
        case "placement": hasMaps
        case "numa_pages_migrated", "total_numa_faults": schedule.contains("\n\(metric.name) ")
        default: !metric.name.isEmpty
        }
      let isWanted = isThere && context.filter.passes(column.name)
      slots.append(isWanted ? columns.count : -1)
      if isWanted { columns.append(column) }
    }
    let known = Dictionary(
      uniqueKeysWithValues: collector.description.metrics.map { ($0.name, $0) })
    let named = ["numa_pages_migrated", "total_numa_faults", "processes", "denied"]
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
    width = labels.count + named.count + nodes.count
    unsafe starts = .allocate(capacity: instances.count)
    unsafe starts.initialize(repeating: 0)
    for (index, pid) in processes.enumerated() {
      let place = index + (collector.tree == nil ? 0 : 1)
      unsafe starts[place] = ProcessIdentities.start(of: pid, context.roots) ?? 0
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
    var place = 0
    defer { systemCallsOfSample = reader.calls }
    // Of one that has gone a zero would look like a process that holds nothing.
    if let tree {
      if tree.aims != aims {
        aims = tree.aims
        unsafe starts[0] = 0
      }
      guard isSame(tree.pid, place) else { return .absent }
      guard read(tree.pid, withDescendants: true) else { return failure }
      take(&first, &values)
      place += 1
    }
    for pid in processes {
      guard isSame(pid, place) else { return .absent }
      guard read(pid, withDescendants: false) else { return failure }
      take(&first, &values)
      place += 1
    }
    return .complete
  }

  /// Why nothing could be read.
  private var failure: AcquisitionOutcome { unsafe sums[labelCount + 3] > 0 ? .denied : .absent }

  /// Whether the number is still that of the process it was.
  private func isSame(_ pid: Int32, _ place: Int) -> Bool {
    var file = reader.open(pid, "stat")
    defer { reader.shut(&file) }
    guard file >= 0, let start = reader.stat(file)?.startTicks else { return false }
    if unsafe starts[place] == 0 { unsafe starts[place] = start }
    return unsafe starts[place] == start
  }

  private func take(_ first: inout Int, _ values: inout MutableSpan<UInt64>) {
    for place in 0..<width where slots[first + place] >= 0 {
      values[slots[first + place]] = unsafe sums[place]
    }
    first += width
  }

  /// Sums over a process, and over what is below it; false when none could be read.
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
    return unsafe sums[labelCount + 2] > 0
  }

  private func readOne(_ pid: Int32) {
    var rollup = reader.open(pid, "smaps_rollup")
    defer { reader.shut(&rollup) }
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
    if count == -Int(EACCES) || count == -Int(EPERM) { unsafe sums[labelCount + 3] &+= 1 }
    // A kernel thread or one that has ended holds nothing.
    guard isRead else { return }
    unsafe sums[labelCount + 2] &+= 1
    var schedule = reader.open(pid, "sched")
    if schedule >= 0 {
      _ = reader.read(schedule) { text in
        unsafe sums[labelCount] &+=
          ProcessMemory.scheduleValue(text, "numa_pages_migrated") ?? 0
        unsafe sums[labelCount + 1] &+=
          ProcessMemory.scheduleValue(text, "total_numa_faults") ?? 0
      }
    }
    reader.shut(&schedule)
    place(pid)
  }

  /// Adds a process's pages by node. The text is as long as its map: read a buffer at a time, by
  /// whole lines.
  private func place(_ pid: Int32) {
    var maps = reader.open(pid, "numa_maps")
    defer { reader.shut(&maps) }
    guard maps >= 0 else { return }
    var offset = 0
    while true {
      var consumed = 0
      let count = reader.read(maps, at: offset) { text in
        consumed = ProcessMemory.placement(text) { node, kibibytes in
          guard let index = nodes.firstIndex(of: node) else { return }
          unsafe sums[labelCount + 4 + index] &+= kibibytes
        }
      }
      guard count > 0, consumed > 0 else { return }
      offset += consumed
    }
  }
}
