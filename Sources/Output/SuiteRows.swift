package import SampleModel

/// One bracket's frames as the rows that linux-benchmark-lib style suites read: a table for each
/// collector, in it the host's CPU and memory in use in percent, and cumulative bytes of disks and
/// interfaces.
package final class SuiteRows: SampleSink {
  package static let header = [
    "timestamp", "collector", "cpu_percent", "memory_usage", "disk_read_bytes",
    "disk_write_bytes", "net_bytes_sent", "net_bytes_recv",
  ]

  private static let busy = ["user", "nice", "system", "irq", "softirq", "steal"]

  /// Rows by collector, in order of time.
  package private(set) var rows: [String: [[String]]] = [:]
  private var rates = Derivation(raw: false)
  private var totals = Derivation(raw: true)
  private var layouts: [UInt16: Layout] = [:]
  private var anchor: ClockAnchor?

  /// No rows yet.
  package init() {}

  package var bytesWritten: UInt64 { 0 }

  /// Takes the clocks.
  package func begin(_ meta: StreamMeta) throws(LBError) { anchor = meta.anchor }
  /// Nothing to do.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}
  /// Takes the clocks.
  package func event(_ event: SampleEvent) throws(LBError) {
    if let anchor = event.anchor { self.anchor = anchor }
  }
  /// Nothing to do.
  package func commit(watermark: UInt64) throws(LBError) {}

  /// Remembers the columns.
  package func layout(_ layout: Layout) throws(LBError) {
    layouts[layout.stream] = layout
    rates.layout(layout)
    totals.layout(layout)
  }

  /// Adds a row for a frame with values.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    let perSecond = rates.derive(header, values)
    let whole = totals.derive(header, values)
    guard header.outcome == .complete, let layout = layouts[header.stream] else { return }
    let now = whole.named(layout)
    func sum(_ metric: String) -> String {
      let all = now.filter { $0.key.hasPrefix(metric + "[") }.values
      let total = all.reduce(0, +)
      // Beyond 64 bits, which only a damaged layout leads to, it is written as a real.
      return all.isEmpty ? "" : UInt64(exactly: total.rounded()).map(String.init) ?? "\(total)"
    }
    var memory = ""
    if let total = now["memory.MemTotal"], let free = now["memory.MemAvailable"], total > 0 {
      memory = Readable.fixed((total - free) / total * 100, 2)
    }
    let time = anchor?.unixTime(of: header.start) ?? 0
    rows[layout.collector, default: []].append([
      Self.timestamp(time), layout.collector, Self.cpu(perSecond.named(layout), layout), memory,
      sum("disk.read_sectors"), sum("disk.write_sectors"), sum("net.tx_bytes"),
      sum("net.rx_bytes"),
    ])
  }

  /// Busy time of all time; nothing where one of the times has no rate, as at the first frame.
  private static func cpu(_ rates: [String: Double], _ layout: Layout) -> String {
    let there = Set(layout.columns.map(\.name))
    var working = 0.0
    var all = 0.0
    for state in busy + ["idle", "iowait"] {
      let name = "cpu.\(state)[all]"
      guard let rate = rates[name] else {
        if there.contains(name) { return "" }
        continue
      }
      all += rate
      if busy.contains(state) { working += rate }
    }
    return all > 0 ? Readable.fixed(working / all * 100, 2) : ""
  }

  /// `2026-01-31T12:00:00.123456+00:00`.
  package static func timestamp(_ unixNanoseconds: UInt64) -> String {
    let civil = CivilTime(unixSeconds: Int64(unixNanoseconds / 1_000_000_000))
    let micros = String(unixNanoseconds / 1000 % 1_000_000)
    let date = civil.text.split(separator: " ").joined(separator: "T")
    return "\(date).\(String(repeating: "0", count: 6 - micros.count))\(micros)+00:00"
  }
}
