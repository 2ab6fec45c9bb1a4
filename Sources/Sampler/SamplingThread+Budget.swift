import LinuxSystem

extension SamplingThread {
  /// Nanoseconds between two looks at what was spent.
  static let checkInterval: UInt64 = 1_000_000_000

  /// Keeps each stream to its own limit, then the process to its budget.
  func keepBounds(_ now: UInt64) {
    let elapsed = now &- checkedAt
    for index in unsafe streams.indices where unsafe streams[index].costLimit > 0 {
      let allowed = unsafe UInt64(streams[index].costLimit * Double(elapsed))
      while unsafe streams[index].spent > allowed, readHalfAsOften(index) {}
    }
    if budget > 0 {
      keepBudget(now)
    } else {
      checkedAt = now
    }
    for index in unsafe streams.indices { unsafe streams[index].spent = 0 }
  }

  /// False when it is as slow as it may be, or has nothing to save.
  private func readHalfAsOften(_ index: Int) -> Bool {
    let cadence = unsafe streams[index].cadence &* 2
    guard unsafe streams[index].spent >= 2, cadence &* bracket.interval <= Budget.longest else {
      return false
    }
    unsafe streams[index].cadence = cadence
    unsafe due[index] = ((nextIndex &- 1) / cadence &+ 1) &* cadence
    unsafe streams[index].spent &-= streams[index].spent / 2
    cadences[index] = cadence
    return true
  }

  /// Compares what the process used since the last check with what it may, and reads what cost most
  /// half as often, until what that saves would do; the next check sees whether it did.
  private func keepBudget(_ now: UInt64) {
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
      let saved = unsafe streams[index].spent / 2
      guard readHalfAsOften(index) else { break }
      excess -= Double(saved) * factor
    }
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
