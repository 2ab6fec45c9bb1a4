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

  private let clock: any ClockSource
  private var last: ClockAnchor
  private var lastAnchor: UInt64
  /// The latest reading.
  package var anchor: ClockAnchor { last }

  /// A watch that begins now.
  package init(clock: any ClockSource) {
    self.clock = clock
    last = Self.read(clock)
    lastAnchor = last.monotonic
  }

  /// Reads the three clocks as closely together as one thread can.
  package static func read(_ clock: any ClockSource) -> ClockAnchor {
    let before = clock.monotonic()
    let realtime = clock.realtime()
    let boottime = clock.boottime()
    let after = clock.monotonic()
    return ClockAnchor(
      monotonic: before + (after - before) / 2, realtime: realtime, boottime: boottime)
  }

  /// Looks at the clocks; gives what happened since the last look.
  package mutating func check() -> [SampleEvent] {
    let now = Self.read(clock)
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
          message: "the host was suspended for \(boot) ns (CLOCK_BOOTTIME ran ahead)",
          anchor: now))
    }
    // A suspend moves the wall clock by what it lasted: that is no step.
    let step = suspended ? wall - boot : wall
    if step.magnitude > Self.stepThreshold + slew {
      events.append(
        SampleEvent(
          .clockStep, time: now.monotonic,
          message: "the wall clock was stepped by \(step) ns", anchor: now))
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
