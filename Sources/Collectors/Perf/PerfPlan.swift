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
  /// The CPUs of a system-wide count; one of none for a workload.
  let cpus: [Int]
  let isSystem: Bool
  let kernel: any PerfKernel

  /// Tries the events of `choice`.
  init(_ choice: PerfChoice, _ context: CollectorContext) {
    kernel = choice.kernel
    switch choice.scope {
    case .system(let chosen):
      let text = SmallFile.text(context.roots.sys("devices/system/cpu/online"))
      let online = (text.flatMap { CPUSet(list: $0) } ?? CPUSet.allowed()).members
      let absent = chosen.map { $0.subtracting(CPUSet(online)) } ?? CPUSet()
      cpus = chosen.map { chosen in online.filter(chosen.members.contains) } ?? online
      if !absent.isEmpty { notes.append("perf: CPUs \(absent) are not online: left out") }
      isSystem = true
    case .workload:
      cpus = [-1]
      isSystem = false
    }
    for group in choice.groups {
      let kept = group.compactMap { accepted($0, context) }
      guard kept.count > 1, !opensTogether(kept) else {
        if !kept.isEmpty { groups.append(kept) }
        continue
      }
      notes.append(
        "perf: the kernel does not count \(kept.map(\.name).joined(separator: ", ")) as one group: "
          + "each is counted and scaled on its own")
      groups += kept.map { [$0] }
    }
  }

  var events: [PerfEvent] { groups.flatMap { $0 } }

  var descriptorCount: Int { events.reduce(0) { $0 + cpus(of: $1).count } }

  /// Where an event is opened: an uncore one on the CPUs of its mask.
  func cpus(of event: PerfEvent) -> [Int] {
    guard isSystem, let mask = event.cpus else { return cpus }
    return cpus.filter(mask.members.contains)
  }

  /// How an event is opened in this scope.
  func attributes(_ event: PerfEvent, isLeader: Bool) -> PerfEventAttributes {
    var attributes = event.attributes
    if isLeader { attributes.flags.insert(.disabled) }
    if !isSystem {
      attributes.flags.insert(.inherit)
      if isLeader { attributes.flags.insert(.enableOnExec) }
    }
    return attributes
  }

  /// The event as the kernel takes it: without the kernel's own part, under that name, where that
  /// alone is permitted. What happens in the kernel would then be a silent zero.
  private mutating func accepted(_ event: PerfEvent, _ context: CollectorContext) -> PerfEvent? {
    guard let cpu = cpus(of: event).first else {
      notes.append("perf: \(event.name): none of the chosen CPUs counts it")
      return nil
    }
    if event.cpus != nil, !isSystem {
      notes.append("perf: \(event.name): counts whole sockets or nodes: choose -a")
      return nil
    }
    var result = attempt(event, cpu)
    guard result != 0 else { return event }
    // Some PMUs know no guests and refuse to leave them out, as perf does unasked.
    if result == EINVAL, event.attributes.flags.contains(.excludeGuest) {
      var plain = event
      plain.attributes.flags.subtract([.excludeGuest, .excludeHost])
      if attempt(plain, cpu) == 0 { return plain }
    }
    if result == EACCES || result == EPERM, !event.happensInKernel,
      !event.attributes.flags.contains(.excludeKernel), let user = event.inUserSpace
    {
      result = attempt(user, cpu)
      if result == 0 {
        notes.append(
          "perf: \(event.name): the kernel's part is denied (\(PerfRefusal.paranoia(context))): "
            + "counted in user space, as \(user.name)")
        return user
      }
    }
    notes.append("perf: \(event.name): \(PerfRefusal.reason(result, event, context))")
    return nil
  }

  /// Opens and closes an event: 0 or the errno.
  private func attempt(_ event: PerfEvent, _ cpu: Int) -> Int32 {
    let descriptor = kernel.open(
      attributes(event, isLeader: true), process: isSystem ? -1 : 0, cpu: Int32(cpu), leader: -1)
    guard descriptor >= 0 else { return -descriptor }
    kernel.close(descriptor)
    return 0
  }

  private func opensTogether(_ events: [PerfEvent]) -> Bool {
    guard let cpu = cpus(of: events[0]).first else { return false }
    var descriptors: [Int32] = []
    defer { for descriptor in descriptors { kernel.close(descriptor) } }
    for event in events {
      let descriptor = kernel.open(
        attributes(event, isLeader: descriptors.isEmpty), process: isSystem ? -1 : 0,
        cpu: Int32(cpu), leader: descriptors.first ?? -1)
      guard descriptor >= 0 else { return false }
      descriptors.append(descriptor)
    }
    return true
  }

  /// The columns in the order of reading: of each group its sums over all CPUs, then of each CPU,
  /// or of the workload alone, two times and the counts.
  var columns: [Column] {
    var columns: [Column] = []
    for group in groups {
      guard isSystem else {
        columns += block(group, of: "", times: group[0].name)
        continue
      }
      columns += block(group, of: "all", times: "\(group[0].name)@all")
      for cpu in cpus(of: group[0]) {
        columns += block(group, of: "\(cpu)", times: "\(group[0].name)@\(cpu)")
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
  /// The same event without the kernel and the hypervisor, named as perf would name it.
  fileprivate var inUserSpace: PerfEvent? {
    guard !name.hasSuffix("/") else { return nil }
    var attributes = attributes
    attributes.flags.formUnion([.excludeKernel, .excludeHypervisor])
    var event = PerfEvent(name: name + (name.contains(":") ? "u" : ":u"), attributes: attributes)
    (event.scale, event.unit, event.cpus) = (scale, unit, cpus)
    return event
  }
}
