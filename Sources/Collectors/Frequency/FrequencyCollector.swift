import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// The clock frequency of each CPU and its thermal throttling, from cpufreq and thermal_throttle in
/// sysfs.
///
/// Documentation/admin-guide/pm/cpufreq.rst. Minimum kernel 2.6. Privilege: none. Cost: a pread for
/// each CPU and attribute, and for some drivers an interrupt of that CPU: read once a second by
/// default. Limits: does not show the frequency between two readings; cycles per second of `perf`
/// do.
struct FrequencyCollector: TextCollector {
  let description = CollectorDescription(
    name: "frequency", summary: "clock and thermal throttling of each CPU",
    source: "sys/devices/system/cpu/cpu*/{cpufreq,thermal_throttle}", minimumKernel: "2.6",
    privilege: "none", cost: .expensive, systemCallsPerSample: 4,
    metrics: [
      gauge("scaling_cur_freq", "clock now", unit: .hertz, scale: Scale(1000)),
      gauge("scaling_min_freq", "lower limit", unit: .hertz, scale: Scale(1000)),
      gauge("scaling_max_freq", "upper limit", unit: .hertz, scale: Scale(1000)),
      counter("core_throttle_count", "times that the core was throttled"),
      counter("package_throttle_count", "times that its package was throttled"),
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    context.numbered("devices/system/cpu", "cpu").flatMap { cpu in
      description.metrics.map { metric in
        let folder = metric.kind == .gauge ? "cpufreq" : "thermal_throttle"
        return TextSource(
          number: context.roots.sys("devices/system/cpu/\(cpu)/\(folder)/\(metric.name)"),
          TextField(metric.name, of: String(cpu.dropFirst(3))))
      }
    }
  }
}
