import CLinux
import Glibc
import LinuxSystem

/// An eventfd that is polled together with another descriptor.
final class CaptureWake: Sendable {
  private let descriptor: Int32

  init() throws(SystemError) {
    descriptor = lb_eventfd()
    guard descriptor >= 0 else { throw SystemError("eventfd", errno: -descriptor) }
  }

  deinit { close(descriptor) }

  /// Ends the wait.
  func signal() {
    var one: UInt64 = 1
    _ = unsafe write(descriptor, &one, 8)
  }

  /// Waits until `other` is readable, a signal comes or CLOCK_MONOTONIC is at `deadline`.
  func wait(beside other: Int32, until deadline: UInt64) {
    var entries = (
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: other, events: Int16(POLLIN), revents: 0)
    )
    // Safe: two entries lie in a row.
    unsafe withUnsafeMutableBytes(of: &entries) {
      let list = unsafe $0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: pollfd.self)
      _ = unsafe lb_poll_until(list, 2, deadline)
    }
    if entries.0.revents != 0 {
      var count: UInt64 = 0
      _ = unsafe read(descriptor, &count, 8)
    }
  }
}
