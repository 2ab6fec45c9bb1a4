/// The account of one stream's counters. Only this type decides how a counter moved.
///
/// The live view, exports, the differences of brackets and the ledger each use one, so that they
/// agree. For each counter it has the step of the last frame and the sum of steps since the account
/// was opened, in raw units:
///
/// - The growth over a wrap is counted (`CounterStep`).
/// - A step back counts nothing, and the high-water mark stays: 50, 49, 51 are steps of 0 and 1.
/// - A reset has no step, and the sum over it is absent. A fall to exactly zero, or to more than
///   half of the value, may be a misreading: if the next reading is at or above the previous value,
///   or within a step back of it, the reset is revoked and counted as a step back; the step counts
///   from the previous value, over the time since its reading. Up to `zeroReadingLimit` readings of
///   zero may come in between. Any other fall is a reset immediately.
/// - If a 64-bit counter of the same instance was reset in the same frame, the fall of a narrower
///   one is a reset too, and no wrap, unless it was near the end of its range.
/// - A new layout continues columns by name, also those that were absent for some layouts. A sum
///   continues as long as its parts (`Column.identity`) are the same, and restarts when they
///   change. A device's counter restarts, as after a reset, if its row was absent (`CounterLife`)
///   or its name denotes another device.
///
/// A frame in which no counter falls costs one pass over the values, without allocation; other
/// frames are processed column by column.
package struct CounterAccount: Sendable {
  /// The state of a counter before a possible reset, or while no layout has its column.
  struct Snapshot {
    var value: UInt64
    var time: UInt64
    var base: UInt64
    var isWhole: Bool
    /// Further readings of zero after which the reset is final.
    var zeroReadingsLeft = CounterAccount.zeroReadingLimit
  }

  /// A counter without a column in the present layout.
  struct Dormant {
    var kept: Snapshot
    /// Its state before a reset that may still be revoked.
    var suspect: Snapshot?
    /// Its instance, if the counter ends with its row.
    var row: String?
    /// The row was absent in a frame.
    var wasAway = false
    /// The parts of a sum, or the device (`Column.identity`).
    var identity: String?
  }

  /// Readings of zero after which a reset is final.
  static let zeroReadingLimit = 3
  /// The most counters without a column that are kept; the oldest are removed first.
  static let dormantLimit = 4096

  var layout: Layout?
  var rules: [ValueRule] = []
  /// All ones for a counter; zero for a gauge, which may fall.
  var masks: [UInt64] = []
  var groups = InstanceGroups()
  /// The last value of a gauge, the high-water mark of a counter.
  var previous: [UInt64] = []
  /// The start of the last step, which is `previous - before`.
  var before: [UInt64] = []
  /// The start of the sum, which is `previous - base`.
  var base: [UInt64] = []
  /// Whether `previous` holds a value.
  var known: [Bool] = []
  /// Whether the last frame has a step.
  var stepped: [Bool] = []
  /// Whether there is a sum: the counter was there at the opening, and was not reset since.
  var whole: [Bool] = []
  /// The time of `previous`, for columns that the last frame did not have.
  var times: [Int: UInt64] = [:]
  /// The duration of steps that are longer than their frame's window.
  private var windows: [Int: UInt64] = [:]
  /// The state of counters before resets that may still be revoked.
  var suspects: [Int: Snapshot] = [:]
  /// The last readings of counters that are below their high-water mark.
  private var below: [Int: UInt64] = [:]
  /// Counters without a column in the present layout, by column name.
  var dormant: [String: Dormant] = [:]
  /// The columns that are processed; nil for all.
  private var selectedColumns: [Int]?
  private var isOpening = false
  /// It was opened, and not invalidated since.
  var isOpen = false
  /// A frame of the present layout was observed.
  var hasFrame = false
  /// Columns that start at zero and were in a frame since the account was invalidated.
  var started = Set<String>()
  /// Counters whose device was absent: their next reading belongs to another device.
  var renewed = Set<Int>()
  /// The columns whose reset became final with the last frame.
  package private(set) var resetColumns: [Int] = []
  /// Every column is known and has a step, and no special case is pending.
  var isSettled = false

  /// The time of the last frame.
  package private(set) var lastTime: UInt64?
  /// The counts so far; the reader may reset them.
  package var counts = CounterCounts()

  /// An empty account.
  package init() {}

  /// The epoch of the present layout, nil before the first.
  package var epoch: UInt32? { layout?.epoch }

  /// Whether any step of the last frame has a duration of its own.
  package var hasOwnWindows: Bool { !windows.isEmpty }

  /// A counter's growth at the last frame, nil if unknown.
  @inline(__always)
  package func step(_ index: Int) -> UInt64? {
    stepped[index] ? previous[index] &- before[index] : nil
  }

  /// The duration of the last step, nil if it is the frame's window.
  package func window(_ index: Int) -> UInt64? { windows[index] }

  /// A counter's growth since the account was opened, nil if unknown.
  package func sum(_ index: Int) -> UInt64? {
    whole[index] ? previous[index] &- base[index] : nil
  }

  /// The last value of a gauge, nil before the first frame of the layout.
  package func level(_ index: Int) -> UInt64? { known[index] ? previous[index] : nil }

  mutating func clear() {
    renewed.removeAll()
    resetColumns = []
    times.removeAll()
    windows.removeAll()
    suspects.removeAll()
    below.removeAll()
    isSettled = false
  }

  /// Discards the state of all counters: the next frame is a baseline. The counts are kept.
  package mutating func invalidate() {
    clear()
    dormant.removeAll()
    lastTime = nil
    started.removeAll()
    isOpen = false
    hasFrame = false
    for index in known.indices {
      known[index] = false
      stepped[index] = false
      whole[index] = false
    }
  }

  /// Discards everything and observes a frame from which sums are counted.
  package mutating func open(_ values: Span<UInt64>, at time: UInt64) {
    invalidate()
    isOpening = true
    observe(values, at: time)
    isOpening = false
    isOpen = true
  }

  /// Observes one complete frame of the present layout, read at `time`. With `only`, just those
  /// columns are processed, and the others become unknown.
  package mutating func observe(
    _ values: Span<UInt64>, at time: UInt64, only few: [Int]? = nil
  ) {
    guard values.count == rules.count else { return }
    if !resetColumns.isEmpty { resetColumns = [] }
    select(few)
    if !isSettled {
      settle(values, time)
    } else {
      let hasFallen =
        selectedColumns != nil
        ? advanceSelected(values) : Self.advance(values, &previous, &before, masks)
      if hasFallen { settleFalls(values, time) }
      if !below.isEmpty { clearRecovered(values) }
    }
    lastTime = time
    hasFrame = true
  }

  /// Skips a frame whose steps are not needed.
  package mutating func pass(at time: UInt64) { lastTime = time }

  mutating func select(_ few: [Int]?) {
    guard selectedColumns != few else { return }
    if let selectedColumns {
      let kept = Set(selectedColumns)
      for index in known.indices where !kept.contains(index) { invalidate(index) }
    }
    selectedColumns = few
    isSettled = false
  }

  private mutating func invalidate(_ index: Int) {
    known[index] = false
    stepped[index] = false
    whole[index] = false
    times[index] = nil
    windows[index] = nil
    suspects[index] = nil
    below[index] = nil
    renewed.remove(index)
  }

  /// Updates all columns as if no counter had fallen; returns whether one has.
  private static func advance(
    _ values: Span<UInt64>, _ previous: inout [UInt64], _ before: inout [UInt64],
    _ masks: [UInt64]
  ) -> Bool {
    var fallen: UInt64 = 0
    var marks = previous.mutableSpan
    var bases = before.mutableSpan
    let masks = masks.span
    guard marks.count == values.count, bases.count == values.count, masks.count == values.count
    else { return false }
    for index in values.indices {
      let (value, old) = (values[index], marks[index])
      // The borrow of `value - old` in the highest bit, computed without a branch.
      fallen |= ((~value & old) | (~(value ^ old) & (value &- old))) & masks[index]
      bases[index] = old
      marks[index] = value
    }
    return fallen >> 63 != 0
  }

  /// The same for the selected columns.
  private mutating func advanceSelected(_ values: Span<UInt64>) -> Bool {
    var hasFallen = false
    for step in 0..<(selectedColumns?.count ?? 0) {
      guard let index = selectedColumns?[step] else { break }
      let (value, old) = (values[index], previous[index])
      hasFallen = hasFallen || value < old && masks[index] != 0
      before[index] = old
      previous[index] = value
    }
    return hasFallen
  }

  /// Processes the counters that fell, after `advance`.
  private mutating func settleFalls(_ values: Span<UInt64>, _ time: UInt64) {
    let resets = resetGroups(values, before)
    for step in 0..<(selectedColumns?.count ?? values.count) {
      let index = selectedColumns?[step] ?? step
      guard values[index] < before[index], masks[index] != 0 else { continue }
      fall(index, to: values[index], time, isReset: isReset(index, resets))
    }
  }

  /// Removes counters that have reached their high-water mark again from `below`.
  private mutating func clearRecovered(_ values: Span<UInt64>) {
    for index in Array(below.keys) where values[index] >= previous[index] { below[index] = nil }
  }

  /// Observes a frame column by column.
  private mutating func settle(_ values: Span<UInt64>, _ time: UInt64) {
    let resets = resetGroups(values, previous)
    var isWhole = true
    for step in 0..<(selectedColumns?.count ?? values.count) {
      let index = selectedColumns?[step] ?? step
      settle(index, values[index], time, resets)
      isWhole = isWhole && (stepped[index] || masks[index] == 0)
    }
    renewed.removeAll()
    isSettled = isWhole && times.isEmpty && windows.isEmpty && suspects.isEmpty
  }

  private mutating func settle(_ index: Int, _ value: UInt64, _ time: UInt64, _ resets: Set<Int>) {
    guard masks[index] != 0, known[index] else {
      stepped[index] = false
      known[index] = true
      whole[index] = isOpening && masks[index] != 0
      previous[index] = value
      before[index] = value
      base[index] = value
      return
    }
    if !renewed.isEmpty, renewed.remove(index) != nil {
      times[index] = nil
      suspects[index] = nil
      if !below.isEmpty { below[index] = nil }
      if !windows.isEmpty { windows[index] = nil }
      counts.resets += 1
      resetColumns.append(index)
      restart(index, at: value)
      return
    }
    stepped[index] = true
    before[index] = previous[index]
    if !windows.isEmpty { windows[index] = nil }
    if !times.isEmpty, let last = times.removeValue(forKey: index) {
      windows[index] = time &- last
    }
    if !suspects.isEmpty, let suspect = suspects.removeValue(forKey: index),
      isTakenBack(index, suspect, value, time)
    {
      return
    }
    if value >= previous[index] {
      previous[index] = value
      if !below.isEmpty { below[index] = nil }
    } else {
      fall(index, to: value, time, isReset: isReset(index, resets))
    }
  }

  /// Revokes a reset if the counter has returned to its previous value; returns whether it did.
  private mutating func isTakenBack(
    _ index: Int, _ suspect: Snapshot, _ value: UInt64, _ time: UInt64
  ) -> Bool {
    guard value >= suspect.value || suspect.value - value <= rules[index].stepBack else {
      if value == 0, suspect.zeroReadingsLeft > 1 {
        suspects[index] = suspect
        suspects[index]?.zeroReadingsLeft -= 1
      } else {
        resetColumns.append(index)
      }
      return false
    }
    before[index] = suspect.value
    previous[index] = max(value, suspect.value)
    base[index] = suspect.base
    whole[index] = suspect.isWhole
    windows[index] = time &- suspect.time
    // The reset may have been counted, and read, in the previous bracket.
    if counts.resets > 0 { counts.resets -= 1 }
    counts.stepsBack += 1
    return true
  }

  /// Processes a counter that fell from `before` to `value`.
  private mutating func fall(_ index: Int, to value: UInt64, _ time: UInt64, isReset: Bool) {
    let old = before[index]
    let step = CounterStep(from: old, to: value, rule: rules[index])
    switch step {
    case .back:
      previous[index] = old
      if below[index].map({ value < $0 }) ?? true { counts.stepsBack += 1 }
      below[index] = value
      return
    case .wrapped(let growth) where !isReset || rules[index].isNearEnd(growth):
      counts.wraps += 1
      previous[index] = value
      before[index] = value &- growth
      base[index] &+= before[index] &- old
    case .forward, .wrapped, .reset:
      counts.resets += 1
      if value == 0 || value > old / 2 {
        let read = windows[index].map { time &- $0 } ?? lastTime ?? time
        suspects[index] = Snapshot(value: old, time: read, base: base[index], isWhole: whole[index])
      } else {
        resetColumns.append(index)
      }
      restart(index, at: value)
      windows[index] = nil
      isSettled = false
    }
    below[index] = nil
  }

  /// Restarts a counter at `value`, without step and sum.
  private mutating func restart(_ index: Int, at value: UInt64) {
    previous[index] = value
    before[index] = value
    base[index] = value
    stepped[index] = false
    whole[index] = false
  }

  /// The columns whose reset may still be revoked.
  package var suspectColumns: [Int] { Array(suspects.keys) }

  private func isReset(_ index: Int, _ resets: Set<Int>) -> Bool {
    !resets.isEmpty && resets.contains(groups[index])
  }

  /// The instances with a 64-bit counter that fell by more than its source may step back.
  private func resetGroups(_ values: Span<UInt64>, _ old: [UInt64]) -> Set<Int> {
    guard !groups.isEmpty else { return [] }
    var resets = Set<Int>()
    for step in 0..<(selectedColumns?.count ?? values.count) {
      let index = selectedColumns?[step] ?? step
      guard values[index] < old[index], masks[index] != 0, known[index], groups[index] >= 0,
        rules[index].modulus == 0, old[index] - values[index] > rules[index].stepBack
      else { continue }
      resets.insert(groups[index])
    }
    return resets
  }
}
