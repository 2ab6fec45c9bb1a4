import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler

extension ArmedTree {
  // MARK: Finding

  /// Finds descendants of known members. New ones may be in earlier slots: repeats until a pass
  /// finds none.
  func walk() {
    mustWalk = false
    var found = true
    while found {
      found = false
      for index in 0..<table.high where table[index].pid != 0 && !table[index].hasEnded {
        let before = forkCount &+ processesLost
        if !table[index].isOpen { open(index) }
        guard table[index].isOpen, !dropEnded(index) else { continue }
        let pid = table[index].pid
        if table[index].threads > 1 {
          reader.childrenOfThreads(pid) { adopt($0, parent: pid, predatesTracking: isFirstWalk) }
        } else {
          reader.children(table[index].children) {
            adopt($0, parent: pid, predatesTracking: isFirstWalk)
          }
        }
        if forkCount &+ processesLost != before { found = true }
        // With a full table, further passes are useless.
        if processesLost > 0 { found = false }
      }
    }
    isFirstWalk = false
  }

  /// Drops a process that was found by scanning while it ended: its record was counted already, or
  /// it was lost and its time is included in its parent's children's.
  func dropEnded(_ index: Int) -> Bool {
    guard exits != nil, table[index].foundByScan else { return false }
    table[index].foundByScan = false
    guard table[index].isEnding else { return false }
    release(index)
    forkCount &-= 1
    return true
  }

  private func adopt(_ pid: Int32, parent: Int32, predatesTracking: Bool) {
    guard pid > 0, table.find(pid) == nil else { return }
    add(pid, parent: parent)
    if let index = table.find(pid) {
      table[index].predatesTracking = predatesTracking
      table[index].foundByScan = true
    }
  }

  func open(_ index: Int) {
    let pid = table[index].pid
    table[index].stat = reader.open(pid, "stat")
    guard table[index].stat >= 0 else { return }
    table[index].io = reader.open(pid, "io")
    table[index].statm = reader.open(pid, "statm")
    table[index].children = reader.open(pid, "children", task: pid)
    table[index].descriptors = reader.open(pid, "fd", flags: RawDirectory.pathOnly | O_DIRECTORY)
    table[index].isDenied = table[index].io == -EACCES || table[index].io == -EPERM
    refresh(index)
    guard table[index].predatesTracking else { return }
    table[index].childTimeBefore = table[index].childTime
    table[index].childFaultsBefore = table[index].childFaults
  }

  // MARK: Reading

  /// Reads a member's files; false if it has ended.
  @discardableResult
  func refresh(_ index: Int) -> Bool {
    let pid = table[index].pid
    // Before the text, whose success proves that the PID is still this process's.
    let cpu = followsOwnProc ? Clock.cpuTime(ofProcess: pid) : nil
    guard let stat = reader.stat(table[index].stat) else { return false }
    let before = table[index].now
    var own = table[index].own
    own[CounterLane.user] = stat.userTicks &* tick
    own[CounterLane.system] = stat.systemTicks &* tick
    own[CounterLane.guest] = stat.guestTicks &* tick
    own[CounterLane.cpu] = cpu ?? (stat.userTicks &+ stat.systemTicks) &* tick
    own[CounterLane.minorFaults] = stat.minorFaults
    own[CounterLane.majorFaults] = stat.majorFaults
    var now = own
    now[CounterLane.user] &+= stat.childUserTicks &* tick
    now[CounterLane.system] &+= stat.childSystemTicks &* tick
    now[CounterLane.guest] &+= stat.childGuestTicks &* tick
    now[CounterLane.minorFaults] &+= stat.childMinorFaults
    now[CounterLane.majorFaults] &+= stat.childMajorFaults
    for lane in CounterLane.io..<CounterLane.io + ProcessIO.count { now[lane] = before[lane] }
    let childFaults = stat.childMinorFaults &+ stat.childMajorFaults
    if readIO(index, &now) {
      reader.addOwnIO(
        now, since: before, isReaper: childFaults != table[index].childFaults,
        threads: stat.threads, of: pid, to: &own)
    }
    refreshMemory(index)
    table[index].now = now.replacing(with: before, where: before .> now)
    if own != table[index].own { table[index].isDirty = true }
    table[index].own = own
    let hasReaped = table[index].childFaults != childFaults
    table[index].childFaults = childFaults
    table[index].state = stat.state
    table[index].isEnding = stat.isEnding
    table[index].parent = stat.parent
    table[index].command = stat.command
    table[index].processor = stat.processor
    table[index].threads = stat.threads
    table[index].virtualSize = stat.virtualSize
    table[index].residentPages = stat.residentPages
    table[index].childTime = (stat.childUserTicks &+ stat.childSystemTicks) &* tick
    if hasReaped { gather(index, everyone: false) }
    absorb(index)
    return true
  }

