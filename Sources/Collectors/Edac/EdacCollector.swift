import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Memory errors that the controllers corrected or could not, from EDAC in sysfs.
///
/// Documentation/admin-guide/RAS/main.rst. Minimum kernel 2.6.16 with a driver for the controller.
/// Privilege: none. Cost: a pread for each controller and attribute. Limits: names modules only as
/// far as the driver does.
struct EdacCollector: TextCollector {
  let description = CollectorDescription(
    name: "edac", summary: "memory errors, corrected and uncorrected",
    source: "sys/devices/system/edac/mc/mc*", minimumKernel: "2.6.16", privilege: "none",
    cost: .moderate, pace: .slow, systemCallsPerSample: 4,
    metrics: [
      counter("ce_count", "errors corrected", width: 32),
      counter("ue_count", "errors not corrected", width: 32),
      counter("ce_noinfo_count", "errors corrected at an unknown place", width: 32),
      counter("ue_noinfo_count", "errors not corrected at an unknown place", width: 32),
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    context.numbered("devices/system/edac/mc", "mc").flatMap { controller in
      description.metrics.map { metric in
        TextSource(
          number: context.roots.sys("devices/system/edac/mc/\(controller)/\(metric.name)"),
          TextField(metric.name, of: controller))
      }
    }
  }
}
