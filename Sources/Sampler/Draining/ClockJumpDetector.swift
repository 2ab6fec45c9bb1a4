package import LinuxSystem
package import SampleModel

/// Detects steps of the wall clock and suspends, and takes an anchor each minute.
package struct ClockJumpDetector {
  /// Nanoseconds of deviation from CLOCK_MONOTONIC above which the wall clock was stepped. Slewing
  /// by NTP (below 500 parts per million) is allowed on top.
  static let stepThreshold: UInt64 = 5_000_000
  /// Nanoseconds that CLOCK_BOOTTIME gains on CLOCK_MONOTONIC above which the host was suspended.
  static let suspendThreshold: UInt64 = 1_000_000
  static let anchorPeriod: UInt64 = 60_000_000_000

  private let clock: TimeSource
  private var last: ClockAnchor
  private var lastAnchor: UInt64
  /// The latest reading.
  package var anchor: ClockAnchor { last }

  /// A detector that begins with the present time.
  package init(clock: TimeSource) {
    self.clock = clock
    last = Self.read(clock)
    lastAnchor = last.monotonic
  }

  /// Nanoseconds above which the three readings were separated by a preemption.
  static let tightReading: UInt64 = 50_000

  /// Reads the three clocks together, in the tightest of up to eight attempts: a preemption between
  /// two reads would look like a step or a suspend.
  package static func read(_ clock: TimeSource) -> ClockAnchor {
    tightest(clock).anchor
  }

  private static func tightest(_ clock: TimeSource) -> (anchor: ClockAnchor, spread: UInt64) {
    var best: (anchor: ClockAnchor, spread: UInt64)?
    for _ in 0..<8 {
      let before = clock.monotonic()
      let realtime = clock.realtime()
      let boottime = clock.boottime()
      let after = clock.monotonic()
      let spread = after &- before
      if spread < best?.spread ?? .max {
        best = (
          ClockAnchor(
            monotonic: before + spread / 2, realtime: realtime, boottime: boottime), spread
        )
      }
      if spread <= tightReading { break }
    }
    return best ?? (ClockAnchor(monotonic: 0, realtime: 0, boottime: 0), .max)
  }

  /// Reads the clocks; returns the steps, suspends and anchors since the last check.
  package mutating func check() -> [SampleEvent] {
    let (now, spread) = Self.tightest(clock)
    guard spread <= Self.tightReading else { return [] }
    defer { last = now }
    var events: [SampleEvent] = []
    let elapsed = Int64(bitPattern: now.monotonic &- last.monotonic)
    let wall = Int64(bitPattern: now.realtime &- last.realtime) - elapsed
    let boot = Int64(bitPattern: now.boottime &- last.boottime) - elapsed
    let slew = UInt64(max(0, elapsed)) / 2000
    let suspended = boot > Int64(Self.suspendThreshold)
    if suspended {
      events.append(
        SampleEvent(
          .suspend, time: now.monotonic,
          message: "the host was suspended for \(Durations.rounded(UInt64(boot))) "
            + "(CLOCK_BOOTTIME advanced past CLOCK_MONOTONIC); nothing was sampled meanwhile",
          anchor: now))
    }
    // A suspend moves the wall clock by its duration: that is no step.
    let step = suspended ? wall - boot : wall
    if step.magnitude > Self.stepThreshold + slew {
      events.append(
        SampleEvent(
          .clockStep, time: now.monotonic,
          message: "the wall clock (CLOCK_REALTIME) stepped by \(step < 0 ? "-" : "+")"
            + "\(Durations.rounded(step.magnitude)); intervals are not affected", anchor: now))
    }
    if !events.isEmpty || now.monotonic &- lastAnchor >= Self.anchorPeriod {
      lastAnchor = now.monotonic
      events.append(
        SampleEvent(
          .clockAnchor, time: now.monotonic, message: "clocks read together", anchor: now))
    }
    return events
  }
}
