import Glibc
import Testing

@testable import RunAnalysis

/// Whether two numbers agree but for rounding.
private func agree(_ found: Double, _ exact: Double, _ tolerance: Double = 1e-9) -> Bool {
  (found - exact).magnitude <= tolerance * max(exact.magnitude, 1e-300) || found == exact
}

/// Right values are SciPy's (1.17), unless another source is named.
@Suite struct SpecialFunctionTests {
  @Test func gammaFunctionsHaveTheRightValues() {
    let table: [(x: Double, logGamma: Double, digamma: Double, trigamma: Double)] = [
      (0.1, 2.252712651734206, -10.423754940411076, 101.43329915079275),
      (0.5, 0.5723649429247, -1.9635100260214235, 4.93480220054468),
      (1, 0, -0.5772156649015329, 1.6449340668482266),
      (2.5, 0.2846828704729192, 0.7031566406452432, 0.4903577561002349),
      (9, 10.60460290274525, 2.1406414779556098, 0.11751201469403141),
      (37.5, 97.5217752228882, 3.6109483445963386, 0.027025382266785015),
      (1000, 5905.220423209181, 6.907255195648812, 0.001000500166666633),
    ]
    for row in table {
      let logGamma = SpecialFunctions.logGamma(row.x)
      #expect((logGamma - row.logGamma).magnitude <= 1e-12 * max(1, row.logGamma), "\(row.x)")
      #expect(agree(SpecialFunctions.digamma(row.x), row.digamma), "\(row.x)")
      #expect(agree(SpecialFunctions.trigamma(row.x), row.trigamma), "\(row.x)")
      #expect(agree(SpecialFunctions.inverseTrigamma(row.trigamma), row.x, 1e-8), "\(row.x)")
    }
    #expect(agree(SpecialFunctions.inverseTrigamma(1e8), 1e-4, 1e-6))
    #expect(agree(SpecialFunctions.inverseTrigamma(1e-7), 1e7, 1e-6))
  }

  @Test func theIncompleteBetaFunctionHasTheRightValues() {
    let table: [(x: Double, a: Double, b: Double, value: Double)] = [
      (0.1, 0.5, 0.5, 0.20483276469913345), (0.5, 2, 3, 0.6875),
      (0.9, 20, 0.5, 0.041327483918087285), (0.01, 5, 1.5, 2.695727676868528e-10),
      (0.999, 0.5, 40, 1), (0.3, 150, 250, 0.0006982138559562556),
    ]
    for row in table {
      let value = SpecialFunctions.incompleteBeta(row.x, complement: 1 - row.x, row.a, row.b)
      #expect(agree(value, row.value), "\(row): \(value)")
    }
    #expect(SpecialFunctions.incompleteBeta(0, complement: 1, 2, 3) == 0)
    #expect(SpecialFunctions.incompleteBeta(1, complement: 0, 2, 3) == 1)
  }

  @Test func studentsTailsAndQuantilesHaveTheRightValues() {
    let tails: [(t: Double, freedom: Double, tail: Double)] = [
      (0.5, 1, 0.35241638234956674), (2, 3, 0.06966298427942152),
      (-1.3, 4.7, 0.8731513520676949), (2.1, 18, 0.025045202854784173),
      (6, 18, 5.6349855530039275e-06), (4.2, 97.3, 2.9580166468357113e-05),
      (3, 1_000_000, 0.0013499312707109), (12, 9, 3.8499431114928265e-07),
    ]
    for row in tails {
      #expect(agree(StudentT.upperTail(row.t, freedom: row.freedom), row.tail), "\(row)")
    }
    let quantiles: [(tail: Double, freedom: Double, t: Double)] = [
      (0.025, 1, 12.706204736174705), (0.025, 9, 2.2621571627982053),
      (0.025, 18, 2.1009220402410387), (0.2, 18, 0.8620486679895987),
      (0.05, 5.5, 1.9752797040389105), (5e-05, 18, 4.965706285291543),
      (0.8, 7, -0.8960296443137653),
    ]
    for row in quantiles {
      #expect(agree(StudentT.upperQuantile(row.tail, freedom: row.freedom), row.t), "\(row)")
    }
    #expect(StudentT.twoSided(.infinity, freedom: 5) == 0 && StudentT.twoSided(0, freedom: 5) == 1)
    let normal: [(tail: Double, z: Double)] = [
      (0.025, 1.9599639845400545), (0.2, 0.8416212335729142), (0.5, 0),
      (0.9, -1.2815515655446004), (1e-08, 5.612001244174789),
    ]
    for row in normal {
      #expect(agree(Normal.upperQuantile(row.tail), row.z), "\(row)")
      #expect(agree(StudentT.upperQuantile(row.tail, freedom: .infinity), row.z), "\(row)")
      #expect(agree(Normal.cumulative(-row.z), row.tail, 1e-8), "\(row)")
    }
  }
}

