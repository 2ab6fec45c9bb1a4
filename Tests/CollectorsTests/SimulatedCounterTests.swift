import Glibc
import LinuxSystem
import PerfEvents
import SampleModel
import Sampler
import TestSupport
import Testing

@testable import Collectors

/// What is made of counters: pages, formulas, stand-ins, turns and scopes. Every number is known.
@Suite struct SimulatedCounterTests {
  private let folder: TemporaryFolder
  private let context: CollectorContext

  init() throws {
    folder = try TemporaryFolder()
    try folder.write("sys/devices/system/cpu/online", "0-1\n")
    context = CollectorContext(
      roots: MountRoots(proc: folder.file("proc"), sys: folder.file("sys")))
  }

  private func choice(
    _ text: String, _ kernel: SimulatedPerf, _ scope: PerfScope = .system(CPUSet([0]))
  ) throws -> PerfChoice {
    PerfChoice(
      groups: try EventResolver(EventSources(context.roots)).groups(text), scope: scope,
      kernel: kernel)
  }

  private func event(_ name: String) throws -> PerfEvent {
    try #require(try EventResolver(EventSources(context.roots)).events(name).first)
  }

  private func values(_ armed: ArmedCollector) throws -> [String: UInt64] {
    var values = [UInt64](repeating: 0, count: armed.columns.count)
    var span = values.mutableSpan
    let outcome = armed.sample(into: &span)
    #expect(outcome == .complete)
    return Dictionary(uniqueKeysWithValues: zip(armed.columns.map(\.name), values))
  }

  /// What readers show of levels, formulas too.
  private func levels(_ armed: ArmedCollector) throws -> [String: DerivedValue] {
    let layout = Layout(
      collector: "perf", stream: 0, epoch: 1, columns: armed.columns, formulas: armed.formulas,
      minimumRunningRatio: armed.minimumRunningRatio)
    var derivation = Derivation(raw: true)
    derivation.layout(layout)
    let named = try values(armed)
    let words = armed.columns.map { named[$0.name] ?? 0 }
    let header = FrameHeader(
      outcome: .complete, edge: .none, stream: 0, epoch: 1, bracket: 1, deadlineIndex: 0,
      deadline: 0, start: 0, end: 0)
    let derived = derivation.derive(header, words.span).values
    return Dictionary(uniqueKeysWithValues: zip(layout.shown.map(\.name), derived))
  }

  // MARK: Pages

  /// The same events on the reader's own CPU and on another one: the same numbers, by the page and
  /// by a call.
  @Test(arguments: [32, 40, 48, 64] as [UInt16]) func pagesAndCallsGiveTheSame(
    _ width: UInt16
  ) throws {
    let kernel = SimulatedPerf(counters: 2, cpu: 0, width: width)
    let armed = try PerfCollector(
      choice("{cycles,instructions},{cache-references,cache-misses}", kernel, .system(nil))
    ).arm(context)
    #expect(kernel.pageCount == 4, "of CPU 0 alone")
    for steps in 1...5 {
      kernel.advance(microseconds: 1000, steps: steps)
      let calls = kernel.readCount
      let named = try values(armed)
      #expect(kernel.readCount == calls + 2, "CPU 1's two groups by a call, those of CPU 0 without")
      for event in ["cycles", "instructions", "cache-references", "cache-misses"] {
        #expect(named["perf.\(event)[0]"] == named["perf.\(event)[1]"], "\(event)")
      }
      #expect(named["perf.cache-misses[0]"] ?? 0 > 0 || steps == 1)
      for time in ["time_enabled", "time_running"] {
        #expect(named["perf.\(time)[cycles@0]"] == named["perf.\(time)[cycles@1]"], "\(time)")
      }
    }
    armed.disarm()
    #expect(kernel.pageCount == 0 && kernel.openCount == 0)
  }

