import KernelText
import LinuxSystem
import SampleModel
import Sampler
import TestSupport
import Testing

@testable import Collectors

/// Which rule the counters of single collectors have, and what readers make of it.
@Suite struct CounterRuleTests {
  /// Two nodes of two CPUs; a CPU's times are its number, its user time and its idle time.
  private static func stat(_ cpus: [(Int, UInt64, UInt64)], all: (UInt64, UInt64)) -> String {
    let lines = cpus.map { "cpu\($0.0) \($0.1) 0 0 \($0.2) 0 0 0 0 0 0\n" }.joined()
    return "cpu  \(all.0) 0 0 \(all.1) 0 0 0 0 0 0\n" + lines
      + "intr 4294967299 9\nctxt 5\nbtime 6\nprocesses 7\nprocs_running 1\nprocs_blocked 0\n"
      + "softirq 12 3\n"
  }

  private static func host() throws -> (TemporaryFolder, CollectorContext) {
    let folder = try TemporaryFolder()
    try folder.write("sys/devices/system/cpu/possible", "0-3\n")
    try folder.write("sys/devices/system/node/online", "0-1\n")
    try folder.write("sys/devices/system/node/node0/cpulist", "0-1\n")
    try folder.write("sys/devices/system/node/node1/cpulist", "2-3\n")
    let roots = MountRoots(proc: folder.file("proc"), sys: folder.file("sys"))
    return (folder, CollectorContext(roots: roots))
  }

  /// CPU 3 goes and comes back, with a thousand seconds of user time since boot, and the idle clock
  /// of the kernel's line falls and jumps.
  @Test func aCPUThatGoesAndComesMakesNoSpike() throws {
    let (folder, context) = try Self.host()
    let collector = try #require(CollectorRegistry.host()["cpu"])
    var derivation = Derivation(raw: false)
    var epoch: UInt32 = 0
    func values(_ text: String, _ nodeOne: String, _ second: UInt64) throws -> [String: Double] {
      try folder.write("proc/stat", text)
      try folder.write("sys/devices/system/node/node1/cpulist", nodeOne)
      let armed = try collector.arm(context)
      defer { armed.disarm() }
      let acquisition = SingleAcquisition(armed)
      #expect(acquisition.take() == .complete)
      // A new layout where the columns are others.
      epoch = armed.columns.contains { $0.instance == "3" } ? 1 : 2
      let layout = Layout(collector: "cpu", stream: 0, epoch: epoch, columns: armed.columns)
      derivation.layout(layout)
      let header = FrameHeader(
        stream: 0, epoch: epoch, bracket: 1, start: second * 1_000_000_000, end: 0)
      return derivation.derive(header, acquisition.values.span).named(layout)
    }
    let far: UInt64 = 100_000
    let whole: [(Int, UInt64, UInt64)] = [(0, 10, 900), (1, 10, 900), (2, 10, 900), (3, far, 900)]
    _ = try values(Self.stat(whole, all: (far + 30, 3600)), "2-3\n", 1)
    let without = try values(
      Self.stat([(0, 20, 990), (1, 10, 1000), (2, 60, 950)], all: (far + 90, 3300)), "2\n", 2)
    #expect(without["cpu.user[all]"] == 0.6 && without["cpu.idle[all]"] == nil)
    // No CPU of node 0 has gone; the host's totals are of all possible CPUs.
    #expect(without["cpu.user[node0]"] == 0.1 && without["cpu.user[node1]"] == nil)
    #expect(without["cpu.intr"] == 0 && without["cpu.softirq_total"] == 0)
    #expect(without["cpu.user[2]"] == 0.5)
    let back = try values(
      Self.stat(
        [(0, 20, 1090), (1, 10, 1100), (2, 60, 1050), (3, far + 4, 996)],
        all: (far + 94, 900_000)), "2-3\n", 3)
    #expect(back["cpu.idle[all]"] == nil && back["cpu.user[node1]"] == nil)
    // Its own time goes on, over the two seconds since it was read.
    #expect(back["cpu.user[3]"] == 0.02 && back["cpu.idle[3]"] == 0.48)
    let last = try values(
      Self.stat(
        [(0, 20, 1190), (1, 10, 1200), (2, 70, 1140), (3, far + 24, 1076)],
        all: (far + 124, 900_370)), "2-3\n", 4)
    #expect(last["cpu.user[node1]"] == 0.3 && last["cpu.idle[all]"] == 3.7)
  }

