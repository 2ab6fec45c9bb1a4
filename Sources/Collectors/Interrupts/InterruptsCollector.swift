import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// The count of each interrupt, from /proc/interrupts:
///
/// ```
///            CPU0       CPU1
///  26:          0         15  IO-APIC   4-edge      ttyS0
/// NMI:          0          0   Non-maskable interrupts
/// ```
/// Documentation/filesystems/proc.rst. Minimum kernel 2.6. Privilege: none. Cost: one pass over
/// CPUs × lines, 33 µs on two CPUs and milliseconds on large hosts: read once a second by default.
/// Limits: sums over the CPUs, unless one column for each is requested. Each CPU's count wraps at
/// 32 bits, so a sum may fall by 2^32, which readers treat as a wrap.
struct InterruptsCollector: TextCollector {
  private let perCPU: Bool
  let isNonBlocking = true
  let description: CollectorDescription

  /// The collector: a column a line, or one for each CPU of each line.
  init(perCPU: Bool = false) {
    self.perCPU = perCPU
    description = CollectorDescription(
      name: "interrupts", summary: "number of interrupts of each line", source: "proc/interrupts",
      minimumKernel: "2.6", privilege: "none", cost: .expensive,
      metrics: [counter("count", "interrupts of this line", width: 32, isSum: !perCPU)])
  }

  func sources(_ context: CollectorContext) -> [TextSource] {
    [
      TextSource(context.roots.proc("interrupts"), delivery: .pieces) {
        text throws(KernelTextError) in
        try TextFormat.interrupts(text, perCPU: perCPU)
      }
    ]
  }
}
