import Glibc
import LinuxSystem
import PerfEvents
import SampleModel
import Sampler

/// Which groups are opened where, after each event was tried: what the kernel refuses is left out
/// and named.
struct PerfPlan {
  private(set) var groups: [[PerfEvent]] = []
  private(set) var notes: [String] = []
  private var refusals: [(reason: String, names: [String])] = []
  /// What a group is opened on: a CPU, or a task.
  struct Place {
    /// -1: every task; 0: the one that opens it.
    let task: Int32
    /// -1: any CPU.
    let cpu: Int32
  }

  private let places: [Place]
  let scope: PerfScope
  let kernel: any PerfKernel

  /// Tries the events of `choice`.
  init(_ choice: PerfChoice, _ context: CollectorContext) {
    kernel = choice.kernel
    scope = choice.scope
    switch choice.scope {
    case .system(let chosen):
      let text = SmallFile.text(context.roots.sys("devices/system/cpu/online"))
      let online = (text.flatMap { CPUSet(list: $0) } ?? CPUSet.allowed()).members
      let absent = chosen.map { $0.subtracting(CPUSet(online)) } ?? CPUSet()
      let cpus = chosen.map { chosen in online.filter(chosen.members.contains) } ?? online
      places = cpus.map { Place(task: -1, cpu: Int32($0)) }
      if !absent.isEmpty { notes.append("perf: CPUs \(absent) are not online: left out") }
    case .processes(let processes):
      places = Self.tasks(of: processes, context).map { Place(task: $0, cpu: -1) }
    case .workload:
      places = [Place(task: 0, cpu: -1)]
    }
    for group in choice.groups {
      let kept = group.compactMap { accepted($0, context) }
      let isOnePlace = Set(kept.map { places(of: $0).map(\.cpu) }).count == 1
      guard kept.count > 1, !isOnePlace || !opensTogether(kept) else {
        if !kept.isEmpty { groups.append(kept) }
        continue
      }
      notes.append(
        "perf: the kernel does not count \(kept.map(\.name).joined(separator: ", ")) as one group: "
          + "each is counted and scaled on its own")
      groups += kept.map { [$0] }
    }
    keepWhatOpensAtOnce(context)
    tellApart()
    notes += refusals.map { "perf: \($0.names.joined(separator: ", ")): \($0.reason)" }
  }

