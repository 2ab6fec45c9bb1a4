import Glibc
import LinuxSystem
import SampleModel
import Sampler

/// From where the counters of network interfaces are read.
package enum NetSource: String, Sendable, CaseIterable {
  /// Binary in our own namespace with more than `NetCollector.manyInterfaces`, else the text.
  case auto
  case text
  case netlink
}

/// The same names and values as /proc/net/dev, out of rtnetlink's binary counters.
final class ArmedLinkStatistics: ArmedCollector, @unchecked Sendable {
  // Sendable: as the base class says.
  private let links: LinkStatistics
  /// Indices in the order in which the kernel lists them.
  private let indices: [Int32]
  private let names: [SIMD16<UInt8>]
  /// Of each interface's columns, in the text's order, the slot; -1 for what is not wanted.
  private let slots: [Int]
  private static let width = 16

  /// Takes the interfaces as they are now; `metrics` in the text's order.
  init(_ context: CollectorContext, metrics: [MetricDescription]) throws(SystemError) {
    links = try LinkStatistics()
    var indices: [Int32] = []
    guard links.read(begin: { indices = [] }, { index, _ in indices.append(index) }) == .complete
    else { throw SystemError("RTM_GETSTATS", errno: EAGAIN) }
    var columns: [Column] = []
    var slots: [Int] = []
    var names: [SIMD16<UInt8>] = []
    for index in indices {
      let bytes = LinkStatistics.name(of: index) ?? SIMD16()
      names.append(bytes)
      let letters = bytes.indices.map { bytes[$0] }.prefix { $0 != 0 }
      let name = String(decoding: letters, as: UTF8.self)
      for metric in metrics {
        let column = Column(collector: "net", metric: metric, instance: name)
        let isWanted = !name.isEmpty && context.filter.passes(column.name)
        slots.append(isWanted ? columns.count : -1)
        if isWanted { columns.append(column) }
      }
    }
    self.indices = indices
    self.names = names
    self.slots = slots
    super.init(
      columns: columns,
      notes: ["net: \(indices.count) interfaces are read through rtnetlink (RTM_GETSTATS)"])
  }

  override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
    let before = links.calls
    defer { systemCallsOfSample = links.calls &- before }
    let hasChanged = links.hasChanged { index, name in
      guard let place = indices.firstIndex(of: index) else { return false }
      return names[place] == name
    }
    if hasChanged { return .layoutChanged }
    var place = 0
    var isKnown = true
    let outcome = links.read(
      begin: {
        place = 0
        isKnown = true
      }
    ) { index, counter in
      guard place < indices.count, indices[place] == index else {
        isKnown = false
        return
      }
      let first = place * Self.width
      for column in 0..<Self.width where slots[first + column] >= 0 {
        values[slots[first + column]] = Self.value(column, counter)
      }
      place += 1
    }
    guard outcome == .complete else { return .absent }
    return isKnown && place == indices.count ? .complete : .layoutChanged
  }

  /// Column number `column` of /proc/net/dev, as dev_seq_printf_stats adds it up
  /// (net/core/net-procfs.c), out of rtnl_link_stats64's counters by place.
  private static func value(_ column: Int, _ counter: (Int) -> UInt64) -> UInt64 {
    switch column {
    case 0: counter(2)
    case 1: counter(0)
    case 2: counter(4)
    case 3: counter(6) &+ counter(15)
    case 4: counter(14)
    case 5: counter(10) &+ counter(11) &+ counter(12) &+ counter(13)
    case 6: counter(21)
    case 7: counter(8)
    case 8: counter(3)
    case 9: counter(1)
    case 10: counter(5)
    case 11: counter(7)
    case 12: counter(18)
    case 13: counter(9)
    case 14: counter(17) &+ counter(16) &+ counter(20) &+ counter(19)
    default: counter(22)
    }
  }
}
