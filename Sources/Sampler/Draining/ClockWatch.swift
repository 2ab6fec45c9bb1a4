package import LinuxSystem
package import SampleModel

/// Notices a stepped wall clock and a suspend, and takes an anchor each minute.
package struct ClockWatch {
  /// A wall clock that moves against CLOCK_MONOTONIC by more than this was stepped. Slewing by
  /// NTP stays below 500 parts per million, which is allowed for on top.
  static let stepThreshold: UInt64 = 5_000_000
  /// A CLOCK_BOOTTIME that runs ahead by more than this was suspended.
  static let suspendThreshold: UInt64 = 1_000_000
  static let anchorPeriod: UInt64 = 60_000_000_000

  private let clock: TimeSource
  private var last: ClockAnchor
  private var lastAnchor: UInt64
  /// The latest reading.
  package var anchor: ClockAnchor { last }

  /// A watch that begins now.
  package init(clock: TimeSource) {
    self.clock = clock
    last = Self.read(clock)
    lastAnchor = last.monotonic
  }

  /// Readings further apart than this were torn by a preemption.
  static let tightReading: UInt64 = 50_000

  /// Reads the three clocks together: the tightest of up to eight tries, since a preemption
  /// between two reads would look like a step or a suspend.
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

  /// Looks at the clocks; gives what happened since the last look.
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
    // A suspend moves the wall clock by what it lasted: that is no step.
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
