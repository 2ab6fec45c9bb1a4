import SampleModel
import Testing

@testable import Sampler

private let wide = MetricDescription("wide", .bytes, .counter, scale: Scale(512), meaning: "")
private let narrow = MetricDescription("narrow", .count, .counter, width: 32, meaning: "")
private let sum = MetricDescription("sum", .count, .counter, isSum: true, meaning: "")
private let level = MetricDescription("level", .count, .gauge, meaning: "")

private func layout(_ metrics: [MetricDescription], epoch: UInt32 = 1) -> Layout {
  Layout(
    collector: "c", stream: 0, epoch: epoch,
    columns: metrics.map { Column(collector: "c", metric: $0, instance: "") })
}

/// Gives frames to the differences and to the ledger's account alike.
private struct Bracket {
  let deltas: BracketDeltas
  let watch = CounterResetTracker()
  var layout: Layout
  var number: UInt32 = 1
  var time: UInt64 = 0

  /// Differences and means, without what lies in between.
  var metrics: [String: Double] {
    deltas.metrics().filter { name, _ in
      !name.contains(".rate.") && !name.hasSuffix(".min") && !name.hasSuffix(".max")
    }
  }

  init(_ layout: Layout, isWorkloads: Bool = false) throws {
    deltas = BracketDeltas { _ in isWorkloads }
    self.layout = layout
    try deltas.layout(layout)
    watch.layout(layout)
  }

  mutating func frame(
    _ values: [UInt64], _ edge: BracketEdge = .none, _ outcome: AcquisitionOutcome = .complete,
    after nanoseconds: UInt64 = 1_000_000_000
  ) throws {
    time += nanoseconds
    let header = FrameHeader(
      outcome: outcome, edge: edge, stream: 0, epoch: layout.epoch, bracket: number,
      start: time, end: time)
    try deltas.frame(header, values.span)
    if outcome == .complete { watch.observe(header, values.span) }
  }

  mutating func change(_ layout: Layout) throws {
    self.layout = layout
    try deltas.layout(layout)
    watch.layout(layout)
  }
}

@Suite struct BracketDeltasTests {
  /// Two interfaces, or control groups, whose names Swift takes for one.
  @Test func namesThatUnicodeCallsEqualKeepTheirValues() throws {
    let columns = ["\u{E9}", "e\u{301}"].map {
      Column(collector: "c", metric: narrow, instance: $0)
    }
    var bracket = try Bracket(Layout(collector: "c", stream: 0, epoch: 1, columns: columns))
    try bracket.frame([10, 20], .open)
    try bracket.frame([11, 25], .close)
    #expect(bracket.metrics == ["c.narrow[\u{E9}]": 1, "c.narrow[e\u{EFCC}\u{EF81}]": 5])
    #expect(bracket.deltas.units["c.narrow[e\u{EFCC}\u{EF81}]"] == "count")
  }

  /// Of a source that has nothing more at the end, as of a workload that is gone, the levels that
  /// were read are levels all the same; counters have no difference without their edges.
  @Test func levelsStayOfASourceThatIsGoneAtTheEnd() throws {
    var bracket = try Bracket(layout([wide, level]))
    try bracket.frame([], .open, .absent)
    try bracket.frame([10, 100])
    try bracket.frame([30, 200])
    try bracket.frame([], .close, .absent)
    #expect(bracket.metrics == ["c.level": 150])
    bracket.number = 2
    try bracket.frame([30, 300], .open)
    try bracket.frame([31, 300])
    try bracket.frame([], .close, .absent)
    #expect(bracket.metrics == ["c.level": 300])
    bracket.number = 3
    try bracket.frame([], .open, .absent)
    try bracket.frame([], .close, .absent)
    #expect(bracket.metrics.isEmpty)
    bracket.number = 4
    try bracket.frame([31, 7], .open)
    try bracket.frame([41, 7], .close)
    #expect(bracket.metrics == ["c.level": 7, "c.wide": 5120])
  }

