import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Follows a process and its descendants.
///
/// Members are found by the kernel's fork events if permitted, otherwise by scanning
/// PROC/PID/task/TID/children at each acquisition. The usage of an ended member is included in the
/// parent that reaped it, or kept in `retired`; its CPU time, which is exact, is always kept there.
/// The sums never fall.
///
/// The tree of a process beside the workload is always scanned: another listener for every fork and
/// exit of the host would cost a workload that forks. It is not read while the process does not
/// run, and two processes of one name are two trees.
final class ArmedTree: ArmedCollector, @unchecked Sendable {
  // Sendable: see the base class.

  /// The most rows of one acquisition; further exits are counted as lost.
  let rowLimit: Int
  private static let filesPerProcess = 5
  /// The most messages taken from the kernel at one acquisition.
  private static let messageLimit = 65_536

  let target: WorkloadTarget
  let perThread: Bool
  let connector: ProcessConnector?
  let exits: ExitRecords?
  let reader: ProcessReader
  let table: ProcessTable
  let followsOwnProc: Bool
  /// The metric of each column.
  let wanted: [TreeMetric]
  let tick: UInt64
  let page: UInt64
  let nodes: NodeOfCPU
  /// Exit rows of this acquisition.
  var ended: [ProcessRecord]
  var endedCount = 0
  var rowsLost = 0

  private var generation: UInt32 = 0
  /// Whether the workload's task clock is available.
  private let hasClock: Bool
  /// Nanoseconds of the task clock at this acquisition.
  var clock: UInt64 = 0
  /// The first scan, which finds existing processes.
  var isFirstWalk = true
  var mustWalk = true
  /// Exit records were lost: members without files are retired without waiting for theirs.
  var mustSweep = false
  /// Usage of ended members: CPU time of all, other counters of those that no member reaped.
  var retired = ProcessCounters()
  /// The highest sums so far.
  var highWater = ProcessCounters()
  /// The number of passes of reading all members.
  var pass: UInt64 = 0
  /// A member was found to have ended during this pass.
  var isOneGone = false
  /// A member was found to have ended whose exit record has not arrived.
  var isOneMissing = false
  /// CPU time of ended members that is not included in any member's child times.
  var orphaned: UInt64 = 0
  var unseen: UInt64 = 0
  var forkCount: UInt64 = 0
  var exitCount: UInt64 = 0
  var eventsLost: UInt64 = 0
  var processesLost: UInt64 = 0

  init(
    _ target: WorkloadTarget, _ context: CollectorContext, perThread: Bool
  ) throws(SystemError) {
    self.target = target
    self.perThread = perThread
    let isBeside = target.name != nil
    rowLimit = isBeside ? 256 : 1024
    followsOwnProc = context.roots.isOwnProc
    reader = try ProcessReader(proc: context.roots.proc)
    let limit = DescriptorLimit.raise()
    let room = (limit - 128) / Self.filesPerProcess
    table = ProcessTable(capacity: max(16, isBeside ? min(1024, room / 8) : min(4096, room)))
    tick = 1_000_000_000 / HostFacts.ticksPerSecond
    page = UInt64(sysconf(Int32(_SC_PAGESIZE)))
    nodes = NodeOfCPU(context.roots)
    ended = Array(repeating: ProcessRecord(), count: rowLimit)
    var notes: [String] = []
    var connector: ProcessConnector?
    var exits: ExitRecords?
    if context.roots.isOwnProc, !isBeside {
      do throws(SystemError) { connector = try ProcessConnector() } catch {
        notes.append(
          "tree: the kernel's fork events are not permitted (\(error)): processes are found at "
            + "samples only; the CPU time of one that starts and ends between two samples is in "
            + "tree.unseen_time (lbsample doctor says how to permit the events)")
      }
      let cpus = SmallFile.text(context.roots.sys("devices/system/cpu/possible")) ?? "0"
      do throws(SystemError) { exits = try ExitRecords(cpus: cpus) } catch {
        notes.append(
          "tree: exit records are not permitted (\(error); they need CAP_NET_ADMIN): the CPU time "
            + "of a process after its last sample is in tree.unseen_time")
      }
    }
    self.connector = connector
    self.exits = exits
    let left = Self.leftOut(target, context, reader, &notes)
    hasClock = !left.contains(.taskClock)
    var wanted: [TreeMetric] = []
    var columns: [Column] = []
    for metric in TreeMetric.allCases where !left.contains(metric) {
      let column = Column(
        collector: "tree", metric: metric.description, instance: target.name ?? "")
      guard context.filter.passes(column.name) else { continue }
      wanted.append(metric)
      columns.append(column)
    }
    self.wanted = wanted
    super.init(
      // The notes of the workload's tree are given once.
      columns: columns, notes: isBeside ? [] : notes,
      recordFields: (name: "process", fields: ProcessRecord.fields, rowsPerTick: rowLimit))
    isIdle = isBeside
  }

