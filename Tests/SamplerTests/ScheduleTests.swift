import LinuxSystem
import SampleModel
import Sampler
import TestSupport
import Testing

/// Deadlines, lateness, skips and cadences, to the nanosecond.
@Suite struct ScheduleTests {
  private static let seeds: [UInt64] = [1, 2, 3, 4]

  /// 30 µs of work each 400 µs: nothing is late, and the close waits for the acquisition that it
  /// has met.
  @Test(arguments: seeds, [true, false])
  func everyDeadlineIsMetToTheNanosecond(seed: UInt64, isNonBlocking: Bool) throws {
    let outcome = try VirtualSession.bracket(
      seed: seed, interval: 400_000, limit: nil, length: 4_010_000
    ) {
      [
        CollectorRequest(
          ScriptedCollector(isNonBlocking: isNonBlocking, scheduler: $0, duration: 30_000))
      ]
    }
    let ticks = outcome.account.ledger.ticks
    #expect(ticks.deadlines == 10 && ticks.onTime == 10 && ticks.late == 0 && ticks.skipped == 0)
    #expect(ticks.latenessMaximum == 0)
    let headers = outcome.frames.map(\.header)
    #expect(headers.map(\.edge) == [.open] + Array(repeating: .none, count: 10) + [.close])
    let starts = (0...10).map { outcome.base + $0 * 400_000 } + [outcome.base + 4_030_000]
    #expect(headers.map(\.start) == starts)
    #expect(headers.map(\.end) == starts.map { $0 + 30_000 })
    #expect(headers.map(\.deadlineIndex) == Array(0...10) + [10])
    #expect(headers.dropLast().map(\.deadline) == starts.dropLast())
    #expect(outcome.frames.map { $0.values[0] } == Array(1...12))
    let line = outcome.account.ledger.threads[0]
    #expect(line.ring == RingLedger(pushed: 12, drained: 12, dropped: 0))
    #expect(line.collectors[0].acquisitions == 12 && line.collectors[0].nanoseconds == 360_000)
    #expect(outcome.account.openStart == outcome.base)
    #expect(outcome.account.closeEnd == outcome.base + 4_060_000)
  }

  /// 250 µs each of two collectors at an interval of 400 µs: of five deadlines three are on time
  /// (0, 100 and 200 µs behind: half an interval), one is late, and one is skipped.
  @Test(arguments: seeds, [true, false])
  func latenessAndSkipsAreCountedAtTheirBounds(seed: UInt64, isNonBlocking: Bool) throws {
    let outcome = try VirtualSession.bracket(seed: seed, interval: 400_000, limit: 20) {
      scheduler in
      ["one", "two"].map {
        CollectorRequest(
          ScriptedCollector(
            name: $0, isNonBlocking: isNonBlocking, scheduler: scheduler, duration: 250_000))
      }
    }
    let ticks = outcome.account.ledger.ticks
    #expect(ticks.deadlines == 20 && ticks.onTime == 12 && ticks.late == 4 && ticks.skipped == 4)
    #expect(ticks.latenessMaximum == 300_000)
    let first = outcome.frames.ticks(of: 0).map(\.header)
    #expect(first.map(\.deadlineIndex) == (1...20).filter { $0 % 5 != 4 })
    #expect(first.map { $0.start - $0.deadline } == first.map { $0.deadlineIndex % 5 * 100_000 })
    let second = outcome.frames.ticks(of: 1).map(\.header)
    #expect(second.map(\.start) == first.map { $0.start + 250_000 })
    #expect(outcome.account.ledger.isExact)
  }

  /// Every 10th deadline, one that is skipped at the next that is taken, and then in step again.
  @Test(arguments: seeds)
  func cadencesFollowTheDeadlineIndex(seed: UInt64) throws {
    let outcome = try VirtualSession.bracket(seed: seed, interval: 1_000_000, limit: 60) {
      [
        CollectorRequest(ScriptedCollector(name: "fast", scheduler: $0, duration: 10_000)),
        CollectorRequest(
          ScriptedCollector(name: "slow", scheduler: $0, duration: 1_500_000),
          interval: 10_000_000),
      ]
    }
    let slow = outcome.frames.ticks(of: 1).map(\.header)
    #expect(slow.map(\.deadlineIndex) == [10, 20, 30, 40, 50, 60])
    #expect(slow.map { $0.start - $0.deadline } == Array(repeating: 10_000, count: 6))
    let ticks = outcome.account.ledger.ticks
    // Behind each slow one, and behind the opening edge, one tick is 510 µs late. None is skipped.
    #expect(ticks.late == 6 && ticks.skipped == 0 && ticks.onTime == 54)
    #expect(outcome.frames.ticks(of: 0).count == 60)
  }

