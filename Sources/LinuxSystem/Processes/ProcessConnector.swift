import CLinux
import Glibc

/// The kernel's process events (cn_proc): every fork of the host.
///
/// Source: linux/cn_proc.h; CONFIG_PROC_EVENTS. Needs CAP_NET_ADMIN, and the host's own PID
/// namespace: elsewhere the kernel sends nothing, which is treated as a refusal.
package final class ProcessConnector {
  /// A received event.
  package enum Event {
    /// A new process; threads are left out.
    case fork(parent: Int32, child: Int32)
    /// Events were lost: the known processes must be checked against /proc.
    case lost
  }

  private let socket: NetlinkSocket
  /// netlink header, connector header.
  private static let eventOffset = 16 + 20
  private static let dataOffset = eventOffset + 16

  /// Subscribes, and waits for the kernel's acknowledgement.
  package init() throws(SystemError) {
    socket = try NetlinkSocket(
      family: NETLINK_CONNECTOR, groups: UInt32(CN_IDX_PROC), receiveBytes: 8 << 20)
    var payload: [UInt8] = []
    NetlinkSocket.append(UInt32(CN_IDX_PROC), to: &payload)
    NetlinkSocket.append(UInt32(CN_VAL_PROC), to: &payload)
    NetlinkSocket.append(UInt32(0), to: &payload)
    NetlinkSocket.append(UInt32(0), to: &payload)
    NetlinkSocket.append(UInt16(4), to: &payload)
    NetlinkSocket.append(UInt16(0), to: &payload)
    NetlinkSocket.append(UInt32(PROC_CN_MCAST_LISTEN.rawValue), to: &payload)
    try socket.send(type: UInt16(NLMSG_DONE), flags: 0, payload: payload)
    let limit = Clock.monotonic() + 100_000_000
    while Clock.monotonic() < limit {
      guard case .message(let length) = socket.next(within: 20_000_000),
        let what = socket.value(UInt32.self, at: Self.eventOffset, length: length),
        what == 0,
        let refusal = socket.value(UInt32.self, at: Self.dataOffset, length: length)
      else { continue }
      guard refusal == 0 else {
        throw SystemError("process connector", errno: Int32(truncatingIfNeeded: refusal))
      }
      return
    }
    throw SystemError("process connector", errno: EPERM)
  }

  /// The next fork or loss, nil if there is none. One system call per message.
  package func next() -> Event? {
    while true {
      switch socket.receive() {
      case .nothing: return nil
      case .lost: return .lost
      case .message(let length):
        guard let what = socket.value(UInt32.self, at: Self.eventOffset, length: length),
          what == 1,
          let parent = socket.value(Int32.self, at: Self.dataOffset + 4, length: length),
          let child = socket.value(Int32.self, at: Self.dataOffset + 8, length: length),
          let group = socket.value(Int32.self, at: Self.dataOffset + 12, length: length),
          child == group
        else { continue }
        return .fork(parent: parent, child: child)
      }
    }
  }
}
