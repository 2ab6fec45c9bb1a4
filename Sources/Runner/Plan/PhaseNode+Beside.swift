package import Sampler

extension PhaseNode {
  /// Processes beside workloads that are measured at most.
  package static let besideLimit = 32

  /// Gives each process of the plan that lives beside a workload, a server or an unmeasured member,
  /// something that measures it under its own name. Members of one name never live at once, and
  /// share one; a member that has a server's name has its phase in its own: `mix/load`. Gives
  /// these, in the order of the plan, and in words what is not measured since there are too many.
  package mutating func aimBeside() -> (targets: [WorkloadTarget], unmeasured: String?) {
    var targets = BesideTargets(servers: everyServer)
    aim(&targets)
    let left = targets.left
    guard let first = left.first else { return (targets.all, nil) }
    return (
      targets.all,
      "\(Self.besideLimit) processes beside the workload are measured at most: not \(first)"
        + (left.count > 1 ? " and \(left.count - 1) more" : "")
    )
  }

  private mutating func aim(_ targets: inout BesideTargets) {
    for place in actions.indices {
      guard var process = actions[place] as? ProcessAction else { continue }
      process.target = targets.target(process.title)
      actions[place] = process
    }
    for place in companions.indices {
      let title = companions[place].title
      companions[place].target = targets.target(
        targets.servers.contains(title) ? "\(name)/\(title)" : title)
    }
    for place in children.indices { children[place].aim(&targets) }
    if var node = fallback?.node {
      node.aim(&targets)
      fallback = Fallback(node)
    }
  }

  private var everyServer: Set<String> {
    children.reduce(into: Set(actions.compactMap { ($0 as? ProcessAction)?.title })) {
      $0.formUnion($1.everyServer)
    }.union(fallback?.node.everyServer ?? [])
  }
}

/// What measures processes beside workloads, by their names.
private struct BesideTargets {
  let servers: Set<String>
  private(set) var all: [WorkloadTarget] = []
  /// Names that are not measured.
  private(set) var left: [String] = []

  init(servers: Set<String>) { self.servers = servers }

  /// The target of this name; nil where there are too many.
  mutating func target(_ name: String) -> WorkloadTarget? {
    if let known = all.first(where: { $0.name == name }) { return known }
    guard all.count < PhaseNode.besideLimit else {
      if !left.contains(name) { left.append(name) }
      return nil
    }
    let target = WorkloadTarget(beside: name)
    all.append(target)
    return target
  }
}
