import Glibc

/// A terminal that is written to with a time limit. A terminal that is stopped (^S) or not read
/// accepts nothing, and is writable for poll(2) if it has room for one byte.
package final class TimedTerminal: Sendable {
  private let descriptor: Int32

  /// The terminal open as descriptor `number`; nil if it is not a terminal, or belongs to another
  /// user by now. It is reopened, since O_NONBLOCK is a flag of the open file, which other
  /// processes share.
  package init?(_ number: Int32) {
    guard isatty(number) == 1 else { return nil }
    let flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
    descriptor = unsafe open("/proc/self/fd/\(number)", flags)
    guard descriptor >= 0 else { return nil }
  }

  deinit { close(descriptor) }

  /// Writes `bytes`; false if they were not all accepted within the given milliseconds.
  @discardableResult
  package func write(_ bytes: [UInt8], within milliseconds: Int32) -> Bool {
    let deadline = Clock.monotonic() + UInt64(max(0, milliseconds)) * 1_000_000
    return write(bytes) { _ in Clock.monotonic() >= deadline } == 0
  }

  /// Writes `bytes` without a time limit; once `stop` is raised, gives up when the terminal accepts
  /// nothing for a tenth of a second. Returns whether all were accepted.
  package func write(_ bytes: [UInt8], unless stop: StopFlag) -> Bool {
    do throws(SystemError) {
      try writeAll(bytes, unless: stop)
      return true
    } catch {
      return false
    }
  }

  /// Writes like `write(_:unless:)`, and throws the reason of a failure: `ECANCELED` after `stop`,
  /// else the errno of write(2).
  package func writeAll(_ bytes: [UInt8], unless stop: StopFlag) throws(SystemError) {
    let stopTimeout: UInt64 = 100_000_000
    var taken = Clock.monotonic()
    let failure = write(bytes) { isMoving in
      let now = Clock.monotonic()
      if isMoving || stop.raised == nil { taken = now }
      return now &- taken >= stopTimeout
    }
    guard failure == 0 else { throw SystemError("write", errno: failure) }
  }

  /// Writes until `isOver` returns true. It is called after each incomplete attempt, with whether
  /// the terminal accepted anything. Returns 0 if all was accepted, `ECANCELED` if `isOver` ended
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
      // Not poll(2), which may report room immediately.
      if count <= 0 { _ = Poll.wait(readable: [], until: Clock.monotonic() + 5_000_000) }
    }
  }
}
