package import LinuxSystem
package import Sampler

/// How the collectors of one session are chosen to look at the host.
package struct CollectorOptions: Sendable, Hashable {
  /// CPUs to keep of per-CPU metrics, nil for all.
  package var cpus: CPUSet?

  /// Everything.
  package init() {}
}

extension CollectorRegistry {
  /// Every collector that lbsample has. A new one adds its line here.
  package static func host(_ options: CollectorOptions = CollectorOptions()) -> CollectorRegistry {
    CollectorRegistry([
      CpuCollector(cpus: options.cpus),
      NetCollector(),
    ])
  }
}
