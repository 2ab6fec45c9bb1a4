import CLinux
import Glibc

/// The counters of an interface by index in the kernel's `rtnl_link_stats64` (linux/if_link.h).
package enum LinkCounter: Int {
  case rxPackets, txPackets, rxBytes, txBytes, rxErrors, txErrors, rxDropped, txDropped
  case multicast, collisions
  case rxLengthErrors, rxOverErrors, rxCRCErrors, rxFrameErrors, rxFIFOErrors, rxMissedErrors
  case txAbortedErrors, txCarrierErrors, txFIFOErrors, txHeartbeatErrors, txWindowErrors
  case rxCompressed, txCompressed, rxNoHandler
}

/// The counters of every network interface in binary: rtnetlink's RTM_GETSTATS.
///
/// Source: linux/if_link.h, `rtnl_link_stats64`; Linux 4.7. Needs no privilege; the interfaces are
/// those of the caller's network namespace.
package final class LinkStatistics {
  /// The outcome of a reading.
  package enum Outcome {
    case complete
    case failed
  }

  /// The outcome of one dump.
  private enum Dump {
    case complete
    /// It is inconsistent, or messages were lost: request it again.
    case torn
    case failed
  }

  private let socket: NetlinkSocket
  /// Receives events of links that are added, removed or renamed.
  private let events: NetlinkSocket
  private var request: [UInt8]
  /// Whether the socket may contain the rest of an unfinished dump.
  private var hasUnreadDump = false
  /// The most dumps requested for one reading, and the most messages discarded of an unfinished
  /// one: a dump of 4 million interfaces in 32 KiB messages.
  private static let attempts = 3
  private static let restLimit = 1 << 16
  /// RTM_GETSTATS and RTM_NEWSTATS (linux/rtnetlink.h).
  private static let getStatistics: UInt16 = 94
  private static let newStatistics: UInt16 = 92
  private static let header = 16
  private static let messageHeader = 12
  /// 64-bit counters of an interface, in the kernel's order.
  package static let counters = 24

  /// Opens both sockets and requests one dump, so that a kernel without the message fails here.
  package convenience init() throws(SystemError) {
    self.init(
      try NetlinkSocket(family: NETLINK_ROUTE, receiveBytes: 1 << 20, message: 1 << 15),
      events: try NetlinkSocket(family: NETLINK_ROUTE, groups: 1, receiveBytes: 1 << 20))
    guard read(begin: {}, { _, _ in }) == .complete else {
      throw SystemError("RTM_GETSTATS", errno: EOPNOTSUPP)
    }
  }

  /// Uses `socket` for the counters and `events` for the events of links.
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

  /// System calls so far.
  package var calls: UInt64 { socket.calls &+ events.calls }

  /// The name of an interface as 16 bytes, nil if there is no such index. Allocates nothing.
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

  /// Whether any link was added, removed or changed since the last call. Discards all pending
  /// events. Other events (carrier changes) count too.
  package func hasLinkEvents() -> Bool {
    var hasLinkEvents = false
    while true {
      switch events.receive() {
      case .nothing: return hasLinkEvents
      // Lost events may have been changes.
      case .lost, .message: hasLinkEvents = true
      }
    }
  }

  /// Calls `take` with each interface's index and a function that returns a counter's value. Calls
  /// `begin` first, and again before a retry, if the kernel's list changed during the dump or
  /// messages were lost: the values taken before are then void. Allocates nothing.
  package func read(begin: () -> Void, _ take: (Int32, (Int) -> UInt64) -> Void) -> Outcome {
    for _ in 0..<Self.attempts {
      guard discardUnreadDump(), socket.send(&request) else { return .failed }
      begin()
      switch dump(take) {
      case .complete: return .complete
      case .torn: continue
      case .failed: return .failed
      }
    }
    return .failed
  }

  /// Discards the rest of an unfinished dump: until then the kernel begins no other (EBUSY). False
  /// if it does not end.
  private func discardUnreadDump() -> Bool {
    guard hasUnreadDump else { return true }
    for _ in 0..<Self.restLimit {
      if case .nothing = socket.receive() {
        hasUnreadDump = false
        return true
      }
    }
    return false
  }

  /// Reads the last requested dump. Messages with another sequence number belong to an earlier one.
  private func dump(_ take: (Int32, (Int) -> UInt64) -> Void) -> Dump {
    hasUnreadDump = true
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
          hasUnreadDump = false
          return isTorn ? .torn : .complete
        case UInt16(NLMSG_OVERRUN): return .torn
        case Self.newStatistics:
          guard handOver(statisticsAt: start, size: Int(size), length, take) else { return .failed }
        default: return .failed
        }
      }
    }
  }

  /// Passes on the counters of the message at `start`; false if it has none.
  private func handOver(
    statisticsAt start: Int, size: Int, _ length: Int, _ take: (Int32, (Int) -> UInt64) -> Void
  ) -> Bool {
    guard let index = socket.value(Int32.self, at: start + Self.header + 4, length: length),
      let offset = statistics(
        from: start + Self.header + Self.messageHeader, to: start + size, length)
    else { return false }
    take(index) { counter in
      socket.value(UInt64.self, at: offset + counter * 8, length: length) ?? 0
    }
    return true
  }

  /// The offset of a message's counters, after padding.
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
