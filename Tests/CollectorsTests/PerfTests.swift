import Glibc
import LinuxSystem
import PerfEvents
import SampleModel
import Sampler
import Synchronization
import TestSupport
import Testing

@testable import Collectors

@Suite(.serialized) struct PerfTests {
  private let context = CollectorContext(roots: MountRoots())

  private func groups(_ text: String) throws -> [[PerfEvent]] {
    try EventResolver(EventSources(context.roots)).groups(text)
  }

  /// Armed with these events, or nil with a word where the host forbids it.
  private func armed(
    _ text: String, _ scope: PerfScope, _ kernel: any PerfKernel = LivePerfKernel()
  ) throws -> ArmedCollector? {
    let collector = PerfCollector(
      PerfChoice(groups: try groups(text), scope: scope, kernel: kernel))
    guard case .available = collector.probe(context) else {
      try Test.cancel("\(collector.probe(context).reason)")
    }
    do throws(LBError) {
      return try collector.arm(context)
    } catch {
      try Test.cancel("\(error)")
    }
  }

  private func sample(_ armed: ArmedCollector) -> (AcquisitionOutcome, [UInt64]) {
    var values = [UInt64](repeating: 0, count: armed.columns.count)
    var span = values.mutableSpan
    let outcome = armed.sample(into: &span)
    return (outcome, values)
  }

