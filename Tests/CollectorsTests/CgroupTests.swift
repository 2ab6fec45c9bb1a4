import LinuxSystem
import SampleModel
import Sampler
import TestSupport
import Testing

@testable import Collectors

@Suite struct CgroupTests {
  /// A unified hierarchy with one group, as cgroup-v2.rst has its files.
  private func unified() throws -> (TemporaryFolder, CollectorContext) {
    let folder = try TemporaryFolder()
    let base = "sys/fs/cgroup"
    for (name, text) in [
      "cgroup.controllers": "cpu io memory pids\n", "cgroup.procs": "",
      "batch/cgroup.procs": "12\n",
      "batch/cpu.stat": "usage_usec 100\nuser_usec 60\nsystem_usec 40\nnr_throttled 2\n",
      "batch/cpu.max": "50000 100000\n", "batch/memory.current": "4096\n",
      "batch/memory.peak": "8192\n", "batch/memory.max": "max\n", "batch/pids.current": "3\n",
      "batch/memory.stat": "anon 1000\npgfault 77\npagetables 4096\nworkingset_refault_anon 5\n",
      "batch/memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 1\n",
      "batch/memory.numa_stat": "anon N0=600 N1=400\nfile N0=0 N1=8192\n",
      "batch/io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:16 \n",
      "batch/cpu.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n",
    ] {
      try folder.write("\(base)/\(name)", text)
    }
    let roots = MountRoots(proc: folder.file("proc"), sys: folder.file("sys"))
    return (folder, CollectorContext(roots: roots))
  }

  private func values(_ armed: ArmedCollector) -> (AcquisitionOutcome, [String: UInt64]) {
    let acquisition = SingleAcquisition(armed)
    let outcome = acquisition.take()
    return (outcome, acquisition.named)
  }

