import CLinux
import Glibc

/// Facts of the host for results, as ordered names and values.
package enum HostFacts {
  /// Reads the facts: kernel, CPUs, NUMA, clocks, limits. Absent facts are left out.
  package static func read(_ roots: MountRoots) -> [(name: String, value: String)] {
    var facts: [(name: String, value: String)] = []
    func add(_ name: String, _ value: String?) {
      if let value, !value.isEmpty { facts.append((name, value)) }
    }
    add("hostname", SmallFile.text(roots.proc("sys/kernel/hostname")))
    add("kernel", SmallFile.text(roots.proc("sys/kernel/osrelease")))
    add("kernel_version", SmallFile.text(roots.proc("sys/kernel/version")))
    add("machine", machine())
    add("cpu_model", cpuModel(roots))
    let online = SmallFile.text(roots.sys("devices/system/cpu/online"))
    add("cpus", online.flatMap { CPUSet(list: $0) }.map { "\($0.members.count)" })
    add("cpus_online", online)
    add("nodes", "\(nodes(roots).count)")
    add("cpus_allowed", CPUSet.allowed().description)
    add("cpus_isolated", SmallFile.text(roots.sys("devices/system/cpu/isolated")))
    for node in nodes(roots) {
      add("node\(node)_memory", memory(ofNode: node, roots).map { "\($0)" })
      add("node\(node)_cpus", SmallFile.text(roots.sys("devices/system/node/node\(node)/cpulist")))
      add(
        "node\(node)_distances",
        SmallFile.text(roots.sys("devices/system/node/node\(node)/distance")))
    }
    add(
      "clocksource",
      SmallFile.text(
        roots.sys("devices/system/clocksource/clocksource0/current_clocksource")))
    if roots.sys == "/sys" { add("numa_check", topologyCheck(roots)) }
    add("clock_ticks_per_second", "\(ticksPerSecond)")
    add("page_size", "\(sysconf(Int32(_SC_PAGESIZE)))")
    add("memory_lock_limit", memoryLockLimit().map { "\($0)" } ?? "unlimited")
    add("perf_event_paranoid", SmallFile.text(roots.proc("sys/kernel/perf_event_paranoid")))
    add("boot_id", SmallFile.text(roots.proc("sys/kernel/random/boot_id")))
    return facts
  }

  /// NUMA nodes in ascending order.
  package static func nodes(_ roots: MountRoots) -> [Int] {
    SmallFile.text(roots.sys("devices/system/node/online"))
      .flatMap { CPUSet(list: $0)?.members } ?? []
  }

  /// CPUs of a NUMA node, nil when there is no such node.
  package static func cpus(ofNode node: Int, _ roots: MountRoots) -> CPUSet? {
    SmallFile.text(roots.sys("devices/system/node/node\(node)/cpulist"))
      .flatMap { CPUSet(list: $0) }
  }

  /// Distances from a NUMA node to each online one, as sysfs has them; empty when unknown.
  package static func distances(ofNode node: Int, _ roots: MountRoots) -> [Int] {
    let text = SmallFile.text(roots.sys("devices/system/node/node\(node)/distance")) ?? ""
    let distances = text.split(separator: " ").map { Int($0) }
    // If one is missing, the others cannot be assigned to nodes.
    return distances.contains(nil) ? [] : distances.compactMap(\.self)
  }

  /// Bytes of memory of a NUMA node, nil when unknown.
  package static func memory(ofNode node: Int, _ roots: MountRoots) -> UInt64? {
    let path = roots.sys("devices/system/node/node\(node)/meminfo")
    for line in (SmallFile.text(path) ?? "").split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count > 3, words[2] == "MemTotal:", let kibibytes = UInt64(words[3]) else {
        continue
      }
      let (bytes, isTooLarge) = kibibytes.multipliedReportingOverflow(by: 1024)
      return isTooLarge ? nil : bytes
    }
    return nil
  }

  /// Compares the nodes, CPUs and distances of libnuma with those of sysfs; returns the result as a
  /// text.
  package static func topologyCheck(_ roots: MountRoots) -> String {
    if let reason = NumaLibrary.unavailable { return "sysfs alone: \(reason)" }
    let nodes = nodes(roots)
    let seen = NumaLibrary.distances()
    for node in nodes {
      let distances = nodes.compactMap { other in
        node < seen.count && other < seen[node].count ? seen[node][other] : nil
      }
      if distances != Self.distances(ofNode: node, roots) {
        return "libnuma has other distances of node\(node) than sysfs: \(distances)"
      }
      for cpu in cpus(ofNode: node, roots)?.members ?? []
      where NumaLibrary.node(ofCPU: cpu) != node {
        return "libnuma has CPU \(cpu) on another node than sysfs has"
      }
    }
    return "libnuma and sysfs agree"
  }

  /// CPUs that the kernel keeps free of other work (isolcpus).
  package static func isolatedCPUs(_ roots: MountRoots) -> CPUSet {
    SmallFile.text(roots.sys("devices/system/cpu/isolated"))
      .flatMap { $0.isEmpty ? CPUSet() : CPUSet(list: $0) } ?? CPUSet()
  }

  /// Clock ticks per second, the unit of /proc's CPU times (USER_HZ).
  package static var ticksPerSecond: UInt64 { UInt64(max(1, sysconf(Int32(_SC_CLK_TCK)))) }

  /// RLIMIT_MEMLOCK in bytes, nil when unlimited.
  package static func memoryLockLimit() -> UInt64? {
    let limit = lb_memory_lock_limit()
    return limit == UInt64.max ? nil : limit
  }

  /// Effective capabilities of this process as a bit mask, nil when unknown.
  package static func effectiveCapabilities() -> UInt64? {
    var mask: UInt64 = 0
    return unsafe lb_effective_capabilities(&mask) == 0 ? mask : nil
  }

  private static func machine() -> String? {
    var name = utsname()
    guard unsafe uname(&name) == 0 else { return nil }
    // Safe: the kernel ends the field with a zero byte.
    return unsafe withUnsafePointer(to: &name.machine) {
      unsafe $0.withMemoryRebound(to: CChar.self, capacity: 65) { unsafe String(cString: $0) }
    }
  }

  private static func cpuModel(_ roots: MountRoots) -> String? {
    guard let text = SmallFile.text(roots.proc("cpuinfo")) else { return nil }
    for line in text.split(separator: "\n") where line.hasPrefix("model name") {
      return line.split(separator: ":", maxSplits: 1).last.map(\.trimmed)
    }
    return nil
  }
}
