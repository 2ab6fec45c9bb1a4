import Foundation
import PacketStatistics

/// Packets and savefiles as bytes, written by the book.
enum PacketBytes {
  static func half(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }
  static func wide(_ value: Int) -> [UInt8] { half(value >> 16) + half(value & 0xFFFF) }

  static func ethernet(
    _ type: Int, _ payload: [UInt8], source: [UInt8] = [2, 0, 0, 0, 0, 1], tags: [Int] = []
  ) -> [UInt8] {
    let chain = tags.flatMap { half($0) + half(100) }
    return [2, 0, 0, 0, 0, 9] + source + chain + half(type) + payload
  }

  static func ipv4(
    _ number: Int, _ payload: [UInt8], from: Int = 1, to: Int = 2, length: Int? = nil,
    fragment: Int = 0, header: Int = 5
  ) -> [UInt8] {
    let options = [UInt8](repeating: 1, count: max(0, header - 5) * 4)
    let total = length ?? 20 + options.count + payload.count
    return [UInt8(0x40 | header), 0] + half(total) + half(1) + half(fragment)
      + [64, UInt8(number), 0, 0] + [10, 0] + half(from) + [10, 0] + half(to) + options + payload
  }

  static func ipv6(_ next: Int, _ payload: [UInt8], length: Int? = nil) -> [UInt8] {
    func address(_ last: UInt8) -> [UInt8] {
      [0x20, 1, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [last]
    }
    return [0x60, 0, 0, 0] + half(length ?? payload.count) + [UInt8(next), 64] + address(1)
      + address(2) + payload
  }

  static func tcp(
    _ from: Int = 1000, _ to: Int = 80, sequence: Int = 1, flags: UInt8 = 0x10,
    window: Int = 500, data: Int = 0, offset: Int = 5
  ) -> [UInt8] {
    half(from) + half(to) + wide(sequence) + wide(0) + [UInt8(offset << 4), flags] + half(window)
      + [0, 0, 0, 0] + [UInt8](repeating: 7, count: data)
  }

  static func udp(
    _ from: Int = 53, _ to: Int = 2000, data: Int = 10, length: Int? = nil
  ) -> [UInt8] {
    half(from) + half(to) + half(length ?? 8 + data) + [0, 0]
      + [UInt8](repeating: 7, count: data)
  }

  /// A little-endian pcap file with times in nanoseconds.
  static func savefile(_ packets: [(time: UInt64, bytes: [UInt8])], link: UInt32 = 1) -> Data {
    var data = Data()
    func put(_ value: UInt32) {
      for byte in 0..<4 { data.append(UInt8(value >> UInt32(8 * byte) & 255)) }
    }
    put(0xA1B2_3C4D)
    put(2 | 4 << 16)
    put(0)
    put(0)
    put(262_144)
    put(link)
    for packet in packets {
      put(UInt32(packet.time / 1_000_000_000))
      put(UInt32(packet.time % 1_000_000_000))
      put(UInt32(packet.bytes.count))
      put(UInt32(packet.bytes.count))
      data.append(contentsOf: packet.bytes)
    }
    return data
  }

  /// The same as pcapng, with times in microseconds.
  static func nextGeneration(_ packets: [(time: UInt64, bytes: [UInt8])]) -> Data {
    var data = Data()
    func block(_ type: UInt32, _ body: [UInt8]) {
      let padding = [UInt8](repeating: 0, count: (4 - body.count % 4) % 4)
      let length = words([UInt32(12 + body.count + padding.count)])
      data.append(contentsOf: words([type]) + length + body + padding + length)
    }
    func words(_ values: [UInt32]) -> [UInt8] {
      values.flatMap { value in (0..<4).map { UInt8(value >> UInt32(8 * $0) & 255) } }
    }
    block(0x0A0D_0D0A, words([0x1A2B_3C4D, 1, 0xFFFF_FFFF, 0xFFFF_FFFF]))
    block(1, words([1, 262_144]))
    for packet in packets {
      let time = packet.time / 1000
      let count = UInt32(packet.bytes.count)
      block(
        6,
        words([0, UInt32(time >> 32), UInt32(time & 0xFFFF_FFFF), count, count]) + packet.bytes)
    }
    return data
  }

  /// Every kind of packet there is a counter for, `rounds` times, a millisecond apart.
  static func mixture(_ rounds: Int) -> [(time: UInt64, bytes: [UInt8])] {
    var packets: [[UInt8]] = []
    for round in 0..<rounds {
      let port = 1000 + round % 50
      packets += [
        ethernet(0x0800, ipv4(6, tcp(port, 80, sequence: round * 100, data: round % 900))),
        ethernet(0x0800, ipv4(17, udp(port, 53, data: round % 1400))),
        ethernet(0x0800, ipv4(1, [8, 0, 0, 0, 0, 1, 0, 1])),
        ethernet(0x86DD, ipv6(6, tcp(port, 443, flags: 2))),
        ethernet(0x86DD, ipv6(58, [128, 0, 0, 0, 0, 1, 0, 1])),
        ethernet(0x0806, [UInt8](repeating: 0, count: 28)),
        ethernet(0x0800, ipv4(17, udp(port, 5000)), tags: [0x8100]),
        ethernet(0x0800, ipv4(132, [UInt8](repeating: 1, count: 12))),
        ethernet(0x88CC, [UInt8](repeating: 0, count: 46)),
      ]
    }
    return packets.enumerated().map {
      (1_700_000_000_000_000_000 + UInt64($0) * 1_000_000, $1)
    }
  }
}

extension PacketAggregator {
  /// Counts whole packets.
  func add(_ packets: [(time: UInt64, bytes: [UInt8])]) {
    for packet in packets {
      unsafe packet.bytes.withUnsafeBytes {
        unsafe add($0, wireLength: packet.bytes.count, time: packet.time)
      }
    }
    settle()
  }

  subscript(_ index: Int) -> UInt64 { unsafe counts[index] }

  /// Packets of a layer by its name.
  func packets(_ name: String) -> UInt64 {
    unsafe counts[PacketCount.layers + (PacketLayers.names.firstIndex(of: name) ?? 0)]
  }

  /// Bytes of the packets of a layer.
  func bytes(_ name: String) -> UInt64 {
    unsafe counts[PacketCount.layerBytes + (PacketLayers.names.firstIndex(of: name) ?? 0)]
  }
}
