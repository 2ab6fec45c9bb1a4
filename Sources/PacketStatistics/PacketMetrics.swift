package import SampleModel

/// The metrics of packets, for live captures and savefiles.
package enum PacketMetrics {
  /// The numbers after those of `PacketCount`: statistics of the capture itself.
  package static let received = PacketCount.count
  package static let droppedSocket = received + 1
  package static let droppedInterface = received + 2
  package static let interruptions = received + 3
  package static let isUp = received + 4
  package static let missedFlow = received + 5
  package static let late = received + 6
  package static let count = received + 7

  private static func counter(
    _ name: String, _ meaning: String, _ unit: MetricUnit = .count,
    kind: MetricKind = .counter
  ) -> MetricDescription {
    MetricDescription(name, unit, kind, meaning: meaning)
  }

  /// The description of the packets counted as a layer.
  private static func layer(_ name: String) -> String {
    switch name {
    case "ethernet": "an Ethernet header"
    case "vlan": "a VLAN tag"
    case "ipv4": "an IPv4 header"
    case "ipv6": "an IPv6 header"
    case "ipv6_extensions": "IPv6 extension headers"
    case "icmpv6": "ICMPv6"
    case "other": "an unknown protocol"
    default: name.uppercased()
    }
  }

  /// Every metric once, in order.
  package static let descriptions: [MetricDescription] = {
    var list = [
      counter("packets_in", "packets received; all packets where the direction is not known"),
      counter("packets_out", "packets sent"),
      counter("bytes_in", "bytes of the packets received, with the link's header", .bytes),
      counter("bytes_out", "bytes of the packets sent, with the link's header", .bytes),
    ]
    list += PacketLayers.names.map { counter("\($0)_packets", "packets with \(layer($0))") }
    list += PacketLayers.names.map {
      counter("\($0)_bytes", "bytes of the packets with \(layer($0))", .bytes)
    }
    list += [
      counter("tcp_syn", "TCP segments with SYN"), counter("tcp_fin", "TCP segments with FIN"),
      counter("tcp_rst", "TCP segments with RST"),
      counter("tcp_zero_window", "TCP segments with a window of 0"),
      counter(
        "tcp_retransmissions",
        "data all of which was seen before in its flow: retransmitted or out of order"),
      counter(
        "tcp_unknown_sequence",
        "TCP segments with data in a flow met for the first time: no retransmission is detected"
      ),
      counter("fragments", "fragments of IP packets"),
      counter(
        "superframes", "frames above the MTU: segmented later, or joined already, by the device"),
      counter("cut", "packets truncated by --packets-snaplen before the end of their headers"),
      counter("not_decoded", "packets that were counted but not decoded (--packets-sample)"),
    ]
    list += Malformation.allCases.map {
      counter("malformed_\($0.word)", "malformed packets: \($0.meaning)")
    }
    list += [
      counter("size", "packets by size with their check sequence, RMON's bins", kind: .histogram),
      counter("gap", "packets by the time since the one before", kind: .histogram),
      counter("received", "packets that passed the filter, including those dropped"),
      counter("dropped_socket", "packets dropped because the capture's buffer was full"),
      counter("dropped_interface", "packets that the interface dropped"),
      counter("interruptions", "times that the interface went away or down"),
      counter("up", "1 while packets are captured", kind: .gauge),
      counter(
        "missed_flow", "the most bytes that a flow which is not followed can have had", .bytes,
        kind: .gauge),
      counter(
        "late", "packets that came out of order, after their tick was complete; counted too"),
    ]
    return list
  }()

  /// Formulas over the counts of an interface: the totals without drops. Packets dropped by the
  /// socket had passed the filter; those dropped by the interface may not have.
  package static func corrected(_ interface: String) -> [Formula] {
    func formula(_ name: String, _ meaning: String, _ unit: MetricUnit, _ text: String) -> Formula {
      let tokens = Expression.tokens(text).map { token in
        Expression.operators.contains(token) ? token : "packets.\(token)[\(interface)]"
      }
      return Formula(
        Column(
          collector: "packets", metric: counter(name, meaning, unit), instance: interface),
        tokens: tokens)
    }
    let packets = "packets_in + packets_out + dropped_socket"
    return [
      formula("packets", "packets, including those that the socket dropped", .count, packets),
      formula(
        "packets_most", "packets, including those that the socket or the interface dropped", .count,
        packets + " + dropped_interface"),
      formula(
        "bytes", "bytes, if the dropped packets were as long as the others on average", .bytes,
        "( bytes_in + bytes_out ) / ( packets_in + packets_out ) * ( \(packets) )"),
    ]
  }

  /// The columns of one interface, in the order of the numbers.
  package static func columns(_ interface: String) -> [Column] {
    descriptions.flatMap { metric -> [Column] in
      let bins: [String]? =
        switch metric.name {
        case "size": PacketCount.sizeBins
        case "gap": PacketCount.gapBins
        default: nil
        }
      guard let bins else {
        return [Column(collector: "packets", metric: metric, instance: interface)]
      }
      return bins.map {
        Column(collector: "packets", metric: metric, instance: "\(interface):\($0)")
      }
    }
  }
}