  /// Reads a member's I/O into its lanes; false if refused or unparsable.
  private func readIO(_ index: Int, _ now: inout ProcessCounters) -> Bool {
    guard table[index].io >= 0 else { return false }
    var io = now
    var isRead = false
    let bytes = reader.read(table[index].io) { text in
      do throws(KernelTextError) {
        try ProcessIO.parse(text) { io[CounterLane.io + $0] = $1 }
        isRead = true
      } catch {
        isRead = false
      }
    }
    // A process that changed its user refuses access.
    if bytes == -Int(EACCES) { table[index].isDenied = true }
    if isRead { now = io }
    return isRead
  }

  private func refreshMemory(_ index: Int) {
    if table[index].statm >= 0 {
      var pages: (shared: UInt64, data: UInt64) = (0, 0)
      _ = reader.read(table[index].statm) { text in
        var position = 0
        for field in 0..<6 {
          guard let value = TextScanner.number(text, &position) else { return }
          if field == 2 { pages.shared = value }
          if field == 5 { pages.data = value }
        }
      }
      table[index].sharedPages = pages.shared
      table[index].dataPages = pages.data
    }
    if table[index].descriptors >= 0 {
      table[index].openFiles = reader.size(table[index].descriptors) ?? 0
    }
  }

  /// Sums the usage of the members. Usage assigned to a parent that was not read again in time is
  /// temporarily missing; no sum falls.
  func addUp() {
    var sum = retired
    for index in 0..<table.high where table[index].pid != 0 {
      var total = total(table[index])
      if table[index].isMissing, table.find(table[index].parent) != nil {
        // Its parent's reading may include it.
        total = ProcessCounters()
        total[CounterLane.cpu] = self.total(table[index])[CounterLane.cpu]
      }
      sum &+= total
    }
    highWater = highWater.replacing(with: sum, where: sum .> highWater)
  }

  /// The value of `metric` at this acquisition.
  func value(_ metric: TreeMetric) -> UInt64 {
    switch metric {
    case .execRuntime: return highWater[CounterLane.cpu]
    case .userTime: return highWater[CounterLane.user]
    case .systemTime: return highWater[CounterLane.system]
    case .guestTime: return highWater[CounterLane.guest]
    case .minorFaults: return highWater[CounterLane.minorFaults]
    case .majorFaults: return highWater[CounterLane.majorFaults]
    case .readCharacters: return highWater[CounterLane.readCharacters]
    case .writtenCharacters: return highWater[CounterLane.writtenCharacters]
    case .readCalls: return highWater[CounterLane.readCalls]
    case .writeCalls: return highWater[CounterLane.writeCalls]
    case .readBytes: return highWater[CounterLane.readBytes]
    case .writeBytes: return highWater[CounterLane.writeBytes]
    case .cancelledWriteBytes: return highWater[CounterLane.cancelledWriteBytes]
    case .taskClock: return clock
    case .forks: return forkCount
    case .exits: return exitCount
    case .unseenTime:
      let cumulative = live { $0.childTime &- $0.childTimeBefore } &+ orphaned
      if cumulative > retired[CounterLane.cpu] {
        unseen = max(unseen, cumulative &- retired[CounterLane.cpu])
      }
      return unseen
    case .eventsLost: return eventsLost
    case .processesLost: return processesLost
    case .processes: return live { Self.isDead($0) || !$0.isOpen ? 0 : 1 }
    case .threads: return live { Self.isDead($0) ? 0 : $0.threads }
    case .virtualSize: return live { $0.virtualSize }
    case .residentSize: return live { $0.residentPages } &* page
    case .sharedSize: return live { $0.sharedPages } &* page
    case .dataSize: return live { $0.dataPages } &* page
    case .openFiles: return live { $0.openFiles }
    case .denied: return live { $0.isDenied ? 1 : 0 }
    }
  }

