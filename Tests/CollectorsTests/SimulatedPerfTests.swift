import Glibc
import LinuxSystem
import PerfEvents
import SampleModel
import Sampler
import TestSupport
import Testing

@testable import Collectors

/// What a host without a PMU hides: every number of the simulated kernel is known.
@Suite struct SimulatedPerfTests {
  /// A host of two CPUs, of which nothing else is known.
  private let folder: TemporaryFolder
  private let context: CollectorContext

  init() throws {
    folder = try TemporaryFolder()
    try folder.write("sys/devices/system/cpu/online", "0-1\n")
    context = CollectorContext(
      roots: MountRoots(proc: folder.file("proc"), sys: folder.file("sys")))
  }

  /// Generic hardware events: cycles 0, instructions 1, cache-references 2, cache-misses 3.
  private func armed(
    _ text: String, _ kernel: SimulatedPerf, cpus: CPUSet? = CPUSet([0])
  ) throws -> ArmedCollector {
    let choice = PerfChoice(
      groups: try EventResolver(EventSources(context.roots)).groups(text), scope: .system(cpus),
      kernel: kernel)
    return try PerfCollector(choice).arm(context)
  }

  private func sample(_ armed: ArmedCollector) -> (AcquisitionOutcome, [UInt64]) {
    var values = [UInt64](repeating: 0, count: armed.columns.count)
    var span = values.mutableSpan
    let outcome = armed.sample(into: &span)
    return (outcome, values)
  }

  /// What a reader derives over a step of the simulated kernel: events per second by column.
  private func rates(
    _ armed: ArmedCollector, _ kernel: SimulatedPerf, steps: Int
  ) throws -> [String: DerivedValue] {
    var derivation = Derivation(raw: false)
    derivation.layout(Layout(collector: "perf", stream: 0, epoch: 1, columns: armed.columns))
    var last: [DerivedValue] = []
    for round in 0..<2 as Range<UInt64> {
      let (outcome, values) = sample(armed)
      #expect(outcome == .complete)
      let time = round * UInt64(steps) * 1_000_000
      last =
        derivation.derive(
          FrameHeader(
            outcome: .complete, edge: .none, stream: 0, epoch: 1, bracket: 1, deadlineIndex: round,
            deadline: time, start: time, end: time), values.span
        ).values
      kernel.advance(microseconds: 1000, steps: steps)
    }
    return Dictionary(uniqueKeysWithValues: zip(armed.columns.map(\.name), last))
  }

  private func expected(_ config: UInt64) -> DerivedValue {
    .real(Double(SimulatedPerf.rate(config)) * 1_000_000)
  }

  @Test func whatFitsIsCountedAllTheTime() throws {
    let kernel = SimulatedPerf(counters: 4)
    let armed = try armed("cycles,instructions,task-clock", kernel)
    kernel.advance(microseconds: 1)
    let rates = try rates(armed, kernel, steps: 10)
    #expect(rates["perf.cycles[0]"] == expected(0))
    #expect(rates["perf.instructions[all]"] == expected(1))
    #expect(rates["perf.time_running[cycles@0]"] == .real(1))
    armed.disarm()
    #expect(kernel.openCount == 0)
  }

  /// Two groups of two on two counters: each runs half of the time, and is scaled to all of it.
  @Test func groupsThatTakeTurnsAreScaled() throws {
    let kernel = SimulatedPerf(counters: 2)
    let armed = try armed("{cycles,instructions},{cache-references,cache-misses}", kernel)
    kernel.advance(microseconds: 1)
    let rates = try rates(armed, kernel, steps: 10)
    #expect(rates["perf.time_running[cycles@0]"] == .real(0.5))
    #expect(rates["perf.time_enabled[cycles@0]"] == .real(1))
    for (name, config) in [
      ("cycles", 0), ("instructions", 1), ("cache-references", 2), ("cache-misses", 3),
    ] as [(String, UInt64)] {
      #expect(rates["perf.\(name)[0]"] == expected(config), "\(name)")
    }
  }

