import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// The order of the busiest processes.
package enum TopOrder: String, Sendable, CaseIterable {
  case cpu, memory, io
}

/// The busiest processes of the host since the previous acquisition, as records.
struct TopCollector: Collector {
  /// Their number, 0 if not requested.
  let count: Int
  let order: TopOrder
  let needsTarget = true

  let description = CollectorDescription(
    name: "top", summary: "the busiest processes, by CPU, memory or I/O, as records",
    source: "/proc/PID/{stat,statm,io}, the processes' CPU clocks", minimumKernel: "2.6.20",
    privilege: "none; CAP_SYS_PTRACE for the I/O of others' processes", cost: .expensive,
    systemCallsPerSample: 500,
    metrics: [
      gauge("processes", "processes of the host", host: true),
      counter("sum_exec_runtime", "CPU time of all that live", unit: .nanoseconds, host: true),
      gauge("unreadable", "processes of which the file to choose by was refused", host: true),
    ])

  /// Available if /proc is this process's own, since CPU clocks are opened by PID.
  func probe(_ context: CollectorContext) -> Availability {
    guard count > 0 else { return .absent(reason: "--top N is required") }
    guard context.roots.isOwnProc else {
      return .unsupported(reason: "\(context.roots.proc) may be of another PID namespace")
    }
    return probeTextFile(context.roots.proc("stat"))
  }

  /// Allocates room for every process of the host.
  func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    do throws(SystemError) {
      return try ArmedTop(self, context)
    } catch {
      throw LBError(
        .collectorUnavailable, "top: \(error)",
        context: ErrorContext(collector: "top", errno: error.errno))
    }
  }
}

private final class ArmedTop: ArmedCollector, @unchecked Sendable {
  // Sendable: see the base class.
  private let count: Int
  private let order: TopOrder
  private let reader: ProcessReader
  private let folder: OwnedDescriptor
  private let table: ProcessTable
  private let metricIndices: [Int]
  private let page = UInt64(sysconf(Int32(_SC_PAGESIZE)))
  private let nodes: NodeOfCPU
  private var isFirst = true
  private var lastTime: UInt64 = 0
  private var window: UInt64 = 0
  private var lost = 0
  private var unreadable: UInt64 = 0

  init(_ collector: TopCollector, _ context: CollectorContext) throws(SystemError) {
    count = collector.count
    order = collector.order
    reader = try ProcessReader(proc: context.roots.proc)
    folder = try OwnedDescriptor(open: context.roots.proc, O_RDONLY | O_DIRECTORY)
    table = ProcessTable(capacity: 1 << 15)
    nodes = NodeOfCPU(context.roots)
    var metricIndices: [Int] = []
    var columns: [Column] = []
    for (index, metric) in collector.description.metrics.enumerated() {
      let column = Column(collector: "top", metric: metric, instance: "")
      guard context.filter.passes(column.name) else { continue }
      metricIndices.append(index)
      columns.append(column)
    }
    self.metricIndices = metricIndices
    super.init(
      columns: columns,
      recordFields: (name: "busiest", fields: ProcessRecord.fields, rowsPerTick: collector.count))
  }

