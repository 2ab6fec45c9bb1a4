import ArgumentParser
import Collectors
import LinuxSystem
import PerfEvents
import SampleModel
import Sampler

/// Which performance events are counted, and of what, by perf's own letters.
struct PerfOptions: ParsableArguments {
  @Option(
    name: [.customShort("e"), .customLong("perf")],
    help: ArgumentHelp(
      "Count these events, by perf's names or sets: basic, cache, tlb, memory, scheduler.",
      valueName: "events"))
  var lists: [String] = []
  @Flag(
    name: [.customShort("a"), .customLong("all-cpus")],
    help: "Count events of everything, not of the workload alone (run).")
  var allCPUs = false
  @Option(
    name: [.customShort("C"), .customLong("perf-cpus")], parsing: .unconditional,
    help: ArgumentHelp("Count events on these CPUs only.", valueName: "list"))
  var cpus: String?

  /// The events by name, over what this host offers; nil when none is asked for.
  func choice(
    _ settings: Settings, _ roots: MountRoots, _ workload: WorkloadTarget?, processes: [Int32]
  ) throws(LBError) -> PerfChoice? {
    guard !lists.isEmpty else {
      if allCPUs || cpus != nil {
        throw LBError(.configuration, "-a and -C are about events: name some with --perf")
      }
      return nil
    }
    var chosen: CPUSet?
    if let cpus {
      guard let set = CPUSet(list: cpus), !set.isEmpty else {
        throw LBError(.configuration, "-C \(cpus): expected a list of CPUs such as 0-3,8")
      }
      chosen = set
    }
    if workload == nil, !processes.isEmpty, allCPUs || chosen != nil {
      throw LBError(
        .configuration, "-p counts the events of processes, -a and -C those of CPUs: choose one")
    }
    let resolver = EventResolver(EventSources(roots))
    let text = lists.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
      .map { word in
        let key = "perf.\(word)"
        return SettingsSchema.key(key) == nil ? String(word) : settings[key]
      }.joined(separator: ",")
    let groups: [[PerfEvent]]
    do throws(EventError) {
      groups = try resolver.groups(text)
    } catch {
      let known =
        EventResolver.genericNames + SettingsSchema.perfSets
        + resolver.names(matching: "*").map(\.name)
      let nearest = error.isUnknownName ? Nearest.word(to: error.text, in: known) : nil
      throw LBError(
        .configuration,
        "--perf \(error.text): \(error.reason)\(Nearest.hint(nearest)); "
          + "lbsample collectors --perf lists what this host has")
    }
    if let workload, !allCPUs, chosen == nil {
      return PerfChoice(groups: groups, scope: .workload(workload))
    }
    if workload == nil, !processes.isEmpty {
      return PerfChoice(groups: groups, scope: .processes(processes))
    }
    return PerfChoice(groups: groups, scope: .system(chosen))
  }
}
