import Foundation
import PacketStatistics
import SampleModel
import TestSupport
import Testing

@Suite struct PacketAggregatorTests {
  private typealias Bytes = PacketBytes

  @Test func packetsAreCountedByDirectionLayerAndSize() {
    let aggregator = PacketAggregator(.ethernet, ownMAC: 0x0200_0000_0007)
    let ours: [UInt8] = [2, 0, 0, 0, 0, 7]
    let small = Bytes.ethernet(0x0800, Bytes.ipv4(6, Bytes.tcp(flags: 2)))
    let large = Bytes.ethernet(0x0800, Bytes.ipv4(17, Bytes.udp(data: 1458)), source: ours)
    let huge = Bytes.ethernet(0x0800, Bytes.ipv4(6, Bytes.tcp(flags: 5, window: 0, data: 9000)))
    aggregator.add([(1000, small), (1500, small), (2_000_000, large), (9_000_000_000, huge)])
    #expect(aggregator[PacketCount.packetsIn] == 3 && aggregator[PacketCount.packetsOut] == 1)
    #expect(aggregator[PacketCount.bytesOut] == UInt64(large.count))
    #expect(aggregator[PacketCount.bytesIn] == UInt64(2 * small.count + huge.count))
    #expect(aggregator.packets("tcp") == 3 && aggregator.packets("udp") == 1)
    #expect(aggregator.bytes("udp") == UInt64(large.count))
    #expect(aggregator[PacketCount.syn] == 2 && aggregator[PacketCount.fin] == 1)
    #expect(aggregator[PacketCount.rst] == 1)
    #expect(aggregator[PacketCount.zeroWindow] == 0, "a reset's window is none")
    #expect(aggregator[PacketCount.superframes] == 1)
    let sizes = (0..<7).map { aggregator[PacketCount.sizes + $0] }
    #expect(sizes == [2, 0, 0, 0, 0, 1, 1], "1500 bytes and their header fill a frame of 1518")
    let gaps = (0..<7).map { aggregator[PacketCount.gaps + $0] }
    #expect(gaps == [1, 0, 0, 0, 1, 0, 1])
  }

  @Test func dataThatWasSeenIsARetransmission() {
    func segment(_ sequence: Int, _ data: Int) -> [UInt8] {
      Bytes.ethernet(0x0800, Bytes.ipv4(6, Bytes.tcp(sequence: sequence, data: data)))
    }
    let aggregator = PacketAggregator(.ethernet)
    // Around the wrap of sequence numbers; the pure acknowledgement says nothing.
    let near = 0xFFFF_FFF0
    aggregator.add([
      (1, segment(near, 10)), (2, segment(near + 10 & 0xFFFF_FFFF, 20)), (3, segment(4, 20)),
      (4, segment(near, 10)), (5, segment(4, 20)), (6, segment(4, 0)), (7, segment(24, 1)),
    ])
    #expect(aggregator[PacketCount.retransmissions] == 2)
    #expect(aggregator[PacketCount.unknownSequence] == 1, "the first of its flow")
  }

  @Test func whatIsStampedBeforeABracketIsNotInIt() {
    let packet = Bytes.ethernet(0x0800, Bytes.ipv4(17, Bytes.udp()))
    let aggregator = PacketAggregator(.ethernet)
    aggregator.add([(100, packet)])
    aggregator.open(at: 200)
    let before = aggregator[PacketCount.packetsIn]
    aggregator.add([(150, packet), (250, packet), (199, packet), (260, packet)])
    #expect(aggregator[PacketCount.packetsIn] - before == 2)
    aggregator.mergeEarly()
    #expect(aggregator[PacketCount.packetsIn] == 5, "and none is lost")
  }

  @Test func oneOfNIsDecodedAndAllAreCounted() {
    let aggregator = PacketAggregator(.ethernet, sampling: 10)
    aggregator.add(Bytes.mixture(100))
    #expect(aggregator[PacketCount.packetsIn] == 900)
    #expect(aggregator[PacketCount.notDecoded] == 810)
    #expect(aggregator.packets("ethernet") == 90)
    #expect((0..<7).map { aggregator[PacketCount.sizes + $0] }.reduce(0, +) == 900)
  }