  override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
    reader.calls = 0
    lost = 0
    unreadable = 0
    let now = Clock.monotonic()
    window = now &- lastTime
    lastTime = now
    for index in 0..<table.high where table[index].pid != 0 { table[index].isMissing = true }
    reader.numbers(in: folder.number) { scan($0) }
    var total: UInt64 = 0
    for index in 0..<table.high where table[index].pid != 0 {
      if table[index].isMissing {
        table.remove(index)
      } else {
        total &+= table[index].own[CounterLane.cpu]
      }
    }
    systemCallsOfSample = reader.calls
    for slot in metricIndices.indices {
      switch metricIndices[slot] {
      case 0: values[slot] = UInt64(table.count)
      case 1: values[slot] = total
      default: values[slot] = unreadable
      }
    }
    return .complete
  }

  /// Reads the number that one process is ranked by: `recorded` is the previous, `own` the present
  /// one.
  private func scan(_ pid: Int32) {
    guard let cpu = Clock.cpuTime(ofProcess: pid) else { return }
    let known = table.find(pid)
    guard let index = known ?? table.add(pid) else {
      lost += 1
      return
    }
    table[index].isMissing = false
    // A process seen for the first time may have run before; its usage is counted from zero.
    table[index].recorded = known == nil ? ProcessCounters() : table[index].own
    if table[index].recorded[CounterLane.cpu] > cpu { table[index].recorded = ProcessCounters() }
    // At the first reading all usage is from before.
    table[index].predatesTracking = isFirst && order != .memory
    table[index].own[CounterLane.cpu] = cpu
    switch order {
    case .cpu: break
    case .memory: scanMemory(index, pid)
    case .io: scanIO(index, pid)
    }
  }

  private func scanMemory(_ index: Int, _ pid: Int32) {
    var file = reader.open(pid, "statm")
    guard file >= 0 else { return }
    _ = reader.read(file) { text in
      var position = 0
      guard TextScanner.skipNumber(text, &position) else { return }
      table[index].residentPages = TextScanner.number(text, &position) ?? 0
    }
    reader.closeDescriptor(&file)
  }

  /// Its own I/O: its children are ranked themselves.
  private func scanIO(_ index: Int, _ pid: Int32) {
    var file = reader.open(pid, "io")
    guard file >= 0 else {
      unreadable &+= 1
      return
    }
    var io = ProcessCounters()
    var isRead = false
    _ = reader.read(file) { text in
      do throws(KernelTextError) {
        try ProcessIO.parse(text) { io[CounterLane.io + $0] = $1 }
        isRead = true
      } catch {
        isRead = false
      }
    }
    reader.closeDescriptor(&file)
    var status = reader.open(pid, "stat")
    let stat = status >= 0 ? reader.stat(status) : nil
    reader.closeDescriptor(&status)
    table[index].io = isRead ? 0 : -1
    guard isRead, let stat else {
      unreadable &+= 1
      return
    }
    var slot = table[index]
    // Another process with the same PID.
    if any(io .< slot.now) {
      slot.recorded = ProcessCounters()
      slot.now = ProcessCounters()
      slot.own = ProcessCounters()
      slot.own[CounterLane.cpu] = table[index].own[CounterLane.cpu]
      slot.childFaults = 0
    }
    let childFaults = stat.childMinorFaults &+ stat.childMajorFaults
    reader.addOwnIO(
      io, since: slot.now, isReaper: childFaults != slot.childFaults, threads: stat.threads,
      of: pid, to: &slot.own)
    slot.childFaults = childFaults
    slot.now = io
    table[index] = slot
  }

  override func sampleRecords(into rows: inout MutableSpan<UInt64>) -> RecordCount {
    var result = RecordCount(rows: 0, lost: lost)
    // The first reading has no differences.
    guard !isFirst || order == .memory else {
      isFirst = false
      return result
    }
    isFirst = false
    for index in 0..<table.high { table[index].isDirty = table[index].pid != 0 }
    while result.rows < count, let index = busiest() {
      table[index].isDirty = false
      guard let row = row(index) else { continue }
      row.write(&rows, at: result.rows)
      result.rows += 1
    }
    return result
  }

  private func amount(_ slot: ProcessSlot) -> UInt64 {
    switch order {
    case .cpu: slot.own[CounterLane.cpu] &- slot.recorded[CounterLane.cpu]
    case .memory: slot.residentPages
    case .io:
      slot.own[CounterLane.readBytes] &- slot.recorded[CounterLane.readBytes]
        &+ slot.own[CounterLane.writeBytes] &- slot.recorded[CounterLane.writeBytes]
    }
  }

  /// The busiest remaining slot; nil if the others did nothing.
  private func busiest() -> Int? {
    var best: Int?
    var most: UInt64 = 0
    for index in 0..<table.high where table[index].isDirty && !table[index].predatesTracking {
      let amount = amount(table[index])
      if amount > most { (best, most) = (index, amount) }
    }
    return best
  }

  /// The row of one process: counters over the window, which is its `elapsed`.
  private func row(_ index: Int) -> ProcessRecord? {
    let slot = table[index]
    var file = reader.open(slot.pid, "stat")
    defer { reader.closeDescriptor(&file) }
    guard file >= 0, let stat = reader.stat(file) else { return nil }
    let difference = slot.own &- slot.recorded
    var row = ProcessRecord()
    row.pid = slot.pid
    row.thread = slot.pid
    row.parent = stat.parent
    row.command = stat.command
    row.state = stat.state
    row.processor = stat.processor
    row.node = nodes[stat.processor]
    row.threads = stat.threads
    row.resident = stat.residentPages &* page
    row.cpu = difference[CounterLane.cpu]
    if order == .io {
      row.readBytes = difference[CounterLane.readBytes]
      row.writeBytes = difference[CounterLane.writeBytes]
    }
    row.elapsed = window
    return row
  }
}
