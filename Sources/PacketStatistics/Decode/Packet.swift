/// The protocols that packets are counted by. One packet has several: Ethernet, IPv4, TCP.
package struct PacketLayers: OptionSet, Sendable, Hashable {
  package let rawValue: UInt32

  /// A set of layers.
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  package static let ethernet = PacketLayers(rawValue: 1 << 0)
  package static let vlan = PacketLayers(rawValue: 1 << 1)
  package static let arp = PacketLayers(rawValue: 1 << 2)
  package static let ipv4 = PacketLayers(rawValue: 1 << 3)
  package static let ipv6 = PacketLayers(rawValue: 1 << 4)
  package static let ipv6Extensions = PacketLayers(rawValue: 1 << 5)
  package static let tcp = PacketLayers(rawValue: 1 << 6)
  package static let udp = PacketLayers(rawValue: 1 << 7)
  package static let icmp = PacketLayers(rawValue: 1 << 8)
  package static let icmpv6 = PacketLayers(rawValue: 1 << 9)
  package static let sctp = PacketLayers(rawValue: 1 << 10)
  package static let gre = PacketLayers(rawValue: 1 << 11)
  /// Another protocol after the decoded ones.
  package static let other = PacketLayers(rawValue: 1 << 12)

  /// The names in order of their bits.
  package static let names = [
    "ethernet", "vlan", "arp", "ipv4", "ipv6", "ipv6_extensions", "tcp", "udp", "icmp", "icmpv6",
    "sctp", "gre", "other",
  ]
}

/// The kinds of malformed packets.
package enum Malformation: UInt8, Sendable, CaseIterable {
  /// It ends within a header, as it was on the wire.
  case truncated
  /// A stated length exceeds the packet, or is shorter than its header.
  case length
  /// Too many IPv6 extension headers.
  case extensions
  /// More than eight VLAN tags.
  case vlanDepth

  /// A description.
  package var meaning: String {
    switch self {
    case .truncated: "they end within a header"
    case .length: "they state an impossible length"
    case .extensions: "more than eight IPv6 extension headers"
    case .vlanDepth: "more than eight VLAN tags"
    }
  }

  /// Its name in metrics.
  package var word: String {
    switch self {
    case .truncated: "truncated"
    case .length: "length"
    case .extensions: "extensions"
    case .vlanDepth: "vlan_depth"
    }
  }
}

/// The link type of a packet (pcap(3PCAP)): the format of its first header.
package enum LinkType: Sendable, Hashable {
  case ethernet
  /// Linux cooked, version 1: 16 bytes.
  case cooked
  /// Linux cooked, version 2: 20 bytes.
  case cooked2
  /// An IP packet and nothing before it.
  case raw
  /// BSD loopback: the address family in four bytes of the capturing host's order.
  case null
  /// OpenBSD loopback: the same in network order.
  case loop
  /// Any other: counted but not decoded.
  case other(Int32)

  /// The link type of a DLT or LINKTYPE number.
  package init(_ number: Int32) {
    switch number {
    case 1: self = .ethernet
    case 113: self = .cooked
    case 276: self = .cooked2
    // 12 and 14 are DLT_RAW of different systems, 101 LINKTYPE_RAW, 228 and 229 of one family.
    case 12, 14, 101, 228, 229: self = .raw
    case 0: self = .null
    case 108: self = .loop
    default: self = .other(number)
    }
  }
}

/// Addresses, ports and protocol of one direction.
package struct FlowKey: Sendable, Hashable {
  /// IPv4 addresses are in the low half of the low words, in host order.
  package var sourceHigh: UInt64 = 0
  package var sourceLow: UInt64 = 0
  package var destinationHigh: UInt64 = 0
  package var destinationLow: UInt64 = 0
  /// From the highest: source port, destination port, 16 unused, protocol, IP version.
  package var rest: UInt64 = 0

  /// An empty key.
  package init() {}

  package var sourcePort: UInt16 { UInt16(truncatingIfNeeded: rest >> 48) }
  package var destinationPort: UInt16 { UInt16(truncatingIfNeeded: rest >> 32) }
  package var protocolNumber: UInt8 { UInt8(truncatingIfNeeded: rest >> 8) }
  package var version: UInt8 { UInt8(truncatingIfNeeded: rest) }

  /// Mixes all bits: the table takes sets and tags from both ends.
  @inline(__always)
  package var mixed: UInt64 {
    var hash = sourceLow &* 0x9E37_79B9_7F4A_7C15
    hash ^= (destinationLow &+ 0x7F4A_7C15_9E37_79B9) &* 0xC2B2_AE3D_27D4_EB4F
    hash ^= rest &* 0x1656_67B1_9E37_79F9
    hash ^= (sourceHigh ^ (destinationHigh << 1 | destinationHigh >> 63)) &* 0xD6E8_FEB8_6659_FD93
    hash ^= hash >> 32
    hash = hash &* 0xD6E8_FEB8_6659_FD93
    return hash ^ hash >> 32
  }
}

/// The decoded headers of one packet.
package struct Packet: Sendable, Hashable {
  package var layers: PacketLayers = []
  package var malformation: Malformation?
  /// It was cut by the capture before the end of its headers.
  package var isCut = false
  package var isFragment = false
  /// Whether it has addresses, in `flow`.
  package var hasFlow = false
  package var flow = FlowKey()
  /// FIN, SYN, RST, PSH, ACK, URG from the lowest bit.
  package var tcpFlags: UInt8 = 0
  package var tcpWindow: UInt16 = 0
  package var tcpSequence: UInt32 = 0
  /// Bytes after the TCP header, by IP's length.
  package var tcpPayload: UInt32 = 0
  /// 0 to 4 of a cooked header: to us, broadcast, multicast, to others, from us.
  package var cookedType: UInt16?
  /// Ethernet's source address in the low 48 bits.
  package var sourceMAC: UInt64 = 0

  /// Nothing decoded yet.
  package init() {}
}
