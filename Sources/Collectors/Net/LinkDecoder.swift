import LinuxSystem
import SampleModel
import Sampler

/// Turns rtnetlink's counters into the names and values of /proc/net/dev. A link that came, went or
/// has another name makes another layout of the very reading that has it; one that was made anew
/// under its name has another index, and its counters start anew.
final class LinkDecoder: RawDecoder {
  private let metrics: [MetricDescription]
  private let filter: ColumnFilter
  /// Indices in the order in which the kernel lists them.
  private var indices: [Int32] = []
  private var names: [Int32: String] = [:]
  /// Of each interface's columns, in the order of /proc/net/dev, the slot; -1 for what is not
  /// wanted.
  private var slots: [Int] = []
  private static let width = 16

  /// Interfaces of the last reading.
  var count: Int { indices.count }

  /// A decoder that has seen no interface; `metrics` in the order of /proc/net/dev.
  init(_ metrics: [MetricDescription], _ filter: ColumnFilter) {
    self.metrics = metrics
    self.filter = filter
    super.init()
  }

  override func decode(_ body: Span<UInt64>) -> Outcome {
    var parts = RawParts()
    guard let news = parts.next(of: body), news.bytes == 8 else { return .gap(.malformed) }
    var isKnown = body[news.start] == 0
    let first = parts
    var place = 0
    while let part = parts.next(of: body) {
      guard part.failure == 0 else { return .gap(.absent) }
      guard part.bytes == 8 * (1 + LinkStatistics.counters) else { return .gap(.malformed) }
      if place >= indices.count || indices[place] != Self.index(body, part) { isKnown = false }
      place += 1
    }
    let hasChanged = (!isKnown || place != indices.count) && learn(body, first)
    parts = first
    place = 0
    while let part = parts.next(of: body) {
      let slot = place * Self.width
      for column in 0..<Self.width where slots[slot + column] >= 0 {
        values[slots[slot + column]] = Self.value(column) { body[part.start + 1 + $0] }
      }
      place += 1
    }
    return hasChanged ? .valuesOfNewColumns : .values
  }

  private static func index(_ body: Span<UInt64>, _ part: RawParts.Part) -> Int32 {
    Int32(truncatingIfNeeded: body[part.start])
  }

  /// Takes the interfaces of a reading and their present names; gives whether the columns are
  /// others than before.
  private func learn(_ body: Span<UInt64>, _ first: RawParts) -> Bool {
    indices = []
    var known: [Int32: String] = [:]
    var parts = first
    while let part = parts.next(of: body) {
      let index = Self.index(body, part)
      indices.append(index)
      // One that is gone by now had the name that was known last.
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