  @Test func wrapsBetweenTheEdgesCount() throws {
    var bracket = try Bracket(layout([narrow, level]))
    try bracket.frame([4_000_000_000, 3], .open)
    for value in [100, 2_000_000_000, 4_000_000_000] as [UInt64] { try bracket.frame([value, 9]) }
    try bracket.frame([7, 5], .close)
    // Up to 2^32, once round, and 7.
    #expect(bracket.metrics == ["c.narrow": 4_589_934_599, "c.level": 7.75])
    let counts = bracket.watch.take()
    #expect(counts.wraps == 2 && counts.resets == 0 && counts.stepsBack == 0)
    #expect(bracket.watch.take() == CounterCounts())
  }

  /// The values at the edges alone would give 512 times 4,000.
  @Test func aResetBetweenTheEdgesLeavesItOut() throws {
    var bracket = try Bracket(layout([wide, narrow]))
    try bracket.frame([1000, 90_000], .open)
    try bracket.frame([5, 9])
    try bracket.frame([15, 19])
    try bracket.frame([5000, 90_019], .close)
    #expect(bracket.deltas.values().isEmpty)
    #expect(bracket.watch.take().resets == 2)
    // The next bracket begins anew.
    bracket.number = 2
    try bracket.frame([6000, 5], .open)
    try bracket.frame([6002, 8], .close)
    #expect(bracket.metrics == ["c.wide": 1024, "c.narrow": 3])
  }

  @Test func aMisreadingWithinDoesNoHarm() throws {
    var bracket = try Bracket(layout([wide, narrow]))
    try bracket.frame([1000, 90_000], .open)
    try bracket.frame([0, 0])
    try bracket.frame([1010, 90_003], .close)
    #expect(bracket.metrics == ["c.wide": 5120, "c.narrow": 3])
    #expect(bracket.watch.take().resets == 0)
    // At the close it cannot be told from a reset.
    bracket.number = 2
    try bracket.frame([1000, 90_000], .open)
    try bracket.frame([0, 90_001], .close)
    #expect(bracket.metrics == ["c.narrow": 1])
  }

  @Test func columnsThatGoAndComeContinueAndSumsDoNot() throws {
    var bracket = try Bracket(layout([wide, sum, narrow]))
    let whole = bracket.layout
    try bracket.frame([10, 500, 1], .open)
    try bracket.change(layout([narrow], epoch: 2))
    try bracket.frame([2])
    try bracket.change(whole)
    try bracket.frame([14, 900, 3])
    try bracket.frame([15, 901, 5], .close)
    #expect(bracket.metrics == ["c.wide": 2560, "c.narrow": 4])
  }

  @Test func aLayoutBehindTheCloseChangesNothing() throws {
    var bracket = try Bracket(layout([wide, level]))
    try bracket.frame([10, 1], .open)
    try bracket.frame([12, 2], .close)
    try bracket.change(layout([narrow], epoch: 2))
    #expect(bracket.metrics == ["c.wide": 1024, "c.level": 1.5])
    // Nor does a frame of its own bracket behind it.
    try bracket.frame([70])
    bracket.number = 2
    try bracket.frame([80], .open)
    try bracket.frame([85], .close)
    #expect(bracket.metrics == ["c.narrow": 5])
  }

  @Test func edgesWithoutValuesAreTakenAgainOrMissed() throws {
    var bracket = try Bracket(layout([wide, level]))
    try bracket.frame([10, 1], .open)
    try bracket.frame([12, 2], .close)
    bracket.number = 2
    // No opening: what came before is no edge of this bracket, and gauges need none.
    try bracket.frame([], .open, .truncated)
    try bracket.frame([20, 6])
    try bracket.frame([30, 7], .close)
    #expect(bracket.metrics == ["c.level": 6.5])
    bracket.number = 3
    // Neither edge.
    try bracket.frame([], .open, .absent)
    try bracket.frame([], .close, .absent)
    #expect(bracket.deltas.values().isEmpty)
    bracket.number = 4
    // Both, at the second time.
    try bracket.frame([], .open, .truncated)
    try bracket.frame([40, 8], .open)
    try bracket.frame([], .close, .truncated)
    try bracket.frame([41, 9], .close)
    #expect(bracket.metrics == ["c.wide": 512, "c.level": 8.5])
  }

