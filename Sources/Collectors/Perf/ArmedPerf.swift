import Glibc
import LinuxSystem
import PerfEvents
import SampleModel
import Sampler

/// Open counters: one read for each group and CPU.
@safe
final class ArmedPerf: ArmedCollector, @unchecked Sendable {
  // Sendable: as the base class says.

  /// A group on one CPU, or of the workload.
  private struct Counters {
    let cpu: Int32
    /// Its first event among all, and how many there are.
    let first: Int
    let count: Int
    /// Where its words begin: both times, then the counts.
    let word: Int
    /// Where the sums over all CPUs begin, -1 for none.
    let sums: Int
  }

  private let scope: PerfScope
  private let kernel: any PerfKernel
  private let groups: [Counters]
  private let attributes: [PerfEventAttributes]
  /// One descriptor for each event, the group's leader first; -1 while closed.
  private let descriptors: UnsafeMutableBufferPointer<Int32>
  /// Number of events, both times, then a count for each event (PERF_FORMAT_GROUP).
  private let buffer: UnsafeMutableBufferPointer<UInt64>
  /// Of all columns the words of this acquisition, and which of them are values.
  private let words: UnsafeMutableBufferPointer<UInt64>
  private let kept: UnsafeMutableBufferPointer<Bool>
  private var aims: UInt32 = 0

  /// Opens system-wide counters now, those of a workload when it stands at its gate. Of all columns
  /// of `plan` those that are `kept` become values.
  init(_ plan: PerfPlan, kept: [Bool], scope: PerfScope) throws(LBError) {
    self.scope = scope
    kernel = plan.kernel
    var groups: [Counters] = []
    var attributes: [PerfEventAttributes] = []
    var word = 0
    for group in plan.groups {
      let sums = plan.isSystem ? word : -1
      if plan.isSystem { word += 2 + group.count }
      for cpu in plan.cpus(of: group[0]) {
        groups.append(
          Counters(
            cpu: Int32(cpu), first: attributes.count, count: group.count, word: word, sums: sums))
        attributes += group.enumerated().map { plan.attributes($1, isLeader: $0 == 0) }
        word += 2 + group.count
      }
    }
    self.groups = groups
    self.attributes = attributes
    unsafe descriptors = .allocate(capacity: attributes.count)
    unsafe descriptors.initialize(repeating: -1)
    unsafe buffer = .allocate(capacity: 3 + (groups.map(\.count).max() ?? 0))
    unsafe buffer.initialize(repeating: 0)
    unsafe words = .allocate(capacity: word)
    unsafe words.initialize(repeating: 0)
    unsafe self.kept = .allocate(capacity: word)
    _ = unsafe self.kept.initialize(from: kept)
    let columns = plan.columns
    precondition(columns.count == word && kept.count == word, "a column for each word")
    super.init(columns: zip(columns, kept).filter(\.1).map(\.0), notes: plan.notes)
    guard case .system = scope else { return }
    let refusal = open(process: -1)
    guard refusal == 0 else {
      shut()
      throw LBError(
        .collectorUnavailable, "perf: opening the counters: \(SystemError.words(refusal))",
        context: ErrorContext(collector: "perf", errno: refusal))
    }
    for group in groups { _ = unsafe kernel.enable(descriptors[group.first]) }
  }

  deinit {
    unsafe descriptors.deallocate()
    unsafe buffer.deallocate()
    unsafe words.deallocate()
    unsafe kept.deallocate()
  }

  override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
    var calls: UInt64 = 0
    defer { systemCallsOfSample = calls }
    if case .workload(let target) = scope, target.aims != aims {
      aims = target.aims
      shut()
      // A workload that stands at its gate: counting begins with its exec.
      let refusal = open(process: target.pid)
      calls &+= UInt64(attributes.count)
      if refusal != 0 { shut() }
    }
    for index in groups.indices {
      let group = groups[index]
      // Safe: the buffer has room for the largest group.
      let room = unsafe UnsafeMutableBufferPointer(rebasing: buffer[..<(3 + group.count)])
      let got = unsafe kernel.read(descriptors[group.first], into: room)
      calls &+= 1
      guard got == (3 + group.count) * 8 else {
        if got == -Int(EACCES) || got == -Int(EPERM) { return .denied }
        return group.sums >= 0 ? .layoutChanged : .absent
      }
      // A CPU that went offline keeps its counts, and no time passes for them.
      if group.sums >= 0, unsafe words[group.word] == buffer[1], unsafe buffer[1] > 0 {
        return .layoutChanged
      }
      let isFirst = index == 0 || groups[index - 1].sums != group.sums
      for place in 0..<2 + group.count {
        let value = unsafe buffer[place + 1]
        unsafe words[group.word + place] = value
        guard group.sums >= 0 else { continue }
        if isFirst { unsafe words[group.sums + place] = 0 }
        unsafe words[group.sums + place] &+= value
      }
    }
    var slot = 0
    for word in unsafe words.indices where unsafe kept[word] {
      values[slot] = unsafe words[word]
      slot += 1
    }
    return .complete
  }

  override func disarm() { shut() }

  /// Opens every group: 0, or the first errno. Allocates nothing.
  private func open(process: Int32) -> Int32 {
    for index in groups.indices {
      let group = groups[index]
      for event in group.first..<group.first + group.count {
        let leader: Int32 = event == group.first ? -1 : unsafe descriptors[group.first]
        let descriptor = kernel.open(
          attributes[event], process: process, cpu: group.cpu, leader: leader)
        guard descriptor >= 0 else { return -descriptor }
        unsafe descriptors[event] = descriptor
      }
    }
    return 0
  }

  private func shut() {
    for index in unsafe descriptors.indices where unsafe descriptors[index] >= 0 {
      unsafe kernel.close(descriptors[index])
      unsafe descriptors[index] = -1
    }
  }
}
