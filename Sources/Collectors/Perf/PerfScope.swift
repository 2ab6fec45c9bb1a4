package import LinuxSystem
package import PerfEvents
package import Sampler

/// What performance events are counted of.
package enum PerfScope: Sendable {
  /// Everything that runs on these CPUs, nil for all that are online.
  case system(CPUSet?)
  /// What runs in each of these control groups, on these CPUs.
  case controlGroups([ControlGroup], cpus: CPUSet?)
  /// Processes that run already: their threads and descendants, and what these will make.
  case processes([Int32])
  /// The workload and all its descendants, from its exec on.
  case workload(WorkloadTarget)
}

/// Which events are counted, of what, and what is made of them.
package struct PerfChoice: Sendable {
  /// A value that readers make of events that are counted together.
  package struct Formula: Sendable {
    package let name: String
    /// Names of events, numbers and operators.
    package let tokens: [String]

    /// `name` is what these tokens make.
    package init(name: String, tokens: [String]) {
      self.name = name
      self.tokens = tokens
    }
  }

  /// Groups that are scheduled and read together.
  package let groups: [[PerfEvent]]
  package private(set) var scope: PerfScope
  /// Who counts.
  package let kernel: any PerfKernel
  /// What is known before anything is opened.
  package var notes: [String] = []
  package var formulas: [Formula] = []
  /// Which event is counted, under its own name, where another one cannot be.
  package var standIns: [String: PerfEvent] = [:]
  /// A count of a smaller share of the time than this is no value.
  package var leastShare = 0.0
  /// The most that reading may cost of one CPU before it is done less often; nil for no bound.
  package var costLimit: Double?
  /// An event that cannot be counted is an error.
  package var isStrict = false
  /// One group is counted in each repetition, in turn.
  package var rotates = false
  /// Threads are counted each on its own.
  package var perThread = false

  /// These groups of events, of `scope`.
  package init(groups: [[PerfEvent]], scope: PerfScope, kernel: any PerfKernel = LivePerfKernel()) {
    self.kernel = kernel
    self.groups = groups
    self.scope = scope
  }

  /// The same events of a process beside the workload: all of them at once, and where they cannot
  /// be counted it is the workload's that says so.
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
