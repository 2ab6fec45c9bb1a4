import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Remote procedure calls of the NFS client and server, from /proc/net/rpc:
///
/// ```
/// rpc 12034 2 12034
/// proc3 22 0 71 3 1204 …
/// ```
/// fs/nfs, fs/nfsd/stats.c, net/sunrpc/stats.c. Minimum kernel 2.6 with the modules loaded.
/// Privilege: none. Cost: one pread each. Limits: does not distinguish exports or mounts. Instances
/// are `client` and `server`.
struct NfsCollector: TextCollector {
  private static let network = [
    "net.packets", "net.udp_packets", "net.tcp_packets", "net.tcp_connections",
  ]
  private static let lines: [String: [String: [String]]] = [
    "nfs": ["net": network, "rpc": ["calls", "retransmissions", "authrefreshes"]],
    "nfsd": [
      "net": network, "rpc": ["calls", "badcalls", "badfmt", "badauth"],
      "rc": ["rc.hits", "rc.misses", "rc.nocache"], "fh": ["fh.stale"],
      "io": ["io.read", "io.write"], "th": ["threads"],
    ],
  ]

  let description = CollectorDescription(
    name: "nfs", summary: "remote procedure calls of the NFS client and server",
    source: "proc/net/rpc/{nfs,nfsd}", minimumKernel: "2.6", privilege: "none", cost: .cheap,
    systemCallsPerSample: 2, isOpen: true,
    metrics: [
      Self.narrow("calls", "calls made (client) or received (server)"),
      Self.narrow("retransmissions", "calls made again"),
      Self.narrow("authrefreshes", "credentials renewed"),
      Self.narrow("badcalls", "calls refused"), Self.narrow("badfmt", "of these, malformed"),
      Self.narrow("badauth", "of these, without permission"),
      Self.narrow("rc.hits", "calls answered from the reply cache"),
      Self.narrow("rc.misses", "calls that were not in the reply cache"),
      Self.narrow("rc.nocache", "calls whose reply is not cached"),
      Self.narrow("fh.stale", "stale file handles"),
      Self.narrow("io.read", "bytes read by clients", unit: .bytes),
      Self.narrow("io.write", "bytes written by clients", unit: .bytes),
      gauge("threads", "threads of the server"),
    ])

  /// The collector.
  init() {}

  /// A count that is an unsigned int in this or an earlier kernel (net/sunrpc/stats.c).
  private static func narrow(
    _ name: String, _ meaning: String, unit: MetricUnit = .count
  ) -> MetricDescription {
    counter(name, meaning, unit: unit, width: 32)
  }

  func sources(_ context: CollectorContext) -> [TextSource] {
    Self.lines.sorted { $0.key < $1.key }.map { file, lines in
      TextSource(context.network("rpc/\(file)"), delivery: .pieces, isNeeded: false) {
        text throws(KernelTextError) in
        try TextFormat.remoteCalls(text, lines, of: file == "nfs" ? "client" : "server")
      }
    }
  }

  func metric(_ field: TextField) -> MetricDescription? {
    field.name.isEmpty ? nil : Self.narrow(field.name, "\(field.name): packets or calls of it")
  }
}
