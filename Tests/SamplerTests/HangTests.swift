import LinuxSystem
import SampleModel
import Sampler
import Synchronization
import TestSupport
import Testing

/// Sampling threads that do not answer.
@Suite struct HangTests {
  private static let seeds: [UInt64] = [1, 2, 3, 4]

  private struct Outcome {
    var accounts: [BracketAccount] = []
    var error: LBError?
    var took: UInt64 = 0
    var sink = CollectingSink()
    var disarmings: [Int] = []
  }

  /// A session of a hanging collector and, on a thread of its own, another one.
  private static func session(
    _ scheduler: VirtualScheduler, _ hanging: HangingCollector, _ sink: CollectingSink,
    required: Bool, other: ScriptedCollector = ScriptedCollector()
  ) throws -> SamplerSession {
    var virtual = VirtualSession(scheduler, threads: 2)
    virtual.configuration.responseTimeout = 100_000_000
    return try virtual.arm(
      [CollectorRequest(hanging, required: required), CollectorRequest(other)], [sink])
  }

  /// What such a session comes to, with an optional collector that hangs at an acquisition.
  private static func outcome(
    seed: UInt64, hangingAfter acquisitions: Int,
    _ body:
      @escaping (
        SamplerSession, HangingCollector, VirtualScheduler, inout Outcome
      ) throws -> Void
  ) throws -> Outcome {
    try VirtualSession.run(seed: seed) { scheduler in
      let hanging = HangingCollector(after: acquisitions, time: scheduler.source)
      var outcome = Outcome()
      let session = try Self.session(scheduler, hanging, outcome.sink, required: false)
      try body(session, hanging, scheduler, &outcome)
      session.disarm()
      outcome.disarmings = [hanging.disarmings]
      return outcome
    }
  }

