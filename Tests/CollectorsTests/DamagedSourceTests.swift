import KernelText
import LinuxSystem
import SampleModel
import Sampler
import TestSupport
import Testing

@testable import Collectors

/// What collectors make of texts that are damaged, or that only some kernels print.
@Suite struct DamagedSourceTests {
  private static let collectors = CollectorRegistry.host().collectors
    .filter { !$0.needsTarget && $0 is any TextCollector }.map(\.description.name)

  private func tree(_ files: [String: String]) throws -> (TemporaryFolder, CollectorContext) {
    let folder = try TemporaryFolder()
    for (name, text) in files { try folder.write(name, text) }
    let roots = MountRoots(proc: folder.file("proc"), sys: folder.file("sys"))
    return (folder, CollectorContext(roots: roots))
  }

  /// Each value of each source that can be read, by column, and the fields that cannot.
  private func read(
    _ collector: any TextCollector, _ context: CollectorContext, leavingOut path: String = ""
  ) throws -> (values: [String: UInt64], unreadable: Set<String>) {
    var values: [String: UInt64] = [:]
    var unreadable = Set<String>()
    for source in collector.sources(context) where source.path != path {
      guard let bytes = try? SmallFile.read(source.path) else { continue }
      let text = KernelText(bytes.span)
      let placeholders: [Placeholder]
      do throws(KernelTextError) { placeholders = try source.learn(text) } catch { continue }
      var fields: [TextField] = []
      let template = TextTemplate(text, placeholders: placeholders) { field in
        fields.append(field)
        return true
      }
      var numbers = [UInt64](repeating: 0, count: template.valueCount)
      var span = numbers.mutableSpan
      try template.parse(bytes.span, into: &span, cache: template.makeCache())
      for (field, number) in zip(fields, numbers) where collector.keeps(field) {
        guard let metric = collector.metric(field) else { continue }
        let column = Column(
          collector: collector.description.prefix, metric: metric, instance: field.instance)
        values[column.name] = values[column.name] ?? number
      }
      for placeholder in placeholders {
        if case .unreadable(let field) = placeholder.content { unreadable.insert(field.name) }
      }
    }
    return (values, unreadable)
  }

  private func collector(_ name: String) throws -> any TextCollector {
    try #require(CollectorRegistry.host()[name] as? any TextCollector)
  }

