import Glibc
import LinuxSystem
import SampleModel
import Sampler
import Synchronization
import TestSupport
import Testing

private func configuration(
  interval: UInt64 = 1_000_000, limit: UInt64? = nil, threads: Int = 1
) -> SamplerConfiguration {
  let cpus = CPUSet.allowed().members
  var configuration = SamplerConfiguration(
    interval: interval, cpus: (0..<threads).map { cpus[$0 % cpus.count] },
    context: CollectorContext(roots: MountRoots()))
  configuration.limit = limit
  configuration.lockMemory = false
  return configuration
}

private func waitUntilFinished(_ session: SamplerSession) {
  while !session.isFinished, session.failure == nil {
    _ = Poll.wait(
      readable: [session.attentionDescriptor], until: Clock.monotonic() + 10_000_000)
  }
}

@Suite(.serialized) struct SamplerSessionTests {
  @Test(arguments: [true, false])
  func aLimitIsExactAndEveryAccountAddsUp(cannotHang: Bool) throws {
    let sink = CollectingSink()
    let collector = ScriptedCollector(cannotHang: cannotHang)
    let session = SamplerSession(
      configuration(limit: 100), requests: [CollectorRequest(collector)], sinks: [sink])
    try session.arm()
    let bracket = try session.start()
    waitUntilFinished(session)
    let account = try session.stop(sampling: false)
    session.disarm()
    #expect(account.ledger.isExact)
    #expect(account.ledger.ticks.deadlines == 100)
    let taken = account.ledger.ticks.onTime + account.ledger.ticks.late
    #expect(account.ledger.ring.pushed == taken + 1)
    #expect(account.ledger.ring.dropped == 0)
    #expect(sink.frames.count == Int(taken) + 1)
    #expect(sink.frames.first?.header.edge == .open)
    #expect(sink.frames.allSatisfy { $0.header.bracket == bracket })
    let indices = sink.frames.map(\.header.deadlineIndex)
    #expect(indices == indices.sorted() && Set(indices).count == indices.count)
    for frame in sink.frames.dropFirst() {
      #expect(frame.header.start >= frame.header.deadline)
      #expect(frame.header.end >= frame.header.start)
    }
    #expect(collector.armings == 1 && collector.disarmings == 1)
    #expect(account.overhead.samplingThreadNanoseconds.count == 1)
    #expect(account.overhead.samplingThreadNanoseconds[0] > 0)
  }

  @Test(arguments: [true, false])
  func bracketsOpenAndCloseWhateverTheInterval(cannotHang: Bool) throws {
    let sink = CollectingSink()
    let session = SamplerSession(
      configuration(interval: 3_600_000_000_000),
      requests: [CollectorRequest(ScriptedCollector(cannotHang: cannotHang))], sinks: [sink])
    try session.arm()
    defer { session.disarm() }
    for number in 1...5 as ClosedRange<UInt32> {
      let before = Clock.monotonic()
      #expect(try session.start() == number)
      let between = Clock.monotonic()
      let account = try session.stop(sampling: true)
      let frames = sink.frames.filter { $0.header.bracket == number }
      #expect(frames.map(\.header.edge) == [.open, .close])
      #expect(frames[0].header.start >= before && frames[0].header.end <= between)
      #expect(frames[1].header.start >= between)
      #expect(account.ledger.isExact)
      #expect(account.ledger.ticks.deadlines == 0)
      #expect(account.ledger.ring.pushed == 2 && account.ledger.ring.drained == 2)
      #expect(account.openStart == frames[0].header.start)
      #expect(account.closeEnd >= frames[1].header.end)
    }
  }

