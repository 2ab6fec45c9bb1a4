import Glibc
import LinuxSystem
import SampleModel
import Sampler
import TestSupport
import Testing

/// Edges that whoever opens and closes brackets takes itself, while the sampling thread sleeps.
@Suite(.serialized) struct EdgeTests {
  private func session(
    _ collector: ScriptedCollector, _ sink: CollectingSink, interval: UInt64, cadence: UInt64 = 1
  ) -> SamplerSession {
    var configuration = SamplerConfiguration(
      interval: interval, cpus: [CPUSet.allowed().members[0]],
      context: CollectorContext(roots: MountRoots()))
    configuration.lockMemory = false
    let request = CollectorRequest(collector, interval: cadence * interval)
    return SamplerSession(configuration, requests: [request], sinks: [sink])
  }

  private func wait(_ nanoseconds: UInt64) {
    _ = Poll.wait(readable: [], until: Clock.monotonic() + nanoseconds)
  }

  @Test(arguments: [true, false])
  func theyAreTakenHereOnlyWhereNothingCanHang(cannotHang: Bool) throws {
    let collector = ScriptedCollector(cannotHang: cannotHang)
    let session = session(collector, CollectingSink(), interval: 50_000_000)
    try session.arm()
    defer { session.disarm() }
    for length in [0, 120_000_000] as [UInt64] {
      _ = try session.start()
      wait(length)
      _ = try session.stop(sampling: true)
    }
    #expect(collector.edgeThreads.contains(pthread_self()) == cannotHang)
    #expect(!collector.tickThreads.isEmpty)
    #expect(!collector.tickThreads.contains(pthread_self()))
  }

  @Test(arguments: [true, false])
  func bracketsOfAnyLengthAreWholeAndExact(cannotHang: Bool) throws {
    let sink = CollectingSink()
    let collector = ScriptedCollector(cannotHang: cannotHang, duration: 30_000)
    let session = session(collector, sink, interval: 400_000)
    try session.arm()
    defer { session.disarm() }
    var random = SystemRandomNumberGenerator()
    var taken: UInt64 = 0
    for number in 1...600 as ClosedRange<UInt32> {
      #expect(try session.start() == number)
      // About a deadline, when the thread may be anywhere in its tick.
      let deadline = UInt64.random(in: 0...3, using: &random) * 400_000
      let end = Clock.monotonic() + deadline + UInt64.random(in: 0...40_000, using: &random)
      while Clock.monotonic() < end {}
      let account = try session.stop(sampling: true)
      let ticks = account.ledger.ticks
      #expect(account.ledger.isExact)
      #expect(account.ledger.ring.pushed == ticks.onTime + ticks.late + 2)
      #expect(account.ledger.ring.drained == account.ledger.ring.pushed)
      taken += ticks.onTime + ticks.late
    }
    #expect(taken > 100)
    let brackets = Dictionary(grouping: sink.frames, by: \.header.bracket)
    #expect(brackets.count == 600)
    for (_, frames) in brackets {
      #expect(frames.first?.header.edge == .open && frames.last?.header.edge == .close)
      #expect(frames.dropFirst().dropLast().allSatisfy { $0.header.edge == .none })
      let starts = frames.map(\.header.start)
      #expect(starts == starts.sorted())
      let indices = frames.map(\.header.deadlineIndex)
      #expect(indices == indices.sorted())
    }
    // Each acquisition is somebody's: none was made twice and none lost between the two threads.
    let values = sink.frames.map { $0.values[0] }
    #expect(values == (1...UInt64(values.count)).map { $0 })
  }

  /// After a bracket that was closed early the thread sleeps on until its deadline.
  @Test func theThreadSamplesWhateverItSleptForBefore() throws {
    let sink = CollectingSink()
    let session = session(
      ScriptedCollector(cannotHang: true), sink, interval: 30_000_000)
    try session.arm()
    defer { session.disarm() }
    for pause in [0, 10_000_000, 45_000_000] as [UInt64] {
      _ = try session.start()
      _ = try session.stop(sampling: true)
      wait(pause)
      _ = try session.start()
      wait(100_000_000)
      let ticks = try session.stop(sampling: true).ledger.ticks
      #expect(ticks.deadlines >= 3)
      #expect(ticks.onTime + ticks.late + ticks.skipped == ticks.deadlines)
      #expect(ticks.onTime + ticks.late >= 1)
    }
  }

  /// The thread may sleep through a whole bracket: deadlines without anything due are on time.
  @Test(arguments: [true, false])
  func deadlinesAtWhichNothingIsDueAreNotSkipped(cannotHang: Bool) throws {
    let sink = CollectingSink()
    let session = session(
      ScriptedCollector(cannotHang: cannotHang), sink, interval: 1_000_000, cadence: 100)
    try session.arm()
    defer { session.disarm() }
    for _ in 0..<3 {
      _ = try session.start()
      wait(20_000_000)
      let ticks = try session.stop(sampling: true).ledger.ticks
      #expect(ticks.deadlines >= 20 && ticks.skipped == 0)
      #expect(ticks.onTime == ticks.deadlines)
    }
  }

  /// A bracket that was never closed, as behind a start that another thread's silence failed.
  @Test(arguments: [true, false])
  func aStartWithoutAStopEndsWhatWasOpen(cannotHang: Bool) throws {
    let sink = CollectingSink()
    let session = session(ScriptedCollector(cannotHang: cannotHang), sink, interval: 500_000)
    try session.arm()
    defer { session.disarm() }
    for number in 1...40 as ClosedRange<UInt32> {
      #expect(try session.start() == number)
      wait(UInt64(number % 4) * 300_000)
    }
    let account = try session.stop(sampling: true)
    #expect(account.number == 40 && account.ledger.isExact)
    let values = sink.frames.map { $0.values[0] }
    #expect(values == (1...UInt64(values.count)).map { $0 })
  }

  @Test func whatTheyCostIsInTheAccount() throws {
    let session = session(
      ScriptedCollector(cannotHang: true), CollectingSink(), interval: 1_000_000_000)
    try session.arm()
    defer { session.disarm() }
    _ = try session.start()
    let before = Clock.threadCPU()
    let account = try session.stop(sampling: true)
    let mine = Clock.threadCPU() - before
    let told = account.overhead.samplingThreadNanoseconds[0]
    #expect(told > 0 && told < 2 * mine + 1_000_000)
  }
}
