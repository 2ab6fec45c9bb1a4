import LinuxSystem

extension SamplingThread {
  /// Compares what the process used since the last check with what it may, and reads what cost most
  /// half as often, until what that saves would do; the next check sees whether it did.
  func keepBudget(_ now: UInt64) {
    let cpu = Clock.processCPU()
    let used = cpu &- cpuAtCheck
    let allowed = UInt64(budget * Double(now &- checkedAt))
    cpuAtCheck = cpu
    checkedAt = now
    var spent: UInt64 = 0
    for index in unsafe streams.indices { spent &+= unsafe streams[index].spent }
    // A tenth of tolerance: what a second costs varies by more than that on a quiet host.
    var excess = Double(used) - Double(allowed) * 1.1
    // Wake-ups and drain go with the readings: each pays its part of them.
    let factor = Double(used) / Double(max(1, spent))
    while excess > 0, spent > 0, let index = costliest() {
      let cadence = unsafe streams[index].cadence &* 2
      let saved = unsafe streams[index].spent / 2
      guard saved > 0 else { break }
      unsafe streams[index].cadence = cadence
      unsafe streams[index].nextDue = ((nextIndex &- 1) / cadence &+ 1) &* cadence
      unsafe streams[index].spent &-= saved
      cadences[index] = cadence
      excess -= Double(saved) * factor
    }
    for index in unsafe streams.indices { unsafe streams[index].spent = 0 }
  }

  /// The stream to read half as often next, in `Budget`'s order; nil when all are slow.
  private func costliest() -> Int? {
    var worst: Int?
    var isWorstFixed = true
    var most: UInt64 = 0
    for index in unsafe streams.indices {
      let stream = unsafe streams[index]
      // What was not read since the last check has nothing to save.
      guard stream.spent >= 2, stream.cadence &* 2 &* bracket.interval <= Budget.longest else {
        continue
      }
      let isBetter =
        worst == nil || (isWorstFixed && !stream.isFixed)
        || (isWorstFixed == stream.isFixed && stream.spent > most)
      if isBetter { (worst, isWorstFixed, most) = (index, stream.isFixed, stream.spent) }
    }
    return worst
  }
}
