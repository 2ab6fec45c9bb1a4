import ArgumentParser
import Collectors
import LinuxSystem
import PerfEvents
import SampleModel
import Sampler

/// What the command knows about performance events beside their options.
struct PerfContext {
  let roots: MountRoots
  let workload: WorkloadTarget?
  let processes: [Int32]
  let perThread: Bool
  /// Whether an event that cannot be counted is an error.
  let isStrict: Bool
}

/// Which performance events are counted, and for what, with the option letters of perf.
struct PerfOptions: ParsableArguments {
  @Option(
    name: [.customShort("e"), .customLong("perf")],
    help: ArgumentHelp(
      "Count these events, by perf's names or sets: basic, cache, tlb, memory, scheduler, ….",
      valueName: "events"))
  var lists: [String] = []
  @Flag(
    name: [.customShort("a"), .customLong("all-cpus")],
    help: "Count the events of all processes on all CPUs, not only of the workload (run).")
  var allCPUs = false
  @Option(
    name: [.customShort("C"), .customLong("perf-cpus")], parsing: .unconditional,
    help: ArgumentHelp("Count events on these CPUs only.", valueName: "list"))
  var cpus: String?
  @Option(
    name: [.customShort("G"), .customLong("perf-cgroups")],
    help: ArgumentHelp(
      "Count events of these control groups, separately for each.", valueName: "paths"))
  var groups: String?
  @Flag(
    name: .customLong("perf-rotate"),
    help: "Count one group of events in each repetition, in turn (run).")
  var rotates = false

  /// The options with which more than the workload is counted.
  private var scopeOptions: [String] {
    (allCPUs ? ["-a"] : []) + (cpus == nil ? [] : ["-C"]) + (groups == nil ? [] : ["-G"])
  }

  /// The chosen events, resolved on this host; nil without --perf.
  func choice(_ settings: Settings, _ context: PerfContext) throws(LBError) -> PerfChoice? {
    guard !lists.isEmpty else {
      if let option = (scopeOptions + (rotates ? ["--perf-rotate"] : [])).first {
        throw LBError(.configuration, "\(option) needs --perf EVENTS")
      }
      return nil
    }
    let scope = try scope(context)
    if rotates {
      guard case .workload = scope, !context.perThread else {
        throw LBError(
          .configuration,
          "--perf-rotate changes the events at each repetition of a workload: use it with run, "
            + "without -a, -C, -G, -p and --per-thread")
      }
    }
    if context.perThread {
      if case .system = scope {
        throw LBError(
          .configuration, "--per-thread counts the threads of a workload or of -p, not of CPUs")
      }
      if case .controlGroups = scope {
        throw LBError(
          .configuration, "--per-thread counts the threads of a workload or of -p, not of -G")
      }
    }
    let names = EventNames(settings, context.roots)
    try names.check()
    var choice = PerfChoice(
      groups: try names.groups(lists, isStrict: context.isStrict), scope: scope)
    choice.notes = try names.leftOut(lists)
    guard !context.isStrict || choice.notes.isEmpty else {
      throw LBError(
        .collectorUnavailable, "perf is required: " + choice.notes.joined(separator: "; "),
        context: ErrorContext(collector: "perf"))
    }
    choice.formulas = settings.section("derived").map {
      PerfChoice.Formula(name: $0.name, tokens: Expression.tokens($0.value))
    }
    choice.standIns = try names.standIns()
    choice.minimumRunningRatio = Share.parse(settings["sampling.least_running"]) ?? 0
    choice.costLimit = Share.parse(settings["sampling.event_cost"])
    choice.isStrict = context.isStrict
    choice.rotates = rotates
    choice.perThread = context.perThread
    return choice
  }

  private func scope(_ context: PerfContext) throws(LBError) -> PerfScope {
    if groups != nil, allCPUs || !context.processes.isEmpty {
      throw LBError(
        .configuration,
        "-G counts the events of control groups, on all CPUs or those of -C: "
          + "remove -a and -p")
    }
    if !context.processes.isEmpty, let option = scopeOptions.first {
      throw LBError(
        .configuration,
        "-p counts the events of processes, \(option) those of CPUs: remove one of them")
    }
    var chosen: CPUSet?
    if let cpus {
      guard let set = CPUSet(list: cpus), !set.isEmpty else {
        throw LBError(.configuration, "-C \(cpus): expected a list of CPUs such as 0-3,8")
      }
      chosen = set
    }
    if let groups {
      let found = try groups.parts(",").map { path throws(LBError) in
        guard let group = ControlGroup(String(path), context.roots) else {
          throw LBError(
            .configuration,
            "-G \(path): there is no such control group below "
              + context.roots.sys("fs/cgroup"))
        }
        return group
      }
      guard !found.isEmpty else {
        throw LBError(.configuration, "-G: expected paths of control groups, with commas between")
      }
      var seen = Set<String>()
      return .controlGroups(found.filter { seen.insert($0.name).inserted }, cpus: chosen)
    }
    if !context.processes.isEmpty { return .processes(context.processes) }
    if let workload = context.workload, !allCPUs, chosen == nil { return .workload(workload) }
    return .system(chosen)
  }
}

