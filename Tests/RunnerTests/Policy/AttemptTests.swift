import Glibc
import RunAnalysis
import Runner
import SampleModel
import TestSupport
import Testing

@Suite struct AttemptTests {
  private func policy(_ change: (inout AttemptPolicy) -> Void) -> AttemptPolicy {
    var policy = AttemptPolicy()
    change(&policy)
    return policy
  }

  private func finding(_ gate: String, isTransient: Bool) -> GateFinding {
    GateFinding(gate: gate, severity: .block, message: gate, isTransient: isTransient)
  }

  /// How many attempts are made when each comes to the same.
  private func attempts(_ policy: AttemptPolicy, _ verdict: AttemptVerdict) -> Int {
    var machine = AttemptMachine(policy)
    while case .again = machine.decide(verdict) {}
    return machine.attempts
  }

  @Test func whatHasBegunIsNotTriedAgainUnlessItMayBe() {
    #expect(attempts(policy { $0.retries = 3 }, .init(.failed)) == 1)
    #expect(attempts(policy { $0.isIdempotent = true }, .init(.failed)) == 1)
    let both = policy {
      $0.isIdempotent = true
      $0.retries = 3
    }
    #expect(attempts(both, .init(.failed)) == 4)
    #expect(attempts(both, .init(.timeout)) == 4)
    #expect(attempts(both, .init(.interrupted)) == 1)
    #expect(attempts(both, .init(.completed)) == 1)
  }

  @Test func idleEndsHaveTheirOwnRetries() {
    var idle = AttemptVerdict(.timeout)
    idle.isIdle = true
    let own = policy {
      $0.isIdempotent = true
      $0.retries = 1
      $0.idleRetries = 3
    }
    #expect(attempts(own, idle) == 4)
    #expect(attempts(own, .init(.timeout)) == 2, "its other limit")
    #expect(attempts(policy { $0.idleRetries = 3 }, idle) == 1, "not unless it may be repeated")
    let shared = policy {
      $0.isIdempotent = true
      $0.retries = 2
    }
    #expect(attempts(shared, idle) == 3)
    // Neither uses up the other's.
    var machine = AttemptMachine(own)
    let turns = [idle, .init(.failed), idle, idle, idle].map { machine.decide($0) }
    #expect(turns.dropLast().allSatisfy { $0 != .accept } && turns.last == .accept, "\(turns)")
    guard case .again(let pause, let reason) = turns[2] else { return }
    #expect(pause == 5_000_000_000, "the second idle end's turn")
    #expect(reason == "was ended by --idle-timeout: retry")
  }

  @Test func pausesGrowAndTheLastIsRepeated() {
    var machine = AttemptMachine(
      policy {
        $0.isIdempotent = true
        $0.retries = 5
      })
    let pauses = (0..<6).map { _ -> UInt64? in
      if case .again(let pause, _) = machine.decide(.init(.failed)) { pause } else { nil }
    }
    #expect(pauses == [0, 5_000_000_000, 15_000_000_000, 15_000_000_000, 15_000_000_000, nil])
  }

  @Test func startsThatMayComeLaterAreTriedWhateverThePolicy() {
    #expect(attempts(AttemptPolicy(), .init(.failed, failedToStart: true)) == 6)
  }

  @Test func disturbedRepetitionsAreRepeatedThreeTimes() {
    let policy = policy { $0.isIdempotent = true }
    let noisy = AttemptVerdict(.completed, findings: [finding("foreign_cpu", isTransient: true)])
    #expect(attempts(policy, noisy) == 4)
    #expect(attempts(AttemptPolicy(), noisy) == 1, "it may have done something")
    let lasting = AttemptVerdict(.completed, findings: [finding("own_cost", isTransient: false)])
    #expect(attempts(policy, lasting) == 2, "what comes again comes again")
  }

