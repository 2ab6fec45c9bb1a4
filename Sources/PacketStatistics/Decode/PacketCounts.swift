/// The numbers that packets are counted into: their order is that of the metrics.
package enum PacketCount {
  package static let packetsIn = 0
  package static let packetsOut = 1
  package static let bytesIn = 2
  package static let bytesOut = 3
  /// Packets of each layer, then bytes of each.
  package static let layers = 4
  package static let layerBytes = layers + PacketLayers.names.count
  package static let syn = layerBytes + PacketLayers.names.count
  package static let fin = syn + 1
  package static let rst = syn + 2
  package static let zeroWindow = syn + 3
  package static let retransmissions = syn + 4
  /// Data of TCP whose flow was not known: it may be a retransmission or not.
  package static let unknownSequence = syn + 5
  package static let fragments = syn + 6
  package static let superframes = syn + 7
  package static let cut = syn + 8
  package static let notDecoded = syn + 9
  package static let malformed = syn + 10
  package static let sizes = malformed + Malformation.allCases.count
  package static let gaps = sizes + sizeBins.count
  package static let count = gaps + gapBins.count

  /// RMON's bins (RFC 2819, etherStatsPkts…): bytes on the wire with the frame check sequence.
  package static let sizeBins = [
    "0-64", "65-127", "128-255", "256-511", "512-1023", "1024-1518", "1519-",
  ]
  /// Times between two packets.
  package static let gapBins = [
    "0-1us", "1-10us", "10-100us", "100us-1ms", "1-10ms", "10-100ms", "100ms-",
  ]

  @inline(__always)
  static func sizeBin(_ length: Int) -> Int {
    switch length &+ 4 {
    case ...64: 0
    case ...127: 1
    case ...255: 2
    case ...511: 3
    case ...1023: 4
    case ...1518: 5
    default: 6
    }
  }

  @inline(__always)
  static func gapBin(_ nanoseconds: UInt64) -> Int {
    switch nanoseconds {
    case ..<1_000: 0
    case ..<10_000: 1
    case ..<100_000: 2
    case ..<1_000_000: 3
    case ..<10_000_000: 4
    case ..<100_000_000: 5
    default: 6
    }
  }
}