  /// Metrics that are unavailable for this tree, with notes.
  private static func leftOut(
    _ target: WorkloadTarget, _ context: CollectorContext, _ reader: ProcessReader,
    _ notes: inout [String]
  ) -> Set<TreeMetric> {
    var left = Set<TreeMetric>()
    let probe = target.isWorkload ? getpid() : target.pid
    var io = reader.open(probe, "io")
    if io < 0 || reader.read(io, { _ in }) <= 0 {
      left.formUnion(TreeMetric.allCases.filter(\.isIO))
      let errno = io < 0 ? -io : EACCES
      let fix =
        errno == EACCES || errno == EPERM
        ? ". Run lbsample as the owner of the process, or with CAP_SYS_PTRACE" : ""
      notes.append(
        "tree: /proc/\(probe)/io: \(SystemError.words(errno)); the I/O of process \(probe) is "
          + "missing from the sums, which have no I/O columns\(fix)")
    }
    reader.closeDescriptor(&io)
    var files = reader.open(getpid(), "fd", flags: RawDirectory.pathOnly | O_DIRECTORY)
    if (reader.size(files) ?? 0) == 0 { left.insert(.openFiles) }
    reader.closeDescriptor(&files)
    // A server has no fork and exit events: short-lived children cannot be counted.
    if target.name != nil { left.formUnion([.eventsLost, .forks, .exits]) }
    if !target.isWorkload || !context.roots.isOwnProc {
      left.insert(.taskClock)
    } else if let failure = target.clockFailure {
      // For this workload only, e.g. with too many open files.
      left.insert(.taskClock)
      notes.append("tree: the workload has no task-clock: \(failure)")
    } else if !TaskClock.isPermitted {
      left.insert(.taskClock)
      notes.append(
        "tree: perf's task-clock is not permitted: tree.task_clock is left out; user_time and "
          + "system_time (wait4) have the workload's CPU time")
    }
    return left
  }

  // MARK: An acquisition

  override var hasPreparation: Bool { true }

  /// The columns change with the availability of the workload's task clock.
  override func prepare() -> AcquisitionOutcome {
    if target.name != nil {
      isIdle = !isRunning()
      if isIdle { return .complete }
    }
    guard target.isWorkload, target.generation > 0, followsOwnProc else { return .complete }
    if hasClock { return target.taskClock == nil ? .layoutChanged : .complete }
    return target.taskClock != nil && TaskClock.isPermitted ? .layoutChanged : .complete
  }

  /// Whether the process beside the workload runs; finds its tree.
  private func isRunning() -> Bool {
    guard target.pid > 0 else { return false }
    if target.generation != generation {
      generation = target.generation
      begin()
    }
    guard let root = table.find(target.pid), refresh(root), !table[root].isEnding else {
      return false
    }
    walk()
    return true
  }