  @Test func attemptsOfEarlierSessionsCount() {
    func earlier(_ status: RunStatus, contaminated: Bool = false) -> AttemptResult {
      var attempt = AttemptResult(attempt: 1)
      attempt.status = status
      attempt.contamination = contaminated ? ["noise"] : []
      return attempt
    }
    var policy = AttemptPolicy()
    policy.isIdempotent = true
    policy.retries = 2
    var machine = AttemptMachine(policy, after: [earlier(.failed), earlier(.interrupted)])
    #expect(machine.decide(AttemptVerdict(.failed)) != .accept, "the second of two retries")
    #expect(machine.decide(AttemptVerdict(.failed)) == .accept)
    policy.maximum = 3
    machine = AttemptMachine(
      policy, after: [earlier(.completed, contaminated: true), earlier(.failed)])
    #expect(machine.attempts == 2 && machine.decide(AttemptVerdict(.failed)) == .accept)
  }

  @Test func oneBoundHoldsForAllCauses() {
    let policy = policy {
      $0.isIdempotent = true
      $0.retries = 100
      $0.contaminatedRepeats = 100
      $0.maximum = 7
    }
    var machine = AttemptMachine(policy)
    let noisy = AttemptVerdict(.completed, findings: [finding("steal", isTransient: true)])
    let turns = [noisy, .init(.failed), .init(.failed, failedToStart: true)]
    var turn = 0
    while case .again = machine.decide(turns[turn % 3]) { turn += 1 }
    #expect(machine.attempts == 7)
  }

  /// A second on two CPUs, of which the workload used 0.9 s.
  private func attempt(_ change: (inout AttemptResult) -> Void = { _ in }) -> AttemptResult {
    var attempt = AttemptResult(attempt: 1)
    attempt.status = .completed
    attempt.bracketNanoseconds = 1_000_000_000
    attempt.userNanoseconds = 800_000_000
    attempt.systemNanoseconds = 100_000_000
    attempt.metrics = [
      "cpu.user[all]": 0.8e9, "cpu.system[all]": 0.12e9, "cpu.idle[all]": 1.08e9,
      "cpu.steal[all]": 0,
    ]
    var thread = ThreadLedger(thread: 0, cpu: 1)
    thread.ticks.deadlines = 10
    thread.ticks.onTime = 10
    attempt.ledger = Ledger(threads: [thread])
    var overhead = Overhead()
    overhead.processNanoseconds = 10_000_000
    overhead.elapsedNanoseconds = 1_000_000_000
    attempt.overhead = overhead
    change(&attempt)
    return attempt
  }

  private func gates(_ attempt: AttemptResult, cpus: [Int]? = nil) -> [String] {
    RepetitionGates.findings(attempt, GateLimits(), workloadCPUs: cpus).map(\.gate)
  }

