import Testing

@testable import SampleModel

private let wide = MetricDescription("wide", .count, .counter, meaning: "")
private let narrow = MetricDescription("narrow", .count, .counter, width: 32, meaning: "")
private let idle = MetricDescription(
  "idle", .count, .counter, mayStepBack: true, stepBackLimit: 100, meaning: "")
private let level = MetricDescription("level", .count, .gauge, meaning: "")
private let sum = MetricDescription("sum", .count, .counter, isSum: true, meaning: "")

private func layout(
  _ metrics: [MetricDescription], epoch: UInt32 = 1, of instance: String = "i",
  range: UInt64? = nil
) -> Layout {
  Layout(
    collector: "c", stream: 0, epoch: epoch,
    columns: metrics.map {
      Column(collector: "c", metric: $0, instance: instance, range: range)
    })
}

/// An account with its steps and its sum of one column, frame by frame, ten nanoseconds apart.
private func steps(
  _ metric: MetricDescription, range: UInt64? = nil, _ values: [UInt64]
) -> (steps: [UInt64?], sums: [UInt64?], counts: CounterCounts) {
  var account = CounterAccount()
  account.layout(layout([metric], range: range))
  var steps: [UInt64?] = []
  var sums: [UInt64?] = []
  for (index, value) in values.enumerated() {
    let time = UInt64(index * 10)
    if index == 0 { account.open([value].span, at: time) }
    if index > 0 { account.observe([value].span, at: time) }
    steps.append(account.step(0))
    sums.append(account.sum(0))
  }
  return (steps, sums, account.counts)
}

private func counts(
  wraps: UInt64 = 0, resets: UInt64 = 0, stepsBack: UInt64 = 0
) -> CounterCounts {
  var counts = CounterCounts()
  counts.wraps = wraps
  counts.resets = resets
  counts.stepsBack = stepsBack
  return counts
}

@Suite struct CounterAccountTests {
  @Test func aStepBackLeavesTheHighWaterMark() {
    let read = steps(idle, [50, 49, 51, 60, 40, 41, 30, 30, 61])
    #expect(read.steps == [nil, 0, 1, 9, 0, 0, 0, 0, 1])
    #expect(read.sums == [0, 0, 1, 10, 10, 10, 10, 10, 11])
    // 49, 40 and 30 are below what was read before them; 41 is on its way up.
    #expect(read.counts == counts(stepsBack: 3))
  }

  @Test func aFallBeyondTheLimitIsAReset() {
    let read = steps(idle, [5000, 4900, 4700, 4751])
    #expect(read.steps == [nil, 0, nil, 51])
    #expect(read.sums == [0, 0, nil, nil])
    #expect(read.counts == counts(resets: 1, stepsBack: 1))
    // Misread for once, and back within a step back of where it was.
    for value in [0, 4000] as [UInt64] {
      let misread = steps(idle, [5000, value, 4950, 5001])
      #expect(misread.steps == [nil, nil, 0, 1])
      #expect(misread.sums == [0, nil, 0, 1])
      #expect(misread.counts == counts(stepsBack: 1))
    }
  }

  @Test func wrapsAddUp() {
    let end: UInt64 = 1 << 32
    let read = steps(narrow, [end - 10, 5, 2_000_000_000, 4_000_000_000, 7, 8])
    let last = end - 4_000_000_000 + 7
    #expect(read.steps == [nil, 15, 1_999_999_995, 2_000_000_000, last, 1])
    // Twice around: more than the values at the edges say.
    #expect(read.sums.last == 2 * end - (end - 10) + 8)
    #expect(read.counts == counts(wraps: 2))
  }

  @Test func aRangeThatIsNoPowerOfTwo() {
    let read = steps(wide, range: 1000, [990, 20, 500, 900, 10, 3])
    #expect(read.steps == [nil, 30, 480, 400, 110, nil])
    #expect(read.sums == [0, 30, 510, 910, 1020, nil])
    #expect(read.counts == counts(wraps: 2, resets: 1))
  }

