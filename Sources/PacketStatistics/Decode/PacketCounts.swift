/// The indices of the counts, in the order of the metrics.
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
  /// TCP data of an unknown flow, which may be a retransmission.
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

  /// Without a branch that would be mispredicted: RMON's bins are powers of two except at the ends.
  @inline(__always)
  static func sizeBin(_ length: Int) -> Int {
    let octets = length &+ 4
    let power = Int.bitWidth &- 6 &- octets.leadingZeroBitCount
    return octets <= 64 ? 0 : octets > 1518 ? 6 : power
  }

  @inline(__always)
  static func gapBin(_ nanoseconds: UInt64) -> Int {
    func reaches(_ bound: UInt64) -> Int { nanoseconds >= bound ? 1 : 0 }
    return reaches(1_000) &+ reaches(10_000) &+ reaches(100_000) &+ reaches(1_000_000)
      &+ reaches(10_000_000) &+ reaches(100_000_000)
  }
}

/// Decodes and counts packets without keeping them. Allocates only in its initialiser.
@safe
package final class PacketAggregator {
  private var decoder: PacketDecoder
  package let flows: FlowTable
  /// The interface's own address, which identifies outgoing packets; 0 if a header has the
  /// direction, or it is unknown.
  private var ownMAC: UInt64
  /// Longer frames are segmentation super-frames, not yet split or already joined.
  private var longest: Int
  /// Whether all flows are tracked, or only TCP data, for its sequence numbers.
  private let allFlows: Bool
  /// Every `sampling`-th packet is decoded; all are counted.
  private let sampling: UInt64
  /// The counts, `PacketCount.count` of them.
  package let counts: UnsafeMutablePointer<UInt64>
  /// Counts of packets that belong before the present bracket and arrived late.
  private let early: UnsafeMutablePointer<UInt64>
  private var lastTime: UInt64 = 0
  private var untilDecoded: UInt64 = 0
  /// Packets stamped earlier belong before the present bracket.
  private var boundary: UInt64 = 0
  private var hasEarly = false
  /// A packet whose flow was not looked up yet.
  private struct Waiting {
    var packet = Packet()
    var bytes: UInt64 = 0
  }
  private static let batch = 32
  private let waiting: UnsafeMutablePointer<Waiting>
  private var waitingCount = 0
  /// Packets and bytes of each combination of layers since `settle`, and the combinations seen: one
  /// addition for each packet, rather than for each of its layers.
  private let mixes: UnsafeMutablePointer<(packets: UInt64, bytes: UInt64)>
  private var seenMixes = [UInt16](repeating: 0, count: PacketAggregator.mixLimit)
  private var seenCount = 0
  private static let mixLimit = 1 << PacketLayers.names.count
  /// Bytes by protocol and by the lower of both ports: TCP's, then UDP's.
  private let ports: UnsafeMutablePointer<UInt64>

  /// Without counts.
  package init(
    _ link: LinkType, ownMAC: UInt64 = 0, mtu: Int = 1500, sampling: UInt64 = 1,
    flowBits: Int = 11, allFlows: Bool = true
  ) {
    self.allFlows = allFlows
    decoder = PacketDecoder(link)
    flows = FlowTable(bits: flowBits)
    self.ownMAC = ownMAC
    // An Ethernet header and a VLAN tag besides the payload.
    longest = mtu + 18
    self.sampling = max(1, sampling)
    unsafe counts = .allocate(capacity: PacketCount.count)
    unsafe counts.initialize(repeating: 0, count: PacketCount.count)
    unsafe early = .allocate(capacity: PacketCount.count)
    unsafe early.initialize(repeating: 0, count: PacketCount.count)
    unsafe waiting = .allocate(capacity: Self.batch)
    unsafe waiting.initialize(repeating: Waiting(), count: Self.batch)
    unsafe mixes = .allocate(capacity: Self.mixLimit)
    unsafe mixes.initialize(repeating: (0, 0), count: Self.mixLimit)
    unsafe ports = .allocate(capacity: 2 << 16)
    unsafe ports.initialize(repeating: 0, count: 2 << 16)
  }

  deinit {
    unsafe counts.deallocate()
    unsafe early.deallocate()
    unsafe waiting.deallocate()
    unsafe mixes.deallocate()
    unsafe ports.deallocate()
  }

  /// The following packets are another device's.
  package func identify(_ link: LinkType, ownMAC: UInt64, mtu: Int) {
    decoder = PacketDecoder(link)
    self.ownMAC = ownMAC
    longest = mtu + 18
  }

  /// Begins a bracket at `time`: late packets with an earlier time stamp are counted before the
  /// next one, and flows restart.
  package func open(at time: UInt64) {
    settle()
    mergeEarly()
    boundary = time
    flows.clear()
    unsafe ports.update(repeating: 0, count: 2 << 16)
  }

  /// Updates `counts`, before they are read.
  package func settle() {
    followWaiting()
    for index in 0..<seenCount {
      let mix = Int(seenMixes[index])
      unsafe add(mixes[mix], of: PacketLayers(rawValue: UInt32(mix)), to: counts)
      unsafe mixes[mix] = (0, 0)
    }
    seenCount = 0
  }

  @inline(__always)
  private func add(
    _ amount: (packets: UInt64, bytes: UInt64), of layers: PacketLayers,
    to counts: UnsafeMutablePointer<UInt64>
  ) {
    var rest = layers.rawValue
    while rest != 0 {
      let bit = rest.trailingZeroBitCount
      unsafe counts[PacketCount.layers + bit] &+= amount.packets
      unsafe counts[PacketCount.layerBytes + bit] &+= amount.bytes
      rest &= rest &- 1
    }
  }

  /// Adds the counts of late packets of the previous bracket.
  package func mergeEarly() {
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
      // Packets of several CPUs may be slightly out of order.
      let gap = time > lastTime ? time &- lastTime : 0
      unsafe into[PacketCount.gaps + PacketCount.gapBin(gap)] &+= 1
    }
    lastTime = time
    if Int(length) > longest { unsafe into[PacketCount.superframes] &+= 1 }
    // The slot for its flow: there is always room for one more.
    let slot = unsafe waiting + waitingCount
    unsafe slot.pointee.packet = Packet()
    if sampling > 1 {
      if untilDecoded > 0 {
        untilDecoded &-= 1
        unsafe into[PacketCount.notDecoded] &+= 1
        // The direction is only in the link header.
        unsafe decoder.decode(
          UnsafeRawBufferPointer(rebasing: bytes.prefix(20)), wireLength: wireLength,
          into: &slot.pointee.packet)
        unsafe direct(slot, length, into)
        return
      }
      untilDecoded = sampling &- 1
    }
    unsafe decoder.decode(bytes, wireLength: wireLength, into: &slot.pointee.packet)
    unsafe direct(slot, length, into)
    unsafe count(slot, length, into)
    if unsafe slot.pointee.packet.hasFlow, !isEarly,
      unsafe allFlows || slot.pointee.packet.tcpPayload > 0
    {
      // If the table exceeds the cache, several lookups at once take as long as one.
      unsafe slot.pointee.bytes = length
      waitingCount &+= 1
      if waitingCount == Self.batch { followWaiting() }
    }
  }

  @inline(__always)
  private func direct(
    _ slot: UnsafePointer<Waiting>, _ length: UInt64, _ into: UnsafeMutablePointer<UInt64>
  ) {
    let isOut =
      unsafe slot.pointee.packet.cookedType.map { $0 == 4 }
      ?? (ownMAC != 0 && slot.pointee.packet.sourceMAC == ownMAC)
    let side = isOut ? 1 : 0
    unsafe into[PacketCount.packetsIn + side] &+= 1
    unsafe into[PacketCount.bytesIn + side] &+= length
  }

  @inline(__always)
  private func count(
    _ slot: UnsafePointer<Waiting>, _ length: UInt64, _ into: UnsafeMutablePointer<UInt64>
  ) {
    let layers = unsafe slot.pointee.packet.layers
    if unsafe into == early {
      unsafe add((1, length), of: layers, to: into)
    } else {
      let mix = Int(layers.rawValue)
      if unsafe mixes[mix].packets == 0 {
        seenMixes[seenCount] = UInt16(mix)
        seenCount += 1
      }
      unsafe mixes[mix].packets &+= 1
      unsafe mixes[mix].bytes &+= length
    }
    if unsafe slot.pointee.packet.isFragment { unsafe into[PacketCount.fragments] &+= 1 }
    if unsafe slot.pointee.packet.isCut { unsafe into[PacketCount.cut] &+= 1 }
    if let kind = unsafe slot.pointee.packet.malformation {
      unsafe into[PacketCount.malformed + Int(kind.rawValue)] &+= 1
    }
    let flags = unsafe slot.pointee.packet.tcpFlags
    if flags != 0 {
      if flags & 2 != 0 { unsafe into[PacketCount.syn] &+= 1 }
      if flags & 1 != 0 { unsafe into[PacketCount.fin] &+= 1 }
      if flags & 4 != 0 { unsafe into[PacketCount.rst] &+= 1 }
      // A reset has no meaningful window.
      if unsafe slot.pointee.packet.tcpWindow == 0, flags & 4 == 0 {
        unsafe into[PacketCount.zeroWindow] &+= 1
      }
    }
  }

  private func followWaiting() {
    for index in 0..<waitingCount {
      let one = unsafe waiting + index
      let (flow, bytes) = unsafe (one.pointee.packet.flow, one.pointee.bytes)
      let (sequence, isFragment) = unsafe (
        one.pointee.packet.tcpSequence, one.pointee.packet.isFragment
      )
      let payload = unsafe isFragment ? 0 : one.pointee.packet.tcpPayload
      switch flows.add(flow, bytes: bytes, sequence: sequence, payload: payload) {
      case .plain: break
      case .regress: unsafe counts[PacketCount.retransmissions] &+= 1
      case .unknown: unsafe counts[PacketCount.unknownSequence] &+= 1
      }
      let number = flow.protocolNumber
      // Later fragments have no ports.
      guard number == 6 || number == 17, flow.rest >> 32 != 0 else { continue }
      let port = min(flow.sourcePort, flow.destinationPort)
      unsafe ports[(number == 6 ? 0 : 1 << 16) + Int(port)] &+= bytes
    }
    waitingCount = 0
  }

  /// A port with its bytes.
  package struct PortRow: Sendable, Hashable {
    /// 6 for TCP, 17 for UDP.
    package var protocolNumber: UInt8
    package var port: UInt16
    package var bytes: UInt64

    /// An empty row.
    package static let none = PortRow(protocolNumber: 0, port: 0, bytes: 0)
  }

  /// Writes the ports with the most bytes, counted exactly, in descending order; returns their
  /// number.
  package func topPorts(_ rows: inout MutableSpan<PortRow>) -> Int {
    var filled = 0
    for index in 0..<2 << 16 {
      let bytes = unsafe ports[index]
      guard bytes > 0 else { continue }
      if filled == rows.count, filled == 0 || bytes <= rows[filled - 1].bytes { continue }
      var at = min(filled, rows.count - 1)
      while at > 0, rows[at - 1].bytes < bytes {
        rows[at] = rows[at - 1]
        at -= 1
      }
      rows[at] = PortRow(
        protocolNumber: index < 1 << 16 ? 6 : 17, port: UInt16(index & 0xFFFF), bytes: bytes)
      filled = min(filled + 1, rows.count)
    }
    return filled
  }
}