@Suite struct RankTestTests {
  /// Held against every way to give signs, or sides.
  @Test func nullDistributionsAreThoseOfAllWays() {
    for count in 1...8 {
      let counts = NullCounts(signedRanksOf: count)
      var sums = [Int](repeating: 0, count: counts.greatest + 1)
      for way in 0..<(1 << count) {
        let positive = (1...count).filter { way >> ($0 - 1) & 1 == 1 }
        sums[positive.reduce(0, +)] += 1
      }
      var below = 0
      for sum in sums.indices {
        below += sums[sum]
        #expect(agree(counts.cumulative(sum), Double(below) / Double(1 << count)))
      }
    }
    for (first, second) in [(1, 1), (2, 3), (4, 4), (3, 6)] {
      let counts = NullCounts(pairsOf: first, second)
      var sums = [Int](repeating: 0, count: counts.greatest + 1)
      var ways = 0
      for way in 0..<(1 << (first + second)) where way.nonzeroBitCount == second {
        ways += 1
        // A bit is a value of the second kind; below it, those of the first are counted.
        var ofFirst = 0
        var sum = 0
        for place in 0..<(first + second) {
          if way >> place & 1 == 1 { sum += ofFirst } else { ofFirst += 1 }
        }
        sums[sum] += 1
      }
      var below = 0
      for sum in sums.indices {
        below += sums[sum]
        #expect(agree(counts.cumulative(sum), Double(below) / Double(ways)), "\(first) \(second)")
      }
    }
    // The least p is of two ways among all: 0.029, 0.0079, 0.0022, as benchstat's table has it.
    for (count, ways) in [(4, 70.0), (5, 252), (6, 924), (7, 3432), (8, 12870)] {
      #expect(agree(NullCounts(pairsOf: count, count).floor, 2 / ways), "\(count)")
    }
    #expect(NullCounts(signedRanksOf: 10).floor == 2.0 / 1024)
    #expect(NullCounts(signedRanksOf: 0).rank(confidence: 0.95) == nil)
  }

  @Test func largeSamplesFollowTheNormalDistribution() {
    let pairs = NullCounts(pairsOf: 60, 60)
    let exact = NullCounts(pairsOf: 50, 50)
    // Of the same standardised place.
    let z = -2.0
    func place(_ count: Int) -> Int {
      let deviation = (Double(count * count) * Double(2 * count + 1) / 12).squareRoot()
      return Int(Double(count * count) / 2 + z * deviation)
    }
    let near = exact.cumulative(place(50))
    #expect((pairs.cumulative(place(60)) - near).magnitude < 0.002)
    #expect(pairs.cumulative(-1) == 0 && pairs.cumulative(3600) == 1)
  }

  @Test func mannWhitneyHasTheRightValues() throws {
    let exact = try #require(MannWhitney.test([1.1, 2.4, 3.6, 2.2, 5.9], [3.2, 6.1, 7.7, 8.9]))
    #expect(exact.statistic == 18 && exact.isExact && agree(exact.p, 0.06349206349206349))
    let tied = try #require(MannWhitney.test([1, 2, 2, 3, 4, 4, 4], [2, 3, 4, 5, 5, 6]))
    #expect(tied.statistic == 32 && !tied.isExact && agree(tied.p, 0.12500621852933796))
    #expect(try #require(MannWhitney.test([3, 3], [3, 3, 3])).p == 1)
    #expect(MannWhitney.test([], [1]) == nil)
  }