  @Test func aResetHasNoStepAndNoSumAlsoWhenItGrowsPastTheOpening() {
    let read = steps(wide, [1000, 1200, 7, 17, 5000])
    #expect(read.steps == [nil, 200, nil, 10, 4983])
    #expect(read.sums == [0, 200, nil, nil, nil])
    #expect(read.counts == counts(resets: 1))
  }

  @Test func aRowOfZeroForOneReadIsTakenBack() {
    for metric in [wide, narrow, idle] {
      let read = steps(metric, [900, 1000, 0, 1010, 1030])
      #expect(read.steps == [nil, 100, nil, 10, 20])
      #expect(read.sums == [0, 100, nil, 110, 130])
      #expect(read.counts == counts(stepsBack: 1))
    }
    // Near the end of the half beyond which falls are wraps.
    let far = steps(narrow, [3_000_000_000, 0, 3_000_000_010])
    #expect(far.steps == [nil, nil, 10])
    let ranged = steps(wide, range: 1000, [800, 0, 810])
    #expect(ranged.steps == [nil, nil, 10])
  }

  @Test func theStepBehindAMisreadingHasItsOwnWindow() {
    var account = CounterAccount()
    account.layout(layout([wide, idle]))
    account.open([1000, 7].span, at: 100)
    account.observe([0, 8].span, at: 150)
    #expect(account.window(0) == nil && account.step(1) == 1)
    account.observe([1010, 9].span, at: 170)
    #expect(account.window(0) == 70 && account.window(1) == nil)
    account.observe([1011, 9].span, at: 180)
    #expect(account.step(0) == 1 && !account.hasOwnWindows)
  }

  @Test func zeroIsSuspectForAFewReadings() {
    let three = steps(wide, [1000, 0, 0, 0, 1010])
    #expect(three.steps == [nil, nil, 0, 0, 10])
    #expect(three.sums.last == 10)
    let four = steps(wide, [1000, 0, 0, 0, 0, 1010])
    #expect(four.steps == [nil, nil, 0, 0, 0, 1010])
    #expect(four.sums.last == .some(nil))
    // Any other value is believed at once, and so is growth from zero.
    #expect(steps(wide, [1000, 3, 3, 1010]).steps == [nil, nil, 0, 1007])
    #expect(steps(wide, [1000, 0, 4, 1010]).steps == [nil, nil, 4, 1006])
  }

  /// A fall to something small is none of a row that was zero for once: it counts from there.
  @Test func aResetThatGrowsPastItsOldValueAtOnceCountsFromItsStart() {
    let read = steps(wide, [10_001_000, 50, 20_000_000])
    #expect(read.steps == [nil, nil, 19_999_950])
    #expect(read.sums == [0, nil, nil])
    #expect(read.counts == counts(resets: 1))
    #expect(steps(wide, [10, 5, 25]).steps == [nil, nil, 20])
  }

  @Test func aSmallFallThatIsMadeUpForIsAStepBack() {
    let read = steps(wide, [2000, 1990, 3000, 3010])
    #expect(read.steps == [nil, nil, 1000, 10])
    #expect(read.sums == [0, nil, 1000, 1010])
    #expect(read.counts == counts(stepsBack: 1))
    // One that stays below is a reset.
    let stays = steps(wide, [2000, 1990, 1995, 3000])
    #expect(stays.steps == [nil, nil, 5, 1005])
    #expect(stays.counts == counts(resets: 1))
  }

  @Test func provedResetsAreNamedOnce() {
    var account = CounterAccount()
    account.layout(layout([wide, idle, narrow]))
    var named: [[Int]] = []
    let frames: [[UInt64]] = [[1000, 900, 5], [7, 0, 6], [8, 0, 7], [9, 20, 8], [9, 21, 8]]
    for (index, values) in frames.enumerated() {
      account.observe(values.span, at: UInt64(index))
      named.append(account.resetColumns)
    }
    // The row of zero is believed when it grows from zero.
    #expect(named == [[], [0], [], [1], []])
  }