  @Test func aPageThatIsBeingWrittenIsReadAgainAndNotForEver() throws {
    let kernel = SimulatedPerf(counters: 2, cpu: 0)
    let armed = try PerfCollector(choice("cycles", kernel)).arm(context)
    kernel.advance(microseconds: 10)
    kernel.tear(5)
    var calls = kernel.readCount
    #expect(try values(armed)["perf.cycles[0]"] == SimulatedPerf.rate(0) * 10)
    #expect(kernel.readCount == calls, "it settled: no call")
    kernel.advance(microseconds: 10)
    kernel.tear(1000)
    calls = kernel.readCount
    #expect(try values(armed)["perf.cycles[0]"] == SimulatedPerf.rate(0) * 20)
    #expect(kernel.readCount == calls + 1, "it did not settle: a call")
  }

  // MARK: What counts, and what stands in

  @Test func aCounterThatNeverMovesIsNoCount() throws {
    let kernel = SimulatedPerf(counters: 4, stuck: [0, 3])
    var choice = try choice("cycles,instructions,cache-misses", kernel)
    choice.standIns = [
      "cycles": try event("ref-cycles")
    ]
    let armed = try PerfCollector(choice).arm(context)
    #expect(armed.notes.contains { $0.hasPrefix("perf: cycles: not counting here") })
    #expect(armed.notes.contains { $0.contains("cache-misses did not move in a trial") })
    #expect(
      armed.notes.contains {
        $0 == "perf: ref-cycles is counted instead of cycles; the column is named ref-cycles "
          + "([fallback] in collectors.conf)"
      })
    let names = Set(armed.columns.map(\.metric.name))
    #expect(!names.contains("cycles") && names.contains("ref-cycles"))
    #expect(names.contains("cache-misses"), "it may be right: there may be no misses")
  }

  /// Guests alone need not run while a counter is tried; and each arming counts from nothing.
  @Test func whatNeedNotMoveIsNotTried() throws {
    let armed = try PerfCollector(
      choice("cycles:G,instructions:k", SimulatedPerf(counters: 4, stuck: [0, 1]))
    ).arm(context)
    let names = Set(armed.columns.map(\.metric.name))
    #expect(names.isSuperset(of: ["cycles:G", "instructions:k"]))
    let beginAnew = armed.columns.filter(\.metric.isSum).count
    #expect(beginAnew == armed.columns.count)
  }

  /// Each step of a chain is named with its own error, and the last one counts under its own name.
  @Test func everyStepOfAChainOfStandInsIsNamed() throws {
    let kernel = SimulatedPerf(counters: 4, refusals: [0: ENOENT, 9: EINVAL])
    var choice = try choice("cycles", kernel)
    choice.standIns = [
      "cycles": try event("ref-cycles"),
      "ref-cycles": try event("task-clock"),
    ]
    let armed = try PerfCollector(choice).arm(context)
    #expect(armed.notes.contains { $0.hasPrefix("perf: cycles: not supported") })
    #expect(armed.notes.contains { $0.hasPrefix("perf: ref-cycles: refused") })
    #expect(
      armed.notes.contains {
        $0 == "perf: task-clock is counted instead of cycles; the column is named task-clock "
          + "([fallback] in collectors.conf)"
      })
    #expect(
      Set(armed.columns.map(\.metric.name)) == ["time_enabled", "time_running", "task-clock"])
    // A circle ends where it began, with an error that has both.
    choice.standIns["ref-cycles"] = try event("cycles")
    #expect {
      _ = try PerfCollector(choice).arm(context)
    } throws: {
      let message = ($0 as? LBError)?.message ?? ""
      return message.contains("cycles: not supported") && message.contains("ref-cycles: refused")
    }
    choice.isStrict = true
    choice.standIns["ref-cycles"] = try event("task-clock")
    #expect {
      _ = try PerfCollector(choice).arm(context)
    } throws: {
      ($0 as? LBError)?.category == .collectorUnavailable
    }
  }

  // MARK: Formulas

  private static let formulas = [
    PerfChoice.Formula(name: "IPC", tokens: Expression.tokens("instructions / cycles")),
    PerfChoice.Formula(name: "GHz", tokens: Expression.tokens("cycles / task-clock")),
  ]

  /// Parts of one group ran together whatever its share; those of two only where both always ran.
  @Test func formulasAreShownWhereTheirPartsRanTogether() throws {
    let kernel = SimulatedPerf(counters: 2)
    var choice = try choice(
      "{cycles,instructions},{cache-references,cache-misses},task-clock", kernel)
    choice.formulas =
      Self.formulas + [
        PerfChoice.Formula(
          name: "misses", tokens: Expression.tokens("cache-misses / instructions")),
        PerfChoice.Formula(name: "both", tokens: Expression.tokens("cycles + instructions")),
      ]
    let armed = try PerfCollector(choice).arm(context)
    kernel.advance(microseconds: 1000, steps: 10)
    let levels = try levels(armed)
    #expect(levels["perf.running[cycles@0]"] == .real(0.5))
    #expect(levels["perf.running[task-clock@0]"] == .real(1))
    #expect(
      levels["perf.IPC[0]"]
        == .real(Double(SimulatedPerf.rate(1)) / Double(SimulatedPerf.rate(0))))
    #expect(levels["perf.IPC[all]"] == levels["perf.IPC[0]"])
    // A sum is of scaled counts, as its parts are shown.
    guard case .real(let sum) = levels["perf.both[0]"],
      case .real(let one) = levels["perf.cycles[0]"],
      case .real(let other) = levels["perf.instructions[0]"]
    else {
      Issue.record("all three are there")
      return
    }
    #expect(abs(sum / (one + other) - 1) < 1e-12)
    #expect(levels["perf.misses[0]"] == .absent, "two groups that took turns")
    #expect(levels["perf.GHz[0]"] == .absent, "cycles ran half of the task clock's time")
    let alone = try PerfCollector(
      {
        var choice = try self.choice("cycles,task-clock", SimulatedPerf(counters: 2))
        choice.formulas = Self.formulas
        return choice
      }()
    ).arm(context)
    #expect(alone.formulas.map(\.column.metric.name).contains("GHz"))
    #expect(!alone.formulas.map(\.column.metric.name).contains("IPC"), "no instructions")
  }

  @Test func formulasFollowModifiers() throws {
    var choice = try choice("instructions:u,cycles:u,cycles,task-clock", SimulatedPerf(counters: 4))
    choice.formulas = Self.formulas
    let names = try PerfCollector(choice).arm(context).formulas.map(\.column.name)
    #expect(names.contains("perf.IPC:u[0]") && !names.contains("perf.IPC[0]"))
    #expect(names.contains("perf.GHz[0]") && names.contains("perf.GHz:u[0]"))
  }

  /// One step in twelve is not enough for a threshold of a tenth.
  @Test func aCountOfTooSmallAShareIsNoValue() throws {
    let (kernel, other) = (SimulatedPerf(counters: 1), SimulatedPerf(counters: 1))
    let events = ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "ra", "rb", "rc"]
    let every = try PerfCollector(choice(events.joined(separator: ","), other)).arm(context)
    var choice = try choice(events.joined(separator: ","), kernel)
    choice.minimumRunningRatio = 0.1
    let armed = try PerfCollector(choice).arm(context)
    for kernel in [kernel, other] { kernel.advance(microseconds: 1000, steps: 24) }
    #expect(try levels(armed)["perf.r3[0]"] == .absent)
    guard case .real(let scaled) = try levels(every)["perf.r3[0]"] else {
      Issue.record("without a threshold it is scaled")
      return
    }
    #expect(abs(scaled / Double(SimulatedPerf.rate(3) * 24_000) - 1) < 1e-9)
  }

  // MARK: Scopes

  @Test func groupsTakeTurnsByRepetition() throws {
    let kernel = SimulatedPerf(counters: 2)
    let target = WorkloadTarget()
    var choice = try choice(
      "{cycles,instructions},{cache-references,cache-misses},task-clock", kernel, .workload(target))
    choice.rotates = true
    let collector = PerfCollector(choice)
    var armed = try collector.arm(context)
    var seen: [Set<String>] = []
    for _ in 0..<4 {
      target.retarget(to: getpid())
      var values = [UInt64](repeating: 0, count: armed.columns.count)
      var span = values.mutableSpan
      if armed.sample(into: &span) == .layoutChanged {
        armed.disarm()
        armed = try collector.arm(context)
        _ = try self.values(armed)
      }
      kernel.advance(microseconds: 10, steps: 2)
      let named = try self.values(armed)
      for (name, value) in named where name.hasPrefix("perf.time_running") {
        #expect(value == 20_000, "nothing is multiplexed")
      }
      seen.append(Set(armed.columns.filter { $0.times != nil }.map(\.metric.name)))
    }
    #expect(seen[0] == ["cycles", "instructions", "task-clock"])
    #expect(seen[1] == ["cache-references", "cache-misses", "task-clock"])
    #expect(seen[2] == seen[0] && seen[3] == seen[1])
    armed.disarm()
    #expect(kernel.openCount == 0)
  }

  @Test func eachControlGroupHasItsOwnSum() throws {
    for name in ["cgroup.controllers", "one/cgroup.procs", "two/cgroup.procs"] {
      try folder.write("sys/fs/cgroup/\(name)", "")
    }
    let groups = try ["one", "two"].map { try #require(ControlGroup($0, context.roots)) }
    let kernel = SimulatedPerf(counters: 4)
    let armed = try PerfCollector(
      choice("cycles,instructions", kernel, .controlGroups(groups, cpus: nil))
    ).arm(context)
    #expect(kernel.openCount == 8, "two events in two groups on two CPUs")
    kernel.advance(microseconds: 7)
    let named = try values(armed)
    #expect(named["perf.instructions[/one]"] == 154 && named["perf.instructions[/two]"] == 154)
    #expect(named["perf.time_enabled[cycles@/two]"] == 14_000)
    #expect(named.count == 8, "no column for each CPU")
    armed.disarm()
    #expect(kernel.openCount == 0)
  }

  /// The list of online CPUs is looked at once a second.
  @Test func aCPUThatComesBackMakesANewLayout() throws {
    try folder.write("sys/devices/system/cpu/online", "0\n")
    let armed = try PerfCollector(choice("cycles", SimulatedPerf(counters: 1), .system(nil)))
      .arm(context)
    #expect(Set(armed.columns.filter { $0.times != nil }.map(\.instance)) == ["all", "0"])
    try folder.write("sys/devices/system/cpu/online", "0-1\n")
    usleep(1_010_000)
    var values = [UInt64](repeating: 0, count: armed.columns.count)
    var span = values.mutableSpan
    #expect(armed.sample(into: &span) == .layoutChanged)
  }

  @Test func uncoreEventsAreLabelledWithTheirSocket() throws {
    let units = "sys/bus/event_source/devices"
    for (name, text) in [
      ("\(units)/power/type", "21"), ("\(units)/power/cpumask", "0-1"),
      ("\(units)/power/format/event", "config:0-7"),
      ("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0"),
      ("sys/devices/system/cpu/cpu1/topology/physical_package_id", "1"),
    ] {
      try folder.write(name, text + "\n")
    }
    let armed = try PerfCollector(
      choice("power/event=2/", SimulatedPerf(counters: 4), .system(nil))
    ).arm(context)
    let instances = armed.columns.filter { $0.times != nil }.map(\.instance)
    #expect(instances == ["all", "socket0", "socket1"])
  }
}
