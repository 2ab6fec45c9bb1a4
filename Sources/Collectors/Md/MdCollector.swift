import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// The state of software RAID arrays, from sysfs.
///
/// Documentation/admin-guide/md.rst. Minimum kernel 2.6.17. Privilege: none. Cost: a pread for
/// each attribute.
/// It does not tell: progress of a resynchronisation, which is text.
struct MdCollector: TextCollector {
  let description = CollectorDescription(
    name: "md", summary: "state of software RAID arrays",
    source: "sys/class/block/md*/md/{raid_disks,degraded,mismatch_cnt}", minimumKernel: "2.6.17",
    privilege: "none", cost: .moderate, pace: .slow, systemCallsPerSample: 3,
    metrics: [
      gauge("raid_disks", "devices that the array is made of"),
      gauge("degraded", "devices that it lacks"),
      gauge("mismatch_cnt", "sectors that did not agree at the last check"),
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    context.numbered("class/block", "md").flatMap { array in
      description.metrics.map { metric in
        TextSource(
          number: context.roots.sys("class/block/\(array)/md/\(metric.name)"),
          TextField(metric.name, of: array))
      }
    }
  }
}
