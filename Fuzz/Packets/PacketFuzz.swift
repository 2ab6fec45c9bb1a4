// Compiled into one module with Sources/PacketStatistics/Decode by Scripts/fuzz.

/// The first byte picks the link type, the second how much longer the packet was on the wire; what
/// follows are packets, each behind its length. Nothing may trap, and all are counted.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  guard count > 2 else { return 0 }
  let links: [LinkType] = [.ethernet, .cooked, .cooked2, .raw, .null, .loop, .other(147)]
  let aggregator = PacketAggregator(
    links[Int(data[0]) % links.count], ownMAC: 0x0200_0000_0001, sampling: data[1] & 1 == 0 ? 1 : 3,
    flowBits: 2)
  let longer = Int(data[1] >> 1)
  var place = 2
  var packets: UInt64 = 0
  while place < count {
    let length = min(Int(data[place]), count - place - 1)
    // A buffer of its own, so that the sanitizer sees the first byte behind it.
    let bytes = Array(UnsafeBufferPointer(start: data + place + 1, count: length))
    bytes.withUnsafeBytes {
      aggregator.add($0, wireLength: length + longer, time: packets &* 1_000_003)
    }
    place += 1 + length
    packets += 1
    if packets == 5 { aggregator.open(at: 3_000_000) }
  }
  aggregator.settle()
  aggregator.mergeEarly()
  let sides = aggregator.counts[PacketCount.packetsIn] + aggregator.counts[PacketCount.packetsOut]
  precondition(sides == packets, "\(sides) of \(packets) packets were counted")
  var rows = Array(repeating: FlowTable.Row.none, count: 4)
  var span = rows.mutableSpan
  let flows = aggregator.flows.top(&span)
  for row in 0..<flows { precondition(rows[row].error <= rows[row].bytes) }
  return 0
}
