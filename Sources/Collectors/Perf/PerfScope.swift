package import LinuxSystem
package import PerfEvents
package import Sampler

/// The scope of performance events.
package enum PerfScope: Sendable {
  /// Everything on these CPUs, nil for all online ones.
  case system(CPUSet?)
  /// Everything in each of these control groups, on these CPUs.
  case controlGroups([ControlGroup], cpus: CPUSet?)
  /// Running processes: their present and future threads and descendants.
  case processes([Int32])
  /// The workload and all its descendants, from its exec on.
  case workload(WorkloadTarget)
}

/// The events to count, their scope and formulas.
package struct PerfChoice: Sendable {
  /// A value derived from events that are counted together.
  package struct Formula: Sendable {
    package let name: String
    /// Names of events, numbers and operators.
    package let tokens: [String]

    /// A formula of these tokens, called `name`.
    package init(name: String, tokens: [String]) {
      self.name = name
      self.tokens = tokens
    }
  }

  /// Groups that are scheduled and read together.
  package let groups: [[PerfEvent]]
  package private(set) var scope: PerfScope
  /// The kernel that counts.
  package let kernel: any PerfKernel
  /// Notes from before any event is opened.
  package var notes: [String] = []
  package var formulas: [Formula] = []
  /// The event counted, under its own name, in place of an unavailable one.
  package var standIns: [String: PerfEvent] = [:]
  /// The smallest share of time counted from which a count is scaled up.
  package var minimumRunningRatio = 0.0
  /// The share of one CPU that reading may use before its interval is lengthened; nil for no limit.
  package var costLimit: Double?
  /// Whether an unavailable event is an error.
  package var isStrict = false
  /// Each repetition counts one group, in rotation.
  package var rotates = false
  /// Each thread is counted separately.
  package var perThread = false

  /// Groups of events in `scope`.
  package init(groups: [[PerfEvent]], scope: PerfScope, kernel: any PerfKernel = LivePerfKernel()) {
    self.kernel = kernel
    self.groups = groups
    self.scope = scope
  }

  /// The same events for a process beside the workload, without rotation. Unavailable events are
  /// reported by the workload's collector only.
  func beside(_ target: WorkloadTarget) -> PerfChoice {
    var choice = self
    choice.scope = .workload(target)
    choice.notes = []
    choice.isStrict = false
    choice.rotates = false
    choice.perThread = false
    return choice
  }
}