  @Test func stoppingBetweenDeadlinesCountsWhatPassed() throws {
    let session = SamplerSession(
      configuration(interval: 2_000_000), requests: [CollectorRequest(ScriptedCollector())],
      sinks: [CollectingSink()])
    try session.arm()
    defer { session.disarm() }
    for wait in [0, 1_000_000, 5_000_000, 21_000_000] as [UInt64] {
      _ = try session.start()
      _ = Poll.wait(readable: [], until: Clock.monotonic() + wait)
      let account = try session.stop(sampling: true)
      #expect(account.ledger.isExact)
      #expect(account.ledger.ticks.deadlines >= wait / 2_000_000)
    }
  }

  @Test func cadencesFollowTheDeadlineIndex() throws {
    let sink = CollectingSink()
    let session = SamplerSession(
      configuration(limit: 60),
      requests: [
        CollectorRequest(ScriptedCollector(name: "fast")),
        CollectorRequest(ScriptedCollector(name: "slow"), interval: 10_000_000),
      ], sinks: [sink])
    try session.arm()
    _ = try session.start()
    waitUntilFinished(session)
    let account = try session.stop(sampling: false)
    session.disarm()
    let slow = sink.frames.filter { $0.header.stream == 1 && $0.header.edge == .none }
    // On the multiples of ten, or, where that tick was skipped, on the next one taken.
    let skipped = account.ledger.ticks.skipped
    #expect(slow.count <= 6 && slow.count + Int(skipped) >= 6)
    if skipped == 0 {
      #expect(slow.map(\.header.deadlineIndex) == [10, 20, 30, 40, 50, 60])
    }
    #expect(session.meta?.streams.map(\.cadence) == [1, 10])
  }

  @Test func aCadenceThatIsNoMultipleIsRefused() {
    let session = SamplerSession(
      configuration(),
      requests: [CollectorRequest(ScriptedCollector(), interval: 1_500_000)], sinks: [])
    #expect(throws: LBError.self) { try session.arm() }
  }

  @Test func aChangedLayoutMakesANewEpochAndLosesNoColumn() throws {
    let sink = CollectingSink()
    let script: [ScriptedCollector.Step] = [
      .value(1), .value(2), .gap(.layoutChanged), .gap(.layoutChanged),
    ]
    let collector = ScriptedCollector(script: script, instances: [["a", "b"], ["a", "b", "c"]])
    let session = SamplerSession(
      configuration(interval: 5_000_000, limit: 30), requests: [CollectorRequest(collector)],
      sinks: [sink])
    try session.arm()
    _ = try session.start()
    waitUntilFinished(session)
    let account = try session.stop(sampling: false)
    session.disarm()
    #expect(sink.layouts.map(\.epoch).first == 1)
    #expect(Set(sink.layouts.map(\.epoch)).count >= 2)
    for frame in sink.frames {
      let expected = frame.header.outcome != .complete ? 0 : frame.header.epoch == 1 ? 2 : 3
      #expect(frame.values.count == expected)
    }
    #expect(sink.events.contains { $0.kind == .layoutEpoch && $0.message.contains("c appeared") })
    #expect(account.ledger.gaps >= 1)
    #expect(account.ledger.isExact)
    #expect(collector.armings == collector.disarmings)
  }

  @Test(arguments: [true, false])
  func anEdgeIsTakenAgainAfterALayoutChange(cannotHang: Bool) throws {
    let sink = CollectingSink()
    let deltas = BracketDeltas()
    let collector = ScriptedCollector(
      script: [.gap(.layoutChanged), .value(100), .gap(.truncated), .value(250)],
      instances: [["a"], ["a", "b"]], cannotHang: cannotHang)
    let session = SamplerSession(
      configuration(interval: 3_600_000_000_000), requests: [CollectorRequest(collector)],
      sinks: [sink, deltas])
    try session.arm()
    _ = try session.start()
    _ = try session.stop(sampling: true)
    session.disarm()
    #expect(deltas.metrics() == ["scripted.value[a]": 150, "scripted.value[b]": 150])
    #expect(deltas.units["scripted.value[a]"] == "count")
  }