  @Test func aGroupIsWhatItsFilesSay() throws {
    let (folder, context) = try unified()
    for path in ["/batch", "batch/", folder.file("sys/fs/cgroup/batch")] {
      let collector = CgroupCollector(choices: [.path(path)])
      #expect(collector.probe(context) == .available)
      let armed = try collector.arm(context)
      let (outcome, values) = values(armed)
      #expect(outcome == .complete)
      #expect(
        values.filter { $0.value != 0 } == [
          "cgroup.cpu.stat.usage_usec[/batch]": 100, "cgroup.cpu.stat.user_usec[/batch]": 60,
          "cgroup.cpu.stat.system_usec[/batch]": 40, "cgroup.cpu.stat.nr_throttled[/batch]": 2,
          "cgroup.cpu.max.quota[/batch]": 50000, "cgroup.cpu.max.period[/batch]": 100_000,
          "cgroup.memory.current[/batch]": 4096, "cgroup.memory.peak[/batch]": 8192,
          "cgroup.pids.current[/batch]": 3, "cgroup.memory.stat.anon[/batch]": 1000,
          "cgroup.memory.stat.pgfault[/batch]": 77, "cgroup.memory.stat.pagetables[/batch]": 4096,
          "cgroup.memory.stat.workingset_refault_anon[/batch]": 5,
          "cgroup.memory.events.oom_kill[/batch]": 1,
          "cgroup.memory.numa_stat.anon[/batch:node0]": 600,
          "cgroup.memory.numa_stat.anon[/batch:node1]": 400,
          "cgroup.memory.numa_stat.file[/batch:node1]": 8192,
          "cgroup.io.stat.rbytes[/batch:8:0]": 1, "cgroup.io.stat.wbytes[/batch:8:0]": 2,
          "cgroup.io.stat.rios[/batch:8:0]": 3, "cgroup.io.stat.wios[/batch:8:0]": 4,
          "cgroup.io.stat.dbytes[/batch:8:0]": 5, "cgroup.io.stat.dios[/batch:8:0]": 6,
          "cgroup.cpu.pressure.some.total[/batch]": 9,
        ])
      let kinds = Dictionary(uniqueKeysWithValues: armed.columns.map { ($0.name, $0.metric) })
      #expect(kinds["cgroup.memory.stat.anon[/batch]"]?.kind == .gauge)
      #expect(kinds["cgroup.memory.stat.pagetables[/batch]"]?.unit == .bytes)
      #expect(kinds["cgroup.memory.stat.pgfault[/batch]"]?.kind == .counter)
      #expect(kinds["cgroup.cpu.stat.usage_usec[/batch]"]?.scale == Scale(1000))
      armed.disarm()
    }
  }

  @Test func aLimitThatIsSetAndTakenAwayHasItsColumnMeanwhile() throws {
    let (folder, context) = try unified()
    let armed = try CgroupCollector(choices: [.path("/batch")]).arm(context)
    defer { armed.disarm() }
    let acquisition = SingleAcquisition(armed)
    for (limit, value) in [("max", nil), ("1048576", 1_048_576), ("max", nil)]
      as [(String, UInt64?)]
    {
      try folder.write("sys/fs/cgroup/batch/memory.max", "\(limit)\n")
      #expect(acquisition.take() == .complete)
      #expect(acquisition.named["cgroup.memory.max[/batch]"] == value)
      #expect(acquisition.named["cgroup.memory.current[/batch]"] == 4096)
    }
  }

  /// A v1 group without a limit says LONG_MAX, rounded down to a page of 4 or 64 KiB.
  @Test(arguments: [0x7fff_ffff_ffff_f000, 0x7fff_ffff_ffff_0000] as [UInt64])
  func noLimitIsAbsent(_ none: UInt64) throws {
    let folder = try TemporaryFolder()
    let base = "sys/fs/cgroup/memory"
    try folder.write("\(base)/cgroup.procs", "")
    try folder.write("\(base)/w/cgroup.procs", "")
    func say(_ limit: UInt64) throws {
      try folder.write(
        "\(base)/w/memory.stat",
        "cache 1\nhierarchical_memory_limit \(limit)\nhierarchical_memsw_limit \(none)\nrss 2\n")
    }
    try say(none)
    let roots = MountRoots(proc: folder.file("proc"), sys: folder.file("sys"))
    let armed = try CgroupCollector(choices: [.path("/w")]).arm(CollectorContext(roots: roots))
    defer { armed.disarm() }
    let acquisition = SingleAcquisition(armed)
    var wanted: [String: UInt64] = [
      "cgroup.memory.stat.cache[/w]": 1, "cgroup.memory.stat.rss[/w]": 2,
    ]
    for limit in [none, 1 << 30, none] {
      try say(limit)
      #expect(acquisition.take() == .complete)
      wanted["cgroup.memory.stat.hierarchical_memory_limit[/w]"] = limit == none ? nil : limit
      #expect(acquisition.named == wanted)
    }
  }

  @Test(arguments: ["/nobody", "../../etc", "/batch/../.."])
  func whatIsNoGroupIsAbsent(_ path: String) throws {
    let (folder, context) = try unified()
    let availability = CgroupCollector(choices: [.path(path)]).probe(context)
    #expect(availability.word == "absent" && availability.reason.contains(path))
    _ = folder
  }

  @Test func aHybridHostHasBoth() throws {
    let folder = try TemporaryFolder()
    for (name, text) in [
      "unified/cgroup.controllers": "\n", "unified/w/cgroup.procs": "",
      "unified/w/cpu.stat": "usage_usec 7\n", "memory/cgroup.procs": "",
      "memory/w/cgroup.procs": "", "memory/w/memory.usage_in_bytes": "12288\n",
      "cpuacct/cgroup.procs": "", "cpuacct/w/cgroup.procs": "", "cpuacct/w/cpuacct.usage": "7000\n",
      "blkio/cgroup.procs": "", "blkio/w/cgroup.procs": "",
      "blkio/w/blkio.throttle.io_serviced": "8:0 Read 1\n8:0 Write 2\nTotal 3\n",
      "blkio/w/blkio.throttle.io_service_bytes": "Total 0\n",
    ] {
      try folder.write("sys/fs/cgroup/\(name)", text)
    }
    let roots = MountRoots(proc: folder.file("proc"), sys: folder.file("sys"))
    let armed = try CgroupCollector(choices: [.path("/w")]).arm(CollectorContext(roots: roots))
    defer { armed.disarm() }
    #expect(!armed.notes.contains { $0.contains("io_service_bytes") }, "\(armed.notes)")
    #expect(
      values(armed).1 == [
        "cgroup.cpu.stat.usage_usec[/w]": 7, "cgroup.memory.usage_in_bytes[/w]": 12288,
        "cgroup.cpuacct.usage[/w]": 7000,
        "cgroup.blkio.throttle.io_serviced.Read[/w:8:0]": 1,
        "cgroup.blkio.throttle.io_serviced.Write[/w:8:0]": 2,
      ])
  }
}
