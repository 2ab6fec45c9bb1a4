import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Counters of the IP protocols, from /proc/net/snmp, netstat and snmp6:
///
/// ```
/// Tcp: RtoAlgorithm RtoMin … RetransSegs InErrs OutRsts InCsumErrors
/// Tcp: 1 200 … 0 0 0 0
/// ```
/// RFC 1213, RFC 4293 and net/ipv4/proc.c. Minimum kernel 2.6. Privilege: none. Cost: three preads,
/// 6, 15 and 5 µs (they fold the counters of every CPU). Limits: only the reader's network
/// namespace. IPv6 names begin with their protocol as the kernel writes them (`Ip6InReceives`).
struct ProtocolsCollector: TextCollector {
  private static let levels: Set<String> = [
    "Ip.Forwarding", "Ip.DefaultTTL", "Tcp.RtoAlgorithm", "Tcp.RtoMin", "Tcp.RtoMax",
    "Tcp.MaxConn", "Tcp.CurrEstab", "MPTcpExt.MPCurrEstab",
  ]

  let isNonBlocking = true
  let description = CollectorDescription(
    name: "protocols", summary: "counters of IP, ICMP, TCP and UDP",
    source: "proc/net/{snmp,netstat,snmp6}", minimumKernel: "2.6", privilege: "none",
    cost: .expensive, systemCallsPerSample: 3, prefix: "protocol", isOpen: true,
    metrics: [
      gauge("Tcp.CurrEstab", "TCP connections established or closing by the peer", host: true),
      counter("Tcp.ActiveOpens", "TCP connections opened from here", host: true),
      counter("Tcp.PassiveOpens", "TCP connections accepted", host: true),
      counter("Tcp.InSegs", "TCP segments received", host: true),
      counter("Tcp.OutSegs", "TCP segments sent, without retransmissions", host: true),
      counter("Tcp.RetransSegs", "TCP segments sent again", host: true),
      counter("Udp.InDatagrams", "UDP datagrams delivered", host: true),
      counter("Udp.OutDatagrams", "UDP datagrams sent", host: true),
      counter("Udp.RcvbufErrors", "UDP datagrams dropped at a full buffer", host: true),
      counter("TcpExt.ListenOverflows", "connections refused at a full queue", host: true),
      counter("TcpExt.ListenDrops", "connection requests dropped", host: true),
      counter("TcpExt.TCPTimeouts", "retransmission timeouts", host: true),
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    ["snmp", "netstat"].map { name in
      TextSource(context.network(name), isNeeded: name == "snmp") {
        text throws(KernelTextError) in
        try TextFormat.namedPairs(text)
      }
    } + [
      TextSource(context.network("snmp6"), isNeeded: false) { text throws(KernelTextError) in
        try TextFormat.list(text)
      }
    ]
  }

  func metric(_ field: TextField) -> MetricDescription? {
    guard Self.levels.contains(field.name) else {
      return counter(field.name, "\(field.name) of the protocol's statistics", host: true)
    }
    return gauge(
      field.name, "\(field.name) of the protocol's settings or state", host: true,
      isSigned: field.name == "Tcp.MaxConn")
  }
}
