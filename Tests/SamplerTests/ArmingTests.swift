import LinuxSystem
import SampleModel
import Sampler
import Synchronization
import TestSupport
import Testing

/// Armings that hang, fail or come all at once. One that comes back when nobody waits for it any
/// more is closed.
@Suite struct ArmingTests {
  private static let seeds: [UInt64] = [1, 2, 3, 4]

  private struct Outcome {
    var error: LBError?
    var meta: StreamMeta?
    var failure: LBError?
    /// Nanoseconds that each call took.
    var took: [UInt64] = []
    var ledgers: [Ledger] = []
    var sink = CollectingSink()
  }

  /// Armings and disarmings of `collector` once everything has come back.
  private func isClosed(_ collector: ScriptedCollector?, _ armings: Int) -> Bool {
    collector?.armings == armings && collector?.disarmings == armings
  }

  private static func virtual(_ scheduler: VirtualScheduler) -> VirtualSession {
    var virtual = VirtualSession(scheduler)
    virtual.configuration.responseTimeout = 50_000_000
    return virtual
  }

  /// One bracket of no length, and what the session says of it.
  private static func bracket(of session: SamplerSession, _ outcome: inout Outcome) throws {
    _ = try session.start()
    outcome.ledgers.append(try session.stop(sampling: true).ledger)
    outcome.failure = outcome.failure ?? session.failure
  }

  @Test(arguments: seeds, [true, false])
  func oneThatHangsAtArmIsNamedAndLeftOut(seed: UInt64, required: Bool) throws {
    var collector: ScriptedCollector?
    let outcome = try VirtualSession.run(seed: seed) { scheduler in
      let hanging = ScriptedCollector(name: "slow", scheduler: scheduler, hangingArmings: [0])
      collector = hanging
      var outcome = Outcome()
      let session = SamplerSession(
        Self.virtual(scheduler).configuration,
        requests: [
          CollectorRequest(hanging, required: required), CollectorRequest(ScriptedCollector()),
        ], sinks: [outcome.sink])
      let began = scheduler.monotonic()
      do throws(LBError) { try session.arm() } catch { outcome.error = error }
      outcome.took = [scheduler.monotonic() - began]
      outcome.meta = session.meta
      if outcome.error == nil {
        try Self.bracket(of: session, &outcome)
        session.disarm()
      }
      hanging.release()
      return outcome
    }
    let words = "timed out after 50ms opening its files; one of them blocks, or is very large"
    #expect(outcome.took == [50_000_000])
    if required {
      let remedy = "add --optional slow to continue without it"
      #expect(outcome.error?.message == "collector slow: \(words); \(remedy)")
      #expect(outcome.meta == nil)
    } else {
      let reason = outcome.meta?.unavailable.first?.reason
      #expect(outcome.meta?.unavailable.map(\.collector) == ["slow"])
      #expect(reason == words)
      #expect(outcome.ledgers.first?.threads[0].collectors.map(\.collector) == ["scripted"])
    }
    #expect(isClosed(collector, 1))
  }

