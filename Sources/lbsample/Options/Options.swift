import ArgumentParser
import Collectors
import Foundation
import LinuxSystem
import Runner
import SampleModel
import Sampler

/// Which collectors: the same for every command that samples.
struct CollectorOptions: ParsableArguments, SettingFlags {
  @Flag(help: "Sample this collector.")
  var chosen: [CollectorFlag] = []
  @Flag(
    name: .customLong("all"),
    help: ArgumentHelp(
      "All available collectors of the whole host, each at its default interval; not those that "
        + "need a name (--process, --tree, --footprint, --cgroup, --top, --perf, --packets)."))
  var all = false
  @Flag("collectors.per_cpu") var perCPU: Bool
  @Option(
    name: .customLong("cpus"), parsing: .unconditional,
    help: ArgumentHelp("Keep only these CPUs of per-CPU metrics.", valueName: "list"))
  var cpus: String?
  @Flag(
    name: .customLong("interrupts-per-cpu"),
    help: "A column for each CPU of each interrupt.")
  var interruptsPerCPU = false
  @Flag(
    name: .customLong("zones-per-cpu"),
    help: "The page sets of each CPU in each memory zone.")
  var zonesPerCPU = false
  @OptionGroup(title: "Performance events") var events: PerfOptions
  @OptionGroup(title: "Packets") var packets: PacketOptions
  @Option(
    name: .customLong("tree"), parsing: .unconditional,
    help: ArgumentHelp(
      "Follow this process and its descendants; in run, the word workload means the workload "
        + "itself.", valueName: "pid"))
  var tree: String?
  @Option(
    name: [.customShort("p"), .customLong("process")],
    help: ArgumentHelp("Sample this process alone; may be repeated.", valueName: "pid"))
  var processes: [String] = []
  @Flag(
    name: .customLong("footprint"),
    help: "Memory footprint (PSS, swap) by NUMA node of the --process and --tree processes.")
  var footprint = false
  @Option(
    name: .customLong("cgroup"),
    help: ArgumentHelp("Sample this control group; may be repeated.", valueName: "path"))
  var cgroups: [String] = []
  @Option(
    name: .customLong("top"), parsing: .unconditional,
    help: ArgumentHelp("Report the N busiest processes.", valueName: "n"))
  var top: String?
  @Option(
    name: .customLong("top-by"),
    help: ArgumentHelp("Order of --top: cpu, memory or io.", valueName: "what"))
  var topBy: String?
  @Flag(
    name: .customLong("per-thread"),
    help: "Records of each thread of the tree; events of each thread.")
  var perThread = false
  @Option("collectors.disk_devices") var diskDevices: Given?
  @Option("collectors.net_source") var netSource: Given?
  @Option(
    name: .customLong("only"),
    help: ArgumentHelp(
      "Keep only columns that match, as in 'net.*[eth0]'; may be repeated.", valueName: "glob"))
  var only: [String] = []
  @Option(
    name: .customLong("except"),
    help: ArgumentHelp("Leave out columns that match; may be repeated.", valueName: "glob"))
  var except: [String] = []
  @Option(
    name: .customLong("require"),
    help: ArgumentHelp(
      "Fail if this collector is not available (for perf: if any event is not).",
      valueName: "collector"))
  var require: [String] = []
  @Option(
    name: .customLong("optional"),
    help: ArgumentHelp(
      "Continue without this collector if it is not available.", valueName: "collector"))
  var optional: [String] = []

  /// Names given on the command line.
  var named: [String] {
    chosen.map(\.rawValue) + (interruptsPerCPU ? ["interrupts"] : [])
      + (zonesPerCPU ? ["zones"] : [])
      + (tree != nil ? ["tree"] : []) + (processes.isEmpty ? [] : ["process"])
      + (footprint ? ["footprint"] : []) + (cgroups.isEmpty ? [] : ["cgroup"])
      + (packets.interfaces != nil ? ["packets"] : [])
      + (top != nil ? ["top"] : []) + (events.lists.isEmpty ? [] : ["perf"])
  }

  var flags: [(name: String, isGiven: Bool)] { [("collectors.per_cpu", perCPU)] }

  /// The choice of columns, as it stands in a result's configuration.
  var entries: [ConfigurationEntry] {
    let given: [(String, String)] =
      [
        ("collectors.named", (named + (all ? ["all"] : [])).joined(separator: ",")),
        ("collectors.cpus", cpus ?? ""), ("collectors.tree", tree ?? ""),
        ("collectors.process", processes.joined(separator: ",")), ("collectors.top", top ?? ""),
        ("collectors.cgroup", cgroups.joined(separator: ",")),
        ("collectors.perf", events.lists.joined(separator: ",")),
        ("collectors.perf_cpus", events.cpus ?? (events.allCPUs ? "all" : "")),
        ("collectors.perf_cgroups", events.groups ?? ""),
        ("collectors.perf_rotate", events.rotates ? "true" : ""),
        ("collectors.interrupts_per_cpu", interruptsPerCPU ? "true" : ""),
        ("collectors.zones_per_cpu", zonesPerCPU ? "true" : ""),
        ("collectors.top_by", topBy ?? ""), ("collectors.per_thread", perThread ? "true" : ""),
        ("collectors.only", only.joined(separator: ",")),
        ("collectors.except", except.joined(separator: ",")),
      ] + packets.entries
    return given.filter { !$0.1.isEmpty }.map {
      ConfigurationEntry(key: $0.0, value: $0.1, origin: "command line")
    }
  }

