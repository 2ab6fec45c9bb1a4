import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// How long tasks waited for CPU, memory, I/O and interrupts, from /proc/pressure:
///
/// ```
/// some avg10=0.00 avg60=0.35 avg300=12.22 total=1213374073
/// full avg10=0.00 avg60=0.00 avg300=0.00 total=0
/// ```
/// Documentation/accounting/psi.rst. Minimum kernel 4.20 with CONFIG_PSI (irq 6.1). Privilege:
/// none. Cost: a pread for each of three or four files, 0.8 µs each. Limits: `total` is exact; the
/// averages are computed every two seconds.
struct PressureCollector: TextCollector {
  /// Nanoseconds between two computations of the averages (PSI_FREQ).
  static let averageInterval: UInt64 = 2_000_000_000
  private static let resources = ["cpu", "memory", "io", "irq"]

  let description: CollectorDescription

  /// The collector.
  init() {
    var metrics: [MetricDescription] = []
    for resource in Self.resources {
      for share in resource == "irq" ? ["full"] : ["some", "full"] {
        let who = share == "some" ? "some task" : "every task that is not idle"
        let name = "\(resource).\(share)"
        for window in [10, 60, 300] {
          metrics.append(
            gauge(
              "\(name).avg\(window)",
              "share of the last \(window) s in which \(who) waited for \(resource)",
              unit: .ratio, scale: Scale(1, per: 10_000), host: true,
              resolution: Self.averageInterval))
        }
        metrics.append(
          counter(
            "\(name).total", "time in which \(who) waited for \(resource)", unit: .nanoseconds,
            scale: Scale(1000), host: true))
      }
    }
    description = CollectorDescription(
      name: "pressure", summary: "time that tasks waited for CPU, memory, I/O and interrupts",
      source: "proc/pressure/{cpu,memory,io,irq}", minimumKernel: "4.20", privilege: "none",
      cost: .cheap, systemCallsPerSample: 4, metrics: metrics)
  }

  func sources(_ context: CollectorContext) -> [TextSource] {
    Self.resources.map { resource in
      TextSource(context.roots.proc("pressure/\(resource)"), isNeeded: false) {
        text throws(KernelTextError) in
        try TextFormat.pressure(text, prefix: "\(resource).")
      }
    }
  }
}
