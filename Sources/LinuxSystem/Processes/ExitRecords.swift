import CLinux
import Glibc

/// The kernel's record of a task that has ended (taskstats).
package struct ExitRecord: Sendable {
  package var pid: Int32
  /// The process; the same as `pid` for its main thread, and before taskstats version 12.
  package var process: Int32
  package var parent: Int32
  /// Whether it was the last task of its process.
  package var isLast: Bool
  /// Up to 16 bytes of its name.
  package var command: (UInt64, UInt64)
  package var exitCode: UInt32
  /// `cpu_run_virtual_total`: exact, unlike the sampled split below it.
  package var cpuNanoseconds: UInt64
  package var userNanoseconds: UInt64
  package var systemNanoseconds: UInt64
  package var runDelayNanoseconds: UInt64
  package var elapsedNanoseconds: UInt64
  package var minorFaults: UInt64
  package var majorFaults: UInt64
  package var peakResidentBytes: UInt64
  package var charsRead: UInt64
  package var charsWritten: UInt64
  package var readCalls: UInt64
  package var writeCalls: UInt64
  package var readBytes: UInt64
  package var writeBytes: UInt64
  package var cancelledWriteBytes: UInt64
  package var voluntarySwitches: UInt64
  package var involuntarySwitches: UInt64
}