  @Test func aNeighbourOfSixtyFourBitsTellsAResetFromAWrap() {
    var account = CounterAccount()
    account.layout(layout([wide, narrow, level]))
    account.open([5000, 3_000_000_000, 9].span, at: 0)
    account.observe([5, 60, 3].span, at: 10)
    #expect(account.step(0) == nil && account.step(1) == nil)
    #expect(account.counts == counts(resets: 2))
    // At the end of its range it wrapped all the same.
    account.open([5000, 4_294_967_290, 9].span, at: 11)
    account.observe([5, 4, 3].span, at: 12)
    #expect(account.step(0) == nil && account.step(1) == 10)
    // Alone it is a wrap; so it is where the neighbour is another instance or a value of the host.
    #expect(steps(narrow, [3_000_000_000, 60]).steps.last == 1_294_967_356)
    account.layout(layout([wide, narrow], epoch: 2, of: ""))
    account.open([5000, 3_000_000_000].span, at: 20)
    account.observe([5, 60].span, at: 30)
    #expect(account.step(1) == 1_294_967_356)
  }

  @Test func aColumnThatIsAbsentForALayoutContinues() {
    var account = CounterAccount()
    let a = layout([wide, idle, sum, level], epoch: 3)
    let b = layout([idle], epoch: 2)
    account.layout(a)
    account.open([100, 10, 500, 1].span, at: 1000)
    account.layout(b)
    account.observe([12].span, at: 1010)
    #expect(account.step(0) == 2 && account.sum(0) == 2 && !account.hasOwnWindows)
    // The epoch goes back: it names columns, and is no order.
    account.layout(a)
    account.observe([130, 15, 500, 8].span, at: 1030)
    #expect(account.step(0) == 30 && account.window(0) == 30 && account.sum(0) == 30)
    #expect(account.step(1) == 3 && account.window(1) == nil && account.sum(1) == 5)
    // A sum over instances does not go on, nor is its growth since then a bracket's.
    #expect(account.step(2) == nil && account.sum(2) == nil)
    #expect(account.level(3) == 8)
    account.observe([130, 15, 510, 8].span, at: 1040)
    #expect(account.step(2) == 10 && account.sum(2) == nil && !account.hasOwnWindows)
  }

  private func sums(_ parts: [String?], _ epoch: UInt32) -> Layout {
    Layout(
      collector: "c", stream: 0, epoch: epoch,
      columns: parts.enumerated().map {
        Column(
          collector: "c", metric: sum, instance: "\($0.offset)", identity: $0.element)
      })
  }

  /// A row that comes or goes takes no other; a CPU that comes takes what it is in.
  @Test func aSumGoesOnAsLongAsItIsOfTheSameParts() {
    var account = CounterAccount()
    account.layout(sums(["0-1", "0-1", "total", nil], 1))
    account.open([500, 500, 500, 500].span, at: 0)
    account.layout(sums(["0-1"], 2))
    account.observe([510].span, at: 10)
    #expect(account.step(0) == 10 && account.sum(0) == 10)
    account.layout(sums(["0-1", "0-1", "total", nil], 1))
    account.observe([520, 530, 540, 550].span, at: 20)
    #expect([0, 1, 2, 3].map { account.step($0) } == [10, 30, 40, nil])
    #expect([0, 1, 2, 3].map { account.sum($0) } == [20, 30, 40, nil])
    #expect(account.window(1) == 20 && account.window(0) == nil)
    // CPU 2 comes, with half a million.
    account.layout(sums(["0-2", "0-1", "total", nil], 3))
    account.observe([500_530, 531, 541, 551].span, at: 30)
    #expect([0, 1, 2, 3].map { account.step($0) } == [nil, 1, 1, nil])
    #expect([0, 1, 2, 3].map { account.sum($0) } == [nil, 31, 41, nil])
    #expect(account.counts == counts())
    account.observe([500_540, 531, 541, 551].span, at: 40)
    #expect(account.step(0) == 10 && account.sum(0) == nil)
  }

  /// A device that has another's name counts from its own beginning, though it was never away.
  @Test func anotherDeviceOfTheNameBeginsAnew() {
    func layout(_ device: String, _ epoch: UInt32) -> Layout {
      Layout(
        collector: "c", stream: 0, epoch: epoch,
        columns: [Column(collector: "c", metric: wide, instance: "sda", identity: device)])
    }
    var account = CounterAccount()
    account.layout(layout("8:0", 1))
    account.open([100].span, at: 0)
    account.layout(layout("8:32", 2))
    account.observe([12_348].span, at: 10)
    #expect(account.step(0) == nil && account.sum(0) == nil)
    #expect(account.counts == counts(resets: 1))
    account.observe([12_350].span, at: 20)
    #expect(account.step(0) == 2 && account.sum(0) == nil)
    account.layout(layout("8:0", 1))
    account.observe([12_360].span, at: 30)
    #expect(account.step(0) == nil && account.counts == counts(resets: 2))
  }

