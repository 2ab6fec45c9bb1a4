import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler

extension ArmedTree {
  // MARK: Finding

  /// Finds members below those that are known. New ones stand behind or in freed slots: passes
  /// go on until one finds nothing.
  func walk() {
    mustWalk = false
    var found = true
    while found {
      found = false
      for place in 0..<table.high where table[place].pid != 0 && !table[place].hasEnded {
        let before = forkCount &+ processesLost
        if !table[place].isOpen { open(place) }
        guard table[place].isOpen, !dropEnded(place) else { continue }
        let pid = table[place].pid
        if table[place].threads > 1 {
          reader.childrenOfThreads(pid) { adopt($0, parent: pid, isOld: isFirstWalk) }
        } else {
          reader.children(table[place].children) { adopt($0, parent: pid, isOld: isFirstWalk) }
        }
        if forkCount &+ processesLost != before { found = true }
        // A full table finds nothing by walking on.
        if processesLost > 0 { found = false }
      }
    }
    isFirstWalk = false
  }

  /// A process that was found by walking while it ended: its record has been counted, or was lost
  /// and its time shows among its parent's children's. Counted again it would be there twice.
  func dropEnded(_ place: Int) -> Bool {
    guard exits != nil, table[place].isByWalk else { return false }
    table[place].isByWalk = false
    guard table[place].isEnding else { return false }
    release(place)
    forkCount &-= 1
    return true
  }

  private func adopt(_ pid: Int32, parent: Int32, isOld: Bool) {
    guard pid > 0, table.find(pid) == nil else { return }
    add(pid, parent: parent)
    if let place = table.find(pid) {
      table[place].isOld = isOld
      table[place].isByWalk = true
    }
  }

  func open(_ place: Int) {
    let pid = table[place].pid
    table[place].stat = reader.open(pid, "stat")
    guard table[place].stat >= 0 else { return }
    table[place].io = reader.open(pid, "io")
    table[place].statm = reader.open(pid, "statm")
    table[place].children = reader.open(pid, "children", task: pid)
    table[place].descriptors = reader.open(pid, "fd", flags: RawDirectory.pathOnly | O_DIRECTORY)
    table[place].isDenied = table[place].io == -EACCES || table[place].io == -EPERM
    refresh(place)
    guard table[place].isOld else { return }
    table[place].childTimeBefore = table[place].childTime
    table[place].childFaultsBefore = table[place].childFaults
  }

  // MARK: Reading

  /// Reads a member's files; false when it is gone.
  @discardableResult
  func refresh(_ place: Int) -> Bool {
    let pid = table[place].pid
    // Before the text, whose success says that the number still is this process's.
    let cpu = followsOwnProc ? Clock.cpuTime(ofProcess: pid) : nil
    guard let stat = reader.stat(table[place].stat) else { return false }
    let before = table[place].now
    var own = table[place].own
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
    if readIO(place, &now) {
      reader.addOwnIO(
        now, since: before, isReaper: childFaults != table[place].childFaults,
        threads: stat.threads, of: pid, to: &own)
    }
    refreshMemory(place)
    table[place].now = now.replacing(with: before, where: before .> now)
    if own != table[place].own { table[place].isNews = true }
    table[place].own = own
    let hasReaped = table[place].childFaults != childFaults
    table[place].childFaults = childFaults
    table[place].state = stat.state
    table[place].isEnding = stat.isEnding
    table[place].parent = stat.parent
    table[place].command = stat.command
    table[place].processor = stat.processor
    table[place].threads = stat.threads
    table[place].virtualSize = stat.virtualSize
    table[place].residentPages = stat.residentPages
    table[place].childTime = (stat.childUserTicks &+ stat.childSystemTicks) &* tick
    if hasReaped { gather(place, everyone: false) }
    absorb(place)
    return true
  }

