package import LinuxSystem
package import PerfEvents
package import Sampler

/// What performance events are counted of.
package enum PerfScope: Sendable {
  /// Everything that runs on these CPUs, nil for all that are online.
  case system(CPUSet?)
  /// Processes that run already: their threads and descendants, and what these will make.
  case processes([Int32])
  /// The workload and all its descendants, from its exec on.
  case workload(WorkloadTarget)
}

/// Which events are counted, and of what.
package struct PerfChoice: Sendable {
  /// Groups that are scheduled and read together.
  package let groups: [[PerfEvent]]
  package let scope: PerfScope
  /// Who counts.
  package let kernel: any PerfKernel

  /// These groups of events, of `scope`.
  package init(groups: [[PerfEvent]], scope: PerfScope, kernel: any PerfKernel = LivePerfKernel()) {
    self.kernel = kernel
    self.groups = groups
    self.scope = scope
  }
}
