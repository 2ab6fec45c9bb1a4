import Benchmark
import PacketStatistics

func packetSuite() {
  Benchmark("Packets.tcp", configuration: configuration()) { benchmark in
    let header: [UInt8] = [
      2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 50, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0,
      1, 10, 0, 0, 2, 4, 210, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0,
    ]
    let packets = (0..<1000).map { flow in
      var packet = header + [UInt8](repeating: 0, count: 10)
      packet[28] = UInt8(flow >> 8)
      packet[29] = UInt8(flow & 255)
      return packet
    }
    let aggregator = PacketAggregator(.ethernet)
    var number = 0
    func one() {
      packets[number % 1000].withUnsafeBytes {
        aggregator.add($0, wireLength: 64, time: UInt64(number) * 50)
      }
      number += 1
    }
    for _ in 0..<1000 { one() }
    measured(benchmark) { one() }
  }
}
