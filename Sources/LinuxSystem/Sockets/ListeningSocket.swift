import CLinux
import Glibc
import SampleModel

/// A listening socket of any number of clients, TCP or Unix, that never waits.
package final class ListeningSocket: Sendable {
  /// Where to listen.
  package enum Address: Sendable, Equatable {
    /// A numeric address of IPv4 or IPv6, and a port; a port of 0 is any free one.
    case tcp(String, UInt16)
    /// A path; the socket there is its owner's alone.
    case unix(String)
  }

  /// Where it listens, with the port that it got.
  package let address: Address
  private let descriptor: Int32
  private let identity: FileIdentity?

  /// Listens at `address`; a Unix socket replaces one without a listener.
  package init(_ address: Address) throws(SystemError) {
    switch address {
    case .tcp(let host, let port):
      var bound: UInt16 = 0
      let number = unsafe lb_tcp_listen(host.osCString, port, &bound)
      guard number >= 0 else { throw SystemError("listening", errno: -number) }
      descriptor = number
      identity = nil
      self.address = .tcp(host, bound)
    case .unix(let path):
      guard !path.isEmpty else { throw SystemError("listening", errno: EINVAL, reason: "no path") }
      let number = unsafe lb_unix_listen(path.osCString)
      guard number >= 0 else { throw SystemError("listening", errno: -number, path: path) }
      descriptor = number
      identity = Directories.identity(path)
      self.address = address
    }
  }

  deinit {
    close(descriptor)
    if case .unix(let path) = address, identity != nil, Directories.identity(path) == identity {
      _ = unsafe unlink(path.osCString)
    }
  }

  /// Readable when a client connects.
  package var pollDescriptor: Int32 { descriptor }

  /// The next client; nil if there is none, or no descriptor for it.
  package func accept() -> ClientConnection? {
    let number = lb_accept(descriptor)
    return number < 0 ? nil : ClientConnection(OwnedDescriptor(owning: number))
  }
}

/// One client of a listening socket. No call waits.
package final class ClientConnection {
  /// The result of one call.
  package enum Outcome: Equatable {
    case bytes(Int)
    /// Nothing is there, or there is no room.
    case later
    case closed
  }

  private let descriptor: OwnedDescriptor

  init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

  /// For poll(2).
  package var pollDescriptor: Int32 { descriptor.number }

  /// Appends up to `limit` bytes that have arrived.
  package func receive(into bytes: inout [UInt8], limit: Int) -> Outcome {
    var chunk = [UInt8](repeating: 0, count: limit)
    // Safe: the chunk's own length bounds the call.
    let count = unsafe recv(descriptor.number, &chunk, chunk.count, Int32(MSG_DONTWAIT))
    if count > 0 { bytes += chunk[..<count] }
    return Self.outcome(count)
  }

  /// Sends what there is room for of `bytes` from `start` on.
  package func send(_ bytes: [UInt8], from start: Int) -> Outcome {
    let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
    // Safe: the slice's own length bounds the call.
    let count = unsafe bytes[start...].withUnsafeBytes {
      unsafe Glibc.send(descriptor.number, $0.baseAddress, $0.count, flags)
    }
    return Self.outcome(count)
  }

  /// Says that nothing more will be sent.
  package func endSending() { _ = shutdown(descriptor.number, Int32(SHUT_WR)) }

  private static func outcome(_ count: Int) -> Outcome {
    let reason = errno
    if count > 0 { return .bytes(count) }
    return count < 0 && (reason == EAGAIN || reason == EINTR) ? .later : .closed
  }
}
