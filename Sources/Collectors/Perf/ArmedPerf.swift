import Glibc
import LinuxSystem
import PerfEvents
import SampleModel
import Sampler

/// Open counters: one read for each group and CPU.
@safe
final class ArmedPerf: ArmedCollector, @unchecked Sendable {
  // Sendable: as the base class says.

  /// A group on one CPU, or of one task.
  private struct Counters {
    let place: PerfPlan.Place
    /// Its first event among all, and how many there are.
    let first: Int
    let count: Int
    /// Where its words begin: both times, then the counts; -1 for a task among several.
    let word: Int
    /// Where the sums over all CPUs or tasks begin, -1 for none.
    let sums: Int
  }

  private let scope: PerfScope
  private let isSystem: Bool
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
  /// Why the workload's counters could not be opened, 0 where they could.
  private var refusal: Int32 = 0
  /// The processes that are counted had ended at the last acquisition.
  private var haveEnded = false

  /// Opens the counters now, those of a workload when it stands at its gate. Of all columns of
  /// `plan` those that are `kept` become values.
  init(_ plan: PerfPlan, kept: [Bool], _ context: CollectorContext) throws(LBError) {
    scope = plan.scope
    isSystem = plan.isSystem
    kernel = plan.kernel
    var groups: [Counters] = []
    var attributes: [PerfEventAttributes] = []
    var word = 0
    for group in plan.groups {
      let places = plan.places(of: group[0])
      let isSummed = plan.isSystem || places.count > 1
      let sums = isSummed ? word : -1
      if isSummed { word += 2 + group.count }
      for place in places {
        let isOwn = plan.isSystem || !isSummed
        groups.append(
          Counters(
            place: place, first: attributes.count, count: group.count, word: isOwn ? word : -1,
            sums: sums))
        attributes += group.enumerated().map { plan.attributes($1, isLeader: $0 == 0) }
        if isOwn { word += 2 + group.count }
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
    var notes = plan.notes
    if case .processes(let processes) = scope {
      notes.append(
        "perf: \(PerfPlan.tasks(of: processes, context).count) tasks are counted from now on, and "
          + "what they make; one that began while the counters were opened is counted if its maker "
          + "was open by then")
    }
    super.init(columns: zip(columns, kept).filter(\.1).map(\.0), notes: notes)
    if case .workload = scope { return }
    let refusal = open(workload: nil)
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
      refusal = open(workload: target.pid)
      calls &+= UInt64(attributes.count)
      if refusal != 0 { shut() }
    }
    if case .processes(let processes) = scope {
      // What they did up to their end still belongs to a frame.
      if haveEnded { return .absent }
      haveEnded = processes.allSatisfy { kill($0, 0) < 0 && errno == ESRCH }
      calls &+= UInt64(processes.count)
    }
    if refusal != 0 { return refusal == EACCES || refusal == EPERM ? .denied : .absent }
    for index in groups.indices {
      let group = groups[index]
      let isFirst = index == 0 || groups[index - 1].sums != group.sums
      if group.sums >= 0, isFirst {
        for place in 0..<2 + group.count { unsafe words[group.sums + place] = 0 }
      }
      // A task that ended before it could be opened.
      if group.word < 0, unsafe descriptors[group.first] < 0 { continue }
      // Safe: the buffer has room for the largest group.
      let room = unsafe UnsafeMutableBufferPointer(rebasing: buffer[..<(3 + group.count)])
      let got = unsafe kernel.read(descriptors[group.first], into: room)
      calls &+= 1
      guard got == (3 + group.count) * 8 else {
        if got == -Int(EACCES) || got == -Int(EPERM) { return .denied }
        return isSystem ? .layoutChanged : .absent
      }
      // A CPU that went offline keeps its counts, and no time passes for them.
      if isSystem, unsafe words[group.word] == buffer[1], unsafe buffer[1] > 0 {
        return .layoutChanged
      }
      for place in 0..<2 + group.count {
        let value = unsafe buffer[place + 1]
        if group.word >= 0 { unsafe words[group.word + place] = value }
        guard group.sums >= 0 else { continue }
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

  /// Opens every group: 0, or the first errno. A task that has ended meanwhile is left closed.
  /// Allocates nothing.
  private func open(workload: Int32?) -> Int32 {
    for index in groups.indices {
      let group = groups[index]
      for event in group.first..<group.first + group.count {
        let leader: Int32 = event == group.first ? -1 : unsafe descriptors[group.first]
        let descriptor = kernel.open(
          attributes[event], process: workload ?? group.place.task, cpu: group.place.cpu,
          leader: leader)
        if descriptor == -ESRCH, workload == nil {
          shut(group.first..<event)
          break
        }
        guard descriptor >= 0 else { return -descriptor }
        unsafe descriptors[event] = descriptor
      }
    }
    return 0
  }

  private func shut() { unsafe shut(descriptors.indices) }

  private func shut(_ events: Range<Int>) {
    for index in events where unsafe descriptors[index] >= 0 {
      unsafe kernel.close(descriptors[index])
      unsafe descriptors[index] = -1
    }
  }
}
