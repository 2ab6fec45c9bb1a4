import CLinux
import Glibc
import SampleModel

/// A Unix socket that accepts one program at a time, of the owner only (mode 0600).
package final class ControlSocket: Sendable {
  package let path: String
  private let descriptor: Int32
  /// The identity of the socket: another one may have its path in the end.
  private let identity: FileIdentity?

  /// Listens at `path`, replacing a socket without a listener.
  package init(path: String) throws(SystemError) {
    // An empty name is an abstract socket, which no mode protects.
    guard !path.isEmpty else { throw SystemError("listening", errno: EINVAL, reason: "no path") }
    // Before all properties are set: the deinitialiser would remove another process's socket.
    let number = unsafe lb_unix_listen(path.osCString)
    guard number >= 0 else { throw SystemError("listening", errno: -number, path: path) }
    self.path = path
    descriptor = number
    identity = Directories.identity(path)
  }

  deinit {
    close(descriptor)
    if identity != nil, Directories.identity(path) == identity { _ = unsafe unlink(path.osCString) }
  }

  /// Readable when a program connects.
  package var pollDescriptor: Int32 { descriptor }

  /// The next connection with its peer's user; nil if it was closed already.
  package func accept() -> ControlConnection? {
    var user: UInt32 = 0
    let connection = unsafe lb_unix_accept(descriptor, &user)
    guard connection >= 0 else { return nil }
    return ControlConnection(OwnedDescriptor(owning: connection), user: user)
  }
}

/// A connection of a control socket.
package final class ControlConnection {
  private let descriptor: OwnedDescriptor
  package let user: UInt32
  private var pending: [UInt8] = []
  /// The most bytes of a line; a longer one is not a request.
  package static let lineLimit = 4096

  /// The result of reading the connection.
  package enum Event: Equatable {
    case line([UInt8])
    case tooLong
    case closed
    /// No complete line yet.
    case nothing
  }

  init(_ descriptor: consuming OwnedDescriptor, user: UInt32) {
    self.descriptor = descriptor
    self.user = user
  }

  /// Connects to the socket at `path`, as a client.
  package init(to path: String) throws(SystemError) {
    let number = unsafe lb_unix_connect(path.osCString)
    guard number >= 0 else { throw SystemError("connecting", errno: -number, path: path) }
    descriptor = OwnedDescriptor(owning: number)
    user = getuid()
  }

  /// Readable when data has arrived.
  package var pollDescriptor: Int32 { descriptor.number }

  /// Whether a complete line was received.
  package var hasLine: Bool { pending.contains(UInt8(ascii: "\n")) }

  /// The next line without its end. Reads once unless there is one already.
  package func next() -> Event {
    if !hasLine {
      var chunk = [UInt8](repeating: 0, count: Self.lineLimit)
      // Safe: the chunk's own length bounds the call.
      let count = unsafe read(descriptor.number, &chunk, chunk.count)
      if count == 0 { return .closed }
      if count < 0 { return errno == EINTR || errno == EAGAIN ? .nothing : .closed }
      pending += chunk[..<count]
    }
    guard let end = pending.firstIndex(of: UInt8(ascii: "\n")) else {
      return pending.count >= Self.lineLimit ? .tooLong : .nothing
    }
    let line = Array(pending[..<end])
    pending.removeFirst(end + 1)
    return line.count > Self.lineLimit ? .tooLong : .line(line)
  }

  /// Sends bytes; false if the peer closed the connection, or did not read all of them within a
  /// second.
  package func send(_ bytes: [UInt8]) -> Bool {
    var rest = bytes[...]
    let deadline = Clock.monotonic() + 1_000_000_000
    let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
    while !rest.isEmpty {
      // Safe: the slice's own length bounds the call.
      let count = unsafe rest.withUnsafeBytes {
        unsafe Glibc.send(descriptor.number, $0.baseAddress, $0.count, flags)
      }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if count < 0, errno == EAGAIN {
        let now = Clock.monotonic()
        guard now < deadline else { return false }
        let left = Int32((deadline - now) / 1_000_000) + 1
        guard Poll.isWritable(descriptor.number, within: left) else { return false }
      } else if count == 0 || errno != EINTR {
        return false
      }
    }
    return true
  }
}
