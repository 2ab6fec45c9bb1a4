import Glibc
import LinuxSystem
import SampleModel
import Sampler

/// The accounting of ended processes.
///
/// When a child is reaped, the kernel adds its times, faults and I/O, including those of its own
/// reaped children, to the parent; not if the parent ignores SIGCHLD. So the tree's sum is that of
/// living processes and zombies, each with its reaped children, plus that of processes which no
/// member reaped. Exit records are not precise enough for sums: the kernel rounds their I/O down to
/// KiB, and calls to 1,024.
extension ArmedTree {
  /// Ends a member after its last exit record.
  func close(_ index: Int) {
    exitCount &+= 1
    table[index].hasEnded = true
    if table[index].isMissing || !isThere(index) || isFinal(index) { retire(index) }
  }

  /// Whether this process is a zombie whose parent is outside the tree. Its counts are final, and
  /// the process that adopts orphans may have very many such children.
  private func isFinal(_ index: Int) -> Bool {
    let slot = table[index]
    return slot.state == UInt8(ascii: "Z") && slot.threads <= 1 && (exits == nil || slot.hasEnded)
      && table.find(slot.parent) == nil
  }

  /// Whether an ended process was not reaped yet; reads it then.
  private func isThere(_ index: Int) -> Bool {
    if table[index].isOpen { return refresh(index) }
    open(index)
    guard table[index].isOpen else { return false }
    // Otherwise the PID was reused.
    if table[index].isEnding { return true }
    table[index].now = ProcessCounters()
    table[index].own = ProcessCounters()
    table[index].childTime = 0
    table[index].childFaults = 0
    return false
  }

  /// A child reaped by this member is included in the member's last reading, and may still be in
  /// the table as a zombie: it is retired first, otherwise it would be counted twice. Unless
  /// `everyone`, children whose exit record is pending are kept.
  func gather(_ index: Int, everyone: Bool) {
    let pid = table[index].pid
    let wasOneGone = isOneGone
    for below in 0..<table.high
    where below != index && table[below].pid != 0 && table[below].parent == pid
      && table[below].isOpen && !table[below].isLeaving
      && (everyone || exits == nil || table[below].hasEnded)
    {
      if refresh(below) { table[below].readPass = pass } else { retire(below) }
    }
    isOneGone = wasOneGone
  }

  /// Retires a member that has ended or is final: its usage is assigned to the parent that may have
  /// reaped it, until the parent is read, or is kept in the sums.
  func retire(_ index: Int) {
    table[index].isLeaving = true
    // The kernel announced this member's forks before it ended. They must be read now: once the
    // member has left the table, its children have no known parent. (With exit records this has
    // happened already: the records of its children come before its own.)
    if exits == nil {
      let before = forkCount
      takeForks()
      if forkCount != before { isOneGone = true }
    }
    gather(index, everyone: true)
    // A zombie's own numbers include those that it reaped.
    if table[index].state == UInt8(ascii: "Z"), table[index].isOpen { refresh(index) }
    // Otherwise its last reading includes those reaped by then.
    if table[index].childFaults != table[index].childFaultsBefore { absorb(index) }
    let slot = table[index]
    if !slot.hasEnded { exitCount &+= 1 }
    var last = total(slot)
    last &+= slot.gone
    let cpu = max(slot.now[CounterLane.cpu], slot.recorded[CounterLane.cpu])
    retired[CounterLane.cpu] &+= cpu
    // In a parent's `gone` this is the part of its CPU time that would be in the child times.
    last[CounterLane.cpu] =
      cpu &+ slot.childTime &- slot.childTimeBefore &+ slot.gone[CounterLane.cpu]
    if let heir = table.find(slot.parent), heir != index {
      table[heir].gone &+= last
      table[heir].goneFaults &+= max(faults(slot.own), faults(slot.recorded))
      isOneGone = true
    } else {
      keep(last)
    }
    release(index)
  }

  /// Keeps the usage of a process that no member reaped.
  private func keep(_ last: ProcessCounters) {
    orphaned &+= last[CounterLane.cpu]
    var last = last
    last[CounterLane.cpu] = 0
    retired &+= last
  }

  private func faults(_ counters: ProcessCounters) -> UInt64 {
    counters[CounterLane.minorFaults] &+ counters[CounterLane.majorFaults]
  }

  /// The known usage of a member and its reaped children.
  func total(_ slot: ProcessSlot) -> ProcessCounters {
    let known = slot.recorded &+ slot.reaped
    return slot.now.replacing(with: known, where: known .> slot.now)
  }

  /// Decides whether a member that was just read has reaped its retired children: the page faults
  /// of reaped children then grew. If only some of several children were reaped between two
  /// acquisitions, the others are missing from the sums.
  func absorb(_ index: Int) {
    guard table[index].goneFaults > 0 || table[index].gone != ProcessCounters() else { return }
    var gone = table[index].gone
    if table[index].childFaults == table[index].childFaultsBefore, table[index].goneFaults > 0 {
      keep(gone)
    } else {
      gone[CounterLane.cpu] = 0
      table[index].reaped &+= gone
    }
    table[index].gone = ProcessCounters()
    table[index].goneFaults = 0
  }

  /// Reads every member, parents first: a child that still exists after its parent's reading is not
  /// included in that. If a member had ended, all are read again, a few times at most.
  func readAll() {
    for _ in 0..<4 {
      isOneGone = false
      pass &+= 1
      for index in 0..<table.high where table[index].pid != 0 { readFromAbove(index) }
      let isOneMissing = isOneMissing
      self.isOneMissing = false
      // Processes that ended since the events were taken have their records by now, unless lost.
      if isOneMissing { takeEvents() }
      if !isOneGone, !(isOneMissing && mustSweep) { break }
    }
    mustSweep = false
    // For a child that ended after its parent's last reading, this is undecided.
    for index in 0..<table.high
    where table[index].pid != 0 && table[index].gone == ProcessCounters() {
      table[index].childFaultsBefore = table[index].childFaults
    }
  }

  private func readFromAbove(_ index: Int) {
    while table[index].pid != 0, table[index].readPass != pass {
      var top = index
      // Bounded: parents read at different times may form a cycle.
      for _ in 0..<64 {
        guard let above = table.find(table[top].parent), table[above].readPass != pass,
          above != top
        else { break }
        top = above
      }
      table[top].readPass = pass
      readOrMiss(top)
    }
  }

  /// Without exit records, a process counts as ended when it is first seen as a zombie.
  private func noteZombie(_ index: Int) {
    guard exits == nil, !table[index].hasEnded, table[index].state == UInt8(ascii: "Z"),
      table[index].threads <= 1
    else { return }
    table[index].hasEnded = true
    exitCount &+= 1
    end(row(index, .vanished))
  }

  private func readOrMiss(_ index: Int) {
    if table[index].isOpen {
      if refresh(index) {
        noteZombie(index)
        if isFinal(index) { retire(index) }
        return
      }
    } else {
      open(index)
      // Opened and read: a state of 0 was never read.
      if table[index].isOpen, table[index].state != 0 {
        if !dropEnded(index) { noteZombie(index) }
        return
      }
    }
    // Its exit record is pending, unless there are none or they were lost.
    if exits != nil, !mustSweep, !table[index].isMissing, !table[index].hasEnded {
      table[index].isMissing = true
      isOneMissing = true
      return
    }
    if table[index].isOpen, !table[index].hasEnded { end(row(index, .vanished)) }
    retire(index)
  }
}
