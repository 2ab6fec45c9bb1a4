/// The state that an account keeps over a change of layout.
extension CounterAccount {
  /// Changes the layout, continuing known columns. The present layout or an earlier one may be
  /// given again.
  package mutating func layout(_ next: Layout) {
    if let layout, layout.epoch == next.epoch, layout.columns == next.columns { return }
    select(nil)
    saveColumns()
    layout = next
    hasFrame = false
    rules = next.columns.map { ValueRule($0) }
    masks = rules.map { $0.isGauge ? 0 : .max }
    groups = InstanceGroups(next, rules)
    let count = rules.count
    previous = Array(repeating: 0, count: count)
    before = previous
    base = previous
    known = Array(repeating: false, count: count)
    stepped = known
    whole = known
    isSettled = false
    guard lastTime != nil || !dormant.isEmpty else { return }
    for (index, column) in next.columns.enumerated() where !rules[index].isGauge {
      if let old = dormant.removeValue(forKey: column.name) {
        resume(index, column, old)
      } else if column.startsAtZero, lastTime != nil, !started.contains(column.name) {
        known[index] = true
        whole[index] = isOpen
      }
    }
    if dormant.count > Self.dormantLimit {
      let newest = dormant.sorted { $0.value.kept.time > $1.value.kept.time }
        .prefix(Self.dormantLimit / 2)
      dormant = Dictionary(uniqueKeysWithValues: newest.map { ($0.key, $0.value) })
    }
  }

  private mutating func resume(_ index: Int, _ column: Column, _ old: Dormant) {
    let isSame = column.identity == old.identity
    // A sum over other parts does not continue.
    if rules[index].isSum, column.identity == nil || !isSame { return }
    previous[index] = old.kept.value
    base[index] = old.kept.base
    known[index] = true
    whole[index] = old.kept.isWhole
    // Another device of that name has its own count.
    if old.wasAway || !isSame {
      renewed.insert(index)
      return
    }
    if old.kept.time != lastTime { times[index] = old.kept.time }
    if let suspect = old.suspect { suspects[index] = suspect }
  }

  /// Moves the state of the present layout's columns to `dormant`.
  private mutating func saveColumns() {
    if let layout, let lastTime {
      noteAbsences(layout)
      if hasFrame {
        for column in layout.columns where column.startsAtZero {
          started.insert(column.name)
        }
      }
      for (index, column) in layout.columns.enumerated()
      where known[index] && !rules[index].isGauge
        && (!rules[index].isSum || column.identity != nil)
      {
        let kept = Snapshot(
          value: previous[index], time: times[index] ?? lastTime, base: base[index],
          isWhole: whole[index])
        dormant[column.name] = Dormant(
          kept: kept, suspect: suspects[index],
          row: column.metric.life == .kept ? nil : column.instance,
          wasAway: renewed.contains(index), identity: column.identity)
      }
    }
    clear()
  }

  /// Marks rows that a frame of the present layout did not have as absent.
  private mutating func noteAbsences(_ layout: Layout) {
    guard hasFrame, dormant.contains(where: { $1.row != nil && !$1.wasAway }) else { return }
    let there = Set(layout.columns.map(\.instance))
    for name in Array(dormant.keys) {
      if let row = dormant[name]?.row, !there.contains(row) { dormant[name]?.wasAway = true }
    }
  }

  /// The source disappeared: counters that end with it restart when it returns.
  package mutating func recordSourceLoss() {
    guard let layout else { return }
    for (index, column) in layout.columns.enumerated()
    where column.metric.life.endsWithSource && known[index] && !rules[index].isGauge {
      renewed.insert(index)
      isSettled = false
    }
    for name in Array(dormant.keys) where dormant[name]?.row != nil {
      dormant[name]?.wasAway = true
    }
  }
}
