import SampleModel
import Testing

/// Numbers that look random and are the same at each run.
private struct Numbers: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
    return word ^ word >> 31
  }
}

/// A counter of which everything is known: its true total is never reset and never wraps.
private struct TrueCounter {
  enum Event: CaseIterable { case none, reset, misread, back }

  let metric: MetricDescription
  let instance: String
  let range: UInt64?
  /// It is a sum whose parts differ by layout.
  let isComposed: Bool
  let modulus: UInt128
  let limit: UInt64
  let isSum: Bool
  /// The growth of a frame at most: that of two is less than half the range.
  let pace: UInt64
  var total: UInt128
  /// The total at which the present count began.
  var origin: UInt128 = 0
  /// The total at the highest reading, nil for none that the next can be compared with.
  var mark: UInt128?
  /// The reading is one of these at most for a frame after a reset.
  var isFresh = false
  var wasMisread = false
  /// The total at the opening, nil after a reset.
  var opening: UInt128?
  /// A device that a frame did not have.
  var isAway = false
  /// What the sum was made of when it was read last.
  var parts: String?

  /// What it is made of in the layout of an epoch.
  func parts(_ epoch: Int) -> String? { isComposed ? epoch < 2 ? "0-1" : "0" : nil }

  func column(_ epoch: Int) -> Column {
    Column(
      collector: "c", metric: metric, instance: instance, range: range,
      identity: parts(epoch))
  }

  /// Nothing is known of it any more.
  mutating func begin() {
    mark = nil
    opening = nil
  }

  var grownSinceOpening: UInt64? {
    guard let mark, let opening else { return nil }
    return UInt64(mark - opening)
  }

  var raw: UInt64 { UInt64((total - origin) % modulus) }
}

/// The account against counters whose truth is known, over epochs that come and go.
@Suite struct CounterOracleTests {
  private static func counters(_ numbers: inout Numbers) -> [TrueCounter] {
    let kinds: [(UInt8, UInt64?, UInt64?, Bool, UInt64, CounterLife, Bool)] = [
      (64, nil, nil, false, 1 << 40, .kept, false), (64, nil, nil, false, 3, .kept, false),
      (32, nil, nil, false, 1 << 30, .kept, false), (32, nil, nil, false, 1000, .kept, false),
      (64, nil, 1_000_003, false, 150_000, .kept, false), (64, 100, nil, false, 500, .kept, false),
      (64, nil, nil, true, 1000, .kept, false), (64, nil, nil, true, 1000, .kept, true),
      (64, nil, nil, false, 1 << 40, .row, false), (32, nil, nil, false, 1000, .source, false),
    ]
    return (0..<20).map { number in
      let (width, limit, range, isSum, pace, life, isComposed) = kinds[number % kinds.count]
      let metric = MetricDescription(
        "m\(number)", .count, .counter, width: width, mayStepBack: limit != nil,
        stepBackLimit: limit, isSum: isSum, life: life, meaning: "")
      let modulus = range.map { UInt128($0) } ?? 1 << UInt128(width)
      return TrueCounter(
        metric: metric, instance: "\(number)", range: range, isComposed: isComposed,
        modulus: modulus, limit: limit ?? 0, isSum: isSum, pace: pace,
        total: UInt128(numbers.next() % (1 << 20)))
    }
  }

  /// Moves a counter on and gives its reading with the step and whether the sum lives.
  private static func advance(
    _ counter: inout TrueCounter, _ numbers: inout Numbers, isThere: Bool
  ) -> (value: UInt64, step: UInt64?) {
    // A reset must be seen before it grows past its old value.
    let pace = counter.isFresh ? 3 : counter.pace
    if isThere || counter.pace < 1000 {
      counter.total += UInt128(numbers.next() % (pace + 1))
    }
    guard isThere else {
      counter.isAway = true
      return (0, nil)
    }
    counter.isFresh = false
    let raw = counter.raw
    if counter.isAway, counter.metric.life != .kept {
      counter.isAway = false
      counter.wasMisread = false
      counter.mark = counter.total
      counter.opening = nil
      return (raw, nil)
    }
    let old = counter.mark.map { UInt64(($0 - counter.origin) % counter.modulus) }
    var event = TrueCounter.Event.none
    if numbers.next() % 8 == 0 {
      event = TrueCounter.Event.allCases[Int(numbers.next() % 4)]
    }
    // Only what can be told from a wrap or a step back, and not twice in a row.
    let isPlain = old.map { $0 > 5000 && UInt128($0) < counter.modulus / 2 } ?? false
    if counter.wasMisread || !isPlain { event = event == .back ? .back : .none }
    counter.wasMisread = event == .misread
    switch event {
    case .reset:
      counter.origin = counter.total - 7
      counter.mark = counter.total
      counter.opening = nil
      counter.isFresh = true
      return (7, nil)
    case .misread:
      return (0, nil)
    case .back where counter.limit > 0 && raw > counter.limit && counter.mark != nil:
      let value = raw - numbers.next() % (counter.limit / 2)
      return (value, rise(&counter, to: counter.total - UInt128(raw - value)))
    case .back, .none:
      return (raw, rise(&counter, to: counter.total))
    }
  }