  @Test func signedRanksHaveTheRightValues() throws {
    let exact = try #require(SignedRank.test([0.4, -0.1, 1.2, 0.7, -0.3, 0.9, 2.1, 1.4]))
    #expect(exact.statistic == 33 && agree(exact.p, 0.0390625))
    // By every way to give signs.
    let tied = try #require(SignedRank.test([0.5, -0.5, 1, 1, 2, -1, 3, 0]))
    #expect(agree(tied.p, 0.203125) && tied.isExact)
    let large = [
      2.73, 0.94, 1.14, -0.31, -0.31, -1.65, 1.65, -0.1, 0, 0.28, 0.91, -0.06, 0.15, 0.54, 0.4,
      -0.56, 1.2, -1, -0.9, -0.98, 1.27, -0.06, -0.67, -0.84,
    ]
    let asymptotic = try #require(SignedRank.test(large))
    #expect(!asymptotic.isExact && agree(asymptotic.p, 0.5839912168325501))
    #expect(try #require(SignedRank.test([0, 0])).p == 1)
    #expect(SignedRank.test([]) == nil)
  }

  @Test func signFlipsLookAtEveryWay() {
    let differences = [0.4, -0.1, 1.2, 0.7, -0.3, 0.9, 2.1, 1.4]
    #expect(SignFlip.test(differences) == 0.0390625)
    #expect(SignFlip.test([]) == 1 && SignFlip.test([0, 0]) == 1 && SignFlip.test([5]) == 1)
    #expect(SignFlip.test([1, 1, 1, 1, 1, 1]) == 2.0 / 64)
    // More than are looked at: the same for the same seed, and near what the normal says.
    let many = (0..<40).map { Double($0 % 7) - 2.4 }
    let p = SignFlip.test(many, seed: 3)
    #expect(p == SignFlip.test(many, seed: 3) && p != SignFlip.test(many, seed: 4))
    let sum = many.reduce(0, +)
    let deviation = many.reduce(0) { $0 + $1 * $1 }.squareRoot()
    #expect((p - Normal.twoSided(sum / deviation)).magnitude < 0.02, "\(p)")
    #expect(SignFlip.test([Double](repeating: 1, count: 30)) == 1.0 / 10_000, "never 0")
  }
}

@Suite struct HodgesLehmannTests {
  /// The examples of R's wilcox.test, from Hollander and Wolfe.
  @Test func theExamplesOfHollanderAndWolfe() throws {
    let first = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    let second = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    let paired = try #require(HodgesLehmann(differences: zip(second, first).map { $1 - $0 }))
    #expect(agree(paired.shift, 0.46) && agree(paired.p, 0.0390625))
    let interval = try #require(paired.interval())
    #expect(agree(interval.low, 0.01, 1e-6) && agree(interval.high, 0.786, 1e-6))
    let y = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    let x = [1.15, 0.88, 0.90, 0.74, 1.21]
    let samples = try #require(HodgesLehmann(from: x, to: y))
    #expect(agree(samples.shift, 0.305) && agree(samples.p, 0.2544122544122544))
    let wide = try #require(samples.interval())
    #expect(agree(wide.low, -0.15, 1e-6) && agree(wide.high, 0.76, 1e-6))
  }

  @Test func fewValuesHaveNoInterval() throws {
    let five = try #require(HodgesLehmann(differences: [1, 2, 3, 4, 5]))
    #expect(five.interval() == nil && five.interval(confidence: 0.9) != nil && five.shift == 3)
    let six = try #require(HodgesLehmann(differences: [1, 2, 3, 4, 5, 6]))
    #expect(six.interval()?.low == 1 && six.interval()?.high == 6)
    #expect(HodgesLehmann(from: [1, 2, 3], to: [4, 5, 6])?.interval() == nil)
    #expect(HodgesLehmann(from: [1, 2, 3, 4], to: [4, 5, 6, 7])?.interval() != nil)
    #expect(HodgesLehmann(differences: []) == nil && HodgesLehmann(from: [], to: [1]) == nil)
    let many = [Double](repeating: 1, count: HodgesLehmann.greatestCount + 1)
    #expect(HodgesLehmann(differences: many) == nil)
  }

