/// The account of one stream's counters: the only place that decides how a counter moved.
///
/// The live view and export, the differences of brackets and the ledger each keep one, so that
/// they cannot disagree. Of each counter it knows the step of the last frame and the sum of steps
/// since the account was opened, in raw units:
///
/// - A wrap counts the way over the end of the range (`CounterStep`).
/// - A step back counts nothing, and the high-water mark stays: 50, 49, 51 are steps of 0 and 1.
/// - A reset has no step, and the sum over it is absent. A fall to exactly zero, or to more than
///   half of the value, may be a misreading, and the value before it is remembered: if the next
///   reading is at or above that value, or within a step back of it, the reset is taken back, and
///   counted as a step back; the step counts from the remembered value, over the time since that
///   was read. While a counter reads zero this lasts for `patience` readings. Any other fall is
/// believed at once.
/// - A narrow counter whose neighbour of 64 bits was reset in the same frame, at the same instance,
///   was reset too: its fall is no wrap, unless it was near the end of its range.
/// - A new layout continues columns by name, also those that were absent for some layouts. A sum
///   goes on as long as it is made of the same parts (`Column.identity`), and begins anew when
///   they are others. What belongs to a device begins anew, as after a reset, when its row was away
///   (`CounterLife`), or its name is another device's.
///
/// A frame in which no counter falls costs one pass over the values, without allocation; whatever
/// else happens is settled column by column.
package struct CounterAccount: Sendable {
  /// What is kept of a counter before its reset, or while no layout has it.
  struct Kept {
    var value: UInt64
    var time: UInt64
    var base: UInt64
    var isWhole: Bool
    /// Readings of zero that may still follow before a reset is believed.
    var patience = CounterAccount.patience
  }

  /// A counter that the layout in force does not have.
  struct Dormant {
    var kept: Kept
    /// What it was before a reset that may still be taken back.
    var suspect: Kept?
    /// Its instance, of a counter that goes with its row.
    var row: String?
    /// That row was away in a frame.
    var wasAway = false
    /// What a sum is made of, or which device is meant.
    var identity: String?
  }

  /// Readings of zero after which a reset is believed.
  static let patience = 3
  /// Counters without a column that are remembered; the oldest are forgotten first.
  static let dormantLimit = 4096

  var layout: Layout?
  var rules: [ValueRule] = []
  /// All ones for a counter, zero for a gauge, which may fall.
  var masks: [UInt64] = []
  var groups = InstanceGroups()
  /// The last value of a gauge, the high-water mark of a counter.
  var previous: [UInt64] = []
  /// What the last step is counted from: the step is `previous - before`.
  var before: [UInt64] = []
  /// What the sum is counted from: the sum is `previous - base`.
  var base: [UInt64] = []
  /// Whether `previous` holds a value.
  var known: [Bool] = []
  /// Whether the last frame has a step.
  var stepped: [Bool] = []
  /// Whether there is a sum: the counter was there at the opening, and was not reset since.
  var whole: [Bool] = []
  /// When `previous` was read, of columns that the last frame did not have.
  var times: [Int: UInt64] = [:]
  /// The time over which a step came about, of steps that are longer than their frame's.
  private var windows: [Int: UInt64] = [:]
  /// What counters were before a reset that may still be taken back.
  var suspects: [Int: Kept] = [:]
  /// The last readings of counters that are below their high-water mark.
  private var below: [Int: UInt64] = [:]
  /// Counters that the layout in force does not have, by the names of their columns.
  var dormant: [ExactText: Dormant] = [:]
  /// The columns that frames are reduced to; nil for all.
  private var places: [Int]?
  private var isOpening = false
  /// It was opened, and has not been told to forget since.
  var isOpen = false
  /// A frame of the layout in force was taken.
  var hasFrame = false
  /// Columns that start at zero, and were listed in a frame since nothing was known.
  var started = Set<ExactText>()
  /// Counters whose device was away: their next reading is of another one.
  var renewed = Set<Int>()
  /// The columns whose reset the last frame has proved: at once, or since it was not taken back.
  package private(set) var resetPlaces: [Int] = []
  /// Every column is known, has a step, and nothing is to be settled.
  var isSettled = false

  /// When the last frame was read.
  package private(set) var lastTime: UInt64?
  /// What happened so far; whoever reads it may set it back.
  package var counts = CounterCounts()

  /// An account that has seen nothing.
  package init() {}

  /// The epoch of the layout in force, nil before the first.
  package var epoch: UInt32? { layout?.epoch }

  /// Whether some step of the last frame came about in another time than the frame's.
  package var hasOwnWindows: Bool { !windows.isEmpty }

  /// What a counter grew by at the last frame, nil where that is not known.
  @inline(__always)
  package func step(_ place: Int) -> UInt64? {
    stepped[place] ? previous[place] &- before[place] : nil
  }

  /// The time over which the last step came about, where it is not the frame's.
  package func window(_ place: Int) -> UInt64? { windows[place] }

  /// What a counter grew by since the account was opened, nil where that is not known.
  package func sum(_ place: Int) -> UInt64? {
    whole[place] ? previous[place] &- base[place] : nil
  }

  /// The last value of a gauge, nil where the last layout was not read yet.
  package func level(_ place: Int) -> UInt64? { known[place] ? previous[place] : nil }

  mutating func clear() {
    renewed.removeAll()
    resetPlaces = []
    times.removeAll()
    windows.removeAll()
    suspects.removeAll()
    below.removeAll()
    isSettled = false
  }

  /// Nothing is known any more of any counter: the next frame is a baseline. Counts stay.
  package mutating func forget() {
    clear()
    dormant.removeAll()
    lastTime = nil
    started.removeAll()
    isOpen = false
    hasFrame = false
    for place in known.indices {
      known[place] = false
      stepped[place] = false
      whole[place] = false
    }
  }

  /// Forgets everything and takes a frame from which sums are counted.
  package mutating func open(_ values: Span<UInt64>, at time: UInt64) {
    forget()
    isOpening = true
    observe(values, at: time)
    isOpening = false
    isOpen = true
  }

  /// Takes one complete frame of the layout in force, read at `time`; of its values those at `only`
  /// alone, if given: the others are unknown from then on.
  package mutating func observe(
    _ values: Span<UInt64>, at time: UInt64, only few: [Int]? = nil
  ) {
    guard values.count == rules.count else { return }
    if !resetPlaces.isEmpty { resetPlaces = [] }
    keep(few)
    if !isSettled {
      settle(values, time)
    } else {
      let hasFallen =
        places != nil ? advanceFew(values) : Self.advance(values, &previous, &before, masks)
      if hasFallen { settleFalls(values, time) }
      if !below.isEmpty { passOver(values) }
    }
    lastTime = time
    hasFrame = true
  }

  /// Passes over a frame whose steps nobody asks for.
  package mutating func pass(at time: UInt64) { lastTime = time }

  mutating func keep(_ few: [Int]?) {
    guard places != few else { return }
    if let places {
      let kept = Set(places)
      for place in known.indices where !kept.contains(place) { forget(place) }
    }
    places = few
    isSettled = false
  }

  private mutating func forget(_ place: Int) {
    known[place] = false
    stepped[place] = false
    whole[place] = false
    times[place] = nil
    windows[place] = nil
    suspects[place] = nil
    below[place] = nil
    renewed.remove(place)
  }

  /// Takes all values as if no counter had fallen; gives whether one has.
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
    for place in values.indices {
      let (value, old) = (values[place], marks[place])
      // The borrow of `value - old` in the highest bit, without a branch.
      fallen |= ((~value & old) | (~(value ^ old) & (value &- old))) & masks[place]
      bases[place] = old
      marks[place] = value
    }
    return fallen >> 63 != 0
  }

  /// The same for the places that frames are reduced to.
  private mutating func advanceFew(_ values: Span<UInt64>) -> Bool {
    var hasFallen = false
    for step in 0..<(places?.count ?? 0) {
      guard let place = places?[step] else { break }
      let (value, old) = (values[place], previous[place])
      hasFallen = hasFallen || value < old && masks[place] != 0
      before[place] = old
      previous[place] = value
    }
    return hasFallen
  }

  /// Settles the counters that fell, after their values were taken.
  private mutating func settleFalls(_ values: Span<UInt64>, _ time: UInt64) {
    let resets = resetGroups(values, before)
    for step in 0..<(places?.count ?? values.count) {
      let place = places?[step] ?? step
      guard values[place] < before[place], masks[place] != 0 else { continue }
      fall(place, to: values[place], time, isReset: isReset(place, resets))
    }
  }

  /// Counters that are at or above their high-water mark again are not below it any more.
  private mutating func passOver(_ values: Span<UInt64>) {
    for place in Array(below.keys) where values[place] >= previous[place] { below[place] = nil }
  }

  /// Takes a frame column by column.
  private mutating func settle(_ values: Span<UInt64>, _ time: UInt64) {
    let resets = resetGroups(values, previous)
    var isWhole = true
    for step in 0..<(places?.count ?? values.count) {
      let place = places?[step] ?? step
      settle(place, values[place], time, resets)
      isWhole = isWhole && (stepped[place] || masks[place] == 0)
    }
    renewed.removeAll()
    isSettled = isWhole && times.isEmpty && windows.isEmpty && suspects.isEmpty
  }

  private mutating func settle(_ place: Int, _ value: UInt64, _ time: UInt64, _ resets: Set<Int>) {
    guard masks[place] != 0, known[place] else {
      stepped[place] = false
      known[place] = true
      whole[place] = isOpening && masks[place] != 0
      previous[place] = value
      before[place] = value
      base[place] = value
      return
    }
    if !renewed.isEmpty, renewed.remove(place) != nil {
      times[place] = nil
      suspects[place] = nil
      if !below.isEmpty { below[place] = nil }
      if !windows.isEmpty { windows[place] = nil }
      counts.resets += 1
      resetPlaces.append(place)
      restart(place, at: value)
      return
    }
    stepped[place] = true
    before[place] = previous[place]
    if !windows.isEmpty { windows[place] = nil }
    if !times.isEmpty, let last = times.removeValue(forKey: place) {
      windows[place] = time &- last
    }
    if !suspects.isEmpty, let suspect = suspects.removeValue(forKey: place),
      isTakenBack(place, suspect, value, time)
    {
      return
    }
    if value >= previous[place] {
      previous[place] = value
      if !below.isEmpty { below[place] = nil }
    } else {
      fall(place, to: value, time, isReset: isReset(place, resets))
    }
  }

  /// Takes back a reset if the counter is where it was before it.
  private mutating func isTakenBack(
    _ place: Int, _ suspect: Kept, _ value: UInt64, _ time: UInt64
  ) -> Bool {
    guard value >= suspect.value || suspect.value - value <= rules[place].stepBack else {
      if value == 0, suspect.patience > 1 {
        suspects[place] = suspect
        suspects[place]?.patience -= 1
      } else {
        resetPlaces.append(place)
      }
      return false
    }
    before[place] = suspect.value
    previous[place] = max(value, suspect.value)
    base[place] = suspect.base
    whole[place] = suspect.isWhole
    windows[place] = time &- suspect.time
    // Of two brackets, the reset was taken by whoever reads the counts.
    if counts.resets > 0 { counts.resets -= 1 }
    counts.stepsBack += 1
    return true
  }

  /// Settles a counter that fell from `before` to `value`.
  private mutating func fall(_ place: Int, to value: UInt64, _ time: UInt64, isReset: Bool) {
    let old = before[place]
    let step = CounterStep(from: old, to: value, rule: rules[place])
    switch step {
    case .back:
      previous[place] = old
      if below[place].map({ value < $0 }) ?? true { counts.stepsBack += 1 }
      below[place] = value
      return
    case .wrapped(let growth) where !isReset || rules[place].isNearEnd(growth):
      counts.wraps += 1
      previous[place] = value
      before[place] = value &- growth
      base[place] &+= before[place] &- old
    case .forward, .wrapped, .reset:
      counts.resets += 1
      if value == 0 || value > old / 2 {
        let read = windows[place].map { time &- $0 } ?? lastTime ?? time
        suspects[place] = Kept(value: old, time: read, base: base[place], isWhole: whole[place])
      } else {
        resetPlaces.append(place)
      }
      restart(place, at: value)
      windows[place] = nil
      isSettled = false
    }
    below[place] = nil
  }

  /// Counts from `value` on: no step, and no sum.
  private mutating func restart(_ place: Int, at value: UInt64) {
    previous[place] = value
    before[place] = value
    base[place] = value
    stepped[place] = false
    whole[place] = false
  }

  /// The columns whose reset may still be taken back.
  package var suspectPlaces: [Int] { Array(suspects.keys) }

  private func isReset(_ place: Int, _ resets: Set<Int>) -> Bool {
    !resets.isEmpty && resets.contains(groups[place])
  }

  /// The instances of which a counter without a range fell further than it steps back.
  private func resetGroups(_ values: Span<UInt64>, _ old: [UInt64]) -> Set<Int> {
    guard !groups.isEmpty else { return [] }
    var resets = Set<Int>()
    for step in 0..<(places?.count ?? values.count) {
      let place = places?[step] ?? step
      guard values[place] < old[place], masks[place] != 0, known[place], groups[place] >= 0,
        rules[place].modulus == 0, old[place] - values[place] > rules[place].stepBack
      else { continue }
      resets.insert(groups[place])
    }
    return resets
  }
}
