import SampleModel
import TestSupport
import Testing

@testable import Sampler

@Suite struct BudgetTests {
  private func item(_ cost: UInt64, _ cadence: UInt64, fixed: Bool = false) -> Budget.Item {
    Budget.Item(cost: cost, cadence: cadence, isFixed: fixed)
  }

  @Test func aPlanThatFitsIsLeftAlone() {
    let items = [item(10_000, 1), item(500_000, 10)]
    let fitted = Budget.fit(items, interval: 1_000_000_000, budget: 0.01)
    #expect(fitted.map(\.cadence) == [1, 10])
  }

  @Test func theCostliestASecondIsLengthenedFirst() {
    // 100 µs at each tick of 100 ms against 400 µs at every 10th.
    let items = [item(100_000, 1), item(400_000, 10)]
    let before = Budget.cost(items, interval: 100_000_000)
    #expect(abs(before - (100_000 + 40_000 + 20_000) / 1e8) < 1e-9)
    let fitted = Budget.fit(items, interval: 100_000_000, budget: before * 0.7)
    #expect(fitted.map(\.cadence) == [2, 10])
  }

  @Test func whatWasAskedForIsLengthenedLast() {
    let items = [item(1_000_000, 1, fixed: true), item(10_000, 1)]
    let fitted = Budget.fit(items, interval: 1_000_000_000, budget: 0.0005)
    #expect(fitted[1].cadence == 32, "once no longer can be: 64 s is beyond a minute")
    #expect(fitted[0].cadence > 1)
    #expect(Budget.cost(fitted, interval: 1_000_000_000) <= 0.0005)
  }

  @Test func whatCannotBeKeptIsAsSlowAsItMayBe() {
    let fitted = Budget.fit([item(1_000_000_000, 1)], interval: 1_000_000_000, budget: 0.0001)
    #expect(fitted.map(\.cadence) == [32])
    #expect(Budget.cost(fitted, interval: 1_000_000_000) > 0.0001)
  }
}

/// What sessions do to keep a budget, in virtual time: work alone costs.
@Suite struct BudgetSessionTests {
  /// An armed session whose collector takes 1 ms each 5 ms, and its sink 2 ms for each frame, with
  /// a budget of 5 % of a CPU.
  private static func overBudget(
    _ scheduler: VirtualScheduler
  ) throws -> (SamplerSession, CollectingSink) {
    let sink = CollectingSink(
      scheduler: scheduler, works: Array(repeating: 2_000_000, count: 200))
    var virtual = VirtualSession(scheduler, interval: 5_000_000)
    virtual.configuration.budget = 0.05
    let collector = ScriptedCollector(scheduler: scheduler, duration: 1_000_000)
    return (try virtual.arm([CollectorRequest(collector)], [sink]), sink)
  }

  /// 1 ms each 5 ms is a fifth of a CPU. 5 % allow every 40 ms; with 2 ms of the sink for each
  /// frame that is too much, which is seen after a second.
  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func aSessionOverItsBudgetReadsLessOftenAndSaysSo(seed: UInt64) throws {
    let (sink, ledger, notes, cadence) = try VirtualSession.run(seed: seed) { scheduler in
      let (session, sink) = try Self.overBudget(scheduler)
      let (notes, cadence) = (session.meta?.notes, session.meta?.streams.first?.cadence)
      _ = try session.start()
      scheduler.sleep(4_002_000_000)
      let ledger = try session.stop(sampling: true).ledger
      session.disarm()
      return (sink, ledger, notes, cadence)
    }
    #expect(cadence == 8)
    #expect(notes == ["budget 5%: longer intervals from the start: scripted 40ms"])
    let events = sink.events.filter { $0.kind == .budget }
    #expect(
      events.map(\.message) == ["budget 5% exceeded; intervals lengthened: scripted 80ms"])
    let indices = sink.frames.ticks().map(\.header.deadlineIndex)
    #expect(indices == Array(stride(from: 8, through: 208, by: 8)) + (14...50).map { $0 * 16 })
    #expect(ledger.isExact && ledger.ticks.deadlines == 800 && ledger.ticks.skipped == 0)
  }

  /// Repetitions are alike: what one has lengthened, the next begins without.
  @Test func aBracketBeginsAsItWasAskedFor() throws {
    let indices = try VirtualSession.run(seed: 1) { scheduler in
      let (session, sink) = try Self.overBudget(scheduler)
      for _ in 0..<2 {
        _ = try session.start()
        scheduler.sleep(1_200_000_000)
        _ = try session.stop(sampling: true)
      }
      session.disarm()
      return sink.frames.filter { $0.header.bracket == 2 }.ticks().map(\.header.deadlineIndex)
    }
    #expect(indices.prefix(3) == [8, 16, 24])
  }

  @Test func whatMovesLessOftenThanAskedIsNamed() throws {
    let notes = try VirtualSession.run(seed: 1) { scheduler in
      var virtual = VirtualSession(scheduler)
      virtual.configuration.isIntervalExplicit = true
      let session = try virtual.arm(
        [CollectorRequest(ScriptedCollector(resolution: 10_000_000))], [])
      defer { session.disarm() }
      return session.meta?.notes
    }
    #expect(
      notes == [
        "some metrics change more slowly than they are sampled, so consecutive samples may be "
          + "equal: scripted.value (updated every 10ms)"
      ])
  }

  /// At shorter intervals than its source answers in, deadlines are skipped: that is said at once.
  @Test(arguments: [(UInt64(30_000_000), UInt64(5_000_000), true), (30_000_000, 30_000_000, false)])
  func whatAnswersLaterThanItIsAskedIsNamed(
    _ wait: UInt64, _ interval: UInt64, _ isNamed: Bool
  ) throws {
    let notes = try VirtualSession.run(seed: 1) { scheduler in
      var virtual = VirtualSession(scheduler)
      virtual.configuration.interval = interval
      let session = try virtual.arm(
        [CollectorRequest(ScriptedCollector(longestWait: wait))], [])
      defer { session.disarm() }
      return session.meta?.notes
    }
    let note =
      "scripted: a sample waits up to 30ms for the kernel, so at intervals of 5ms deadlines are "
      + "skipped while little happens (use --interval-of scripted=30ms)"
    #expect(notes == (isNamed ? [note] : []))
  }
}
