import CLinux
import Glibc
import SampleModel

/// A Unix socket that listens for one program at a time, for its owner alone (mode 0600).
package final class ControlSocket: Sendable {
  package let path: String
  private let descriptor: Int32
  /// Which one was made: what has its name by the end may be another.
  private let identity: FileIdentity?

  /// Listens at `path`; a socket that nobody listens at any more is taken over.
  package init(path: String) throws(SystemError) {
    // Without a name it would be one of the abstract ones, which no mode protects.
    guard !path.isEmpty else { throw SystemError("listening", errno: EINVAL, reason: "no path") }
    // Before any property is set: the deinit of a whole object would remove another one's socket.
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

  /// Readable when somebody connects.
  package var pollDescriptor: Int32 { descriptor }

  /// The next connection with the user at its other end; nil when it has gone again.
  package func accept() -> ControlConnection? {
    var user: UInt32 = 0
    let connection = unsafe lb_unix_accept(descriptor, &user)
    guard connection >= 0 else { return nil }
    return ControlConnection(OwnedDescriptor(owning: connection), user: user)
  }
}

/// A program at the other end of a control socket.
package final class ControlConnection {
  private let descriptor: OwnedDescriptor
  package let user: UInt32
  private var pending: [UInt8] = []
  /// Bytes of one line at most: what is longer is no request.
  package static let lineLimit = 4096

  /// What a look at the connection gave.
  package enum Event: Equatable {
    case line([UInt8])
    case tooLong
    case closed
    /// No whole line yet.
    case nothing
  }

  init(_ descriptor: consuming OwnedDescriptor, user: UInt32) {
    self.descriptor = descriptor
    self.user = user
  }

  /// Connects to the socket at `path`, as the program at its other end.
  package init(to path: String) throws(SystemError) {
    let number = unsafe lb_unix_connect(path.osCString)
    guard number >= 0 else { throw SystemError("connecting", errno: -number, path: path) }
    descriptor = OwnedDescriptor(owning: number)
    user = getuid()
  }

  /// Readable when it says something.
  package var pollDescriptor: Int32 { descriptor.number }

  /// Whether a line is there already.
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

  /// Sends bytes; false when the other end has gone, or has not read all of them within a second,
  /// however little of them it reads at a time.
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