  @Test func gapsAreNamedByTheirCause() throws {
    let sink = CollectingSink()
    let script: [ScriptedCollector.Step] = [
      .value(1), .gap(.absent), .gap(.denied), .gap(.malformed), .value(2),
    ]
    let session = SamplerSession(
      configuration(interval: 2_000_000, limit: 20),
      requests: [CollectorRequest(ScriptedCollector(script: script))], sinks: [sink])
    try session.arm()
    _ = try session.start()
    waitUntilFinished(session)
    let account = try session.stop(sampling: false)
    session.disarm()
    #expect(
      account.ledger.threads[0].collectors[0].gaps == ["absent": 1, "denied": 1, "malformed": 1])
    #expect(account.ledger.isExact)
  }

  @Test func recordsTravelBesideFramesWithTheirLosses() throws {
    let sink = CollectingSink()
    let session = SamplerSession(
      configuration(limit: 20),
      requests: [CollectorRequest(ScriptedCollector(records: 3))], sinks: [sink])
    try session.arm()
    #expect(session.meta?.records.count == 1)
    _ = try session.start()
    waitUntilFinished(session)
    let account = try session.stop(sampling: false)
    session.disarm()
    let line = account.ledger.threads[0].collectors[0]
    #expect(line.records == line.acquisitions * 3)
    #expect(line.recordsLost == line.acquisitions)
    #expect(sink.recordBatches.count == Int(line.acquisitions))
    #expect(sink.recordBatches.allSatisfy { $0.values.count == 6 })
    #expect(account.ledger.ring.pushed == line.acquisitions * 2)
    #expect(account.ledger.isExact)
  }

  @Test(arguments: [true, false])
  func severalThreadsAreMergedByAcquisitionTime(cannotHang: Bool) throws {
    let sink = CollectingSink()
    let session = SamplerSession(
      configuration(limit: 200, threads: 2),
      requests: [
        CollectorRequest(ScriptedCollector(name: "one", cannotHang: cannotHang)),
        CollectorRequest(ScriptedCollector(name: "two")),
      ], sinks: [sink])
    try session.arm()
    _ = try session.start()
    waitUntilFinished(session)
    let account = try session.stop(sampling: false)
    session.disarm()
    #expect(account.ledger.threads.count == 2)
    #expect(account.ledger.isExact)
    let starts = sink.frames.map(\.header.start)
    #expect(starts == starts.sorted())
    #expect(Set(sink.frames.map(\.header.stream)) == [0, 1])
  }

  /// Far more than is taken out of a ring at once, of threads that are not equally fast.
  @Test func aPassOfManyPortionsKeepsTheOrder() throws {
    let sink = CollectingSink()
    let wide = (0..<300).map { "\($0)" }
    var configuration = configuration(limit: 400, threads: 2)
    // Nothing is drained before the end.
    configuration.liveWithin = nil
    let session = SamplerSession(
      configuration,
      requests: [
        CollectorRequest(ScriptedCollector(name: "one", instances: [wide])),
        CollectorRequest(ScriptedCollector(name: "two"), interval: 2_000_000),
      ], sinks: [sink])
    try session.arm()
    defer { session.disarm() }
    _ = try session.start()
    waitUntilFinished(session)
    let account = try session.stop(sampling: false)
    #expect(account.ledger.isExact && account.ledger.ring.dropped == 0)
    let starts = sink.frames.map(\.header.start)
    #expect(starts == starts.sorted())
    #expect(sink.frames.count == Int(account.ledger.ring.drained))
    #expect(sink.frames.count { $0.header.stream == 0 } > 300)
  }

  @Test func aFailingSinkEndsTheSessionAndKeepsTheAccount() throws {
    let good = CollectingSink()
    let session = SamplerSession(
      configuration(), requests: [CollectorRequest(ScriptedCollector())],
      sinks: [CollectingSink(failAtFrame: 5), good])
    try session.arm()
    _ = try session.start()
    waitUntilFinished(session)
    let account = try session.stop(sampling: true)
    session.disarm()
    #expect(session.failure?.category == .resultPersistence)
    #expect(account.ledger.isExact)
    #expect(good.frames.count == Int(account.ledger.ring.drained))
  }

  @Test func requiredAndOptionalCollectorsDiffer() throws {
    let denied = ScriptedCollector(
      name: "secret", availability: .denied(reason: "no right", fix: "sudo"))
    let strict = SamplerSession(
      configuration(), requests: [CollectorRequest(denied)], sinks: [])
    #expect {
      try strict.arm()
    } throws: {
      let error = $0 as? LBError
      return error?.category == .collectorUnavailable && error?.message.contains("sudo") == true
    }
    let lax = SamplerSession(
      configuration(),
      requests: [
        CollectorRequest(denied, required: false), CollectorRequest(ScriptedCollector()),
      ], sinks: [])
    try lax.arm()
    #expect(lax.meta?.unavailable.map(\.outcome) == ["denied"])
    lax.disarm()
  }

  @Test(arguments: [true, false])
  func alignedDeadlinesFallOnTheWallClock(cannotHang: Bool) throws {
    let sink = CollectingSink()
    var aligned = configuration(interval: 10_000_000, limit: 5)
    aligned.aligned = true
    let session = SamplerSession(
      aligned, requests: [CollectorRequest(ScriptedCollector(cannotHang: cannotHang))],
      sinks: [sink])
    try session.arm()
    let anchor = try #require(session.meta).anchor
    _ = try session.start()
    waitUntilFinished(session)
    _ = try session.stop(sampling: false)
    session.disarm()
    for frame in sink.frames where frame.header.edge == .none {
      let phase = anchor.unixTime(of: frame.header.deadline) % 10_000_000
      #expect(min(phase, 10_000_000 - phase) < 1_000_000, "phase \(phase) ns")
    }
  }

  @Test func armingAndDisarmingLeaksNeitherThreadsNorDescriptors() throws {
    func counts() -> (Int, Int) {
      (
        directoryEntries("/proc/self/task").filter {
          SmallFile.text("/proc/self/task/\($0)/comm")?.hasPrefix("lb-") ?? false
        }.count, directoryEntries("/proc/self/fd").count
      )
    }
    func cycle() throws {
      let session = SamplerSession(
        configuration(), requests: [CollectorRequest(ScriptedCollector())], sinks: [])
      try session.arm()
      _ = try session.start()
      _ = try session.stop(sampling: true)
      session.disarm()
    }
    try cycle()
    let before = counts()
    for _ in 0..<50 { try cycle() }
    // Other suites have threads and files of their own at the same time: what fifty cycles leaked
    // would be fifty.
    let after = counts()
    #expect(after.0 <= before.0 + 16 && after.1 <= before.1 + 16)
  }
}

