import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Which block devices of the host are read.
package enum DiskChoice: String, Sendable, CaseIterable {
  /// Whole devices, without loop and RAM disks.
  case disks
  /// These and their partitions.
  case partitions
  /// Every block device.
  case all
}

/// Requests, bytes and times of block devices, from /proc/diskstats:
///
/// ```
///  254       0 vda 381167 50507 56957658 854804 160395 102264 18557080 91875 0 120264 962705 …
/// ```
/// Documentation/admin-guide/iostats.rst. Minimum kernel 2.6.25; discards 4.18, flushes 5.5.
/// Privilege: none. Cost: one pread, 3 µs for ten devices. Limits: a request counts when it
/// completes, and `io_ticks` advances by the kernel's tick: a rate over a shorter time can exceed
/// 100 %. The rate of `io_ticks` is the share of time with a request in progress, which is no
/// measure of utilisation for devices that serve many at once.
struct DiskCollector: TextCollector {
  private static let meanings: [(verb: String, noun: String)] = [
    ("read", "reads"), ("write", "writes"), ("discard", "discards"), ("flush", "flushes"),
  ]
  private let choice: DiskChoice

  let isNonBlocking = true
  let description: CollectorDescription

  /// The collector of these devices.
  init(_ choice: DiskChoice = .disks) {
    self.choice = choice
    let metrics = TextFormat.diskColumns.map { column in
      let noun = Self.meanings.first { column.hasPrefix($0.verb) }?.noun ?? ""
      switch column {
      case "in_flight": return gauge(column, "requests under way")
      case "io_ticks": return Self.time(column, "time with a request under way")
      case "time_in_queue": return Self.time(column, "time of all requests, waits included")
      case _ where column.hasSuffix("_ios"): return counter(column, "completed \(noun)")
      case _ where column.hasSuffix("_merges"):
        return counter(column, "\(noun) joined to others in the queue")
      case _ where column.hasSuffix("_sectors"):
        return counter(
          column, "bytes of completed \(noun) (the kernel counts sectors of 512)", unit: .bytes,
          scale: Scale(512))
      default: return Self.time(column, "time of all completed \(noun), waits included")
      }
    }
    description = CollectorDescription(
      name: "disk", summary: "requests, bytes and times of block devices",
      source: "proc/diskstats", minimumKernel: "2.6.25", privilege: "none", cost: .cheap,
      // A device that returns is another one, or counts from zero.
      metrics: metrics.map { $0.living(.row) })
  }

  private static func time(_ name: String, _ meaning: String) -> MetricDescription {
    // part_stat_show prints milliseconds as an unsigned int.
    counter(name, meaning, unit: .nanoseconds, scale: Scale(1_000_000), width: 32)
  }

  func sources(_ context: CollectorContext) -> [TextSource] {
    let keeps: (String) -> Bool = { name in
      switch choice {
      case .all: true
      case .partitions: !Self.isVirtual(name)
      case .disks: !Self.isVirtual(name) && !Self.isPartition(name, context)
      }
    }
    return [
      TextSource(context.roots.proc("diskstats"), delivery: .shortRecords) {
        text throws(KernelTextError) in
        try TextFormat.disks(text, keeps: keeps)
      }
    ]
  }

  private static func isVirtual(_ name: String) -> Bool {
    name.hasPrefix("loop") || name.hasPrefix("ram")
  }

  private static func isPartition(_ name: String, _ context: CollectorContext) -> Bool {
    // A slash in a device's name is an exclamation mark in sysfs.
    let entry = String(name.map { $0 == "/" ? "!" : $0 })
    return SmallFile.text(context.roots.sys("class/block/\(entry)/partition")) != nil
  }
}