  private func devices(_ life: CounterLife, _ names: [String], _ epoch: UInt32) -> Layout {
    Layout(
      collector: "c", stream: 0, epoch: epoch,
      columns: names.map {
        Column(
          collector: "c", metric: wide.living(life), instance: String($0.suffix(1)),
          startsAtZero: $0.hasPrefix("+"))
      })
  }

  /// A device that was away is another one, whatever it counts; a CPU is the same.
  @Test(arguments: [CounterLife.kept, .row, .source])
  func whatWasAwayIsAnotherDevice(_ life: CounterLife) {
    var account = CounterAccount()
    account.layout(devices(life, ["a", "b"], 1))
    account.open([1000, 1000].span, at: 0)
    account.observe([1001, 2000].span, at: 10)
    account.layout(devices(life, ["a"], 2))
    // No frame without it was read: it was not away.
    account.layout(devices(life, ["a", "b"], 1))
    account.observe([1002, 2001].span, at: 20)
    #expect(account.step(1) == 1 && account.sum(1) == 1001)
    account.layout(devices(life, ["a"], 2))
    account.observe([1003].span, at: 30)
    account.layout(devices(life, ["a", "b"], 1))
    account.observe([1004, 5000].span, at: 40)
    #expect(account.step(0) == 1 && account.sum(0) == 4)
    let isKept = life == .kept
    #expect(account.step(1) == (isKept ? 2999 : nil) && account.sum(1) == (isKept ? 4000 : nil))
    #expect(account.resetColumns == (isKept ? [] : [1]))
    account.observe([1004, 8950].span, at: 50)
    #expect(account.step(1) == 3950 && account.window(1) == nil)
    #expect(account.counts == counts(resets: isKept ? 0 : 1))
  }

  /// One word of a row that cannot be read is no row that was away.
  @Test func aColumnThatWasAbsentWhileItsRowWasThereGoesOn() {
    let metrics = [wide, narrow].map { $0.living(.row) }
    var account = CounterAccount()
    account.layout(layout(metrics))
    account.open([1000, 7].span, at: 0)
    account.layout(layout([metrics[1]], epoch: 2))
    account.observe([8].span, at: 10)
    account.layout(layout(metrics))
    account.observe([1500, 9].span, at: 20)
    #expect(account.step(0) == 500 && account.window(0) == 20 && account.sum(0) == 500)
  }

  @Test func whatGoesWithItsSourceBeginsAnewBehindIt() {
    for life in [CounterLife.row, .source] {
      var account = CounterAccount()
      account.layout(devices(life, ["a"], 1))
      account.open([1000].span, at: 0)
      account.recordSourceLoss()
      account.observe([5000].span, at: 20)
      let grown: UInt64? = life == .row ? 4000 : nil
      #expect(account.step(0) == grown)
      #expect(account.sum(0) == grown)
      account.observe([5001].span, at: 30)
      #expect(account.step(0) == 1 && account.counts.resets == (life == .row ? 0 : 1))
    }
  }