  /// While sampling: it is given up and named once, its gaps go on, the other one's frames too, and
  /// the stop waits for nothing.
  @Test(arguments: seeds)
  func oneThatHangsInTheDrainIsGivenUp(seed: UInt64) throws {
    var collector: ScriptedCollector?
    let outcome = try VirtualSession.run(seed: seed) { scheduler in
      let hanging = ScriptedCollector(
        name: "slow",
        script: [.value(1), .value(2)]
          + Array(
            repeating: .gap(.layoutChanged), count: 10_000),
        scheduler: scheduler, hangingArmings: [1])
      collector = hanging
      var outcome = Outcome()
      let session = try Self.virtual(scheduler).arm(
        [CollectorRequest(hanging), CollectorRequest(ScriptedCollector())], [outcome.sink])
      _ = try session.start()
      scheduler.sleep(2_000_500_000)
      let began = scheduler.monotonic()
      outcome.ledgers = [try session.stop(sampling: false).ledger]
      outcome.took = [scheduler.monotonic() - began]
      session.disarm()
      hanging.release()
      return outcome
    }
    #expect(outcome.took == [0])
    let lines = outcome.ledgers[0].threads[0].collectors
    #expect(lines[0].gaps == ["layoutChanged": 1999] && lines[1].gaps.isEmpty)
    #expect(lines.map(\.acquisitions) == [2001, 2001])
    let events = outcome.sink.events.filter { $0.kind == .gap }
    #expect(
      events.map(\.message) == [
        "slow: re-arming timed out after 50ms; sampling continues with the files already open"
      ])
    #expect(isClosed(collector, 2))
  }

  /// At an edge: the opening one waits for the answer limit, the closing one for 150 ms. For a
  /// required collector it is the bracket's failure.
  @Test(arguments: seeds, [BracketEdge.open, .close])
  func oneThatHangsAtAnEdgeIsWaitedForWithinBounds(seed: UInt64, edge: BracketEdge) throws {
    var collector: ScriptedCollector?
    let outcome = try VirtualSession.run(seed: seed) { scheduler in
      let script: [ScriptedCollector.Step] =
        edge == .open
        ? [.gap(.layoutChanged), .gap(.layoutChanged), .gap(.layoutChanged)] : [.value(1)]
      let hanging = ScriptedCollector(
        name: "slow", script: script + Array(repeating: .gap(.layoutChanged), count: 9),
        scheduler: scheduler, hangingArmings: [1, 2, 3])
      collector = hanging
      var outcome = Outcome()
      var virtual = VirtualSession(scheduler, interval: 3_600_000_000_000)
      virtual.configuration.responseTimeout = 50_000_000
      let session = try virtual.arm(
        [CollectorRequest(hanging), CollectorRequest(ScriptedCollector())], [outcome.sink])
      var began = scheduler.monotonic()
      _ = try session.start()
      outcome.took.append(scheduler.monotonic() - began)
      began = scheduler.monotonic()
      outcome.ledgers = [try session.stop(sampling: true).ledger]
      outcome.took.append(scheduler.monotonic() - began)
      outcome.failure = session.failure
      session.disarm()
      hanging.release()
      return outcome
    }
    #expect(outcome.failure?.message.contains("slow: re-arming timed out") == true)
    // Three times at an edge at the most.
    #expect(outcome.took[0] <= (edge == .open ? 150_000_000 : 0))
    #expect(outcome.took[1] <= 450_000_000)
    #expect(outcome.ledgers[0].isExact)
    let scripted = outcome.sink.frames.filter { $0.header.stream == 1 }
    #expect(scripted.map(\.header.edge) == [.open, .close], "the other one's edges are taken once")
    let armings = try #require(collector).armings
    #expect(isClosed(collector, armings) && armings > 1)
  }

  /// Resuming waits no longer than the limit, and says for whom.
  @Test(arguments: seeds)
  func oneThatHangsAtResumeIsNamed(seed: UInt64) throws {
    var collector: ScriptedCollector?
    let outcome = try VirtualSession.run(seed: seed) { scheduler in
      let hanging = ScriptedCollector(name: "slow", scheduler: scheduler, hangingArmings: [1])
      collector = hanging
      var outcome = Outcome()
      let session = try Self.virtual(scheduler).arm(
        [CollectorRequest(hanging, required: false), CollectorRequest(ScriptedCollector())],
        [outcome.sink])
      session.suspend()
      let began = scheduler.monotonic()
      do throws(LBError) { try session.resume() } catch { outcome.error = error }
      outcome.took = [scheduler.monotonic() - began]
      _ = session.disable("slow")
      try session.resume()
      try Self.bracket(of: session, &outcome)
      session.disarm()
      hanging.release()
      return outcome
    }
    #expect(outcome.took == [50_000_000])
    #expect(outcome.error?.context.collector == "slow")
    #expect(outcome.error?.message.contains("re-arming timed out after 50ms") == true)
    #expect(outcome.ledgers[0].threads[0].collectors.map(\.acquisitions) == [0, 2])
    #expect(isClosed(collector, 2))
  }

  /// All at once: each has its new layout, each layout its event, and each arming is closed.
  @Test(arguments: seeds)
  func severalAreArmedAnewAtOnce(seed: UInt64) throws {
    let (collectors, sink, ledger) = try VirtualSession.run(seed: seed, spurious: 0.2) {
      scheduler in
      let collectors = (0..<6).map {
        ScriptedCollector(
          name: "c\($0)", script: [.value(1), .gap(.layoutChanged)],
          instances: [["a"], ["a", "b"]])
      }
      let sink = CollectingSink()
      let virtual = VirtualSession(scheduler, interval: 10_000_000, limit: 30, threads: 3)
      let session = try virtual.arm(collectors.map { CollectorRequest($0) }, [sink])
      _ = try session.start()
      virtual.waitUntilFinished(session)
      let ledger = try session.stop(sampling: false).ledger
      session.disarm()
      return (collectors, sink, ledger)
    }
    #expect(collectors.allSatisfy { isClosed($0, 2) })
    #expect(sink.events.count { $0.kind == .layoutEpoch } == 6)
    #expect(ledger.isExact && ledger.gaps == 6)
    for stream in 0..<6 as Range<UInt16> {
      let frames = sink.frames.filter { $0.header.stream == stream }
      #expect(frames.map(\.values.count) == [1, 0] + Array(repeating: 2, count: 29))
    }
  }

  /// Between two brackets, for a workload that has other instances.
  @Test(arguments: seeds)
  func oneThatHangsWhereTheNextBracketIsPreparedIsGivenUp(seed: UInt64) throws {
    var collector: ScriptedCollector?
    let outcome = try VirtualSession.run(seed: seed) { scheduler in
      let hanging = ScriptedCollector(
        name: "slow", scheduler: scheduler, hangingArmings: [1], preparation: .layoutChanged)
      collector = hanging
      var outcome = Outcome()
      let session = try Self.virtual(scheduler).arm([CollectorRequest(hanging)], [outcome.sink])
      let began = scheduler.monotonic()
      session.prepare()
      outcome.took = [scheduler.monotonic() - began]
      outcome.failure = session.failure
      try Self.bracket(of: session, &outcome)
      session.disarm()
      hanging.release()
      return outcome
    }
    #expect(outcome.took == [50_000_000])
    #expect(outcome.failure?.message.contains("slow: re-arming timed out") == true)
    #expect(outcome.ledgers[0].isExact && outcome.sink.frames.count == 2)
    #expect(isClosed(collector, 2))
  }

  /// One that opens what is the next workload's, and does not come back: nothing of it is used any
  /// more, and the others go on. A required one is the failure of every bracket from then on.
  @Test(arguments: seeds, [true, false])
  func onePreparationThatHangsIsGivenUp(seed: UInt64, required: Bool) throws {
    var collector: ScriptedCollector?
    let outcome = try VirtualSession.run(seed: seed) { scheduler in
      let hanging = ScriptedCollector(
        name: "slow", scheduler: scheduler, hangingPreparation: true)
      collector = hanging
      var outcome = Outcome()
      let session = try Self.virtual(scheduler).arm(
        [CollectorRequest(hanging, required: required), CollectorRequest(ScriptedCollector())],
        [outcome.sink])
      let began = scheduler.monotonic()
      session.prepare()
      outcome.took = [scheduler.monotonic() - began]
      session.prepare()
      try Self.bracket(of: session, &outcome)
      session.disarm()
      hanging.release()
      return outcome
    }
    let words =
      "slow: preparing the next bracket did not finish within 50ms: a source hangs; the "
      + "collector is no longer read"
    #expect(outcome.took == [50_000_000])
    #expect(outcome.failure?.message == (required ? words : nil))
    #expect(outcome.sink.events.filter { $0.kind == .note }.map(\.message) == [words])
    #expect(outcome.ledgers[0].threads[0].collectors.map(\.acquisitions) == [0, 2])
    #expect(isClosed(collector, 1))
  }

  /// What an acquisition costs is measured within the same limit.
  @Test(arguments: seeds)
  func oneThatHangsWhereItIsMeasuredIsLeftOut(seed: UInt64) throws {
    let (outcome, disarmings) = try VirtualSession.run(seed: seed) { scheduler in
      let hanging = HangingCollector(after: 2, time: scheduler.source)
      var outcome = Outcome()
      var virtual = Self.virtual(scheduler)
      virtual.configuration.budget = 0.5
      let session = try virtual.arm(
        [CollectorRequest(hanging, required: false), CollectorRequest(ScriptedCollector())],
        [outcome.sink])
      outcome.meta = session.meta
      try Self.bracket(of: session, &outcome)
      hanging.hangs.store(false, ordering: .relaxed)
      scheduler.sleep(2_000_000)
      let disarmings = hanging.disarmings
      session.disarm()
      return (outcome, disarmings)
    }
    #expect(outcome.meta?.unavailable.map(\.collector) == ["hanging"])
    #expect(outcome.meta?.unavailable.first?.reason.contains("timed out after") == true)
    #expect(outcome.ledgers[0].threads[0].collectors.map(\.collector) == ["scripted"])
    #expect(disarmings == 1)
  }
}
