import Glibc

/// A failed system call: its name, path and errno.
package struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
  package let call: String
  package let errno: Int32
  package let path: String?
  /// The errno's text, or a better one.
  package let reason: String

  /// The failure of `call` with `errno`; `reason` replaces the errno's text.
  package init(_ call: String, errno: Int32, path: String? = nil, reason: String? = nil) {
    self.call = call
    self.errno = errno
    self.path = path
    self.reason = reason ?? Self.words(errno)
  }

  /// `open /proc/stat: No such file or directory`.
  package var description: String {
    ([call] + (path.map { [$0] } ?? [])).joined(separator: " ") + ": " + reason
  }

  /// strerror(3) of `errno`, thread-safe.
  package static func words(_ errno: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 128)
    // Safe: the buffer's own length bounds the call.
    let failed = unsafe strerror_r(errno, &buffer, buffer.count)
    guard failed == 0 else { return "errno \(errno)" }
    let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