  @Test(arguments: seeds)
  func aCadenceWhoseDeadlineIsSkippedTakesTheNext(seed: UInt64) throws {
    let outcome = try VirtualSession.bracket(seed: seed, interval: 1_000_000, limit: 12) {
      [
        CollectorRequest(
          ScriptedCollector(name: "long", scheduler: $0, duration: 2_300_000),
          interval: 3_000_000),
        CollectorRequest(ScriptedCollector(name: "even", scheduler: $0), interval: 2_000_000),
      ]
    }
    // `long` from 3 to 5.3: deadline 4 is skipped, and taken at 5; from 6 to 8.3 and so on.
    #expect(outcome.frames.ticks(of: 0).map(\.header.deadlineIndex) == [3, 6, 9, 12])
    #expect(outcome.frames.ticks(of: 1).map(\.header.deadlineIndex) == [2, 5, 6, 8, 11, 12])
    #expect(outcome.account.ledger.isExact)
  }

  @Test func aCadenceThatIsNoMultipleIsRefused() throws {
    let message = try VirtualSession.run(seed: 1) { scheduler -> String in
      let request = CollectorRequest(ScriptedCollector(), interval: 1_500_000)
      do {
        _ = try VirtualSession(scheduler).arm([request], [])
        return ""
      } catch {
        return "\(error)"
      }
    }
    #expect(
      message == "scripted: its interval of 1500us must be a multiple of the sampling interval "
        + "(1ms), as in --interval-of scripted=2ms")
  }

  /// What a bracket of any length holds, whichever side of a deadline it ends on.
  @Test(arguments: [true, false])
  func bracketsOfAnyLengthAreWholeAndExact(isNonBlocking: Bool) throws {
    let (sink, accounts) = try VirtualSession.run(seed: 7, spurious: 0.1) { scheduler in
      let sink = CollectingSink()
      let virtual = VirtualSession(scheduler, interval: 400_000)
      let session = try virtual.arm(
        [
          CollectorRequest(
            ScriptedCollector(isNonBlocking: isNonBlocking, scheduler: scheduler, duration: 30_000))
        ], [sink])
      var accounts: [(account: BracketAccount, base: UInt64, closing: UInt64)] = []
      var random = SeededGenerator(11)
      for _ in 0..<600 {
        let base = scheduler.monotonic()
        _ = try session.start()
        scheduler.sleep(UInt64(random.below(4)) * 400_000 + UInt64(random.below(40_000)))
        let closing = scheduler.monotonic()
        accounts.append((try session.stop(sampling: true), base, closing))
      }
      session.disarm()
      return (sink, accounts)
    }
    let brackets = Dictionary(grouping: sink.frames, by: \.header.bracket)
    for (account, base, closing) in accounts {
      let frames = try #require(brackets[account.number])
      let close = try #require(frames.last).header
      let ticks = account.ledger.ticks
      #expect(ticks.deadlines == (close.start - base) / 400_000)
      #expect(ticks.onTime == ticks.deadlines && ticks.latenessMaximum == 0)
      // It waits for an acquisition that is under way, and for no more.
      #expect(close.start >= closing && close.start < closing + 30_000)
      #expect(
        frames.map(\.header.edge) == [.open] + frames.dropFirst(2).map { _ in .none } + [.close])
      #expect(frames.map(\.header.deadlineIndex).dropLast() == Array(0...ticks.deadlines)[...])
      #expect(account.ledger.ring.drained == ticks.deadlines + 2)
    }
    // Each acquisition is somebody's: none was made twice and none lost between the two threads.
    let values = sink.frames.map { $0.values[0] }
    #expect(values == Array(1...UInt64(values.count)))
  }

  @Test(arguments: seeds, [true, false])
  func bracketsOpenAndCloseWhateverTheInterval(seed: UInt64, isNonBlocking: Bool) throws {
    let outcome = try VirtualSession.bracket(
      seed: seed, interval: 3_600_000_000_000, limit: nil, length: 5
    ) { _ in
      [CollectorRequest(ScriptedCollector(isNonBlocking: isNonBlocking))]
    }
    #expect(outcome.frames.map(\.header.edge) == [.open, .close])
    #expect(outcome.frames.map(\.header.start) == [outcome.base, outcome.base + 5])
    #expect(outcome.account.ledger.ticks == TickLedger())
    #expect(outcome.account.closeEnd == outcome.base + 5)
  }

  /// The thread sleeps through the deadlines at which nothing is due: they are on time, and those
  /// that had not come at the close are not counted.
  @Test(arguments: seeds, [0, 1_000_000, 20_500_000, 99_999_999] as [UInt64])
  func deadlinesWithNothingDueAreOnTimeAndNoFurther(seed: UInt64, length: UInt64) throws {
    for isNonBlocking in [true, false] {
      let outcome = try VirtualSession.bracket(
        seed: seed, interval: 1_000_000, limit: nil, length: length
      ) { _ in
        [
          CollectorRequest(ScriptedCollector(isNonBlocking: isNonBlocking), interval: 100_000_000)
        ]
      }
      var ticks = TickLedger()
      ticks.deadlines = length / 1_000_000
      ticks.onTime = ticks.deadlines
      #expect(outcome.account.ledger.ticks == ticks)
      #expect(outcome.frames.count == 2)
    }
  }

  /// Where every collector is disabled the thread is not woken until it is told something, and its
  /// deadlines are on time all the same.
  @Test(arguments: seeds, [true, false])
  func aThreadWithNothingToReadSleeps(seed: UInt64, isNonBlocking: Bool) throws {
    let (accounts, points, frames) = try VirtualSession.run(seed: seed) { scheduler in
      let sink = CollectingSink()
      let session = try VirtualSession(scheduler).arm(
        [CollectorRequest(ScriptedCollector(isNonBlocking: isNonBlocking), required: false)], [sink]
      )
      _ = session.disable("scripted")
      let before = scheduler.points
      var accounts: [BracketAccount] = []
      for _ in 0..<2 {
        _ = try session.start()
        scheduler.sleep(60_000_500_000)
        accounts.append(try session.stop(sampling: true))
      }
      let points = scheduler.points - before
      session.disarm()
      return (accounts, points, sink.frames.count)
    }
    var ticks = TickLedger()
    (ticks.deadlines, ticks.onTime) = (60_000, 60_000)
    #expect(accounts.map(\.ledger.ticks) == [ticks, ticks] && frames == 0)
    // The drain's passes remain, 0.9 s apart.
    #expect(points < 10_000)
  }

  @Test(arguments: [true, false])
  func alignedDeadlinesFallOnTheWallClock(isNonBlocking: Bool) throws {
    let phases = try VirtualSession.run(seed: 3) { scheduler -> [UInt64] in
      scheduler.step(123_456_789)
      let sink = CollectingSink()
      var virtual = VirtualSession(scheduler, interval: 10_000_000, limit: 5)
      virtual.configuration.aligned = true
      let session = try virtual.arm(
        [CollectorRequest(ScriptedCollector(isNonBlocking: isNonBlocking))], [sink])
      _ = try session.start()
      virtual.waitUntilFinished(session)
      _ = try session.stop(sampling: false)
      let anchor = session.meta?.anchor
      session.disarm()
      return sink.frames.ticks().compactMap { frame in
        anchor.map { $0.unixTime(of: frame.header.start) % 10_000_000 }
      }
    }
    #expect(phases == [0, 0, 0, 0, 0])
  }

  /// A host that stands still for a while: every deadline of that time is skipped, and the next one
  /// is in its place.
  @Test(arguments: seeds)
  func aStallSkipsWhatItSleptThrough(seed: UInt64) throws {
    let (ticks, starts) = try VirtualSession.run(seed: seed) { scheduler in
      let sink = CollectingSink()
      let virtual = VirtualSession(scheduler, interval: 1_000_000, limit: 20)
      let session = try virtual.arm([CollectorRequest(ScriptedCollector())], [sink])
      let base = scheduler.monotonic()
      _ = try session.start()
      scheduler.sleep(base + 5_500_000 - scheduler.monotonic())
      scheduler.advance(4_900_000)
      virtual.waitUntilFinished(session)
      let account = try session.stop(sampling: false)
      session.disarm()
      return (account.ledger.ticks, sink.frames.ticks().map { $0.header.start - base })
    }
    // From 5.5 to 10.4 ms: 6 to 9 are gone, and 10 is taken 400 µs behind its time.
    #expect(ticks.skipped == 4 && ticks.onTime == 16 && ticks.late == 0)
    #expect(ticks.latenessMaximum == 400_000)
    #expect(
      starts == [1, 2, 3, 4, 5].map { $0 * 1_000_000 } + [10_400_000]
        + (11...20).map { $0 * 1_000_000 })
  }
}
