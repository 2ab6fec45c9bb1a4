package import LinuxSystem
import Synchronization

/// A clock that stands still until it is told otherwise.
package final class FakeClock: VirtualTime {
  private struct Time {
    var monotonic: UInt64
    var realtime: UInt64
    var boottime: UInt64
  }

  private let time: Mutex<Time>

  /// A clock at these readings.
  package init(
    monotonic: UInt64 = 1_000_000_000, realtime: UInt64 = 1_700_000_000_000_000_000,
    boottime: UInt64 = 1_000_000_000
  ) {
    time = Mutex(Time(monotonic: monotonic, realtime: realtime, boottime: boottime))
  }

  /// The time that it tells.
  package var source: TimeSource { TimeSource(self) }

  /// CLOCK_MONOTONIC.
  package func monotonic() -> UInt64 { time.withLock { $0.monotonic } }
  /// CLOCK_REALTIME.
  package func realtime() -> UInt64 { time.withLock { $0.realtime } }
  /// CLOCK_BOOTTIME.
  package func boottime() -> UInt64 { time.withLock { $0.boottime } }

  /// Lets all three run on.
  package func advance(_ nanoseconds: UInt64) {
    time.withLock {
      $0.monotonic += nanoseconds
      $0.realtime += nanoseconds
      $0.boottime += nanoseconds
    }
  }

  /// Steps the wall clock.
  package func step(_ nanoseconds: Int64) {
    time.withLock { $0.realtime &+= UInt64(bitPattern: nanoseconds) }
  }

  /// Sleeps as a suspended host does: CLOCK_MONOTONIC stands still.
  package func suspend(_ nanoseconds: UInt64) {
    time.withLock {
      $0.realtime += nanoseconds
      $0.boottime += nanoseconds
    }
  }
}