  /// A file that is damaged as a whole, whichever, costs a collector the values of this file.
  @Test(arguments: collectors)
  func oneDamagedFileCostsItsOwnValues(_ name: String) throws {
    let folder = try TemporaryFolder()
    try copy("\(Self.tests)/Fixtures/6.18-2cpu", "", to: folder)
    let context = CollectorContext(
      roots: MountRoots(proc: folder.file("proc"), sys: folder.file("sys")))
    let collector = try collector(name)
    let paths = collector.sources(context).map(\.path)
    for path in Set(paths).sorted().prefix(6) where path.hasPrefix(folder.path) {
      guard let whole = try? SmallFile.read(path), !path.hasSuffix("node/online") else { continue }
      let others = try read(collector, context, leavingOut: path).values
      let file = String(path.dropFirst(folder.path.count + 1))
      for damage in ["", "\n", "\0\0", "?\n?\n", "\u{1B}[2J", "99999999999999999999999\n", ":\n"] {
        try folder.write(file, damage)
        let values = try read(collector, context).values
        #expect(
          values == others, "\(file) of \(damage.debugDescription), for which others lose or gain")
      }
      try folder.write(file, String(decoding: whole, as: UTF8.self))
    }
  }

  private static let tests =
    "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/")

  private func copy(_ source: String, _ path: String, to folder: TemporaryFolder) throws {
    for entry in directoryEntries("\(source)/\(path)") {
      let below = path.isEmpty ? entry : "\(path)/\(entry)"
      if let bytes = try? SmallFile.read("\(source)/\(below)") {
        try folder.write(below, String(decoding: bytes, as: UTF8.self))
      } else {
        try copy(source, below, to: folder)
      }
    }
  }

  @Test(arguments: ["-1", "4294967295", "65535"])
  func anUnknownSpeedIsAbsent(_ unknown: String) throws {
    let (folder, context) = try tree([
      "sys/class/net/a/speed": "\(unknown)\n", "sys/class/net/a/mtu": "1500\n",
      "sys/class/net/b/speed": "2500\n", "sys/class/net/b/tx_queue_len": "-7\n",
    ])
    let links = try read(try collector("links"), context)
    #expect(links.values == ["links.mtu[a]": 1500, "links.speed[b]": 2500])
    #expect(links.unreadable == ["tx_queue_len"])
    #expect(LinksCollector().description.metrics.allSatisfy { !$0.isSigned })
    _ = folder
  }

  @Test func aSensorWithoutANumberCostsItself() throws {
    let chip = "sys/class/hwmon/hwmon3"
    let (folder, context) = try tree([
      "\(chip)/name": "x\n", "\(chip)/temp1_input": "\n", "\(chip)/temp2_input": "N/A\n",
      "\(chip)/temp3_input": "\n\n-40000\n", "\(chip)/temp4_input": "55000",
      "sys/class/thermal/thermal_zone1/temp": "9999999999999999999\n",
    ])
    let sensors = try read(try collector("temperature"), context)
    #expect(
      sensors.values == [
        "temperature.temp[hwmon3.x.temp3]": UInt64(bitPattern: -40_000),
        "temperature.temp[hwmon3.x.temp4]": 55_000,
      ])
    #expect(sensors.unreadable == ["temp"])
    _ = folder
  }

  /// Kernels before 3.x print a zero byte behind the newline.
  @Test func aListOfNodesMayEndInAZeroByte() throws {
    let node = "sys/devices/system/node"
    let (folder, context) = try tree([
      "\(node)/online": "0,2\n\0", "\(node)/node0/numastat": "numa_hit 3\n\0",
      "\(node)/node2/numastat": "numa_hit 4\nnuma_miss ?\n", "\(node)/node2/cpulist": "1\n\0",
      "\(node)/node2/hugepages/hugepages-64kB/nr_hugepages": "9\n\0",
    ])
    let numa = try read(try collector("numa"), context)
    #expect(numa.values == ["numa.numa_hit[node0]": 3, "numa.numa_hit[node2]": 4])
    #expect(numa.unreadable == ["numa_miss"])
    let pages = try read(try collector("hugepages"), context).values
    #expect(pages == ["hugepages.nr_hugepages[64kB@node2]": 9])
    #expect(HostFacts.cpus(ofNode: 2, context.roots) == CPUSet([1]))
    _ = folder
  }

  @Test func aGroupThatIsBeingMadeHasWhatItHas() throws {
    let (folder, context) = try tree([
      "sys/fs/cgroup/cgroup.controllers": "cpu io\n", "sys/fs/cgroup/g/cgroup.procs": "1\n",
      "sys/fs/cgroup/g/cpu.stat": "usage_usec 5\nuser_usec\nsystem_usec -2\n",
      "sys/fs/cgroup/g/io.stat": "9:0 9:1 9:2 rbytes=7 wbytes=x\n9:3 rbytes=8\n9:4",
      "sys/fs/cgroup/g/memory.max": "maximum\n", "sys/fs/cgroup/g/pids.max": "max",
      "sys/fs/cgroup/g/memory.numa_stat": "anon N0=1 Nx=2 N1=\n",
      "sys/fs/cgroup/g/io.pressure": "some avg10=0.5 avg60=0.",
    ])
    let group = try read(CgroupCollector(choices: [.path("g")]), context)
    #expect(
      group.values == [
        "cgroup.cpu.stat.usage_usec[/g]": 5, "cgroup.io.stat.rbytes[/g:9:2]": 7,
        "cgroup.io.stat.rbytes[/g:9:3]": 8, "cgroup.memory.numa_stat.anon[/g:node0]": 1,
        "cgroup.io.pressure.some.avg10[/g]": 50, "cgroup.io.pressure.some.avg60[/g]": 0,
      ])
    #expect(
      group.unreadable == [
        "cpu.stat.user_usec", "cpu.stat.system_usec", "io.stat.wbytes", "memory.max",
        "memory.numa_stat.anon", "io.pressure.some.avg300", "io.pressure.some.total",
      ])
    _ = folder
  }

  @Test func oneDamagedDiskLeavesTheOthers() throws {
    let numbers = "1 2 3 4 5 6 7 8 9 10 11"
    let (folder, context) = try tree([
      "proc/diskstats": "8 0 sda \(numbers)\n8 16 sdb 1 two\n7 0 loop0 \(numbers)\n8 32 sdc 5"
    ])
    let disks = try read(try collector("disk"), context)
    #expect(disks.values.count == 13 && disks.values["disk.read_merges[sdb]"] == nil)
    #expect(disks.values["disk.read_ios[sdc]"] == 5 && disks.values["disk.io_ticks[sda]"] == 10)
    #expect(!disks.values.keys.contains { $0.contains("loop0") })
    _ = folder
  }
}
