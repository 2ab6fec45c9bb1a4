// How many packets a second are decoded and counted, from memory: packets [MILLIONS]
// 10,000 flows of TCP and UDP over IPv4 and IPv6, of 64 bytes and of mixed sizes.
import LinuxSystem
import PacketStatistics

let millions = CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1]) ?? 20 : 20

/// Headers of one packet of flow number `flow`, of which `captured` bytes are there.
func packet(_ flow: Int, captured: Int, length: Int) -> [UInt8] {
  let isSix = flow % 4 == 0
  let isUDP = flow % 3 == 0
  var bytes: [UInt8] = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1]
  func half(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }
  let ports = half(1024 + flow % 40_000) + half(isUDP ? 53 : 443)
  let transport =
    isUDP
    ? ports + half(max(8, length - (isSix ? 54 : 34))) + [0, 0]
    : ports + [0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0]
  if isSix {
    bytes += half(0x86DD) + [0x60, 0, 0, 0] + half(length - 54) + [isUDP ? 17 : 6, 64]
    bytes += [UInt8](repeating: 1, count: 14) + half(flow) + [UInt8](repeating: 2, count: 16)
  } else {
    bytes += half(0x0800) + [0x45, 0] + half(length - 14) + [0, 0, 0, 0, 64, isUDP ? 17 : 6, 0, 0]
    bytes += [10, 0] + half(flow) + [10, 1, 0, 1]
  }
  bytes += transport
  bytes += [UInt8](repeating: 0, count: max(0, captured - bytes.count))
  return Array(bytes.prefix(captured))
}

/// Millions of packets a second of these lengths, each captured to 128 bytes at most.
func rate(_ lengths: [Int]) -> Double {
  let flows = 10_000
  let stride = 128
  var memory = [UInt8](repeating: 0, count: flows * stride)
  var sizes: [(captured: Int, length: Int)] = []
  for place in 0..<flows {
    // One behind the other, as a capture's ring has them, of flows in an order without a pattern.
    let flow = place * 7919 % flows
    // IPv6 with TCP needs 74 bytes.
    let length = max(lengths[flow % lengths.count], flow % 4 == 0 ? 74 : 64)
    let bytes = packet(flow, captured: min(length, stride), length: length)
    memory.replaceSubrange(place * stride..<place * stride + bytes.count, with: bytes)
    sizes.append((bytes.count, length))
  }
  let aggregator = PacketAggregator(.ethernet)
  let total = millions * 1_000_000
  var best = 0.0
  for _ in 0..<3 {
    let began = Clock.threadCPU()
    unsafe memory.withUnsafeBytes { all in
      var place = 0
      for number in 0..<total {
        let size = sizes[place]
        let bytes = unsafe UnsafeRawBufferPointer(
          rebasing: all[place * stride..<place * stride + size.captured])
        unsafe aggregator.add(bytes, wireLength: size.length, time: UInt64(number) &* 50)
        place &+= 1
        if place == flows { place = 0 }
      }
    }
    best = max(best, Double(total) * 1000 / Double(Clock.threadCPU() - began))
  }
  return best
}

print("64 bytes     \((rate([64]) * 10).rounded() / 10) million packets a second")
let mixed = [64, 64, 64, 64, 128, 256, 512, 576, 1024, 1500, 1500, 1500]
print("mixed sizes  \((rate(mixed) * 10).rounded() / 10) million packets a second")
