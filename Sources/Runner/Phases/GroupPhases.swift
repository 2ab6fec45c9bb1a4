import SampleModel

/// `repeat`: its phases once for every combination of parameters.
struct RepeatPhase: PhaseKind {
  let name = "repeat"

  func resolve(_ table: PlanTable, _ scope: PlanScope, _ planner: Planner) -> [PhaseNode] {
    var node = planner.node(table, name, scope)
    node.order = planner.order(table) ?? node.order
    var matrix = ParameterMatrix()
    if let parameters = table.table("parameters") {
      // The one that varies slowest first; without a word about it, by name.
      let order = table.list("slowest_first") ?? []
      for key in order.filter(parameters.keys.contains)
        + parameters.keys.filter({ !order.contains($0) })
      {
        guard let values = Self.values(parameters, key) else { continue }
        if let wrong = matrix.add(.init(key, values)) {
          table.problems.add(parameters.at(key), wrong)
        }
      }
    }
    if matrix.parameters.isEmpty {
      table.problems.add(
        table.place, "a repeat phase needs parameters: parameters = { n = [1, 2] }")
    }
    // Read once for the problems, then resolved for each combination.
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
          parameters.at(key),
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
          ConditionAction(condition: try Condition(text), place: table.at("condition"))
        ]
      } catch {
        table.problems.add(table.at("condition"), error.reason)
      }
    } else {
      table.problems.add(
        table.place, "a when phase needs a condition: condition = \"host.cpus >= 4\"")
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
      table.problems.add(table.place, "an include phase needs a file: file = \"other.toml\"")
      return []
    }
    let (before, problems) = (table.problems.usedParameters, table.problems.all.count)
    table.problems.usedParameters = []
    planner.include(file, table, into: &node, inner)
    let isSound = table.problems.all.count == problems
    for name in given.keys.sorted()
    where isSound && !table.problems.usedParameters.contains(name) {
      table.problems.add("\(table.at("parameters")).\(name)", "nothing in \(file) uses {\(name)}")
    }
    table.problems.usedParameters.formUnion(before)
    return [node]
  }
}

/// Executes a phase where a condition holds.
struct ConditionAction: PhaseAction {
  let condition: Condition
  /// Where it stands in the plan.
  let place: String

  /// What is said of a name that is none of these.
  static let expectation =
    "expected host.FACT, available.COLLECTOR, PHASE.METRIC or what an include gives, with blanks "
    + "around a comparison"

  var summary: String { "only when \(condition.text)" }

  func enter(_ place: PhasePlace) throws(LBError) -> PhaseEntry {
    for name in condition.names { try Self.check(name, place) }
    let outcome = condition.evaluate { Self.value($0, place) }
    if outcome.holds { return .proceed(nil) }
    // A metric that a phase with others has not is a slip, or could not be measured.
    let isUnknown = condition.names.contains { name in
      Self.value(name, place) == nil
        && place.result.phases.contains {
          !$0.metrics.isEmpty && name.dropping($0.name + ".") != nil
        }
    }
    return .skip("condition \(condition.text) is false: \(outcome.reason)", warns: isUnknown)
  }

  /// A fact or a collector that there is nowhere is a slip, and no reason to skip a phase.
  private static func check(_ name: String, _ place: PhasePlace) throws(LBError) {
    var problem: String?
    if let fact = name.dropping("host."), place.result.host[fact] == nil {
      let known = place.result.host.keys.sorted()
      problem = "no such fact of the host\(Nearest.hint(Nearest.word(to: fact, in: known)))"
    } else if let collector = name.dropping("available."),
      place.context.services.isAvailable(collector) == nil
    {
      problem = "no collector is called \(collector)"
    } else if !name.contains("."), place.exports[name] == nil {
      problem = Self.expectation
    }
    if let problem {
      let named = name.shortened(to: 200)
      throw LBError(.configuration, "\(place.phase): \(named): \(problem)")
    }
  }

  /// `host.NAME`, `available.COLLECTOR`, a name that an include gave, or `PHASE.METRIC`.
  private static func value(_ name: String, _ place: PhasePlace) -> Condition.Value? {
    if let exported = place.exports[name] { return exported.map { .number($0) } }
    if let fact = name.dropping("host.").flatMap({ place.result.host[$0] }) {
      return Double(decimal: fact).map { .number($0) } ?? .text(fact)
    }
    if let collector = name.dropping("available.") {
      return place.context.services.isAvailable(collector).map { .number($0 ? 1 : 0) }
    }
    for phase in place.result.phases {
      guard let metric = name.dropping(phase.name + ".") else { continue }
      if let row = phase.metrics.first(where: { $0.metric == metric }) {
        return .number(row.median)
      }
    }
    return nil
  }
}

extension String {
  /// What is behind `prefix`, nil where it does not begin so.
  fileprivate func dropping(_ prefix: String) -> String? {
    hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
  }
}
