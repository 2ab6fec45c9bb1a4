import Glibc
import LinuxSystem
import PerfEvents
import SampleModel
import Sampler
import TestSupport
import Testing

@testable import Collectors

@Suite(.serialized) struct PerfTests {
  private let context = CollectorContext(roots: MountRoots())

  private func groups(_ text: String) throws -> [[PerfEvent]] {
    try EventResolver(EventSources(context.roots)).groups(text)
  }

  /// Perf events that this process has open.
  private func descriptors() -> Int {
    directoryEntries("/proc/self/fd").filter { name in
      var buffer = [CChar](repeating: 0, count: 256)
      let count = unsafe readlink("/proc/self/fd/\(name)", &buffer, 255)
      return String(
        decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self
      ).contains("perf_event")
    }.count
  }

  /// Armed with these events, or nil with a word where the host forbids it.
  private func armed(_ text: String, _ scope: PerfScope) throws -> ArmedCollector? {
    let collector = PerfCollector(PerfChoice(groups: try groups(text), scope: scope))
    guard case .available = collector.probe(context) else {
      print("skipped: \(collector.probe(context).reason)")
      return nil
    }
    do throws(LBError) {
      return try collector.arm(context)
    } catch {
      print("skipped: \(error)")
      return nil
    }
  }

  private func sample(_ armed: ArmedCollector) -> (AcquisitionOutcome, [UInt64]) {
    var values = [UInt64](repeating: 0, count: armed.columns.count)
    var span = values.mutableSpan
    let outcome = armed.sample(into: &span)
    return (outcome, values)
  }

  @Test func aThousandArmingsAndAimsLeaveNoDescriptor() throws {
    guard let first = try armed("task-clock,page-faults", .system(nil)) else { return }
    first.disarm()
    let before = descriptors()
    for _ in 0..<1000 {
      let armed = try #require(try armed("task-clock,page-faults", .system(nil)))
      #expect(descriptors() >= before + 2, "the counter must count")
      #expect(sample(armed).0 == .complete)
      armed.disarm()
    }
    #expect(descriptors() == before)
    let target = WorkloadTarget()
    let workload = try #require(try armed("task-clock,page-faults", .workload(target)))
    for _ in 0..<1000 {
      target.aim(at: getpid())
      #expect(sample(workload).0 == .complete)
    }
    // Two counters and what keeps their kinds in use, and the target's own clock.
    #expect(descriptors() <= before + 5)
    workload.disarm()
    target.aim(at: getpid())
    #expect(descriptors() <= before + 1)
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
      print("skipped: \(SystemError.words(-descriptor)): no breakpoint event here")
      return
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
      print("skipped: no PMU msr here")
      return
    }
    defer { armed.disarm() }
    func reading() throws -> (time: Double, ticks: Double) {
      let (outcome, values) = sample(armed)
      #expect(outcome == .complete)
      return (Double(Clock.monotonic()), Double(try #require(values.last)))
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
    #expect(plan.notes.contains { $0.contains("pmu/none/: not supported here") })
  }
}