  /// Readings of one arming, one a second, and the rates between them: of each column its rate,
  /// which is absent at the first.
  private static func rates(
    _ name: String, _ files: [[String: String]], cgroup: String? = nil
  ) throws -> (rates: [[String: Double]], sums: [String: UInt64], messages: [String]) {
    let (folder, context) = try host()
    for (path, text) in files[0] { try folder.write(path, text) }
    let groups: (any Collector)? = cgroup.map { CgroupCollector(choices: [.path($0)]) }
    let collector = try #require(groups ?? CollectorRegistry.host()[name])
    let armed = try collector.arm(context)
    defer { armed.disarm() }
    let acquisition = SingleAcquisition(armed)
    var derivation = Derivation(raw: false)
    var account = CounterAccount()
    var known: [[Column]] = []
    var all: [[String: Double]] = []
    var sums: [String: UInt64] = [:]
    for (second, texts) in files.enumerated() {
      for (path, text) in texts { try folder.write(path, text) }
      #expect(acquisition.take() == .complete)
      let columns = acquisition.columns
      let place = known.firstIndex(of: columns) ?? known.count
      if place == known.count { known.append(columns) }
      let epoch = UInt32(place + 1)
      let layout = Layout(collector: name, stream: 0, epoch: epoch, columns: columns)
      derivation.layout(layout)
      account.layout(layout)
      let time = UInt64(second) * 1_000_000_000
      let header = FrameHeader(stream: 0, epoch: epoch, bracket: 1, start: time, end: time)
      let values = acquisition.values
      all.append(derivation.derive(header, values.span).named(layout))
      if second == 0 { account.open(values.span, at: time) }
      if second > 0 { account.observe(values.span, at: time) }
      sums = [:]
      for (place, column) in columns.enumerated() { sums[column.name] = account.sum(place) }
    }
    return (all, sums, armed.notes)
  }

  private static func interrupts(_ rows: [String], cpus: Int = 2) -> [String: String] {
    let header = (0..<cpus).map { "CPU\($0) " }.joined()
    return ["proc/interrupts": "     \(header)\n" + rows.map { "\($0)\n" }.joined()]
  }

  /// Another row that vanishes or is renamed costs no other one; a CPU that comes costs the sums
  /// that it is in, and no count of its past is taken for growth.
  @Test func aRowOfInterruptsTakesNoOther() throws {
    let (rates, sums, _) = try Self.rates(
      "interrupts",
      [
        Self.interrupts([" 1: 5 5  IO-APIC   1-edge      eth0", "LOC: 10 20", "ERR: 5"]),
        Self.interrupts(["LOC: 11 22", "ERR: 6"]),
        Self.interrupts([" 1: 5 9  IO-APIC   1-edge      eth0", "LOC: 12 24", "ERR: 7"]),
        Self.interrupts([" 1: 5 9  IO-APIC   1-edge      lan0", "LOC: 13 26", "ERR: 8"]),
      ])
    for second in 1...3 {
      #expect(rates[second]["interrupts.count[LOC]"] == 3, "\(second)")
      #expect(rates[second]["interrupts.count[ERR]"] == 1, "\(second)")
    }
    #expect(rates[2]["interrupts.count[1:eth0]"] == 2)
    #expect(sums["interrupts.count[LOC]"] == 9 && sums["interrupts.count[ERR]"] == 3)
    let (online, totals, _) = try Self.rates(
      "interrupts",
      [
        Self.interrupts(["LOC: 100", "ERR: 5"], cpus: 1),
        Self.interrupts(["LOC: 200 500000", "ERR: 6"]),
        Self.interrupts(["LOC: 300 500000", "ERR: 7"]),
      ])
    #expect(online[1]["interrupts.count[LOC]"] == nil && online[2]["interrupts.count[LOC]"] == 100)
    #expect(totals["interrupts.count[LOC]"] == nil && totals["interrupts.count[ERR]"] == 2)
  }

