import LinuxSystem
import PerfEvents
import SampleModel
import TestSupport
import Testing

/// Event names over trees of /sys that the tests make, by the kernel's ABI documentation.
@Suite struct EventNameTests {
  /// A host with an Intel core PMU, its RAPL PMU and an uncore one.
  private static let intel = [
    "cpu/type": "4", "cpu/format/event": "config:0-7", "cpu/format/umask": "config:8-15",
    "cpu/format/edge": "config:18", "cpu/format/inv": "config:23",
    "cpu/format/cmask": "config:24-31", "cpu/format/in_tx": "config:32",
    "cpu/format/offcore_rsp": "config1:0-63", "cpu/format/ldlat": "config1:0-15",
    "cpu/format/frontend": "config1:0-23", "cpu/events/cpu-cycles": "event=0x3c",
    "cpu/events/mem-loads": "event=0xcd,umask=0x1,ldlat=3",
    "power/type": "21", "power/cpumask": "0,28", "power/format/event": "config:0-7",
    "power/events/energy-pkg": "event=0x02", "power/events/energy-pkg.unit": "Joules",
    "power/events/energy-pkg.scale": "2.3283064365386962890625e-10",
    "uncore_imc_0/type": "14", "uncore_imc_0/cpumask": "0,28",
    "uncore_imc_0/format/event": "config:0-7", "uncore_imc_0/format/umask": "config:8-15",
    "uncore_imc_0/events/cas_count_read": "event=0x04,umask=0x03",
    "uncore_imc_0/events/cas_count_read.scale": "6.103515625e-5",
    "uncore_imc_0/events/cas_count_read.unit": "MiB",
    // Fields split over ranges, and in the later words.
    "uncore_cha_0/type": "15", "uncore_cha_0/format/event": "config:0-7",
    "uncore_cha_0/format/umask": "config:8-15,32-55", "uncore_cha_0/format/tid": "config2:4-7",
  ]

  private func resolver(_ tree: [String: String]) throws -> (TemporaryFolder, EventResolver) {
    let folder = try TemporaryFolder()
    for (name, text) in tree {
      try folder.write("sys/bus/event_source/devices/\(name)", text + "\n")
    }
    for (name, number) in [("sched/sched_switch", 372), ("sched/sched_wakeup", 375)] {
      try folder.write("sys/kernel/tracing/events/\(name)/id", "\(number)\n")
    }
    return (folder, EventResolver(EventSources(MountRoots(sys: folder.file("sys")))))
  }

  @Test(
    arguments: [
      ("cpu/event=0x3c,umask=0x1,cmask=2/", 0x0200_013c, 0, 0),
      ("cpu/event=0xd1,umask=0x20,inv,edge,in_tx/", 0x1_0084_20d1, 0, 0),
      ("cpu/cpu-cycles/", 0x3c, 0, 0), ("cpu/mem-loads/", 0x1cd, 3, 0),
      ("cpu/mem-loads,ldlat=0x1f/", 0x1cd, 0x1f, 0),
      ("cpu/event=0xb7,umask=1,offcore_rsp=0x3fbfc00001/", 0x1b7, 0x3f_bfc0_0001, 0),
      ("cpu/config=0x1a8,config1=7,config2=9/", 0x1a8, 7, 9),
      ("uncore_cha_0/event=0x35,umask=0xc001fe01/", 0x00c0_01fe_0000_0135, 0, 0),
      ("uncore_cha_0/event=1,tid=0xa/", 1, 0, 0xa0),
    ] as [(String, UInt64, UInt64, UInt64)])
  func termsGoWhereTheFormatSays(
    _ name: String, config: UInt64, config1: UInt64, config2: UInt64
  ) throws {
    let (folder, resolver) = try resolver(Self.intel)
    let event = try #require(try resolver.events(name).first)
    #expect(event.attributes.config == config, "\(String(event.attributes.config, radix: 16))")
    #expect(event.attributes.config1 == config1 && event.attributes.config2 == config2)
    _ = folder
  }