/// What is mended between two brackets.
@Suite(.serialized) struct RemedyTests {
  /// A sink that is slow at the first records.
  private final class SlowSink: SampleSink {
    private let slept = Atomic<Bool>(false)
    var bytesWritten: UInt64 { 0 }
    func begin(_ meta: StreamMeta) throws(LBError) {}
    func layout(_ layout: Layout) throws(LBError) {}
    func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {}
    func event(_ event: SampleEvent) throws(LBError) {}
    func commit(watermark: UInt64) throws(LBError) {}
    func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
      if !slept.exchange(true, ordering: .relaxed) { usleep(200_000) }
    }
  }

  @Test(.timeLimit(.minutes(1)))
  func aThreadThatDoesNotAnswerIsNamedAndLeft() throws {
    let collector = HangingCollector()
    var patient = configuration()
    patient.answerLimit = 100_000_000
    let session = SamplerSession(
      patient, requests: [CollectorRequest(collector)], sinks: [CollectingSink()])
    try session.arm()
    _ = try session.start()
    collector.hangs.store(true, ordering: .relaxed)
    let began = Clock.monotonic()
    let error = #expect(throws: LBError.self) { _ = try session.stop(sampling: true) }
    // Nothing is taken away from under it.
    session.suspend()
    try session.resume()
    session.disarm()
    #expect(Clock.monotonic() - began < 5_000_000_000)
    #expect(error?.message.contains("it hangs where it reads hanging") == true)
    // It comes back to memory that is still there.
    collector.hangs.store(false, ordering: .relaxed)
    usleep(20_000)
  }

  @Test func whatIsSuspendedHoldsNothingAndIsArmedAnew() throws {
    let first = ScriptedCollector(name: "first", cannotHang: true)
    let lost = ScriptedCollector(name: "lost", refusals: [2])
    let sink = CollectingSink()
    let session = SamplerSession(
      configuration(interval: 10_000_000),
      requests: [CollectorRequest(first), CollectorRequest(lost, required: false)], sinks: [sink])
    try session.arm()
    defer { session.disarm() }
    func bracket() throws -> Ledger {
      _ = try session.start()
      return try session.stop(sampling: true).ledger
    }
    #expect(try bracket().isExact)
    session.suspend()
    session.suspend()
    #expect([first.disarmings, lost.disarmings] == [1, 1])
    #expect(throws: LBError.self) { try session.start() }
    try session.resume()
    #expect([first.armings, lost.armings] == [2, 2])
    // Twice without a bracket between: what was armed in vain is closed too.
    session.suspend()
    let gone = #expect(throws: LBError.self) { try session.resume() }
    #expect(gone?.context.collector == "lost")
    #expect(gone?.message.contains("arming 2 is refused") == true)
    #expect(session.disable("lost"))
    try session.resume()
    #expect([first.armings, first.disarmings, lost.disarmings] == [3, 2, 2])
    let ledger = try bracket()
    #expect(ledger.isExact)
    let acquisitions = ledger.threads.flatMap(\.collectors).map { ($0.collector, $0.acquisitions) }
    #expect(acquisitions.first { $0.0 == "first" }?.1 == 2)
    #expect(acquisitions.first { $0.0 == "lost" }?.1 == 0)
    session.disarm()
    #expect([first.disarmings, lost.disarmings] == [3, 2])
  }

  @Test func aRequiredCollectorThatCannotBeResumedStartsNothing() throws {
    let collector = ScriptedCollector(refusals: [1, 2])
    let session = SamplerSession(
      configuration(interval: 10_000_000), requests: [CollectorRequest(collector, required: true)],
      sinks: [CollectingSink()])
    try session.arm()
    defer { session.disarm() }
    session.suspend()
    #expect(throws: LBError.self) { try session.resume() }
    #expect(throws: LBError.self) { try session.start() }
    #expect(throws: LBError.self) { try session.resume() }
    try session.resume()
    _ = try session.start()
    #expect(try session.stop(sampling: true).ledger.isExact)
  }

  @Test func aRingThatWasFullHasAQuarterMoreRoomAndItsAccountStaysExact() throws {
    var fast = configuration(interval: 500_000)
    fast.liveWithin = 100_000_000
    let few = ScriptedCollector(name: "few")
    let session = SamplerSession(
      fast,
      requests: [
        CollectorRequest(ScriptedCollector(name: "many", records: 20_000)),
        CollectorRequest(few, required: false),
      ], sinks: [SlowSink()])
    try session.arm()
    defer {
      session.disarm()
      #expect(few.disarmings == 1, "once and for all")
    }
    let before = session.ringBytes
    _ = try session.start()
    usleep(400_000)
    let full = try session.stop(sampling: true)
    #expect(full.ledger.isExact && full.ledger.ring.dropped > 0)
    let none = try session.growRings(of: [0], limit: before)
    #expect(none.isEmpty && session.ringBytes == before)
    let grown = try session.growRings(of: [0])
    #expect(grown.count == 1)
    #expect((1.25..<1.26).contains(Double(session.ringBytes) / Double(before)))
    #expect(grown.first?.from == before && grown.first?.to == session.ringBytes)
    #expect(session.disable("few") && !session.disable("many") && !session.disable("none"))
    #expect(few.disarmings == 1, "what is read no more is closed")
    _ = try session.start()
    usleep(20_000)
    let next = try session.stop(sampling: true)
    #expect(next.ledger.isExact && next.ledger.ring.drained > 1)
    let lines = next.ledger.threads[0].collectors
    #expect(lines.first { $0.collector == "few" }?.acquisitions == 0)
    #expect((lines.first { $0.collector == "many" }?.acquisitions ?? 0) > 1)
    while try !session.growRings(of: [0]).isEmpty {}
    #expect(session.ringBytes <= (1 << 22) * 8 + 256, "it is bounded")
  }
}

