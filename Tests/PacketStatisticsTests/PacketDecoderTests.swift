import PacketStatistics
import Testing

@Suite struct PacketDecoderTests {
  private typealias Bytes = PacketBytes

  private func decode(
    _ bytes: [UInt8], _ link: LinkType = .ethernet, wireLength: Int? = nil
  ) -> Packet {
    var packet = Packet()
    unsafe bytes.withUnsafeBytes {
      unsafe PacketDecoder(link).decode(
        $0, wireLength: wireLength ?? bytes.count, into: &packet)
    }
    return packet
  }

  @Test func everyLayerIsKnownByItsNumbers() {
    let cases: [([UInt8], PacketLayers)] = [
      (Bytes.ethernet(0x0800, Bytes.ipv4(6, Bytes.tcp())), [.ethernet, .ipv4, .tcp]),
      (Bytes.ethernet(0x0800, Bytes.ipv4(17, Bytes.udp())), [.ethernet, .ipv4, .udp]),
      (Bytes.ethernet(0x0800, Bytes.ipv4(47, [0, 0, 8, 0])), [.ethernet, .ipv4, .gre]),
      (Bytes.ethernet(0x0800, Bytes.ipv4(89, [])), [.ethernet, .ipv4, .other]),
      (Bytes.ethernet(0x86DD, Bytes.ipv6(17, Bytes.udp())), [.ethernet, .ipv6, .udp]),
      (
        Bytes.ethernet(0x86DD, Bytes.ipv6(0, [6, 0, 0, 0, 0, 0, 0, 0] + Bytes.tcp())),
        [.ethernet, .ipv6, .ipv6Extensions, .tcp]
      ),
      (Bytes.ethernet(0x0806, []), [.ethernet, .arp]),
      (
        Bytes.ethernet(0x0800, Bytes.ipv4(6, Bytes.tcp()), tags: [0x88A8, 0x8100]),
        [.ethernet, .vlan, .ipv4, .tcp]
      ),
      (Bytes.ethernet(0x8847, [0]), [.ethernet, .other]),
    ]
    for (bytes, layers) in cases {
      let packet = decode(bytes)
      #expect(packet.layers == layers && packet.malformation == nil && !packet.isCut, "\(layers)")
    }
  }

  @Test func everyLinkTypeLeadsToTheSamePacket() {
    let ip = Bytes.ipv4(6, Bytes.tcp(1234, 80, sequence: 7, flags: 0x12, window: 0, data: 5))
    let cooked = [0, 4, 0, 1, 0, 6] + [UInt8](repeating: 0, count: 8) + Bytes.half(0x0800)
    let cooked2 =
      Bytes.half(0x0800) + [0, 0, 0, 0, 0, 1, 0, 1, 4, 6]
      + [UInt8](repeating: 0, count: 8)
    for (link, header) in [
      (LinkType(1), Bytes.ethernet(0x0800, [])), (LinkType(113), cooked), (LinkType(276), cooked2),
      (LinkType(101), []), (LinkType(0), [2, 0, 0, 0]), (LinkType(108), [0, 0, 0, 2]),
    ] {
      let packet = decode(header + ip, link)
      #expect(packet.layers.contains(.tcp) && packet.flow.sourcePort == 1234, "\(link)")
      #expect(packet.tcpSequence == 7 && packet.tcpFlags == 0x12 && packet.tcpWindow == 0)
      #expect(packet.tcpPayload == 5 && packet.flow.version == 4)
      #expect(packet.flow.sourceLow == 0x0A00_0001 && packet.flow.destinationLow == 0x0A00_0002)
    }
    #expect(decode(cooked + ip, .cooked).cookedType == 4)
    #expect(decode(cooked2 + ip, .cooked2).cookedType == 4)
    #expect(decode(ip, LinkType(147)).layers == .other)
  }

  @Test func paddingIsNoPayload() {
    let padded = Bytes.ethernet(0x0800, Bytes.ipv4(6, Bytes.tcp())) + [0, 0, 0, 0, 0, 0]
    #expect(decode(padded).tcpPayload == 0)
  }