  @Test func unitsScalesAndMasksComeFromSysfs() throws {
    let (folder, resolver) = try resolver(Self.intel)
    let energy = try #require(try resolver.events("power/energy-pkg/").first)
    #expect(energy.scale == Scale(1, per: 1 << 32) && energy.unit == .joules)
    #expect(energy.cpus == CPUSet([0, 28]) && energy.attributes.type == 21)
    let reads = try #require(try resolver.events("uncore_imc_0/cas_count_read/").first)
    // 64 bytes a count, as 1/16384 MiB.
    #expect(reads.scale == Scale(1 << 20, per: 16384) && reads.unit == .bytes)
    #expect(try resolver.events("cpu/cpu-cycles/").first?.cpus == nil)
    _ = folder
  }

  @Test func aHybridProcessorHasGenericEventsTwice() throws {
    let (folder, resolver) = try resolver([
      "cpu_core/type": "4", "cpu_core/cpus": "0-15", "cpu_atom/type": "10",
      "cpu_atom/cpus": "16-23",
    ])
    let events = try resolver.events("cycles:u")
    #expect(events.map(\.name) == ["cpu_atom/cycles/u", "cpu_core/cycles/u"])
    #expect(events.map(\.attributes.config) == [10 << 32, 4 << 32])
    #expect(try resolver.events("task-clock").count == 1)
    _ = folder
  }

  @Test func anArmPMUHasItsOwnFields() throws {
    let (folder, resolver) = try resolver([
      "armv8_pmuv3_0/type": "8", "armv8_pmuv3_0/format/event": "config:0-15",
      "armv8_pmuv3_0/format/long": "config1:0", "armv8_pmuv3_0/events/l1d_cache": "event=0x004",
    ])
    let event = try #require(try resolver.events("armv8_pmuv3_0/l1d_cache,long/k").first)
    #expect(event.attributes.type == 8 && event.attributes.config == 4)
    #expect(event.attributes.config1 == 1 && event.attributes.flags.contains(.excludeUser))
    _ = folder
  }

  @Test func groupsAndPatterns() throws {
    let (folder, resolver) = try resolver(Self.intel)
    let groups = try resolver.groups(
      "cycles,{instructions:u,cpu/event=1,umask=2/}:k,sched:*,branches,task-clock,power/energy-pkg/"
    )
    try #require(
      groups.map { $0.map(\.name) } == [
        ["cycles", "branches"], ["instructions:uk", "cpu/event=1,umask=2/"],
        ["sched:sched_switch", "sched:sched_wakeup", "task-clock"], ["power/energy-pkg/"],
      ])
    #expect(groups[2][1].attributes.config == 375 && groups[2][1].happensInKernel)
    #expect(!groups[1][1].attributes.flags.contains(.excludeKernel))
    #expect(groups[1][1].attributes.flags.contains(.excludeUser))
    _ = folder
  }

  @Test(arguments: [
    ("cycels", "no event of this name"), ("cycles:q", "q is no modifier"),
    ("cpu/evnt=1/", "no field called evnt"), ("cpu/event=0x100/", "larger than its field, 255"),
    ("gpu/event=1/", "no PMU gpu"), ("cpu/event=1", "no closing /"),
    ("{cycles", "no closing }"), ("cycles}", "no { before it"), ("cycles,", "another event"),
    ("", "no event is named"), ("{{cycles}}", "cannot hold another"), ("mem:0x10/3:w", "1, 2, 4"),
    ("mem:zz", "expected mem:ADDRESS"), ("mem:0x10:ww", "is repeated"),
    ("cycles:pppp", "at most three p"), ("no:such", "no event of this name"),
    ("cpu/event=x/", "needs a number"), ("r12345678901234567", "no event of this name"),
  ]) func whatIsNoEventSaysWhy(_ text: String, _ reason: String) throws {
    let (folder, resolver) = try resolver(Self.intel)
    #expect {
      _ = try resolver.groups(text)
    } throws: {
      ($0 as? EventError)?.reason.contains(reason) == true
    }
    _ = folder
  }

  @Test func decimalsAreExactFractions() {
    #expect(Scale(decimal: "2.3283064365386962890625e-10") == Scale(1, per: 1 << 32))
    #expect(Scale(decimal: "1") == .identity)
    #expect(Scale(decimal: "64") == Scale(64))
    #expect(Scale(decimal: "0.001") == Scale(1, per: 1000))
    #expect(Scale(decimal: "1.5").map { $0.apply(2) } == 3)
    #expect(Scale(decimal: "x") == nil && Scale(decimal: "-1") == nil && Scale(decimal: "0") == nil)
  }
}