/// A record of each task of the host as it ends: generic netlink's TASKSTATS family.
///
/// Source: Documentation/accounting/taskstats.rst; CONFIG_TASKSTATS. Needs CAP_NET_ADMIN in the
/// host's own namespaces.
package final class ExitRecords {
  /// A received event.
  package enum Event {
    case exit(ExitRecord)
    /// An unknown number of records was lost.
    case lost
  }

  private let socket: NetlinkSocket
  /// The offset after the netlink and the generic netlink header.
  private static let attributes = 16 + 4

  /// Registers for the exits on `cpus`, a list of all possible ones.
  package init(cpus: String) throws(SystemError) {
    socket = try NetlinkSocket(family: NETLINK_GENERIC, receiveBytes: 32 << 20)
    let family = try Self.family(socket)
    var payload: [UInt8] = [UInt8(TASKSTATS_CMD_GET), 1, 0, 0]
    NetlinkSocket.appendAttribute(
      UInt16(TASKSTATS_CMD_ATTR_REGISTER_CPUMASK), Array(cpus.utf8) + [0], to: &payload)
    try socket.send(
      type: family, flags: UInt16(NLM_F_REQUEST | NLM_F_ACK), payload: payload)
    try Self.awaitAcknowledgement(socket)
  }

  /// The next record, nil if there is none. One system call per message.
  package func next() -> Event? {
    while true {
      switch socket.receive() {
      case .nothing: return nil
      case .lost: return .lost
      case .message(let length):
        if let record = record(length) { return .exit(record) }
      }
    }
  }

  private func record(_ length: Int) -> ExitRecord? {
    guard
      let (start, bytes) = attribute(
        UInt16(TASKSTATS_TYPE_AGGR_PID), from: Self.attributes, to: length, length),
      let (offset, size) = attribute(
        UInt16(TASKSTATS_TYPE_STATS), from: start, to: start + bytes, length),
      let stats = socket.structure(taskstats(), at: offset, bytes: size, length: length)
    else { return nil }
    let knowsProcess = stats.version >= 12
    let name = stats.ac_comm
    // Safe: the first 16 of the tuple's 32 bytes.
    let command = unsafe withUnsafeBytes(of: name) {
      unsafe (
        $0.loadUnaligned(as: UInt64.self),
        $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
      )
    }
    return ExitRecord(
      pid: Int32(truncatingIfNeeded: stats.ac_pid),
      process: Int32(truncatingIfNeeded: knowsProcess ? stats.ac_tgid : stats.ac_pid),
      parent: Int32(truncatingIfNeeded: stats.ac_ppid),
      isLast: !knowsProcess || stats.ac_flag & UInt8(AGROUP) != 0, command: command,
      exitCode: stats.ac_exitcode, cpuNanoseconds: stats.cpu_run_virtual_total,
      userNanoseconds: stats.ac_utime &* 1000, systemNanoseconds: stats.ac_stime &* 1000,
      runDelayNanoseconds: stats.cpu_delay_total, elapsedNanoseconds: stats.ac_etime &* 1000,
      minorFaults: stats.ac_minflt, majorFaults: stats.ac_majflt,
      peakResidentBytes: stats.hiwater_rss &* 1024, charsRead: stats.read_char,
      charsWritten: stats.write_char, readCalls: stats.read_syscalls,
      writeCalls: stats.write_syscalls, readBytes: stats.read_bytes,
      writeBytes: stats.write_bytes, cancelledWriteBytes: stats.cancelled_write_bytes,
      voluntarySwitches: stats.nvcsw, involuntarySwitches: stats.nivcsw)
  }

  /// The payload of the first attribute of `type` between two offsets.
  private func attribute(
    _ type: UInt16, from start: Int, to end: Int, _ length: Int
  ) -> (start: Int, bytes: Int)? {
    var offset = start
    while let size = socket.value(UInt16.self, at: offset, length: min(end, length)),
      let found = socket.value(UInt16.self, at: offset + 2, length: min(end, length))
    {
      guard size >= 4, offset + Int(size) <= end else { return nil }
      if found & 0x3fff == type { return (offset + 4, Int(size) - 4) }
      offset += (Int(size) + 3) & ~3
    }
    return nil
  }

  /// The family's number since this boot (nlctrl).
  private static func family(_ socket: NetlinkSocket) throws(SystemError) -> UInt16 {
    var payload: [UInt8] = [UInt8(CTRL_CMD_GETFAMILY), 1, 0, 0]
    NetlinkSocket.appendAttribute(
      UInt16(CTRL_ATTR_FAMILY_NAME), Array("TASKSTATS".utf8) + [0], to: &payload)
    try socket.send(type: 0x10, flags: UInt16(NLM_F_REQUEST), payload: payload)
    guard case .message(let length) = socket.next(within: 100_000_000),
      socket.isAnswer(length)
    else { throw SystemError("looking up TASKSTATS", errno: ETIMEDOUT) }
    try check(socket, length, call: "looking up TASKSTATS")
    var offset = attributes
    while let size = socket.value(UInt16.self, at: offset, length: length),
      let type = socket.value(UInt16.self, at: offset + 2, length: length), size >= 4
    {
      if type == UInt16(CTRL_ATTR_FAMILY_ID),
        let family = socket.value(UInt16.self, at: offset + 4, length: length)
      {
        return family
      }
      offset += (Int(size) + 3) & ~3
    }
    throw SystemError("looking up TASKSTATS", errno: ENOENT)
  }

  private static func awaitAcknowledgement(_ socket: NetlinkSocket) throws(SystemError) {
    let limit = Clock.monotonic() + 100_000_000
    while Clock.monotonic() < limit {
      guard case .message(let length) = socket.next(within: 20_000_000),
        socket.isAnswer(length),
        socket.value(UInt16.self, at: 4, length: length) == UInt16(NLMSG_ERROR)
      else { continue }
      try check(socket, length, call: "registering for exit records")
      return
    }
    throw SystemError("registering for exit records", errno: ETIMEDOUT)
  }

  /// Throws the error of an error message; 0 is an acknowledgement.
  private static func check(
    _ socket: NetlinkSocket, _ length: Int, call: String
  ) throws(SystemError) {
    guard socket.value(UInt16.self, at: 4, length: length) == UInt16(NLMSG_ERROR),
      let code = socket.value(Int32.self, at: 16, length: length), code < 0
    else { return }
    throw SystemError(call, errno: -code)
  }
}
