import Glibc
import LinuxSystem
import SamplerKit
import Synchronization
import Testing

/// Frames while they come.
@Suite(.serialized) struct FrameTests {
  // On the wall clock: the public sampler has the kernel's time alone, and the closure has to last
  // for some of its intervals.
  @Test(.tags(.wallClock)) func framesComeToSubscribersAndClosuresAreBracketed() async throws {
    let sampler = try HostSampler(.cpu, interval: .milliseconds(10))
    let frames = sampler.frames(capacity: 10_000)
    let (value, measurement) = try sampler.measure { () -> Int in
      usleep(100_000)
      return 42
    }
    #expect(value == 42 && measurement.ledger.isExact && measurement.duration >= .milliseconds(100))
    sampler.disarm()
    var switches: [Double] = []
    for await frame in frames {
      #expect(frame.collector == .cpu && frame.end >= frame.start)
      if let value = frame[.cpu.ctxt] { switches.append(value) }
    }
    #expect(switches.count >= 3 && frames.lost == 0)
    #expect(switches == switches.sorted(), "a counter")
    #expect(
      switches.last.map { $0 - switches[0] } == measurement[.cpu.ctxt], "the same edges")
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
    var sampling = Sampling(.cpu, .net, interval: .milliseconds(1))
    sampling.receivers = [deliveries]
    let sampler = try HostSampler(sampling)
    let frames = sampler.frames()
    let bracket = try sampler.begin()
    let limit = Clock.monotonic() + 1_000_000_000
    while Clock.monotonic() < limit { usleep(10_000) }
    // Nothing was stopped, which would have the drain deliver at once: a period of 900 ms would
    // have come to one or two.
    #expect(deliveries.bursts >= 4, "\(deliveries.bursts) deliveries")
    #expect(deliveries.frames > 500 && frames.lost == 0)
    let measurement = try bracket.end()
    sampler.disarm()
    var taken = 0
    for await _ in frames { taken += 1 }
    #expect(frames.lost == 0 && taken == deliveries.frames)
    #expect(UInt64(taken) == measurement.ledger.ring.drained - measurement.ledger.gaps)
  }

  private struct Refusal: Error {}

  /// Counts from 1, and cannot be opened at first.
  private final class Reluctant: MetricSource {
    let name = "own"
    let metrics = [MetricDescription("one", .count, .gauge, meaning: "")]
    private let tries = Atomic<Int>(0)
    func open() throws -> sending any MetricReader {
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

  /// What could not be armed gives nobody frames, and ends for nobody.
  @Test func anArmingThatFailedIsSeenByNobody() throws {
    let deliveries = Deliveries()
    var sampling = Sampling()
    sampling.sources = [Reluctant()]
    sampling.receivers = [deliveries]
    let error = #expect(throws: LBSampleError.self) { try HostSampler(sampling) }
    #expect(error?.category == .collectorUnavailable && error?.context.collector == "own")
    let sampler = try HostSampler(sampling)
    let measurement = try sampler.measure {}.measurement
    #expect(UInt64(deliveries.frames) == measurement.ledger.ring.drained)
    #expect(measurement["own.one"] == 1)
  }

  @Test func aSamplerThatNobodyHasEndsItsSubscriptions() async throws {
    var sampler: HostSampler? = try HostSampler(.entropy)
    let frames = try #require(sampler?.frames())
    _ = try sampler?.measure {}
    sampler = nil
    var count = 0
    for await _ in frames { count += 1 }
    #expect(count >= 2)
  }
}
