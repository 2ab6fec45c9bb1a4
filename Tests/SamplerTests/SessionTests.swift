import LinuxSystem
import SampleModel
import Sampler
import TestSupport
import Testing

/// Sessions as a whole: layouts, gaps, records, several threads, sinks.
@Suite struct SessionTests {
  private static let seeds: [UInt64] = [1, 2, 3]

  @Test(arguments: seeds, [true, false])
  func aLimitIsExactAndEveryAccountAddsUp(seed: UInt64, isNonBlocking: Bool) throws {
    let collector = ScriptedCollector(isNonBlocking: isNonBlocking)
    let outcome = try VirtualSession.bracket(seed: seed, limit: 100) { _ in
      [CollectorRequest(collector)]
    }
    let (ledger, frames) = (outcome.account.ledger, outcome.sink.frames)
    #expect(ledger.ticks.deadlines == 100 && ledger.ticks.onTime == 100)
    #expect(ledger.ring == RingLedger(pushed: 101, drained: 101, dropped: 0))
    #expect(frames.map(\.header.deadlineIndex) == Array(0...100))
    #expect(frames.first?.header.edge == .open)
    #expect(frames.allSatisfy { $0.header.bracket == outcome.account.number })
    #expect(frames.map { $0.values[0] } == Array(1...101))
    #expect(collector.armings == 1 && collector.disarmings == 1)
    #expect(outcome.account.overhead.samplingThreadNanoseconds.count == 1)
  }

  /// The layout changes at the second deadline, and comes at the next: the arming thread is quick.
  @Test(arguments: seeds)
  func aChangedLayoutMakesANewEpochAndLosesNoColumn(seed: UInt64) throws {
    let script: [ScriptedCollector.Step] = [.value(1), .value(2), .gap(.layoutChanged), .value(4)]
    let collector = ScriptedCollector(script: script, instances: [["a", "b"], ["a", "b", "c"]])
    let outcome = try VirtualSession.bracket(seed: seed, interval: 5_000_000) { _ in
      [CollectorRequest(collector)]
    }
    let sink = outcome.sink
    #expect(sink.layouts.map(\.epoch) == [1, 2])
    #expect(sink.frames.map(\.header.epoch) == [1, 1, 1] + Array(repeating: 2, count: 18))
    #expect(sink.frames.map(\.values.count) == [2, 2, 0] + Array(repeating: 3, count: 18))
    let events = sink.events.filter { $0.kind == .layoutEpoch }
    #expect(events.map(\.message) == ["scripted: columns changed (layout 2): added scripted[c]"])
    #expect(events.first?.time == sink.frames[3].header.start, "with the frame that has it")
    #expect(outcome.account.ledger.threads[0].collectors[0].gaps == ["layoutChanged": 1])
    #expect(outcome.account.ledger.isExact)
    #expect(collector.armings == 2 && collector.disarmings == 2)
  }

  @Test(arguments: seeds, [true, false])
  func anEdgeIsTakenAgainAfterALayoutChange(seed: UInt64, isNonBlocking: Bool) throws {
    let deltas = BracketDeltas()
    let (frames, metrics) = try VirtualSession.run(seed: seed) { scheduler in
      let sink = CollectingSink()
      let collector = ScriptedCollector(
        script: [.gap(.layoutChanged), .value(100), .gap(.truncated), .value(250)],
        instances: [["a"], ["a", "b"]], isNonBlocking: isNonBlocking)
      let virtual = VirtualSession(scheduler, interval: 3_600_000_000_000)
      let session = try virtual.arm([CollectorRequest(collector)], [sink, deltas])
      _ = try session.start()
      _ = try session.stop(sampling: true)
      session.disarm()
      return (sink.frames, deltas.metrics())
    }
    #expect(metrics == ["scripted.value[a]": 150, "scripted.value[b]": 150])
    #expect(frames.map(\.header.edge) == [.open, .open, .close, .close])
    #expect(deltas.units["scripted.value[a]"] == "count")
  }

