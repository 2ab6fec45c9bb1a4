import LinuxSystem
package import SampleModel
package import Sampler

/// What a session is asked to do: the defaults, what was given over them and what the plan says,
/// merged in this one place. What was given goes before the plan, the plan before a default.
package struct SessionConfiguration: Sendable {
  /// The run's own settings.
  package private(set) var specification: RunSpecification
  /// The phases, each with its own.
  package private(set) var plan: PhaseNode
  /// What is to be said of phases that are skipped, as mistakes of a soft plan.
  package private(set) var notes: [String]

  /// Merges `given`, which was put over the defaults, with what `plan` says of the whole run. Of
  /// the plan's changes to the host those count that its caller has allowed. Throws `configuration`
  /// where a command cannot be found that will certainly be executed.
  package init(
    _ given: RunSpecification, plan: PhaseNode, hostChanges: [HostChange] = [],
    notes: [String] = []
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
    self.notes = notes
    try findCommands()
  }

  /// Adds what is to stand in the result of how it was configured.
  package mutating func record(_ entry: ConfigurationEntry) {
    specification.configuration.append(entry)
  }

  /// Gives each process beside the workload something that measures it: `PhaseNode.aimBeside`.
  package mutating func aimBeside() -> (targets: [WorkloadTarget], unmeasured: String?) {
    plan.aimBeside()
  }

  /// Looks for the commands before anything is started; not for those that something in the run is
  /// yet to make: in a fresh directory, by a hook, behind a condition.
  private mutating func findCommands() throws(LBError) {
    let makes = specification.hooks[.setup] != nil || plan.around?.hooks[.setup] != nil
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
        notes.append(failure.message)
      }
    }
    if !missing.isEmpty { plan = plan.skipping(missing) }
  }
}
