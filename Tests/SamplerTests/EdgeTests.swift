import Glibc
import LinuxSystem
import SampleModel
import Sampler
import TestSupport
import Testing

/// Edges that whoever opens and closes brackets takes itself, while the sampling thread sleeps.
@Suite struct EdgeTests {
  private static let seeds: [UInt64] = [1, 2, 3, 4, 5, 6]

  @Test(arguments: seeds, [true, false])
  func theyAreTakenHereOnlyWhereNothingCanHang(seed: UInt64, isNonBlocking: Bool) throws {
    let collector = ScriptedCollector(isNonBlocking: isNonBlocking)
    let controller = try VirtualSession.run(seed: seed) { scheduler in
      let virtual = VirtualSession(scheduler, interval: 50_000_000)
      let session = try virtual.arm([CollectorRequest(collector)], [])
      for length in [0, 120_000_000] as [UInt64] {
        _ = try session.start()
        scheduler.sleep(length)
        _ = try session.stop(sampling: true)
      }
      session.disarm()
      return pthread_self()
    }
    #expect(collector.edgeThreads.contains(controller) == isNonBlocking)
    #expect(!collector.tickThreads.isEmpty && !collector.tickThreads.contains(controller))
  }

  /// After a bracket that was closed early the thread sleeps on until its deadline, and samples the
  /// next bracket from its first deadline on.
  @Test(arguments: seeds, [0, 10_000_000, 45_000_000] as [UInt64])
  func theThreadSamplesWhateverItSleptForBefore(seed: UInt64, pause: UInt64) throws {
    let (ticks, frames) = try VirtualSession.run(seed: seed, spurious: 0.2) { scheduler in
      let sink = CollectingSink()
      let virtual = VirtualSession(scheduler, interval: 30_000_000)
      let session = try virtual.arm(
        [CollectorRequest(ScriptedCollector(isNonBlocking: true))], [sink])
      _ = try session.start()
      _ = try session.stop(sampling: true)
      scheduler.sleep(pause)
      _ = try session.start()
      scheduler.sleep(100_000_000)
      let ticks = try session.stop(sampling: true).ledger.ticks
      session.disarm()
      return (ticks, sink.frames.filter { $0.header.bracket == 2 })
    }
    #expect(ticks.deadlines == 3 && ticks.onTime == 3 && ticks.latenessMaximum == 0)
    #expect(frames.map(\.header.deadlineIndex) == [0, 1, 2, 3, 3])
  }

  /// What has nothing to look at in a bracket is not read in it: no frame, no gap, no value.
  @Test(arguments: seeds, [true, false])
  func whatIsIdleIsNotReadUntilItIsThereAgain(seed: UInt64, isNonBlocking: Bool) throws {
    let other = ScriptedCollector(name: "other", isNonBlocking: isNonBlocking)
    let coming = ScriptedCollector(isNonBlocking: isNonBlocking, idlePreparations: [0, 2])
    let (accounts, values, frames) = try VirtualSession.run(seed: seed) { scheduler in
      let sink = CollectingSink()
      let deltas = BracketDeltas()
      let virtual = VirtualSession(scheduler, interval: 10_000_000)
      let session = try virtual.arm(
        [CollectorRequest(other), CollectorRequest(coming)], [sink, deltas])
      var accounts: [BracketAccount] = []
      var values: [[String]] = []
      for _ in 0..<3 {
        session.prepare()
        _ = try session.start()
        scheduler.sleep(45_000_000)
        accounts.append(try session.stop(sampling: true))
        values.append(deltas.values().map(\.name).filter { $0.hasPrefix("scripted.") })
      }
      session.disarm()
      return (accounts, values, sink.frames)
    }
    let lines = accounts.map { $0.ledger.threads.flatMap(\.collectors) }
    #expect(lines.map { $0.map(\.acquisitions) } == [[6, 0], [6, 6], [6, 0]])
    #expect(lines.joined().allSatisfy { $0.gaps.isEmpty })
    #expect(Set(frames.filter { $0.header.stream == 1 }.map(\.header.bracket)) == [2])
    #expect(values[0].isEmpty && values[1].contains("scripted.value[a]") && values[2].isEmpty)
    #expect(accounts.allSatisfy { $0.ledger.isExact })
  }

  /// The cost of edges that the controller takes is the sampling's, and no more than that.
  @Test(arguments: seeds)
  func whatTheyCostIsInTheAccount(seed: UInt64) throws {
    let cost = try VirtualSession.run(seed: seed) { scheduler in
      let virtual = VirtualSession(scheduler, interval: 1_000_000_000)
      let session = try virtual.arm(
        [
          CollectorRequest(
            ScriptedCollector(isNonBlocking: true, scheduler: scheduler, duration: 7_000))
        ], [])
      _ = try session.start()
      // The controller's own work between the edges.
      scheduler.work(500_000)
      let account = try session.stop(sampling: true)
      session.disarm()
      return account.overhead.samplingThreadNanoseconds[0]
    }
    // The thread's own clock is the kernel's: it slept, but for its start.
    #expect((14_000..<514_000).contains(cost))
  }
}
