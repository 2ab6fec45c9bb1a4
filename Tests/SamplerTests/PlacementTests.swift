import LinuxSystem
import SampleModel
import Sampler
import TestSupport
import Testing

@Suite struct ClockWatchTests {
  @Test func aStepASuspendAndASlewAreToldApart() {
    let clock = VirtualScheduler()
    var watch = ClockJumpDetector(clock: clock.source)
    clock.advance(1_000_000_000)
    #expect(watch.check().isEmpty)
    clock.step(-3_600_000_000_000)
    let steps = watch.check()
    #expect(steps.map(\.kind) == [.clockStep, .clockAnchor])
    #expect(
      steps[0].message
        == "the wall clock (CLOCK_REALTIME) stepped by -3600.000 s; intervals are not affected")
    clock.advance(1_000_000_000)
    clock.step(400_000)  // 400 ppm: NTP slewing.
    #expect(watch.check().isEmpty)
    clock.suspend(5_000_000_000)
    let events = watch.check()
    #expect(events.map(\.kind) == [.suspend, .clockAnchor])
    #expect(events[0].message.contains("suspended for 5.000 s (CLOCK_BOOTTIME"))
    #expect(watch.check().isEmpty)
    clock.advance(61_000_000_000)
    #expect(watch.check().map(\.kind) == [.clockAnchor])
  }
}

@Suite struct PlacementTests {
  @Test func placementsAreReadAndResolved() throws {
    #expect(Placement("auto") == .automatic)
    #expect(Placement("node") == .nodes)
    #expect(Placement("0-1") == .cpus([0, 1]))
    #expect(Placement("x") == nil && Placement("") == nil)
    let roots = MountRoots()
    let allowed = CPUSet([0, 1, 2, 3])
    #expect(
      try Placement.automatic.resolve(roots: roots, allowed: allowed, workload: CPUSet([3]))
        == [2])
    #expect(
      try Placement.automatic.resolve(roots: roots, allowed: allowed, workload: allowed) == [3])
    #expect(throws: LBError.self) {
      try Placement.cpus([9]).resolve(roots: roots, allowed: allowed, workload: nil)
    }
  }

  @Test(arguments: [
    ("*", "x", true), ("cpu.*[all]", "cpu.user[all]", true),
    ("cpu.*[all]", "cpu.user[0]", false), ("net.?x_bytes*", "net.rx_bytes[eth0]", true),
    ("", "", true), ("a*b*c", "axxbyyc", true), ("a*b*c", "axxbyy", false),
  ])
  func globs(_ pattern: String, _ text: String, _ matches: Bool) {
    #expect(Glob.matches(pattern, text) == matches)
  }
}

@Suite struct NodePlacementTests {
  /// The topology of a captured host with two nodes.
  @Test func aNodePlacementTakesTheLastCPUOfEachNode() throws {
    let tests = "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    let roots = MountRoots(sys: "\(tests)/Fixtures/6.1-8cpu-2node/sys")
    let all = CPUSet(0...7)
    #expect(try Placement.nodes.resolve(roots: roots, allowed: all, workload: nil) == [3, 7])
    let some = CPUSet([0, 1, 4])
    #expect(try Placement.nodes.resolve(roots: roots, allowed: some, workload: nil) == [1, 4])
    #expect(HostFacts.nodes(roots) == [0, 1])
    #expect(throws: LBError.self) {
      try Placement.nodes.resolve(
        roots: MountRoots(sys: "/nowhere"), allowed: all, workload: nil)
    }
  }
}