  @Test func whatIsListedFromItsFirstUseOnCountsFromZero() {
    let (without, with) = (
      devices(.firstUse, ["a"], 1), devices(.firstUse, ["a", "+b"], 2)
    )
    var account = CounterAccount()
    account.layout(without)
    account.open([5].span, at: 0)
    account.layout(with)
    account.observe([6, 28_672].span, at: 10)
    #expect(account.step(1) == 28_672 && account.sum(1) == 28_672 && account.window(1) == nil)
    // It is not listed, and is again: another one.
    account.layout(without)
    account.observe([7].span, at: 20)
    account.layout(with)
    account.observe([8, 40_000].span, at: 30)
    #expect(account.step(1) == nil && account.sum(1) == nil)
    // Of a bracket that opens with it, its opening is where it counts from.
    account.open([9, 50_000].span, at: 40)
    account.observe([9, 50_001].span, at: 50)
    #expect(account.step(1) == 1 && account.sum(1) == 1)
    // What was not asked for in between is not counted from zero.
    account.observe([9, 50_002].span, at: 60, only: [0])
    account.observe([9, 50_003].span, at: 65, only: [])
    account.layout(without)
    account.observe([9].span, at: 70)
    account.layout(with)
    account.observe([9, 60_000].span, at: 80)
    #expect(account.step(1) == nil && account.sum(1) == nil)
    // Without a reading in which it was absent, nothing is known.
    var other = CounterAccount()
    other.layout(without)
    other.layout(with)
    other.observe([6, 28_672].span, at: 10)
    #expect(other.step(1) == nil)
  }

  @Test func aColumnThatComesBackSmallerWasReset() {
    var account = CounterAccount()
    account.layout(layout([wide, idle]))
    account.open([100, 10].span, at: 0)
    account.layout(layout([idle], epoch: 2))
    account.observe([11].span, at: 10)
    account.layout(layout([wide, idle]))
    account.observe([40, 12].span, at: 20)
    #expect(account.step(0) == nil && account.sum(0) == nil)
    account.observe([45, 12].span, at: 30)
    #expect(account.step(0) == 5 && account.window(0) == nil)
    #expect(account.counts == counts(resets: 1))
  }

  @Test func aMisreadingIsTakenBackOverLayouts() {
    var account = CounterAccount()
    account.layout(layout([wide, idle]))
    account.open([100, 10].span, at: 0)
    account.observe([0, 11].span, at: 10)
    account.layout(layout([idle], epoch: 2))
    account.observe([12].span, at: 20)
    account.layout(layout([wide, idle]))
    account.observe([140, 12].span, at: 30)
    #expect(account.step(0) == 40 && account.window(0) == 30 && account.sum(0) == 40)
  }

  @Test func theLayoutInForceMayBeGivenAgain() {
    var account = CounterAccount()
    account.layout(layout([sum]))
    account.open([5].span, at: 0)
    account.layout(layout([sum]))
    account.observe([9].span, at: 10)
    #expect(account.step(0) == 4 && account.sum(0) == 4)
  }

  @Test func whatComesAndGoesIsForgottenInTheEnd() {
    var account = CounterAccount()
    func instance(_ number: Int) -> Layout {
      layout([wide], epoch: UInt32(number + 1), of: "\(number)")
    }
    let last = CounterAccount.dormantLimit + 10
    for number in 0...last {
      account.layout(instance(number))
      account.observe([100].span, at: UInt64(number))
    }
    account.layout(instance(last - 1))
    account.observe([105].span, at: 9000)
    #expect(account.step(0) == 5)
    account.layout(instance(0))
    account.observe([105].span, at: 9001)
    #expect(account.step(0) == nil)
  }

  @Test func ofAFewPlacesTheSameRulesHold() {
    var account = CounterAccount()
    account.layout(layout([wide, idle, narrow]))
    let frames: [[UInt64]] = [[1000, 50, 9], [0, 49, 8], [1010, 51, 3]]
    var seen: [[UInt64?]] = []
    for (index, values) in frames.enumerated() {
      account.observe(values.span, at: UInt64(index * 10), only: [1, 0])
      seen.append([account.step(0), account.step(1), account.step(2)])
    }
    #expect(seen == [[nil, nil, nil], [nil, 0, nil], [10, 1, nil]])
    #expect(account.window(0) == 20)
    account.observe([1011, 51, 5].span, at: 30)
    #expect(account.step(0) == 1 && account.step(2) == nil)
    account.observe([1012, 51, 6].span, at: 40, only: [2])
    #expect(account.step(2) == 1)
  }

  /// A frame of another length than the layout's is not looked at.
  @Test func aFrameOfAnotherLengthIsPassedOver() {
    var account = CounterAccount()
    account.layout(layout([wide]))
    account.open([5].span, at: 0)
    account.observe([6, 7].span, at: 10)
    #expect(account.lastTime == 0 && account.sum(0) == 0)
  }
}
