import LinuxSystem
import PerfEvents
import SampleModel
import Sampler

extension PerfPlan {
  /// One group at one place, with where its words go.
  struct Counters {
    let place: Place
    /// Its first event among all, and how many there are.
    let first: Int
    let count: Int
    /// Where its words begin: both times, then the counts; -1 without columns of its own.
    let word: Int
    /// Where those of its sum begin.
    let total: Int
    /// It is the first that is added to this sum.
    let beginsTotal: Bool
  }

  /// All groups at all places in the order of reading, and the columns that they make: of each
  /// group its sums, each before the places that it is made of.
  func counters() -> (counters: [Counters], columns: [Column]) {
    var counters: [Counters] = []
    var columns: [Column] = []
    var first = 0
    for group in groups {
      let leader = group[0]
      for total in totals.indices {
        let places = places(of: leader).filter { $0.total == total }
        guard !places.isEmpty else { continue }
        let sum = columns.count
        let name = totals[total]
        columns += block(
          group, of: name, times: name.isEmpty ? leader.name : "\(leader.name)@\(name)")
        for (number, place) in places.enumerated() {
          var word = -1
          if hasOwnColumns {
            word = columns.count
            let own = label(of: place, counting: leader)
            columns += block(group, of: own, times: "\(leader.name)@\(own)")
          }
          counters.append(
            Counters(
              place: place, first: first, count: group.count, word: word, total: sum,
              beginsTotal: number == 0))
          first += group.count
        }
      }
    }
    return (counters, columns)
  }

  private func label(of place: Place, counting event: PerfEvent) -> String {
    guard event.isUncore, let mask = event.cpus else { return "\(place.cpu)" }
    return topology.label(ofCPU: Int(place.cpu), amongst: mask.members)
  }

  private func block(_ group: [PerfEvent], of instance: String, times: String) -> [Column] {
    PerfCollector.times.map { Column(collector: "perf", metric: $0, instance: times) }
      + group.map { event in
        Column(
          collector: "perf", metric: PerfCollector.metric(event), instance: instance, times: times)
      }
  }

  /// What readers make of these columns: for how much of its time each group was counted, and each
  /// formula wherever all of its events are.
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

  /// A formula over the events of one instance: as they are named in it, and again for each
  /// modifier or PMU that all of them have, as `IPC:u` of `instructions:u` and `cycles:u`.
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
        // The clocks keep their name whatever is left out.
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

  /// What stands around an event's name: a PMU and a slash, modifiers, a number.
  private struct Surroundings: Comparable {
    let before: Substring
    let behind: Substring

    func text(_ name: String) -> String { before + name + behind }

    static func < (one: Self, other: Self) -> Bool { one.text("") < other.text("") }
  }

  private static func surroundings(of name: String, in event: String) -> Surroundings? {
    if event.hasPrefix(name) {
      let behind = event.dropFirst(name.count)
      let isWhole = behind.isEmpty || behind.first == ":" || behind.first == "#"
      if isWhole { return Surroundings(before: "", behind: behind) }
    }
    let parts = event.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[1] == name else { return nil }
    return Surroundings(before: parts[0] + "/", behind: "/" + parts[2])
  }
}

/// Which socket and node each CPU is in.
struct CPUTopology {
  private let roots: MountRoots

  /// The topology of a host; read when it is asked for.
  init(_ roots: MountRoots) { self.roots = roots }

  /// What a CPU stands for that counts for others too: its socket where no other of `cpus` is in
  /// it, else its node, else itself.
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
  /// It takes a counter of a PMU, of which there are few.
  var needsCounter: Bool {
    // Of the dynamic types those of the cores: an uncore or free-running PMU says so by its mask.
    switch attributes.type {
    case 0, 3, 4: true
    case 1, 2, 5: false
    default: !isUncore && isOfCores
    }
  }

  /// Whatever runs makes it move: cycles, instructions, branches, reference cycles.
  var alwaysMoves: Bool {
    attributes.type == 0 && [0, 1, 4, 9].contains(attributes.config & 0xFFFF_FFFF)
  }

  var isContextSwitches: Bool { attributes.type == 1 && attributes.config == 3 }

  /// The same event without the kernel and the hypervisor, named as perf would name it; nil for one
  /// of the kernel alone. The software clocks take no notice, so theirs keep their name.
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