  /// The interval is that of the test: 0 is out of it exactly where p is at most 5 %, ties or not.
  @Test func intervalsInvertTheTest() throws {
    var random = SplitMix64(seed: 9)
    var outside = 0
    for round in 0..<600 {
      let size = 6 + random.index(below: 12)
      // Whole numbers, so that many are tied and many are 0.
      func values(_ shift: Int) -> [Double] {
        (0..<size).map { _ in Double(random.index(below: 9) + shift) }
      }
      let shift = random.index(below: 5) - 2
      let found = try #require(
        round % 2 == 0
          ? HodgesLehmann(differences: values(shift - 4))
          : HodgesLehmann(from: values(0), to: values(shift)))
      let interval = try #require(found.interval())
      let excludes = interval.low > 0 || interval.high < 0
      #expect(excludes == (found.p <= 0.05), "\(interval) \(found.p)")
      #expect(interval.low <= found.shift && found.shift <= interval.high)
      outside += excludes ? 1 : 0
    }
    #expect((50...550).contains(outside))
  }
}

@Suite struct ModeratedTTests {
  /// limma's fitFDist and eBayes, written with SciPy's polygamma.
  @Test func variancesAreModeratedAsLimmaDoesIt() throws {
    let variances = [0.5, 1.2, 0.3, 2.4, 0.9, 4.1, 0.05]
    let prior = VariancePrior(of: variances, freedoms: [4, 4, 4, 4, 4, 4, 4])
    #expect(agree(prior.freedom, 2.1441690388136774, 1e-7))
    #expect(agree(prior.variance, 0.535208857174041, 1e-7))
    let uneven = VariancePrior(of: variances, freedoms: [4, 4, 6, 6, 3, 3, 5])
    #expect(agree(uneven.freedom, 2.030523566811394, 1e-7))
    #expect(agree(uneven.variance, 0.5140013563541185, 1e-7))
    let alike = VariancePrior(of: [1, 1.1, 0.9, 1.05], freedoms: [8, 8, 8, 8])
    #expect(alike.freedom == .infinity && agree(alike.variance, 1.0125))
    #expect(VariancePrior(of: [1, 2], freedoms: [3, 3]).freedom == 0, "too few to have a prior")
    #expect(VariancePrior(of: [0, 0, 0, 2], freedoms: [3, 3, 3, 3]).freedom == 0)
    let rows: [(a: [Double], b: [Double])] = [
      ([1, 2, 1.5], [2.5, 3, 2.9]), ([5, 5.2, 4.9], [5.1, 5, 5.3]),
      ([0.1, 0.9, 0.4], [3, 2.2, 2.9]), ([7, 7.5, 9.5], [7.2, 8.8, 7.9]),
      ([2, 2.01, 1.99], [2.2, 2.21, 2.19]),
    ]
    let plain = rows.compactMap { TEstimate(from: $0.a, to: $0.b) }
    let moderated = TEstimate.moderate(plain)
    let t = [
      4.2577910507707655, 0.8463116886461767, 6.962602943132462, -0.040000145706363406,
      9.058197693167449,
    ]
    let p = [
      0.009665004218834474, 0.4391889027155909, 0.001313674208176731, 0.969770940384007,
      0.0004204528677963473,
    ]
    let own = [
      0.01639536297362545, 0.46760475460939843, 0.0028774769596767898, 0.9720183670705619,
      1.6483088987181035e-05,
    ]
    for place in rows.indices {
      #expect(agree(moderated[place].statistic, t[place], 1e-6))
      #expect(agree(moderated[place].p, p[place], 1e-6))
      #expect(agree(plain[place].p, own[place], 1e-8))
    }
  }

