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
    #expect(without["cpu.user[node0]"] == nil && without["cpu.user[node1]"] == nil)
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
