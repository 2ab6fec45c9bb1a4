import SampleModel
import Testing

/// Every kind of step between two values, by numbers worked out by hand.
@Suite struct CounterStepTests {
  private typealias Case = (UInt64, UInt64, CounterStep)

  private static let half: UInt64 = 1 << 31
  private static let end: UInt64 = 0xFFFF_FFFF
  private static let range: UInt64 = 1 << 32
  private static let high: UInt64 = 3 << 32

  private static func metric(
    width: UInt8 = 64, limit: UInt64? = nil, isSum: Bool = false
  ) -> MetricDescription {
    MetricDescription(
      "m", .count, .counter, width: width, mayStepBack: limit != nil, stepBackLimit: limit,
      isSum: isSum, meaning: "")
  }

  private static let wideCases: [Case] = [
    (0, 0, .forward(0)), (7, 9, .forward(2)), (5_000, 3, .reset), (9, 8, .reset),
    (.max, 0, .reset), (range, 5, .reset),
  ]

  @Test(arguments: wideCases)
  func ofSixtyFourBits(_ old: UInt64, _ new: UInt64, _ step: CounterStep) {
    #expect(CounterStep(from: old, to: new, metric: Self.metric()) == step)
  }

  private static let narrowCases: [Case] = [
    (end, 4, .wrapped(5)), (end, 0, .wrapped(1)), (end - 9, 90, .wrapped(100)),
    // A fall of half the range is a reset, of one more a wrap.
    (half + 5, 5, .reset), (half + 6, 5, .wrapped(half - 1)),
    (5_000, 3, .reset), (90_000, 9, .reset), (3_000_000_000, 0, .reset), (5, 0, .reset),
    // Greater than 32 bits hold: the metric's width is not that of this kernel.
    (range + 7, 3, .reset), (range + 7, range + 9, .forward(2)),
  ]

  @Test(arguments: narrowCases)
  func ofThirtyTwoBits(_ old: UInt64, _ new: UInt64, _ step: CounterStep) {
    #expect(CounterStep(from: old, to: new, metric: Self.metric(width: 32)) == step)
  }

  private static let sumCases: [Case] = [
    (high, high + 7, .forward(7)),
    // One part wrapped, then two at once.
    (high + 5, high - range + 9, .wrapped(4)), (high + 5, high - 2 * range + 9, .wrapped(4)),
    // A part of a million went.
    (high, high - 1_000_000, .reset), (900, 40, .reset),
  ]

  @Test(arguments: sumCases)
  func ofSumsOfThirtyTwoBits(_ old: UInt64, _ new: UInt64, _ step: CounterStep) {
    #expect(CounterStep(from: old, to: new, metric: Self.metric(width: 32, isSum: true)) == step)
  }

  private static let backCases: [Case] = [
    (500, 490, .back), (500, 400, .back), (500, 399, .reset), (500, 0, .reset),
    (500, 501, .forward(1)),
  ]

  @Test(arguments: backCases)
  func whatMayStepBackHasItsLimit(_ old: UInt64, _ new: UInt64, _ step: CounterStep) {
    #expect(CounterStep(from: old, to: new, metric: Self.metric(limit: 100)) == step)
  }

  /// One second of a time is the usual limit: 100 of 10 ms, 1,000,000 of 1 µs.
  @Test func theUsualLimitIsASecond() {
    for (scale, second) in [(Scale(10_000_000), 100 as UInt64), (Scale(1000), 1_000_000)] {
      let metric = MetricDescription(
        "idle", .nanoseconds, .counter, scale: scale, mayStepBack: true, meaning: "")
      let old = 5 * second
      #expect(CounterStep(from: old, to: old - second, metric: metric) == .back)
      #expect(CounterStep(from: old, to: old - second - 1, metric: metric) == .reset)
    }
  }

  /// RAPL's: in micro-joules, of a range that is no power of two.
  private static let rangeCases: [Case] = [
    (262_143_000_000, 1_000_000, .wrapped(1_328_900)),
    (262_143_328_899, 0, .wrapped(1)),
    // The driver was loaded again.
    (100_000_000_000, 1_000, .reset), (200_000_000_000, 0, .reset),
    // A fall of exactly half the range, and of one more.
    (131_071_664_450, 0, .reset), (131_071_664_460, 9, .wrapped(131_071_664_449)),
    (262_143_328_901, 5, .reset),
  ]

  @Test(arguments: rangeCases)
  func ofARange(_ old: UInt64, _ new: UInt64, _ step: CounterStep) {
    let rule = ValueRule(Self.metric(), range: 262_143_328_900)
    #expect(CounterStep(from: old, to: new, rule: rule) == step)
  }

  /// What damaged files may say has a meaning, and does not trap.
  @Test func widthsOfNothingAreNoRange() {
    for width in [0, 64, 200, 255] as [UInt8] {
      #expect(CounterStep(from: 9, to: 3, metric: Self.metric(width: width)) == .reset)
    }
    let one = Self.metric(width: 0, isSum: true)
    #expect(CounterStep(from: 9, to: 3, metric: one).difference == 0)
  }
}
