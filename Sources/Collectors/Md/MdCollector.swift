import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// The state of software RAID arrays, from sysfs; `none` or, while an array is synchronised:
///
/// ```
/// 5120 / 104857600
/// ```
/// Documentation/admin-guide/md.rst. Minimum kernel 2.6.17. Privilege: none. Cost: a pread for each
/// attribute, and one of /proc/partitions, which changes when arrays are added or removed. Limits:
/// does not show the action (sync_action), which is text.
struct MdCollector: TextCollector {
  private static let numbers = ["raid_disks", "degraded", "mismatch_cnt"]

  let description = CollectorDescription(
    name: "md", summary: "state of software RAID arrays",
    source: "sys/class/block/md*/md/{raid_disks,degraded,mismatch_cnt,sync_completed,sync_speed}",
    minimumKernel: "2.6.17", privilege: "none", cost: .moderate, pace: .slow,
    systemCallsPerSample: 6,
    metrics: [
      gauge("raid_disks", "devices that the array is made of"),
      gauge("degraded", "devices that it lacks"),
      gauge("mismatch_cnt", "sectors that did not agree at the last check"),
      gauge("sync_completed", "synchronised so far", unit: .bytes, scale: Scale(512)),
      gauge("sync_total", "to be synchronised", unit: .bytes, scale: Scale(512)),
      gauge("sync_speed", "bytes synchronised in a second", unit: .bytes, scale: Scale(1024)),
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    let arrays = context.numbered("class/block", "md")
    guard !arrays.isEmpty else { return [] }
    return arrays.flatMap { array -> [TextSource] in
      let folder = context.roots.sys("class/block/\(array)/md")
      return Self.numbers.map { TextSource(number: "\(folder)/\($0)", TextField($0, of: array)) }
        + [
          TextSource("\(folder)/sync_completed", isNeeded: false) {
            text throws(KernelTextError) in
            try TextFormat.progress(
              text, TextField("sync_completed", of: array), TextField("sync_total", of: array))
          },
          TextSource("\(folder)/sync_speed", isNeeded: false) { text throws(KernelTextError) in
            try TextFormat.limit(text, TextField("sync_speed", of: array), none: "none")
          },
        ]
    } + [TextSource(sentinel: context.roots.proc("partitions"), delivery: .shortRecords)]
  }
}
