/// Decodes the headers of one packet, in one pass with bounded loops.
///
/// Sources: IEEE 802.3 and 802.1Q, RFC 791, 8200, 9293, 768, 2784; the cooked headers are those of
/// https://www.tcpdump.org/linktypes.html.
package struct PacketDecoder: Sendable {
  /// A packet with more tags is malformed.
  static let vlanLimit = 8
  static let extensionLimit = 8

  private let link: LinkType

  /// A decoder of packets that begin with `link`'s header.
  package init(_ link: LinkType) { self.link = link }

  /// Decodes `bytes`, the beginning of a packet of `wireLength` bytes, into an empty packet.
  /// Written in place rather than returned: a copy would stall on the fields just stored.
  @inline(__always)
  package func decode(
    _ bytes: UnsafeRawBufferPointer, wireLength: Int, into packet: inout Packet
  ) {
    var reader = unsafe HeaderReader(bytes: bytes, wireLength: wireLength)
    switch link {
    case .ethernet:
      if reader.has(14, &packet) {
        packet.layers.insert(.ethernet)
        packet.sourceMAC = UInt64(reader.wide(at: 6)) << 16 | UInt64(reader.half(at: 10))
        let type = reader.half(at: 12)
        reader.position = 14
        network(type, &reader, &packet)
      }
    case .cooked:
      if reader.has(16, &packet) {
        packet.cookedType = reader.half(at: 0)
        let type = reader.half(at: 14)
        reader.position = 16
        network(type, &reader, &packet)
      }
    case .cooked2:
      if reader.has(20, &packet) {
        packet.cookedType = UInt16(reader.byte(at: 10))
        let type = reader.half(at: 0)
        reader.position = 20
        network(type, &reader, &packet)
      }
    case .raw: version(&reader, &packet)
    case .null, .loop:
      if reader.has(4, &packet) {
        reader.position = 4
        version(&reader, &packet)
      }
    case .other: packet.layers.insert(.other)
    }
  }

  /// The version is in the IP header.
  private func version(_ reader: inout HeaderReader, _ packet: inout Packet) {
    guard reader.has(1, &packet) else { return }
    switch reader.byte(at: 0) >> 4 {
    case 4: ipv4(&reader, &packet)
    case 6: ipv6(&reader, &packet)
    default: packet.layers.insert(.other)
    }
  }

  /// Decodes the protocol of an EtherType.
  @inline(__always)
  private func network(
    _ first: UInt16, _ reader: inout HeaderReader, _ packet: inout Packet
  ) {
    var type = first
    var tags = 0
    // 802.1Q, 802.1ad and the older number of QinQ.
    while type == 0x8100 || type == 0x88A8 || type == 0x9100 {
      packet.layers.insert(.vlan)
      tags += 1
      guard tags <= Self.vlanLimit else {
        packet.malformation = .vlanDepth
        return
      }
      guard reader.has(4, &packet) else { return }
      type = reader.half(at: 2)
      reader.position += 4
    }
    switch type {
    case 0x0800: ipv4(&reader, &packet)
    case 0x86DD: ipv6(&reader, &packet)
    case 0x0806: packet.layers.insert(.arp)
    default: packet.layers.insert(.other)
    }
  }

  @inline(__always)
  private func ipv4(_ reader: inout HeaderReader, _ packet: inout Packet) {
    packet.layers.insert(.ipv4)
    guard reader.has(20, &packet) else { return }
    let header = Int(reader.byte(at: 0) & 15) * 4
    let total = Int(reader.half(at: 2))
    // 0: a segmentation super-frame of 64 KiB or more; the frame's own length is valid.
    let length = total == 0 ? reader.remainingOnWire : total
    guard header >= 20, length >= header, length <= reader.remainingOnWire,
      reader.byte(at: 0) >> 4 == 4
    else {
      packet.malformation = .length
      return
    }
    let fragment = reader.half(at: 6)
    packet.isFragment = fragment & 0x3FFF != 0
    let number = reader.byte(at: 9)
    packet.flow.sourceLow = UInt64(reader.wide(at: 12))
    packet.flow.destinationLow = UInt64(reader.wide(at: 16))
    packet.flow.rest = UInt64(number) << 8 | 4
    packet.hasFlow = true
    guard reader.has(header, &packet) else { return }
    reader.end = reader.position + length
    reader.position += header
    transport(number, isFirst: fragment & 0x1FFF == 0, &reader, &packet)
  }

  @inline(__always)
  private func ipv6(_ reader: inout HeaderReader, _ packet: inout Packet) {
    packet.layers.insert(.ipv6)
    guard reader.has(40, &packet) else { return }
    let payload = Int(reader.half(at: 4))
    // 0: a jumbogram or a super-frame; the frame's own length is valid.
    let length = payload == 0 ? reader.remainingOnWire : payload + 40
    guard length <= reader.remainingOnWire, reader.byte(at: 0) >> 4 == 6 else {
      packet.malformation = .length
      return
    }
    var next = reader.byte(at: 6)
    packet.flow.sourceHigh = reader.long(at: 8)
    packet.flow.sourceLow = reader.long(at: 16)
    packet.flow.destinationHigh = reader.long(at: 24)
    packet.flow.destinationLow = reader.long(at: 32)
    packet.hasFlow = true
    reader.end = reader.position + length
    reader.position += 40
    var isFirst = true
    var count = 0
    // Hop-by-hop, routing, fragment, destination, authentication, mobility.
    while next == 0 || next == 43 || next == 44 || next == 60 || next == 51 || next == 135 {
      packet.layers.insert(.ipv6Extensions)
      count += 1
      guard count <= Self.extensionLimit else {
        packet.malformation = .extensions
        break
      }
      guard reader.has(8, &packet) else { break }
      let own = next
      next = reader.byte(at: 0)
      let units = Int(reader.byte(at: 1))
      let size =
        switch own {
        case 44: 8
        case 51: (units + 2) * 4
        default: (units + 1) * 8
        }
      if own == 44 {
        packet.isFragment = true
        isFirst = reader.half(at: 2) & 0xFFF8 == 0
      }
      guard reader.position + size <= reader.end else {
        packet.malformation = .length
        break
      }
      guard reader.has(size, &packet) else { break }
      reader.position += size
    }
    packet.flow.rest = UInt64(next) << 8 | 6
    guard packet.malformation == nil, !packet.isCut else { return }
    transport(next, isFirst: isFirst, &reader, &packet)
  }

  @inline(__always)
  private func transport(
    _ number: UInt8, isFirst: Bool, _ reader: inout HeaderReader, _ packet: inout Packet
  ) {
    switch number {
    case 6:
      packet.layers.insert(.tcp)
      guard isFirst, reader.hasWithin(20, &packet) else { return }
      ports(&reader, &packet)
      let header = Int(reader.byte(at: 12) >> 4) * 4
      guard header >= 20, reader.position + header <= reader.end else {
        packet.malformation = .length
        return
      }
      packet.tcpSequence = reader.wide(at: 4)
      packet.tcpFlags = reader.byte(at: 13) & 0x3F
      packet.tcpWindow = reader.half(at: 14)
      packet.tcpPayload = UInt32(truncatingIfNeeded: reader.end - reader.position - header)
    case 17:
      packet.layers.insert(.udp)
      guard isFirst, reader.hasWithin(8, &packet) else { return }
      ports(&reader, &packet)
      let length = Int(reader.half(at: 4))
      // 0: a jumbogram; the first fragment states the length of the whole datagram.
      if length != 0, length < 8 || !packet.isFragment && length > reader.end - reader.position {
        packet.malformation = .length
      }
    case 1:
      packet.layers.insert(.icmp)
      guard isFirst else { return }
      _ = reader.hasWithin(8, &packet)
    case 58:
      packet.layers.insert(.icmpv6)
      guard isFirst else { return }
      _ = reader.hasWithin(4, &packet)
    case 132:
      packet.layers.insert(.sctp)
      guard isFirst, reader.hasWithin(12, &packet) else { return }
      ports(&reader, &packet)
    case 47:
      packet.layers.insert(.gre)
      guard isFirst else { return }
      _ = reader.hasWithin(4, &packet)
    default: packet.layers.insert(.other)
    }
  }

  @inline(__always)
  private func ports(_ reader: inout HeaderReader, _ packet: inout Packet) {
    packet.flow.rest |= UInt64(reader.wide(at: 0)) << 32
  }
}