  /// Counts of a group for half of the time stand for twice as many, and its ratio is of the whole.
  @Test func sharesAndFormulasAreOfTheWholeBracket() throws {
    func column(_ name: String, _ instance: String, times: String? = nil) -> Column {
      Column(
        collector: "perf",
        metric: MetricDescription(name, .count, .counter, meaning: ""), instance: instance,
        times: times)
    }
    let ratio = Column(
      collector: "perf", metric: MetricDescription("ratio", .ratio, .gauge, meaning: ""),
      instance: "")
    var bracket = try Bracket(
      Layout(
        collector: "perf", stream: 0, epoch: 1,
        columns: [
          column("time_enabled", "g"), column("time_running", "g"), column("a", "", times: "g"),
          column("b", "", times: "g"),
        ], formulas: [Formula(ratio, tokens: ["perf.a", "/", "perf.b"])]))
    try bracket.frame([100, 100, 10, 20], .open)
    try bracket.frame([200, 200, 20, 30])
    try bracket.frame([300, 200, 40, 30], .close)
    let metrics = bracket.metrics
    #expect(metrics["perf.a"] == 60 && metrics["perf.b"] == 20 && metrics["perf.ratio"] == 3)
  }
}

@Suite struct BracketCourseTests {
  /// A ramp has its true mean however it is read: 0 to 8 in 8 s, read at 0, 1, 5 and 8 s.
  @Test func aMeanIsByTime() throws {
    var bracket = try Bracket(layout([level]))
    try bracket.frame([0], .open)
    try bracket.frame([1], after: 1_000_000_000)
    try bracket.frame([5], after: 4_000_000_000)
    try bracket.frame([8], .close, after: 3_000_000_000)
    #expect(
      bracket.deltas.metrics() == ["c.level": 4, "c.level.min": 0, "c.level.max": 8])
    #expect(bracket.deltas.units["c.level.max"] == "count")
  }

  @Test func aLevelThatStandsStillHasNoRange() throws {
    var bracket = try Bracket(layout([level]))
    for (place, edge) in [BracketEdge.open, .none, .close].enumerated() {
      try bracket.frame([7], edge, after: UInt64(place + 1))
    }
    #expect(bracket.deltas.metrics() == ["c.level": 7])
  }

  /// The kernel's own peak is what it was at the end, not its mean.
  @Test func aPeakIsItsLast() throws {
    for name in ["memory.peak", "memory.max_usage_in_bytes"] {
      let peak = MetricDescription(name, .bytes, .gauge, meaning: "")
      var bracket = try Bracket(layout([peak]), isWorkloads: true)
      try bracket.frame([0], .open)
      try bracket.frame([10])
      try bracket.frame([4096], .close)
      #expect(bracket.deltas.metrics() == ["c.\(name)": 4096])
    }
  }

  @Test func signedLevelsHaveTheirMean() throws {
    let signed = MetricDescription("s", .count, .gauge, isSigned: true, meaning: "")
    var bracket = try Bracket(layout([signed]))
    try bracket.frame([UInt64(bitPattern: -6)], .open)
    try bracket.frame([2], .close)
    #expect(bracket.deltas.metrics() == ["c.s": -2, "c.s.min": -6, "c.s.max": 2])
  }

  /// A tree is not there yet at the opening, and gone at the close.
  @Test func aWorkloadsLevelsAreThoseBetweenTheEdges() throws {
    var bracket = try Bracket(layout([wide, level]), isWorkloads: true)
    try bracket.frame([0, 1], .open)
    try bracket.frame([1, 100])
    try bracket.frame([2, 200])
    try bracket.frame([3, 0], .close)
    #expect(bracket.metrics == ["c.wide": 1536, "c.level": 150])
    #expect(bracket.deltas.metrics()["c.level.max"] == 200)
    bracket.number = 2
    try bracket.frame([0, 1], .open)
    try bracket.frame([1, 70])
    try bracket.frame([3, 0], .close)
    #expect(bracket.metrics == ["c.wide": 1536, "c.level": 70], "the only one")
    bracket.number = 3
    try bracket.frame([0, 1], .open)
    try bracket.frame([3, 0], .close)
    #expect(bracket.metrics == ["c.wide": 1536], "the edges alone say nothing")
  }

  /// avg10 looks back over ten seconds: over a bracket of four it would tell of the time before.
  @Test func averagesThatReachBackBeyondTheBracketAreLeftOut() throws {
    let metrics = ["cpu.some.avg10", "cpu.some.avg60", "load1", "average"].map {
      MetricDescription($0, .count, .gauge, meaning: "")
    }
    var bracket = try Bracket(layout(metrics))
    try bracket.frame([9, 9, 9, 9], .open)
    try bracket.frame([8, 8, 8, 8], .close, after: 4_000_000_000)
    #expect(bracket.metrics == ["c.average": 8.5])
    bracket.number = 2
    try bracket.frame([9, 9, 9, 9], .open)
    try bracket.frame([8, 8, 8, 8], after: 9_999_999_999)
    try bracket.frame([4, 4, 4, 4], after: 1)
    try bracket.frame([2, 2, 2, 2], .close, after: 10_000_000_000)
    #expect(bracket.metrics["c.cpu.some.avg10"] == 3)
    #expect(bracket.metrics["c.cpu.some.avg60"] == nil && bracket.metrics["c.load1"] == nil)
    bracket.number = 3
    try bracket.frame([9, 9, 9, 9], .open)
    try bracket.frame([8, 6, 5, 8], .close, after: 60_000_000_000)
    #expect(bracket.metrics["c.load1"] == 5 && bracket.metrics["c.cpu.some.avg60"] == 6)
  }

  /// 40 windows of 10 ms: 36 with 1,000 a second, 3 with 50,000 and one with a million.
  @Test func ratesHaveTheirMeanMaximumAndQuantiles() throws {
    var bracket = try Bracket(layout([wide, narrow]))
    var value: UInt64 = 4_294_967_290
    try bracket.frame([7, value], .open)
    for window in 1...40 {
      value += window == 20 ? 10_000 : window % 10 == 0 ? 500 : 10
      try bracket.frame(
        [7, value & 0xffff_ffff], window == 40 ? .close : .none, after: 10_000_000)
    }
    let metrics = bracket.deltas.metrics()
    let mean = try #require(metrics["c.narrow.rate.mean"])
    #expect(abs(mean - 11_860 / 0.4) < 1e-6 * mean)
    #expect(metrics["c.narrow.rate.max"] == 1_000_000)
    let median = try #require(metrics["c.narrow.rate.p50"])
    #expect(abs(median / 1000 - 1) < 0.032)
    let ninetyFifth = try #require(metrics["c.narrow.rate.p95"])
    #expect(abs(ninetyFifth / 50_000 - 1) < 0.032)
    #expect(bracket.deltas.units["c.narrow.rate.max"] == "count/s")
    #expect(!metrics.keys.contains { $0.hasPrefix("c.wide.") }, "it stood still")
    // The next bracket has nothing of this one, and too few windows for quantiles.
    bracket.number = 2
    try bracket.frame([7, 0], .open)
    try bracket.frame([7, 5])
    try bracket.frame([8, 5], .close)
    let next = bracket.deltas.metrics()
    #expect(next["c.narrow.rate.max"] == 5 && next["c.narrow.rate.mean"] == 2.5)
    #expect(next["c.narrow.rate.p50"] == nil)
    #expect(next["c.wide.rate.max"] == 512)
    // One window's rate is the mean.
    bracket.number = 3
    try bracket.frame([7, 0], .open)
    try bracket.frame([7, 5], .close)
    #expect(bracket.deltas.metrics() == ["c.narrow": 5, "c.wide": 0])
  }

  /// A reading just behind the last one, and a counter that the kernel keeps in ticks of 10 ms,
  /// make no great rate of little time.
  @Test func littleTimeMakesNoGreatRate() throws {
    let ticks = MetricDescription(
      "ticks", .nanoseconds, .counter, scale: Scale(10_000_000), resolution: 10_000_000,
      meaning: "")
    var bracket = try Bracket(layout([narrow, ticks]))
    try bracket.frame([0, 0], .open)
    for window in 1...50 as ClosedRange<UInt64> {
      // One tick in two of the windows, which are as long as one.
      try bracket.frame([window * 100, window / 2], after: 10_000_000)
    }
    // Late by 9 ms, and the next one in time.
    try bracket.frame([5190, 26], after: 19_000_000)
    try bracket.frame([5200, 26], after: 1_000_000)
    try bracket.frame([5210, 27], .close, after: 1_000_000)
    let metrics = bracket.deltas.metrics()
    #expect(try #require(metrics["c.narrow.rate.max"]) < 10_001)
    #expect(try #require(metrics["c.ticks.rate.max"]) < 0.61)
    let mean = try #require(metrics["c.ticks.rate.mean"])
    #expect(abs(mean - 0.27 / 0.521) < 1e-9)
    #expect(metrics["c.ticks.rate.p95"] == nil, "five rates are none for quantiles")
    #expect(metrics["c.narrow.rate.p95"] != nil)
  }

  /// Any rate from one in sixteen seconds to 2^44 a second is found again within 3 %.
  @Test func quantilesAreWithinThreePercent() throws {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<50 {
      let step = UInt64.random(in: 1...(1 << UInt64.random(in: 1...40)), using: &generator)
      let window = UInt64.random(in: 1_000_000...4_000_000_000, using: &generator)
      let rate = Double(step) * 1e9 / Double(window)
      guard (0x1p-4...0x1p44).contains(rate) else { continue }
      var bracket = try Bracket(
        layout([MetricDescription("n", .count, .counter, meaning: "")]))
      try bracket.frame([0], .open)
      for place in 1...30 as ClosedRange<UInt64> {
        try bracket.frame([step * place], place == 30 ? .close : .none, after: window)
      }
      let metrics = bracket.deltas.metrics()
      for name in ["c.n.rate.p50", "c.n.rate.p95"] {
        let found = try #require(metrics[name])
        #expect(abs(found / rate - 1) < 0.032, "\(step) in \(window) ns: \(found) of \(rate)")
      }
    }
  }
}

