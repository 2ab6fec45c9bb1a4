import Glibc
import SampleModel
import TestSupport
import Testing

@testable import RunAnalysis

/// How much runs of the same differ, and what is said of two runs in its light.
@Suite struct SessionNoiseTests {
  private func session(_ identity: String, _ wall: Double) -> SessionNoise.Session {
    SessionNoise.Session(identity: identity, medians: [RunSummary.wallTime: wall, "vm.zero": 0])
  }

  /// Pairs of sessions whose logarithms differ by `difference`, each of a thing of its own.
  private func pairs(_ count: Int, _ difference: Double) -> SessionNoise {
    SessionNoise(
      (0..<count).flatMap { place in
        let mean = 1e9 * Double(place + 1)
        return [
          session("\(place)", mean), session("\(place)", mean * exp(difference)),
        ]
      })
  }

  @Test func itIsTheRootOfHalfTheMeanSquareOfPairs() throws {
    let bound = try #require(pairs(6, 0.02).bound(of: RunSummary.wallTime))
    #expect(bound.pairs == 6)
    #expect((bound.deviation - 0.02 / 2.0.squareRoot()).magnitude < 1e-12)
    // The two-sided 95 % quantile of t at 6 degrees of freedom is 2.446912 (tables).
    #expect((bound.reach - 2.446912 * 0.02).magnitude < 1e-7)
    let three = SessionNoise([1, 2, 4].map { session("a", $0) })
    #expect(three.pairs(of: RunSummary.wallTime) == 2, "of three sessions two are free")
    #expect(three.bound(of: RunSummary.wallTime) == nil)
  }

  @Test func fewPairsAndSessionsByThemselvesSayNothing() {
    #expect(pairs(4, 0.02).bound(of: RunSummary.wallTime) == nil)
    #expect(pairs(5, 0.02).bound(of: RunSummary.wallTime) != nil)
    #expect(pairs(5, 0.02).bound(of: "vm.zero") == nil, "zero has no logarithm")
    #expect(pairs(5, 0.02).bound(of: "other") == nil)
    let lone = SessionNoise((0..<20).map { session("\($0)", 1) })
    #expect(lone.pairs(of: RunSummary.wallTime) == 0)
  }

