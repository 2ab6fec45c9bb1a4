import Glibc
import LinuxSystem
import PerfEvents
import SampleModel
import Sampler

/// Open counters: one read for each group and place.
@safe
final class ArmedPerf: ArmedCollector, @unchecked Sendable {
  // Sendable: as the base class says.

  /// What is counted, without references: an acquisition counts none.
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
  /// The control groups' folders, which their counters are opened by.
  private let plan: PerfPlan
  /// One descriptor for each event, the group's leader first; -1 while closed.
  private let descriptors: UnsafeMutableBufferPointer<Int32>
  /// For each event the page by which it can be read on its own CPU, if it can.
  private let pages: UnsafeMutableBufferPointer<UnsafeMutableRawPointer?>
  /// Number of events, both times, then a count for each event (PERF_FORMAT_GROUP).
  private let buffer: UnsafeMutableBufferPointer<UInt64>
  /// Of all columns the words of this acquisition, and which of them are values.
  private let words: UnsafeMutableBufferPointer<UInt64>
  private let kept: UnsafeMutableBufferPointer<Bool>
  /// Which CPUs are online is looked at now and then: one that comes back makes a new layout.
  private let online: OnlineWatch?
  private let watch: Unmanaged<OnlineWatch>?
  /// Readings again of a group that loses a member meanwhile, and microseconds before each: an edge
  /// is worth waiting for.
  private static let retries = 4
  private static let retriesAtEdge = 100
  private static let pause: UInt32 = 50
  /// How often the workload was aimed at when this was armed, if groups take turns.
  private let turn: UInt32?
  private var aims: UInt32 = 0
  /// Of a process beside the workload, what opens its counters and closes them.
  private let beside: BesideCounters?
  private let isBeside: Bool
  private let roots: MountRoots
  /// Why the workload's counters could not be opened, 0 where they could.
  private var refusal: Int32 = 0
  /// One of each of the workload's events, which counts nothing: the first of a kind to be opened
  /// and the last to be closed make the kernel patch its code on every CPU, at each repetition.
  private var keepers: [Int32] = []
  /// The processes that are counted had ended at the last acquisition.
  private var haveEnded = false