  @Test func oneWordThatCannotBeReadTakesNoOtherRow() throws {
    func softirqs(_ row: String) -> [String: String] {
      ["proc/softirqs": "   CPU0 CPU1\n TIMER: 5 6\n NET_RX: \(row)\n"]
    }
    let soft = try Self.rates("softirqs", [softirqs("1 5"), softirqs("1x 5"), softirqs("3 6")])
    #expect(soft.rates[1] == ["softirqs.TIMER": 0])
    #expect(soft.rates[2] == ["softirqs.TIMER": 0, "softirqs.NET_RX": 1.5])
    #expect(soft.sums == ["softirqs.TIMER": 0, "softirqs.NET_RX": 3])
    func stat(_ user: String, _ context: String) -> [String: String] {
      let text = Self.stat([(0, 10, 900), (1, 10, 900)], all: (20, 1800))
      return [
        "proc/stat": text.replacing("cpu1 10", with: "cpu1 \(user)")
          .replacing("ctxt 5", with: "ctxt \(context)")
      ]
    }
    let cpu = try Self.rates("cpu", [stat("10", "5"), stat("1x", "x"), stat("10", "6")])
    let others = ["intr", "softirq_total", "idle[all]", "idle[1]", "idle[node0]"]
    for name in others.map({ "cpu.\($0)" }) {
      #expect(cpu.rates[1][name] == 0 && cpu.rates[2][name] == 0, "\(name)")
    }
    #expect(cpu.rates[1]["cpu.ctxt"] == nil && cpu.rates[2]["cpu.ctxt"] == 0.5)
    #expect(cpu.rates[1]["cpu.user[node0]"] == nil && cpu.rates[2]["cpu.user[node0]"] == 0)
  }

  /// A name that numastat has does not go over to vmstat when its word cannot be read.
  @Test func aNameStaysWithItsSource() throws {
    let node = "sys/devices/system/node/node0"
    func files(_ hits: String) -> [String: String] {
      [
        "\(node)/numastat": "numa_hit \(hits)\nnuma_miss 3\n",
        "\(node)/vmstat": "numa_hit 900\n",
      ]
    }
    let numa = try Self.rates("numa", [files("5"), files("5x"), files("7")])
    #expect(numa.rates[1] == ["numa.numa_miss[node0]": 0])
    #expect(numa.rates[2] == ["numa.numa_miss[node0]": 0, "numa.numa_hit[node0]": 1])
    let cut = try Self.rates("numa", [files("5"), ["\(node)/numastat": ""], files("7")])
    #expect(cut.rates[1].isEmpty && cut.rates[2]["numa.numa_hit[node0]"] == 1)
  }

  @Test func anInterfaceThatComesBackIsAnotherOne() throws {
    func dev(_ rows: [(String, Int)]) -> [String: String] {
      let lines = rows.map { name, bytes in
        "\(name): \(bytes) " + Array(repeating: "0", count: 15).joined(separator: " ") + "\n"
      }
      return ["proc/net/dev": "Inter-| Receive\n face |bytes\n" + lines.joined()]
    }
    let net = try Self.rates(
      "net",
      [
        dev([("lo", 1), ("d0", 2000)]), dev([("lo", 2)]), dev([("lo", 3), ("d0", 4000)]),
        dev([("lo", 4), ("d0", 4010)]),
      ])
    #expect(net.rates[2]["net.rx_bytes[d0]"] == nil && net.rates[3]["net.rx_bytes[d0]"] == 10)
    #expect(net.sums["net.rx_bytes[d0]"] == nil && net.sums["net.rx_bytes[lo]"] == 3)
    let disk = try #require(CollectorRegistry.host()["disk"]).description
    #expect(disk.metrics.allSatisfy { $0.life == .row })
  }

  /// The kernel lists a device from its first use on; a group that is new has an empty list, which
  /// is nothing to warn of.
  @Test(arguments: ["", "8:16 rbytes=5\n", "8:0 8:16 rbytes=5\n"])
  func aDeviceOfAGroupCountsFromZero(_ first: String) throws {
    let group = "sys/fs/cgroup/g"
    func files(_ list: String) -> [String: String] {
      [
        "sys/fs/cgroup/cgroup.controllers": "io\n", "\(group)/cgroup.procs": "",
        "\(group)/cpu.stat": "usage_usec 5\n", "\(group)/io.stat": list,
      ]
    }
    let used = "8:0 rbytes=28672 wbytes=1\n8:16 rbytes=5\n"
    let read = try Self.rates("cgroup", [files(first), files(used), files(used)], cgroup: "/g")
    #expect(read.rates[1]["cgroup.io.stat.rbytes[/g:8:0]"] == 28_672)
    #expect(read.rates[2]["cgroup.io.stat.rbytes[/g:8:0]"] == 0)
    #expect(read.sums["cgroup.io.stat.rbytes[/g:8:0]"] == 28_672)
    #expect(!read.messages.contains { $0.contains("io.stat") })
    // What could not be read before was perhaps there.
    let torn = try Self.rates(
      "cgroup", [files("8:0 rbytes=x\n"), files(used), files(used)], cgroup: "/g")
    #expect(torn.rates[1]["cgroup.io.stat.rbytes[/g:8:0]"] == nil)
    #expect(torn.sums["cgroup.io.stat.rbytes[/g:8:0]"] == nil)
  }