  /// Takes what `plan` says of what is sampled, where these options are silent: its collectors
  /// where none is named, its events and packets where there are none.
  mutating func adopt(_ sampling: PlanSampling, from plan: String) throws(LBError) {
    let isSilent = named.isEmpty && !all
    if events.lists.isEmpty { events.lists = sampling.events }
    if packets.interfaces == nil { packets.interfaces = sampling.packets }
    guard isSilent else { return }
    for name in sampling.collectors {
      if let flag = CollectorFlag(rawValue: name) {
        chosen.append(flag)
      } else if name == "all" {
        all = true
      } else if name == "tree" {
        tree = "workload"
      } else {
        let known = CollectorFlag.allCases.map(\.rawValue) + ["all", "tree"]
        let targeted = TargetedCollector(rawValue: name).map { _ in
          "; \(name) needs a target, which the command line gives it"
        }
        throw LBError(
          .configuration,
          "\(plan): collectors: a plan cannot name the collector \(name)"
            + (targeted ?? Nearest.hint(Nearest.word(to: name, in: known))))
      }
    }
  }

  /// The requests that these options and settings make; with a `workload`, its tree is followed
  /// unless other collectors are named, and with it those `beside`, which are asked for only then.
  func requests(
    _ settings: Settings, _ roots: MountRoots, workload: WorkloadTarget? = nil,
    scope: ControlGroup? = nil, beside: () -> [WorkloadTarget] = { [] }
  ) throws(LBError) -> [CollectorRequest] {
    var options = Collectors.CollectorOptions()
    if let cpus {
      guard let set = CPUSet(list: cpus) else {
        throw LBError(
          .configuration, "--cpus \(cpus): expected a list of CPUs such as 0-3,8")
      }
      options.cpus = set
    }
    options.interruptsPerCPU = interruptsPerCPU
    options.zonesPerCPU = zonesPerCPU
    options.tree = try treeTarget(workload)
    options.perThread = perThread
    options.processes = try processes.map { text throws(LBError) in
      try processNumber(text, option: "--process", or: nil)
    }
    options.footprint = footprint
    guard !footprint || options.tree != nil || !options.processes.isEmpty else {
      throw LBError(.configuration, "--footprint requires --process PID or --tree PID")
    }
    options.cgroups = cgroups.map { .path($0) } + (scope.map { [.scope($0)] } ?? [])
    if let top {
      guard let count = Int(top), (1...256).contains(count) else {
        throw LBError(.configuration, "--top \(top): expected a whole number from 1 to 256")
      }
      options.top = count
    }
    guard let order = TopOrder(rawValue: topBy ?? "cpu") else {
      throw LBError(.configuration, "--top-by \(topBy ?? ""): expected cpu, memory or io")
    }
    options.topOrder = order
    options.perf = try events.choice(
      settings,
      PerfContext(
        roots: roots, workload: workload, processes: options.processes, perThread: perThread,
        isStrict: require.contains("perf")))
    options.packets = try packets.choice(usually: workload == nil ? 0 : 10)
    options.netSource = NetSource(rawValue: settings["collectors.net_source"]) ?? .auto
    options.disks = DiskChoice(rawValue: settings["collectors.disk_devices"]) ?? .disks
    let registry = CollectorRegistry.host(options)
    let known = registry.collectors.map(\.description.name)
    let hostWide = registry.collectors.filter { !$0.needsTarget }.map(\.description.name)
    for name in require + optional + settings.list("collectors.default")
    where !known.contains(name) {
      throw LBError(
        .configuration,
        "unknown collector '\(name)'\(Nearest.hint(Nearest.word(to: name, in: known))); "
          + "run 'lbsample collectors' for the list")
    }
    let fromDefault = named.isEmpty && !all
    let names =
      (all ? hostWide : fromDefault ? settings.list("collectors.default") : []) + named
      + (workload != nil && (fromDefault || all) ? ["tree"] : [])
      + (scope == nil ? [] : ["cgroup"]) + require + optional
    try refuseIdle(settings, roots, known: known, chosen: names, isOfRun: workload != nil)
    var requests: [CollectorRequest] = []
    for name in known where names.contains(name) {
      guard let collector = registry[name] else { continue }
      let isNamed = named.contains(name) || require.contains(name)
      requests.append(
        CollectorRequest(
          collector, interval: interval(of: name, settings),
          required: isNamed && !optional.contains(name)))
    }
    try checkOnly(known, requests)
    guard !requests.isEmpty else {
      throw LBError(
        .configuration,
        "no collector is chosen: name one (--cpu, --net, --all) or set collectors.default")
    }
    return requests + options.besideRequests(requests, beside)
  }

