import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Follows a process and its descendants.
///
/// A member is found by the kernel's fork events where those are permitted, else by walking
/// PROC/PID/task/TID/children at each acquisition. What a member that has ended had used is in the
/// parent's that reaped it, or stays in `retired`; its CPU time, which is counted exactly, always
/// does. The sums never fall.
///
/// A process beside the workload is always walked: another listener to every fork and exit of the
/// host would cost the workload that forks. Its tree is not read while it does not run, and two
/// processes of one name are two trees.
final class ArmedTree: ArmedCollector, @unchecked Sendable {
  // Sendable: as the base class says.

  /// Rows of one acquisition at most; exits beyond them are lost and counted.
  let rowLimit: Int
  private static let filesPerProcess = 5
  /// Messages taken from the kernel at one acquisition at most.
  private static let messageLimit = 65_536

  let target: WorkloadTarget
  let perThread: Bool
  let connector: ProcessConnector?
  let exits: ExitRecords?
  let reader: ProcessReader
  let table: ProcessTable
  let followsOwnProc: Bool
  /// Of each column, the metric's place in `TreeCollector.metrics`.
  let wanted: [Int]
  let tick: UInt64
  let page: UInt64
  let nodes: NodeOfCPU
  /// Exit rows of this acquisition.
  var ended: [ProcessRecord]
  var endedCount = 0
  var rowsLost = 0

