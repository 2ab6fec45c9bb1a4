import SampleModel

/// Writes the packets of a Perfetto trace.
///
/// protos/perfetto/trace/trace_packet.proto. All packets are of one sequence, and each stands by
/// itself: names are not interned, and times are absolute, by CLOCK_BOOTTIME.
final class TraceWriter {
  /// Where bytes go.
  typealias Output = ([UInt8]) throws(LBError) -> Void

  /// Numbers of clocks: protos/perfetto/common/builtin_clock.proto.
  private enum Clock: UInt64 {
    case realtime = 1
    case monotonic = 3
    case boottime = 6
  }

  /// The kinds of events of a track.
  private enum Event: UInt64 {
    case begin = 1
    case end = 2
    case instant = 3
    case counter = 4
  }

  /// Bytes that are handed over together.
  private static let batch = 1 << 16
  /// The number of our sequence of packets. Those of the tracing service begin at 1.
  private static let sequence: UInt64 = 100
  /// SEQ_INCREMENTAL_STATE_CLEARED: nothing from before is needed.
  private static let begins: UInt64 = 1
  /// Bits of a track's number below those of the run.
  private static let trackBits: UInt64 = 22

  private let output: Output
  private let firstTrack: UInt64
  private var buffer: [UInt8] = []
  // Kept for their memory: a trace has millions of packets.
  private var framed = ProtoMessage()
  private var packet = ProtoMessage()
  private var event = ProtoMessage()
  private var hasBegun = false
  private(set) var tracks: UInt64 = 0
  private var flows: UInt64 = 0
  /// Events of counters, and instants.
  private(set) var events = 0

  /// A trace of `run`. The numbers of its tracks begin with a hash of the run's id, since traces
  /// that are concatenated may not have a number twice.
  init(run: String, output: @escaping Output) {
    self.output = output
    // FNV-1a.
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in run.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    firstTrack = (hash >> 37) << Self.trackBits
  }

  private func write(_ body: ProtoMessage, field: Int, at time: UInt64? = nil) throws(LBError) {
    packet.clear()
    if let time { packet.number(8, time) }
    packet.number(10, Self.sequence)
    if !hasBegun { packet.number(13, Self.begins) }
    hasBegun = true
    packet.message(field, body)
    framed.clear()
    framed.message(1, packet)
    buffer += framed.bytes
    if buffer.count >= Self.batch { try flush() }
  }

  private func flush() throws(LBError) {
    try output(buffer)
    buffer.removeAll(keepingCapacity: true)
  }

  /// Clocks that were read together, in nanoseconds. The first packet of a trace is one of these;
  /// CLOCK_BOOTTIME must not go back.
  func clocks(boottime: UInt64, monotonic: UInt64, realtime: UInt64) throws(LBError) {
    var clocks = ProtoMessage()
    for (clock, time) in [
      (Clock.boottime, boottime), (.monotonic, monotonic), (.realtime, realtime),
    ] {
      clocks.message(1) { reading in
        reading.number(1, clock.rawValue)
        reading.number(2, time)
      }
    }
    clocks.number(2, Clock.boottime.rawValue)
    try write(clocks, field: 6)
  }

  /// Declares a track, before its events; gives its number.
  func add(_ track: TraceTrack) throws(LBError) -> UInt64 {
    guard tracks + 1 < 1 << Self.trackBits else {
      throw LBError(
        .configuration,
        "the run has more than \(1 << Self.trackBits) tracks: choose columns by --metric")
    }
    tracks += 1
    let number = firstTrack | tracks
    try write(track.message(number), field: 60)
    return number
  }

  /// A number for an arrow from one event to another.
  func flow() -> UInt64 {
    flows += 1
    return firstTrack | flows
  }

  /// The value that a counter has from `time` on.
  func counter(_ track: UInt64, at time: UInt64, _ value: DerivedValue) throws(LBError) {
    event.clear()
    event.number(9, Event.counter.rawValue)
    event.number(11, track)
    switch value {
    case .absent: return
    case .integer(let number):
      if let number = Int64(exactly: number) {
        event.signed(30, number)
      } else {
        event.real(44, Double(number))
      }
    case .real(let number): event.real(44, number)
    }
    events += 1
    try write(event, field: 11, at: time)
  }

  /// The beginning of a slice. Slices of a track lie within or behind each other.
  func begin(
    _ track: UInt64, at time: UInt64, _ name: String, _ notes: [TraceNote] = [],
    flows: [UInt64] = []
  ) throws(LBError) {
    describe(.begin, track, name, notes)
    for flow in flows { event.fixed(47, flow) }
    try write(event, field: 11, at: time)
  }

  /// The end of the slice that began last on a track.
  func end(_ track: UInt64, at time: UInt64) throws(LBError) {
    event.clear()
    event.number(9, Event.end.rawValue)
    event.number(11, track)
    try write(event, field: 11, at: time)
  }

  /// Something that has no duration; an arrow may end there.
  func instant(
    _ track: UInt64, at time: UInt64, _ name: String, _ notes: [TraceNote] = [],
    category: String? = nil, ending flow: UInt64? = nil
  ) throws(LBError) {
    describe(.instant, track, name, notes)
    if let category { event.text(22, OSText.written(category)) }
    if let flow { event.fixed(48, flow) }
    events += 1
    try write(event, field: 11, at: time)
  }

  private func describe(_ kind: Event, _ track: UInt64, _ name: String, _ notes: [TraceNote]) {
    event.clear()
    event.number(9, kind.rawValue)
    event.number(11, track)
    event.text(23, OSText.written(name))
    for note in notes { event.message(4, note.message) }
  }

  /// Hands over the rest.
  func finish() throws(LBError) { try flush() }
}
