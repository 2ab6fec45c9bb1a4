import SampleModel

extension Planner {
  /// Reports conditions with unknown names of phases: a typing mistake must not skip a phase.
  func checkConditions(
    of node: PhaseNode, _ phases: Set<String>, _ exports: Set<String>
  ) -> PhaseNode {
    let before = problems.all.count
    for case let action as ConditionAction in node.actions {
      for name in action.condition.names where !exports.contains(name) {
        guard name.contains(".") else {
          problems.add(action.keyPath, "\(name): \(ConditionAction.expectation)")
          continue
        }
        let isOther = ["host.", "available."].contains { name.hasPrefix($0) }
        guard !isOther, !Self.isMetric(name, of: phases) else { continue }
        let phase = String(name.prefix { $0 != "." })
        let known =
          phases.count > Nearest.limit ? [] : phases.filter { !$0.isEmpty }.sorted()
        let repeated = known.filter { $0.hasPrefix(phase + "[") }
        let hint =
          repeated.isEmpty
          ? Nearest.hint(Nearest.word(to: phase, in: known))
          : "; there are \(Counted.list(repeated))"
        problems.add(action.keyPath, "\(name): no phase is called \(phase)\(hint)")
      }
    }
    var node = node
    if node.isSoft, problems.all.count > before {
      node = node.skipping([node.name: problems.forgive(after: before)])
    }
    node.children = node.children.map { checkConditions(of: $0, phases, exports) }
    node.fallback = node.fallback.map {
      PhaseNode.Fallback(checkConditions(of: $0.node, phases, exports))
    }
    return node
  }

  /// Whether `name` is one of these phases with a point and something after it.
  private static func isMetric(_ name: String, of phases: Set<String>) -> Bool {
    name.unicodeScalars.indices.contains { index in
      name.unicodeScalars[index] == "." && phases.contains(String(name[..<index]))
    }
  }
}