  /// A Zipf-like stream over more flows than there is room for: every row's bounds hold.
  @Test func aFullTableKeepsTheLargestWithinTheirBounds() {
    let table = FlowTable(bits: 5)
    var truth: [UInt64: UInt64] = [:]
    var state: UInt64 = 7
    for _ in 0..<200_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let uniform = Double(state >> 11) / Double(1 << 53)
      let number = UInt64(pow(5000, uniform))
      var key = FlowKey()
      key.sourceLow = number
      _ = table.add(key, bytes: 100, sequence: 0, payload: 0)
      truth[number, default: 0] += 100
    }
    var rows = Array(repeating: FlowTable.Row.none, count: 20)
    var span = rows.mutableSpan
    #expect(table.top(&span) == 20)
    for row in rows {
      let real = truth[row.key.sourceLow] ?? 0
      #expect(row.bytes >= real && row.bytes - row.error <= real)
    }
    #expect(rows.map(\.bytes) == rows.map(\.bytes).sorted(by: >))
    let best = truth.sorted { $0.value > $1.value }.prefix(10).map(\.key)
    let shown = Set(rows.map(\.key.sourceLow))
    #expect(best.allSatisfy(shown.contains), "the ten largest are among twenty")
    let missing = truth.filter { !shown.contains($0.key) && $0.value > table.missed }
    #expect(missing.allSatisfy { $0.value <= rows.last?.bytes ?? 0 })
  }

  @Test func totalsAreCorrectedForDropsAndBounded() throws {
    let layout = Layout(
      collector: "packets", stream: 0, epoch: 1, columns: PacketMetrics.columns("e"),
      formulas: PacketMetrics.corrected("e"))
    let numbers = [
      "packets_in": 60.0, "packets_out": 20, "bytes_in": 6000, "bytes_out": 2000,
      "dropped_socket": 20, "dropped_interface": 5,
    ]
    let totals = layout.totals(
      layout.columns.map { numbers[$0.metric.name] ?? 0 },
      grown: layout.columns.map { _ in 0 })
    func total(_ name: String) -> Double? { totals.last { $0.0.name == "packets.\(name)[e]" }?.1 }
    #expect(total("packets") == 100 && total("packets_most") == 105 && total("bytes") == 10_000)
    #expect(total("packets_in") == 60, "the raw counts stay")
  }

  @Test func addressesAreText() {
    func text(_ high: UInt64, _ low: UInt64, _ version: UInt8) -> String {
      var words = [UInt64](repeating: 0, count: 5)
      var span = words.mutableSpan
      AddressText.write(high: high, low: low, version: version, &span, at: 0)
      let bytes = words.flatMap { word in (0..<8).map { UInt8(word >> UInt64(8 * $0) & 255) } }
      return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    #expect(text(0, 0x0A00_01FF, 4) == "10.0.1.255" && text(0, 0, 4) == "0.0.0.0")
    #expect(text(0x2001_0DB8_0000_0000, 0x1_0000_0000_FFFF, 6) == "2001:db8:0:0:1:0:0:ffff")
    #expect(text(.max, .max, 6).count == 39)
  }
}

/// Savefiles, against files that are written here and against other readers of them.
@Suite struct SavefileTests {
  private func replay(
    _ path: String, interval: UInt64 = 100_000_000, filter: String? = nil
  ) throws -> (SavefileReplay.Outcome, CollectingSink) {
    let file = try Savefile(path)
    if let filter { try file.filter(filter) }
    let sink = CollectingSink()
    let outcome = try SavefileReplay(
      file, name: "f", interval: interval, options: CaptureOptions(interfaces: [])
    ).play(into: [sink])
    return (outcome, sink)
  }

  @Test func bothFormatsGiveTheSameFramesOnTheirOwnClock() throws {
    let folder = try TemporaryFolder()
    let packets = PacketBytes.mixture(100)
    try PacketBytes.savefile(packets).write(to: URL(fileURLWithPath: folder.file("a.pcap")))
    try PacketBytes.nextGeneration(packets).write(to: URL(fileURLWithPath: folder.file("b.pcap")))
    let (first, sink) = try replay(folder.file("a.pcap"))
    let (second, other) = try replay(folder.file("b.pcap"))
    #expect(first == second && first.packets == 900)
    #expect(sink.frames.map(\.values) == other.frames.map(\.values))
    // 900 ms of packets: opening, eight whole intervals, closing.
    #expect(sink.frames.count == 10 && sink.frames[0].values[0] == 0)
    #expect(sink.frames[1].values[0] == 100 && sink.frames.last?.values[0] == 900)
    #expect(sink.frames[1].header.start - sink.frames[0].header.start == 100_000_000)
    #expect(sink.meta?.anchor.realtime == packets[0].time)
    #expect(sink.recordBatches.last.map { $0.values.count / PacketRow.words } == 20)
  }

  @Test func aGapOfAYearHasNoFrames() throws {
    let folder = try TemporaryFolder()
    var packets = PacketBytes.mixture(1)
    packets.append((packets[0].time + 31_536_000_000_000_000, packets[0].bytes))
    try PacketBytes.savefile(packets).write(to: URL(fileURLWithPath: folder.file("a")))
    let (outcome, sink) = try replay(folder.file("a"), interval: 1_000_000)
    #expect(outcome.packets == 10 && sink.frames.count <= 12)
  }