  /// Its counters are opened at its gate, whoever reads them then, and closed when it goes.
  @Test func aProcessBesideTheWorkloadIsCountedFromItsExecOn() throws {
    let kernel = CountingKernel()
    let target = WorkloadTarget(beside: "server")
    let collector = PerfCollector(
      PerfChoice(
        groups: try groups("{task-clock,page-faults}"), scope: .workload(target), kernel: kernel))
    guard case .available = collector.probe(context) else {
      try Test.cancel("\(collector.probe(context).reason)")
    }
    #expect(collector.description.name == "perf[server]")
    let null = try OwnedDescriptor(open: "/dev/null", O_RDWR)
    func server() throws -> GatedChild {
      let child = try GatedChild(
        SpawnPlan(
          path: "/bin/sh", arguments: ["sh", "-c", "while :; do :; done"], environment: [],
          input: null.number, output: null.number, error: null.number))
      target.retarget(to: child.pid)
      child.openGate()
      return child
    }
    func end(_ child: GatedChild) {
      child.signalGroup(SIGKILL)
      _ = child.reap(until: Clock.monotonic() + 1_000_000_000)
    }
    let first = try collector.arm(context)
    let place = try #require(
      first.columns.firstIndex { $0.name == "perf.task-clock[server]" }, "\(first.columns)")
    #expect(first.isIdle && first.prepare() == .complete && first.isIdle)
    let one = try server()
    // As while the run waits until it is ready.
    first.disarm()
    #expect(kernel.openCount == 2, "one group of two")
    let second = try collector.arm(context)
    defer { second.disarm() }
    #expect(second.prepare() == .complete && !second.isIdle)
    var counted: UInt64 = 0
    let limit = Clock.monotonic() + 5_000_000_000
    while counted < 100_000_000, Clock.monotonic() < limit {
      let (outcome, values) = sample(second)
      #expect(outcome == .complete)
      counted = values[place]
    }
    let used = try #require(Clock.cpuTime(ofProcess: one.pid))
    // The task clock goes on while an interrupt or the hypervisor has the CPU; CPU time does not.
    #expect(counted >= 100_000_000 && counted <= used + used / 10, "\(counted) of \(used)")
    end(one)
    target.release()
    #expect(second.prepare() == .complete && second.isIdle && kernel.openCount == 0)
    let other = try server()
    #expect(sample(second).0 == .absent, "another one in the middle of a bracket")
    #expect(second.prepare() == .complete && !second.isIdle && kernel.openCount == 2)
    let (outcome, values) = sample(second)
    #expect(outcome == .complete && values[place] < counted, "its own alone")
    end(other)
    #expect(second.prepare() == .complete && second.isIdle)
    target.release()
    #expect(kernel.openCount == 0)
  }

  @Test func aThousandArmingsAndAimsLeaveNoDescriptor() throws {
    let kernel = CountingKernel()
    guard let first = try armed("task-clock,page-faults", .system(nil), kernel) else { return }
    #expect(kernel.openCount >= 2)
    first.disarm()
    #expect(kernel.openCount == 0)
    for _ in 0..<1000 {
      let armed = try #require(try armed("task-clock,page-faults", .system(nil), kernel))
      #expect(sample(armed).0 == .complete)
      armed.disarm()
    }
    #expect(kernel.openCount == 0)
    let target = WorkloadTarget()
    let workload = try #require(try armed("task-clock,page-faults", .workload(target), kernel))
    for _ in 0..<1000 {
      target.retarget(to: getpid())
      #expect(sample(workload).0 == .complete)
      // Two counters, and one of each kind that keeps the kind in use.
      #expect(kernel.openCount == 4)
    }
    workload.disarm()
    #expect(kernel.openCount == 0)
  }

  @Test func aWorkloadThatIsNotThereYetIsAbsent() throws {
    guard let armed = try armed("task-clock", .workload(WorkloadTarget())) else { return }
    #expect(sample(armed).0 == .absent)
    armed.disarm()
  }

  /// A write to a watched word, N times, through the kernel's breakpoint events.
  @Test func aBreakpointCountsEveryWrite() throws {
    let word = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
    defer { unsafe word.deallocate() }
    let address = UInt(bitPattern: word)
    let event = try #require(
      try groups("mem:0x\(String(address, radix: 16))/8:w:u").first?.first)
    let descriptor = LivePerfKernel().open(event.attributes, process: 0, cpu: -1, leader: -1)
    guard descriptor >= 0 else {
      try Test.cancel("\(SystemError.words(-descriptor)): no breakpoint event here")
    }
    defer { close(descriptor) }
    for value in 0..<1000 as Range<UInt64> { unsafe write(value, to: word) }
    var words: [UInt64] = [0, 0, 0, 0]
    #expect(unsafe read(descriptor, &words, 32) == 32)
    #expect(words[0] == 1 && words[1] == words[2] && words[3] == 1000)
  }

  /// Not inlined, so that every write is made.
  @inline(never)
  private func write(_ value: UInt64, to word: UnsafeMutablePointer<UInt64>) {
    unsafe word.pointee = value
  }

  @Test func theTimeStampCounterAgreesWithTheClock() throws {
    guard EventSources(context.roots).type("msr") != nil,
      let armed = try armed("msr/tsc/", .system(CPUSet([CPUSet.allowed().members[0]])))
    else {
      try Test.cancel("no PMU msr here")
    }
    defer { armed.disarm() }
    // Both clocks within 30 µs of each other: a busy host may come between them.
    func reading() throws -> (time: Double, ticks: Double) {
      var best: (gap: UInt64, time: Double, ticks: Double)?
      for _ in 0..<500 {
        let before = Clock.monotonic()
        let (outcome, values) = sample(armed)
        let gap = Clock.monotonic() - before
        #expect(outcome == .complete)
        if gap < best?.gap ?? .max {
          best = (gap, Double(before) + Double(gap) / 2, Double(try #require(values.last)))
        }
        if gap < 30_000 { break }
      }
      let found = try #require(best)
      return (found.time, found.ticks)
    }
    let (a, b) = (try reading(), usleep(100_000))
    #expect(b == 0)
    let middle = try reading()
    usleep(100_000)
    let last = try reading()
    let (early, late) = (
      (middle.ticks - a.ticks) / (middle.time - a.time),
      (last.ticks - middle.ticks) / (last.time - middle.time)
    )
    // Ticks in a nanosecond, of any frequency but the same one.
    #expect(early > 0.1 && abs(early / late - 1) < 0.001, "\(early) \(late)")
  }

  @Test func whatAGroupCannotHoldIsNamed() throws {
    let software = try groups("task-clock,page-faults")
    let unknown = PerfEvent(
      name: "pmu/none/", attributes: PerfEventAttributes(type: 4_000_000, config: 0))
    let plan = try PerfPlan(
      PerfChoice(groups: software + [[unknown]], scope: .workload(WorkloadTarget())), context)
    #expect(!plan.groups.flatMap { $0 }.contains { $0.name == "pmu/none/" })
    #expect(plan.notes.contains { $0.contains("pmu/none/: not supported") })
  }
}

/// The kernel that runs, with a count of what it has given and not got back.
private final class CountingKernel: PerfKernel {
  private let live = LivePerfKernel()
  private let count = Mutex(0)

  var openCount: Int { count.withLock { $0 } }

  func open(
    _ attributes: PerfEventAttributes, process: Int32, cpu: Int32, leader: Int32
  ) -> Int32 {
    let descriptor = live.open(attributes, process: process, cpu: cpu, leader: leader)
    if descriptor >= 0 { count.withLock { $0 += 1 } }
    return descriptor
  }

  func close(_ descriptor: Int32) {
    live.close(descriptor)
    count.withLock { $0 -= 1 }
  }

  func enable(_ leader: Int32) -> Int32 { live.enable(leader) }
  func read(_ leader: Int32, into words: UnsafeMutableBufferPointer<UInt64>) -> Int {
    unsafe live.read(leader, into: words)
  }
  func map(_ descriptor: Int32) -> UnsafeMutableRawPointer? { unsafe live.map(descriptor) }
  func unmap(_ page: UnsafeMutableRawPointer) { unsafe live.unmap(page) }
  func counter(_ index: UInt32) -> UInt64 { live.counter(index) }
  func cycles() -> UInt64 { live.cycles() }
  func currentCPU() -> Int32 { live.currentCPU() }
  func exercise() { live.exercise() }
}