  @Test func whatIsMalformedIsNamedByKind() {
    let tcp = Bytes.tcp()
    let cases: [([UInt8], Malformation)] = [
      ([1, 2, 3], .truncated), ([], .truncated),
      (Bytes.ethernet(0x0800, [0x45, 0, 0]), .truncated),
      (Bytes.ethernet(0x0800, Bytes.ipv4(6, tcp, length: 4000)), .length),
      (Bytes.ethernet(0x0800, Bytes.ipv4(6, tcp, length: 10)), .length),
      (Bytes.ethernet(0x0800, Bytes.ipv4(6, Array(tcp.prefix(12)))), .truncated),
      (Bytes.ethernet(0x0800, [0x42] + Bytes.ipv4(6, tcp).dropFirst()), .length),
      (Bytes.ethernet(0x0800, [0x65] + Bytes.ipv4(6, tcp).dropFirst()), .length),
      (Bytes.ethernet(0x0800, Bytes.ipv4(6, Bytes.tcp(offset: 2))), .length),
      (Bytes.ethernet(0x0800, Bytes.ipv4(6, Bytes.tcp(offset: 15))), .length),
      (Bytes.ethernet(0x0800, Bytes.ipv4(17, Bytes.udp(length: 7))), .length),
      (Bytes.ethernet(0x0800, Bytes.ipv4(17, Bytes.udp(length: 900))), .length),
      (Bytes.ethernet(0x86DD, Bytes.ipv6(6, tcp, length: 4000)), .length),
      (
        Bytes.ethernet(
          0x86DD, Bytes.ipv6(0, (0..<20).flatMap { _ in [0, 0, 0, 0, 0, 0, 0, 0] as [UInt8] })),
        .extensions
      ),
      (Bytes.ethernet(0x86DD, Bytes.ipv6(0, [6, 200, 0, 0, 0, 0, 0, 0])), .length),
      (
        Bytes.ethernet(
          0x0800, Bytes.ipv4(6, tcp), tags: [Int](repeating: 0x8100, count: 20)), .vlanDepth
      ),
    ]
    for (bytes, kind) in cases {
      #expect(decode(bytes).malformation == kind, "\(kind) of \(bytes.count) bytes")
    }
  }

  @Test func whatTheCaptureCutIsNotMalformed() {
    let whole = Bytes.ethernet(0x0800, Bytes.ipv4(6, Bytes.tcp(data: 1000)))
    for count in 0..<54 {
      let packet = decode(Array(whole.prefix(count)), wireLength: whole.count)
      #expect(packet.isCut && packet.malformation == nil, "\(count) bytes")
    }
    let enough = decode(Array(whole.prefix(54)), wireLength: whole.count)
    #expect(!enough.isCut && enough.tcpPayload == 1000)
  }

  @Test func fragmentsAreCountedOnceAndHavePortsInTheFirstOnly() {
    let first = decode(Bytes.ethernet(0x0800, Bytes.ipv4(17, Bytes.udp(), fragment: 0x2000)))
    #expect(first.isFragment && first.flow.destinationPort == 2000)
    let later = decode(Bytes.ethernet(0x0800, Bytes.ipv4(17, [1, 2, 3], fragment: 100)))
    #expect(later.isFragment && later.flow.destinationPort == 0 && later.malformation == nil)
    let six = decode(
      Bytes.ethernet(0x86DD, Bytes.ipv6(44, [17, 0, 0, 9, 0, 0, 0, 1] + [1, 2, 3])))
    #expect(six.isFragment && six.layers.contains(.udp) && six.malformation == nil)
  }

  @Test func anyBytesAreReadWithoutATrap() {
    var state: UInt64 = 42
    func random() -> UInt8 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 56)
    }
    let seeds = PacketBytes.mixture(1).map(\.bytes)
    for round in 0..<20_000 {
      var bytes = seeds[round % seeds.count]
      for _ in 0..<Int(random() % 6) where !bytes.isEmpty {
        bytes[Int(random()) % bytes.count] = random()
      }
      bytes = Array(bytes.prefix(Int(random())))
      for link in [LinkType.ethernet, .cooked, .cooked2, .raw, .null, .loop] {
        let packet = decode(bytes, link, wireLength: Int(random()) * 8)
        #expect(packet.malformation == nil || !packet.isCut)
      }
    }
  }
}
