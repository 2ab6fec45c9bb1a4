import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// How often each interrupt came, from /proc/interrupts:
///
/// ```
///            CPU0       CPU1
///  26:          0         15  IO-APIC   4-edge      ttyS0
/// NMI:          0          0   Non-maskable interrupts
/// ```
/// Documentation/filesystems/proc.rst. Minimum kernel 2.6. Privilege: none. Cost: one pass over
/// CPUs × lines, 33 µs on two CPUs and milliseconds on large hosts: read once a second by default.
/// It does not tell: which CPU, unless each is asked for. Each CPU's count wraps at 32 bits, so
/// that a sum may fall by 2^32: readers know it for a wrap.
struct InterruptsCollector: TextCollector {
  private let perCPU: Bool
  let cannotHang = true
  let description: CollectorDescription

  /// The collector: a column a line, or one for each CPU of each line.
  init(perCPU: Bool = false) {
    self.perCPU = perCPU
    description = CollectorDescription(
      name: "interrupts", summary: "how often each interrupt came", source: "proc/interrupts",
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
