import Glibc
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
    #expect(Slowdown(off: [1, 2, 3, 4, 5], on: [1, 2, 3, 4, 5]) == nil, "too few")
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

  /// Held against sums of binomial coefficients, which 64 bits have to the last digit.
  @Test func intervalsAreTheBinomialOnes() throws {
    for (percent, fewest) in [(95 as UInt64, 6), (99, 8), (90, 5)] {
      for count in 1...56 {
        var coefficients: [UInt64] = [1]
        for place in 1...count {
          coefficients.append(
            coefficients[place - 1].multipliedReportingOverflow(by: UInt64(count - place + 1))
              .partialValue / UInt64(place))
        }
        // Twice the chance of less than k values below the median, in 1/100 of 2^count.
        var below: UInt64 = 0
        var exact: Int?
        for rank in 1...max(1, count / 2) where rank <= count / 2 {
          below += coefficients[rank - 1]
          if 200 * below <= (100 - percent) << UInt64(count) { exact = rank }
        }
        let found = Statistics.medianRank(of: count, confidence: Double(percent) / 100)
        #expect(found == exact, "\(percent) % of \(count)")
        #expect((found == nil) == (count < fewest))
      }
    }
    #expect(Statistics.medianRank(of: 0, confidence: 0.95) == nil)
    // Conover's table and the normal approximation: (n - 1.96 √n) / 2 rounded down.
    #expect(Statistics.medianRank(of: 1000, confidence: 0.95) == 469)
    #expect(Statistics.medianRank(of: 1_000_000, confidence: 0.95) == 499_020)
  }

  @Test func intervalsAreOrderedValues() throws {
    #expect(Statistics.medianInterval([5, 1, 4, 2, 3]) == nil)
    let six = try #require(Statistics.medianInterval([6, 1, 5, 2, 4, 3]))
    #expect(six.low == 1 && six.high == 6)
    let ten = try #require(Statistics.medianInterval((1...10).map { Double($0) }))
    #expect(ten.low == 2 && ten.high == 9, "1 - 2 × 11 / 1024 is 97.9 %, and the next one 89 %")
  }

  @Test func intervalsCoverTheTruth() {
    var random = SplitMix64(seed: 5)
    var covered = 0
    for _ in 0..<2000 {
      let values = (0..<8).map { _ in Double(random.index(below: 10_001)) }
      if let interval = Statistics.medianInterval(values),
        interval.low <= 5000, interval.high >= 5000
      {
        covered += 1
      }
    }
    // Of eight values the whole range: 1 - 2 / 256, since the second and the seventh have 93 %.
    #expect((1960...2000).contains(covered), "\(covered) of 2000")
  }

  @Test func ratiosHaveIntervals() throws {
    let slow = (1...20).map { 200 + Double($0) }
    let fast = (1...20).map { 100 + Double($0) / 2 }
    let found = try #require(Statistics.ratioOfMedians(slow, fast))
    #expect(found.ratio == 2)
    let interval = try #require(found.interval)
    #expect(interval.low < 2 && interval.high > 2 && interval.low > 1.85 && interval.high < 2.15)
    #expect(Statistics.ratioOfMedians([1, 2, 3], [1, 2, 3])?.interval == nil)
    #expect(Statistics.ratioOfMedians([1], [0]) == nil)
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
    #expect(rows[0].medianLow == nil, "three repetitions have no interval")
    #expect(RunSummary.rows(of: PhaseResult(name: "none", command: [])) { _ in "" }.isEmpty)
  }

  /// What one attempt has not is the others' all the same.
  @Test func aMetricThatOneAttemptLacksIsSummarised() throws {
    var phase = PhaseResult(name: "main", command: [])
    phase.repetitions = (1...7).map { repetition(UInt64($0), Double($0)) }
    for index in phase.repetitions.indices {
      phase.repetitions[index].repetition = index + 1
      phase.repetitions[index].attempts[0].peakResidentBytes = index == 3 ? nil : 4096
    }
    let rows = RunSummary.rows(of: phase) { _ in "ns" }
    let peak = try #require(rows.first { $0.metric == "peak_resident" })
    #expect(peak.count == 6 && peak.repetitions == [1, 2, 3, 5, 6, 7])
    #expect(rows[0].medianLow == 1 && rows[0].medianHigh == 7 && rows[0].repetitions == nil)
    #expect(RunSummary.rows(of: phase, confidence: 0.999) { _ in "" }[0].medianLow == nil)
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

@Suite struct DistributionTests {
  @Test func binsAreInOrderAndNarrow() {
    let numbers = (-400...400).map { $0 == 0 ? 0 : pow(1.09, Double($0.magnitude)) * 1e-9 }
    for number in numbers + numbers.map({ -$0 }) {
      let middle = LogBins.middle(LogBins.bin(number))
      #expect(abs(middle - number) <= abs(number) * 0.03125, "\(number): \(middle)")
    }
    let ascending = (numbers + numbers.map { -$0 }).sorted().map(LogBins.bin)
    #expect(ascending == ascending.sorted() && LogBins.bin(0) == 0)
  }

  /// Against all amounts, sorted.
  @Test func quantilesAreThoseOfTheTime() throws {
    var random = SplitMix64(seed: 11)
    for isSigned in [false, true] {
      var distribution = Distribution()
      var all: [(amount: Double, span: UInt64)] = []
      for time in 0..<5000 as Range<UInt64> {
        // Levels rest as a rule, and some time is longer than the rest.
        let drawn = Double(random.index(below: 1_000_001)) - (isSigned ? 500_000 : 0)
        let amount = time % 3 > 0 ? all.last?.amount ?? 1 : drawn
        let span = time % 10 == 0 ? 50 : 1 as UInt64
        all.append((amount, span))
        distribution.add(amount, over: span, at: time)
      }
      let total = Double(all.reduce(0) { $0 + $1.span })
      let mean = all.reduce(0) { $0 + $1.amount * Double($1.span) } / total
      #expect(abs(try #require(distribution.mean) - mean) <= abs(mean) * 1e-9 + 1e-9)
      let most = try #require(all.map(\.amount).max())
      #expect(distribution.most == most && distribution.count == 5000)
      #expect(all[Int(distribution.mostAt)].amount == most)
      #expect(all.prefix(Int(distribution.mostAt)).allSatisfy { $0.amount < most })
      let sorted = all.sorted { $0.amount < $1.amount }
      let quantiles = distribution.quantiles([0, 0.5, 0.95, 1])
      for (share, found) in zip([0.5, 0.95], quantiles[1...2]) {
        var below = 0.0
        let exact = try #require(
          sorted.first {
            below += Double($0.span)
            return below >= share * total
          }
        ).amount
        #expect(abs(found - exact) <= abs(exact) * 0.0313, "\(share): \(found), \(exact)")
      }
      #expect(quantiles[0] >= distribution.least && quantiles[3] <= most)
    }
  }

  @Test func nothingHasNoQuantiles() {
    var distribution = Distribution()
    distribution.add(.nan, over: 1, at: 0)
    #expect(distribution.mean == nil && distribution.quantiles([0.5]).isEmpty)
    distribution.addToMean(3, over: 1)
    #expect(distribution.mean == 3 && distribution.quantiles([0.5]).isEmpty)
  }
}