/// A row about a flow, or about a port (without addresses): those with the most bytes in a bracket.
package struct PacketRow: Sendable, Hashable {
  /// Words of an address as text: 39 letters at most.
  private static let addressWords = 5
  /// The fields of a record row; text fields of one name are joined.
  package static let fields: [MetricDescription] = {
    func field(_ name: String, _ unit: MetricUnit, _ meaning: String) -> MetricDescription {
      MetricDescription(name, unit, .gauge, meaning: meaning)
    }
    func text(_ name: String, _ meaning: String) -> [MetricDescription] {
      Array(repeating: field(name, .text, meaning), count: addressWords)
    }
    return [
      field("interface", .text, "the interface, its first letters"),
      field("interface", .text, "the interface, its first letters"),
    ]
      + text("source", "who sent it") + text("destination", "who it was for")
      + [
        field("source_port", .count, "the sender's port; of a port's row that port"),
        field("destination_port", .count, "the receiver's port"),
        field("protocol", .count, "IP's number: 6 TCP, 17 UDP"),
        field("packets", .count, "packets since the bracket began; 0 in a port's row"),
        field("bytes", .bytes, "their bytes: at least what the flow had"),
        field("error", .bytes, "how many of them may be another flow's"),
      ]
  }()

  /// Words of one row.
  package static var words: Int { fields.count }

  package var flow: FlowTable.Row
  package var isPort = false

  /// A flow's row.
  package init(_ flow: FlowTable.Row) { self.flow = flow }

  /// A port's row: both directions, all flows.
  package init(_ port: PacketAggregator.PortRow) {
    var key = FlowKey()
    key.rest = UInt64(port.port) << 48 | UInt64(port.protocolNumber) << 8
    flow = FlowTable.Row(key: key, bytes: port.bytes, packets: 0, error: 0)
    isPort = true
  }

  /// Writes the row at number `index`. Allocates nothing.
  package func write(
    _ rows: inout MutableSpan<UInt64>, at index: Int, interface: (UInt64, UInt64)
  ) {
    let base = index * Self.words
    rows[base] = interface.0
    rows[base + 1] = interface.1
    for word in 0..<2 * Self.addressWords { rows[base + 2 + word] = 0 }
    if !isPort {
      let key = flow.key
      AddressText.write(
        high: key.sourceHigh, low: key.sourceLow, version: key.version, &rows, at: base + 2)
      AddressText.write(
        high: key.destinationHigh, low: key.destinationLow, version: key.version, &rows,
        at: base + 2 + Self.addressWords)
    }
    let rest = base + 2 + 2 * Self.addressWords
    rows[rest] = UInt64(flow.key.sourcePort)
    rows[rest + 1] = UInt64(flow.key.destinationPort)
    rows[rest + 2] = UInt64(flow.key.protocolNumber)
    rows[rest + 3] = flow.packets
    rows[rest + 4] = flow.bytes
    rows[rest + 5] = flow.error
  }
}

/// Addresses as text in words of eight letters, the first one lowest; without allocating.
package enum AddressText {
  /// Writes an address of IP `version` into five words that are 0. IPv6 as in RFC 5952, but with
  /// every group shown.
  package static func write(
    high: UInt64, low: UInt64, version: UInt8, _ words: inout MutableSpan<UInt64>, at base: Int
  ) {
    var length = 0
    func put(_ letter: UInt8, _ words: inout MutableSpan<UInt64>) {
      words[base + length / 8] |= UInt64(letter) << UInt64(length % 8 * 8)
      length += 1
    }
    func number(_ value: UInt64, base radix: UInt64, _ words: inout MutableSpan<UInt64>) {
      var unit: UInt64 = 1
      while value / unit >= radix { unit *= radix }
      while unit > 0 {
        let digit = UInt8(value / unit % radix)
        put(digit < 10 ? 48 + digit : 87 + digit, &words)
        unit /= radix
      }
    }
    if version == 4 {
      for part in 0..<4 {
        if part > 0 { put(46, &words) }
        number(low >> UInt64(24 - 8 * part) & 0xFF, base: 10, &words)
      }
      return
    }
    for part in 0..<8 {
      if part > 0 { put(58, &words) }
      let half = part < 4 ? high : low
      number(half >> UInt64(48 - 16 * (part % 4)) & 0xFFFF, base: 16, &words)
    }
  }

  /// The first 16 bytes of a name in two words.
  package static func words(_ name: String) -> (UInt64, UInt64) {
    var words: (UInt64, UInt64) = (0, 0)
    for (index, letter) in OSText.bytes(name).prefix(16).enumerated() {
      if index < 8 {
        words.0 |= UInt64(letter) << UInt64(index * 8)
      } else {
        words.1 |= UInt64(letter) << UInt64((index - 8) * 8)
      }
    }
    return words
  }
}