  @Test func aFilterIsAppliedAndAWrongOneNamed() throws {
    let folder = try TemporaryFolder()
    try PacketBytes.savefile(PacketBytes.mixture(10)).write(
      to: URL(fileURLWithPath: folder.file("a")))
    #expect(try replay(folder.file("a"), filter: "udp port 53").0.packets == 10)
    let error = #expect(throws: LBError.self) { try replay(folder.file("a"), filter: "udp prt") }
    #expect(error?.category == .configuration && error?.message.contains("udp prt") == true)
  }

  @Test func damagedFilesAreNamedAndKeptAsFarAsTheyGo() throws {
    let folder = try TemporaryFolder()
    let whole = PacketBytes.savefile(PacketBytes.mixture(2))
    let path = folder.file("a")
    for count in [0, 3, 23] {
      try whole.prefix(count).write(to: URL(fileURLWithPath: path))
      #expect(throws: LBError.self) { try replay(path) }
    }
    try whole.prefix(whole.count - 5).write(to: URL(fileURLWithPath: path))
    let (outcome, sink) = try replay(path)
    #expect(outcome.packets == 17 && outcome.failure?.message.contains("damaged") == true)
    #expect(sink.frames.last?.values[0] == 17)
    try Data("no savefile at all, only text".utf8).write(to: URL(fileURLWithPath: path))
    #expect(throws: LBError.self) { try replay(path) }
    #expect(throws: LBError.self) { try replay(folder.file("none")) }
  }

  private static let tshark = "/usr/bin/tshark"

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: tshark), "tshark is missing"))
  func tsharkCountsTheSame() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.pcap")
    try PacketBytes.savefile(PacketBytes.mixture(200)).write(to: URL(fileURLWithPath: path))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Self.tshark)
    process.arguments = [
      "-r", path, "-T", "fields", "-e", "frame.protocols", "-e", "frame.len", "-e", "tcp.flags.syn",
      "-e", "tcp.srcport", "-e", "tcp.dstport", "-e", "udp.srcport", "-e", "udp.dstport",
    ]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    process.environment = ["HOME": folder.path, "PATH": "/usr/bin:/bin"]
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    var packets: [String: UInt64] = [:]
    var bytes: [String: UInt64] = [:]
    let names = [
      "eth": "ethernet", "vlan": "vlan", "arp": "arp", "ip": "ipv4", "ipv6": "ipv6", "tcp": "tcp",
      "udp": "udp", "icmp": "icmp", "icmpv6": "icmpv6", "sctp": "sctp",
    ]
    var syn: UInt64 = 0
    // The bins of RFC 2819 have a frame with its checksum, which is not captured.
    let bounds: [UInt64] = [64, 127, 255, 511, 1023, 1518]
    var sizes = [UInt64](repeating: 0, count: 7)
    // Of the packets' addresses there is one pair of each IP version.
    var flows: [[Int]: UInt64] = [:]
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      for name in Set(fields[0].split(separator: ":").compactMap { names[String($0)] }) {
        packets[name, default: 0] += 1
        bytes[name, default: 0] += UInt64(fields[1]) ?? 0
      }
      if fields[2] == "1" || fields[2] == "True" { syn += 1 }
      let length = UInt64(fields[1]) ?? 0
      sizes[bounds.firstIndex { length + 4 <= $0 } ?? 6] += 1
      let ports = fields[3...6].compactMap { Int($0) }
      guard ports.count == 2 else { continue }
      let version = fields[0].contains("ipv6") ? 6 : 4
      flows[[fields[3].isEmpty ? 17 : 6, version] + ports, default: 0] += length
    }
    let aggregator = PacketAggregator(.ethernet)
    aggregator.add(PacketBytes.mixture(200))
    for name in names.values {
      #expect(aggregator.packets(name) == packets[name], "\(name)")
      #expect(aggregator.bytes(name) == bytes[name], "\(name)")
    }
    #expect(aggregator[PacketCount.syn] == syn && syn == 200)
    #expect(aggregator[PacketCount.packetsIn] == 1800)
    for (bin, count) in sizes.enumerated() {
      #expect(aggregator[PacketCount.sizes + bin] == count, "size \(bin)")
    }
    var rows = [FlowTable.Row](repeating: .none, count: 1000)
    var span = rows.mutableSpan
    let found = aggregator.flows.top(&span)
    var ours: [[Int]: UInt64] = [:]
    for row in rows.prefix(found) where [6, 17].contains(row.key.protocolNumber) {
      #expect(row.error == 0)
      let key = [
        Int(row.key.protocolNumber), Int(row.key.version), Int(row.key.sourcePort),
        Int(row.key.destinationPort),
      ]
      ours[key, default: 0] += row.bytes
    }
    #expect(flows.count == 200 && ours == flows)
  }
}
