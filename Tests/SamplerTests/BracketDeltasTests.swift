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
  let deltas = BracketDeltas()
  var watch = StepWatch()
  var layout: Layout
  var number: UInt32 = 1
  var time: UInt64 = 0

  init(_ layout: Layout) throws {
    self.layout = layout
    try deltas.layout(layout)
    watch.layout(layout)
  }

  mutating func frame(
    _ values: [UInt64], _ edge: BracketEdge = .none, _ outcome: AcquisitionOutcome = .complete
  ) throws {
    time += 1_000_000_000
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
  @Test func wrapsBetweenTheEdgesCount() throws {
    var bracket = try Bracket(layout([narrow, level]))
    try bracket.frame([4_000_000_000, 3], .open)
    for value in [100, 2_000_000_000, 4_000_000_000] as [UInt64] { try bracket.frame([value, 9]) }
    try bracket.frame([7, 5], .close)
    // Up to 2^32, once round, and 7.
    #expect(bracket.deltas.metrics() == ["c.narrow": 4_589_934_599, "c.level": 5])
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
    #expect(bracket.deltas.metrics() == ["c.wide": 1024, "c.narrow": 3])
  }

  @Test func aMisreadingWithinDoesNoHarm() throws {
    var bracket = try Bracket(layout([wide, narrow]))
    try bracket.frame([1000, 90_000], .open)
    try bracket.frame([0, 0])
    try bracket.frame([1010, 90_003], .close)
    #expect(bracket.deltas.metrics() == ["c.wide": 5120, "c.narrow": 3])
    #expect(bracket.watch.take().resets == 0)
    // At the close it cannot be told from a reset.
    bracket.number = 2
    try bracket.frame([1000, 90_000], .open)
    try bracket.frame([0, 90_001], .close)
    #expect(bracket.deltas.metrics() == ["c.narrow": 1])
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
    #expect(bracket.deltas.metrics() == ["c.wide": 2560, "c.narrow": 4])
  }

  @Test func aLayoutBehindTheCloseChangesNothing() throws {
    var bracket = try Bracket(layout([wide, level]))
    try bracket.frame([10, 1], .open)
    try bracket.frame([12, 2], .close)
    try bracket.change(layout([narrow], epoch: 2))
    #expect(bracket.deltas.metrics() == ["c.wide": 1024, "c.level": 2])
    // Nor does a frame of its own bracket behind it.
    try bracket.frame([70])
    bracket.number = 2
    try bracket.frame([80], .open)
    try bracket.frame([85], .close)
    #expect(bracket.deltas.metrics() == ["c.narrow": 5])
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
    #expect(bracket.deltas.metrics() == ["c.level": 7])
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
    #expect(bracket.deltas.metrics() == ["c.wide": 512, "c.level": 9])
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
    let metrics = bracket.deltas.metrics()
    #expect(metrics["perf.a"] == 60 && metrics["perf.b"] == 20 && metrics["perf.ratio"] == 3)
  }
}

@Suite struct StepWatchTests {
  @Test func framesOfTwoBracketsAreNotCompared() {
    var watch = StepWatch()
    watch.layout(layout([wide]))
    for (bracket, value) in [(1, 100), (1, 90), (2, 5), (2, 7)] as [(UInt32, UInt64)] {
      let header = FrameHeader(stream: 0, epoch: 1, bracket: bracket, start: value, end: value)
      watch.observe(header, [value].span)
    }
    #expect(watch.take().resets == 1)
    #expect(watch.take() == CounterCounts())
  }

  /// A device that came anew is a reset also where a new layout brought it.
  @Test func resetsOverLayoutsCount() {
    var watch = StepWatch()
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