@Suite struct ClockWatchTests {
  @Test func aStepASuspendAndASlewAreToldApart() {
    let clock = VirtualScheduler()
    var watch = ClockWatch(clock: clock.source)
    clock.advance(1_000_000_000)
    #expect(watch.check().isEmpty)
    clock.step(-3_600_000_000_000)
    #expect(watch.check().map(\.kind) == [.clockStep, .clockAnchor])
    clock.advance(1_000_000_000)
    clock.step(400_000)  // 400 ppm: NTP slewing.
    #expect(watch.check().isEmpty)
    clock.suspend(5_000_000_000)
    let events = watch.check()
    #expect(events.map(\.kind) == [.suspend, .clockAnchor])
    #expect(events[0].message.contains("5000000000 ns"))
    #expect(watch.check().isEmpty)
    clock.advance(61_000_000_000)
    #expect(watch.check().map(\.kind) == [.clockAnchor])
  }
}

@Suite struct PlacementTests {
  @Test func placementsAreReadAndResolved() throws {
    #expect(Placement("auto") == .automatic)
    #expect(Placement("node") == .nodes)
    #expect(Placement("0-1") == .cpus([0, 1]))
    #expect(Placement("x") == nil && Placement("") == nil)
    let roots = MountRoots()
    let allowed = CPUSet([0, 1, 2, 3])
    #expect(
      try Placement.automatic.resolve(roots: roots, allowed: allowed, workload: CPUSet([3]))
        == [2])
    #expect(
      try Placement.automatic.resolve(roots: roots, allowed: allowed, workload: allowed) == [3])
    #expect(throws: LBError.self) {
      try Placement.cpus([9]).resolve(roots: roots, allowed: allowed, workload: nil)
    }
  }

  @Test(arguments: [
    ("*", "x", true), ("cpu.*[all]", "cpu.user[all]", true),
    ("cpu.*[all]", "cpu.user[0]", false), ("net.?x_bytes*", "net.rx_bytes[eth0]", true),
    ("", "", true), ("a*b*c", "axxbyyc", true), ("a*b*c", "axxbyy", false),
  ])
  func globs(_ pattern: String, _ text: String, _ matches: Bool) {
    #expect(Glob.matches(pattern, text) == matches)
  }
}

@Suite struct NodePlacementTests {
  /// The topology of a captured host with two nodes.
  @Test func aNodePlacementTakesTheLastCPUOfEachNode() throws {
    let tests = "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    let roots = MountRoots(sys: "\(tests)/Fixtures/6.1-8cpu-2node/sys")
    let all = CPUSet(0...7)
    #expect(try Placement.nodes.resolve(roots: roots, allowed: all, workload: nil) == [3, 7])
    let some = CPUSet([0, 1, 4])
    #expect(try Placement.nodes.resolve(roots: roots, allowed: some, workload: nil) == [1, 4])
    #expect(HostFacts.nodes(roots) == [0, 1])
    #expect(throws: LBError.self) {
      try Placement.nodes.resolve(
        roots: MountRoots(sys: "/nowhere"), allowed: all, workload: nil)
    }
  }
}
