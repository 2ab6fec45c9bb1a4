import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Energy used by packages, cores and memory, from RAPL through powercap in sysfs, in µJ.
///
/// Documentation/power/powercap/powercap.rst. Minimum kernel 3.13. Privilege: root since 5.10.
/// Cost: a pread for each zone. Limits: not the energy of the whole machine. The kernel's counter
/// wraps at max_energy_range_uj, after some minutes; two wraps between two readings count as one.
struct PowerCollector: TextCollector {
  let description = CollectorDescription(
    name: "power", summary: "energy that packages, cores and memory used",
    source: "sys/class/powercap/*/energy_uj", minimumKernel: "3.13",
    privilege: "root (since 5.10)", cost: .moderate,
    metrics: [counter("energy", "energy used", unit: .joules, scale: Scale(1, per: 1_000_000))])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    zones(context).map { zone, instance in
      TextSource(
        number: context.roots.sys("class/powercap/\(zone)/energy_uj"),
        TextField("energy", of: instance))
    }
  }

  /// The column of a zone, with the range of its counter.
  func column(
    _ metric: MetricDescription, _ field: TextField, _ context: CollectorContext
  ) -> Column {
    let folder = zones(context).first { $0.instance == field.instance }?.folder ?? ""
    let range = SmallFile.text(context.roots.sys("class/powercap/\(folder)/max_energy_range_uj"))
    return Column(
      collector: description.prefix, metric: metric, instance: field.instance,
      range: range.flatMap { UInt64($0) })
  }

  /// The zones' folders and instance names.
  private func zones(_ context: CollectorContext) -> [(folder: String, instance: String)] {
    directoryEntries(context.roots.sys("class/powercap")).filter { $0.contains(":") }.map { zone in
      let name = SmallFile.text(context.roots.sys("class/powercap/\(zone)/name")) ?? zone
      return (zone, "\(zone).\(name)")
    }
  }
}