/// Resolves names of events, with the sets and stand-ins of the configuration.
struct EventNames {
  private let settings: Settings
  private let resolver: EventResolver

  /// Names of the events of this host.
  init(_ settings: Settings, _ roots: MountRoots) {
    self.settings = settings
    resolver = EventResolver(EventSources(roots))
  }

  private var sets: [(name: String, value: String)] { settings.section("perf") }

  /// Refuses names of sets and formulas that an event or a column has.
  func check() throws(LBError) {
    let columns = ["time_enabled", "time_running", "running"]
    for section in ["perf", "derived"] {
      for (name, _) in settings.section(section) where columns.contains(name) || isKnown(name) {
        let key = "\(section).\(name)"
        throw LBError(
          .configuration,
          "\(settings.origin(key)): \(key): an event or a column has this name: choose another one")
      }
    }
  }

  private func words(_ lists: [String]) -> [String] {
    lists.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
  }

  /// The groups of these lists. Events of a set that this host does not know are left out. So are
  /// events that this user may not look up, as long as there are others, unless `isStrict`.
  func groups(_ lists: [String], isStrict: Bool) throws(LBError) -> [[PerfEvent]] {
    var missing: [String] = []
    var parts: [String] = []
    for word in words(lists) {
      guard let set = sets.first(where: { $0.name == word }) else {
        parts.append(word)
        continue
      }
      let (known, unknown) = try cut(set)
      if known.isEmpty { missing += unknown } else { parts.append(known) }
    }
    let open = parts.filter { hidden($0) == nil }
    if !isStrict, !open.isEmpty { parts = open }
    guard !parts.isEmpty else {
      throw LBError(
        .collectorUnavailable,
        "perf: none of these events is known here: "
          + missing.joined(separator: ", ") + "; lbsample collectors --perf lists the known ones",
        context: ErrorContext(collector: "perf"))
    }
    do throws(EventError) {
      return try resolver.groups(parts.joined(separator: ","))
    } catch {
      throw refusal(error, "--perf")
    }
  }

  /// Why this user may not look up an event whose name may be right; nil for any other event.
  private func hidden(_ word: String) -> String? {
    do throws(EventError) {
      _ = try resolver.groups(word)
      return nil
    } catch {
      return error.isHidden ? error.reason : nil
    }
  }

  private func refusal(_ error: EventError, _ option: String) -> LBError {
    let known =
      EventResolver.genericNames + sets.map(\.name)
      + resolver.names(matching: "*").map(\.name)
    let nearest = error.isUnknownName ? Nearest.word(to: error.text, in: known) : nil
    return LBError(
      .configuration,
      "\(option) \(error.text): \(error.reason)\(Nearest.hint(nearest)); "
        + "lbsample collectors --perf lists the events of this host")
  }

  /// Notes about the events of these lists that are left out.
  func leftOut(_ lists: [String]) throws(LBError) -> [String] {
    var notes: [String] = []
    for word in words(lists) {
      guard let set = sets.first(where: { $0.name == word }) else {
        if let reason = hidden(word) { notes.append("perf: \(word) is left out: \(reason)") }
        continue
      }
      let unknown = try cut(set).unknown
      if unknown.isEmpty { continue }
      notes.append(
        "perf: events of the set \(word) that this host does not know are left out: "
          + unknown.joined(separator: ", "))
    }
    return notes
  }

  /// A set's text without the names that this host does not know, and those names.
  private func cut(
    _ set: (name: String, value: String)
  ) throws(LBError) -> (known: String, unknown: [String]) {
    let groups: [EventList.Group]
    do throws(EventError) {
      groups = try EventList(set.value).groups
    } catch {
      throw LBError(
        .configuration,
        "\(settings.origin("perf.\(set.name)")): perf.\(set.name): \(error.text): \(error.reason)")
    }
    var known: [String] = []
    var unknown: [String] = []
    for group in groups {
      var kept = group
      kept.names = group.names.filter { isKnown($0) }
      unknown += group.names.filter { !kept.names.contains($0) }
      if !kept.names.isEmpty { known.append(kept.text) }
    }
    return (known.joined(separator: ","), unknown)
  }

  private func isKnown(_ name: String) -> Bool {
    do throws(EventError) {
      return try !resolver.events(name).isEmpty
    } catch {
      return false
    }
  }

  /// The stand-ins of events, by the event's name.
  func standIns() throws(LBError) -> [String: PerfEvent] {
    let section = settings.section("fallback")
    var events: [String: PerfEvent] = [:]
    for (name, other) in section {
      var path = [name]
      var next: String? = other
      while let step = next {
        guard !path.contains(step) else {
          throw LBError(
            .configuration,
            "\(settings.origin("fallback.\(name)")): the stand-ins form a circle: "
              + (path + [step]).joined(separator: ", then "))
        }
        path.append(step)
        next = section.first { $0.name == step }?.value
      }
      do throws(EventError) {
        events[name] = try resolver.events(other).first
      } catch {
        throw refusal(error, "\(settings.origin("fallback.\(name)")): fallback.\(name) =")
      }
    }
    return events
  }
}
