import CLinux

/// TCP ports of the loopback interface.
package enum TCPPort {
  /// Whether a program accepts connections at `port`.
  package static func answers(_ port: UInt16) -> Bool { lb_tcp_connect(port) == 0 }

  /// A port without a listener.
  package static func free() throws(SystemError) -> UInt16 {
    var port: UInt16 = 0
    let result = unsafe lb_tcp_free_port(&port)
    guard result == 0 else { throw SystemError("finding a free port", errno: -result) }
    return port
  }
}
