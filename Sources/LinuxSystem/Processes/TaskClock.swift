import CLinux
import Glibc

/// The CPU time of a child and all its descendants from its next exec on: perf's inherited software
/// `task-clock`.
///
/// Source: perf_event_open(2), PERF_COUNT_SW_TASK_CLOCK. Counts on while a descendant lives.
package final class TaskClock: Sendable {
  package let descriptor: Int32

  /// The clock of `pid`, before its exec.
  package init(of pid: Int32) throws(SystemError) {
    descriptor = lb_perf_task_clock(pid)
    guard descriptor >= 0 else { throw SystemError("perf_event_open", errno: -descriptor) }
  }

  deinit { close(descriptor) }

  /// Whether a task clock can be opened on this host.
  package static var isPermitted: Bool {
    do throws(SystemError) {
      _ = try TaskClock(of: 0)
      return true
    } catch {
      return false
    }
  }

  /// The nanoseconds of an open clock, nil if it cannot be read. One system call, no allocation.
  package static func read(_ descriptor: Int32) -> UInt64? {
    guard descriptor >= 0 else { return nil }
    var value: UInt64 = 0
    // Safe: the value's own size bounds the call.
    return unsafe Glibc.read(descriptor, &value, 8) == 8 ? value : nil
  }
}

extension SystemError {
  /// Whether descriptors or memory ran out, rather than a refusal.
  package var isLackOfRoom: Bool { [EMFILE, ENFILE, ENOMEM, ENOSPC].contains(errno) }
}

extension Clock {
  /// CPU time of another process with all its threads, the ended ones too, in nanoseconds
  /// (clock_getcpuclockid(3); needs no privilege, works for zombies); nil if it has ended.
  @inline(__always)
  package static func cpuTime(ofProcess pid: Int32) -> UInt64? {
    var time = timespec()
    // CPUCLOCK_SCHED of a process, as linux/posix-timers.h encodes it.
    guard unsafe clock_gettime((~pid << 3) | 2, &time) == 0 else { return nil }
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}
