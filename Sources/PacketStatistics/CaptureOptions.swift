/// Options of a capture.
package struct CaptureOptions: Sendable, Hashable {
  /// The captured direction.
  package enum Direction: String, Sendable, CaseIterable {
    case both, `in`, out
  }

  /// Names of interfaces, or `any`.
  package var interfaces: [String]
  /// An expression of pcap-filter(7), applied by the kernel.
  package var filter: String?
  /// Bytes of each packet that are captured: all headers fit into the usual 128.
  package var snapLength = 128
  /// Every `sampling`-th packet is decoded.
  package var sampling = 1
  /// Bytes of the kernel's ring.
  package var bufferBytes = 8 << 20
  /// Milliseconds after which the kernel delivers a block that is not full.
  package var timeout = 10
  /// The most nanoseconds between a packet's time stamp and its delivery: the kernel closes a block
  /// at the latest at the second expiry of its timer, which it rounds up to its ticks.
  package var longestWait: UInt64 { UInt64(2 * timeout + 10) * 1_000_000 }
  package var isPromiscuous = false
  package var direction = Direction.both
  /// The source of the packets' times, by pcap-tstamp(7)'s names; nil for the kernel's usual one.
  package var timestampType: String?
  /// The numbers of flows and of ports that have records.
  package var top = 10

  /// The default capture on these interfaces.
  package init(interfaces: [String]) { self.interfaces = interfaces }
}
