import Foundation
import Testing

@testable import RunAnalysis

/// E-divisive: against values of an independent program, and on seeded series.
@Suite struct ChangePointTests {
  /// Normal noise of a seed, by Box and Muller.
  private struct Noise {
    private var random: SplitMix64

    init(_ seed: UInt64) { random = SplitMix64(seed: seed) }

    private mutating func uniform() -> Double { (Double(random.next() >> 11) + 0.5) * 0x1p-53 }

    mutating func normal() -> Double {
      let radius = (-2 * log(uniform())).squareRoot()
      return radius * cos(2 * Double.pi * uniform())
    }

    mutating func index(below bound: Int) -> Int { random.index(below: bound) }
  }

  /// The places and distances of a program in Python that takes the definition literally, and of
  /// Apache Otava 0.8.0 (`PairDistanceCalculator`, for the whole series).
  @Test func splitsHaveTheRightValues() throws {
    let cases: [(values: [Double], index: Int, distance: Double)] = [
      ([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3], 4, 8.886363636363637),
      ([100, 101, 99.5, 100.5, 99, 100.2, 104, 105.5, 104.8, 105.1, 106, 104.4], 6, 24.24),
      ([7, 7, 8, 7, 7, 8, 8, 7, 9, 9, 9, 10, 9, 9, 9, 10, 9, 9], 8, 12.261022927689593),
      // All digits of the values are needed.
      ([0, 3, 1, 2, 1, 0, 9, 8, 9, 7, 8, 9].map { 1.7e15 + $0 }, 6, 36),
    ]
    for (values, index, distance) in cases {
      let split = try #require(ChangePoints.split(values))
      #expect(split.index == index)
      #expect((split.distance / distance - 1).magnitude < 1e-12, "\(split)")
    }
    #expect(ChangePoints.split([4, 4, 4, 4, 4, 4, 4]) == nil)
    #expect(ChangePoints.split([1, 2, 3, 4, 5]) == nil)
    #expect(ChangePoints.split([1, 2, 3, .infinity, 5, 6, 7]) == nil)
  }

  /// 100,000 permutations in Python gave 0.133, 0.0020 and 0.00008; of twelve values that are apart
  /// it is 2 of 924 orders of two halves.
  @Test func theProbabilityIsThatOfRandomOrders() throws {
    func p(_ values: [Double], at index: Int) throws -> Double {
      let changes = ChangePoints.changes(values, alpha: 1, permutations: 9999)
      return try #require(changes.first { $0.index == index }).p
    }
    let apart: [Double] = [100, 101, 99.5, 100.5, 99, 100.2, 104, 105.5, 104.8, 105.1, 106, 104.4]
    #expect((try p(apart, at: 6) - 2.0 / 924).magnitude < 0.0014)
    let mixed: [Double] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3]
    #expect((try p(mixed, at: 4) - 0.133).magnitude < 0.011)
    let tied: [Double] = [7, 7, 8, 7, 7, 8, 8, 7, 9, 9, 9, 10, 9, 9, 9, 10, 9, 9]
    #expect(try p(tied, at: 8) < 0.0006)
  }

  /// A step of 5 % in forty runs, with 1 and 2 % of noise between them. Of 2,000 series each, with
  /// 999 permutations, 100 % and 96 % have it within two runs: fewer than 34 of 40 would be no
  /// chance.
  @Test(arguments: [(noise: 0.01, least: 40), (0.02, 34)])
  func aStepOfFivePercentIsFoundWithinTwoRuns(_ noise: Double, _ least: Int) {
    var near = 0
    for seed in 0..<40 {
      var source = Noise(UInt64(seed))
      let step = 8 + source.index(below: 25)
      let values = (0..<40).map { run in
        1.7e9 * (run < step ? 1 : 1.05) * (1 + noise * source.normal())
      }
      let found = ChangePoints.changes(values, alpha: 0.01, permutations: 499)
      if found.contains(where: { abs($0.index - step) <= 2 }) { near += 1 }
    }
    #expect(near >= least, "\(near) of 40")
  }

  /// At most 1 % at 1 %; of 4,000 series, with 999 permutations, 0.95 % have one.
  @Test func constantSeriesHaveFewChanges() {
    var found = 0
    for seed in 0..<300 {
      var source = Noise(1000 + UInt64(seed))
      // Every third is of few values, with ties; every other third has heavy tails.
      let values = (0..<20).map { _ -> Double in
        let normal = source.normal()
        return switch seed % 3 {
        case 0: 1e9 * (1 + 0.02 * normal)
        case 1: (10 + 2 * normal).rounded()
        default: exp(2 * normal)
        }
      }
      if !ChangePoints.changes(values, alpha: 0.01, permutations: 199).isEmpty { found += 1 }
    }
    #expect(found <= 8, "\(found) of 300 at 1 %")
  }

  @Test func fewerRunsThanATestNeedsShowNoChange() {
    #expect(ChangePoints.fewest(alpha: 0.01) == 10)
    #expect(ChangePoints.fewest(alpha: 0.05) == 8)
    func step(_ count: Int) -> [Double] {
      (0..<count).map { index in Double(index < count / 2 ? index : index + 1000) }
    }
    #expect(ChangePoints.changes(step(9), alpha: 0.01, permutations: 999).isEmpty)
    let found = ChangePoints.changes(step(12), alpha: 0.01, permutations: 999)
    #expect(found.map(\.index) == [6])
    #expect(found.allSatisfy { $0.p <= 0.01 && $0.p >= 0.001 })
    // No test at this level can succeed with so few permutations.
    #expect(ChangePoints.changes(step(40), alpha: 0.01, permutations: 50).isEmpty)
  }

  @Test func whatCannotBeTestedHasNoChange() {
    #expect(ChangePoints.changes([], alpha: 0.01, permutations: 99).isEmpty)
    let still = [Double](repeating: 5e15, count: 50)
    #expect(ChangePoints.changes(still, alpha: 1, permutations: 9).isEmpty)
    var odd: [Double] = []
    for index in 0..<40 { odd.append(Double(index * 7 % 5 + (index < 20 ? 0 : 1000))) }
    #expect(ChangePoints.changes(odd, alpha: 0.01, permutations: 199).map(\.index) == [20])
    odd[7] = .nan
    #expect(ChangePoints.changes(odd, alpha: 0.01, permutations: 199).isEmpty)
    let long = (0...ChangePoints.longest).map { Double($0) }
    #expect(ChangePoints.changes(long, alpha: 0.01, permutations: 199).isEmpty)
  }
}
