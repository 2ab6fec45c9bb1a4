import Glibc
import LinuxSystem
import SampleModel
import SamplerKit
import Synchronization
import Testing

@Suite(.serialized) struct HostSamplerTests {
  @Test func bracketsMeasureThisHost() throws {
    let sampler = HostSampler(
      .init(collectors: ["cpu", "net"], interval: .milliseconds(1)))
    try sampler.arm()
    defer { sampler.disarm() }
    for _ in 0..<3 {
      try sampler.start()
      let measurement = try sampler.stop()
      #expect(measurement.ledger.isExact)
      #expect(measurement.nanoseconds > 0)
      #expect(measurement.metrics["cpu.ctxt"] != nil)
      #expect(measurement.units["net.rx_bytes[lo]"] == "bytes")
    }
  }

  @Test func wrongUseIsAClearError() {
    #expect(throws: LBError.self) { try HostSampler(.init(collectors: ["nonsense"])).arm() }
    #expect(throws: LBError.self) {
      try HostSampler(.init(collectors: ["cpu"], interval: .zero)).arm()
    }
    #expect(throws: LBError.self) { try HostSampler(.init(collectors: ["cpu"])).start() }
  }
}

@Suite(.serialized) struct SubscriptionTests {
  // On the wall clock: the public sampler has the kernel's time alone, and the closure has to last
  // for some of its intervals.
  @Test(.tags(.wallClock)) func framesComeToSubscribersAndClosuresAreBracketed() async throws {
    let sampler = HostSampler(.init(collectors: ["cpu"], interval: .milliseconds(10)))
    let frames = sampler.frames(capacity: 10_000)
    try sampler.arm()
    let (value, measurement) = try sampler.measure { () -> Int in
      usleep(100_000)
      return 42
    }
    #expect(value == 42 && measurement.ledger.isExact)
    sampler.disarm()
    var switches: [Double] = []
    for await frame in frames {
      #expect(frame.collector == "cpu" && frame.end >= frame.start)
      if let value = frame.values["cpu.ctxt"] { switches.append(value) }
    }
    #expect(switches.count >= 3 && frames.lost == 0)
    #expect(switches == switches.sorted(), "a counter")
    #expect(
      switches.last.map { $0 - switches[0] } == measurement.metrics["cpu.ctxt"],
      "the same edges")
  }

  /// Counts frames and deliveries on the drain's own thread.
  private final class Deliveries: FrameReceiver {
    // What a burst is: frames that come within this time are of one.
    private static let pause: UInt64 = 20_000_000
    private let state = Mutex((frames: 0, bursts: 0, last: 0 as UInt64))
    var frames: Int { state.withLock { $0.frames } }
    var bursts: Int { state.withLock { $0.bursts } }

    func receive(_ frame: FrameSnapshot) {
      let now = Clock.monotonic()
      state.withLock { state in
        state.frames += 1
        if now &- state.last > Self.pause { state.bursts += 1 }
        state.last = now
      }
    }

    func finish() {}
  }

  /// Two collectors at 1 kHz while it is armed: frames come ten times a second, and a subscriber
  /// that takes them within a second loses none at the default capacity.
  @Test func framesComeWhileItIsArmedAndNoneIsLost() async throws {
    let deliveries = Deliveries()
    var configuration = HostSampler.Configuration(
      collectors: ["cpu", "net"], interval: .milliseconds(1))
    configuration.receivers = [deliveries]
    let sampler = HostSampler(configuration)
    let frames = sampler.frames()
    try sampler.arm()
    defer { sampler.disarm() }
    try sampler.start()
    let limit = Clock.monotonic() + 1_000_000_000
    while Clock.monotonic() < limit { usleep(10_000) }
    // Nothing was stopped, which would have the drain deliver at once: a period of 900 ms would
    // have come to one or two.
    #expect(deliveries.bursts >= 4, "\(deliveries.bursts) deliveries")
    #expect(deliveries.frames > 500 && frames.lost == 0)
    let measurement = try sampler.stop()
    sampler.disarm()
    var taken = 0
    for await _ in frames { taken += 1 }
    #expect(frames.lost == 0 && taken == deliveries.frames)
    #expect(UInt64(taken) == measurement.ledger.ring.drained - measurement.ledger.gaps)
  }

  /// Counts from 1, and cannot be opened at first.
  private final class Reluctant: MetricSource {
    let name = "own"
    let metrics = [MetricDescription("one", .count, .gauge, meaning: "")]
    private let tries = Atomic<Int>(0)
    func open() throws -> any MetricReader {
      guard tries.add(1, ordering: .relaxed).oldValue > 0 else { throw Refusal() }
      return Reader()
    }
    final class Reader: MetricReader {
      func read(into values: inout MutableSpan<UInt64>) -> Bool {
        values[0] = 1
        return true
      }
    }
  }

  /// Whoever arms again what could not be armed is told each frame once.
  @Test func anArmingThatFailedTellsNobodyTwice() throws {
    let deliveries = Deliveries()
    var configuration = HostSampler.Configuration(collectors: [], interval: .seconds(1))
    configuration.sources = [Reluctant()]
    configuration.receivers = [deliveries]
    let sampler = HostSampler(configuration)
    #expect(throws: LBError.self) { try sampler.arm() }
    try sampler.arm()
    defer { sampler.disarm() }
    let measurement = try sampler.measure {}.measurement
    #expect(UInt64(deliveries.frames) == measurement.ledger.ring.drained)
    // Far below zero: beyond what 64 bits of nanoseconds hold.
    let long = HostSampler(.init(collectors: ["cpu"], interval: .seconds(-99_999_999_999_999)))
    #expect(throws: LBError.self) { try long.arm() }
  }

  private struct Refusal: Error {}

  @Test func aClosureThatThrowsLeavesNoBracketOpen() throws {
    let sampler = HostSampler(.init(collectors: ["cpu"], interval: .milliseconds(10)))
    try sampler.arm()
    defer { sampler.disarm() }
    #expect(throws: Refusal.self) { try sampler.measure { () throws(Refusal) in throw Refusal() } }
    #expect(try sampler.measure { 1 }.value == 1)
  }
}
