import Glibc

/// Where time comes from; tests put their own in its place.
package protocol ClockSource: Sendable {
  /// CLOCK_MONOTONIC, nanoseconds.
  func monotonic() -> UInt64
  /// CLOCK_REALTIME, nanoseconds of Unix time.
  func realtime() -> UInt64
  /// CLOCK_BOOTTIME, nanoseconds; runs on through a suspend.
  func boottime() -> UInt64
}

/// The kernel's clocks.
package struct SystemClock: ClockSource {
  /// The kernel's clocks.
  package init() {}

  /// CLOCK_MONOTONIC.
  package func monotonic() -> UInt64 { Clock.read(CLOCK_MONOTONIC) }
  /// CLOCK_REALTIME.
  package func realtime() -> UInt64 { Clock.read(CLOCK_REALTIME) }
  /// CLOCK_BOOTTIME.
  package func boottime() -> UInt64 { Clock.read(CLOCK_BOOTTIME) }
}

/// clock_gettime(2) in nanoseconds: 22 ns each through the vDSO, no allocation.
package enum Clock {
  /// Any clock by its id.
  @inline(__always)
  package static func read(_ clock: Int32) -> UInt64 {
    var time = timespec()
    _ = unsafe clock_gettime(clock, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }

  /// CLOCK_MONOTONIC.
  @inline(__always)
  package static func monotonic() -> UInt64 { read(CLOCK_MONOTONIC) }
  /// CPU time of the calling thread.
  @inline(__always)
  package static func threadCPU() -> UInt64 { read(CLOCK_THREAD_CPUTIME_ID) }
  /// CPU time of the whole process.
  package static func processCPU() -> UInt64 { read(CLOCK_PROCESS_CPUTIME_ID) }
  /// Unix time.
  @inline(__always)
  package static func realtime() -> UInt64 { read(CLOCK_REALTIME) }
}
