import Foundation
import PacketStatistics
import SampleModel
import TestSupport
import Testing

/// pcap and pcapng files by the book, which libpcap reads in part only, and damaged ones.
@Suite struct SavefileFormatTests {
  /// Numbers in either byte order.
  private struct Writer {
    var data = Data()
    var isBig = false

    mutating func put<T: FixedWidthInteger>(_ values: T...) {
      for value in values {
        let bytes = (0..<MemoryLayout<T>.size).map {
          UInt8(truncatingIfNeeded: value >> T(8 * $0))
        }
        data += isBig ? bytes.reversed() : bytes
      }
    }

    /// A pcapng block; its length counts itself, unless another one is stated.
    mutating func block(_ type: UInt32, length: UInt32? = nil, _ body: (inout Writer) -> Void) {
      var inner = Writer(isBig: isBig)
      body(&inner)
      while inner.data.count % 4 != 0 { inner.data.append(0) }
      let size = length ?? UInt32(12 + inner.data.count)
      put(type, size)
      data += inner.data
      put(size)
    }

    mutating func section(major: UInt16 = 1) {
      block(0x0A0D_0D0A) {
        $0.put(0x1A2B_3C4D as UInt32)
        $0.put(major, 0)
        $0.put(-1 as Int64)
      }
    }

    mutating func interface(
      _ link: UInt16, snap: UInt32 = 0, options: (inout Writer) -> Void = { _ in }
    ) {
      block(1) {
        $0.put(link, 0)
        $0.put(snap)
        options(&$0)
      }
    }

    mutating func option(_ code: UInt16, _ bytes: [UInt8]) {
      put(code, UInt16(bytes.count))
      data += bytes
      while data.count % 4 != 0 { data.append(0) }
    }

    mutating func packet(
      _ interface: UInt32, _ time: UInt64, _ bytes: [UInt8], wire: Int? = nil, captured: Int? = nil
    ) {
      block(6) {
        $0.put(interface, UInt32(time >> 32), UInt32(truncatingIfNeeded: time))
        $0.put(UInt32(captured ?? bytes.count), UInt32(wire ?? bytes.count))
        $0.data += bytes
      }
    }

    mutating func header(magic: UInt32 = 0xA1B2_C3D4, snap: UInt32 = 65535, link: UInt32 = 1) {
      put(magic)
      put(2 as UInt16, 4)
      put(0 as UInt32, 0, snap, link)
    }

    mutating func record(_ seconds: UInt32, _ rest: UInt32, _ bytes: [UInt8], wire: Int? = nil) {
      put(seconds, rest, UInt32(bytes.count), UInt32(wire ?? bytes.count))
      data += bytes
    }
  }

  private static let frame = PacketBytes.ethernet(0x0800, PacketBytes.ipv4(17, PacketBytes.udp()))

  /// All packets of a file: link types, times and wire lengths.
  private func packets(
    _ writer: Writer, filter: String? = nil
  ) throws -> (packets: [Savefile.Packet], file: Savefile) {
    let folder = try TemporaryFolder()
    try writer.data.write(to: URL(fileURLWithPath: folder.file("a")))
    let file = try Savefile(folder.file("a"))
    if let filter { try file.filter(filter) }
    var packets: [Savefile.Packet] = []
    while let packet = try file.next() { packets.append(packet) }
    return (packets, file)
  }

  private func next(_ writer: Writer) throws -> [UInt64] { try packets(writer).packets.map(\.time) }

  // MARK: pcap

