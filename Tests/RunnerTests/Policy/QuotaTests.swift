import RunStore
import Runner
import SampleModel
import TestSupport
import Testing

@Suite struct QuotaTests {
  private func quota(_ change: (inout QuotaLimits) -> Void) -> Quota {
    var limits = QuotaLimits()
    change(&limits)
    return Quota(limits)
  }

  @Test func withoutBoundsEverythingMayBegin() throws {
    var quota = Quota(QuotaLimits())
    for _ in 0..<100 {
      let one = try quota.reserve("a", isRetry: true)
      quota.settle(one, [.wall: .max / 200, .bytes: 1 << 50])
    }
  }

  @Test func whatAnAttemptUsedIsTheNextOnesEstimate() throws {
    var quota = quota { $0.wall = 100 }
    let first = try quota.reserve("a", isRetry: false)
    quota.settle(first, [.wall: 40])
    let second = try quota.reserve("a", isRetry: false, elapsed: 45)
    quota.settle(second, [.wall: 20])
    #expect(quota.remaining(.wall, elapsed: 70) == 30, "pauses are time too")
    let denial = #expect(throws: Quota.Denial.self) {
      try quota.reserve("a", isRetry: false, elapsed: 70)
    }
    #expect(denial?.resource == .wall && denial?.estimate == 40 && denial?.remaining == 30)
    #expect(denial?.error.category == .quota)
    #expect(denial?.error.message.contains("needs about 40 ns, 30 ns are left") == true)
    _ = try quota.reserve("b", isRetry: false, elapsed: 99)
    let late = #expect(throws: Quota.Denial.self) {
      try quota.reserve("b", isRetry: false, elapsed: 100)
    }
    #expect(late?.error.message.contains("no time is left; continue with --resume") == true)
    var unused = self.quota { $0.wall = 100 }
    let early = #expect(throws: Quota.Denial.self) {
      try unused.reserve("a", isRetry: false, elapsed: 100)
    }
    #expect(early?.error.message.contains("no time is left before the first") == true)
  }

  /// A session that finds no room for a repetition leaves the run to a later one.
  @Test(arguments: [true, false])
  func aResumedRunWhoseQuotaLetsNothingBeginStaysResumable(_ isResumed: Bool) throws {
    let spawner = FakeSpawner()
    let context = try context(spawner, repetitions: 2) { $0.quota.bytes = 0 }
    var result = RunResult(runID: "t", name: "t", kind: "run", startUnixNanoseconds: 1)
    var earlier = ResumePoint()
    if isResumed {
      var phase = PhaseResult(name: "main", command: ["/bin/true"])
      phase.status = .interrupted
      result.phases = [phase]
      result.status = .interrupted
      earlier.phases = [0]
      earlier.repetitions = [[]]
    }
    let executor = FakeExecutor([])
    let controller = RunController(
      context, executor: executor, collectors: FakeCollectors(spawner))
    let ended = controller.run(
      RunSession(
        result: result, store: nil, resuming: earlier, clock: VirtualScheduler().source))
    #expect(executor.attempts.isEmpty && ended.errors.map(\.category) == [.quota])
    let status: RunStatus = isResumed ? .interrupted : .failed
    #expect(ended.status == status && ended.phases.map(\.status) == [status])
    #expect(ended.errors[0].message.hasSuffix("start a new run with a larger --max-bytes"))
  }

  @Test func severalAtOnceNeverHaveMoreThanThereIs() throws {
    var quota = quota { $0.bytes = 100 }
    quota.settle(try quota.reserve("a", isRetry: false), [.bytes: 30])
    var held: [Quota.Reservation] = []
    while let next = try? quota.reserve("a", isRetry: false) { held.append(next) }
    #expect(held.count == 2 && quota.remaining(.bytes) == 10)
    for one in held { quota.settle(one, [.bytes: 30]) }
    #expect(quota.remaining(.bytes) == 10)
    quota.settle(held[0], [.bytes: 30])
    #expect(quota.remaining(.bytes) == 10, "settled once")
  }

  @Test func retriesAreCountedApart() throws {
    var quota = quota { $0.retries = 1 }
    for retry in [false, true, false] {
      quota.settle(try quota.reserve("a", isRetry: retry), [:])
    }
    #expect(throws: Quota.Denial.self) { try quota.reserve("a", isRetry: true) }
  }
}
