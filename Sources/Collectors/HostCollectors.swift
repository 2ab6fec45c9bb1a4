package import LinuxSystem
package import Sampler

/// How the collectors of one session are chosen to look at the host.
package struct CollectorOptions: Sendable, Hashable {
  /// CPUs to keep of per-CPU metrics, nil for all.
  package var cpus: CPUSet?
  /// A column for each CPU of each interrupt, rather than their sum.
  package var interruptsPerCPU = false
  /// Which block devices are read.
  package var disks = DiskChoice.disks

  /// Everything.
  package init() {}
}

extension CollectorRegistry {
  /// Every collector that lbsample has. A new one adds its line here.
  package static func host(_ options: CollectorOptions = CollectorOptions()) -> CollectorRegistry {
    CollectorRegistry([
      CpuCollector(cpus: options.cpus),
      MemoryCollector(),
      DiskCollector(options.disks),
      NetCollector(),
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
      ConntrackCollector(),
      HugepagesCollector(),
      ZonesCollector(),
      SlabCollector(),
      EntropyCollector(),
      LinksCollector(),
      MdCollector(),
      NfsCollector(),
      EdacCollector(),
    ])
  }
}