  @Test(arguments: [false, true], [(0xA1B2_C3D4 as UInt32, 1000 as UInt64), (0xA1B2_3C4D, 1)])
  func everyMagicInBothOrders(_ isBig: Bool, _ kind: (magic: UInt32, unit: UInt64)) throws {
    var writer = Writer(isBig: isBig)
    writer.header(magic: kind.magic)
    writer.record(1_700_000_000, 123_456, Self.frame)
    writer.record(1_700_000_001, 5, Self.frame, wire: 9000)
    let found = try packets(writer).packets
    #expect(
      found.map(\.time) == [
        1_700_000_000_000_000_000 + 123_456 * kind.unit, 1_700_000_001_000_000_000 + 5 * kind.unit,
      ])
    #expect(found.map(\.wireLength) == [Self.frame.count, 9000])
    #expect(found[0].bytes == Self.frame && found[0].link == .ethernet)
  }

  /// Seconds are unsigned: 2039, and the last second of 2106.
  @Test func secondsGoOnUntil2106() throws {
    var writer = Writer()
    writer.header()
    writer.record(2_177_452_800, 0, Self.frame)
    writer.record(.max, 999_999, Self.frame)
    #expect(try next(writer) == [2_177_452_800_000_000_000, 4_294_967_295_999_999_000])
  }

  @Test(arguments: [0, 10, .max] as [UInt32]) func aSnapLengthBoundsNothing(_ snap: UInt32) throws {
    var writer = Writer()
    writer.header(snap: snap)
    let large = [UInt8](repeating: 1, count: 300_000)
    writer.record(1, 0, large)
    writer.record(2, 0, [], wire: 60)
    let found = try packets(writer).packets
    #expect(found.map(\.bytes.count) == [300_000, 0] && found[1].wireLength == 60)
  }

  @Test func kuznetzovsRecordsHaveTwoMoreWords() throws {
    var writer = Writer()
    writer.header(magic: 0xA1B2_CD34)
    writer.put(7 as UInt32, 8, UInt32(Self.frame.count), UInt32(Self.frame.count))
    writer.put(1 as UInt32, 0x0800)
    writer.data += Self.frame
    let found = try packets(writer).packets
    #expect(found.map(\.time) == [7_000_008_000] && found[0].bytes == Self.frame)
  }

  @Test(
    arguments: [
      (0x7FFF_FFFF, "a packet of 2147483647 bytes"), (0xFFFF_FFFF, "a packet of 4294967295 bytes"),
      (1000, "ends within a packet"),
    ] as [(UInt32, String)])
  func aRecordThatCannotBeIsNamed(_ length: UInt32, _ words: String) throws {
    var writer = Writer()
    writer.header()
    writer.record(1, 0, Self.frame)
    writer.put(2 as UInt32, 0, length, length)
    let error = #expect(throws: LBError.self) { try packets(writer) }
    #expect(error?.message.contains("damaged") == true && error?.message.contains(words) == true)
  }

  // MARK: pcapng

  @Test(arguments: [false, true]) func interfacesDifferInLinkSnapLengthAndResolution(
    _ isBig: Bool
  ) throws {
    var writer = Writer(isBig: isBig)
    writer.section()
    writer.block(4) { $0.put(0 as UInt32) }
    writer.interface(1, snap: 262_144)
    writer.interface(113, snap: 96) { $0.option(9, [9]) }
    writer.interface(101) {
      $0.option(2, Array("eth".utf8))
      $0.option(9, [0x8A])
      $0.option(14, (isBig ? [0, 0, 0, 0, 0, 0, 0, 5] : [5, 0, 0, 0, 0, 0, 0, 0]))
      $0.option(0, [])
    }
    writer.packet(0, 1_700_000_000_000_001, Self.frame)
    writer.packet(1, 1_700_000_000_000_000_007, [UInt8](repeating: 0, count: 96), wire: 100)
    // Units of 1/1024 s, five seconds to add.
    writer.packet(2, 10 * 1024 + 512, PacketBytes.ipv4(17, PacketBytes.udp()))
    writer.block(0x0BAD) { $0.put(1 as UInt32, 2, 3) }
    // An obsolete Packet Block of interface 1, and a simple one, which has no time.
    writer.block(2) {
      $0.put(1 as UInt16, 0)
      $0.put(UInt32(0), 77, 4, 4, 0x0102_0304)
    }
    writer.block(3) { $0.put(UInt32(4), 0x0102_0304) }
    let (found, file) = try packets(writer)
    #expect(found.map(\.link) == [.ethernet, .cooked, .raw, .cooked, .ethernet])
    #expect(
      found.map(\.time) == [
        1_700_000_000_000_001_000, 1_700_000_000_000_000_007, 15_500_000_000, 77, 77,
      ])
    #expect(found.map(\.wireLength) == [Self.frame.count, 100, 38 + 0, 4, 4])
    #expect(file.malformed == 0)
  }

  @Test func aSectionHasItsOwnOrderAndInterfaces() throws {
    var little = Writer()
    little.section()
    little.interface(1)
    little.packet(0, 1, Self.frame)
    var big = Writer(isBig: true)
    big.section()
    big.interface(101)
    big.packet(0, 2, PacketBytes.ipv4(17, PacketBytes.udp()))
    big.packet(1, 3, [1])
    let (found, file) = try packets(Writer(data: little.data + big.data))
    #expect(found.map(\.link) == [.ethernet, .raw] && found.map(\.time) == [1000, 2000])
    #expect(file.malformed == 1, "the first section's second interface is not this one's")
    #expect(file.firstMalformation?.contains("interface 1") == true)
  }

  /// 2106 and beyond, and every resolution at its ends.
  @Test(
    arguments: [
      (7, 15, 1500), (8, 15, 150), (10, 15, 1),
      (6, 4_294_967_296_000_000, 4_294_967_296_000_000_000),
      (0, 5_000_000_000, 5_000_000_000_000_000_000),
      (9, 9_223_372_035_999_999_999, 9_223_372_035_999_999_999),
      (12, 1_500_000_000_000, 1_500_000_000),
      (19, 15_000_000_000_000_000_000, 1_500_000_000), (20, .max, 184_467_440), (127, .max, 0),
      (0x80, 7, 7_000_000_000), (0x80 | 32, 3 << 31, 1_500_000_000),
      (0x80 | 63, 1 << 63 | 1 << 62, 1_500_000_000), (0x80 | 64, 1 << 63, 500_000_000),
      (0xFF, .max, 0),
    ] as [(UInt8, UInt64, UInt64)])
  func everyResolutionIsExact(_ resolution: UInt8, _ units: UInt64, _ time: UInt64) throws {
    var writer = Writer()
    writer.section()
    writer.interface(1) { $0.option(9, [resolution]) }
    writer.packet(0, units, Self.frame)
    #expect(try next(writer) == [time])
  }

  /// One impossible packet is one packet.
  @Test(arguments: [0, 6, 9] as [UInt8]) func anImpossibleTimeCostsItsPacket(
    _ resolution: UInt8
  ) throws {
    var writer = Writer()
    writer.section()
    writer.interface(1) { $0.option(9, [resolution]) }
    writer.interface(1) { $0.option(14, [255, 255, 255, 255, 255, 255, 255, 255]) }
    writer.packet(0, 1, Self.frame)
    writer.packet(0, .max, Self.frame)
    writer.packet(1, 999_999, Self.frame)
    writer.packet(0, 2, Self.frame)
    let (found, file) = try packets(writer)
    #expect(found.count == 2 && file.malformed == 2)
    #expect(file.firstMalformation?.contains("time") == true)
  }

  @Test func aPacketLongerThanItsBlockCostsItself() throws {
    var writer = Writer()
    writer.section()
    writer.interface(1)
    writer.packet(0, 1, Self.frame, captured: 5000)
    writer.packet(0, 2, Self.frame, captured: Int(UInt32.max))
    writer.packet(0, 3, Self.frame)
    let (found, file) = try packets(writer)
    #expect(found.map(\.time) == [3000] && file.malformed == 2)
  }

  /// A length that leads nowhere ends the file, and never goes round.
  @Test(arguments: [0, 4, 8, 13, 16, 0x0800_0004, .max] as [UInt32])
  func aBlockOfNoLengthIsDamage(_ length: UInt32) throws {
    var writer = Writer()
    writer.section()
    writer.interface(1)
    writer.packet(0, 1, Self.frame)
    writer.block(0x0BAD, length: length) { $0.put(0 as UInt64, 0) }
    let error = #expect(throws: LBError.self) { try packets(writer) }
    #expect(error?.message.contains("damaged") == true, "\(error?.message ?? "")")
    #expect(error?.message.contains("a block of \(length) bytes") == true)
  }

  @Test func everyCutIsReadAsFarAsItGoesOrNamed() throws {
    var writer = Writer()
    writer.section()
    writer.interface(1) { $0.option(9, [9]) }
    for time in 1...3 as ClosedRange<UInt64> { writer.packet(0, time, Self.frame) }
    let folder = try TemporaryFolder()
    var whole = 0
    for count in 0..<writer.data.count {
      try writer.data.prefix(count).write(to: URL(fileURLWithPath: folder.file("a")))
      do {
        let file = try Savefile(folder.file("a"))
        while try file.next() != nil {}
        whole += 1
      } catch {
        #expect(error.category == .configuration && error.message.contains(folder.file("a")))
      }
    }
    // Between blocks a file may end.
    #expect(whole == 4)
  }

  @Test func aLongOptionIsDamage() throws {
    var writer = Writer()
    writer.section()
    writer.interface(1) { $0.put(9 as UInt16, 200) }
    #expect(throws: LBError.self) { try packets(writer) }
    var newer = Writer()
    newer.section(major: 2)
    let error = #expect(throws: LBError.self) { try packets(newer) }
    #expect(error?.message.contains("version 2") == true)
  }

  // MARK: What is made of them

  /// A filter is compiled for each link type.
  @Test func aFilterHoldsForEveryInterface() throws {
    var writer = Writer()
    writer.section()
    writer.interface(1)
    writer.interface(101)
    for port in [53, 54] {
      let inner = PacketBytes.ipv4(17, PacketBytes.udp(port))
      writer.packet(0, 1, PacketBytes.ethernet(0x0800, inner))
      writer.packet(1, 2, inner)
    }
    let found = try packets(writer, filter: "udp src port 53").packets
    #expect(found.map(\.link) == [.ethernet, .raw])
    let error = #expect(throws: LBError.self) {
      try packets(writer, filter: "ether src 1:2:3:4:5:6")
    }
    #expect(error?.message.contains("link type 101") == true, "\(error?.message ?? "")")
  }

  @Test func packetsOfEachLinkTypeAreDecoded() throws {
    var writer = Writer()
    writer.section()
    writer.interface(101)
    writer.interface(1)
    let inner = PacketBytes.ipv4(17, PacketBytes.udp())
    writer.packet(0, 1_000_000, inner)
    writer.packet(1, 2_000_000, PacketBytes.ethernet(0x0800, inner))
    writer.packet(0, 3_000_000, inner)
    let folder = try TemporaryFolder()
    try writer.data.write(to: URL(fileURLWithPath: folder.file("a")))
    let sink = CollectingSink()
    let outcome = try SavefileReplay(
      try Savefile(folder.file("a")), name: "f", interval: 10_000_000_000,
      options: CaptureOptions(interfaces: [])
    ).play(into: [sink])
    #expect(outcome.packets == 3 && outcome.failure == nil && outcome.malformed == 0)
    let last = try #require(sink.frames.last)
    func count(_ layer: String) throws -> UInt64 {
      last.values[PacketCount.layers + (try #require(PacketLayers.names.firstIndex(of: layer)))]
    }
    #expect(try count("udp") == 3 && count("ipv4") == 3 && count("ethernet") == 1)
  }
}
