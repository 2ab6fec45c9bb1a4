import Glibc
import LinuxSystem
import PerfEvents
import SampleModel
import Sampler

/// The groups to open and their targets, after a trial of each event: refused events are excluded
/// and reported, and their stand-ins are counted under their own names.
struct PerfPlan {
  /// The CPU or task that a group is opened on.
  struct CountingTarget {
    /// -1: every task; 0: the opening task; for a control group, its descriptor.
    let task: Int32
    /// -1: any CPU.
    let cpu: Int32
    /// The index of its sum in `totals`.
    let total: Int
  }

  private(set) var groups: [[PerfEvent]] = []
  private(set) var notes: [String]
  /// Refused events by reason: one note for each reason.
  private var refusals: [(reason: String, names: [String])] = []
  private var targets: [CountingTarget]
  /// Instances of the sums over targets.
  let totals: [String]
  private let folders = DescriptorList()
  let topology: CPUTopology
  let choice: PerfChoice
  let kernel: any PerfKernel

  /// Tries the events of `choice`.
  init(_ choice: PerfChoice, _ context: CollectorContext) throws(LBError) {
    self.choice = choice
    kernel = choice.kernel
    notes = choice.notes
    topology = CPUTopology(context.roots)
    switch choice.scope {
    case .system(let chosen):
      targets = Self.cpus(chosen, context, &notes).map {
        CountingTarget(task: -1, cpu: $0, total: 0)
      }
      totals = ["all"]
    case .controlGroups(let controlGroups, let chosen):
      let cpus = Self.cpus(chosen, context, &notes)
      totals = controlGroups.map(\.name)
      var targets: [CountingTarget] = []
      for (number, group) in controlGroups.enumerated() {
        let folder = folders.add(try Self.folder(of: group))
        targets += cpus.map { CountingTarget(task: folder, cpu: $0, total: number) }
      }
      self.targets = targets
    case .processes(let processes):
      targets = Self.tasks(of: processes, context).map {
        CountingTarget(task: $0, cpu: -1, total: 0)
      }
      totals = [""]
    case .workload(let target):
      targets = [CountingTarget(task: 0, cpu: -1, total: 0)]
      totals = [target.name ?? ""]
    }
    for group in choice.groups { add(group, context) }
    dropEventsThatDoNotFitTogether(context)
    let standIns = addFallbacks(context)
    if !standIns.isEmpty { dropEventsThatDoNotFitTogether(context) }
    selectRotationGroup()
    disambiguateNames()
    // The trials take time: list the present tasks again.
    if case .processes(let processes) = choice.scope {
      targets = Self.tasks(of: processes, context).map {
        CountingTarget(task: $0, cpu: -1, total: 0)
      }
    }
    notes += refusals.map { "perf: \($0.names.joined(separator: ", ")): \($0.reason)" }
    notes += standIns
  }

  /// The refused events with the reasons; empty if all are counted.
  var refused: String {
    refusals.map { "\($0.names.joined(separator: ", ")): \($0.reason)" }.joined(separator: "; ")
  }

  // MARK: Targets

  /// The chosen online CPUs.
  private static func cpus(
    _ chosen: CPUSet?, _ context: CollectorContext, _ notes: inout [String]
  ) -> [Int32] {
    let text = SmallFile.text(context.roots.sys("devices/system/cpu/online"))
    let online = (text.flatMap { CPUSet(list: $0) } ?? CPUSet.allowed()).members
    let absent = chosen.map { $0.subtracting(CPUSet(online)) } ?? CPUSet()
    if !absent.isEmpty {
      let (noun, verb) = absent.members.count == 1 ? ("CPU", "is") : ("CPUs", "are")
      notes.append("perf: \(noun) \(absent) \(verb) not online and \(verb) not counted")
    }
    let cpus = chosen.map { chosen in online.filter(chosen.members.contains) } ?? online
    return cpus.map { Int32($0) }
  }

  private static func folder(of group: ControlGroup) throws(LBError) -> OwnedDescriptor {
    let path = group.eventFolder ?? ""
    do throws(SystemError) {
      return try OwnedDescriptor(open: path, O_RDONLY | O_DIRECTORY)
    } catch {
      throw LBError(
        .collectorUnavailable,
        "perf: the control group \(group.name) is in no hierarchy that counts events: \(error)",
        context: ErrorContext(collector: "perf", path: path, errno: error.errno))
    }
  }

  /// The present threads of processes and all their descendants.
  static func tasks(of processes: [Int32], _ context: CollectorContext) -> [Int32] {
    var tasks: [Int32] = []
    var seen = Set<Int32>()
    var next = processes
    while let process = next.popLast() {
      guard seen.insert(process).inserted else { continue }
      for thread in directoryEntries(context.roots.proc("\(process)/task")) {
        guard let number = Int32(thread) else { continue }
        tasks.append(number)
        let children =
          SmallFile.text(
            context.roots.proc("\(process)/task/\(thread)/children")) ?? ""
        next += children.split(separator: " ").compactMap { Int32($0) }
      }
    }
    return tasks
  }