  @Test func intervalsAreStudents() throws {
    let estimate = try #require(
      TEstimate(differences: [0.4, -0.1, 0.2, 0.3, -0.2, 0.1, 0, 0.15]))
    #expect(agree(estimate.p, 0.17811673425752644, 1e-8))
    let interval = estimate.interval()
    #expect(agree(interval.low, -0.0616060549631498, 1e-8))
    #expect(agree(interval.high, 0.2741060549631498, 1e-8))
    let bounds = Statistics.Interval(low: -0.5, high: 0.5)
    #expect(agree(Equivalence.p(estimate, within: bounds), 0.0004313899932178061, 1e-8))
    #expect(Equivalence.holds(estimate.interval(confidence: 0.9), within: bounds))
    let narrow = Statistics.Interval(low: -0.1, high: 0.1)
    #expect(!Equivalence.holds(estimate.interval(confidence: 0.9), within: narrow))
    #expect(Equivalence.p(estimate, within: narrow) > 0.05)
    #expect(TEstimate(differences: [1]) == nil && TEstimate(from: [1], to: [2]) == nil)
  }

  /// Equal values have no spread, whatever rounding makes of their mean.
  @Test func withoutSpreadThereIsNoError() throws {
    let constant = try #require(
      TEstimate(
        from: [Double](repeating: 0.1, count: 10), to: [Double](repeating: 0.3, count: 10)))
    #expect(constant.standardError == 0 && constant.statistic == .infinity && constant.p == 0)
    let none = try #require(TEstimate(differences: [0, 0, 0]))
    #expect(none.statistic == 0 && none.p == 1)
    #expect(Equivalence.p(none, within: Statistics.Interval(low: -1, high: 1)) == 0)
  }

  @Test func whatCouldBeFoundFollowsFromTheError() {
    let least = Equivalence.detectable(standardError: 0.1, freedom: 18, alpha: 0.05)
    #expect(agree(least, 0.2962970708230637, 1e-8))
  }
}

@Suite struct MultiplicityTests {
  /// statsmodels' multipletests.
  @Test func adjustmentsHaveTheRightValues() {
    let p = [0.01, 0.04, 0.03, 0.005, 0.5, 0.03]
    for (found, exact) in zip(Multiplicity.holm(p), [0.05, 0.12, 0.12, 0.03, 0.5, 0.12]) {
      #expect(agree(found, exact))
    }
    let rates = [0.03, 0.048, 0.045, 0.03, 0.5, 0.045]
    for (found, exact) in zip(Multiplicity.benjaminiHochberg(p), rates) {
      #expect(agree(found, exact))
    }
    #expect(Multiplicity.holm([]).isEmpty && Multiplicity.benjaminiHochberg([]).isEmpty)
    #expect(Multiplicity.holm([0.9, 0.8]) == [1, 1])
    #expect(Multiplicity.benjaminiHochberg([0.2]) == [0.2])
  }
}

@Suite struct TrendTests {
  /// kendalltau, and the formula with ties.
  @Test func trendsHaveTheRightValues() throws {
    let exact = try #require(MannKendall([3, 1, 4, 1.5, 5, 9, 2, 6.5, 5.3, 5.8]))
    #expect(exact.statistic == 21 && agree(exact.p, 0.07255015432098766))
    let tied = try #require(MannKendall([1, 1, 2, 3, 3, 3, 4, 5, 4, 6, 7, 7]))
    #expect(tied.statistic == 58 && agree(tied.p, 7.145803798508782e-05))
    #expect(try #require(MannKendall([2, 2, 2, 2])).p == 1)
    #expect(MannKendall([1, 2, 3]) == nil)
    let falling = try #require(MannKendall((0..<30).map { -Double($0) }))
    #expect(falling.statistic == -435 && falling.p < 1e-15)
  }

  @Test func aStepIsFoundWhereItIs() {
    var random = SplitMix64(seed: 17)
    func noise() -> Double { Double(random.index(below: 2001)) / 1000 - 1 }
    let steps = (0..<40).map { 100 + ($0 < 22 ? 0 : 5) + noise() }
    #expect(ChangePoints.find(steps, alpha: 0.01) == [22])
    let twice = (0..<60).map { 100 + ($0 < 20 ? 0 : $0 < 40 ? 5 : -5) + noise() }
    #expect(ChangePoints.find(twice, alpha: 0.01) == [20, 40])
    #expect(ChangePoints.find(twice, seed: 7) == ChangePoints.find(twice, seed: 7))
    #expect(ChangePoints.find([]) == [] && ChangePoints.find([1, 2, 3, 4, 5]) == [])
    #expect(ChangePoints.find([Double](repeating: 4, count: 30)) == [])
  }

  @Test func noiseHasFewSteps() {
    var random = SplitMix64(seed: 23)
    var found = 0
    for _ in 0..<100 {
      let series = (0..<20).map { _ in Double(random.index(below: 1000)) }
      if !ChangePoints.find(series, permutations: 99).isEmpty { found += 1 }
    }
    #expect(found <= 12, "\(found) of 100 at 5 %")
  }
}
