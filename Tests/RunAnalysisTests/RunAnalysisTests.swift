import RunAnalysis
import SampleModel
import Testing

@Suite struct SlowdownTests {
  @Test func aKnownSlowdownIsFoundAndNoiseIsNot() throws {
    var random = SplitMix64(seed: 3)
    func noise() -> Double { 1 + (Double(random.index(below: 2001)) - 1000) / 100_000 }
    let off = (0..<30).map { _ in 1e9 * noise() }
    let same = off.map { _ in 1e9 * noise() }
    let slower = off.map { _ in 1.05e9 * noise() }
    let none = try #require(Slowdown(off: off, on: same))
    #expect(none.interval.low <= 0 && none.interval.high >= 0 && none.median.magnitude < 0.005)
    let some = try #require(Slowdown(off: off, on: slower))
    #expect(some.interval.low <= 0.05 && some.interval.high >= 0.05 && some.interval.low > 0.03)
    #expect(some.detectable > 0 && some.detectable < 0.02, "such noise hides no 2 %")
    #expect(Slowdown(off: off, on: off)?.detectable == 0)
  }

  @Test func whatIsNoPairIsRefused() {
    #expect(Slowdown(off: [1, 2], on: [1, 2]) == nil)
    #expect(Slowdown(off: [1, 2, 3], on: [1, 2]) == nil)
    #expect(Slowdown(off: [1, 0, 3], on: [1, 2, 3]) == nil)
  }
}

@Suite struct StatisticsTests {
  @Test func mediansAndDeviations() {
    #expect(Statistics.median([]) == nil)
    #expect(Statistics.median([3]) == 3)
    #expect(Statistics.median([4, 1, 3, 2]) == 2.5)
    #expect(Statistics.median([5, 1, 9]) == 5)
    #expect(Statistics.medianAbsoluteDeviation([1, 1, 2, 2, 4, 6, 9]) == 1)
    #expect(Statistics.median([.greatestFiniteMagnitude, .greatestFiniteMagnitude]) != .infinity)
  }

  @Test func intervalsAreSeededAndHoldTheMedian() throws {
    let values = (0..<40).map { Double(($0 * 37) % 41) }
    let one = try #require(Statistics.medianInterval(values))
    #expect(one == Statistics.medianInterval(values))
    #expect(one != Statistics.medianInterval(values, seed: 2) || one.low < one.high)
    let median = try #require(Statistics.median(values))
    #expect(one.low <= median && median <= one.high && one.low < one.high)
    #expect(Statistics.medianInterval([1, 2]) == nil)
  }

  /// The interval must cover the truth about as often as it says: 95 % nominal, and the
  /// percentile bootstrap of a median is known to be conservative at this size.
  @Test func intervalsCoverTheTruth() {
    var random = SplitMix64(seed: 5)
    var covered = 0
    for round in 0..<200 as Range<UInt64> {
      let values = (0..<25).map { _ in Double(random.index(below: 10_001)) }
      if let interval = Statistics.medianInterval(values, seed: round),
        interval.low <= 5000, interval.high >= 5000
      {
        covered += 1
      }
    }
    #expect((180...200).contains(covered), "\(covered) of 200")
  }

  @Test func pairsAreCompared() throws {
    let before = (0..<20).map { Double($0 * 10) }
    let after = before.map { $0 + 3 }
    let difference = try #require(Statistics.pairedDifference(before, after))
    #expect(difference.median == 3)
    #expect(difference.interval?.low == 3 && difference.interval?.high == 3)
    #expect(Statistics.pairedDifference([1], [1, 2])?.median == nil)
  }
}

@Suite struct RunSummaryTests {
  private func repetition(
    _ wall: UInt64, _ metric: Double, warmUp: Bool = false, status: RunStatus = .completed
  ) -> RepetitionResult {
    var repetition = RepetitionResult(repetition: 1, warmUp: warmUp)
    repetition.status = status
    var attempt = AttemptResult(attempt: 1)
    attempt.status = status
    attempt.wallNanoseconds = wall
    attempt.metrics = ["cpu.user[all]": metric]
    repetition.attempts = [attempt]
    return repetition
  }

  @Test func onlyCountedCompletedRepetitionsCountAndWallTimeIsFirst() throws {
    var phase = PhaseResult(name: "main", command: [])
    phase.repetitions = [
      repetition(1, 99, warmUp: true), repetition(30, 1), repetition(10, 2), repetition(20, 6),
      repetition(9999, 9999, status: .failed),
    ]
    let rows = RunSummary.rows(of: phase) { _ in "ns" }
    #expect(rows.map(\.metric) == ["wall_time", "cpu.user[all]"])
    #expect(rows[0].median == 20 && rows[0].minimum == 10 && rows[0].maximum == 30)
    #expect(rows[0].medianAbsoluteDeviation == 10 && rows[0].count == 3)
    #expect(rows[1].median == 2 && rows[1].unit == "ns")
    #expect(rows[0].medianLow != nil)
    #expect(RunSummary.rows(of: PhaseResult(name: "none", command: [])) { _ in "" }.isEmpty)
  }

  /// A level that stood still in one repetition has no range there: it is its own.
  @Test func aLevelThatStoodStillIsItsOwnRange() throws {
    var phase = PhaseResult(name: "main", command: [])
    phase.repetitions = [repetition(1, 5), repetition(2, 7), repetition(3, 6)]
    phase.repetitions[1].attempts[0].metrics["cpu.user[all].max"] = 9
    let row = try #require(
      RunSummary.rows(of: phase) { _ in "ns" }.first { $0.metric == "cpu.user[all].max" })
    #expect(row.count == 3 && row.median == 6 && row.maximum == 9 && row.minimum == 5)
    #expect(row.repetitions == nil)
  }
}
