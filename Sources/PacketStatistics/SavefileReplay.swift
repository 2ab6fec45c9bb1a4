package import SampleModel

/// Replays a savefile's packets as a stream of frames, by the packets' clock.
package struct SavefileReplay {
  /// The outcome of a replay.
  package struct Outcome: Sendable, Hashable {
    package var packets: UInt64 = 0
    package var frames: UInt64 = 0
    /// Unreadable packets, and the reason for the first one.
    package var malformed: UInt64 = 0
    package var firstMalformation: String?
    /// Why the file could not be read to its end, nil if it was.
    package var failure: LBError?
  }

  private let file: Savefile
  private let name: String
  private let interval: UInt64
  private let top: Int
  private let aggregator: PacketAggregator

  /// A replay of `file` with a frame for each `interval` nanoseconds that has packets; the columns'
  /// instance is `name`.
  package init(_ file: Savefile, name: String, interval: UInt64, options: CaptureOptions) {
    self.file = file
    self.name = name
    self.interval = interval
    top = options.top
    aggregator = PacketAggregator(file.link, sampling: UInt64(options.sampling), allFlows: top > 0)
  }

  /// Replays everything into `sinks`, or the first `limit` frames after the opening one. Includes
  /// the readable part of a damaged file.
  package func play(
    into sinks: [any SampleSink], limit: UInt64? = nil
  ) throws(LBError) -> Outcome {
    var outcome = Outcome()
    var first: UInt64?
    var next: UInt64 = 0
    var index: UInt64 = 0
    var last: UInt64 = 0
    let columns = PacketMetrics.columns(name).prefix(PacketCount.count)
    let layout = Layout(collector: "packets", stream: 0, epoch: 1, columns: Array(columns))
    var isOver = false
    var link = file.link
    while true {
      let found: Savefile.Packet?
      do throws(LBError) { found = try file.next() } catch {
        outcome.failure = error
        break
      }
      guard let packet = found else { break }
      if first == nil {
        first = packet.time
        (next, last) = (packet.time &+ interval, packet.time)
        try begin(sinks, layout, at: packet.time)
        try frame(sinks, at: packet.time, index: 0, edge: .open, &outcome)
      }
      if packet.time >= next {
        try frame(sinks, at: next, index: index &+ 1, edge: .none, &outcome)
        if let limit, outcome.frames > limit { isOver = true }
        if isOver { break }
        // Intervals without packets have no frame: the next one's window is that much longer.
        // Wrapping: a damaged file may state any time.
        let passed = (packet.time &- next) / interval
        index &+= 1 &+ passed
        next &+= (passed &+ 1) &* interval
      }
      // Packets may be out of order; the stream's time does not go back.
      last = max(last, packet.time)
      // A file may have packets of several interfaces.
      if packet.link != link {
        link = packet.link
        aggregator.identify(link, ownMAC: 0, mtu: 1500)
      }
      unsafe packet.bytes.withUnsafeBytes {
        unsafe aggregator.add($0, wireLength: packet.wireLength, time: packet.time)
      }
      outcome.packets += 1
    }
    if first == nil {
      try begin(sinks, layout, at: 0)
    } else if !isOver {
      try frame(sinks, at: last, index: index &+ 1, edge: .close, &outcome)
    }
    for sink in sinks { try sink.commit(watermark: .max) }
    (outcome.malformed, outcome.firstMalformation) = (file.malformed, file.firstMalformation)
    return outcome
  }

  private func begin(
    _ sinks: [any SampleSink], _ layout: Layout, at time: UInt64
  ) throws(LBError) {
    let meta = StreamMeta(
      interval: interval,
      streams: [
        StreamMeta.Stream(
          collector: "packets", stream: 0, thread: 0, cpu: nil, cadence: 1, required: true)
      ], unavailable: [],
      records: top == 0
        ? []
        : [
          RecordSchema(
            collector: "packets", stream: 0, name: "packet_flow", fields: PacketRow.fields,
            rowsPerTick: 2 * top)
        ],
      // There is only the packets' clock.
      anchor: ClockAnchor(monotonic: time, realtime: time, boottime: time), notes: [])
    for sink in sinks {
      try sink.begin(meta)
      try sink.layout(layout)
    }
  }

  private func frame(
    _ sinks: [any SampleSink], at time: UInt64, index: UInt64, edge: BracketEdge,
    _ outcome: inout Outcome
  ) throws(LBError) {
    aggregator.settle()
    let values = (0..<PacketCount.count).map { unsafe aggregator.counts[$0] }
    var header = FrameHeader(
      outcome: .complete, edge: edge, stream: 0, epoch: 1, bracket: 1, deadlineIndex: index,
      deadline: time, start: time, end: time)
    for sink in sinks {
      try sink.frame(header, values.span)
      try sink.commit(watermark: time)
    }
    outcome.frames += 1
    guard top > 0, edge != .open else { return }
    header.kind = .records
    let rows = records()
    for sink in sinks where !rows.isEmpty { try sink.records(header, rows.span) }
  }

  private func records() -> [UInt64] {
    var flows = Array(repeating: FlowTable.Row.none, count: top)
    var ports = Array(repeating: PacketAggregator.PortRow.none, count: top)
    var flowSpan = flows.mutableSpan
    let flowCount = aggregator.flows.top(&flowSpan)
    var portSpan = ports.mutableSpan
    let portCount = aggregator.topPorts(&portSpan)
    let all =
      flows.prefix(flowCount).map { PacketRow($0) }
      + ports.prefix(portCount).map { PacketRow($0) }
    var words = [UInt64](repeating: 0, count: all.count * PacketRow.words)
    var span = words.mutableSpan
    let interface = AddressText.words(name)
    for (index, row) in all.enumerated() { row.write(&span, at: index, interface: interface) }
    return words
  }
}
