import LinuxSystem
import SampleModel
import Sampler

/// Turns rtnetlink's counters into the names and values of /proc/net/dev. An added, removed or
/// renamed link changes the layout with the first reading that has the change; a recreated link has
/// another index, and its counters restart.
final class LinkDecoder: RawDecoder {
  private let metrics: [MetricDescription]
  /// The counters that each metric sums.
  private let counters: [[LinkCounter]]
  private let filter: ColumnFilter
  /// Indices in the kernel's order.
  private var indices: [Int32] = []
  private var names: [Int32: String] = [:]
  /// The slots of each interface's columns, in the order of `metrics`; -1 for filtered ones.
  private var slots: [Int] = []

  /// Interfaces of the last reading.
  var count: Int { indices.count }

  /// A decoder without interfaces; `metrics` in the order of /proc/net/dev.
  init(_ metrics: [MetricDescription], _ filter: ColumnFilter) {
    self.metrics = metrics
    counters = metrics.map { Self.countersOfColumns[$0.name] ?? [] }
    self.filter = filter
    super.init()
  }

  override func decode(_ body: Span<UInt64>) -> Outcome {
    var parts = RawParts()
    guard let events = parts.next(of: body), events.bytes == 8 else { return .gap(.malformed) }
    var isKnown = body[events.start] == 0
    let first = parts
    var index = 0
    while let part = parts.next(of: body) {
      guard part.failure == 0 else { return .gap(.absent) }
      guard part.bytes == 8 * (1 + LinkStatistics.counters) else { return .gap(.malformed) }
      if index >= indices.count || indices[index] != Self.index(body, part) { isKnown = false }
      index += 1
    }
    let hasChanged = (!isKnown || index != indices.count) && learn(body, first)
    parts = first
    index = 0
    while let part = parts.next(of: body) {
      let first = index * counters.count
      for column in counters.indices where slots[first + column] >= 0 {
        var sum: UInt64 = 0
        for counter in counters[column] { sum &+= body[part.start + 1 + counter.rawValue] }
        values[slots[first + column]] = sum
      }
      index += 1
    }
    return hasChanged ? .valuesOfNewColumns : .values
  }

  private static func index(_ body: Span<UInt64>, _ part: RawParts.Part) -> Int32 {
    Int32(truncatingIfNeeded: body[part.start])
  }

  /// Updates the interfaces of a reading and their present names; returns whether the columns
  /// changed.
  private func learn(_ body: Span<UInt64>, _ first: RawParts) -> Bool {
    indices = []
    var known: [Int32: String] = [:]
    var parts = first
    while let part = parts.next(of: body) {
      let index = Self.index(body, part)
      indices.append(index)
      // A removed link keeps its last known name.
      let letters = LinkStatistics.name(of: index)
      known[index] = letters.map(Self.text) ?? names[index] ?? ""
    }
    names = known
    var all: [Column] = []
    slots = []
    for index in indices {
      let name = names[index] ?? ""
      for metric in metrics {
        let column = Column(
          collector: "net", metric: metric, instance: name, identity: "\(index)")
        let isWanted = !name.isEmpty && filter.passes(column.name)
        slots.append(isWanted ? all.count : -1)
        if isWanted { all.append(column) }
      }
    }
    guard all != columns else { return false }
    change(columns: all)
    return true
  }

  private static func text(_ bytes: SIMD16<UInt8>) -> String {
    OSText.string(bytes.indices.map { bytes[$0] }.prefix { $0 != 0 })
  }

  /// The counters of each column of /proc/net/dev, which dev_seq_printf_stats adds up
  /// (net/core/net-procfs.c).
  private static let countersOfColumns: [String: [LinkCounter]] = [
    "rx_bytes": [.rxBytes], "rx_packets": [.rxPackets], "rx_errs": [.rxErrors],
    "rx_drop": [.rxDropped, .rxMissedErrors], "rx_fifo": [.rxFIFOErrors],
    "rx_frame": [.rxLengthErrors, .rxOverErrors, .rxCRCErrors, .rxFrameErrors],
    "rx_compressed": [.rxCompressed], "rx_multicast": [.multicast],
    "tx_bytes": [.txBytes], "tx_packets": [.txPackets], "tx_errs": [.txErrors],
    "tx_drop": [.txDropped], "tx_fifo": [.txFIFOErrors], "tx_colls": [.collisions],
    "tx_carrier": [
      .txCarrierErrors, .txAbortedErrors, .txWindowErrors, .txHeartbeatErrors,
    ],
    "tx_compressed": [.txCompressed],
  ]
}