  /// Two runs that differ by 5 %.
  private func compared(
    _ noise: SessionNoise, paired: Bool = false
  ) throws -> (pair: Comparison.Pair, row: Comparison.Row) {
    var made = MadeSides(seed: 5)
    let a = made.values(10, 1e9, 0.005)
    let b = made.values(10, 1.05e9, 0.005)
    let comparison = try Comparison(
      base: MadeSides.side("a", ["wall_time": a], paired: paired ? 0 : nil),
      others: [MadeSides.side("b", ["wall_time": b], paired: paired ? 1 : nil)], noise: noise)
    let pair = comparison.pairs[0]
    return (pair, try #require(pair.rows.first))
  }

  @Test func twoRunsAreSlowerOnlyAboveKnownNoise() throws {
    let unknown = try compared(SessionNoise([]))
    #expect(unknown.row.verdict == .changed && unknown.pair.isBetter(unknown.row) == nil)
    #expect(unknown.pair.sessionPairs == 0 && unknown.row.betweenSessions == nil)
    let quiet = try compared(pairs(8, 0.005))
    #expect(quiet.row.verdict == .changed && quiet.pair.isBetter(quiet.row) == false)
    #expect(quiet.pair.sessionPairs == 8 && quiet.row.exceedsSessions)
    let loud = try compared(pairs(8, 0.05))
    #expect(loud.row.verdict == .changed && loud.pair.isBetter(loud.row) == nil)
    #expect(loud.row.betweenSessions != nil && !loud.row.exceedsSessions)
    let paired = try compared(pairs(8, 0.5), paired: true)
    #expect(paired.pair.isBetter(paired.row) == false, "one session has no noise between sessions")
    #expect(paired.pair.sessionPairs == nil && paired.row.betweenSessions == nil)
  }

  // MARK: What was measured

  private func result(
    _ run: String, _ change: (inout RunResult) -> Void = { _ in }
  ) -> ComparedPhase {
    var result = RunResult(runID: run, name: "t", kind: "run", startUnixNanoseconds: 1)
    result.host = ["kernel": "6.1", "boot_id": run]
    result.labels = ["branch": run]
    var phase = PhaseResult(name: "main", command: ["work"])
    var provenance = PhaseProvenance()
    provenance.executable = PhaseProvenance.File(path: "/bin/work", sha256: "aa")
    provenance.inputs = [PhaseProvenance.File(path: "/data", sha256: "bb")]
    provenance.environment = ["SSH_TTY": run, "KEY": "***"]
    phase.provenance = provenance
    for number in 1...2 {
      var repetition = RepetitionResult(repetition: number, warmUp: false)
      repetition.status = .completed
      var attempt = AttemptResult(attempt: 1)
      attempt.status = .completed
      attempt.wallNanoseconds = 10
      attempt.bracket = UInt32(number)
      attempt.startUnixNanoseconds = UInt64(100 * number)
      repetition.attempts = [attempt]
      phase.repetitions.append(repetition)
    }
    result.phases = [phase]
    change(&result)
    return ComparedPhase(result, result.phases[0], version: "0.1.0", resolutions: [:])
  }

  @Test func sessionsOfTheSameHaveOneIdentity() throws {
    let one = result("r1")
    #expect(one.identity != nil && one.identity == result("r2").identity)
    let others: [(inout RunResult) -> Void] = [
      { $0.phases[0].command = ["other"] }, { $0.host["kernel"] = "6.2" },
      { $0.phases[0].provenance?.executable?.sha256 = "ab" },
      { $0.phases[0].provenance?.inputs[0].sha256 = "bc" },
      { $0.phases[0].name = "load" },
      {
        $0.configuration = [
          ConfigurationEntry(key: "run.interval", value: "1s", origin: "default")
        ]
      },
    ]
    for change in others { #expect(result("r2", change).identity != one.identity) }
    #expect(result("r2") { $0.phases[0].provenance = nil }.identity == nil)
  }

  @Test func contentsThatDifferAreToldAndUnknownOnesAreNot() throws {
    func names(_ other: ComparedPhase) -> [String] {
      ComparisonMatch.differences(
        ComparedSide(name: "a", phases: [result("r1")]),
        ComparedSide(name: "b", phases: [other])
      ).map(\.name)
    }
    let changed = result("r2") {
      $0.phases[0].command = ["other"]
      $0.phases[0].provenance?.executable?.sha256 = "ab"
      $0.phases[0].provenance?.inputs[0].sha256 = nil
      $0.phases[0].provenance?.environment["KEY"] = "1234"
    }
    #expect(
      names(changed) == [
        "command", "variable SSH_TTY", "executable", "input /data", "label branch", "host boot_id",
      ])
    let unknown = result("r2") { $0.phases[0].provenance = nil }
    #expect(names(unknown) == ["label branch", "host boot_id"])
  }

  /// What two phases of one run were taken from is a session of its own.
  @Test func phasesThatWereTakenAreComparedByWhereTheyWereMeasured() throws {
    func taken(_ run: String, _ name: String, _ shift: UInt64) -> ComparedPhase {
      result(run) {
        $0.phases[0].name = name
        $0.phases[0].provenance?.takenFrom = "r0"
        for place in 0..<2 {
          $0.phases[0].repetitions[place].attempts[0].bracket = nil
          $0.phases[0].repetitions[place].attempts[0].startUnixNanoseconds += shift
        }
      }
    }
    func design(_ a: ComparedPhase, _ b: ComparedPhase) throws -> Comparison.Design {
      try Comparison(
        base: ComparedSide(name: "a", phases: [a]), others: [ComparedSide(name: "b", phases: [b])]
      ).pairs[0].design
    }
    #expect(try design(taken("r1", "a", 0), taken("r1", "b", 10)) == .paired)
    #expect(try design(taken("r1", "a", 0), result("r1") { $0.phases[0].name = "b" }) == .separate)
    let error = #expect(throws: LBError.self) {
      try design(taken("r1", "a", 0), taken("r2", "a", 0))
    }
    #expect(error?.message.contains("both sides") == true)
  }

  /// Turns of A B B A are pairs, and a steady drift is none of their difference.
  @Test func turnsThatChangeTheirOrderArePairs() throws {
    func side(_ name: String, _ places: [UInt64], _ factor: Double) -> ComparedSide {
      let repetitions = places.enumerated().map { index, place in
        // 1 % more each time that anything is executed.
        ComparedRepetition(
          number: index + 1, order: place,
          values: ["wall_time": 1e9 * factor * (1 + 0.01 * Double(place))])
      }
      return ComparedSide(
        name: name,
        phases: [ComparedPhase(run: "r", phase: name, repetitions: repetitions)])
    }
    let a = side("a", [1, 4, 5, 8, 9, 12, 13, 16], 1)
    let b = side("b", [2, 3, 6, 7, 10, 11, 14, 15], 1.1)
    let pair = try Comparison(base: a, others: [b]).pairs[0]
    #expect(pair.design == .paired && pair.counts == (8, 8))
    let row = try #require(pair.rows.first)
    #expect(row.verdict == .changed && row.effect.map { ($0.value - 0.1).magnitude < 0.02 } == true)
    let same = try Comparison(base: a, others: [side("c", [2, 3, 6, 7, 10, 11, 14, 15], 1)])
    #expect(same.pairs[0].rows.first.map { $0.verdict != .changed } == true)
  }
}
