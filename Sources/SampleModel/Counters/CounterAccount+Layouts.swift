/// What an account keeps from one layout to the next.
extension CounterAccount {
  /// Takes a layout into force, continuing what was known of its columns. The one in force may be
  /// given again, and so may one that was in force before.
  package mutating func layout(_ next: Layout) {
    if let layout, layout.epoch == next.epoch, layout.columns == next.columns { return }
    keep(nil)
    putAway()
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
    for (place, column) in next.columns.enumerated() where !rules[place].isGauge {
      if let old = dormant.removeValue(forKey: ExactText(column.name)) {
        resume(place, column, old)
      } else if column.startsAtZero, lastTime != nil, !started.contains(ExactText(column.name)) {
        known[place] = true
        whole[place] = isOpen
      }
    }
    if dormant.count > Self.dormantLimit {
      let newest = dormant.sorted { $0.value.kept.time > $1.value.kept.time }
        .prefix(Self.dormantLimit / 2)
      dormant = Dictionary(uniqueKeysWithValues: newest.map { ($0.key, $0.value) })
    }
  }

  private mutating func resume(_ place: Int, _ column: Column, _ old: Dormant) {
    let isSame = column.identity == old.identity
    // A sum over other parts is another one.
    if rules[place].isSum, column.identity == nil || !isSame { return }
    previous[place] = old.kept.value
    base[place] = old.kept.base
    known[place] = true
    whole[place] = old.kept.isWhole
    // Another device of that name counts from its own beginning.
    if old.wasAway || !isSame {
      renewed.insert(place)
      return
    }
    if old.kept.time != lastTime { times[place] = old.kept.time }
    if let suspect = old.suspect { suspects[place] = suspect }
  }

  /// Moves what is known of the layout in force to `dormant`.
  private mutating func putAway() {
    if let layout, let lastTime {
      noteAbsences(layout)
      if hasFrame {
        for column in layout.columns where column.startsAtZero {
          started.insert(ExactText(column.name))
        }
      }
      for (place, column) in layout.columns.enumerated()
      where known[place] && !rules[place].isGauge
        && (!rules[place].isSum || column.identity != nil)
      {
        let kept = Kept(
          value: previous[place], time: times[place] ?? lastTime, base: base[place],
          isWhole: whole[place])
        dormant[ExactText(column.name)] = Dormant(
          kept: kept, suspect: suspects[place],
          row: column.metric.life == .kept ? nil : column.instance,
          wasAway: renewed.contains(place), identity: column.identity)
      }
    }
    clear()
  }

  /// Rows that the layout in force lacked in a frame were away.
  private mutating func noteAbsences(_ layout: Layout) {
    guard hasFrame, dormant.contains(where: { $1.row != nil && !$1.wasAway }) else { return }
    let there = Set(layout.columns.map(\.instance))
    for name in Array(dormant.keys) {
      if let row = dormant[name]?.row, !there.contains(row) { dormant[name]?.wasAway = true }
    }
  }

  /// The source is gone: what goes with it begins anew when it is there again.
  package mutating func lose() {
    guard let layout else { return }
    for (place, column) in layout.columns.enumerated()
    where column.metric.life.endsWithSource && known[place] && !rules[place].isGauge {
      renewed.insert(place)
      isSettled = false
    }
    for name in Array(dormant.keys) where dormant[name]?.row != nil {
      dormant[name]?.wasAway = true
    }
  }
}