  /// The targets of an event: an uncore one is opened on the CPUs of its mask.
  func targets(of event: PerfEvent) -> [CountingTarget] {
    guard isOfCPUs, let mask = event.cpus else { return targets }
    return targets.filter { mask.members.contains(Int($0.cpu)) }
  }

  var events: [PerfEvent] { groups.flatMap { $0 } }

  var descriptorCount: Int { events.reduce(0) { $0 + targets(of: $1).count } }

  /// Whether CPUs are counted: everything on them, or one control group.
  var isOfCPUs: Bool {
    switch choice.scope {
    case .system, .controlGroups: true
    case .processes, .workload: false
    }
  }

  /// Whether each CPU has columns besides the sum.
  var hasOwnColumns: Bool { if case .system = choice.scope { true } else { false } }

  // MARK: Groups

  private mutating func add(_ group: [PerfEvent], _ context: CollectorContext) {
    let usable = group.compactMap { accepted($0, context) }
    // Events counted on different CPUs cannot share a group.
    var parts: [[PerfEvent]] = []
    for event in usable {
      if let part = parts.firstIndex(where: { $0[0].cpus == event.cpus }) {
        parts[part].append(event)
      } else {
        parts.append([event])
      }
    }
    if parts.count > 1 {
      let words = parts.map { $0.map(\.name).joined(separator: ", ") }
      notes.append(
        "perf: these events are counted on different CPUs, so they are separate groups: "
          + words.joined(separator: " | "))
    }
    for part in parts { split(part) }
  }

  /// Splits events into groups as large as the kernel accepts: it knows how many counters the
  /// processor has.
  private mutating func split(_ group: [PerfEvent]) {
    var rest = group[...]
    var pieces: [[PerfEvent]] = []
    while !rest.isEmpty {
      let piece = Array(rest.prefix(max(1, groupLength(Array(rest)))))
      pieces.append(piece)
      rest = rest.dropFirst(piece.count)
    }
    groups += pieces
    guard pieces.count > 1 else { return }
    let words = pieces.map { $0.map(\.name).joined(separator: ", ") }
    notes.append(
      "perf: at most \(pieces.map(\.count).max() ?? 0) of these are counted at once; each group is "
        + "scaled separately: \(words.joined(separator: " | "))")
  }

  /// The number of events, from the first on, that the kernel accepts as one group.
  private func groupLength(_ events: [PerfEvent]) -> Int {
    guard let target = targets(of: events[0]).first else { return 0 }
    var descriptors: [Int32] = []
    defer { for descriptor in descriptors { kernel.close(descriptor) } }
    for event in events {
      let descriptor = kernel.open(
        attributes(event, isLeader: descriptors.isEmpty), process: target.task,
        cpu: target.cpu, leader: descriptors.first ?? -1)
      guard descriptor >= 0 else { break }
      descriptors.append(descriptor)
    }
    return descriptors.count
  }

  /// Opens all events together at their first target, and drops those that fail: events may be
  /// available one by one but not all at once, such as more breakpoints than the processor has
  /// registers.
  private mutating func dropEventsThatDoNotFitTogether(_ context: CollectorContext) {
    var descriptors: [Int32] = []
    defer { for descriptor in descriptors { kernel.close(descriptor) } }
    var kept: [[PerfEvent]] = []
    for group in groups {
      var rest = group
      while let target = rest.first.flatMap({ targets(of: $0).first }) {
        var mine: [Int32] = []
        var refused: (index: Int, errno: Int32)?
        for (index, event) in rest.enumerated() {
          let descriptor = kernel.open(
            attributes(event, isLeader: mine.isEmpty), process: target.task, cpu: target.cpu,
            leader: mine.first ?? -1)
          guard descriptor >= 0 else {
            refused = (index, -descriptor)
            break
          }
          mine.append(descriptor)
        }
        guard let refused else {
          descriptors += mine
          kept.append(rest)
          break
        }
        for descriptor in mine { kernel.close(descriptor) }
        let event = rest.remove(at: refused.index)
        refuse(event, PerfRefusal.reason(refused.errno, event, choice.scope, context))
      }
    }
    groups = kept
  }

  /// Selects one group of each PMU for this repetition, in rotation, so that none is multiplexed.
  private mutating func selectRotationGroup() {
    guard choice.rotates, case .workload(let target) = choice.scope else { return }
    let units = groups.map { $0.first { $0.needsCounter }?.counterUnit }
    let rotationIndex = Int(max(1, target.generation) - 1)
    var kept: [[PerfEvent]] = []
    for (number, group) in groups.enumerated() {
      let rivals = units.indices.filter { units[$0] == units[number] }
      if units[number] == nil || rivals[rotationIndex % rivals.count] == number {
        kept.append(group)
      }
    }
    if kept.count == groups.count {
      notes.append(
        "perf: --perf-rotate has no effect: no two groups compete for the counters of a PMU")
    }
    groups = kept
  }

