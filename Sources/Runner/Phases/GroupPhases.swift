import SampleModel

/// `repeat`: its phases once for every combination of parameters.
struct RepeatPhase: PhaseKind {
  let name = "repeat"

  func resolve(_ table: PlanTable, _ scope: PlanScope, _ planner: Planner) -> [PhaseNode] {
    var node = planner.node(table, name, scope)
    node.order = planner.order(table) ?? node.order
    var matrix = ParameterMatrix()
    if let parameters = table.table("parameters") {
      // The parameter that varies slowest comes first; without `slowest_first` they go by name.
      let order = table.list("slowest_first") ?? []
      for key in order.filter(parameters.keys.contains)
        + parameters.keys.filter({ !order.contains($0) })
      {
        guard let values = Self.values(parameters, key) else { continue }
        if let wrong = matrix.add(.init(key, values)) {
          table.problems.add(parameters.keyPath(of: key), wrong)
        }
      }
    }
    if matrix.parameters.isEmpty {
      table.problems.add(
        table.keyPath, "a repeat phase needs parameters: parameters = { n = [1, 2] }")
    }
    // Read here to report mistakes even without combinations.
    _ = table.tables("phase")
    node.children = matrix.combinations.flatMap { combination -> [PhaseNode] in
      if planner.isTooLarge { return [] }
      var inner = scope
      for (name, value) in combination { inner.parameters[name] = value }
      let text = combination.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
      inner.suffix =
        scope.suffix.isEmpty ? "[\(text)]" : scope.suffix.dropLast() + ",\(text)]"
      return planner.phases(of: table.filling(inner.parameters), in: inner)
    }
    return [node]
  }

  /// A list of values, or a scan `{ from = 1, to = 9, step = 2 }`.
  private static func values(_ parameters: PlanTable, _ key: String) -> [String]? {
    if case .table? = parameters.value(key), let scan = parameters.table(key) {
      defer { scan.rejectTheRest() }
      func number(_ name: String) -> String? { scan.value(name)?.plain }
      guard let from = number("from"), let to = number("to"),
        let values = ParameterMatrix.scan(from: from, to: to, step: number("step") ?? "1")
      else {
        parameters.problems.add(
          parameters.keyPath(of: key),
          "expected { from = 1, to = 9, step = 2 } that leads from one to the other")
        return nil
      }
      return values
    }
    return parameters.list(key)
  }
}

/// `when`: its phases only where a condition holds.
struct WhenPhase: PhaseKind {
  let name = "when"

  func resolve(_ table: PlanTable, _ scope: PlanScope, _ planner: Planner) -> [PhaseNode] {
    var node = planner.node(table, name, scope)
    if let text = table.text("condition") {
      do throws(Condition.Failure) {
        node.actions = [
          ConditionAction(
            condition: try Condition(text), keyPath: table.keyPath(of: "condition"))
        ]
      } catch {
        table.problems.add(table.keyPath(of: "condition"), error.reason)
      }
    } else {
      table.problems.add(
        table.keyPath, "a when phase needs a condition: condition = \"host.cpus >= 4\"")
    }
    node.children = planner.phases(of: table, in: scope)
    return [node]
  }
}

/// `include`: another plan file's phases.
struct IncludePhase: PhaseKind {
  let name = "include"

  func resolve(_ table: PlanTable, _ scope: PlanScope, _ planner: Planner) -> [PhaseNode] {
    var node = planner.node(table, name, scope)
    var inner = scope
    let given = table.texts("parameters") ?? [:]
    inner.parameters.merge(given) { $1 }
    node.exports = table.texts("metrics") ?? [:]
    guard let file = table.text("file") else {
      table.problems.add(table.keyPath, "an include phase needs a file: file = \"other.toml\"")
      return []
    }
    let (before, problems) = (table.problems.usedParameters, table.problems.all.count)
    table.problems.usedParameters = []
    planner.include(file, table, into: &node, inner)
    let isSound = table.problems.all.count == problems
    for name in given.keys.sorted()
    where isSound && !table.problems.usedParameters.contains(name) {
      table.problems.add(
        "\(table.keyPath(of: "parameters")).\(name)", "nothing in \(file) uses {\(name)}")
    }
    table.problems.usedParameters.formUnion(before)
    return [node]
  }
}

/// Executes a phase where a condition holds.
struct ConditionAction: PhaseAction {
  let condition: Condition
  /// Its key path in the plan.
  let keyPath: String

  /// The message about a name that is none of these.
  static let expectation =
    "expected host.FACT, available.COLLECTOR, PHASE.METRIC or what an include gives, with blanks "
    + "around a comparison"

  var summary: String { "only when \(condition.text)" }

  func enter(_ phase: PhaseContext) throws(LBError) -> PhaseEntry {
    for name in condition.names { try Self.check(name, phase) }
    let outcome = condition.evaluate { Self.value($0, phase) }
    if outcome.holds { return .proceed(nil) }
    // A metric that a measured phase does not have is misspelt or could not be measured: warn.
    let isUnknown = condition.names.contains { name in
      Self.value(name, phase) == nil
        && phase.result.phases.contains {
          !$0.metrics.isEmpty && name.dropping($0.name + ".") != nil
        }
    }
    return .skip("condition \(condition.text) is false: \(outcome.reason)", warns: isUnknown)
  }

  /// Throws for an unknown fact or collector: a typing mistake must not skip a phase.
  private static func check(_ name: String, _ phase: PhaseContext) throws(LBError) {
    var problem: String?
    if let fact = name.dropping("host."), phase.result.host[fact] == nil {
      let known = phase.result.host.keys.sorted()
      problem = "no such fact of the host\(Nearest.hint(Nearest.word(to: fact, in: known)))"
    } else if let collector = name.dropping("available."),
      phase.run.services.isAvailable(collector) == nil
    {
      problem = "no collector is called \(collector)"
    } else if !name.contains("."), phase.exports[name] == nil {
      problem = Self.expectation
    }
    if let problem {
      let named = name.shortened(to: 200)
      throw LBError(.configuration, "\(phase.name): \(named): \(problem)")
    }
  }

  /// The value of `host.NAME`, `available.COLLECTOR`, a name that an include exports, or
  /// `PHASE.METRIC`.
  private static func value(_ name: String, _ context: PhaseContext) -> Condition.Value? {
    if let exported = context.exports[name] { return exported.map { .number($0) } }
    if let fact = name.dropping("host.").flatMap({ context.result.host[$0] }) {
      return Double(decimal: fact).map { .number($0) } ?? .text(fact)
    }
    if let collector = name.dropping("available.") {
      return context.run.services.isAvailable(collector).map { .number($0 ? 1 : 0) }
    }
    for phase in context.result.phases {
      guard let metric = name.dropping(phase.name + ".") else { continue }
      if let row = phase.metrics.first(where: { $0.metric == metric }) {
        return .number(row.median)
      }
    }
    return nil
  }
}

extension String {
  /// The text after `prefix`; nil where it does not begin with that.
  fileprivate func dropping(_ prefix: String) -> String? {
    hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
  }
}
