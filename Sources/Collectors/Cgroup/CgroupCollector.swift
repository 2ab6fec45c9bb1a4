import Glibc
import KernelText
package import LinuxSystem
import SampleModel
import Sampler

/// A control group to read.
package enum CgroupChoice: Sendable {
  /// A folder, or a path below the hierarchies' roots.
  case path(String)
  /// The group made for the workload.
  case scope(ControlGroup)
}

/// Control groups: the unified hierarchy's files, and v1's of a hybrid host. The instance is the
/// group's path; of a device or a node within it, `path:device`.
struct CgroupCollector: TextCollector {
  let choices: [CgroupChoice]
  let needsTarget = true

  private static let microseconds = Scale(1000)
  private static let tick = Scale(1_000_000_000, per: HostFacts.ticksPerSecond)

  let description = CollectorDescription(
    name: "cgroup", summary: "control groups: CPU, memory, I/O, processes and pressure",
    source: "/sys/fs/cgroup", minimumKernel: "4.5", privilege: "none", cost: .cheap,
    systemCallsPerSample: 12, isOpen: true,
    metrics: [
      counter("cpu.stat.usage_usec", "CPU time", unit: .nanoseconds, scale: microseconds),
      counter("cpu.stat.user_usec", "user time", unit: .nanoseconds, scale: microseconds),
      counter("cpu.stat.system_usec", "system time", unit: .nanoseconds, scale: microseconds),
      counter("cpu.stat.nr_periods", "periods of bandwidth control"),
      counter("cpu.stat.nr_throttled", "periods that were throttled"),
      counter(
        "cpu.stat.throttled_usec", "time throttled", unit: .nanoseconds, scale: microseconds),
      gauge(
        "cpu.max.quota", "CPU time that a period allows; left out: no limit", unit: .nanoseconds,
        scale: microseconds),
      gauge(
        "cpu.max.period", "the period of that allowance", unit: .nanoseconds, scale: microseconds),
      gauge("memory.current", "memory in use", unit: .bytes),
      gauge("memory.peak", "the most since the group was made (Linux 5.19)", unit: .bytes),
      gauge("memory.max", "the limit; left out: none", unit: .bytes),
      gauge("memory.swap.current", "swap in use", unit: .bytes),
      gauge("pids.current", "tasks"),
      gauge("pids.max", "the limit of tasks; left out: none"),
      counter("io.stat.rbytes", "bytes read", unit: .bytes),
      counter("io.stat.wbytes", "bytes written", unit: .bytes),
      counter("io.stat.rios", "reads"),
      counter("io.stat.wios", "writes"),
      counter("io.stat.dbytes", "bytes discarded", unit: .bytes),
      counter("io.stat.dios", "discards"),
      counter("cpuacct.usage", "CPU time (v1)", unit: .nanoseconds),
      counter("cpuacct.stat.user", "user time (v1)", unit: .nanoseconds, scale: tick),
      counter("cpuacct.stat.system", "system time (v1)", unit: .nanoseconds, scale: tick),
      counter("cpu.stat.throttled_time", "time throttled (v1)", unit: .nanoseconds),
      gauge("memory.usage_in_bytes", "memory in use (v1)", unit: .bytes),
      gauge("memory.max_usage_in_bytes", "the most in use (v1)", unit: .bytes),
      counter("memory.failcnt", "times that the limit was hit (v1)"),
    ].map(CgroupCollector.living))

  /// A recreated group counts from zero; its block devices are listed from their first use on
  /// (block/blk-cgroup.c).
  private static func living(_ metric: MetricDescription) -> MetricDescription {
    let isOfDevice = ["io.stat.", "blkio."].contains { metric.name.hasPrefix($0) }
    return metric.living(isOfDevice ? .firstUse : .source)
  }

  /// Levels of a device from io.cost and io.latency.
  private static let deviceLevels: Set<String> = [
    "io.stat.cost.vrate", "io.stat.use_delay", "io.stat.delay_nsec", "io.stat.depth",
    "io.stat.avg_lat", "io.stat.win",
  ]

  private func groups(_ context: CollectorContext) -> [ControlGroup] {
    choices.compactMap { choice in
      switch choice {
      case .path(let path): ControlGroup(path, context.roots)
      case .scope(let group): group
      }
    }
  }

  /// Available if every group is in some hierarchy.
  func probe(_ context: CollectorContext) -> Availability {
    guard !choices.isEmpty else {
      return .absent(reason: "--cgroup PATH is required")
    }
    for case .path(let path) in choices where ControlGroup(path, context.roots) == nil {
      return .absent(
        reason: "there is no control group \(path) below \(context.roots.sys("fs/cgroup"))")
    }
    return .available
  }

  func sources(_ context: CollectorContext) -> [TextSource] {
    groups(context).flatMap { group -> [TextSource] in
      var sources: [TextSource] = []
      if let folder = group.unified { sources += unified(folder, group.name) }
      for (controller, folder) in group.controllers.sorted(by: { $0.key < $1.key }) {
        sources += legacy(controller, folder, group.name)
      }
      return sources
    }
  }