  @Test(arguments: seeds)
  func gapsAreNamedByTheirCause(seed: UInt64) throws {
    let script: [ScriptedCollector.Step] = [
      .value(1), .gap(.absent), .gap(.denied), .gap(.malformed), .value(2),
    ]
    let outcome = try VirtualSession.bracket(seed: seed, interval: 2_000_000) { _ in
      [CollectorRequest(ScriptedCollector(script: script))]
    }
    let line = outcome.account.ledger.threads[0].collectors[0]
    #expect(line.gaps == ["absent": 1, "denied": 1, "malformed": 1])
    #expect(line.acquisitions == 21)
    let outcomes = outcome.sink.frames.map(\.header.outcome)
    #expect(outcomes.prefix(5) == [.complete, .absent, .denied, .malformed, .complete])
    #expect(outcome.account.ledger.isExact)
  }

  @Test(arguments: seeds)
  func recordsTravelBesideFramesWithTheirLosses(seed: UInt64) throws {
    let outcome = try VirtualSession.bracket(seed: seed) {
      [CollectorRequest(ScriptedCollector(records: 3, scheduler: $0, duration: 700))]
    }
    #expect(outcome.meta?.records.count == 1)
    let line = outcome.account.ledger.threads[0]
    #expect(line.collectors[0].records == 63 && line.collectors[0].recordsLost == 21)
    #expect(line.ring == RingLedger(pushed: 42, drained: 42, dropped: 0))
    let batches = outcome.sink.recordBatches
    #expect(batches.map(\.values) == (1...21).map { [$0, 0, $0, 1, $0, 2] })
    // A batch begins where its frame ends.
    #expect(batches.map(\.header.start) == outcome.sink.frames.map(\.header.end))
    #expect(batches.allSatisfy { $0.header.kind == .records })
  }

  @Test(arguments: seeds, [true, false])
  func severalThreadsAreMergedByAcquisitionTime(seed: UInt64, isNonBlocking: Bool) throws {
    let outcome = try VirtualSession.bracket(seed: seed, limit: 50, threads: 3) { scheduler in
      (0..<3).map {
        CollectorRequest(
          ScriptedCollector(
            name: "c\($0)", isNonBlocking: isNonBlocking, scheduler: scheduler,
            duration: [90_000, 500, 400_000][$0]))
      } + [CollectorRequest(ScriptedCollector(name: "c3"))]
    }
    #expect(outcome.account.ledger.threads.map(\.collectors.count) == [2, 1, 1])
    #expect(outcome.account.ledger.isExact)
    let frames = outcome.sink.frames
    let starts = frames.map(\.header.start)
    #expect(starts == starts.sorted() && frames.count == 51 * 4)
    // The fourth shares a thread with the first, and begins behind it.
    #expect(Set(frames.ticks(of: 3).map { $0.header.start - $0.header.deadline }) == [90_000])
    for stream in 0..<3 as Range<UInt16> {
      #expect(frames.ticks(of: stream).allSatisfy { $0.header.start == $0.header.deadline })
    }
  }

  /// Far more than a pass takes out of a ring at once, of threads that are not equally fast:
  /// nothing is drained before the end.
  @Test(arguments: seeds)
  func aPassOfManyPortionsKeepsTheOrder(seed: UInt64) throws {
    let wide = (0..<300).map { "\($0)" }
    let outcome = try VirtualSession.bracket(seed: seed, limit: 400, threads: 2) { _ in
      [
        CollectorRequest(ScriptedCollector(name: "one", instances: [wide])),
        CollectorRequest(ScriptedCollector(name: "two"), interval: 2_000_000),
      ]
    }
    #expect(outcome.account.ledger.ring == RingLedger(pushed: 602, drained: 602, dropped: 0))
    let frames = outcome.sink.frames
    let starts = frames.map(\.header.start)
    #expect(starts == starts.sorted())
    #expect(frames.count { $0.header.stream == 0 } == 401)
    #expect(frames.allSatisfy { $0.values.count == ($0.header.stream == 0 ? 300 : 2) })
  }

