import LinuxSystem
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

@Suite(.serialized) struct BudgetSessionTests {
  private func configuration(interval: UInt64) -> SamplerConfiguration {
    SamplerConfiguration(
      interval: interval, cpus: [CPUSet.allowed().members[0]],
      context: CollectorContext(roots: MountRoots(proc: "/nowhere", sys: "/nowhere")))
  }

  @Test func deadlinesWithNothingDueAreOnTimeAndNoFurther() throws {
    let sink = CollectingSink()
    let session = SamplerSession(
      configuration(interval: 2_000_000),
      requests: [CollectorRequest(ScriptedCollector(), interval: 1_000_000_000)], sinks: [sink])
    try session.arm()
    defer { session.disarm() }
    for wait in [0, 1_000_000, 30_000_000] as [UInt64] {
      let start = Clock.monotonic()
      _ = try session.start()
      _ = Poll.wait(readable: [], until: Clock.monotonic() + wait)
      let account = try session.stop(sampling: true)
      let passed = (Clock.monotonic() - start) / 2_000_000
      let ticks = account.ledger.ticks
      #expect(account.ledger.isExact)
      #expect(ticks.deadlines <= passed && ticks.deadlines >= wait / 2_000_000)
      #expect(ticks.onTime == ticks.deadlines && ticks.skipped == 0)
    }
    #expect(sink.frames.count == 6, "edges alone")
  }

  @Test func aSessionOverItsBudgetReadsLessOftenAndSaysSo() throws {
    let sink = CollectingSink()
    var configuration = configuration(interval: 5_000_000)
    // Less than any process uses: this one runs other tests beside.
    configuration.budget = 0.000_01
    let session = SamplerSession(
      configuration, requests: [CollectorRequest(ScriptedCollector())], sinks: [sink])
    try session.arm()
    defer { session.disarm() }
    let planned = try #require(session.meta?.streams.first?.cadence)
    #expect(planned > 1)
    #expect(try #require(session.meta?.notes).contains { $0.hasPrefix("budget: ") })
    _ = try session.start()
    let end = Clock.monotonic() + 20_000_000_000
    while Clock.monotonic() < end, !sink.events.contains(where: { $0.kind == .budget }) {
      _ = Poll.wait(readable: [], until: Clock.monotonic() + 50_000_000)
    }
    #expect(sink.events.contains { $0.kind == .budget && $0.message.contains("scripted") })
    #expect(try session.stop(sampling: true).ledger.isExact)
  }

  @Test func whatMovesLessOftenThanAskedIsNamed() throws {
    var configuration = configuration(interval: 1_000_000)
    configuration.intervalIsWish = true
    let session = SamplerSession(
      configuration, requests: [CollectorRequest(ScriptedCollector(resolution: 10_000_000))],
      sinks: [CollectingSink()])
    try session.arm()
    #expect(
      session.meta?.notes.contains(
        "move less often than they are read: scripted.value every 10 ms") ?? false)
    session.disarm()
  }
}
