import LinuxSystem
import SampleModel
import Sampler
import TestSupport
import Testing

/// What is mended between two brackets.
@Suite struct RemedyTests {
  private static let seeds: [UInt64] = [1, 2, 3]

  private struct Suspension {
    var counts: [[Int]] = []
    var started: [Bool] = []
    var gone: LBError?
    var isDisabled = false
    var ledgers: [Ledger] = []
  }

  @Test(arguments: seeds)
  func whatIsSuspendedHoldsNothingAndIsArmedAnew(seed: UInt64) throws {
    let outcome = try VirtualSession.run(seed: seed, spurious: 0.1) { scheduler in
      let first = ScriptedCollector(name: "first", isNonBlocking: true)
      let lost = ScriptedCollector(name: "lost", refusals: [2])
      var outcome = Suspension()
      func note() {
        outcome.counts.append(
          [first.armings, first.disarmings, lost.armings, lost.disarmings])
      }
      let virtual = VirtualSession(scheduler, interval: 10_000_000)
      let session = try virtual.arm(
        [CollectorRequest(first), CollectorRequest(lost, required: false)], [])
      func bracket() throws {
        _ = try session.start()
        outcome.ledgers.append(try session.stop(sampling: true).ledger)
      }
      try bracket()
      session.suspend()
      session.suspend()
      note()
      outcome.started.append((try? session.start()) != nil)
      try session.resume()
      note()
      // Twice without a bracket between: what was armed in vain is closed too.
      session.suspend()
      do throws(LBError) { try session.resume() } catch { outcome.gone = error }
      note()
      outcome.isDisabled = session.disable("lost")
      try session.resume()
      note()
      try bracket()
      session.disarm()
      note()
      return outcome
    }
    #expect(
      outcome.counts == [[1, 1, 1, 1], [2, 1, 2, 1], [3, 2, 3, 2], [3, 2, 3, 2], [3, 3, 3, 2]])
    #expect(outcome.started == [false])
    #expect(outcome.gone?.context.collector == "lost")
    #expect(outcome.gone?.message.contains("arming 2 is refused") == true)
    #expect(outcome.isDisabled)
    #expect(outcome.ledgers.allSatisfy { $0.isExact })
    let acquisitions = outcome.ledgers.map { $0.threads[0].collectors.map(\.acquisitions) }
    #expect(acquisitions == [[2, 2], [2, 0]])
  }

  @Test func aRequiredCollectorThatCannotBeResumedStartsNothing() throws {
    let steps = try VirtualSession.run(seed: 1) { scheduler in
      let collector = ScriptedCollector(refusals: [1, 2])
      let session = try VirtualSession(scheduler, interval: 10_000_000)
        .arm([CollectorRequest(collector, required: true)], [])
      session.suspend()
      var steps: [Bool] = []
      for _ in 0..<2 {
        steps.append((try? session.resume()) != nil)
        steps.append((try? session.start()) != nil)
      }
      try session.resume()
      _ = try session.start()
      steps.append(try session.stop(sampling: true).ledger.isExact)
      session.disarm()
      return steps
    }
    #expect(steps == [false, false, false, false, true])
  }

  private struct Growth {
    var full: Ledger
    var next: Ledger
    var bytes: [Int] = []
    var grown: [RingGrowth] = []
    var bounded: [RingGrowth] = []
    var disabled: [Bool] = []
    var disarmings: [Int] = []
  }

  @Test(arguments: seeds)
  func aRingThatWasFullHasAQuarterMoreRoomAndItsAccountStaysExact(seed: UInt64) throws {
    let outcome = try VirtualSession.run(seed: seed) { scheduler in
      let few = ScriptedCollector(name: "few")
      // Slow at the first frame behind the opening edge.
      let sink = CollectingSink(scheduler: scheduler, works: [0, 0, 0, 0, 0, 100_000_000])
      let virtual = VirtualSession(scheduler, interval: 500_000)
      let session = try virtual.arm(
        [
          CollectorRequest(ScriptedCollector(name: "many", records: 2000)),
          CollectorRequest(few, required: false),
        ], [sink])
      var bytes = [session.ringBytes]
      _ = try session.start()
      scheduler.sleep(150_000_000)
      let full = try session.stop(sampling: true).ledger
      let bounded = try session.growRings(of: [0], limit: bytes[0])
      bytes.append(session.ringBytes)
      let grown = try session.growRings(of: [0])
      bytes.append(session.ringBytes)
      let disabled = ["few", "many", "none"].map { session.disable($0) }
      let disarmings = few.disarmings
      _ = try session.start()
      scheduler.sleep(20_100_000)
      let next = try session.stop(sampling: true).ledger
      while try !session.growRings(of: [0]).isEmpty {}
      bytes.append(session.ringBytes)
      session.disarm()
      return Growth(
        full: full, next: next, bytes: bytes, grown: grown, bounded: bounded, disabled: disabled,
        disarmings: [disarmings, few.disarmings])
    }
    #expect(outcome.full.isExact && outcome.full.ring.dropped > 0)
    #expect(outcome.bounded.isEmpty && outcome.bytes[1] == outcome.bytes[0])
    #expect(
      outcome.grown == [RingGrowth(thread: 0, from: outcome.bytes[0], to: outcome.bytes[2])])
    #expect((1.25..<1.26).contains(Double(outcome.bytes[2]) / Double(outcome.bytes[0])))
    #expect(outcome.bytes[3] <= (1 << 22) * 8 + 4096, "it is bounded")
    #expect(outcome.disabled == [true, false, false])
    #expect(outcome.disarmings == [1, 1], "what is read no more is closed, once and for all")
    let lines = outcome.next.threads[0]
    #expect(lines.collectors.map(\.acquisitions) == [42, 0])
    #expect(lines.ring == RingLedger(pushed: 84, drained: 84, dropped: 0))
  }

  /// A session in which nothing was armed leaves no thread behind; virtual time waits for all.
  @Test func anArmingThatFailsLeavesNoThread() throws {
    let failures = try VirtualSession.run(seed: 1) { scheduler in
      let virtual = VirtualSession(scheduler)
      let refused = ScriptedCollector(name: "refused", refusals: [0])
      var failures: [String] = []
      for required in [true, false] {
        do {
          _ = try virtual.arm(
            [
              CollectorRequest(ScriptedCollector(name: "first")),
              CollectorRequest(refused, required: required),
              CollectorRequest(ScriptedCollector(name: "last", refusals: [0])),
            ], [])
        } catch {
          failures.append("\(error)")
        }
      }
      return failures
    }
    #expect(failures.map { $0.contains("arming 0 is refused") } == [true, true])
  }
}
