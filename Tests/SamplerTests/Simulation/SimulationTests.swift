import TestSupport
import Testing

/// Whole sessions by seeds; `make simulate` runs thousands.
@Suite struct SimulationTests {
  @Test func sessionsKeepTheirPromisesWhateverHappens() {
    var counts: [String: Int] = [:]
    for seed in 1...200 as ClosedRange<UInt64> {
      let summary = SamplerSimulation.run(seed: seed)
      #expect(summary.faults.isEmpty, "make simulate SEEDS=1 FIRST=\(seed)")
      counts.merge(summary.counts, uniquingKeysWith: +)
    }
    // The seeds reach what they are there for.
    for what in [
      "frames", "gaps", "layouts", "record batches", "dropped records", "late deadlines",
      "skipped deadlines", "brackets without a stop", "rings grown", "hangs",
      "preparations that hang",
      "threads left alone", "sessions with a silent thread", "events of note",
    ] {
      #expect(counts[what, default: 0] > 0, "no seed reaches \(what)")
    }
  }

  @Test(arguments: [1, 7, 29, 173] as [UInt64])
  func theSameSeedGivesTheSameSession(seed: UInt64) {
    let first = SamplerSimulation.run(seed: seed, isLogged: true)
    let second = SamplerSimulation.run(seed: seed, isLogged: true)
    #expect(first.trace == second.trace && first.counts == second.counts)
    #expect(first.log == second.log)
    #expect(first.trace != SamplerSimulation.run(seed: seed + 1).trace)
  }
}
