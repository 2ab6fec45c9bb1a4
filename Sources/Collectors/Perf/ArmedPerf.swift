import Glibc
import LinuxSystem
import PerfEvents
import SampleModel
import Sampler

/// Open counters: one read for each group and target.
@safe
final class ArmedPerf: ArmedCollector, @unchecked Sendable {
  // Sendable: see the base class.

  /// What is counted, without references, so that an acquisition has no reference counting.
  private enum Subject {
    case cpus
    case processes
    case workload
  }

  private let subject: Subject
  /// The workload; `plan` keeps it alive.
  private let target: Unmanaged<WorkloadTarget>?
  private let processes: UnsafeMutableBufferPointer<Int32>
  private let isOfCPUs: Bool
  private let kernel: any PerfKernel
  private let groups: [PerfPlan.Counters]
  private let attributes: [PerfEventAttributes]
  /// Open folders of the control groups.
  private let plan: PerfPlan
  /// One descriptor for each event, the group's leader first; -1 while closed.
  private let descriptors: UnsafeMutableBufferPointer<Int32>
  /// For each event the page by which it can be read on its own CPU, if it can.
  private let pages: UnsafeMutableBufferPointer<UnsafeMutableRawPointer?>
  /// Number of events, both times, then a count for each event (PERF_FORMAT_GROUP).
  private let buffer: UnsafeMutableBufferPointer<UInt64>
  /// The words of all columns, and which of them are values.
  private let words: UnsafeMutableBufferPointer<UInt64>
  private let kept: UnsafeMutableBufferPointer<Bool>
  /// Checks periodically which CPUs are online: a CPU that returns needs a new layout.
  private let online: OnlineWatch?
  private let watch: Unmanaged<OnlineWatch>?
  /// Retries of a group that loses a member during reading, and microseconds before each; more at
  /// an edge.
  private static let retries = 4
  private static let retriesAtEdge = 100
  private static let pause: UInt32 = 50
  /// The target's generation when armed, if groups rotate.
  private let rotationIndex: UInt32?
  private var generation: UInt32 = 0
  /// Opens and closes the counters of a process beside the workload.
  private let beside: BesideCounters?
  private let isBeside: Bool
  private let roots: MountRoots
  /// The errno of opening the workload's counters, 0 if they are open.
  private var refusal: Int32 = 0
  /// One disabled event of each kind: otherwise opening the first and closing the last event of a
  /// kind make the kernel patch its code on every CPU (static keys), at each repetition.
  private var staticKeyHolders: [Int32] = []
  /// The counted processes had ended at the last acquisition.
  private var haveEnded = false