  override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
    reader.calls = 0
    if hasClock, target.generation > 0 {
      reader.calls = 1
      guard let now = target.taskClock else { return .layoutChanged }
      clock = now
    }
    endedCount = 0
    rowsLost = 0
    let generation = target.generation
    if generation != self.generation {
      // No differences between two processes.
      if target.name != nil, edge != .open { return .absent }
      self.generation = generation
      begin()
    }
    takeEvents()
    if mustWalk || connector == nil { walk() }
    readAll()
    addUp()
    systemCallsOfSample = reader.calls
    // The last ends belong to one more frame.
    guard table.count > 0 || endedCount > 0 || target.isWorkload else { return .absent }
    for (slot, metric) in wanted.enumerated() { values[slot] = value(metric) }
    return .complete
  }

  override func disarm() {
    for index in 0..<table.high where table[index].pid != 0 { release(index) }
  }

  override func sampleRecords(into rows: inout MutableSpan<UInt64>) -> RecordCount {
    writeRows(&rows)
  }

  /// Begins a new tree with the target as its root.
  private func begin() {
    for index in 0..<table.high where table[index].pid != 0 { release(index) }
    retired = ProcessCounters()
    highWater = ProcessCounters()
    (orphaned, unseen, forkCount, exitCount, eventsLost, processesLost) = (0, 0, 0, 0, 0, 0)
    // Discards events of the previous tree.
    for _ in 0..<Self.messageLimit { if connector?.next() == nil { break } }
    for _ in 0..<Self.messageLimit { if exits?.next() == nil { break } }
    guard let root = table.add(target.pid) else { return }
    table[root].predatesTracking = true
    open(root)
    mustWalk = true
    isFirstWalk = true
  }

  /// Takes forks, then exits. Forks are announced before exits, so all forks are read again after
  /// each batch of exits.
  func takeEvents() {
    takeForks()
    for _ in 0..<Self.messageLimit { if !takeExit(forksFirst: true) { break } }
  }

  /// Takes one exit record or loss; false if there is none. If its process is unknown, pending
  /// forks are read first.
  private func takeExit(forksFirst: Bool) -> Bool {
    guard let exits else { return false }
    reader.calls &+= 1
    guard let event = exits.next() else { return false }
    switch event {
    case .lost:
      eventsLost &+= 1
      mustWalk = true
      mustSweep = true
    case .exit(let record):
      if forksFirst, table.find(record.process) == nil { takeForks() }
      take(record)
    }
    return true
  }

  /// Handles a reused PID: the exit record of the previous process, and all before it, are in the
  /// queue already, and their forks were announced before this one.
  private func endLastBearer(of pid: Int32) {
    for _ in 0..<Self.messageLimit {
      guard let index = table.find(pid), !table[index].hasEnded, takeExit(forksFirst: false)
      else { break }
    }
    // Without its record, the last reading is kept.
    if let index = table.find(pid) { retire(index) }
  }

  func takeForks() {
    guard let connector else { return }
    for _ in 0..<Self.messageLimit {
      reader.calls &+= 1
      guard let event = connector.next() else { return }
      switch event {
      case .lost:
        eventsLost &+= 1
        mustWalk = true
      case .fork(let parent, let child):
        if let index = table.find(child), table[index].isAnnounced { endLastBearer(of: child) }
        if table.find(parent) != nil { add(child, parent: parent) }
        if let index = table.find(child) { table[index].isAnnounced = true }
      }
    }
  }

  func add(_ pid: Int32, parent: Int32) {
    guard table.find(pid) == nil else { return }
    guard let index = table.add(pid) else {
      processesLost &+= 1
      return
    }
    table[index].parent = parent
    forkCount &+= 1
  }

  private func take(_ record: ExitRecord) {
    guard let index = table.find(record.process) else { return }
    var counters = ProcessCounters()
    counters[CounterLane.cpu] = record.cpuNanoseconds
    counters[CounterLane.minorFaults] = record.minorFaults
    counters[CounterLane.majorFaults] = record.majorFaults
    counters[CounterLane.io] = record.charsRead
    counters[CounterLane.io + 1] = record.charsWritten
    counters[CounterLane.io + 2] = record.readCalls
    counters[CounterLane.io + 3] = record.writeCalls
    counters[CounterLane.io + 4] = record.readBytes
    counters[CounterLane.io + 5] = record.writeBytes
    counters[CounterLane.io + 6] = record.cancelledWriteBytes
    table[index].recorded &+= counters
    var row = ProcessRecord()
    row.kind = .exit
    row.pid = record.process
    row.thread = record.pid
    row.parent = record.parent
    row.command = record.command
    row.cpu = record.cpuNanoseconds
    row.runDelay = record.runDelayNanoseconds
    row.minorFaults = record.minorFaults
    row.majorFaults = record.majorFaults
    row.resident = record.peakResidentBytes
    row.readBytes = record.readBytes
    row.writeBytes = record.writeBytes
    row.voluntarySwitches = record.voluntarySwitches
    row.involuntarySwitches = record.involuntarySwitches
    row.exitCode = UInt64(record.exitCode)
    row.elapsed = record.elapsedNanoseconds
    end(row)
    table[index].parent = record.parent
    if record.isLast { close(index) }
  }

  func end(_ row: ProcessRecord) {
    guard endedCount < ended.count else {
      rowsLost += 1
      return
    }
    ended[endedCount] = row
    endedCount += 1
  }

  func release(_ index: Int) {
    reader.closeDescriptor(&table[index].stat)
    reader.closeDescriptor(&table[index].io)
    reader.closeDescriptor(&table[index].statm)
    reader.closeDescriptor(&table[index].children)
    reader.closeDescriptor(&table[index].descriptors)
    table.remove(index)
  }
}