  @Test(arguments: seeds, [true, false])
  func aThreadThatDoesNotAnswerIsNamedAndLeft(seed: UInt64, isAlone: Bool) throws {
    let outcome = try VirtualSession.run(seed: seed) { scheduler in
      let hanging = HangingCollector(after: 1, time: scheduler.source)
      var outcome = Outcome()
      let session: SamplerSession
      if isAlone {
        // Optional, but there is no other thread to go on with.
        var virtual = VirtualSession(scheduler)
        virtual.configuration.responseTimeout = 100_000_000
        session = try virtual.arm([CollectorRequest(hanging, required: false)], [outcome.sink])
      } else {
        session = try Self.session(scheduler, hanging, outcome.sink, required: true)
      }
      _ = try session.start()
      scheduler.sleep(10_500_000)
      let began = scheduler.monotonic()
      do throws(LBError) { _ = try session.stop(sampling: true) } catch { outcome.error = error }
      outcome.took = scheduler.monotonic() - began
      // Nothing is taken away from under it.
      session.suspend()
      try session.resume()
      _ = session.disable("hanging")
      session.disarm()
      outcome.disarmings = [hanging.disarmings]
      // It comes back to memory that is still there.
      hanging.hangs.store(false, ordering: .relaxed)
      return outcome
    }
    #expect(
      outcome.error?.message
        == "sampling thread 0 has been blocked for 100ms in collector hanging")
    #expect(outcome.error?.context.collector == "hanging")
    #expect(outcome.took == 100_000_000)
    #expect(outcome.disarmings == [0])
    // What the other thread has read before is kept, and so is its closing edge.
    let others = outcome.sink.frames.filter { $0.header.stream == 1 }
    #expect(others.count == (isAlone ? 0 : 12))
  }

  /// Optional, beside another thread: left alone, named, and back at the next bracket.
  @Test(arguments: seeds)
  func anOptionalOneIsLeftAloneUntilItComesBack(seed: UInt64) throws {
    let outcome = try Self.outcome(seed: seed, hangingAfter: 3) {
      session, hanging, scheduler, outcome in
      for length in [10, 5, 10] as [UInt64] {
        _ = try session.start()
        scheduler.sleep(length * 1_000_000 + 500_000)
        outcome.accounts.append(try session.stop(sampling: true))
        if outcome.accounts.count == 2 {
          // It comes back between two brackets, with what it read for the first.
          hanging.hangs.store(false, ordering: .relaxed)
          scheduler.sleep(20_000_000)
        }
      }
    }
    #expect(outcome.accounts.map { $0.ledger.threads.map(\.thread) } == [[1], [1], [0, 1]])
    #expect(outcome.accounts.allSatisfy { $0.ledger.isExact })
    #expect(outcome.accounts.map { $0.ledger.threads.last?.ticks.onTime } == [10, 5, 10])
    let notes = outcome.sink.events.filter { $0.kind == .note }.map(\.message)
    #expect(
      notes == [
        "sampling thread 0 has been blocked for 100ms in collector hanging; its values are left "
          + "out until the read returns"
      ])
    let last = outcome.accounts[2].ledger.threads[0]
    #expect(last.ring == RingLedger(pushed: 12, drained: 12, dropped: 0))
    #expect(last.collectors[0].acquisitions == 12)
    #expect(outcome.sink.frames.count { $0.header.stream == 0 && $0.header.bracket == 3 } == 12)
    #expect(outcome.disarmings == [1])
  }

  /// It hangs between two deadlines of a bracket that has an end: it is named while it hangs, and
  /// the bracket's end comes.
  @Test(arguments: seeds)
  func aBracketEndsThoughItsThreadHangs(seed: UInt64) throws {
    let (outcome, waited) = try VirtualSession.run(seed: seed) { scheduler in
      let hanging = HangingCollector(after: 3, time: scheduler.source)
      var outcome = Outcome()
      var virtual = VirtualSession(scheduler)
      virtual.configuration.responseTimeout = 5_000_000_000
      virtual.configuration.limit = 10
      let session = try virtual.arm([CollectorRequest(hanging)], [outcome.sink])
      _ = try session.start()
      let began = scheduler.monotonic()
      while !session.isFinished, scheduler.monotonic() - began < 60_000_000_000 {
        scheduler.sleep(100_000_000)
      }
      let waited = scheduler.monotonic() - began
      do throws(LBError) { _ = try session.stop(sampling: false) } catch { outcome.error = error }
      session.disarm()
      hanging.hangs.store(false, ordering: .relaxed)
      return (outcome, waited)
    }
    #expect(waited >= 5_000_000_000 && waited < 8_000_000_000, "\(waited)")
    #expect(outcome.error?.context.collector == "hanging")
    let gaps = outcome.sink.events.filter { $0.kind == .gap }.map(\.message)
    #expect(
      gaps == [
        "sampling thread 0 has been blocked for 5s in collector hanging; its values are left out "
          + "until the read returns"
      ])
  }

  /// It hangs at the opening edge, and comes back while the bracket is open: it is none of that
  /// one's any more, and whole in the next.
  @Test(arguments: seeds)
  func whoComesBackWithinABracketWaitsForTheNext(seed: UInt64) throws {
    let outcome = try Self.outcome(seed: seed, hangingAfter: 0) {
      session, hanging, scheduler, outcome in
      for number in 0..<2 {
        let began = scheduler.monotonic()
        _ = try session.start()
        if number == 0 { outcome.took = scheduler.monotonic() - began }
        scheduler.sleep(10_500_000)
        hanging.hangs.store(false, ordering: .relaxed)
        scheduler.sleep(10_000_000)
        outcome.accounts.append(try session.stop(sampling: true))
      }
    }
    #expect(outcome.took == 100_000_000)
    #expect(outcome.accounts.map { $0.ledger.threads.map(\.thread) } == [[1], [0, 1]])
    #expect(outcome.accounts.allSatisfy { $0.ledger.isExact })
    let frames = outcome.sink.frames.filter { $0.header.stream == 0 }
    #expect(frames.map(\.header.bracket) == [1] + Array(repeating: 2, count: 22))
    #expect(frames.map(\.header.edge).dropFirst().first == .open)
    #expect(outcome.disarmings == [1])
  }

  /// What a thread that is left alone reads, and where it writes, stays as it is.
  @Test(arguments: seeds)
  func nothingOfAThreadThatIsLeftAloneIsTouched(seed: UInt64) throws {
    let collectors = try VirtualSession.run(seed: seed) { scheduler in
      let hanging = HangingCollector(after: 3, time: scheduler.source)
      let other = ScriptedCollector()
      let session = try Self.session(
        scheduler, hanging, CollectingSink(), required: false, other: other)
      _ = try session.start()
      scheduler.sleep(10_500_000)
      _ = try session.stop(sampling: true)
      let grown = try session.growRings(of: [0, 1]).map(\.thread)
      session.suspend()
      let suspended = [hanging.disarmings, other.disarmings]
      try session.resume()
      let disabled = session.disable("hanging")
      hanging.hangs.store(false, ordering: .relaxed)
      scheduler.sleep(5_000_000)
      let late = session.disable("hanging")
      let closed = hanging.disarmings
      session.disarm()
      return (grown, suspended, disabled, late, closed, hanging.disarmings)
    }
    #expect(collectors.0 == [1])
    #expect(collectors.1 == [0, 1])
    #expect(!collectors.2 && collectors.3 && collectors.4 == 1 && collectors.5 == 1)
  }
}