  /// Opens the counters of `plan` now, those of a workload when it stands at its gate; those of a
  /// process beside it are opened by `beside`.
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
      plan.places(of: group[0]).flatMap { _ in
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
    var turn: UInt32?
    if plan.choice.rotates, case .workload(let target) = scope { turn = max(1, target.aims) }
    self.turn = turn
    var notes = plan.notes
    if case .processes(let processes) = scope {
      let threads = Counted.text(PerfPlan.tasks(of: processes, context).count, "thread")
      notes.append(
        "perf: counting \(threads) from now on, and every thread and process that they start; one "
          + "that started while the counters were being opened is counted only if its parent's "
          + "counter was already open")
    }
    super.init(
      columns: chosen.columns, formulas: chosen.formulas, leastShare: plan.choice.leastShare,
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
          .collectorUnavailable, "perf: other events can be counted than when the process began",
          context: ErrorContext(collector: "perf"))
      }
      return
    }
    if case .workload = scope {
      keepers = plan.groups.joined().compactMap { event in
        var idle = event.attributes
        idle.flags.insert(.disabled)
        let descriptor = kernel.open(idle, process: 0, cpu: -1, leader: -1)
        return descriptor >= 0 ? descriptor : nil
      }
      return
    }
    let refusal = open(workload: nil)
    guard refusal == 0 else {
      shut()
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

  /// Opens the counters of a workload that stands at its gate: counting begins with its exec.
  override func prepare() -> AcquisitionOutcome {
    guard let (number, pid) = aim else { return .complete }
    if let beside {
      isIdle = pid == 0 || !isRunning(pid, roots)
      if !isIdle, number != aims {
        aims = number
        refusal = unsafe beside.lend(to: descriptors)
      }
      return .complete
    }
    guard number != aims else { return .complete }
    // Another group's turn is another layout.
    if let turn, number != turn { return .layoutChanged }
    aims = number
    shut()
    refusal = open(workload: pid)
    if refusal != 0 { shut() }
    return .complete
  }

  override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
    var calls: UInt64 = 0
    defer { systemCallsOfSample = calls }
    switch subject {
    case .workload:
      if isBeside {
        // Another process's counters are taken between brackets alone.
        guard aims == aim?.number else { return .absent }
      } else {
        guard prepare() == .complete else { return .layoutChanged }
      }
      guard aims != 0 else { return .absent }
    case .processes:
      // What they did up to their end still belongs to a frame, and to the bracket.
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
        for place in 0..<2 + group.count { unsafe words[group.total + place] = 0 }
      }
      // A task that ended before it could be opened.
      if unsafe descriptors[group.first] < 0 { continue }
      let outcome = read(group, on: cpu, &calls)
      guard outcome == .complete else { return outcome }
      // A CPU that went offline keeps its counts, and no time passes for them.
      if group.word >= 0, unsafe words[group.word] == buffer[1], unsafe buffer[1] > 0 {
        return .layoutChanged
      }
      for place in 0..<2 + group.count {
        let value = unsafe buffer[place + 1]
        if group.word >= 0 { unsafe words[group.word + place] = value }
        unsafe words[group.total + place] &+= value
      }
    }
    var slot = 0
    for word in unsafe words.indices where unsafe kept[word] {
      values[slot] = unsafe words[word]
      slot += 1
    }
    return .complete
  }

  /// How often the workload was aimed at, and its process; nil where none is counted.
  private var aim: (number: UInt32, pid: Int32)? {
    unsafe target?._withUnsafeGuaranteedRef { ($0.aims, $0.pid) }
  }

  override func disarm() {
    shut()
    for keeper in keepers { kernel.close(keeper) }
    keepers = []
  }

  // MARK: Reading

  /// Times and counts of a group into the buffer: without a system call on the CPU that counts it.
  private func read(
    _ group: PerfPlan.Counters, on cpu: Int32, _ calls: inout UInt64
  ) -> AcquisitionOutcome {
    if cpu == group.place.cpu, unsafe pages[group.first] != nil, readPages(group) {
      return .complete
    }
    // Safe: the buffer has room for the largest group.
    let room = unsafe UnsafeMutableBufferPointer(rebasing: buffer[..<(3 + group.count)])
    var got = unsafe kernel.read(descriptors[group.first], into: room)
    calls &+= 1
    // A descendant is ending, its counts are being added to its parent's: it may need our CPU.
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
    for place in 0..<group.count {
      guard let page = unsafe pages[group.first + place],
        let reading = unsafe CounterPage(page).read(kernel)
      else { return false }
      // The leader's times are the group's.
      if place == 0 {
        unsafe buffer[1] = reading.enabled
        unsafe buffer[2] = reading.running
      }
      unsafe buffer[3 + place] = reading.count
    }
    return true
  }

  // MARK: Opening

  /// Opens every group: 0, or the first errno. An ended task is left closed. Allocates nothing.
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

  /// Maps the pages of those groups of which every event can be read through one.
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

  private func shut() { unsafe shut(descriptors.indices) }

  private func shut(_ events: Range<Int>) {
    unmap(events)
    for index in events where unsafe descriptors[index] >= 0 {
      if !isBeside { unsafe kernel.close(descriptors[index]) }
      unsafe descriptors[index] = -1
    }
  }
}

/// Looks once a second whether the same CPUs are online as when it was made. Allocates nothing.
@safe
final class OnlineWatch {
  private let descriptor: OwnedDescriptor
  /// The text as it was, and room to read it again.
  private let bytes: UnsafeMutableBufferPointer<UInt8>
  private var length = 0
  private var lookedAt: UInt64
  private static let period: UInt64 = 1_000_000_000
  /// Of any host: a list of ranges.
  private static let room = 4096

  /// Nil where the list of CPUs cannot be read.
  init?(_ context: CollectorContext) {
    do throws(SystemError) {
      descriptor = try OwnedDescriptor(
        open: context.roots.sys("devices/system/cpu/online"), O_RDONLY)
    } catch {
      return nil
    }
    unsafe bytes = .allocate(capacity: Self.room * 2)
    unsafe bytes.initialize(repeating: 0)
    lookedAt = Clock.monotonic()
    length = read(at: 0)
  }

  deinit { unsafe bytes.deallocate() }

  private func read(at start: Int) -> Int {
    // Safe: both halves of the memory have this much room.
    unsafe pread(descriptor.number, bytes.baseAddress.unsafelyUnwrapped + start, Self.room, 0)
  }

  /// Whether a CPU came or went.
  func hasChanged(_ calls: inout UInt64) -> Bool {
    let now = Clock.monotonic()
    guard now &- lookedAt >= Self.period else { return false }
    lookedAt = now
    calls &+= 1
    let count = read(at: Self.room)
    guard count == length else { return count > 0 }
    for place in 0..<max(0, count) where unsafe bytes[place] != bytes[Self.room + place] {
      return true
    }
    return false
  }
}