  @Test func aGroupThatIsTooLargeIsSplitAndSaysSo() throws {
    let kernel = SimulatedPerf(counters: 2)
    let armed = try armed("cycles,instructions,cache-references,cache-misses", kernel)
    #expect(
      armed.notes.contains {
        $0.contains("at most 2 of these") && $0.contains("cycles, instructions | cache-refer")
      })
    kernel.advance(microseconds: 1)
    let rates = try rates(armed, kernel, steps: 12)
    #expect(rates["perf.time_running[cache-references@0]"] == .real(0.5))
    #expect(rates["perf.cache-misses[0]"] == expected(3))
  }

  /// A group that found no counter in the whole interval has no value, rather than 0.
  @Test func whatNeverRanIsAbsent() throws {
    let kernel = SimulatedPerf(counters: 1)
    let armed = try armed("{cycles},{instructions}", kernel)
    kernel.advance(microseconds: 1, steps: 2)
    let rates = try rates(armed, kernel, steps: 1)
    let values = [rates["perf.cycles[0]"], rates["perf.instructions[0]"]]
    #expect(values.filter { $0 == .absent }.count == 1)
    #expect(values.contains(expected(0)) || values.contains(expected(1)))
  }

  @Test(arguments: [
    (ENOENT, "not supported by any PMU of this host"),
    (EACCES, "denied: kernel.perf_event_paranoid"),
    (ENOSPC, "no counter, is left"), (EMFILE, "no descriptor is left"),
    (EINVAL, "refused: Invalid"),
    (EOPNOTSUPP, "not supported on this host"),
  ]) func aRefusalIsNamedAndLeavesTheOthersTheirs(_ errno: Int32, _ words: String) throws {
    let kernel = SimulatedPerf(counters: 4, refusals: [1: errno])
    let armed = try armed("cycles,instructions,cache-misses", kernel)
    #expect(armed.notes.contains { $0.hasPrefix("perf: instructions: ") && $0.contains(words) })
    #expect(!armed.columns.contains { $0.metric.name.hasPrefix("instructions") })
    #expect(armed.columns.contains { $0.metric.name == "cache-misses" })
  }

  @Test func countersThatRunOutWhileOpeningLeaveNoDescriptor() throws {
    let kernel = SimulatedPerf(counters: 4, limit: 3)
    #expect {
      _ = try armed("cycles,instructions", kernel, cpus: CPUSet([0, 1]))
    } throws: {
      ($0 as? LBError)?.context.errno == EMFILE
    }
    #expect(kernel.openCount == 0)
  }

  @Test func sumsAreThoseOfTheirCPUs() throws {
    let kernel = SimulatedPerf(counters: 4)
    let armed = try armed("cycles,instructions", kernel, cpus: CPUSet([0, 1]))
    kernel.advance(microseconds: 7)
    let (_, values) = sample(armed)
    let named = Dictionary(uniqueKeysWithValues: zip(armed.columns.map(\.name), values))
    #expect(named["perf.instructions[0]"] == 77 && named["perf.instructions[1]"] == 77)
    #expect(named["perf.instructions[all]"] == 154)
    #expect(named["perf.time_enabled[cycles@all]"] == 14_000)
  }

  /// `cycles` of two groups are two counts, each with the times of its own group.
  @Test func anEventOfTwoGroupsIsTwoCounts() throws {
    let kernel = SimulatedPerf(counters: 2)
    let armed = try armed("{cycles,instructions},{cycles,cache-misses}", kernel)
    #expect(Set(armed.columns.map(\.name)).count == armed.columns.count)
    kernel.advance(microseconds: 1)
    let rates = try rates(armed, kernel, steps: 10)
    #expect(rates["perf.cycles[0]"] == expected(0) && rates["perf.cycles#2[0]"] == expected(0))
    #expect(rates["perf.time_running[cycles#2@0]"] == .real(0.5))
    // Sets overlap: what one group has already is not counted twice.
    let sets = try self.armed("cycles,instructions,cycles", SimulatedPerf(counters: 4))
    #expect(sets.columns.filter { $0.metric.name == "cycles" }.count == 2, "of CPU 0 and of all")
  }

  /// An uncore event counts on its socket's CPU alone, and drags no other event there.
  @Test func eventsOfDifferentCPUsMakeNoGroup() throws {
    let units = "sys/bus/event_source/devices"
    for (name, text) in [
      ("power/type", "21"), ("power/cpumask", "1"), ("power/format/event", "config:0-7"),
      ("cpu_core/type", "4"), ("cpu_core/cpus", "0"), ("cpu_atom/type", "10"),
      ("cpu_atom/cpus", "1"),
    ] {
      try folder.write("\(units)/\(name)", text + "\n")
    }
    let kernel = SimulatedPerf(counters: 4)
    let mixed = try armed("{power/event=2/,cs}", kernel, cpus: nil)
    #expect(mixed.notes.contains { $0.contains("so they are separate groups") })
    func cpus(_ armed: ArmedCollector, _ name: String) -> Set<String> {
      Set(armed.columns.filter { $0.metric.name == name }.map(\.instance))
    }
    #expect(cpus(mixed, "cs") == ["all", "0", "1"])
    #expect(cpus(mixed, "power/event=2/") == ["all", "1"])
    let hybrid = try armed("cycles", kernel, cpus: nil)
    #expect(cpus(hybrid, "cpu_core/cycles/") == ["all", "0"])
    #expect(cpus(hybrid, "cpu_atom/cycles/") == ["all", "1"])
  }

  /// At perf_event_paranoid 2 the kernel refuses what is not of user space alone.
  @Test(arguments: [
    ("page-faults", "page-faults:u"), ("page-faults:H", "page-faults:Hu"),
    ("mem:0x1000", "mem:0x1000:rw:u"), ("mem:0x1000:w", "mem:0x1000:w:u"),
    ("r1a8", "r1a8:u"), ("task-clock", "task-clock"), ("page-faults:k", nil),
    ("context-switches", nil),
  ]) func whereTheKernelsPartIsDeniedTheNameSaysSo(_ written: String, _ counted: String?) throws {
    let kernel = SimulatedPerf(counters: 4, deniesKernel: true)
    guard let counted else {
      #expect {
        _ = try armed(written, kernel)
      } throws: {
        ($0 as? LBError)?.message.contains("denied") == true
      }
      return
    }
    let names = try armed(written, kernel).columns.map(\.metric.name)
    #expect(Set(names) == ["time_enabled", "time_running", counted])
  }

  @Test func chosenCPUsThatAreNotThereAreNamed() throws {
    let armed = try armed("cycles", SimulatedPerf(counters: 4), cpus: CPUSet([1, 7]))
    #expect(armed.notes == ["perf: CPU 7 is not online and is not counted"])
    #expect(Set(armed.columns.map(\.instance)) == ["all", "1", "cycles@all", "cycles@1"])
  }

  @Test func aCPUThatGoesOfflineIsALayoutChange() throws {
    let kernel = SimulatedPerf(counters: 4)
    let armed = try armed("cycles", kernel, cpus: CPUSet([0, 1]))
    kernel.advance(microseconds: 5)
    #expect(sample(armed).0 == .complete)
    kernel.takeOffline(1)
    kernel.advance(microseconds: 5)
    #expect(sample(armed).0 == .layoutChanged)
  }
}