  private var aims: UInt32 = 0
  /// Whether there is a column of the workload's task clock, unless a filter leaves it out.
  private let hasClock: Bool
  /// Nanoseconds of it at this acquisition.
  var clock: UInt64 = 0
  /// The walk that finds what was there before.
  var isFirstWalk = true
  var mustWalk = true
  /// Exit records were lost: members without files are not waited for any more.
  var mustSweep = false
  /// CPU time of members that are gone; of all else, what nobody in the tree has reaped.
  var retired = ProcessCounters()
  /// The sums that were given last.
  var held = ProcessCounters()
  /// Counts the readings of all members.
  var pass: UInt64 = 0
  /// A member was found to be gone during this pass.
  var isOneGone = false
  /// So was one whose exit record has not come.
  var isOneMissing = false
  /// CPU of members that are gone: as known, and the part that no member's child times have.
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
            + "the samples; what comes and goes between two stands in tree.unseen_time")
      }
      let cpus = SmallFile.text(context.roots.sys("devices/system/cpu/possible")) ?? "0"
      do throws(SystemError) { exits = try ExitRecords(cpus: cpus) } catch {
        notes.append(
          "tree: exit records are not permitted (\(error); they need CAP_NET_ADMIN): what a "
            + "process used after its last sample stands in tree.unseen_time")
      }
    }
    self.connector = connector
    self.exits = exits
    let left = Self.leftOut(target, context, reader, &notes)
    hasClock = !left.contains("task_clock")
    var wanted: [Int] = []
    var columns: [Column] = []
    for (place, metric) in TreeCollector.metrics.enumerated() where !left.contains(metric.name) {
      let column = Column(collector: "tree", metric: metric, instance: target.name ?? "")
      guard context.filter.passes(column.name) else { continue }
      wanted.append(place)
      columns.append(column)
    }
    self.wanted = wanted
    super.init(
      // What is so of the workload's tree is said once.
      columns: columns, notes: isBeside ? [] : notes,
      recordFields: (name: "process", fields: ProcessRecord.fields, rowsPerTick: rowLimit))
    isIdle = isBeside
  }

  /// Metrics that cannot be had of this tree, each named in the notes.
  private static func leftOut(
    _ target: WorkloadTarget, _ context: CollectorContext, _ reader: ProcessReader,
    _ notes: inout [String]
  ) -> Set<String> {
    var left = Set<String>()
    let probe = target.isWorkload ? getpid() : target.pid
    var io = reader.open(probe, "io")
    if io < 0 || reader.read(io, { _ in }) <= 0 {
      left.formUnion(TreeCollector.metrics[CounterLane.io..<CounterLane.io + 7].map(\.name))
      let errno = io < 0 ? -io : EACCES
      let fix =
        errno == EACCES || errno == EPERM
        ? ". Run lbsample as the owner of the process, or with CAP_SYS_PTRACE" : ""
      notes.append(
        "tree: /proc/\(probe)/io: \(SystemError.words(errno)); the I/O of process \(probe) is "
          + "missing from the sums, which have no I/O columns\(fix)")
    }
    reader.shut(&io)
    var files = reader.open(getpid(), "fd", flags: RawDirectory.pathOnly | O_DIRECTORY)
    if (reader.size(files) ?? 0) == 0 { left.insert("fds") }
    reader.shut(&files)
    // A server has no fork and exit events: short-lived children cannot be counted.
    if target.name != nil { left.formUnion(["events_lost", "forks", "exits"]) }
    if !target.isWorkload || !context.roots.isOwnProc {
      left.insert("task_clock")
    } else if let failure = target.clockFailure {
      // Of this workload alone, as with too many open files.
      left.insert("task_clock")
      notes.append("tree: the workload has no task-clock: \(failure)")
    } else if !TaskClock.isPermitted {
      left.insert("task_clock")
      notes.append("tree: perf's task-clock is not permitted: the total is wait4's rusage")
    }
    return left
  }

  // MARK: An acquisition

  override var hasPreparation: Bool { true }

  /// A workload without the clock that the last one had, or with one again, has other columns.
  override func prepare() -> AcquisitionOutcome {
    if target.name != nil {
      isIdle = !isRunning()
      if isIdle { return .complete }
    }
    guard target.isWorkload, target.aims > 0, followsOwnProc else { return .complete }
    if hasClock { return target.taskClock == nil ? .layoutChanged : .complete }
    return target.taskClock != nil && TaskClock.isPermitted ? .layoutChanged : .complete
  }

  /// Whether the process beside the workload runs, with what is there of its tree found.
  private func isRunning() -> Bool {
    guard target.pid > 0 else { return false }
    if target.aims != aims {
      aims = target.aims
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
    if hasClock, target.aims > 0 {
      reader.calls = 1
      guard let now = target.taskClock else { return .layoutChanged }
      clock = now
    }
    endedCount = 0
    rowsLost = 0
    let aims = target.aims
    if aims != self.aims {
      // Of two processes no difference is made.
      if target.name != nil, edge != .open { return .absent }
      self.aims = aims
      begin()
    }
    takeEvents()
    if mustWalk || connector == nil { walk() }
    readAll()
    addUp()
    systemCallsOfSample = reader.calls
    // The last ones' ends still belong to a frame.
    guard table.count > 0 || endedCount > 0 || target.isWorkload else { return .absent }
    for (slot, place) in wanted.enumerated() { values[slot] = value(place) }
    return .complete
  }

  override func disarm() {
    for place in 0..<table.high where table[place].pid != 0 { release(place) }
  }

  override func sampleRecords(into rows: inout MutableSpan<UInt64>) -> RecordCount {
    writeRows(&rows)
  }

  /// Forgets the tree before and takes the target as the root of a new one.
  private func begin() {
    for place in 0..<table.high where table[place].pid != 0 { release(place) }
    retired = ProcessCounters()
    held = ProcessCounters()
    (orphaned, unseen, forkCount, exitCount, eventsLost, processesLost) = (0, 0, 0, 0, 0, 0)
    // What happened before concerns another tree.
    for _ in 0..<Self.messageLimit { if connector?.next() == nil { break } }
    for _ in 0..<Self.messageLimit { if exits?.next() == nil { break } }
    guard let root = table.add(target.pid) else { return }
    table[root].isOld = true
    open(root)
    mustWalk = true
    isFirstWalk = true
  }

  /// Takes forks, then exits. A record's process was announced before it could end, so forks are
  /// read to the end again behind each batch of exits.
  func takeEvents() {
    takeForks()
    for _ in 0..<Self.messageLimit { if !takeExit(forksFirst: true) { break } }
  }

  /// Takes one exit record or loss; false when there is nothing more. Forks that came meanwhile are
  /// read first where it is of an unknown process.
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

  /// A pid came again: its last bearer's record, and all before it, are in the queue already. The
  /// forks of those whom they are about were announced before this one.
  private func endLastBearer(of pid: Int32) {
    for _ in 0..<Self.messageLimit {
      guard let place = table.find(pid), !table[place].hasEnded, takeExit(forksFirst: false)
      else { break }
    }
    // Reaped, or without records, or with this one lost: what was last read of it stays.
    if let place = table.find(pid) { leave(place) }
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
        if let place = table.find(child), table[place].isAnnounced { endLastBearer(of: child) }
        if table.find(parent) != nil { add(child, parent: parent) }
        if let place = table.find(child) { table[place].isAnnounced = true }
      }
    }
  }

  func add(_ pid: Int32, parent: Int32) {
    guard table.find(pid) == nil else { return }
    guard let place = table.add(pid) else {
      processesLost &+= 1
      return
    }
    table[place].parent = parent
    forkCount &+= 1
  }

  private func take(_ record: ExitRecord) {
    guard let place = table.find(record.process) else { return }
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
    table[place].recorded &+= counters
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
    table[place].parent = record.parent
    if record.isLast { close(place) }
  }

  func end(_ row: ProcessRecord) {
    guard endedCount < ended.count else {
      rowsLost += 1
      return
    }
    ended[endedCount] = row
    endedCount += 1
  }

  func release(_ place: Int) {
    reader.shut(&table[place].stat)
    reader.shut(&table[place].io)
    reader.shut(&table[place].statm)
    reader.shut(&table[place].children)
    reader.shut(&table[place].descriptors)
    table.remove(place)
  }
}
