import Glibc
import LinuxSystem
import PacketStatistics
import SampleModel
import Testing

/// A capture's thread and its socket, on the loopback interface.
@Suite(
  .serialized,
  .enabled(if: PcapLibrary.captureRefusal() == nil, "packet sockets are not permitted here"))
struct PacketCaptureTests {
  private func capture(
    confine: @escaping @Sendable (Set<Capabilities.Name>) -> Int32
  ) throws -> PacketCapture {
    try PacketCapture("lo", CaptureOptions(interfaces: ["lo"]), cpus: CPUSet(), confine: confine)
  }

  /// Packet sockets of this process: the inodes of its sockets that /proc/net/packet lists.
  private func packetSockets() throws -> Int {
    let table = try #require(SmallFile.text("/proc/self/net/packet"))
    let inodes = Set(
      table.split(separator: "\n").dropFirst().compactMap { $0.split(separator: " ").last })
    return directoryEntries("/proc/self/fd").count { name in
      var buffer = [CChar](repeating: 0, count: 64)
      let count = unsafe readlink("/proc/self/fd/\(name)", &buffer, 63)
      let target = String(
        decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
      return target.hasPrefix("socket:[") && inodes.contains(target.dropFirst(8).dropLast())
    }
  }

  /// Without its privileges dropped it does not run.
  @Test func aRefusedCapsetIsAnErrorAndNoCapture() throws {
    let before = try packetSockets()
    let capture = try capture { _ in EPERM }
    let error = #expect(throws: LBError.self) { try capture.start() }
    #expect(error?.category == .collectorUnavailable && error?.context.errno == EPERM)
    #expect(error?.message.contains("capset") == true, "\(error?.message ?? "")")
    #expect(try packetSockets() == before, "the interface is closed")
    capture.stop()
  }

  @Test func stoppingClosesTheInterface() throws {
    let before = try packetSockets()
    let capture = try capture(confine: Capabilities.keepInThisThread)
    #expect(try packetSockets() == before + 1)
    try capture.start()
    capture.stop()
    #expect(try packetSockets() == before)
    withExtendedLifetime(capture) {}
  }
}
