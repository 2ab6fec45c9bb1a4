import LinuxSystem
import PacketStatistics
import SampleModel
import Sampler

/// Packets of interfaces, counted by kind; flows and ports as records.
struct PacketsCollector: Collector {
  /// Nil if none were requested.
  let options: CaptureOptions?
  let needsTarget = true
  let waits = true
  /// The kernel delivers a block of packets when it is full, or at most two timeouts after its
  /// start.
  var longestWait: UInt64 { (options ?? CaptureOptions(interfaces: [])).longestWait }

  let description = CollectorDescription(
    name: "packets", summary: "packets by direction, protocol, size and flow, through libpcap",
    source: "packet sockets (TPACKET_V3)", minimumKernel: "3.2", privilege: "CAP_NET_RAW",
    cost: .cheap, systemCallsPerSample: 3, metrics: PacketMetrics.descriptions)

  /// Whether packets may be captured here.
  func probe(_ context: CollectorContext) -> Availability {
    if case .failure(let error) = PcapLibrary.version() {
      return .unsupported(reason: "no libpcap: \(error)")
    }
    if let errno = PcapLibrary.captureRefusal() {
      return .denied(
        reason: "opening a packet socket: \(SystemError.words(errno))",
        fix: "run as root, or sudo setcap cap_net_raw+ep \"$(command -v lbsample)\"")
    }
    return options == nil ? .absent(reason: "--packets INTERFACE is required") : .available
  }

  /// Opens every interface and starts counting.
  func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    #if Pcap
      return try ArmedPackets(options ?? CaptureOptions(interfaces: []), context)
    #else
      throw LBError(.collectorUnavailable, "packets: built without the Pcap trait")
    #endif
  }
}

#if Pcap
  private final class ArmedPackets: ArmedCollector, @unchecked Sendable {
    // Sendable: see the base class.
    private let captures: [PacketCapture]
    /// For each column, its capture and its number in that capture.
    private let columnsOfCaptures: [(capture: Int, number: Int)]
    private let readTimeout: UInt64
    private let rowsPerCapture: Int
    private var hasAnswers = false

    init(_ options: CaptureOptions, _ context: CollectorContext) throws(LBError) {
      var captures: [PacketCapture] = []
      var columns: [Column] = []
      var formulas: [Formula] = []
      var notes: [String] = []
      var columnsOfCaptures: [(capture: Int, number: Int)] = []
      for (index, interface) in options.interfaces.enumerated() {
        let capture = try PacketCapture(interface, options, cpus: CPUSet(context.samplingCPUs))
        captures.append(capture)
        notes += capture.notes
        // With direction `out`, the socket's drops include incoming packets: libpcap filters later.
        if options.direction != .out { formulas += PacketMetrics.corrected(interface) }
        for (number, column) in PacketMetrics.columns(interface).enumerated() {
          columns.append(column)
          columnsOfCaptures.append((index, number))
        }
      }
      // Columns that formulas need are kept.
      let all = Layout(
        collector: "packets", stream: 0, epoch: 0, columns: columns, formulas: formulas)
      let kept = all.kept(context.filter.passes)
      columnsOfCaptures = zip(columnsOfCaptures, kept).filter(\.1).map(\.0)
      (columns, formulas) = { ($0.columns, $0.formulas) }(all.choosing(context.filter.passes))
      for capture in captures {
        do throws(LBError) {
          try capture.start()
        } catch {
          for other in captures { other.stop() }
          throw error
        }
      }
      self.captures = captures
      self.columnsOfCaptures = columnsOfCaptures
      // An answer arrives at most two timeouts late; the rest allows for scheduling.
      readTimeout = UInt64(options.timeout) * 3_000_000 + 200_000_000
      rowsPerCapture = 2 * options.top
      super.init(
        columns: columns, formulas: formulas, notes: notes,
        recordFields: options.top == 0
          ? nil
          : (
            name: "packet_flow", fields: PacketRow.fields,
            rowsPerTick: rowsPerCapture * captures.count
          ))
    }

    override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
      let time = Clock.realtime()
      for capture in captures { capture.ask(at: time, opensBracket: edge == .open) }
      let deadline = Clock.monotonic() &+ readTimeout
      hasAnswers = true
      for capture in captures where !capture.await(until: deadline) { hasAnswers = false }
      systemCallsOfSample = UInt64(captures.count) * 2 + 2
      guard hasAnswers else { return .absent }
      for slot in columnsOfCaptures.indices {
        values[slot] = captures[columnsOfCaptures[slot].capture].value(
          columnsOfCaptures[slot].number)
      }
      return .complete
    }

    override func sampleRecords(into rows: inout MutableSpan<UInt64>) -> RecordCount {
      // There are no records at a bracket's opening.
      guard hasAnswers, edge != .open else { return RecordCount() }
      var count = 0
      for capture in captures { count += capture.write(&rows, from: count) }
      return RecordCount(rows: count, lost: 0)
    }

    override func disarm() {
      for capture in captures { capture.stop() }
    }
  }
#endif