/// Counts packets: decoded here, nothing kept of them. Allocates when made, and never again.
@safe
package final class PacketAggregator {
  package let decoder: PacketDecoder
  package let flows: FlowTable
  /// Our own address, by which what goes out is known; 0 where a header says it, or nothing does.
  private let ownMAC: UInt64
  /// Frames longer than this are segmentation super-frames, to be split or already joined.
  private let longest: Int
  /// Each how-manyth packet is decoded; all are counted.
  private let sampling: UInt64
  /// The counts, `PacketCount.count` of them.
  package let counts: UnsafeMutablePointer<UInt64>
  /// What came too late for the bracket that it belongs before.
  private let early: UnsafeMutablePointer<UInt64>
  private var lastTime: UInt64 = 0
  private var untilDecoded: UInt64 = 0
  /// Packets stamped before this belong before the current bracket.
  private var boundary: UInt64 = 0
  private var hasEarly = false
  /// Bytes by protocol and by the lower of both ports: TCP's, then UDP's.
  private let ports: UnsafeMutablePointer<UInt64>

  /// Nothing counted yet.
  package init(
    _ link: LinkType, ownMAC: UInt64 = 0, mtu: Int = 1500, sampling: UInt64 = 1,
    flowBits: Int = 11
  ) {
    decoder = PacketDecoder(link)
    flows = FlowTable(bits: flowBits)
    self.ownMAC = ownMAC
    // An Ethernet header and a VLAN tag beside the payload.
    longest = mtu + 18
    self.sampling = max(1, sampling)
    unsafe counts = .allocate(capacity: PacketCount.count)
    unsafe counts.initialize(repeating: 0, count: PacketCount.count)
    unsafe early = .allocate(capacity: PacketCount.count)
    unsafe early.initialize(repeating: 0, count: PacketCount.count)
    unsafe ports = .allocate(capacity: 2 << 16)
    unsafe ports.initialize(repeating: 0, count: 2 << 16)
  }

  deinit {
    unsafe counts.deallocate()
    unsafe early.deallocate()
    unsafe ports.deallocate()
  }

  /// Begins a bracket at `time`: packets stamped before it that are still under way are counted
  /// before the next one, and flows begin anew.
  package func open(at time: UInt64) {
    settle()
    boundary = time
    flows.clear()
    unsafe ports.update(repeating: 0, count: 2 << 16)
  }

  /// Adds what came too late to what is counted.
  package func settle() {
    guard hasEarly else { return }
    hasEarly = false
    for index in 0..<PacketCount.count {
      unsafe counts[index] &+= unsafe early[index]
      unsafe early[index] = 0
    }
  }

  /// Counts one packet: its first bytes, its length on the wire, and its time in nanoseconds.
  @inline(__always)
  package func add(_ bytes: UnsafeRawBufferPointer, wireLength: Int, time: UInt64) {
    let isEarly = time < boundary
    if isEarly { hasEarly = true }
    let into = unsafe isEarly ? early : counts
    let length = UInt64(truncatingIfNeeded: max(wireLength, bytes.count))
    unsafe into[PacketCount.sizes + PacketCount.sizeBin(Int(length))] &+= 1
    if lastTime != 0 {
      // Packets of several CPUs may come out of order by a little.
      let gap = time > lastTime ? time &- lastTime : 0
      unsafe into[PacketCount.gaps + PacketCount.gapBin(gap)] &+= 1
    }
    lastTime = time
    if Int(length) > longest { unsafe into[PacketCount.superframes] &+= 1 }
    if sampling > 1 {
      if untilDecoded > 0 {
        untilDecoded &-= 1
        unsafe into[PacketCount.notDecoded] &+= 1
        // The direction is in the link header alone.
        let packet = unsafe decoder.decode(
          UnsafeRawBufferPointer(rebasing: bytes.prefix(20)), wireLength: wireLength)
        unsafe direct(packet, length, into)
        return
      }
      untilDecoded = sampling &- 1
    }
    let packet = unsafe decoder.decode(bytes, wireLength: wireLength)
    unsafe direct(packet, length, into)
    unsafe count(packet, length, into)
    if packet.hasFlow, !isEarly { unsafe follow(packet, length, into) }
  }

  @inline(__always)
  private func direct(
    _ packet: Packet, _ length: UInt64, _ into: UnsafeMutablePointer<UInt64>
  ) {
    let isOut =
      packet.cookedType.map { $0 == 4 } ?? (ownMAC != 0 && packet.sourceMAC == ownMAC)
    let side = isOut ? 1 : 0
    unsafe into[PacketCount.packetsIn + side] &+= 1
    unsafe into[PacketCount.bytesIn + side] &+= length
  }

  @inline(__always)
  private func count(
    _ packet: Packet, _ length: UInt64, _ into: UnsafeMutablePointer<UInt64>
  ) {
    var rest = packet.layers.rawValue
    while rest != 0 {
      let bit = rest.trailingZeroBitCount
      unsafe into[PacketCount.layers + bit] &+= 1
      unsafe into[PacketCount.layerBytes + bit] &+= length
      rest &= rest &- 1
    }
    if packet.isFragment { unsafe into[PacketCount.fragments] &+= 1 }
    if packet.isCut { unsafe into[PacketCount.cut] &+= 1 }
    if let kind = packet.malformation {
      unsafe into[PacketCount.malformed + Int(kind.rawValue)] &+= 1
    }
    if packet.tcpFlags != 0 {
      if packet.tcpFlags & 2 != 0 { unsafe into[PacketCount.syn] &+= 1 }
      if packet.tcpFlags & 1 != 0 { unsafe into[PacketCount.fin] &+= 1 }
      if packet.tcpFlags & 4 != 0 { unsafe into[PacketCount.rst] &+= 1 }
      // A reset has no window to speak of.
      if packet.tcpWindow == 0, packet.tcpFlags & 4 == 0 {
        unsafe into[PacketCount.zeroWindow] &+= 1
      }
    }
  }

  @inline(__always)
  private func follow(
    _ packet: Packet, _ length: UInt64, _ into: UnsafeMutablePointer<UInt64>
  ) {
    switch flows.add(
      packet.flow, bytes: length, sequence: packet.tcpSequence,
      payload: packet.isFragment ? 0 : packet.tcpPayload)
    {
    case .plain: break
    case .regress: unsafe into[PacketCount.retransmissions] &+= 1
    case .unknown: unsafe into[PacketCount.unknownSequence] &+= 1
    }
    guard packet.layers.contains(.tcp) || packet.layers.contains(.udp) else { return }
    let port = min(packet.flow.sourcePort, packet.flow.destinationPort)
    let base = packet.layers.contains(.tcp) ? 0 : 1 << 16
    unsafe ports[base + Int(port)] &+= length
  }

  /// A port with its bytes.
  package struct PortRow: Sendable, Hashable {
    /// 6 for TCP, 17 for UDP.
    package var protocolNumber: UInt8
    package var port: UInt16
    package var bytes: UInt64

    /// Of no port.
    package static let none = PortRow(protocolNumber: 0, port: 0, bytes: 0)
  }

  /// Writes the ports with the most bytes, exactly counted, the most first; gives how many.
  package func topPorts(_ rows: inout MutableSpan<PortRow>) -> Int {
    var filled = 0
    for place in 0..<2 << 16 {
      let bytes = unsafe ports[place]
      guard bytes > 0 else { continue }
      if filled == rows.count, filled == 0 || bytes <= rows[filled - 1].bytes { continue }
      var at = min(filled, rows.count - 1)
      while at > 0, rows[at - 1].bytes < bytes {
        rows[at] = rows[at - 1]
        at -= 1
      }
      rows[at] = PortRow(
        protocolNumber: place < 1 << 16 ? 6 : 17, port: UInt16(place & 0xFFFF), bytes: bytes)
      filled = min(filled + 1, rows.count)
    }
    return filled
  }
}