  @Test(arguments: seeds)
  func aFailingSinkEndsTheSessionAndKeepsTheAccount(seed: UInt64) throws {
    let bad = CollectingSink(failAtFrame: 5)
    let outcome = try VirtualSession.bracket(seed: seed, limit: 3000, others: [bad]) { _ in
      [CollectorRequest(ScriptedCollector())]
    }
    #expect(outcome.failure?.category == .resultPersistence)
    #expect(bad.frames.count == 5, "it is given nothing more")
    // The drain meets it 900 ms after its start.
    #expect((800...1000).contains(outcome.sink.frames.count))
    #expect(outcome.account.ledger.ring.drained == UInt64(outcome.sink.frames.count))
    #expect(outcome.account.ledger.isExact)
  }

  @Test func requiredAndOptionalCollectorsDiffer() throws {
    let denied = ScriptedCollector(
      name: "secret", availability: .denied(reason: "no right", fix: "sudo"))
    let (error, meta) = try VirtualSession.run(seed: 1) { scheduler in
      let virtual = VirtualSession(scheduler)
      var failure: LBError?
      do { _ = try virtual.arm([CollectorRequest(denied)], []) } catch {
        failure = error as? LBError
      }
      let lax = try virtual.arm(
        [CollectorRequest(denied, required: false), CollectorRequest(ScriptedCollector())], [])
      defer { lax.disarm() }
      return (failure, lax.meta)
    }
    #expect(error?.category == .collectorUnavailable && error?.message.contains("sudo") == true)
    #expect(meta?.unavailable.map(\.outcome) == ["denied"])
  }

  /// A value that changes while the opening edge is being taken is the edge's or the first tick's,
  /// and never both or none.
  @Test(arguments: seeds, [true, false])
  func valuesThatChangeAtTheOpeningEdgeAreCountedOnce(seed: UInt64, isNonBlocking: Bool) throws {
    let deltas = BracketDeltas()
    let frames = try VirtualSession.run(seed: seed) { scheduler in
      let sink = CollectingSink()
      // Another value at each acquisition, the edges included.
      let collector = ScriptedCollector(
        script: [.value(10), .value(11), .value(13), .value(16), .value(20)],
        instances: [["a"]], isNonBlocking: isNonBlocking, scheduler: scheduler, duration: 900_000)
      let virtual = VirtualSession(scheduler)
      let session = try virtual.arm([CollectorRequest(collector)], [sink, deltas])
      _ = try session.start()
      scheduler.sleep(2_200_000)
      _ = try session.stop(sampling: true)
      session.disarm()
      return sink.frames
    }
    #expect(frames.map { $0.values[0] } == [10, 11, 13, 16, 20])
    #expect(frames.map(\.header.edge) == [.open, .none, .none, .none, .close])
    #expect(deltas.metrics()["scripted.value[a]"] == 10)
  }

  /// A bracket that was never closed, as behind a start that another thread's silence failed.
  @Test(arguments: [true, false])
  func aStartWithoutAStopEndsWhatWasOpen(isNonBlocking: Bool) throws {
    let (frames, account) = try VirtualSession.run(seed: 5, spurious: 0.1) { scheduler in
      let sink = CollectingSink()
      let virtual = VirtualSession(scheduler, interval: 500_000)
      let session = try virtual.arm(
        [
          CollectorRequest(
            ScriptedCollector(isNonBlocking: isNonBlocking, scheduler: scheduler, duration: 10_000))
        ], [sink])
      for number in 1...40 as ClosedRange<UInt64> {
        _ = try session.start()
        scheduler.sleep(number % 4 * 300_000)
      }
      let account = try session.stop(sampling: true)
      session.disarm()
      return (sink.frames, account)
    }
    #expect(account.number == 40 && account.ledger.isExact)
    #expect(frames.map { $0.values[0] } == Array(1...UInt64(frames.count)))
    for number in 1...40 as ClosedRange<UInt32> {
      let edges = frames.filter { $0.header.bracket == number }.map(\.header.edge)
      // 10 µs of the opening edge and 0, 300, 600 or 900 µs behind it.
      let ticks = [0, 0, 1, 1][Int(number % 4)]
      #expect(
        edges == [.open] + Array(repeating: .none, count: ticks) + (number == 40 ? [.close] : []))
    }
  }
}
