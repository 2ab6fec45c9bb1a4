import Glibc
package import LinuxSystem
import SampleModel

/// The kernel's PMUs (/sys/bus/event_source/devices) and tracepoints.
///
/// Documentation/ABI/testing/sysfs-bus-event_source-devices-format and -events. Reads the files on
/// each call.
package struct EventSources: Sendable {
  private let roots: MountRoots

  /// The sources below the sys root.
  package init(_ roots: MountRoots) { self.roots = roots }

  /// The names of all PMUs, sorted.
  package var units: [String] { directoryEntries(roots.sys("bus/event_source/devices")).sorted() }

  private func file(_ unit: String, _ name: String) -> String {
    roots.sys("bus/event_source/devices/\(unit)/\(name)")
  }

  /// The kernel's number of the PMU `unit`, nil if there is none of that name.
  package func type(_ unit: String) -> UInt32? {
    SmallFile.text(file(unit, "type")).flatMap { UInt32($0) }
  }

  /// Named events of a PMU, without the files of their attributes.
  package func events(_ unit: String) -> [String] {
    directoryEntries(file(unit, "events")).filter { name in
      ![".scale", ".unit", ".snapshot", ".per-pkg"].contains { name.hasSuffix($0) }
    }.sorted()
  }

  /// The definition of a named event: `event=0x3c,umask=0x00`.
  func definition(_ unit: String, _ event: String) -> String? {
    SmallFile.text(file(unit, "events/\(event)"))
  }

  /// The bits of a term: `config:0-7,32-35`.
  func format(_ unit: String, _ term: String) -> EventFormat? {
    SmallFile.text(file(unit, "format/\(term)")).flatMap { EventFormat($0) }
  }

  /// The CPUs on which an uncore or energy PMU is opened, one for each socket or node; nil if it
  /// counts on every CPU.
  package func cpuMask(_ unit: String) -> CPUSet? {
    SmallFile.text(file(unit, "cpumask")).flatMap { CPUSet(list: $0) }
  }

  /// The CPUs of a core PMU of a hybrid processor; nil for a PMU of all CPUs.
  package func cpus(_ unit: String) -> CPUSet? {
    SmallFile.text(file(unit, "cpus")).flatMap { CPUSet(list: $0) }
  }

  /// The core PMUs of a hybrid processor; empty if all cores are alike.
  package var corePMUs: [String] {
    let cores = coreUnits
    return cores.count > 1 ? cores : []
  }

  /// The PMUs of the cores: `cpu`, or those with a list of CPUs.
  var coreUnits: [String] {
    units.filter { $0 == "cpu" || SmallFile.text(file($0, "cpus")) != nil }
  }

  /// The factor and unit of a named event.
  func scale(_ unit: String, _ event: String) -> (Scale, MetricUnit)? {
    guard let text = SmallFile.text(file(unit, "events/\(event).scale")),
      let scale = Scale(decimal: text)
    else { return nil }
    switch SmallFile.text(file(unit, "events/\(event).unit")) {
    case "Joules": return (scale, .joules)
    case "MiB": return (Scale(scale.numerator << 20, per: scale.denominator), .bytes)
    default: return (scale, .count)
    }
  }

  /// Where tracefs is mounted.
  private var tracing: String? {
    ["kernel/tracing/events", "kernel/debug/tracing/events"].map { roots.sys($0) }
      .first { !directoryEntries($0).isEmpty }
  }

  /// Why tracepoints cannot be looked up, nil if they can.
  package var tracingIsMissing: String? {
    guard tracing == nil else { return nil }
    let path = roots.sys("kernel/tracing")
    do throws(SystemError) {
      _ = try OwnedDescriptor(open: path, O_RDONLY | O_DIRECTORY)
    } catch {
      if error.errno == EACCES || error.errno == EPERM {
        return "the tracepoints are denied: run as root, or mount -o remount,mode=755 \(path)"
      }
    }
    return "the tracepoints cannot be read: mount -t tracefs nodev \(path) (as root)"
  }

  /// The tracepoints that match patterns of `*` and `?` in both parts, sorted.
  package func tracepoints(_ system: String, _ name: String) -> [String] {
    guard let tracing else { return [] }
    return directoryEntries(tracing).filter { Glob.matches(system, $0) }.flatMap { system in
      directoryEntries("\(tracing)/\(system)").filter { Glob.matches(name, $0) }
        .map { "\(system):\($0)" }
    }.filter { tracepoint($0) != nil }.sorted()
  }

  /// The number of a tracepoint such as `sched:sched_switch`, nil if there is none.
  package func tracepoint(_ name: String) -> UInt64? {
    guard let tracing else { return nil }
    let path = name.split(separator: ":").joined(separator: "/")
    return SmallFile.text("\(tracing)/\(path)/id").flatMap { UInt64($0) }
  }
}

/// The position of a term's bits in `perf_event_attr`.
struct EventFormat: Equatable {
  /// The number of config, config1, config2 or config3.
  let word: Int
  /// In order, from the value's lowest bit on.
  let ranges: [ClosedRange<Int>]

  /// A whole word.
  init(word: Int) {
    self.word = word
    ranges = [0...63]
  }

  /// Reads `config1:0-7,21`.
  init?(_ text: String) {
    let parts = text.split(separator: ":")
    guard parts.count == 2,
      let word = ["config", "config1", "config2", "config3"]
        .firstIndex(of: String(parts[0]))
    else { return nil }
    var ranges: [ClosedRange<Int>] = []
    for range in parts[1].split(separator: ",") {
      let ends = range.split(separator: "-").map { Int($0) }
      guard let low = ends.first ?? nil, let high = ends.last ?? nil, ends.count <= 2, low >= 0,
        low <= high, high < 64
      else { return nil }
      ranges.append(low...high)
    }
    guard !ranges.isEmpty else { return nil }
    self.word = word
    self.ranges = ranges
  }

  /// The largest value that fits.
  var maximum: UInt64 {
    let width = ranges.reduce(0) { $0 + $1.count }
    return width >= 64 ? .max : (1 << UInt64(width)) - 1
  }

  /// The bits of `value` at their positions.
  func spread(_ value: UInt64) -> UInt64 {
    var rest = value
    var bits: UInt64 = 0
    for range in ranges {
      let mask: UInt64 = range.count >= 64 ? .max : (1 << UInt64(range.count)) - 1
      bits |= (rest & mask) << UInt64(range.lowerBound)
      rest = range.count >= 64 ? 0 : rest >> UInt64(range.count)
    }
    return bits
  }
}
