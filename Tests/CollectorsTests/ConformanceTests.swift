import Glibc
import LinuxSystem
import SampleModel
import Sampler
import TestSupport
import Testing

@testable import Collectors

/// What every collector must do, whichever it is. A new one is in the registry, and so here.
@Suite(.serialized) struct ConformanceTests {
  static let collectors = CollectorRegistry.host().collectors
    .filter { !$0.needsTarget && $0 is any TextCollector }.map(\.description.name)

  private func collector(_ name: String) throws -> any Collector {
    try #require(CollectorRegistry.host()[name])
  }

  private static let tests =
    "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/")

  /// What the captured host lacks, as the kernel's documentation has it.
  private static let synthetic = [
    "proc/schedstat": "version 17\ntimestamp 1\ncpu0 1 2 3 4 5 6 7 8 9\ndomain0 MC 3 1 2 3\n",
    "proc/net/rpc/nfs": "net 0 0 0 0\nrpc 12034 2 12034\nproc3 22 1 2 3\n",
    "proc/net/rpc/nfsd": "rc 0 0 0\nrpc 12034 2 0 2 0\nproc4ops 5 0 0 0 4 5\n",
    "proc/net/stat/nf_conntrack": "entries  found new\n00000001  00000002 00000003\n",
    "proc/partitions": "major minor  #blocks  name\n\n   9        0    1048576 md0\n",
    "proc/pressure/irq": "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2400000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_min_freq": "800000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "3600000\n",
    "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "3\n",
    "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count": "4\n",
    "sys/class/hwmon/hwmon0/name": "coretemp\n", "sys/class/hwmon/hwmon0/temp1_input": "-2500\n",
    "sys/class/thermal/thermal_zone0/type": "acpitz\n",
    "sys/class/thermal/thermal_zone0/temp": "45000\n",
    "sys/class/powercap/intel-rapl:0/name": "package-0\n",
    "sys/class/powercap/intel-rapl:0/energy_uj": "262143328850\n",
    "sys/class/powercap/intel-rapl:0/max_energy_range_uj": "262143328900\n",
    "sys/class/block/md0/md/raid_disks": "4\n", "sys/class/block/md0/md/degraded": "1\n",
    "sys/class/block/md0/md/mismatch_cnt": "0\n",
    "sys/class/block/md0/md/sync_completed": "none\n",
    "sys/class/block/md0/md/sync_speed": "none\n",
    "sys/devices/system/edac/mc/mc0/ce_count": "1\n",
    "sys/devices/system/edac/mc/mc0/ue_count": "2\n",
    "sys/devices/system/edac/mc/mc0/ce_noinfo_count": "3\n",
    "sys/devices/system/edac/mc/mc0/ue_noinfo_count": "4\n",
  ]

  /// A copy of a captured host that a test may damage.
  private func fixture(_ kernel: String = "6.18-2cpu") throws -> (TemporaryFolder, CollectorContext)
  {
    let folder = try TemporaryFolder()
    for (name, text) in Self.synthetic { try folder.write(name, text) }
    try copy("", of: "\(Self.tests)/Fixtures/\(kernel)", to: folder)
    let roots = MountRoots(proc: folder.file("proc"), sys: folder.file("sys"))
    return (folder, CollectorContext(roots: roots))
  }

  private func copy(_ path: String, of source: String, to folder: TemporaryFolder) throws {
    let entries = directoryEntries("\(source)/\(path)")
    for entry in entries {
      let below = path.isEmpty ? entry : "\(path)/\(entry)"
      // A directory opens and does not read.
      if let bytes = try? SmallFile.read("\(source)/\(below)") {
        try folder.write(below, String(decoding: bytes, as: UTF8.self))
      } else {
        try copy(below, of: source, to: folder)
      }
    }
  }

  /// The files that a collector has numbers from.
  private func files(_ name: String, _ context: CollectorContext) throws -> [String] {
    let collector = try #require(try collector(name) as? any TextCollector)
    return collector.sources(context).map(\.path).filter { path in
      (try? SmallFile.read(path)) != nil && !path.hasSuffix("node/online")
        && !(name == "links" && path.hasSuffix("net/dev"))
    }
  }

  private func sample(_ armed: ArmedCollector) -> (AcquisitionOutcome, [UInt64]) {
    let acquisition = SingleAcquisition(armed)
    let outcome = acquisition.take()
    return (outcome, acquisition.values)
  }

  @Test(arguments: collectors)
  func theSchemaMatchesTheValues(_ name: String) throws {
    let (folder, context) = try fixture()
    let collector = try collector(name)
    #expect(collector.probe(context) == .available)
    let armed = try collector.arm(context)
    defer { armed.disarm() }
    let (outcome, values) = sample(armed)
    #expect(outcome == .complete)
    let unset = zip(armed.columns, values).filter { $0.1 == .max && !$0.0.metric.isSigned }
    #expect(unset.isEmpty, "a column was not written")
    let names = armed.columns.map(\.name)
    #expect(Set(names).count == names.count)
    let description = collector.description
    let known = Dictionary(uniqueKeysWithValues: description.metrics.map { ($0.name, $0) })
    for column in armed.columns {
      if let metric = known[column.metric.name] {
        #expect(metric == column.metric)
      } else {
        #expect(description.isOpen, "\(column.name) is not in the schema")
      }
      #expect(column.name.hasPrefix("\(description.prefix)."))
      #expect((column.metric.extent == .host) == column.instance.isEmpty)
      #expect(!column.metric.meaning.isEmpty)
    }
    _ = folder
  }

  @Test(arguments: collectors)
  func theLiveKernelIsRead(_ name: String) throws {
    let context = CollectorContext(roots: MountRoots())
    let collector = try collector(name)
    // What this host does not have says so, and only that.
    let availability = collector.probe(context)
    guard availability == .available else {
      #expect(!availability.reason.isEmpty)
      try Test.cancel("\(name): \(availability.reason)")
    }
    let armed = try collector.arm(context)
    defer { armed.disarm() }
    for _ in 0..<20 { #expect(sample(armed).0 == .complete) }
  }

  @Test(arguments: collectors)
  func filtersKeepTheRightValues(_ name: String) throws {
    let (folder, context) = try fixture()
    let whole = try collector(name).arm(context)
    let all = Dictionary(
      uniqueKeysWithValues: zip(whole.columns.map(\.name), sample(whole).1))
    let wanted = whole.columns.map(\.name).enumerated().filter { $0.offset % 3 == 0 }
      .map(\.element).prefix(50).map { $0 }
    let filtered = try collector(name).arm(
      CollectorContext(roots: context.roots, filter: ColumnFilter(only: wanted)))
    let (outcome, values) = sample(filtered)
    #expect(outcome == .complete)
    #expect(filtered.columns.map(\.name) == wanted)
    #expect(values == wanted.map { all[$0] })
    whole.disarm()
    filtered.disarm()
    _ = folder
  }

  @Test(arguments: collectors)
  func aVanishedSourceIsAbsentAndItsArmingAnError(_ name: String) throws {
    let nowhere = CollectorContext(roots: MountRoots(proc: "/nowhere", sys: "/nowhere"))
    guard case .absent = try collector(name).probe(nowhere) else {
      Issue.record("a probe of nothing says \(try collector(name).probe(nowhere))")
      return
    }
    #expect {
      _ = try collector(name).arm(nowhere)
    } throws: {
      ($0 as? LBError)?.category == .collectorUnavailable
    }
  }

  /// Columns whose values are others than `whole` has them; those that are absent are none of them,
  /// nor are sums over instances, some of which may be absent.
  /// What the collector's `other` texts say under the same name is right too.
  private func wrong(
    _ acquisition: SingleAcquisition, _ whole: [String: UInt64], _ other: [String: UInt64]
  ) -> [String] {
    zip(acquisition.columns, acquisition.values).compactMap { column, value in
      guard let right = whole[column.name] else { return "\(column.name) is new" }
      if value == right || value == other[column.name] { return nil }
      if column.metric.isSum && value <= right { return nil }
      return "\(column.name) is \(value), not \(right)"
    }
  }

  /// Cut behind a line, a text gives the right numbers or none. Cut within a line, so do the lines
  /// before it: what its own number or name was, nobody can know. Whole again, it gives all of
  /// them.
  @Test(arguments: collectors)
  func everyTruncationGivesRightNumbersOrNone(_ name: String) throws {
    let (folder, context) = try fixture()
    for file in try files(name, context).prefix(4) {
      let text = try SmallFile.read(file)
      let armed = try collector(name).arm(context)
      defer { armed.disarm() }
      let acquisition = SingleAcquisition(armed)
      #expect(acquisition.take() == .complete)
      let whole = acquisition.named
      func take(_ length: Int) throws -> AcquisitionOutcome {
        let output = try OwnedDescriptor(open: file, O_WRONLY | O_TRUNC)
        try writeAll(Array(text[..<length]).span, to: output.number)
        return acquisition.take()
      }
      // A name that two texts have is read from the first that has it.
      let other = try take(0) == .complete ? acquisition.named : [:]
      for length in Array(stride(from: text.count, through: 0, by: -max(1, text.count / 100))) + [0]
      {
        let inner = try take(length)
        let line = text[..<length].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let (columns, values) = (acquisition.columns, acquisition.values)
        guard try take(line) == .complete else { continue }
        #expect(wrong(acquisition, whole, other).isEmpty, "\(file) cut at \(line)")
        guard inner == .complete, line < length else { continue }
        let cut = Dictionary(zip(columns.map(\.name), values)) { first, _ in first }
        for column in acquisition.columns where !column.metric.isSum {
          guard let value = cut[column.name], other[column.name] == nil else { continue }
          #expect(value == whole[column.name], "\(column.name), \(file) cut at \(length)")
        }
      }
      let output = try OwnedDescriptor(open: file, O_WRONLY | O_TRUNC)
      try writeAll(text.span, to: output.number)
      #expect(acquisition.take() == .complete)
      #expect(acquisition.named == whole, "\(file), whole again")
    }
    _ = folder
  }

  /// Whatever a text grows by, it is read to its end by the arming that there is.
  @Test(arguments: collectors)
  func aTextThatGrowsIsReadWhole(_ name: String) throws {
    let (folder, context) = try fixture()
    let file = try #require(try files(name, context).first)
    let armed = try collector(name).arm(context)
    defer { armed.disarm() }
    let acquisition = SingleAcquisition(armed)
    #expect(acquisition.take() == .complete)
    let (whole, before) = (acquisition.named, try #require(acquisition.bytes))
    let text = try SmallFile.read(file)
    let output = try OwnedDescriptor(open: file, O_WRONLY | O_TRUNC)
    let more = String(repeating: "more 1 2 3\n", count: 40_000)
    try writeAll((text + Array(more.utf8)).span, to: output.number)
    #expect(acquisition.take() == .complete)
    #expect(acquisition.bytes == before + more.utf8.count)
    let after = acquisition.named
    for column in acquisition.columns where !column.metric.isSum {
      guard let right = whole[column.name] else { continue }
      #expect(after[column.name] == right, "\(column.name)")
    }
    #expect(Set(whole.keys).isSubset(of: after.keys))
    _ = folder
  }

  @Test(arguments: collectors)
  func aThousandArmingsLeaveNoDescriptor(_ name: String) throws {
    let collector = try collector(name)
    let (folder, context) = try fixture()
    func cycle() throws {
      let armed = try collector.arm(context)
      #expect(descriptors(below: folder.path) >= 1, "the counter must count")
      armed.disarm()
    }
    // A thousand over all collectors.
    for _ in 0..<1000 / Self.collectors.count + 1 { try cycle() }
    #expect(descriptors(below: folder.path) == 0)
  }

  /// Descriptors of this process that are open on files below `path`.
  private func descriptors(below path: String) -> Int {
    directoryEntries("/proc/self/fd").filter { name in
      var buffer = [CChar](repeating: 0, count: 256)
      let count = unsafe readlink("/proc/self/fd/\(name)", &buffer, 255)
      let target = String(
        decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
      return target.hasPrefix(path)
    }.count
  }

  @Test func aForeignMountShowsItsFirstProcessesInterfaces() throws {
    let (folder, context) = try fixture()
    try folder.write(
      "proc/1/net/dev",
      "h\nh\n  host0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")
    let armed = try collector("net").arm(context)
    #expect(Set(armed.columns.map(\.instance)) == ["host0"])
    armed.disarm()
  }

  /// The kernel's own readings, with the range at which they turn: readers count over it.
  @Test func energyTurnsAtTheRangeThatItsColumnHas() throws {
    let (folder, context) = try fixture()
    let armed = try collector("power").arm(context)
    defer { armed.disarm() }
    let acquisition = SingleAcquisition(armed)
    for reading in [262_143_328_850, 100, 50] as [UInt64] {
      try folder.write("sys/class/powercap/intel-rapl:0/energy_uj", "\(reading)\n")
      #expect(acquisition.take() == .complete && acquisition.values == [reading])
      #expect(acquisition.columns.map(\.range) == [262_143_328_900])
    }
  }

  @Test func anArrayThatBeginsToSynchroniseGetsItsColumns() throws {
    let (folder, context) = try fixture()
    let armed = try collector("md").arm(context)
    defer { armed.disarm() }
    let acquisition = SingleAcquisition(armed)
    #expect(acquisition.take() == .complete)
    let idle = acquisition.columns
    #expect(!idle.contains { $0.metric.name == "sync_completed" })
    for (text, completed) in [
      ("512 / 2048", 512), ("none", nil), ("513 / 2048", 513), ("delayed", nil),
    ]
      as [(String, UInt64?)]
    {
      try folder.write("sys/class/block/md0/md/sync_completed", "\(text)\n")
      #expect(acquisition.take() == .complete, "by the same arming")
      #expect(acquisition.named["md.sync_completed[md0]"] == completed)
      #expect(acquisition.named["md.sync_total[md0]"] == (completed == nil ? nil : 2048))
      if completed == nil { #expect(acquisition.columns == idle) }
    }
  }

  @Test func theListOfCPUsIsKept() throws {
    let (folder, context) = try fixture()
    var options = CollectorOptions()
    options.cpus = CPUSet([1])
    let cpu = try #require(CollectorRegistry.host(options)["cpu"])
    let armed = try cpu.arm(context)
    #expect(Set(armed.columns.map(\.instance)) == ["all", "1", ""])
    armed.disarm()
    _ = folder
  }

  @Test func aNodesTimeIsThatOfItsCPUs() throws {
    let (folder, context) = try fixture("6.1-8cpu-2node")
    try folder.write("sys/devices/system/node/online", "0-1\n")
    try folder.write("sys/devices/system/node/node0/cpulist", "0-3\n")
    try folder.write("sys/devices/system/node/node1/cpulist", "4-7\n")
    let armed = try collector("cpu").arm(context)
    defer { armed.disarm() }
    let (outcome, values) = sample(armed)
    #expect(outcome == .complete)
    let named = Dictionary(uniqueKeysWithValues: zip(armed.columns.map(\.name), values))
    for state in ["user", "system", "idle"] {
      for (node, cpus) in [("node0", 0...3), ("node1", 4...7)] {
        let sum = try cpus.reduce(0 as UInt64) { try $0 + #require(named["cpu.\(state)[\($1)]"]) }
        #expect(named["cpu.\(state)[\(node)]"] == sum)
      }
    }
    var options = CollectorOptions()
    options.cpus = CPUSet([0, 4, 5, 6, 7])
    let some = try #require(CollectorRegistry.host(options)["cpu"]).arm(context)
    let nodes = Set(some.columns.map(\.instance).filter { $0.hasPrefix("node") })
    #expect(nodes == ["node1"], "node 0 lacks CPUs")
    some.disarm()
  }
}
