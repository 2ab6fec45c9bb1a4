import LinuxSystem
import PerfEvents
import SampleModel
import Sampler

extension PerfPlan {
  /// One group at one target, with the positions of its words.
  struct Counters {
    let target: CountingTarget
    /// The index of its first event among all, and their number.
    let first: Int
    let count: Int
    /// The index of its first word: both times, then the counts; -1 without columns of its own.
    let word: Int
    /// The index of the first word of its sum.
    let total: Int
    /// Whether it is the first part of its sum.
    let beginsTotal: Bool
  }

  /// All groups at all targets in the order of reading, and their columns: for each group its sums,
  /// each before its targets.
  func counters() -> (counters: [Counters], columns: [Column]) {
    var counters: [Counters] = []
    var columns: [Column] = []
    var first = 0
    for group in groups {
      let leader = group[0]
      for total in totals.indices {
        let targets = targets(of: leader).filter { $0.total == total }
        guard !targets.isEmpty else { continue }
        let sum = columns.count
        let name = totals[total]
        columns += block(
          group, of: name, times: name.isEmpty ? leader.name : "\(leader.name)@\(name)")
        for (number, target) in targets.enumerated() {
          var word = -1
          if hasOwnColumns {
            word = columns.count
            let own = label(of: target, counting: leader)
            columns += block(group, of: own, times: "\(leader.name)@\(own)")
          }
          counters.append(
            Counters(
              target: target, first: first, count: group.count, word: word, total: sum,
              beginsTotal: number == 0))
          first += group.count
        }
      }
    }
    return (counters, columns)
  }

  private func label(of target: CountingTarget, counting event: PerfEvent) -> String {
    guard event.isUncore, let mask = event.cpus else { return "\(target.cpu)" }
    return topology.label(ofCPU: Int(target.cpu), amongst: mask.members)
  }

  private func block(_ group: [PerfEvent], of instance: String, times: String) -> [Column] {
    PerfCollector.times.map { Column(collector: "perf", metric: $0, instance: times) }
      + group.map { event in
        Column(
          collector: "perf", metric: PerfCollector.metric(event), instance: instance, times: times)
      }
  }

  /// The formulas over these columns: the share of time that each group was counted, and each
  /// formula wherever all of its events are counted.
  func formulas(_ columns: [Column]) -> [Formula] {
    var instances: [String] = []
    var events: [String: Set<String>] = [:]
    var formulas: [Formula] = []
    for column in columns {
      if column.metric.name == PerfCollector.times[0].name {
        formulas.append(
          Formula(
            Column(
              collector: "perf", metric: PerfCollector.running, instance: column.instance),
            tokens: [
              "perf.time_running[\(column.instance)]", "/", "perf.time_enabled[\(column.instance)]",
            ]))
      } else if column.times != nil {
        if events[column.instance] == nil { instances.append(column.instance) }
        events[column.instance, default: []].insert(column.metric.name)
      }
    }
    for formula in choice.formulas {
      for instance in instances {
        formulas += made(formula, of: events[instance] ?? [], instance)
      }
    }
    return formulas
  }

  /// A formula over the events of one instance: with the names in it, and again for each modifier
  /// or PMU that all of them have, such as `IPC:u` of `instructions:u` and `cycles:u`.
  private func made(
    _ formula: PerfChoice.Formula, of events: Set<String>, _ instance: String
  ) -> [Formula] {
    let names = formula.tokens.filter(PerfPlan.isName)
    // The clocks have the same name in every variant.
    guard let first = names.first(where: { !GenericEvents.isClock($0) }) ?? names.first else {
      return []
    }
    return events.compactMap { PerfPlan.surroundings(of: first, in: $0) }.sorted().compactMap {
      around in
      var tokens: [String] = []
      for token in formula.tokens {
        guard PerfPlan.isName(token) else {
          tokens.append(token)
          continue
        }
        // The clocks keep their name whatever is excluded.
        guard let event = [around.text(token), token].first(where: events.contains),
          event == around.text(token) || GenericEvents.isClock(token)
        else { return nil }
        tokens.append("perf.\(event)" + (instance.isEmpty ? "" : "[\(instance)]"))
      }
      return Formula(
        Column(
          collector: "perf", metric: PerfCollector.derived(around.text(formula.name)),
          instance: instance), tokens: tokens)
    }
  }

  private static func isName(_ token: String) -> Bool {
    !["+", "-", "*", "/", "(", ")"].contains(token) && Double(token) == nil
  }

  /// The text around an event's name: a PMU and a slash, modifiers, a number.
  private struct Surroundings: Comparable {
    let before: Substring
    let suffix: Substring

    func text(_ name: String) -> String { before + name + suffix }

    static func < (one: Self, other: Self) -> Bool { one.text("") < other.text("") }
  }

  private static func surroundings(of name: String, in event: String) -> Surroundings? {
    if event.hasPrefix(name) {
      let suffix = event.dropFirst(name.count)
      let isWhole = suffix.isEmpty || suffix.first == ":" || suffix.first == "#"
      if isWhole { return Surroundings(before: "", suffix: suffix) }
    }
    let parts = event.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[1] == name else { return nil }
    return Surroundings(before: parts[0] + "/", suffix: "/" + parts[2])
  }
}

/// The socket and node of each CPU.
struct CPUTopology {
  private let roots: MountRoots

  /// The topology of a host, read on demand.
  init(_ roots: MountRoots) { self.roots = roots }

  /// The label of a CPU that counts for others too: its socket if no other of `cpus` is in it, else
  /// its node, else itself.
  func label(ofCPU cpu: Int, amongst cpus: [Int]) -> String {
    for (word, part) in [("socket", socket), ("node", node)] as [(String, (Int) -> Int?)] {
      guard let mine = part(cpu), !cpus.contains(where: { $0 != cpu && part($0) == mine }) else {
        continue
      }
      return "\(word)\(mine)"
    }
    return "\(cpu)"
  }

  private func socket(_ cpu: Int) -> Int? {
    SmallFile.text(roots.sys("devices/system/cpu/cpu\(cpu)/topology/physical_package_id"))
      .flatMap { Int($0) }
  }

  private func node(_ cpu: Int) -> Int? {
    HostFacts.nodes(roots).first {
      HostFacts.cpus(ofNode: $0, roots)?.members.contains(cpu) ?? false
    }
  }
}

extension PerfEvent {
  /// Whether it needs one of the few counters of a PMU.
  var needsCounter: Bool {
    // Dynamic types of cores only: uncore and free-running PMUs have a mask.
    switch attributes.type {
    case 0, 3, 4: true
    case 1, 2, 5: false
    default: !isUncore && isOfCores
    }
  }

  /// Whether any code increments it: cycles, instructions, branches, reference cycles.
  var alwaysMoves: Bool {
    attributes.type == 0 && [0, 1, 4, 9].contains(attributes.config & 0xFFFF_FFFF)
  }

  var isContextSwitches: Bool { attributes.type == 1 && attributes.config == 3 }

  /// The event without the kernel and the hypervisor, with perf's name for it; nil for one of the
  /// kernel only. The software clocks ignore this, so they keep their name.
  var inUserSpace: PerfEvent? {
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
