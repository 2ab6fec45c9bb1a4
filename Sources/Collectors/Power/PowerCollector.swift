import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Energy that packages, cores and memory used, from RAPL through powercap in sysfs.
///
/// Documentation/power/powercap/powercap.rst. Minimum kernel 3.13. Privilege: root since 5.10.
/// Cost: a pread for each zone.
/// It does not tell: what a machine uses. The counter wraps at max_energy_range_uj, no power of
/// two: the step of that reading is left out.
struct PowerCollector: TextCollector {
  let description = CollectorDescription(
    name: "power", summary: "energy that packages, cores and memory used",
    source: "sys/class/powercap/*/energy_uj", minimumKernel: "3.13",
    privilege: "root (since 5.10)", cost: .moderate,
    metrics: [counter("energy", "energy used", unit: .joules, scale: Scale(1, per: 1_000_000))])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    directoryEntries(context.roots.sys("class/powercap")).filter { $0.contains(":") }.map { zone in
      let name = SmallFile.text(context.roots.sys("class/powercap/\(zone)/name")) ?? zone
      return TextSource(
        number: context.roots.sys("class/powercap/\(zone)/energy_uj"),
        TextField("energy", of: "\(zone).\(name)"))
    }
  }
}
