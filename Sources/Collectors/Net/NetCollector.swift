import KernelText
import LinuxSystem
package import SampleModel
package import Sampler

/// The counters of every network interface, from /proc/net/dev:
///
/// ```
///  face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets …
///     lo:    3193      29    0    0    0     0          0         0     3193      29 …
/// ```
/// net/core/net-procfs.c. Minimum kernel 2.6.35 (64-bit counters). Privilege: none. Cost: one
/// pread, about 3 µs with four interfaces, growing with interfaces.
/// It does not tell: it shows the network namespace of the reader. Under another --proc-root the
/// namespace of that tree's process 1 is read. Some drivers update their counters only each
/// second or so.
package struct NetCollector: Collector {
  private static let meanings = [
    "bytes": "bytes", "packets": "packets", "errs": "packets with errors",
    "drop": "packets dropped", "fifo": "FIFO overruns", "frame": "framing errors",
    "compressed": "compressed packets", "multicast": "multicast packets",
    "colls": "collisions", "carrier": "carrier losses",
  ]

  package let description: CollectorDescription

  /// The collector.
  package init() {
    let metrics = ProcNetDev.fields.map { field in
      let column = String(field.dropFirst(3))
      let side = field.hasPrefix("rx_") ? "received" : "sent"
      return MetricDescription(
        field, column == "bytes" ? .bytes : .count, .counter,
        meaning: "\(Self.meanings[column] ?? column), \(side)")
    }
    description = CollectorDescription(
      name: "net", summary: "bytes, packets and errors of every network interface",
      source: "proc/net/dev", minimumKernel: "2.6.35", privilege: "none", cost: .cheap,
      systemCallsPerSample: 1, metrics: metrics)
  }

  /// Available where the interface table can be read.
  package func probe(_ context: CollectorContext) -> Availability {
    probeTextFile(Self.path(context))
  }

  /// Opens the interface table and takes its shape.
  package func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    let file = try TextFile(path: Self.path(context), collector: "net", comesWhole: false)
    let shape = try ProcNetDev.learn(from: file)
    var columns: [Column?] = []
    for interface in shape.interfaces {
      for metric in description.metrics {
        let column = Column(collector: "net", metric: metric, instance: interface)
        columns.append(context.filter.passes(column.name) ? column : nil)
      }
    }
    return ArmedTable(file: file, table: shape, columns: columns)
  }

  /// PROC/net is a link to PROC/self/net, and `self` under a foreign mount is nobody or somebody
  /// else: there, process 1 stands for the host.
  private static func path(_ context: CollectorContext) -> String {
    guard !context.roots.isOwnProc else { return context.roots.proc("net/dev") }
    let first = context.roots.proc("1/net/dev")
    return probeTextFile(first) == .available ? first : context.roots.proc("net/dev")
  }
}