  @Test func aQuietRepetitionIsClean() { #expect(gates(attempt()).isEmpty) }

  @Test func eachDisturbanceIsFound() {
    #expect(gates(attempt { $0.metrics["cpu.user[all]"] = 1.1e9 }) == ["foreign_cpu"])
    #expect(
      gates(attempt { $0.metrics["cpu.steal[all]"] = 0.2e9 }) == ["steal"])
    #expect(gates(attempt { $0.ledger.threads[0].ticks.skipped = 4 }) == ["deadlines"])
    #expect(gates(attempt { $0.ledger.threads[0].ring.dropped = 1 }) == ["drops"])
    func losing(_ dropped: Double) -> [String] {
      gates(
        attempt {
          $0.metrics["packets.received[eth0]"] = 1000
          $0.metrics["packets.dropped_socket[eth0]"] = dropped
        })
    }
    #expect(losing(11) == ["packets"] && losing(10).isEmpty)
    #expect(gates(attempt { $0.overhead?.processNanoseconds = 200_000_000 }) == ["own_cost"])
    #expect(
      gates(attempt { $0.metrics["frequency.core_throttle_count[0]"] = 1 }) == ["throttling"])
  }

  /// Clocks of threads need no tolerance; what opens and closes a short bracket disturbs nobody.
  @Test func theLimitOfOwnCostIsTheSameForShortRepetitions() {
    for wall in [2_000_000, 36_000_000, 4_000_000_000] as [UInt64] {
      let short = attempt {
        $0.wallNanoseconds = wall
        $0.overhead?.elapsedNanoseconds = wall
        $0.overhead?.processNanoseconds = wall / 4
      }
      func gates(_ ownCPU: UInt64?) -> [String] {
        RepetitionGates.findings(short, GateLimits(), workloadCPUs: nil, ownCPUNanoseconds: ownCPU)
          .map(\.gate).filter { $0 == "own_cost" }
      }
      #expect(gates(wall * 4 / 100).isEmpty)
      #expect(gates(wall * 6 / 100) == ["own_cost"])
      #expect(gates(nil) == ["own_cost"])
    }
  }

  @Test func manyCPUsHideNobody() {
    func host(others: Double, stolen: Double = 0) -> AttemptResult {
      attempt { attempt in
        for cpu in 0..<64 { attempt.metrics["cpu.idle[\(cpu)]"] = 0.9e9 }
        attempt.metrics["cpu.user[all]"] = 0.8e9 + others
        attempt.metrics["cpu.steal[all]"] = stolen
      }
    }
    // A tenth of a CPU is allowed, and three ticks of each of 64 may be wrong: together less.
    #expect(gates(host(others: 0.3e9)).isEmpty)
    #expect(gates(host(others: 0.4e9)) == ["foreign_cpu"])
    #expect(gates(host(others: 0, stolen: 1.5e9)).isEmpty)
    #expect(gates(host(others: 0, stolen: 1.6e9)) == ["steal"])
  }

  @Test func aGateMayBeNotedOnly() {
    let disturbed = attempt {
      $0.metrics["cpu.user[all]"] = 1.1e9
      $0.ledger.threads[0].ring.dropped = 1
    }
    func severities(_ noted: Set<String>) -> [String: GateFinding.Severity] {
      var limits = GateLimits()
      limits.noted = noted
      let found = RepetitionGates.findings(disturbed, limits, workloadCPUs: nil)
      return Dictionary(uniqueKeysWithValues: found.map { ($0.gate, $0.severity) })
    }
    #expect(severities([]) == ["foreign_cpu": .block, "drops": .block])
    #expect(severities(["foreign_cpu"]) == ["foreign_cpu": .note, "drops": .block])
  }

  @Test func everyGateHasAName() {
    let disturbed = attempt {
      $0.metrics["cpu.user[all]"] = 1.9e9
      $0.metrics["cpu.steal[all]"] = 0.2e9
      $0.metrics["frequency.core_throttle_count[0]"] = 1
      $0.metrics["perf.running[x]"] = 0.1
      $0.metrics["packets.received[eth0]"] = 1000
      $0.metrics["packets.dropped_socket[eth0]"] = 500
      $0.ledger.threads[0].ring.dropped = 1
      $0.ledger.threads[0].ticks.skipped = 9
      $0.overhead?.processNanoseconds = 300_000_000
    }
    var limits = GateLimits()
    limits.running = 0.5
    let found = RepetitionGates.findings(disturbed, limits, workloadCPUs: nil)
    #expect(Set(found.map(\.gate)) == RepetitionGates.names)
  }

  @Test func onlyTheWorkloadsCPUsCountWhereItHasItsOwn() {
    let busyElsewhere = attempt {
      $0.metrics["cpu.user[0]"] = 0.8e9
      $0.metrics["cpu.system[0]"] = 0.1e9
      $0.metrics["cpu.idle[0]"] = 0
      $0.metrics["cpu.user[1]"] = 1e9
      $0.metrics["cpu.idle[1]"] = 0
      $0.metrics["cpu.user[all]"] = 1.8e9
    }
    #expect(gates(busyElsewhere, cpus: [0]).isEmpty)
    #expect(gates(busyElsewhere) == ["foreign_cpu"])
  }

  @Test func withoutNumbersNothingIsFound() {
    #expect(gates(attempt { $0.metrics = [:] }).isEmpty, "absent is not zero")
    #expect(gates(attempt { $0.userNanoseconds = nil }).isEmpty)
  }

  @Test(arguments: [
    ("ci<=1%", "wall_time", 0.01), ("ci(workload.iops) <= 2.5%", "workload.iops", 0.025),
  ]) func precisionIsRead(_ text: String, _ metric: String, _ width: Double) throws {
    let precision = try #require(Precision(text))
    #expect(precision.metric == metric && precision.width == width)
  }

  @Test(arguments: ["", "ci", "ci<1%", "ci()<=1%", "ci<=1", "wall<=1%", "ci<=0%"])
  func whatIsNoPrecisionIsNone(_ text: String) { #expect(Precision(text) == nil) }

  @Test func precisionIsReachedByEnoughCloseValues() throws {
    let precision = try #require(Precision("ci<=1%"))
    #expect(!precision.isReached(by: [100, 100, 100, 100, 100], looks: 1), "too few")
    #expect(precision.isReached(by: [100, 100, 100.1, 100, 99.9, 100], looks: 1))
    #expect(!precision.isReached(by: [100, 100, 100.1, 100, 99.9, 100], looks: 10), "too few")
    #expect(!precision.isReached(by: [100, 120, 80, 100, 90, 110], looks: 1))
  }

  @Test func looksAreFewAndCountedBeforehand() {
    #expect(Precision.looks(from: 10, to: 100) == [10, 15, 23, 35, 53, 80, 100])
    #expect(Precision.looks(from: 1, to: 10) == [6, 9, 10])
    #expect(Precision.looks(from: 200, to: 100) == [200])
    for last in [7, 100, 1000, 1_000_000] {
      let looks = Precision.looks(from: 6, to: last)
      #expect(looks.count <= Precision.mostLooks + 1 && looks.last == last)
      #expect(zip(looks, looks.dropFirst()).allSatisfy { $0 < $1 })
    }
  }

  /// At the repetition where it stops, the interval encloses the median in 95 % of the runs at the
  /// least: the looks share the error. With a 95 % interval at each repetition it would not.
  @Test func theIntervalHoldsWhereRepetitionsStop() {
    var random = SplitMix64(seed: 11)
    func value() -> Double {
      // Skewed, with a median of e^0 = 1: the sum of twelve uniform numbers is nearly normal.
      let normal = (0..<12).reduce(-6.0) { sum, _ in
        sum + Double(random.index(below: 1 << 30)) / Double(1 << 30)
      }
      return exp(normal / 4)
    }
    let looks = Precision.looks(from: 6, to: 120)
    let shared = Precision.confidence(ofLooks: looks.count)
    var (held, heldAtEach) = (0, 0)
    let rounds = 600
    for _ in 0..<rounds {
      let values = (0..<120).map { _ in value() }
      func holds(_ counts: [Int], _ confidence: Double) -> Bool {
        for count in counts {
          let interval = Statistics.medianInterval(
            Array(values[..<count]), confidence: confidence)
          guard let interval else { continue }
          let isNarrow = interval.high - interval.low <= 0.25
          if isNarrow || count == 120 { return interval.low <= 1 && 1 <= interval.high }
        }
        return true
      }
      if holds(looks, shared) { held += 1 }
      if holds(Array(6...120), 0.95) { heldAtEach += 1 }
    }
    #expect(Double(held) >= 0.95 * Double(rounds), "\(held)")
    #expect(heldAtEach < held, "\(heldAtEach)")
  }
}

/// Retries of idle ends, with mocks of what is run.
@Suite struct IdleRetryTests {
  private func idle() -> AttemptOutcome {
    var idle = outcome(.timeout, LBError(.workload, "it did nothing"))
    idle.wasIdle = true
    return idle
  }

  @Test(arguments: [(3, RunStatus.completed, 3), (1, .timeout, 2), (0, .timeout, 1)])
  func anIdleEndIsTriedAgainAsItsOwnPolicySays(
    _ retries: Int, _ status: RunStatus, _ count: Int
  ) throws {
    let spawner = FakeSpawner()
    let context = try context(spawner, repetitions: 1) {
      $0.attempts.isIdempotent = true
      $0.attempts.idleRetries = retries
      // What fails otherwise is not tried again.
      $0.attempts.retries = 0
    }
    let executor = FakeExecutor([idle(), idle(), outcome(.completed)])
    let result = RunController(
      context, executor: executor, collectors: FakeCollectors(spawner)
    ).run(session())
    #expect(result.status == status)
    #expect(executor.attempts.map(\.attempt) == Array(1...count))
  }
}
