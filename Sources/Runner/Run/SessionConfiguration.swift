import LinuxSystem
package import SampleModel
package import Sampler

/// The configuration of a session: given settings, the plan's and defaults, merged. Given settings
/// take precedence over the plan, the plan over defaults.
package struct SessionConfiguration: Sendable {
  /// The run's own settings.
  package private(set) var specification: RunSpecification
  /// The phases, each with its settings.
  package private(set) var plan: PhaseNode
  /// The mistakes of phases of a soft plan, which are skipped.
  package private(set) var planMistakes: [String]

  /// Merges `given`, which includes the defaults, with the plan's settings of the whole run.
  /// `hostChanges` are the plan's changes of the host that the caller has allowed. Throws
  /// `configuration` where the command of a phase without a condition cannot be found.
  package init(
    _ given: RunSpecification, plan: PhaseNode, hostChanges: [HostChange] = [],
    planMistakes: [String] = []
  ) throws(LBError) {
    var merged = given
    let (own, bounds) = (given.quota, plan.bounds)
    merged.quota.wall = own.wall ?? bounds.quota.wall
    merged.quota.ownCPU = own.ownCPU ?? bounds.quota.ownCPU
    merged.quota.bytes = own.bytes ?? bounds.quota.bytes
    merged.quota.ringBytes = own.ringBytes ?? bounds.quota.ringBytes
    merged.quota.retries = own.retries ?? bounds.quota.retries
    merged.askLimit = given.askLimit ?? bounds.askLimit
    let named = Set(given.hostChanges.map(\.name))
    merged.hostChanges += hostChanges.filter { !named.contains($0.name) }
    if let only = plan.specifications.first, plan.specifications.count == 1 {
      merged.workloadCPUs = only.workloadCPUs
      merged.repetitions = only.repetitions
      merged.warmUps = only.warmUps
    }
    specification = merged
    self.plan = plan
    self.planMistakes = planMistakes
    try findCommands()
  }

  /// Adds an entry to the configuration in the result.
  package mutating func record(_ entry: ConfigurationEntry) {
    specification.configuration.append(entry)
  }

  /// Gives each process beside the workload something that measures it:
  /// `PhaseNode.assignBackgroundTargets`.
  package mutating func assignBackgroundTargets()
    -> (targets: [WorkloadTarget], unmeasured: String?)
  {
    plan.assignBackgroundTargets()
  }

  /// Looks for the commands before anything is started; not for those that something in the run is
  /// yet to make: in a fresh directory, by a hook, behind a condition.
  private mutating func findCommands() throws(LBError) {
    let makes = specification.hooks[.setup] != nil || plan.listHooks?.hooks[.setup] != nil
    var missing: [String: String] = [:]
    for node in plan.certain {
      guard let specification = node.specification, specification.workspace == nil else { continue }
      let mayBeMade = makes || !specification.hooks.isEmpty
      if mayBeMade, specification.command.first?.has("/") == true { continue }
      do throws(LBError) {
        _ = try WorkloadCommand.resolve(specification)
      } catch {
        var failure = error
        if node.name != "main" { failure.message = "\(node.name.shownInLine): \(failure.message)" }
        failure.context.phase = node.name
        guard node.isSoft, plan.measured().count > missing.count + 1 else { throw failure }
        missing[node.name] = error.message
        planMistakes.append(failure.message)
      }
    }
    if !missing.isEmpty { plan = plan.skipping(missing) }
  }
}