  /// Levels that do not look like it, and counters that are called like levels.
  @Test func levelsAreGaugesAndEventsAreCounters() throws {
    func kind(_ collector: String, _ name: String) throws -> MetricKind? {
      let texts = try #require(CollectorRegistry.host()[collector] as? any TextCollector)
      return texts.metric(TextField(name, of: "node0"))?.kind
    }
    #expect(try kind("protocols", "MPTcpExt.MPCurrEstab") == .gauge)
    #expect(try kind("protocols", "MPTcpExt.MPCapableSYNRX") == .counter)
    for collector in ["zones", "vm", "numa"] {
      for name in [
        "nr_dirtied", "nr_written", "nr_vmscan_write", "nr_vmscan_immediate_reclaim",
        "nr_throttled_written", "nr_foll_pin_acquired", "nr_foll_pin_released", "numa_hit",
        "workingset_refault_file", "pgpromote_success",
      ] {
        #expect(try kind(collector, name) == .counter, "\(collector) \(name)")
      }
      for name in ["nr_free_pages", "nr_dirty", "workingset_nodes"] {
        #expect(try kind(collector, name) == .gauge, "\(collector) \(name)")
      }
    }
    #expect(try kind("zones", "free") == .gauge && kind("zones", "pagesets.count") == .gauge)
    let groups = CgroupCollector(choices: [])
    for (name, kind) in [
      ("io.stat.cost.vrate", MetricKind.gauge), ("io.stat.use_delay", .gauge),
      ("memory.stat.pswpin", .counter), ("io.stat.cost.usage", .counter),
    ] {
      #expect(groups.metric(TextField(name))?.kind == kind, "\(name)")
    }
  }

  /// Sums of counts of 32 bits, of which one wrapped.
  @Test func theTotalsOfInterruptsWrapByTheirParts() throws {
    let collector = try #require(CollectorRegistry.host()["cpu"])
    for name in ["intr", "softirq_total"] {
      let metric = try #require(collector.description.metrics.first { $0.name == name })
      let step = CounterStep(from: 4_294_967_299, to: 103, metric: metric)
      #expect(step == .wrapped(100), "\(name)")
    }
    for name in ["idle", "iowait"] {
      let metric = try #require(collector.description.metrics.first { $0.name == name })
      let second = HostFacts.ticksPerSecond
      #expect(CounterStep(from: 9 * second, to: 8 * second, metric: metric) == .back)
      #expect(CounterStep(from: 9 * second, to: 8 * second - 1, metric: metric) == .reset)
      #expect(CounterStep(from: 9 * second, to: 0, metric: metric) == .reset)
    }
  }

  /// Each has 32 bits in the kernel, so that small values that fall are resets and great ones wrap.
  @Test(arguments: [
    ("nfs", ["calls", "io.read"]), ("edac", ["ce_count"]), ("disk", ["read_ticks", "io_ticks"]),
    ("scheduler", ["yld_count"]), ("softnet", ["processed"]), ("conntrack", ["insert"]),
  ])
  func narrowCountersAreResetOrWrap(_ name: String, _ metrics: [String]) throws {
    let description = try #require(CollectorRegistry.host()[name]).description
    for metric in metrics {
      let metric = try #require(description.metrics.first { $0.name == metric })
      #expect(CounterStep(from: 5000, to: 3, metric: metric) == .reset)
      #expect(CounterStep(from: 4_294_967_290, to: 4, metric: metric) == .wrapped(10))
    }
  }

  @Test func energyHasTheRangeOfItsZone() throws {
    let folder = try TemporaryFolder()
    for (zone, name, range) in [("0", "package-0", "262143328900"), ("0:0", "core", "1000")] {
      let path = "sys/class/powercap/intel-rapl:\(zone)"
      try folder.write("\(path)/name", "\(name)\n")
      try folder.write("\(path)/energy_uj", "5\n")
      try folder.write("\(path)/max_energy_range_uj", "\(range)\n")
    }
    let roots = MountRoots(proc: folder.file("proc"), sys: folder.file("sys"))
    let collector = try #require(CollectorRegistry.host()["power"])
    let armed = try collector.arm(CollectorContext(roots: roots))
    defer { armed.disarm() }
    let ranges = armed.columns.map { "\($0.instance) \($0.range ?? 0)" }
    #expect(
      Set(ranges) == ["intel-rapl:0.package-0 262143328900", "intel-rapl:0:0.core 1000"])
  }
}