@Suite struct StepWatchTests {
  @Test func framesOfTwoBracketsAreNotCompared() {
    let watch = CounterResetTracker()
    watch.layout(layout([wide]))
    for (bracket, value) in [(1, 100), (1, 90), (2, 5), (2, 7)] as [(UInt32, UInt64)] {
      let header = FrameHeader(stream: 0, epoch: 1, bracket: bracket, start: value, end: value)
      watch.observe(header, [value].span)
    }
    #expect(watch.take().resets == 1)
    #expect(watch.take() == CounterCounts())
  }

  @Test func resetsAreNamedWithTheReadingThatProvesThem() {
    let watch = CounterResetTracker()
    let many = Layout(
      collector: "net", stream: 0, epoch: 1,
      columns: (0..<11).map { Column(collector: "net", metric: wide, instance: "\($0)") })
    watch.layout(many)
    func message(_ value: UInt64, _ zero: UInt64, _ edge: BracketEdge, at time: UInt64) -> String? {
      let header = FrameHeader(
        edge: edge, stream: 0, epoch: 1, bracket: 1, start: time, end: time)
      let values = Array(repeating: value, count: 10) + [zero]
      watch.observe(header, values.span)
      return watch.resets(header)
    }
    let names = (0..<8).map { "net.wide[\($0)]" }.joined(separator: ", ")
    let rest =
      "; this sample has no rate for these columns, and an interval across the reset has no total "
      + "(reported once for each column)"
    #expect(message(1000, 1000, .open, at: 0) == nil)
    #expect(
      message(5, 1001, .none, at: 1)
        == "net: counter reset: \(names) and 2 more fell\(rest)")
    #expect(message(6, 0, .none, at: 2) == nil && message(7, 1002, .none, at: 3) == nil)
    #expect(
      message(8, 0, .close, at: 4)
        == "net: counter reset: net.wide[10] fell\(rest)")
    let counts = watch.take()
    #expect(counts.resets == 11 && counts.stepsBack == 1)
  }

  /// A device that came anew is a reset also where a new layout brought it.
  @Test func resetsOverLayoutsCount() {
    let watch = CounterResetTracker()
    let frames: [(epoch: UInt32, values: [UInt64])] = [
      (1, [100, 7]), (2, [8]), (1, [30, 9]), (1, [31, 9]),
    ]
    for (index, frame) in frames.enumerated() {
      watch.layout(layout(frame.epoch == 1 ? [wide, sum] : [narrow], epoch: frame.epoch))
      let header = FrameHeader(
        stream: 0, epoch: frame.epoch, bracket: 1, start: UInt64(index), end: UInt64(index))
      watch.observe(header, frame.values.span)
    }
    #expect(watch.take().resets == 1)
  }
}
