import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// The random number generator's pool, from /proc/sys/kernel/random.
///
/// Documentation/admin-guide/sysctl/kernel.rst. Minimum kernel 2.6. Privilege: none. Cost: two
/// preads of 0.4 µs. Limits: since 5.18 the pool is always full after initialisation.
struct EntropyCollector: TextCollector {
  let description = CollectorDescription(
    name: "entropy", summary: "the random number generator's pool",
    source: "proc/sys/kernel/random/{entropy_avail,poolsize}", minimumKernel: "2.6",
    privilege: "none", cost: .cheap, pace: .slow, systemCallsPerSample: 2,
    metrics: [
      gauge("entropy_avail", "bits of entropy", host: true),
      gauge("poolsize", "bits that the pool holds", host: true),
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    description.metrics.map { metric in
      TextSource(
        number: context.roots.proc("sys/kernel/random/\(metric.name)"), TextField(metric.name))
    }
  }
}
