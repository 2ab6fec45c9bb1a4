package import Sampler

extension PhaseNode {
  /// Most background processes that are sampled.
  package static let backgroundTargetLimit = 32

  /// Gives each background process of the plan, a server or a co-runner, a target by which it is
  /// sampled under its own name. Co-runners of one name never run at the same time and share a
  /// target; the target of a co-runner with a server's name has the phase before it: `mix/load`.
  /// Returns the targets in the order of the plan, and a message if there are more processes than
  /// are sampled.
  package mutating func assignBackgroundTargets() -> (
    targets: [WorkloadTarget], unmeasured: String?
  ) {
    var targets = BackgroundTargets(servers: everyServer)
    assign(&targets)
    let omitted = targets.omitted
    guard let first = omitted.first else { return (targets.all, nil) }
    return (
      targets.all,
      "at most \(Self.backgroundTargetLimit) processes beside the workload are measured: not "
        + first + (omitted.count > 1 ? " and \(omitted.count - 1) more" : "")
    )
  }

  private mutating func assign(_ targets: inout BackgroundTargets) {
    for index in actions.indices {
      guard var process = actions[index] as? ProcessAction else { continue }
      process.target = targets.target(process.title)
      actions[index] = process
    }
    for index in coRunners.indices {
      let title = coRunners[index].title
      coRunners[index].target = targets.target(
        targets.servers.contains(title) ? "\(name)/\(title)" : title)
    }
    for index in children.indices { children[index].assign(&targets) }
    if var node = fallback?.node {
      node.assign(&targets)
      fallback = Fallback(node)
    }
  }

  private var everyServer: Set<String> {
    children.reduce(into: Set(actions.compactMap { ($0 as? ProcessAction)?.title })) {
      $0.formUnion($1.everyServer)
    }.union(fallback?.node.everyServer ?? [])
  }
}

/// Targets of background processes, by name.
private struct BackgroundTargets {
  let servers: Set<String>
  private(set) var all: [WorkloadTarget] = []
  /// Names without a target.
  private(set) var omitted: [String] = []

  init(servers: Set<String>) { self.servers = servers }

  /// The target of this name; nil where the limit is reached.
  mutating func target(_ name: String) -> WorkloadTarget? {
    if let known = all.first(where: { $0.name == name }) { return known }
    guard all.count < PhaseNode.backgroundTargetLimit else {
      if !omitted.contains(name) { omitted.append(name) }
      return nil
    }
    let target = WorkloadTarget(beside: name)
    all.append(target)
    return target
  }
}