  /// Renames an event of several groups to `cycles#2` in the second one: each has its own count and
  /// times.
  private mutating func disambiguateNames() {
    var seen: [String: Int] = [:]
    for group in groups.indices {
      for index in groups[group].indices {
        let name = groups[group][index].name
        seen[name, default: 0] += 1
        guard let number = seen[name], number > 1 else { continue }
        groups[group][index].name = "\(name)#\(number)"
        notes.append("perf: \(name) is counted in several groups: \(name)#\(number) is another one")
      }
    }
  }

  // MARK: Refusals

  private mutating func refuse(_ event: PerfEvent, _ reason: String) {
    if let index = refusals.firstIndex(where: { $0.reason == reason }) {
      if !refusals[index].names.contains(event.name) { refusals[index].names.append(event.name) }
    } else {
      refusals.append((reason, [event.name]))
    }
  }

  /// Adds the first available stand-in for each refused event; refused stand-ins are reported too.
  /// Returns the notes.
  private mutating func addFallbacks(_ context: CollectorContext) -> [String] {
    var calledIn: [(event: String, for: [String])] = []
    for name in refusals.flatMap(\.names) {
      var seen: Set<String> = [name]
      var next = choice.standIns[String(name.prefix { $0 != ":" })]
      while let event = next, seen.insert(event.name).inserted {
        if events.contains(where: { $0.name == event.name }) || takes(event, context) {
          if let index = calledIn.firstIndex(where: { $0.event == event.name }) {
            calledIn[index].for.append(name)
          } else {
            calledIn.append((event.name, [name]))
          }
          break
        }
        next = choice.standIns[event.name]
      }
    }
    return calledIn.map {
      "perf: \($0.event) is counted instead of \($0.for.joined(separator: ", ")); the column is "
        + "named \($0.event) ([fallback] in collectors.conf)"
    }
  }

  private mutating func takes(_ event: PerfEvent, _ context: CollectorContext) -> Bool {
    guard let event = accepted(event, context) else { return false }
    // It may be counted already, also in user space only.
    if !events.contains(where: { $0.attributes == event.attributes }) { groups.append([event]) }
    return true
  }

  /// The event as the kernel accepts it, nil if refused. If only user space is permitted, the event
  /// excludes the kernel and is named accordingly; events that occur in the kernel only are
  /// refused, as they would always be 0.
  private mutating func accepted(_ event: PerfEvent, _ context: CollectorContext) -> PerfEvent? {
    guard let target = targets(of: event).first else {
      refuse(
        event,
        isOfCPUs
          ? "no chosen CPU can count these events; choose others with -C" : "the process has ended")
      return nil
    }
    if event.isUncore, !hasOwnColumns {
      refuse(event, "counts whole sockets or nodes: choose -a")
      return nil
    }
    var result = attempt(event, target)
    guard result != 0 else { return verifyCounts(event) }
    // Some PMUs do not support guests and refuse to exclude them, as perf does by default.
    if result == EINVAL, event.attributes.flags.contains(.excludeGuest) {
      var plain = event
      plain.attributes.flags.subtract([.excludeGuest, .excludeHost])
      if attempt(plain, target) == 0 { return verifyCounts(plain) }
    }
    if result == EACCES || result == EPERM, !event.happensInKernel,
      !event.attributes.flags.contains(.excludeKernel), let user = event.inUserSpace
    {
      result = attempt(user, target)
      if result == 0, !user.isClock {
        notes.append(
          "perf: \(event.name): the kernel's part is denied (\(PerfRefusal.paranoia(context))): "
            + "counted in user space, as \(user.name)")
      }
      if result == 0 { return verifyCounts(user) }
    }
    refuse(event, PerfRefusal.reason(result, event, choice.scope, context) + otherSource(of: event))
    return nil
  }

  /// Another metric with the same information as a refused event.
  private func otherSource(of event: PerfEvent) -> String {
    guard case .workload = choice.scope, event.isContextSwitches else { return "" }
    return "; voluntary_switches and involuntary_switches of each repetition (wait4) stand in"
  }

  /// The event, if it counts in a trial: some virtual machines open counters that never change.
  private mutating func verifyCounts(_ event: PerfEvent) -> PerfEvent? {
    // Events of the kernel or guests only need not count in a trial.
    guard event.needsCounter, !event.isUncore,
      event.attributes.flags.isDisjoint(with: [.excludeUser, .excludeHost])
    else { return event }
    var attributes = event.attributes
    attributes.flags.insert(.disabled)
    let descriptor = kernel.open(attributes, process: 0, cpu: -1, leader: -1)
    guard descriptor >= 0 else { return event }
    defer { kernel.close(descriptor) }
    guard kernel.enable(descriptor) == 0 else { return event }
    kernel.exercise()
    var words: [UInt64] = [0, 0, 0, 0]
    let bytes = unsafe words.withUnsafeMutableBufferPointer {
      unsafe kernel.read(descriptor, into: $0)
    }
    guard bytes == words.count * 8, words[2] > 0, words[3] == 0 else { return event }
    guard event.alwaysMoves else {
      notes.append(
        "perf: \(event.name) did not move in a trial: it may not be counting on this host")
      return event
    }
    refuse(event, "not counting here: the kernel opens it, but it never moves (a virtual PMU?)")
    return nil
  }
}