  private func treeTarget(_ workload: WorkloadTarget?) throws(LBError) -> WorkloadTarget? {
    guard let tree, !(tree == "workload" && workload != nil) else { return workload }
    guard tree != "workload" else {
      throw LBError(
        .configuration, "--tree workload: only valid with 'lbsample run'; give a process ID")
    }
    return WorkloadTarget(
      process: try processNumber(tree, option: "--tree", or: workload == nil ? nil : "workload"))
  }

  private func processNumber(
    _ text: String, option: String, or word: String?
  ) throws(LBError) -> Int32 {
    if let pid = Int32(text), pid > 0 { return pid }
    let words = "a process ID" + (word.map { ", or \($0)" } ?? "")
    throw LBError(.configuration, "\(option) \(text): expected \(words)")
  }

  private func interval(of name: String, _ settings: Settings) -> UInt64? {
    let key = SettingsSchema.interval(of: name)
    return SettingsSchema.key(key).flatMap { _ in Durations.parse(settings[key]) }
  }
}

/// Which mounts of the kernel's trees are read: the same for every command that reads them.
struct MountOptions: ParsableArguments {
  @Option(
    name: .customLong("proc-root"),
    help: ArgumentHelp("Read this directory instead of /proc.", valueName: "dir"))
  var procRoot = "/proc"
  @Option(
    name: .customLong("sys-root"),
    help: ArgumentHelp("Read this directory instead of /sys.", valueName: "dir"))
  var sysRoot = "/sys"

  var roots: MountRoots { MountRoots(proc: procRoot, sys: sysRoot) }

  /// Throws where another /proc was named and is not there. A host without /sys has its /proc.
  func check() throws(LBError) {
    guard procRoot != "/proc" else { return }
    guard Directories.isDirectory(procRoot) else {
      throw LBError(.configuration, "--proc-root \(procRoot): no such directory")
    }
  }
}

/// How to sample: the same for every command that samples.
struct SamplingOptions: ParsableArguments, SettingFlags {
  @Option("sampling.pin") var pin: Given?
  @Option("sampling.priority") var priority: Given?
  @Flag("sampling.align") var align: Bool
  @Option("sampling.budget") var budget: Given?
  @OptionGroup var mounts: MountOptions
  @Option(
    name: .customLong("config"),
    help: ArgumentHelp(
      "Use this configuration file instead of the default one.", valueName: "file"))
  var config: String?

  var flags: [(name: String, isGiven: Bool)] { [("sampling.align", align)] }

  var roots: MountRoots { mounts.roots }

  /// The settings in force with what the command line gives them.
  func settings(_ given: [Given]) throws(LBError) -> Settings {
    try mounts.check()
    let environment = ProgramEnvironment.variables
    let file = try ConfigurationFile.find(explicit: config, environment: environment)
    return try Settings(file: file, environment: environment, commandLine: given)
  }

  /// The sampler's configuration from the settings, of which `key` is the interval.
  func configuration(
    _ settings: Settings, interval key: String, filter: ColumnFilter, workload: CPUSet?
  ) throws(LBError) -> SamplerConfiguration {
    let allowed = CPUSet.allowed()
    let placement = Placement(settings["sampling.pin"]) ?? .automatic
    let cpus = try placement.resolve(roots: roots, allowed: allowed, workload: workload)
    var configuration = SamplerConfiguration(
      interval: settings.duration(key), cpus: cpus,
      context: CollectorContext(roots: roots, filter: filter))
    configuration.priority = SchedulingPriority(settings["sampling.priority"]) ?? .other
    configuration.isIntervalExplicit = settings.origin(key) != "default"
    configuration.budget = settings.share("sampling.budget")
    configuration.aligned = settings.flag("sampling.align")
    configuration.hugePages = settings.flag("sampling.huge_pages")
    configuration.lockMemory = settings.flag("sampling.lock_memory")
    configuration.drainCPUs = workload.map { allowed.subtracting($0) }
    return configuration
  }
}

/// Where results live.
struct StoreOptions: ParsableArguments {
  @Option("run.runs_dir") var runsDirectory: Given?
}

/// How much is said on standard error.
struct LogOptions: ParsableArguments {
  @Flag(name: .customLong("verbose"), help: "Print progress and all notes to standard error.")
  var verbose = false
  @Flag(
    name: .customLong("quiet"),
    help: ArgumentHelp(
      "Print only errors to standard error: no notes, no ledger line. The report on standard "
        + "output is not shortened."))
  var quiet = false
  @Option(
    name: .customLong("log-file"),
    help: ArgumentHelp("Append every event to this file.", valueName: "file"))
  var logFile: String?
  @Flag(name: .customLong("json-errors"), help: "Print an error as one JSON object.")
  var jsonErrors = false
}
