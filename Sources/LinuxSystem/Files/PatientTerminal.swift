import Glibc

/// A terminal that is written to without waiting longer than one says: one that is held (^S), or
/// that nobody reads, takes nothing, and poll(2) calls it writable while it has room for one byte.
package final class PatientTerminal: Sendable {
  private let descriptor: Int32

  /// The terminal that is open as `number`; nil where that is none, or is another user's by now.
  /// The flag is one of the open file, which others share: it is opened anew for it.
  package init?(_ number: Int32) {
    guard isatty(number) == 1 else { return nil }
    let flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
    descriptor = unsafe open("/proc/self/fd/\(number)", flags)
    guard descriptor >= 0 else { return nil }
  }

  deinit { close(descriptor) }

  /// Writes `bytes`; false where it did not take all of them within so many milliseconds.
  @discardableResult
  package func write(_ bytes: [UInt8], within milliseconds: Int32) -> Bool {
    let deadline = Clock.monotonic() + UInt64(max(0, milliseconds)) * 1_000_000
    return write(bytes) { _ in Clock.monotonic() >= deadline } == 0
  }

  /// Writes `bytes` as long as it takes, but once `stop` is raised gives up when the terminal takes
  /// nothing for a tenth of a second. Returns whether it took all of them.
  package func write(_ bytes: [UInt8], unless stop: StopFlag) -> Bool {
    do throws(SystemError) {
      try writeAll(bytes, unless: stop)
      return true
    } catch {
      return false
    }
  }

  /// The same with the reason of a failure: `ECANCELED` where it gave up for `stop`, else what
  /// write(2) failed with.
  package func writeAll(_ bytes: [UInt8], unless stop: StopFlag) throws(SystemError) {
    let patience: UInt64 = 100_000_000
    var taken = Clock.monotonic()
    let failure = write(bytes) { isMoving in
      let now = Clock.monotonic()
      if isMoving || stop.raised == nil { taken = now }
      return now &- taken >= patience
    }
    guard failure == 0 else { throw SystemError("write", errno: failure) }
  }

  /// Writes until `isOver`, which is asked after each attempt that left a rest, with whether the
  /// terminal took some of it. Returns 0 if the terminal took all, `ECANCELED` if `isOver` ended
  /// it, else the errno of write(2).
  private func write(_ bytes: [UInt8], _ isOver: (Bool) -> Bool) -> Int32 {
    var rest = bytes[...]
    while true {
      // Safe: the slice's own length bounds the call.
      let count = unsafe rest.withUnsafeBytes {
        unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
      }
      if count > 0 { rest = rest.dropFirst(count) }
      if rest.isEmpty { return 0 }
      if count < 0, errno != EAGAIN, errno != EINTR { return errno }
      guard !isOver(count > 0) else { return ECANCELED }
      // Not poll(2), which may say at once that there is room.
      if count <= 0 { _ = Poll.wait(readable: [], until: Clock.monotonic() + 5_000_000) }
    }
  }
}
