import Glibc
import KernelText
import LinuxSystem
import PerfEvents
import SampleModel
import Sampler

/// Counters of each thread of processes and their descendants, as records: opened when an
/// acquisition finds the thread. The frame has inherited counters, which include threads that start
/// and end between two acquisitions.
@safe
final class ArmedThreads: ArmedCollector, @unchecked Sendable {
  // Sendable: see the base class.

  /// The most rows of one acquisition, and threads at a time.
  private static let threadLimit = 1024
  /// The most processes searched at one acquisition.
  private static let processLimit = 4096
  /// The fields before those of the events.
  private static let leadingFields: [MetricDescription] = [
    gauge("pid", "the process"), gauge("tid", "the thread"),
    gauge("comm", "its name", unit: .text),
    gauge("comm", "its name, bytes 8 to 15", unit: .text),
    gauge("ended", "1 in the last row of a thread"),
    gauge(
      "unseen_time", "CPU time that it had used before its counters were opened",
      unit: .nanoseconds),
  ]

  /// The state of one thread.
  private struct Thread {
    var process: Int32 = 0
    var command: (UInt64, UInt64) = (0, 0)
    var unseen: UInt64 = 0
    var isFound = false
    var hasEnded = false
    var isDirty = false
  }

  /// The inherited counters of all threads.
  private let whole: ArmedPerf
  private let scope: PerfScope
  private let kernel: any PerfKernel
  private let reader: ProcessReader
  /// Threads by TID.
  private let table: ProcessTable
  private let threads: UnsafeMutableBufferPointer<Thread>
  /// For each group the index of its first event, and their number.
  private let groups: [(first: Int, count: Int)]
  private let attributes: [PerfEventAttributes]
  /// Words of one thread: for each group both times and its counts.
  private let wordCount: Int
  /// For each thread its events' descriptors, -1 while closed, and its words.
  private let descriptors: UnsafeMutableBufferPointer<Int32>
  private let words: UnsafeMutableBufferPointer<UInt64>
  private let buffer: UnsafeMutableBufferPointer<UInt64>
  private let processes: UnsafeMutableBufferPointer<Int32>
  private var generation: UInt32 = 0
  /// Threads that could not be counted separately at the last acquisition and the one before, for
  /// lack of room or permission.
  private var missed = 0
  private var missedBefore = 0
  /// The least useful limit of threads at a time.
  private static let fewest = 16

  /// Opens the counters of the present threads; those of a workload at its start gate.
  init(_ plan: PerfPlan, _ context: CollectorContext) throws(LBError) {
    scope = plan.choice.scope
    kernel = plan.kernel
    do throws(SystemError) {
      reader = try ProcessReader(proc: context.roots.proc)
    } catch {
      throw LBError(
        .collectorUnavailable, "perf: \(error)", context: ErrorContext(collector: "perf"))
    }
    var first = 0
    var groups: [(first: Int, count: Int)] = []
    for group in plan.groups {
      groups.append((first, group.count))
      first += group.count
    }
    self.groups = groups
    attributes = plan.groups.flatMap { group in
      group.enumerated().map {
        var attributes = plan.attributes($1, isLeader: $0 == 0)
        attributes.flags.remove(.inherit)
        return attributes
      }
    }
    wordCount = attributes.count + 2 * groups.count
    let descriptorLimit = DescriptorLimit.raise()
    let room = (descriptorLimit - 128 - plan.descriptorCount) / attributes.count
    guard room >= Self.fewest else {
      throw LBError(
        .collectorUnavailable,
        "perf: \(attributes.count) events of \(Self.fewest) threads, \(plan.descriptorCount) of "
          + "all of them together and 128 for the rest are more descriptors than RLIMIT_NOFILE "
          + "has, which is \(descriptorLimit): raise it (ulimit -Hn), or name fewer events",
        context: ErrorContext(collector: "perf"))
    }
    let limit = min(Self.threadLimit, room)
    // May throw, so before the buffers: without `super.init` no deinitialiser frees them.
    whole = try ArmedPerf(plan, context)
    table = ProcessTable(capacity: limit)
    unsafe threads = .allocate(capacity: limit)
    unsafe threads.initialize(repeating: Thread())
    unsafe descriptors = .allocate(capacity: limit * attributes.count)
    unsafe descriptors.initialize(repeating: -1)
    unsafe words = .allocate(capacity: limit * wordCount)
    unsafe words.initialize(repeating: 0)
    unsafe buffer = .allocate(capacity: 3 + (groups.map(\.count).max() ?? 0))
    unsafe buffer.initialize(repeating: 0)
    unsafe processes = .allocate(capacity: Self.processLimit)
    unsafe processes.initialize(repeating: 0)
    super.init(
      columns: whole.columns, formulas: whole.formulas,
      minimumRunningRatio: whole.minimumRunningRatio,
      costLimit: whole.costLimit,
      notes: whole.notes + [
        "perf: records of a thread begin at the sample that first finds the thread; unseen_time "
          + "is the CPU time before that sample. A thread that starts and ends between two samples "
          + "has no records, but is in the sums"
      ],
      recordFields: (
        name: "thread", fields: Self.leadingFields + Self.fields(plan), rowsPerTick: limit
      ))
    if case .workload = scope { return }
    findThreads()
  }

