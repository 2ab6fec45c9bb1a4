import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// The counters of every network interface, from /proc/net/dev:
///
/// ```
///  face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets …
///     lo:    3193      29    0    0    0     0          0         0     3193      29 …
/// ```
/// net/core/net-procfs.c. Minimum kernel 2.6.35 (64-bit counters). Privilege: none. Cost: one
/// pread, about 3 µs with four interfaces, growing with interfaces. Limits: only the reader's
/// network namespace; under another --proc-root that of process 1 there. The text has no index: an
/// interface recreated under its name between two readings is recognised by falling counters only;
/// --net-source netlink distinguishes them. Some drivers update their counters about once a second,
/// which `StaleCounterDetector` reports.
struct NetCollector: TextCollector {
  private static let meanings = [
    "rx_bytes": "bytes received", "rx_packets": "packets received",
    "rx_errs": "receive errors", "rx_drop": "packets dropped on receive",
    "rx_fifo": "FIFO overruns on receive", "rx_frame": "framing errors on receive",
    "rx_compressed": "compressed packets received", "rx_multicast": "multicast packets received",
    "tx_bytes": "bytes sent", "tx_packets": "packets sent", "tx_errs": "transmit errors",
    "tx_drop": "packets dropped on transmit", "tx_fifo": "FIFO overruns on transmit",
    "tx_colls": "collisions on transmit", "tx_carrier": "carrier losses on transmit",
    "tx_compressed": "compressed packets sent",
  ]

  /// Above this the binary counters are cheaper than the text: 47 against 70 µs with 17 interfaces,
  /// 22 against 13 µs with 4 (two virtual CPUs, Linux 6.18).
  static let manyInterfaces = 16

  let isNonBlocking = true
  let description: CollectorDescription
  private let source: NetSource

  /// The collector.
  init(_ source: NetSource = .auto) {
    self.source = source
    let metrics = TextFormat.interfaceColumns.map { field in
      let column = String(field.dropFirst(3))
      return counter(
        field, Self.meanings[field] ?? field,
        unit: column == "bytes" ? .bytes : .count, mayLag: column == "packets")
    }
    description = CollectorDescription(
      name: "net", summary: "bytes, packets and errors of every network interface",
      source: "proc/net/dev", minimumKernel: "2.6.35", privilege: "none", cost: .cheap,
      // An interface that returns was recreated.
      metrics: metrics.map { $0.living(.row) })
  }

  /// Uses the binary counters if requested, or with many interfaces; only in the reader's own
  /// namespace.
  func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    let isOurs = context.roots.isOwnProc
    let count = isOurs ? directoryEntries(context.roots.sys("class/net")).count : 0
    guard isOurs, source == .netlink || (source == .auto && count > Self.manyInterfaces) else {
      return try armTexts(context)
    }
    do throws(SystemError) {
      return try ArmedLinkStatistics(context, metrics: description.metrics)
    } catch {
      if source == .auto { return try armTexts(context) }
      throw LBError(
        .collectorUnavailable, "net: \(error); --net-source text reads /proc/net/dev",
        context: ErrorContext(collector: "net", errno: error.errno))
    }
  }

  func sources(_ context: CollectorContext) -> [TextSource] {
    [
      TextSource(context.network("dev"), delivery: .shortRecords) { text throws(KernelTextError) in
        try TextFormat.interfaces(text)
      }
    ]
  }
}
