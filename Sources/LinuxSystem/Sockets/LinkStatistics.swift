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
    case failed
  }

  /// What one dump came to.
  private enum Dump {
    case complete
    /// It is not of one time, or messages of it were lost: it is to be asked for again.
    case torn
    case failed
  }

  private let socket: NetlinkSocket
  /// Tells of links that come, go or are renamed.
  private let events: NetlinkSocket
  private var request: [UInt8]
  /// Whether the socket may hold the rest of a dump that was not read to its end.
  private var holdsRest = false
  /// Dumps that one reading asks for at the most, and messages of an abandoned one that are passed
  /// over at the most: a dump of 32 KiB messages of 4 million interfaces.
  private static let attempts = 3
  private static let restLimit = 1 << 16
  /// RTM_GETSTATS and RTM_NEWSTATS (linux/rtnetlink.h).
  private static let getStatistics: UInt16 = 94
  private static let newStatistics: UInt16 = 92
  private static let header = 16
  private static let messageHeader = 12
  /// 64-bit counters of an interface, in the kernel's order.
  package static let counters = 24

  /// Opens both sockets and asks once, so that a kernel without the message says so here.
  package convenience init() throws(SystemError) {
    self.init(
      try NetlinkSocket(family: NETLINK_ROUTE, receiveBytes: 1 << 20, message: 1 << 15),
      events: try NetlinkSocket(family: NETLINK_ROUTE, groups: 1, receiveBytes: 1 << 20))
    guard read(begin: {}, { _, _ in }) == .complete else {
      throw SystemError("RTM_GETSTATS", errno: EOPNOTSUPP)
    }
  }

  /// The counters that `socket` answers with, and what `events` tells of links.
  init(_ socket: NetlinkSocket, events: NetlinkSocket) {
    self.socket = socket
    self.events = events
    var payload = [UInt8](repeating: 0, count: 8)
    // The 64-bit counters and nothing else.
    NetlinkSocket.append(UInt32(1), to: &payload)
    request = NetlinkSocket.message(
      type: Self.getStatistics, flags: UInt16(NLM_F_REQUEST | NLM_F_ROOT | NLM_F_MATCH),
      payload: payload)
  }

  /// System calls since it was made.
  package var calls: UInt64 { socket.calls &+ events.calls }

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

  /// Whether a link came, went or changed since this was asked last: its name, or what is no matter
  /// here, as its carrier. Passes over everything that the kernel has sent.
  package func hasNews() -> Bool {
    var hasNews = false
    while true {
      switch events.receive() {
      case .nothing: return hasNews
      // Nobody knows what was lost.
      case .lost, .message: hasNews = true
      }
    }
  }

  /// Hands each interface's index to `take`, with a function from the place of a counter to its
  /// value. Calls `begin` first, and again where the kernel's list changed under the dump or a part
  /// of it was lost, so that it is asked for anew: what was taken before is void then. Allocates
  /// nothing.
  package func read(begin: () -> Void, _ take: (Int32, (Int) -> UInt64) -> Void) -> Outcome {
    for _ in 0..<Self.attempts {
      guard passRest(), socket.send(&request) else { return .failed }
      begin()
      switch dump(take) {
      case .complete: return .complete
      case .torn: continue
      case .failed: return .failed
      }
    }
    return .failed
  }

  /// Passes over what is left of a dump that was not read to its end: the kernel begins no other
  /// one before (EBUSY). False where it does not end.
  private func passRest() -> Bool {
    guard holdsRest else { return true }
    for _ in 0..<Self.restLimit {
      if case .nothing = socket.receive() {
        holdsRest = false
        return true
      }
    }
    return false
  }

  /// Reads the dump that was asked for last. Messages with another number are of one before it.
  private func dump(_ take: (Int32, (Int) -> UInt64) -> Void) -> Dump {
    holdsRest = true
    var isTorn = false
    while true {
      let length: Int
      switch socket.receive() {
      case .message(let bytes): length = bytes
      case .lost: return .torn
      case .nothing: return .failed
      }
      var offset = 0
      while offset < length {
        guard let size = socket.value(UInt32.self, at: offset, length: length), size >= 16,
          offset + Int(size) <= length,
          let type = socket.value(UInt16.self, at: offset + 4, length: length),
          let flags = socket.value(UInt16.self, at: offset + 6, length: length),
          let number = socket.value(UInt32.self, at: offset + 8, length: length)
        else { return .failed }
        let start = offset
        offset += (Int(size) + 3) & ~3
        guard number == socket.sequence else { continue }
        if flags & UInt16(NLM_F_DUMP_INTR) != 0 { isTorn = true }
        switch type {
        case UInt16(NLMSG_DONE):
          holdsRest = false
          return isTorn ? .torn : .complete
        case UInt16(NLMSG_OVERRUN): return .torn
        case Self.newStatistics:
          guard handOver(statisticsAt: start, size: Int(size), length, take) else { return .failed }
        default: return .failed
        }
      }
    }
  }

  /// Hands over the counters of the message at `start`; false where it has none.
  private func handOver(
    statisticsAt start: Int, size: Int, _ length: Int, _ take: (Int32, (Int) -> UInt64) -> Void
  ) -> Bool {
    guard let index = socket.value(Int32.self, at: start + Self.header + 4, length: length),
      let place = statistics(
        from: start + Self.header + Self.messageHeader, to: start + size, length)
    else { return false }
    take(index) { counter in
      socket.value(UInt64.self, at: place + counter * 8, length: length) ?? 0
    }
    return true
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