  /// Opens the counters of `plan` now, those of a workload when it waits at its start gate; those
  /// of a process beside it are opened by `beside`.
  init(
    _ plan: PerfPlan, _ context: CollectorContext, beside: BesideCounters? = nil
  ) throws(LBError) {
    self.plan = plan
    self.beside = beside
    isBeside = beside != nil
    roots = context.roots
    let scope = plan.choice.scope
    var processes: [Int32] = []
    switch scope {
    case .workload(let workload):
      subject = .workload
      unsafe target = .passUnretained(workload)
    case .processes(let roots):
      subject = .processes
      processes = roots
      unsafe target = nil
    case .system, .controlGroups:
      subject = .cpus
      unsafe target = nil
    }
    unsafe self.processes = .allocate(capacity: processes.count)
    _ = unsafe self.processes.initialize(from: processes)
    isOfCPUs = plan.isOfCPUs
    kernel = plan.kernel
    let (counters, columns) = plan.counters()
    let layout = Layout(
      collector: "perf", stream: 0, epoch: 0, columns: columns, formulas: plan.formulas(columns))
    let kept = layout.kept(context.filter.passes)
    let chosen = layout.choosing(context.filter.passes)
    groups = counters
    attributes = plan.groups.flatMap { group in
      plan.targets(of: group[0]).flatMap { _ in
        group.enumerated().map { plan.attributes($1, isLeader: $0 == 0) }
      }
    }
    unsafe descriptors = .allocate(capacity: attributes.count)
    unsafe descriptors.initialize(repeating: -1)
    unsafe pages = .allocate(capacity: attributes.count)
    unsafe pages.initialize(repeating: nil)
    unsafe buffer = .allocate(capacity: 3 + (groups.map(\.count).max() ?? 0))
    unsafe buffer.initialize(repeating: 0)
    unsafe words = .allocate(capacity: columns.count)
    unsafe words.initialize(repeating: 0)
    unsafe self.kept = .allocate(capacity: columns.count)
    _ = unsafe self.kept.initialize(from: kept)
    online = isOfCPUs ? OnlineWatch(context) : nil
    unsafe watch = online.map { unsafe Unmanaged.passUnretained($0) }
    var rotationIndex: UInt32?
    if plan.choice.rotates, case .workload(let target) = scope {
      rotationIndex = max(1, target.generation)
    }
    self.rotationIndex = rotationIndex
    var notes = plan.notes
    if case .processes(let processes) = scope {
      let threads = Counted.text(PerfPlan.tasks(of: processes, context).count, "thread")
      notes.append(
        "perf: counting \(threads) from now on, and every thread and process that they start; one "
          + "that started while the counters were being opened is counted only if its parent's "
          + "counter was already open")
    }
    super.init(
      columns: chosen.columns, formulas: chosen.formulas,
      minimumRunningRatio: plan.choice.minimumRunningRatio,
      costLimit: isOfCPUs ? nil : plan.choice.costLimit, notes: isBeside ? [] : notes)
    if let beside {
      isIdle = true
      let events = groups.flatMap { group in
        (0..<group.count).map {
          BesideCounters.Event(
            attributes: attributes[group.first + $0], isLeader: $0 == 0)
        }
      }
      guard beside.count(events) else {
        throw LBError(
          .collectorUnavailable,
          "perf: the set of countable events has changed since the process began",
          context: ErrorContext(collector: "perf"))
      }
      return
    }
    if case .workload = scope {
      staticKeyHolders = plan.groups.joined().compactMap { event in
        var idle = event.attributes
        idle.flags.insert(.disabled)
        let descriptor = kernel.open(idle, process: 0, cpu: -1, leader: -1)
        return descriptor >= 0 ? descriptor : nil
      }
      return
    }
    let refusal = open(workload: nil)
    guard refusal == 0 else {
      closeDescriptors()
      throw LBError(
        .collectorUnavailable, "perf: opening the counters: \(SystemError.words(refusal))",
        context: ErrorContext(collector: "perf", errno: refusal))
    }
    for group in groups { _ = unsafe kernel.enable(descriptors[group.first]) }
    if isOfCPUs { mapPages() }
  }

  deinit {
    unsafe processes.deallocate()
    unsafe descriptors.deallocate()
    unsafe pages.deallocate()
    unsafe buffer.deallocate()
    unsafe words.deallocate()
    unsafe kept.deallocate()
  }

  override var hasPreparation: Bool { true }

  /// Opens the counters of a workload that waits at its start gate: counting begins with its exec.
  override func prepare() -> AcquisitionOutcome {
    guard let (number, pid) = currentTarget else { return .complete }
    if let beside {
      isIdle = pid == 0 || !isRunning(pid, roots)
      if !isIdle, number != generation {
        generation = number
        refusal = unsafe beside.copyDescriptors(to: descriptors)
      }
      return .complete
    }
    guard number != generation else { return .complete }
    // Another group has another layout.
    if let rotationIndex, number != rotationIndex { return .layoutChanged }
    generation = number
    closeDescriptors()
    refusal = open(workload: pid)
    if refusal != 0 { closeDescriptors() }
    return .complete
  }