/// A read position in a packet, which records why data is missing.
@safe
private struct HeaderReader {
  // Safe: fields are read after a `has` that covers them, which debug builds check again; the
  // fuzzer runs under the address sanitizer.
  private let bytes: UnsafeRawBufferPointer
  private let wireLength: Int
  var position = 0
  /// The end of the IP packet on the wire; padding follows.
  var end: Int

  init(bytes: UnsafeRawBufferPointer, wireLength: Int) {
    unsafe self.bytes = bytes
    // Captured bytes were on the wire, whatever a savefile states.
    self.wireLength = max(wireLength, bytes.count)
    end = self.wireLength
  }

  var remainingOnWire: Int { wireLength - position }

  /// Whether `count` more bytes were captured; otherwise records why not.
  @inline(__always)
  func has(_ count: Int, _ packet: inout Packet) -> Bool {
    if unsafe position + count <= bytes.count { return true }
    if position + count > wireLength {
      packet.malformation = .truncated
    } else {
      packet.isCut = true
    }
    return false
  }

  /// The same for a header that must also lie within its IP packet.
  @inline(__always)
  func hasWithin(_ count: Int, _ packet: inout Packet) -> Bool {
    guard position + count <= end else {
      packet.malformation = .truncated
      return false
    }
    return has(count, &packet)
  }

  @inline(__always)
  private func load<Word: FixedWidthInteger & BitwiseCopyable>(
    at offset: Int, as type: Word.Type
  ) -> Word {
    unsafe assert(position + offset + MemoryLayout<Word>.size <= bytes.count)
    let base = unsafe bytes.baseAddress.unsafelyUnwrapped
    return unsafe Word(bigEndian: base.loadUnaligned(fromByteOffset: position + offset, as: type))
  }

  @inline(__always)
  func byte(at offset: Int) -> UInt8 { load(at: offset, as: UInt8.self) }
  @inline(__always)
  func half(at offset: Int) -> UInt16 { load(at: offset, as: UInt16.self) }
  @inline(__always)
  func wide(at offset: Int) -> UInt32 { load(at: offset, as: UInt32.self) }
  @inline(__always)
  func long(at offset: Int) -> UInt64 { load(at: offset, as: UInt64.self) }
}
