import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Remote procedure calls of the NFS client and server, from /proc/net/rpc:
///
/// ```
/// rpc 12034 2 12034
/// ```
/// fs/nfs, net/sunrpc/stats.c. Minimum kernel 2.6 with the modules loaded. Privilege: none.
/// Cost: one pread each.
/// It does not tell: which export or mount; procedures are read over.
struct NfsCollector: TextCollector {
  let description = CollectorDescription(
    name: "nfs", summary: "remote procedure calls of the NFS client and server",
    source: "proc/net/rpc/{nfs,nfsd}", minimumKernel: "2.6", privilege: "none", cost: .cheap,
    systemCallsPerSample: 2,
    metrics: [
      counter("calls", "calls made (client) or received (server)"),
      counter("retransmissions", "calls made again"),
      counter("authrefreshes", "credentials renewed"),
      counter("badcalls", "calls refused"),
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    let names = [
      "nfs": ["calls", "retransmissions", "authrefreshes"], "nfsd": ["calls", "badcalls"],
    ]
    return names.sorted { $0.key < $1.key }.map { file, names in
      TextSource(context.network("rpc/\(file)"), comesWhole: false, isNeeded: false) {
        text throws(KernelTextError) in
        try TextFormat.remoteCalls(text, names, of: file == "nfs" ? "client" : "server")
      }
    }
  }
}