  override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
    var calls: UInt64 = 0
    defer { systemCallsOfSample = calls }
    switch subject {
    case .workload:
      if isBeside {
        // The counters of another process are adopted only between brackets.
        guard generation == currentTarget?.number else { return .absent }
      } else {
        guard prepare() == .complete else { return .layoutChanged }
      }
      guard generation != 0 else { return .absent }
    case .processes:
      // Their counts up to the end belong to one more frame, and to the bracket.
      if haveEnded, !isAtEdge { return .absent }
      haveEnded = true
      for index in unsafe processes.indices {
        if unsafe kill(processes[index], 0) == 0 || errno != ESRCH { haveEnded = false }
        calls &+= 1
      }
    case .cpus:
      let hasChanged = unsafe watch?._withUnsafeGuaranteedRef { $0.hasChanged(&calls) } ?? false
      if hasChanged { return .layoutChanged }
    }
    if refusal != 0 { return refusal == EACCES || refusal == EPERM ? .denied : .absent }
    let cpu = isOfCPUs ? kernel.currentCPU() : -1
    for index in groups.indices {
      let group = groups[index]
      if group.beginsTotal {
        for word in 0..<2 + group.count { unsafe words[group.total + word] = 0 }
      }
      // The task ended before it could be opened.
      if unsafe descriptors[group.first] < 0 { continue }
      let outcome = read(group, on: cpu, &calls)
      guard outcome == .complete else { return outcome }
      // The time enabled stopped: the CPU went offline.
      if group.word >= 0, unsafe words[group.word] == buffer[1], unsafe buffer[1] > 0 {
        return .layoutChanged
      }
      for word in 0..<2 + group.count {
        let value = unsafe buffer[word + 1]
        if group.word >= 0 { unsafe words[group.word + word] = value }
        unsafe words[group.total + word] &+= value
      }
    }
    var slot = 0
    for word in unsafe words.indices where unsafe kept[word] {
      values[slot] = unsafe words[word]
      slot += 1
    }
    return .complete
  }

  /// The target's generation and process; nil if there is no target.
  private var currentTarget: (number: UInt32, pid: Int32)? {
    unsafe target?._withUnsafeGuaranteedRef { ($0.generation, $0.pid) }
  }

  override func disarm() {
    closeDescriptors()
    for keeper in staticKeyHolders { kernel.close(keeper) }
    staticKeyHolders = []
  }

  // MARK: Reading

  /// Reads times and counts of a group into the buffer; without a system call on the CPU that
  /// counts it.
  private func read(
    _ group: PerfPlan.Counters, on cpu: Int32, _ calls: inout UInt64
  ) -> AcquisitionOutcome {
    if cpu == group.target.cpu, unsafe pages[group.first] != nil, readPages(group) {
      return .complete
    }
    // Safe: the buffer has room for the largest group.
    let room = unsafe UnsafeMutableBufferPointer(rebasing: buffer[..<(3 + group.count)])
    var got = unsafe kernel.read(descriptors[group.first], into: room)
    calls &+= 1
    // A descendant is exiting while its counts are added to its parent's; it may need this CPU.
    var left = isAtEdge ? Self.retriesAtEdge : Self.retries
    while got == -Int(ECHILD), left > 0 {
      usleep(Self.pause)
      got = unsafe kernel.read(descriptors[group.first], into: room)
      calls &+= 2
      left -= 1
    }
    guard got == (3 + group.count) * 8 else {
      if got == -Int(EACCES) || got == -Int(EPERM) { return .denied }
      return isOfCPUs ? .layoutChanged : .absent
    }
    return .complete
  }

  private func readPages(_ group: PerfPlan.Counters) -> Bool {
    for number in 0..<group.count {
      guard let page = unsafe pages[group.first + number],
        let reading = unsafe CounterPage(page).read(kernel)
      else { return false }
      // The group's times are those of its leader.
      if number == 0 {
        unsafe buffer[1] = reading.enabled
        unsafe buffer[2] = reading.running
      }
      unsafe buffer[3 + number] = reading.count
    }
    return true
  }

  // MARK: Opening

  /// Opens every group; returns 0 or the first errno. Ended tasks stay closed. Allocates nothing.
  private func open(workload: Int32?) -> Int32 {
    for index in groups.indices {
      let group = groups[index]
      for event in group.first..<group.first + group.count {
        let leader: Int32 = event == group.first ? -1 : unsafe descriptors[group.first]
        let descriptor = kernel.open(
          attributes[event], process: workload ?? group.target.task, cpu: group.target.cpu,
          leader: leader)
        if descriptor == -ESRCH, workload == nil {
          closeDescriptors(group.first..<event)
          break
        }
        guard descriptor >= 0 else { return -descriptor }
        unsafe descriptors[event] = descriptor
      }
    }
    return 0
  }

  /// Maps the user pages of groups in which every event has one.
  private func mapPages() {
    for group in groups {
      let events = group.first..<group.first + group.count
      for event in events {
        let page = unsafe kernel.map(descriptors[event])
        unsafe pages[event] = page
        if let page = unsafe page, unsafe CounterPage(page).isReadable { continue }
        unmap(events)
        break
      }
    }
  }

  private func unmap(_ events: Range<Int>) {
    for index in events {
      if let page = unsafe pages[index] { unsafe kernel.unmap(page) }
      unsafe pages[index] = nil
    }
  }

  private func closeDescriptors() { unsafe closeDescriptors(descriptors.indices) }

  private func closeDescriptors(_ events: Range<Int>) {
    unmap(events)
    for index in events where unsafe descriptors[index] >= 0 {
      if !isBeside { unsafe kernel.close(descriptors[index]) }
      unsafe descriptors[index] = -1
    }
  }
}
