import Glibc
import LinuxSystem
import SampleModel
import Sampler

/// Where what an ended process had used is counted.
///
/// As it reaps a child the kernel adds the child's times, faults and I/O to the parent's, together
/// with those of the children that this one had reaped; a child that ends while its parent ignores
/// SIGCHLD goes without. So the tree's sum is that of the living and of zombies, each with what it
/// has reaped, and of what ended without a heir in the tree. An exit record does not do for a sum:
/// the kernel rounds its I/O down to KiB, and calls to 1,024.
extension ArmedTree {
  /// Takes the record of a task; `row` has been made of it.
  func close(_ place: Int) {
    exitCount &+= 1
    table[place].hasEnded = true
    if table[place].isMissing || !isThere(place) || isFinal(place) { leave(place) }
  }

  /// Whether this process is a zombie whose parent is outside the tree. Its counts cannot change
  /// any more, and the process that adopts orphans may have very many such children.
  private func isFinal(_ place: Int) -> Bool {
    let slot = table[place]
    return slot.state == UInt8(ascii: "Z") && slot.threads <= 1 && (exits == nil || slot.hasEnded)
      && table.find(slot.parent) == nil
  }

  /// Whether an ended process still waits to be reaped; it is read then.
  private func isThere(_ place: Int) -> Bool {
    if table[place].isOpen { return refresh(place) }
    open(place)
    guard table[place].isOpen else { return false }
    // Another one that was given its number lives.
    if table[place].isEnding { return true }
    table[place].now = ProcessCounters()
    table[place].own = ProcessCounters()
    table[place].childTime = 0
    table[place].childFaults = 0
    return false
  }

  /// What a member has reaped is in what it was just found to have used, and may still stand in the
  /// table, as a zombie that was read at the last acquisition: it leaves before anything is made of
  /// the member's numbers, or it would be there twice. Unless `everyone` is asked for, one whose
  /// exit record is on its way waits for that.
  func gather(_ place: Int, everyone: Bool) {
    let pid = table[place].pid
    let wasOneGone = isOneGone
    for below in 0..<table.high
    where below != place && table[below].pid != 0 && table[below].parent == pid
      && table[below].isOpen && !table[below].isLeaving
      && (everyone || exits == nil || table[below].hasEnded)
    {
      if refresh(below) { table[below].readPass = pass } else { leave(below) }
    }
    isOneGone = wasOneGone
  }

  /// A member is gone, or will not change any more: what it had used goes to the parent that may
  /// have reaped it, until that is read, or stays in the sums.
  func leave(_ place: Int) {
    table[place].isLeaving = true
    // The kernel announced this member's forks before it ended. They must be read now: once the
    // member has left the table, its children have no known parent. (With exit records this has
    // happened already: the records of its children come before its own.)
    if exits == nil {
      let before = forkCount
      takeForks()
      if forkCount != before { isOneGone = true }
    }
    gather(place, everyone: true)
    // A zombie's own numbers say what it has reaped of those.
    if table[place].state == UInt8(ascii: "Z"), table[place].isOpen { refresh(place) }
    // So does its last reading, if it cannot be read again: what it had reaped by then is in that.
    if table[place].childFaults != table[place].childFaultsBefore { absorb(place) }
    let slot = table[place]
    if !slot.hasEnded { exitCount &+= 1 }
    var last = total(slot)
    last &+= slot.gone
    let cpu = max(slot.now[CounterLane.cpu], slot.recorded[CounterLane.cpu])
    retired[CounterLane.cpu] &+= cpu
    // In a parent's `gone` it is the part of its CPU time that would be among the child times.
    last[CounterLane.cpu] =
      cpu &+ slot.childTime &- slot.childTimeBefore &+ slot.gone[CounterLane.cpu]
    if let heir = table.find(slot.parent), heir != place {
      table[heir].gone &+= last
      table[heir].goneFaults &+= max(faults(slot.own), faults(slot.recorded))
      isOneGone = true
    } else {
      keep(last)
    }
    release(place)
  }

  /// Nobody in the tree has it among what it reaped.
  private func keep(_ last: ProcessCounters) {
    orphaned &+= last[CounterLane.cpu]
    var last = last
    last[CounterLane.cpu] = 0
    retired &+= last
  }

  private func faults(_ counters: ProcessCounters) -> UInt64 {
    counters[CounterLane.minorFaults] &+ counters[CounterLane.majorFaults]
  }

  /// What a member and those that it has reaped had used, as far as it is known.
  func total(_ slot: ProcessSlot) -> ProcessCounters {
    let known = slot.recorded &+ slot.reaped
    return slot.now.replacing(with: known, where: known .> slot.now)
  }

  /// Decides of a member that has just been read whether it has reaped the children that left
  /// before: the page faults of reaped children grow with everything else. Of several that left
  /// between two acquisitions, some reaped and some not, those which were not are missing from the
  /// sums.
  func absorb(_ place: Int) {
    guard table[place].goneFaults > 0 || table[place].gone != ProcessCounters() else { return }
    var gone = table[place].gone
    if table[place].childFaults == table[place].childFaultsBefore, table[place].goneFaults > 0 {
      keep(gone)
    } else {
      gone[CounterLane.cpu] = 0
      table[place].reaped &+= gone
    }
    table[place].gone = ProcessCounters()
    table[place].goneFaults = 0
  }

  /// Reads every member, parents first: a child that is there behind its parent's reading is not in
  /// that. Where one was gone all are read again, a few times at most.
  func readAll() {
    for _ in 0..<4 {
      isOneGone = false
      pass &+= 1
      for place in 0..<table.high where table[place].pid != 0 { readFromAbove(place) }
      let isOneMissing = isOneMissing
      self.isOneMissing = false
      // What ended since the events were taken has its record by now, unless it was lost.
      if isOneMissing { takeEvents() }
      if !isOneGone, !(isOneMissing && mustSweep) { break }
    }
    mustSweep = false
    // Of a child that left behind its parent's last reading it is still to be decided.
    for place in 0..<table.high
    where table[place].pid != 0 && table[place].gone == ProcessCounters() {
      table[place].childFaultsBefore = table[place].childFaults
    }
  }

  private func readFromAbove(_ place: Int) {
    while table[place].pid != 0, table[place].readPass != pass {
      var top = place
      // A circle, of parents that were read at different times, has no top.
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
  private func noteZombie(_ place: Int) {
    guard exits == nil, !table[place].hasEnded, table[place].state == UInt8(ascii: "Z"),
      table[place].threads <= 1
    else { return }
    table[place].hasEnded = true
    exitCount &+= 1
    end(row(place, .vanished))
  }

  private func readOrMiss(_ place: Int) {
    if table[place].isOpen {
      if refresh(place) {
        noteZombie(place)
        if isFinal(place) { leave(place) }
        return
      }
    } else {
      open(place)
      // Opened, and read: a state of 0 was never seen.
      if table[place].isOpen, table[place].state != 0 {
        if !dropEnded(place) { noteZombie(place) }
        return
      }
    }
    // Its record is on its way, unless there are none or they were lost.
    if exits != nil, !mustSweep, !table[place].isMissing, !table[place].hasEnded {
      table[place].isMissing = true
      isOneMissing = true
      return
    }
    if table[place].isOpen, !table[place].hasEnded { end(row(place, .vanished)) }
    leave(place)
  }
}