  deinit {
    unsafe threads.deallocate()
    unsafe descriptors.deallocate()
    unsafe words.deallocate()
    unsafe buffer.deallocate()
    unsafe processes.deallocate()
  }

  /// For each group both times (named with its leader from the second group on) and its counts.
  private static func fields(_ plan: PerfPlan) -> [MetricDescription] {
    plan.groups.enumerated().flatMap { number, group in
      PerfCollector.times.map { time in
        number == 0
          ? time
          : counter("\(time.name)@\(group[0].name)", time.meaning, unit: .nanoseconds)
      } + group.map(PerfCollector.metric)
    }
  }

  override var hasPreparation: Bool { true }

  /// Opens the counters of a workload at its start gate: counting begins with its exec.
  override func prepare() -> AcquisitionOutcome {
    let outcome = whole.prepare()
    guard outcome == .complete, case .workload(let target) = scope, target.generation != generation
    else {
      return outcome
    }
    generation = target.generation
    closeAll()
    add(target.pid, of: target.pid, isAtGate: true)
    return .complete
  }

  override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
    reader.calls = 0
    missedBefore = missed
    missed = 0
    whole.edge = edge
    let isNew =
      if case .workload(let target) = scope { target.generation != generation } else { false }
    guard prepare() == .complete else { return .layoutChanged }
    let outcome = whole.sample(into: &values)
    // A workload at its start gate has no other threads.
    if outcome == .complete, !isNew {
      findThreads()
      for index in 0..<table.high where table[index].pid != 0 { readThread(index) }
    }
    systemCallsOfSample = reader.calls &+ whole.systemCallsOfSample
    return outcome
  }

  override func sampleRecords(into rows: inout MutableSpan<UInt64>) -> RecordCount {
    var count = RecordCount()
    let width = Self.leadingFields.count + wordCount
    for index in 0..<table.high where table[index].pid != 0 {
      let thread = unsafe threads[index]
      if thread.isDirty || thread.hasEnded {
        let start = count.rows * width
        rows[start] = UInt64(UInt32(bitPattern: thread.process))
        rows[start + 1] = UInt64(UInt32(bitPattern: table[index].pid))
        rows[start + 2] = thread.command.0
        rows[start + 3] = thread.command.1
        rows[start + 4] = thread.hasEnded ? 1 : 0
        rows[start + 5] = thread.unseen
        for word in 0..<wordCount {
          rows[start + Self.leadingFields.count + word] = unsafe words[index * wordCount + word]
        }
        count.rows += 1
      }
      if thread.hasEnded { release(index) }
    }
    count.lost = max(0, missed - missedBefore)
    return count
  }

  override func disarm() {
    whole.disarm()
    closeAll()
  }

  private func closeAll() {
    for index in 0..<table.high where table[index].pid != 0 { release(index) }
  }

  // MARK: Finding

  /// Searches the processes, their descendants and those of known threads.
  private func findThreads() {
    var count = 0
    switch scope {
    case .workload(let target): push(target.pid, &count)
    case .processes(let roots): for root in roots { push(root, &count) }
    case .system, .controlGroups: return
    }
    for index in 0..<table.high where table[index].pid != 0 {
      unsafe threads[index].isFound = false
      // Its parents may have ended, and its children may be found only through it.
      unsafe push(threads[index].process, &count)
    }
    var next = 0
    while next < count {
      let process = unsafe processes[next]
      next += 1
      reader.numbers(process, "task") { thread in
        add(thread, of: process, isAtGate: false)
        var file = reader.open(process, "children", task: thread)
        if file >= 0 { reader.children(file) { push($0, &count) } }
        reader.closeDescriptor(&file)
      }
    }
    for index in 0..<table.high where table[index].pid != 0 {
      unsafe threads[index].hasEnded = !threads[index].isFound
    }
  }

  private func push(_ process: Int32, _ count: inout Int) {
    for index in 0..<count where unsafe processes[index] == process { return }
    guard unsafe count < processes.count else { return }
    unsafe processes[count] = process
    count += 1
  }

  private func add(_ thread: Int32, of process: Int32, isAtGate: Bool) {
    if let index = table.find(thread) {
      unsafe threads[index].isFound = true
      return
    }
    guard let index = table.add(thread) else {
      missed += 1
      return
    }
    for word in 0..<wordCount { unsafe words[index * wordCount + word] = 0 }
    unsafe threads[index] = Thread()
    unsafe threads[index].process = process
    unsafe threads[index].isFound = true
    let result = open(index, thread, isAtGate: isAtGate)
    guard result == 0 else {
      release(index)
      // A thread that ended meanwhile is not a failure.
      if result != ESRCH { missed += 1 }
      return
    }
    guard !isAtGate else { return }
    var file = reader.open(process, "schedstat", task: thread)
    if file >= 0 {
      _ = reader.read(file) { text in
        var position = 0
        unsafe threads[index].unseen = TextScanner.number(text, &position) ?? 0
      }
    }
    reader.closeDescriptor(&file)
  }

  private func open(_ index: Int, _ thread: Int32, isAtGate: Bool) -> Int32 {
    let start = index * attributes.count
    for group in groups {
      for event in group.first..<group.first + group.count {
        var wanted = attributes[event]
        if !isAtGate { wanted.flags.remove(.enableOnExec) }
        let leader: Int32 =
          event == group.first ? -1 : unsafe descriptors[start + group.first]
        let descriptor = kernel.open(wanted, process: thread, cpu: -1, leader: leader)
        reader.calls &+= 1
        guard descriptor >= 0 else { return -descriptor }
        unsafe descriptors[start + event] = descriptor
      }
      if !isAtGate { _ = unsafe kernel.enable(descriptors[start + group.first]) }
    }
    return 0
  }

  // MARK: Reading

  private func readThread(_ index: Int) {
    let start = index * attributes.count
    var word = index * wordCount
    var isDirty = false
    for group in groups {
      let room = unsafe UnsafeMutableBufferPointer(rebasing: buffer[..<(3 + group.count)])
      let got = unsafe kernel.read(descriptors[start + group.first], into: room)
      reader.calls &+= 1
      if got == (3 + group.count) * 8 {
        for number in 0..<2 + group.count {
          let value = unsafe buffer[1 + number]
          if unsafe words[word + number] != value { isDirty = true }
          unsafe words[word + number] = value
        }
      }
      word += 2 + group.count
    }
    unsafe threads[index].isDirty = isDirty
    guard isDirty, unsafe !threads[index].hasEnded else { return }
    // A thread may change its name at any time.
    var file = unsafe reader.open(
      threads[index].process, "stat", task: table[index].pid)
    if file >= 0, let stat = reader.stat(file) { unsafe threads[index].command = stat.command }
    reader.closeDescriptor(&file)
  }

  private func release(_ index: Int) {
    let start = index * attributes.count
    for event in start..<start + attributes.count where unsafe descriptors[event] >= 0 {
      unsafe kernel.close(descriptors[event])
      unsafe descriptors[event] = -1
    }
    table.remove(index)
  }
}