  private func unified(_ folder: String, _ name: String) -> [TextSource] {
    var sources = [list(folder, "cpu.stat", name)]
    sources.append(
      TextSource("\(folder)/cpu.max", isNeeded: false) { text throws(KernelTextError) in
        try TextFormat.quota(text, of: name)
      })
    for file in [
      "memory.current", "memory.peak", "memory.max", "memory.swap.current", "pids.current",
      "pids.max",
    ] {
      sources.append(
        TextSource("\(folder)/\(file)", isNeeded: false) { text throws(KernelTextError) in
          try TextFormat.limit(text, TextField(file, of: name))
        })
    }
    sources += [list(folder, "memory.stat", name), list(folder, "memory.events", name)]
    sources.append(
      TextSource("\(folder)/memory.numa_stat", isNeeded: false) { text throws(KernelTextError) in
        try TextFormat.keyedPairs(text) { key, node in
          node.hasPrefix("N") && Int(node.dropFirst()) != nil
            ? TextField("memory.numa_stat.\(key)", of: "\(name):node\(node.dropFirst())") : nil
        }
      })
    sources.append(
      TextSource("\(folder)/io.stat", isNeeded: false, listsFromFirstUse: true) {
        text throws(KernelTextError) in
        try TextFormat.keyedPairs(text) { device, key in
          TextField("io.stat.\(key)", of: "\(name):\(device)")
        }
      })
    for resource in ["cpu", "memory", "io"] {
      sources.append(
        TextSource("\(folder)/\(resource).pressure", isNeeded: false) {
          text throws(KernelTextError) in
          try TextFormat.pressure(text, prefix: "\(resource).pressure.", of: name)
        })
    }
    return sources
  }

  private func legacy(_ controller: String, _ folder: String, _ name: String) -> [TextSource] {
    switch controller {
    case "cpuacct":
      [number(folder, "cpuacct.usage", name), list(folder, "cpuacct.stat", name)]
    case "cpu": [list(folder, "cpu.stat", name)]
    case "memory":
      [
        number(folder, "memory.usage_in_bytes", name),
        number(folder, "memory.max_usage_in_bytes", name), number(folder, "memory.failcnt", name),
        list(folder, "memory.stat", name, limits: "_limit"),
      ]
    case "pids": [number(folder, "pids.current", name)]
    default:
      ["io_service_bytes", "io_serviced"].map { file in
        TextSource(
          "\(folder)/blkio.throttle.\(file)", isNeeded: false, listsFromFirstUse: true
        ) {
          text throws(KernelTextError) in
          try TextFormat.blkio(text, prefix: "blkio.throttle.\(file)", of: name)
        }
      }
    }
  }

  private func number(_ folder: String, _ file: String, _ name: String) -> TextSource {
    TextSource(number: "\(folder)/\(file)", TextField(file, of: name))
  }

  private func list(
    _ folder: String, _ file: String, _ name: String, limits: String? = nil
  ) -> TextSource {
    TextSource("\(folder)/\(file)", isNeeded: false) { text throws(KernelTextError) in
      try TextFormat.list(text, prefix: "\(file).", of: name, limits: limits)
    }
  }

  /// The metrics of families of fields, from cgroup-v2.rst.
  func metric(_ field: TextField) -> MetricDescription? { Self.living(family(field.name)) }

  private func family(_ name: String) -> MetricDescription {
    let last = name.split(separator: ".").last.map(String.init) ?? name
    if name.contains(".pressure.") {
      return last == "total"
        ? counter(name, "time stalled", unit: .nanoseconds, scale: Self.microseconds)
        : gauge(
          name, "share of time stalled", unit: .ratio, scale: Scale(1, per: 10_000),
          resolution: PressureCollector.averageInterval)
    }
    if Self.deviceLevels.contains(name) { return gauge(name, "see cgroup-v2.rst") }
    if name.hasPrefix("memory.events.") { return counter(name, "see cgroup-v2.rst") }
    if name.hasPrefix("memory.stat.") || name.hasPrefix("memory.numa_stat.") {
      return Self.isEvent(last)
        ? counter(name, "see cgroup-v2.rst") : gauge(name, "see cgroup-v2.rst", unit: .bytes)
    }
    if last.hasSuffix("_usec") {
      return counter(name, "see cgroup-v2.rst", unit: .nanoseconds, scale: Self.microseconds)
    }
    if name.hasPrefix("blkio.throttle.io_service_bytes.") {
      return counter(name, "see blkio-controller.rst", unit: .bytes)
    }
    return counter(name, "see the controller's documentation")
  }

  /// Whether a field of memory.stat counts events, rather than bytes in use.
  private static func isEvent(_ name: String) -> Bool {
    let plain = name.hasPrefix("total_") ? String(name.dropFirst(6)) : name
    let families = [
      "pg", "workingset_", "thp_", "numa_", "zswpin", "zswpout", "zswpwb", "swpin", "swpout",
      "pswp", "zero_",
    ]
    if ["pgtables"].contains(plain) || plain == "pagetables" { return false }
    return families.contains { plain.hasPrefix($0) }
  }
}
