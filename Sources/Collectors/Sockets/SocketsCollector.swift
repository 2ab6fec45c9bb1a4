import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Sockets in use by protocol, from /proc/net/sockstat and sockstat6:
///
/// ```
/// TCP: inuse 1 orphan 0 tw 0 alloc 1 mem 66
/// ```
/// net/ipv4/proc.c. Minimum kernel 2.6. Privilege: none. Cost: two preads, 0.7 µs each. Limits:
/// does not show states of connections; `mem` is in pages. Orphans and allocations are those of the
/// host, the rest of the reader's network namespace.
struct SocketsCollector: TextCollector {
  let isNonBlocking = true
  let description = CollectorDescription(
    name: "sockets", summary: "sockets in use by protocol", source: "proc/net/sockstat{,6}",
    minimumKernel: "2.6", privilege: "none", cost: .cheap, pace: .slow, systemCallsPerSample: 2,
    isOpen: true,
    metrics: [
      gauge("sockets.used", "sockets of all protocols", host: true),
      gauge("TCP.inuse", "TCP sockets in this namespace", host: true),
      gauge("TCP.orphan", "TCP sockets without a process", host: true),
      gauge("TCP.tw", "TCP sockets in TIME_WAIT", host: true),
      gauge("TCP.alloc", "TCP sockets allocated", host: true),
      gauge("TCP.mem", "pages of TCP buffers", host: true),
      gauge("UDP.inuse", "UDP sockets in this namespace", host: true),
      gauge("UDP.mem", "pages of UDP buffers", host: true),
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    ["sockstat", "sockstat6"].map { name in
      TextSource(context.network(name), isNeeded: name == "sockstat") {
        text throws(KernelTextError) in
        try TextFormat.labelledPairs(text)
      }
    }
  }

  func metric(_ field: TextField) -> MetricDescription? {
    gauge(field.name, "\(field.name) of sockstat", host: true)
  }
}
