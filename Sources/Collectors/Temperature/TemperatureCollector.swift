import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Temperatures of sensors and thermal zones, from hwmon and thermal in sysfs, in thousandths of
/// a degree.
///
/// Documentation/hwmon/sysfs-interface.rst. Minimum kernel 2.6. Privilege: none. Cost: a pread for
/// each sensor, and milliseconds on a slow bus: read once a second by default. Limits: does not
/// show the age of a driver's reading. Sensors that are added later are found at the next start.
struct TemperatureCollector: TextCollector {
  let description = CollectorDescription(
    name: "temperature", summary: "temperatures of sensors and thermal zones",
    source: "sys/class/{hwmon/hwmon*/temp*_input,thermal/thermal_zone*/temp}",
    minimumKernel: "2.6", privilege: "none", cost: .expensive, pace: .slow,
    metrics: [
      gauge(
        "temp", "temperature", unit: .celsius, scale: Scale(1, per: 1000), isSigned: true)
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    func source(_ path: String, _ instance: String) -> TextSource {
      TextSource(
        number: context.roots.sys(path), TextField("temp", of: instance), form: .millidegrees)
    }
    let sensors = context.numbered("class/hwmon", "hwmon").flatMap { chip in
      let name = SmallFile.text(context.roots.sys("class/hwmon/\(chip)/name")) ?? chip
      return directoryEntries(context.roots.sys("class/hwmon/\(chip)"))
        .filter { $0.hasPrefix("temp") && $0.hasSuffix("_input") }
        .map { source("class/hwmon/\(chip)/\($0)", "\(chip).\(name).\($0.dropLast(6))") }
    }
    let zones = context.numbered("class/thermal", "thermal_zone").map { zone in
      let type = SmallFile.text(context.roots.sys("class/thermal/\(zone)/type")) ?? "unknown"
      return source("class/thermal/\(zone)/temp", "\(zone).\(type)")
    }
    return sensors + zones
  }
}
