import CLinux
import Glibc

/// The counters of every network interface in binary: rtnetlink's RTM_GETSTATS.
///
/// Source: linux/if_link.h, `rtnl_link_stats64`; Linux 4.7. Needs no privilege; the interfaces are
/// those of the caller's network namespace.
package final class LinkStatistics {
  /// What a reading came to.
  package enum Outcome {
    case complete
    /// A link appeared, vanished or changed its name.
    case changed
    case failed
  }

  private let socket: NetlinkSocket
  /// Tells of links that come, go or are renamed.
  private let events: NetlinkSocket
  private let request: [UInt8]
  /// RTM_GETSTATS, RTM_NEWSTATS, RTM_NEWLINK and RTM_DELLINK (linux/rtnetlink.h).
  private static let getStatistics: UInt16 = 94
  private static let newStatistics: UInt16 = 92
  private static let newLink: UInt16 = 16
  private static let header = 16
  private static let messageHeader = 12
  /// 64-bit counters of an interface, in the kernel's order.
  package static let counters = 24

  /// Opens both sockets and asks once, so that a kernel without the message says so here.
  package init() throws(SystemError) {
    socket = try NetlinkSocket(family: NETLINK_ROUTE, receiveBytes: 1 << 20, message: 1 << 15)
    events = try NetlinkSocket(family: NETLINK_ROUTE, groups: 1, receiveBytes: 1 << 20)
    var payload = [UInt8](repeating: 0, count: 8)
    // The 64-bit counters and nothing else.
    NetlinkSocket.append(UInt32(1), to: &payload)
    request = NetlinkSocket.message(
      type: Self.getStatistics, flags: UInt16(NLM_F_REQUEST | NLM_F_ROOT | NLM_F_MATCH),
      payload: payload)
    guard read({ _, _ in }) == .complete else {
      throw SystemError("RTM_GETSTATS", errno: EOPNOTSUPP)
    }
  }

  /// The name of an interface as 16 bytes, nil when there is none of that index. Allocates nothing.
  package static func name(of index: Int32) -> SIMD16<UInt8>? {
    var name = SIMD16<UInt8>()
    // Safe: IF_NAMESIZE is 16.
    let isThere = unsafe withUnsafeMutableBytes(of: &name) { room in
      unsafe room.withMemoryRebound(to: CChar.self) {
        guard let start = $0.baseAddress else { return false }
        return unsafe if_indextoname(UInt32(index), start) != nil
      }
    }
    return isThere ? name : nil
  }

  /// Whether a link came, went, or `isKnown` does not know its index under the name that it has
  /// now. Events that change nothing of that (a carrier) are read over.
  package func hasChanged(_ isKnown: (Int32, SIMD16<UInt8>?) -> Bool) -> Bool {
    var hasChanged = false
    while true {
      switch events.receive() {
      case .nothing: return hasChanged
      case .lost: hasChanged = true
      case .message(let length):
        guard let type = events.value(UInt16.self, at: 4, length: length),
          let index = events.value(Int32.self, at: Self.header + 4, length: length)
        else { continue }
        if type != Self.newLink || !isKnown(index, Self.name(of: index)) { hasChanged = true }
      }
    }
  }

  /// Hands each interface's index to `take`, with a function from the place of a counter to its
  /// value. Allocates nothing.
  package func read(_ take: (Int32, (Int) -> UInt64) -> Void) -> Outcome {
    guard socket.send(request) else { return .failed }
    while true {
      guard case .message(let length) = socket.receive() else { return .failed }
      var offset = 0
      while let size = socket.value(UInt32.self, at: offset, length: length),
        let type = socket.value(UInt16.self, at: offset + 4, length: length), size >= 16
      {
        if type == UInt16(NLMSG_DONE) { return .complete }
        guard type == Self.newStatistics,
          let index = socket.value(Int32.self, at: offset + Self.header + 4, length: length),
          let place = statistics(
            from: offset + Self.header + Self.messageHeader, to: offset + Int(size), length)
        else { return .failed }
        take(index) { counter in
          socket.value(UInt64.self, at: place + counter * 8, length: length) ?? 0
        }
        offset += (Int(size) + 3) & ~3
      }
    }
  }

  /// Where the counters of a message stand, behind padding.
  private func statistics(from start: Int, to end: Int, _ length: Int) -> Int? {
    var offset = start
    while offset + 4 <= end, let size = socket.value(UInt16.self, at: offset, length: length),
      let type = socket.value(UInt16.self, at: offset + 2, length: length), size >= 4
    {
      if type == 1, Int(size) >= 4 + (Self.counters - 1) * 8 { return offset + 4 }
      offset += (Int(size) + 3) & ~3
    }
    return nil
  }
}
