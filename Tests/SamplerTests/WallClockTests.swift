import CLinux
import Glibc
import LinuxSystem
import SampleModel
import Sampler
import TestSupport
import Testing

extension Tag {
  /// It needs the kernel's own clock, threads or descriptors, and takes real time.
  @Tag static var wallClock: Self
}

/// What virtual time cannot show: these are few, and expect nothing that a busy host could break.
@Suite(.serialized, .tags(.wallClock)) struct WallClockTests {
  private func configuration(interval: UInt64, limit: UInt64?, threads: Int) -> SamplerConfiguration
  {
    let cpus = CPUSet.allowed().members
    var configuration = SamplerConfiguration(
      interval: interval, cpus: (0..<threads).map { cpus[$0 % cpus.count] },
      context: CollectorContext(roots: MountRoots()))
    configuration.limit = limit
    configuration.lockMemory = false
    return configuration
  }

  /// The kernel's clock, futexes and poll: the one test of the whole loop on them.
  @Test(.timeLimit(.minutes(1)), arguments: [true, false])
  func aSessionRunsOnTheKernelsClock(isNonBlocking: Bool) throws {
    let sink = CollectingSink()
    let session = SamplerSession(
      configuration(interval: 1_000_000, limit: 50, threads: 2),
      requests: [
        CollectorRequest(ScriptedCollector(name: "one", isNonBlocking: isNonBlocking)),
        CollectorRequest(ScriptedCollector(name: "two")),
      ], sinks: [sink])
    try session.arm()
    defer { session.disarm() }
    let began = Clock.monotonic()
    _ = try session.start()
    while !session.isFinished, session.failure == nil {
      _ = Poll.wait(readable: [session.attentionDescriptor], until: nil)
    }
    let account = try session.stop(sampling: false)
    #expect(Clock.monotonic() - began >= 50_000_000)
    #expect(account.ledger.isExact)
    #expect(account.ledger.threads.map(\.ticks.deadlines) == [50, 50])
    #expect(account.ledger.ring.drained == UInt64(sink.frames.count))
    let starts = sink.frames.map(\.header.start)
    #expect(starts == starts.sorted())
    #expect(sink.frames.ticks().allSatisfy { $0.header.start >= $0.header.deadline })
    #expect(account.overhead.samplingThreadNanoseconds.allSatisfy { $0 > 0 })
  }

  /// Everything that changes hands between threads, many times and at any moment: what the thread
  /// sanitizer is to see. Virtual time has one thread at a time.
  @Test(.timeLimit(.minutes(2)), arguments: [true, false])
  func threadsShareNothingUnordered(isNonBlocking: Bool) throws {
    let sink = CollectingSink()
    var configuration = configuration(interval: 200_000, limit: nil, threads: 2)
    configuration.maximumDeliveryLatency = 1_000_000
    let changing = ScriptedCollector(
      name: "changing",
      script: (0..<600).map { $0 % 9 == 8 ? .gap(.layoutChanged) : .value(UInt64($0)) },
      instances: (1...40).map { count in (0..<count * 50).map { "\($0)" } },
      isNonBlocking: isNonBlocking)
    let session = SamplerSession(
      configuration,
      requests: [
        CollectorRequest(changing),
        CollectorRequest(ScriptedCollector(name: "records", records: 30)),
      ], sinks: [sink])
    try session.arm()
    for number in 0..<60 as Range<UInt64> {
      if number % 7 == 3 {
        session.suspend()
        try session.resume()
      }
      if number % 11 == 5 { _ = try session.growRings(of: [0, 1]) }
      session.prepare()
      _ = try session.start()
      _ = Poll.wait(readable: [], until: Clock.monotonic() + number % 4 * 900_000)
      #expect(try session.stop(sampling: true).ledger.isExact)
    }
    session.disarm()
    #expect(session.failure == nil)
    let edges = sink.frames.filter { $0.header.stream == 1 }.map(\.header.edge)
    #expect(edges.count { $0 == .open } == 60 && edges.count { $0 == .close } == 60)
  }

  /// Pinning is the kernel's.
  @Test func eachSamplingThreadRunsOnItsCPU() throws {
    let cpus = Array(CPUSet.allowed().members.prefix(2))
    var configuration = configuration(interval: 1_000_000, limit: 5, threads: cpus.count)
    configuration.cpus = cpus
    let collectors = cpus.map { CPUCollector(name: "cpu\($0)") }
    let sink = CollectingSink()
    let session = SamplerSession(
      configuration, requests: collectors.map { CollectorRequest($0) }, sinks: [sink])
    try session.arm()
    defer { session.disarm() }
    _ = try session.start()
    while !session.isFinished, session.failure == nil {
      _ = Poll.wait(readable: [session.attentionDescriptor], until: nil)
    }
    _ = try session.stop(sampling: false)
    for (stream, cpu) in cpus.enumerated() {
      let seen = Set(sink.frames.ticks(of: UInt16(stream)).map { $0.values[0] })
      #expect(seen == [UInt64(cpu)])
    }
  }

  /// Threads and descriptors are the kernel's: those of this process, which other tests have too.
  @Test func armingAndDisarmingLeaksNeitherThreadsNorDescriptors() throws {
    func counts() -> (Int, Int) {
      (
        directoryEntries("/proc/self/task").filter {
          SmallFile.text("/proc/self/task/\($0)/comm")?.hasPrefix("lb-") ?? false
        }.count, directoryEntries("/proc/self/fd").count
      )
    }
    func cycle(_ collectors: [ScriptedCollector]) throws {
      let session = SamplerSession(
        configuration(interval: 1_000_000, limit: nil, threads: 1),
        requests: collectors.map { CollectorRequest($0) }, sinks: [])
      try session.arm()
      _ = try session.start()
      _ = try session.stop(sampling: true)
      session.disarm()
    }
    try cycle([ScriptedCollector()])
    let before = counts()
    for _ in 0..<200 {
      try cycle([ScriptedCollector()])
      // One that cannot be armed leaves none either.
      _ = try? cycle([ScriptedCollector(name: "first"), ScriptedCollector(refusals: [0])])
    }
    // Arming threads end by themselves, at once. What one cycle in ten leaked would be twenty.
    let end = Clock.monotonic() + 5_000_000_000
    while counts().0 > before.0 + 16, Clock.monotonic() < end { sched_yield() }
    let after = counts()
    #expect(after.0 <= before.0 + 16 && after.1 <= before.1 + 16)
  }
}

/// Its value is the CPU that it was read on.
private final class CPUCollector: Collector {
  let description: CollectorDescription

  init(name: String) {
    description = CollectorDescription(
      name: name, summary: "the CPU", source: "sched_getcpu", minimumKernel: "0",
      privilege: "none", cost: .cheap, systemCallsPerSample: 0,
      metrics: [MetricDescription("value", .count, .gauge, meaning: "the CPU")])
  }

  func probe(_ context: CollectorContext) -> Availability { .available }

  func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    Armed(columns: [
      Column(collector: description.name, metric: description.metrics[0], instance: "")
    ])
  }

  private final class Armed: ArmedCollector, @unchecked Sendable {
    // Sendable: as the base class says.
    override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
      values[0] = UInt64(lb_current_cpu())
      return .complete
    }
  }
}