  private static func isDead(_ slot: ProcessSlot) -> Bool {
    slot.hasEnded || slot.state == UInt8(ascii: "Z")
  }

  private func live(_ amount: (ProcessSlot) -> UInt64) -> UInt64 {
    var sum: UInt64 = 0
    for index in 0..<table.high where table[index].pid != 0 { sum &+= amount(table[index]) }
    return sum
  }

  // MARK: Rows

  /// Writes exits first, then changed processes, then their threads.
  func writeRows(_ rows: inout MutableSpan<UInt64>) -> RecordCount {
    var count = RecordCount(rows: 0, lost: rowsLost)
    func put(_ row: ProcessRecord) {
      guard count.rows < rowLimit else {
        count.lost += 1
        return
      }
      row.write(&rows, at: count.rows)
      count.rows += 1
    }
    for index in 0..<endedCount { put(ended[index]) }
    for index in 0..<table.high {
      guard table[index].pid != 0, table[index].isOpen, !table[index].hasEnded,
        table[index].isDirty
      else { continue }
      table[index].isDirty = false
      put(row(index, .process))
    }
    guard perThread else { return count }
    for index in 0..<table.high
    where table[index].pid != 0 && table[index].isOpen && !table[index].hasEnded {
      let pid = table[index].pid
      reader.numbers(pid, "task") { [self] thread in
        if let row = threadRow(pid, thread) { put(row) }
      }
    }
    return count
  }

  func row(_ index: Int, _ kind: ProcessRecord.Kind) -> ProcessRecord {
    let slot = table[index]
    var row = ProcessRecord()
    row.kind = kind
    row.pid = slot.pid
    row.thread = slot.pid
    row.parent = slot.parent
    row.command = slot.command
    row.state = slot.state
    row.processor = slot.processor
    row.node = nodes[slot.processor]
    row.threads = slot.threads
    row.cpu = slot.own[CounterLane.cpu]
    row.user = slot.own[CounterLane.user]
    row.system = slot.own[CounterLane.system]
    row.minorFaults = slot.own[CounterLane.minorFaults]
    row.majorFaults = slot.own[CounterLane.majorFaults]
    row.resident = slot.residentPages &* page
    if slot.io >= 0 {
      row.readBytes = slot.own[CounterLane.readBytes]
      row.writeBytes = slot.own[CounterLane.writeBytes]
    }
    return row
  }

  /// The row of one thread from /proc/PID/task/TID, nil if it has ended.
  private func threadRow(_ pid: Int32, _ thread: Int32) -> ProcessRecord? {
    var file = reader.open(pid, "stat", task: thread)
    defer { reader.closeDescriptor(&file) }
    guard file >= 0, let stat = reader.stat(file) else { return nil }
    var row = ProcessRecord()
    row.kind = .thread
    row.pid = pid
    row.thread = thread
    row.parent = stat.parent
    row.command = stat.command
    row.state = stat.state
    row.processor = stat.processor
    row.node = nodes[stat.processor]
    row.user = stat.userTicks &* tick
    row.system = stat.systemTicks &* tick
    row.minorFaults = stat.minorFaults
    row.majorFaults = stat.majorFaults
    var schedule = reader.open(pid, "schedstat", task: thread)
    if schedule >= 0 {
      _ = reader.read(schedule) { text in
        var position = 0
        guard let cpu = TextScanner.number(text, &position),
          let delay = TextScanner.number(text, &position)
        else { return }
        row.cpu = cpu
        row.runDelay = delay
      }
    }
    reader.closeDescriptor(&schedule)
    return row
  }
}
