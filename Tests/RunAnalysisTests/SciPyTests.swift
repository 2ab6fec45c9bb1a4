import Foundation
import Testing

@testable import RunAnalysis

/// Every statistic against SciPy on random inputs, where SciPy is.
@Suite struct SciPyTests {
  /// One input and what is made of it here.
  private struct Case: Encodable {
    var a: [Double]
    var b: [Double]
    var freedom: Double
    var isSignedRankExact: Bool
    var isMannWhitneyExact: Bool
  }

  private static let program = """
    import json, sys
    import numpy as np
    from scipy import special, stats
    out = []
    for c in json.load(open(sys.argv[1])):
        a, b, df = np.array(c["a"]), np.array(c["b"]), c["freedom"]
        n = min(len(a), len(b))
        d = b[:n] - a[:n]
        pooled = stats.ttest_ind(b, a)
        paired = stats.ttest_1samp(d, 0)
        p = np.array([pooled.pvalue, paired.pvalue, 0.01, 0.2])
        out.append([
            stats.mannwhitneyu(
                b, a, method="exact" if c["isMannWhitneyExact"] else "asymptotic").pvalue,
            stats.wilcoxon(
                d, method="exact" if c["isSignedRankExact"] else "asymptotic",
                correction=True).pvalue,
            pooled.pvalue, paired.pvalue,
            paired.confidence_interval(0.9).low, pooled.confidence_interval(0.95).high,
            stats.kendalltau(np.arange(len(a)), a, method="exact").pvalue,
            stats.t.sf(a[0], df), stats.t.isf(0.01 + abs(np.sin(a[1])) * 0.4, df),
            special.betainc(df, 2 + abs(a[2]), 0.5), special.gammaln(df),
            special.digamma(df), special.polygamma(1, df),
            *stats.false_discovery_control(p),
        ])
    print(json.dumps([[float(x) for x in row] for row in out]))
    """

  /// Runs Python; nil where it cannot do this.
  private func python(_ arguments: [String]) throws -> Data? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3"] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return process.terminationStatus == 0 ? bytes : nil
  }

  @Test func everyStatisticIsScipys() throws {
    guard try python(["-c", "from scipy.stats import false_discovery_control"]) != nil else {
      try Test.cancel("SciPy is not installed")
    }
    var random = SplitMix64(seed: 41)
    func uniform() -> Double { (Double(random.next() >> 11) + 0.5) * 0x1p-53 }
    let cases = (0..<1000).map { _ -> Case in
      let first = 5 + random.index(below: 36)
      let second = 5 + random.index(below: 36)
      let shift = uniform() - 0.5
      func values(_ count: Int, _ shift: Double) -> [Double] {
        // The sum of four: near to normal, and never tied.
        (0..<count).map { _ in uniform() + uniform() - uniform() - uniform() + shift }
      }
      return Case(
        a: values(first, 0), b: values(second, shift), freedom: 0.5 + 60 * uniform(),
        isSignedRankExact: min(first, second) <= SignFlip.exactLimit,
        isMannWhitneyExact: max(first, second) <= MannWhitney.exactLimit)
    }
    let file = FileManager.default.temporaryDirectory
      .appendingPathComponent("lbsample-scipy-\(ProcessInfo.processInfo.processIdentifier).json")
    defer {
      do { try FileManager.default.removeItem(at: file) } catch {
        Issue.record("\(file.path): \(error)")
      }
    }
    try JSONEncoder().encode(cases).write(to: file)
    let bytes = try #require(try python(["-c", Self.program, file.path]))
    let exact = try JSONDecoder().decode([[Double]].self, from: bytes)
    #expect(exact.count == cases.count)
    for (one, row) in zip(cases, exact) {
      let found = try statistics(one)
      #expect(found.count == row.count)
      for (place, (mine, theirs)) in zip(found, row).enumerated() {
        let tolerance = 1e-8 * max(theirs.magnitude, 1e-3)
        #expect((mine - theirs).magnitude <= tolerance, "\(place): \(mine), \(theirs)")
      }
    }
  }

  /// The same numbers as the program's, in its order.
  private func statistics(_ one: Case) throws -> [Double] {
    let (a, b, freedom) = (one.a, one.b, one.freedom)
    let differences = zip(a, b).map { $1 - $0 }
    let ranks = try #require(MannWhitney.test(a, b))
    let signed = try #require(SignedRank.test(differences))
    #expect(ranks.isExact == one.isMannWhitneyExact && signed.isExact == one.isSignedRankExact)
    let pooled = try #require(TEstimate(from: a, to: b))
    let paired = try #require(TEstimate(differences: differences))
    let trend = try #require(MannKendall(a))
    let rates = Multiplicity.benjaminiHochberg([pooled.p, paired.p, 0.01, 0.2])
    let tail = 0.01 + sin(a[1]).magnitude * 0.4
    return [
      ranks.p, signed.p, pooled.p, paired.p, paired.interval(confidence: 0.9).low,
      pooled.interval(confidence: 0.95).high, trend.p,
      StudentT.upperTail(a[0], freedom: freedom),
      StudentT.upperQuantile(tail, freedom: freedom),
      SpecialFunctions.incompleteBeta(0.5, complement: 0.5, freedom, 2 + a[2].magnitude),
      SpecialFunctions.logGamma(freedom), SpecialFunctions.digamma(freedom),
      SpecialFunctions.trigamma(freedom),
    ] + rates
  }
}