  private static func rise(_ counter: inout TrueCounter, to total: UInt128) -> UInt64? {
    guard let mark = counter.mark else {
      counter.mark = total
      return nil
    }
    let next = max(mark, total)
    counter.mark = next
    return UInt64(next - mark)
  }

  @Test(arguments: 0..<30 as Range<UInt64>)
  func accountsAgreeWithTheTruth(seed: UInt64) {
    var numbers = Numbers(state: seed)
    var counters = Self.counters(&numbers)
    // Layouts as sets of counters; each has the epoch of its place.
    let layouts = (0..<4).map { epoch in
      let members = counters.indices.filter { epoch == 0 || numbers.next() % 3 > 0 || $0 == 1 }
      return (
        members,
        Layout(
          collector: "c", stream: 0, epoch: UInt32(epoch + 1),
          columns: members.map { counters[$0].column(epoch) })
      )
    }
    for index in counters.indices { counters[index].parts = counters[index].parts(0) }
    var account = CounterAccount()
    var derivation = Derivation(raw: false)
    var present = 0
    var live = [UInt64](repeating: 0, count: counters.count)
    account.layout(layouts[0].1)
    derivation.layout(layouts[0].1)
    var time: UInt64 = 1000
    for frame in 0..<400 {
      time += 1 + numbers.next() % 1000
      if frame > 0, numbers.next() % 10 == 0 {
        present = Int(numbers.next() % 4)
        let before = account.epoch
        account.layout(layouts[present].1)
        derivation.layout(layouts[present].1)
        if before != account.epoch {
          for index in counters.indices where counters[index].isSum {
            let parts = counters[index].parts(present)
            let isThere = layouts[present].0.contains(index)
            if parts == nil || isThere && parts != counters[index].parts {
              counters[index].begin()
            }
            if isThere { counters[index].parts = parts }
          }
        }
      }
      let members = layouts[present].0
      var values: [UInt64] = []
      var expected: [UInt64?] = []
      for index in counters.indices {
        let isThere = members.contains(index)
        let (value, step) = Self.advance(&counters[index], &numbers, isThere: isThere)
        guard isThere else { continue }
        values.append(value)
        expected.append(step)
        if frame == 0 { counters[index].opening = counters[index].mark }
        live[index] += step ?? 0
      }
      let header = FrameHeader(
        edge: frame == 0 ? .open : .none, stream: 0, epoch: UInt32(present + 1), bracket: 1,
        start: time, end: time)
      if frame == 0 { account.open(values.span, at: time) }
      if frame > 0 { account.observe(values.span, at: time) }
      let derived = derivation.derive(header, values.span)
      var whole: [UInt64?] = []
      for (place, index) in members.enumerated() {
        let counter = counters[index]
        let amount = derived.values[place].number.flatMap {
          UInt64(
            exactly: ($0 * Double(derived.windows[place] ?? derived.window ?? 0) / 1e9).rounded())
        }
        #expect(amount == expected[place], "frame \(frame), \(counter.instance): rate")
        let sum = counter.wasMisread ? nil : counter.grownSinceOpening
        whole.append(sum)
        if let sum { #expect(sum == live[index], "frame \(frame): sum of steps") }
      }
      #expect(members.indices.map { account.step($0) } == expected, "frame \(frame), steps")
      #expect(members.indices.map { account.sum($0) } == whole, "frame \(frame), sums")
    }
  }
}
