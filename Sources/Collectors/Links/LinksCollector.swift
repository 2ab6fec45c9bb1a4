import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Speed, carrier and MTU of every network interface, from sysfs.
///
/// Documentation/ABI/testing/sysfs-class-net. Minimum kernel 2.6; carrier_changes 3.15. Privilege:
/// none. Cost: a pread for each interface and attribute; for some drivers `speed` asks the
/// firmware: read once a second by default. Limits: without a carrier a link has no speed: the
/// column disappears, and returns with the carrier in a new layout.
struct LinksCollector: TextCollector {
  let description = CollectorDescription(
    name: "links", summary: "speed, carrier and MTU of every network interface",
    source: "sys/class/net/*/{speed,carrier,carrier_changes,mtu,tx_queue_len}",
    minimumKernel: "2.6", privilege: "none", cost: .expensive, pace: .setting,
    systemCallsPerSample: 20,
    metrics: [
      gauge(
        "speed", "nominal speed; left out where the driver does not know it", unit: .bitsPerSecond,
        scale: Scale(1_000_000)),
      gauge("carrier", "1 with a carrier, 0 without"),
      counter("carrier_changes", "times that the carrier came or went (3.15)").living(.row),
      gauge("mtu", "largest payload of a frame", unit: .bytes),
      gauge("tx_queue_len", "packets that the queue may hold"),
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    let interfaces = directoryEntries(context.roots.sys("class/net"))
      .filter { $0 != "bonding_masters" }
    // A sentinel: the columns change with the names of interfaces.
    return [
      TextSource(
        context.network("dev"), delivery: .shortRecords, isNeeded: false, namesInstances: true
      ) {
        text throws(KernelTextError) in
        try TextFormat.interfaces(text)
      }
    ]
      + interfaces.flatMap { interface in
        description.metrics.map { metric in
          let path = context.roots.sys("class/net/\(interface)/\(metric.name)")
          let field = TextField(metric.name, of: interface)
          guard metric.name == "speed" else { return TextSource(number: path, field) }
          return TextSource(path, isNeeded: false) { text throws(KernelTextError) in
            try TextFormat.linkSpeed(text, field)
          }
        }
      }
  }
}