  /// Opens everything together at its first place: each may be had alone, and not all at once, as
  /// more breakpoints than the processor has registers.
  private mutating func keepWhatOpensAtOnce(_ context: CollectorContext) {
    var descriptors: [Int32] = []
    defer { for descriptor in descriptors { kernel.close(descriptor) } }
    var kept: [[PerfEvent]] = []
    for group in groups {
      var rest = group
      while let place = rest.first.flatMap({ places(of: $0).first }) {
        var mine: [Int32] = []
        var refused: (index: Int, errno: Int32)?
        for (index, event) in rest.enumerated() {
          let descriptor = kernel.open(
            attributes(event, isLeader: mine.isEmpty), process: place.task, cpu: place.cpu,
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
        refuse(event, PerfRefusal.reason(refused.errno, event, context))
      }
    }
    groups = kept
  }

  /// Names that are refused for one reason make one note.
  private mutating func refuse(_ event: PerfEvent, _ reason: String) {
    if let place = refusals.firstIndex(where: { $0.reason == reason }) {
      refusals[place].names.append(event.name)
    } else {
      refusals.append((reason, [event.name]))
    }
  }

  /// An event that stands in several groups is called `cycles#2` in the second: each has a count of
  /// its own, over times of its own.
  private mutating func tellApart() {
    var seen: [String: Int] = [:]
    for group in groups.indices {
      for place in groups[group].indices {
        let name = groups[group][place].name
        seen[name, default: 0] += 1
        guard let number = seen[name], number > 1 else { continue }
        groups[group][place].name = "\(name)#\(number)"
        notes.append("perf: \(name) is counted in several groups: \(name)#\(number) is another one")
      }
    }
  }

  var events: [PerfEvent] { groups.flatMap { $0 } }

  var descriptorCount: Int { events.reduce(0) { $0 + places(of: $1).count } }

  var isSystem: Bool { if case .system = scope { true } else { false } }

  /// Where an event is opened: an uncore one on the CPUs of its mask.
  func places(of event: PerfEvent) -> [Place] {
    guard isSystem, let mask = event.cpus else { return places }
    return places.filter { mask.members.contains(Int($0.cpu)) }
  }

  /// The threads of processes and of all their descendants, as they are now.
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

  /// How an event is opened in this scope.
  func attributes(_ event: PerfEvent, isLeader: Bool) -> PerfEventAttributes {
    var attributes = event.attributes
    if isLeader { attributes.flags.insert(.disabled) }
    if !isSystem { attributes.flags.insert(.inherit) }
    if isLeader, case .workload = scope { attributes.flags.insert(.enableOnExec) }
    return attributes
  }

  /// The event as the kernel takes it: without the kernel's own part, under that name, where that
  /// alone is permitted. What happens in the kernel would then be a silent zero.
  private mutating func accepted(_ event: PerfEvent, _ context: CollectorContext) -> PerfEvent? {
    guard let place = places(of: event).first else {
      refuse(event, isSystem ? "none of the chosen CPUs counts it" : "the process has ended")
      return nil
    }
    if event.isUncore, !isSystem {
      refuse(event, "counts whole sockets or nodes: choose -a")
      return nil
    }
    var result = attempt(event, place)
    guard result != 0 else { return event }
    // Some PMUs know no guests and refuse to leave them out, as perf does unasked.
    if result == EINVAL, event.attributes.flags.contains(.excludeGuest) {
      var plain = event
      plain.attributes.flags.subtract([.excludeGuest, .excludeHost])
      if attempt(plain, place) == 0 { return plain }
    }
    if result == EACCES || result == EPERM, !event.happensInKernel,
      !event.attributes.flags.contains(.excludeKernel), let user = event.inUserSpace
    {
      result = attempt(user, place)
      if result == 0, !user.isClock {
        notes.append(
          "perf: \(event.name): the kernel's part is denied (\(PerfRefusal.paranoia(context))): "
            + "counted in user space, as \(user.name)")
      }
      if result == 0 { return user }
    }
    refuse(event, PerfRefusal.reason(result, event, context))
    return nil
  }

  /// Opens and closes an event: 0 or the errno.
  private func attempt(_ event: PerfEvent, _ place: Place) -> Int32 {
    let descriptor = kernel.open(
      attributes(event, isLeader: true), process: place.task, cpu: place.cpu, leader: -1)
    guard descriptor >= 0 else { return -descriptor }
    kernel.close(descriptor)
    return 0
  }

  private func opensTogether(_ events: [PerfEvent]) -> Bool {
    guard let place = places(of: events[0]).first else { return false }
    var descriptors: [Int32] = []
    defer { for descriptor in descriptors { kernel.close(descriptor) } }
    for event in events {
      let descriptor = kernel.open(
        attributes(event, isLeader: descriptors.isEmpty), process: place.task,
        cpu: place.cpu, leader: descriptors.first ?? -1)
      guard descriptor >= 0 else { return false }
      descriptors.append(descriptor)
    }
    return true
  }

  /// The columns in the order of reading: of each group its sums over all CPUs, then of each CPU,
  /// or of all tasks together, two times and the counts.
  var columns: [Column] {
    var columns: [Column] = []
    for group in groups {
      guard isSystem else {
        columns += block(group, of: "", times: group[0].name)
        continue
      }
      columns += block(group, of: "all", times: "\(group[0].name)@all")
      for place in places(of: group[0]) {
        columns += block(group, of: "\(place.cpu)", times: "\(group[0].name)@\(place.cpu)")
      }
    }
    return columns
  }

  private func block(_ group: [PerfEvent], of instance: String, times: String) -> [Column] {
    PerfCollector.times.map { Column(collector: "perf", metric: $0, instance: times) }
      + group.map { event in
        Column(
          collector: "perf", metric: PerfCollector.metric(event), instance: instance, times: times)
      }
  }
}

extension PerfEvent {
  /// The same event without the kernel and the hypervisor, named as perf would name it; nil for one
  /// of the kernel alone. The software clocks take no notice, so theirs keep their name.
  fileprivate var inUserSpace: PerfEvent? {
    guard !attributes.flags.contains(.excludeUser) else { return nil }
    var event = self
    event.attributes.flags.formUnion([.excludeKernel, .excludeHypervisor])
    if isClock { return event }
    let colons = name.filter { $0 == ":" }.count
    switch true {
    case name.hasPrefix("mem:"): event.name += colons == 1 ? ":rw:u" : colons == 2 ? ":u" : "u"
    case name.contains("/"): event.name += "u"
    default: event.name += colons == 0 ? ":u" : "u"
    }
    return event
  }
}