  /// Reads a member's I/O into its lanes; false where it is refused or does not parse.
  private func readIO(_ place: Int, _ now: inout ProcessCounters) -> Bool {
    guard table[place].io >= 0 else { return false }
    var io = now
    var isRead = false
    let bytes = reader.read(table[place].io) { text in
      do throws(KernelTextError) {
        try ProcessIO.parse(text) { io[CounterLane.io + $0] = $1 }
        isRead = true
      } catch {
        isRead = false
      }
    }
    // A process that became another user's refuses from now on.
    if bytes == -Int(EACCES) { table[place].isDenied = true }
    if isRead { now = io }
    return isRead
  }

  private func refreshMemory(_ place: Int) {
    if table[place].statm >= 0 {
      var pages: (shared: UInt64, data: UInt64) = (0, 0)
      _ = reader.read(table[place].statm) { text in
        var position = 0
        for field in 0..<6 {
          guard let value = TextScanner.number(text, &position) else { return }
          if field == 2 { pages.shared = value }
          if field == 5 { pages.data = value }
        }
      }
      table[place].sharedPages = pages.shared
      table[place].dataPages = pages.data
    }
    if table[place].descriptors >= 0 {
      table[place].openFiles = reader.size(table[place].descriptors) ?? 0
    }
  }

  /// Sums what the members have used. What is with a parent that could not be read again in time is
  /// missing for a moment: no sum falls.
  func addUp() {
    var sum = retired
    for place in 0..<table.high where table[place].pid != 0 {
      var total = total(table[place])
      if table[place].isMissing, table.find(table[place].parent) != nil {
        // Its parent may have it already.
        total = ProcessCounters()
        total[CounterLane.cpu] = self.total(table[place])[CounterLane.cpu]
      }
      sum &+= total
    }
    held = held.replacing(with: sum, where: sum .> held)
  }

  /// The value of the metric at `place` of the description.
  func value(_ place: Int) -> UInt64 {
    switch place {
    case 0..<CounterLane.io + ProcessIO.count: return held[place]
    case 13: return clock
    case 14: return forkCount
    case 15: return exitCount
    case 16:
      let cumulative = live { $0.childTime &- $0.childTimeBefore } &+ orphaned
      if cumulative > retired[CounterLane.cpu] {
        unseen = max(unseen, cumulative &- retired[CounterLane.cpu])
      }
      return unseen
    case 17: return eventsLost
    case 18: return processesLost
    case 19: return live { Self.isDead($0) || !$0.isOpen ? 0 : 1 }
    case 20: return live { Self.isDead($0) ? 0 : $0.threads }
    case 21: return live { $0.virtualSize }
    case 22: return live { $0.residentPages } &* page
    case 23: return live { $0.sharedPages } &* page
    case 24: return live { $0.dataPages } &* page
    case 25: return live { $0.openFiles }
    default: return live { $0.isDenied ? 1 : 0 }
    }
  }

  private static func isDead(_ slot: ProcessSlot) -> Bool {
    slot.hasEnded || slot.state == UInt8(ascii: "Z")
  }

  private func live(_ amount: (ProcessSlot) -> UInt64) -> UInt64 {
    var sum: UInt64 = 0
    for place in 0..<table.high where table[place].pid != 0 { sum &+= amount(table[place]) }
    return sum
  }

  // MARK: Rows

  /// Exits first, then the processes that have done something, then their threads.
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
    for place in 0..<table.high {
      guard table[place].pid != 0, table[place].isOpen, !table[place].hasEnded,
        table[place].isNews
      else { continue }
      table[place].isNews = false
      put(row(place, .process))
    }
    guard perThread else { return count }
    for place in 0..<table.high
    where table[place].pid != 0 && table[place].isOpen && !table[place].hasEnded {
      let pid = table[place].pid
      reader.numbers(pid, "task") { [self] thread in
        if let row = threadRow(pid, thread) { put(row) }
      }
    }
    return count
  }

  func row(_ place: Int, _ kind: ProcessRecord.Kind) -> ProcessRecord {
    let slot = table[place]
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

  /// What /proc/PID/task/TID says of one thread, nil when it is gone.
  private func threadRow(_ pid: Int32, _ thread: Int32) -> ProcessRecord? {
    var file = reader.open(pid, "stat", task: thread)
    defer { reader.shut(&file) }
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
    reader.shut(&schedule)
    return row
  }
}
