package import LinuxSystem
package import PacketStatistics
import SampleModel
package import Sampler

/// Options of the collectors of one session.
package struct CollectorOptions: Sendable {
  /// CPUs of per-CPU metrics, nil for all.
  package var cpus: CPUSet?
  /// A column for each CPU of each interrupt, rather than their sum.
  package var interruptsPerCPU = false
  /// The page sets of each CPU in each memory zone.
  package var zonesPerCPU = false
  /// The root of the process tree to follow.
  package var tree: WorkloadTarget?
  /// Processes to read on their own.
  package var processes: [Int32] = []
  /// Whether the memory of the processes and the tree is read.
  package var footprint = false
  /// Control groups to read.
  package var cgroups: [CgroupChoice] = []
  /// How many of the busiest processes to name, 0 for none.
  package var top = 0
  /// The order of the busiest processes.
  package var topOrder = TopOrder.cpu
  /// Rows about threads too.
  package var perThread = false
  /// Performance events to count.
  package var perf: PerfChoice?
  /// Interfaces of which packets are counted, and how.
  package var packets: CaptureOptions?
  /// The source of the interfaces' counters.
  package var netSource = NetSource.auto
  /// Which block devices are read.
  package var disks = DiskChoice.disks

  /// The defaults.
  package init() {}

  /// Those of the collectors `names` that follow the workload, with `target` instead.
  private func following(_ names: [String], _ target: WorkloadTarget) -> [any Collector] {
    var found: [any Collector] = []
    if names.contains("tree"), tree?.isWorkload == true {
      found.append(TreeCollector(target: target, perThread: perThread))
    }
    if names.contains("perf"), let perf, case .workload = perf.scope {
      found.append(PerfCollector(perf.beside(target)))
    }
    return found
  }

  /// Requests for the processes beside the workload: the collectors of `requests` that follow the
  /// workload, at the same intervals, all optional. `targets` is evaluated only if there are any.
  package func besideRequests(
    _ requests: [CollectorRequest], _ targets: () -> [WorkloadTarget]
  ) -> [CollectorRequest] {
    let names = requests.map(\.collector.description.name)
    guard !following(names, WorkloadTarget()).isEmpty else { return [] }
    return targets().flatMap { target in
      following(names, target).map { collector in
        let kind = collector.description.name.prefix { $0 != "[" }
        let like = requests.first { $0.collector.description.name == kind }
        return CollectorRequest(collector, interval: like?.interval, required: false)
      }
    }
  }
}

extension CollectorRegistry {
  /// Every collector that lbsample has. A new one adds its line here.
  package static func host(_ options: CollectorOptions = CollectorOptions()) -> CollectorRegistry {
    CollectorRegistry([
      CpuCollector(cpus: options.cpus),
      MemoryCollector(),
      DiskCollector(options.disks),
      NetCollector(options.netSource),
      PressureCollector(),
      LoadCollector(),
      VmCollector(),
      NumaCollector(),
      InterruptsCollector(perCPU: options.interruptsPerCPU),
      SoftirqsCollector(),
      SoftnetCollector(),
      SocketsCollector(),
      ProtocolsCollector(),
      SchedulerCollector(),
      FrequencyCollector(),
      TemperatureCollector(),
      PowerCollector(),
      FilesCollector(),
      FilesystemsCollector(),
      ConntrackCollector(),
      HugepagesCollector(),
      ZonesCollector(perCPU: options.zonesPerCPU),
      SlabCollector(),
      EntropyCollector(),
      TimexCollector(),
      LinksCollector(),
      MdCollector(),
      NfsCollector(),
      EdacCollector(),
      ProcessCollector(processes: options.processes),
      TreeCollector(target: options.tree, perThread: options.perThread),
      FootprintCollector(
        isWanted: options.footprint, tree: options.tree, processes: options.processes),
      CgroupCollector(choices: options.cgroups),
      TopCollector(count: options.top, order: options.topOrder),
      PerfCollector(options.perf),
      PacketsCollector(options: options.packets),
    ])
  }

  /// The availability of a collector on this host; nil for an unknown name.
  package static func availability(_ roots: MountRoots) -> @Sendable (String) -> Bool? {
    { name in
      guard let collector = host()[name] else { return nil }
      return collector.probe(CollectorContext(roots: roots)) == .available
    }
  }
}
