import SampleModel

/// `command`: one command, repeated and measured.
struct CommandPhase: PhaseKind {
  let name = "command"

  func resolve(_ table: PlanTable, _ scope: PlanScope, _ planner: Planner) -> [PhaseNode] {
    var node = planner.node(table, name, scope)
    guard var specification = Self.specification(table, scope, planner) else { return [] }
    specification.command = table.command("command") ?? []
    if specification.command.isEmpty {
      if table.value("command") == nil {
        table.problems.add(table.keyPath, "a command phase needs a command: command = \"sort x\"")
      } else if case .text("")? = table.value("command") {
        table.problems.add(table.keyPath(of: "command"), "the command is empty")
      }
    }
    CommandSettings.checkMeasured(specification, table)
    node.specification = specification
    return [node]
  }

  /// The settings of the scope, overridden by the table's. `setup` and `cleanup` are not inherited:
  /// they belong to the table that has them.
  static func specification(
    _ table: PlanTable, _ scope: PlanScope, _ planner: Planner
  ) -> RunSpecification? {
    var specification = scope.specification
    specification.hooks[.setup] = nil
    specification.hooks[.cleanup] = nil
    // Inherited settings were read before the parameters of this phase were known.
    specification.hooks = specification.hooks.mapValues(table.filled)
    specification.directory = specification.directory.map(table.filled)
    specification.environment = specification.environment.map(table.filled)
    specification.inputs = specification.inputs.map(table.filled)
    CommandSettings.apply(table, &specification, pinned: planner.pinned)
    return specification
  }
}

/// `parallel`: commands that run at the same time. One of them is measured, the others are load.
struct ParallelPhase: PhaseKind {
  let name = "parallel"

  func resolve(_ table: PlanTable, _ scope: PlanScope, _ planner: Planner) -> [PhaseNode] {
    var node = planner.node(table, name, scope)
    var own = scope
    own.specification =
      CommandPhase.specification(table, scope, planner) ?? scope.specification
    let failsWithAny = table.choice("fail", ["any", "measured"]) != "measured"
    var titles: Set<String> = []
    for (index, member) in table.tables("member").enumerated() {
      let inner = PlanTable(
        member.values, keyPath: member.keyPath, parameters: scope.parameters,
        problems: table.problems)
      defer { inner.rejectTheRest() }
      let isMeasured = inner.boolean("measured") ?? false
      guard var specification = CommandPhase.specification(inner, own, planner) else { continue }
      let title = inner.text("name") ?? "member-\(index + 1)"
      if !titles.insert(title).inserted {
        table.problems.add(inner.keyPath(of: "name"), "another member is called \(title) already")
      }
      specification.command = inner.command("command") ?? []
      if specification.command.isEmpty {
        table.problems.add(member.keyPath, "a member needs a command")
      }
      if isMeasured {
        if node.specification != nil {
          table.problems.add(member.keyPath, "two members are measured: only one can be")
        }
        CommandSettings.checkMeasured(specification, inner)
        node.specification = specification
      } else {
        CommandSettings.refuseRepetitions(of: inner)
        CommandSettings.leaveTerminal(&specification, inner)
        // A member with a directory of its own does not work in an inherited workspace.
        if inner.text("directory") != nil, !planner.pinned.contains("directory") {
          if inner.text("workspace") != nil {
            table.problems.add(
              inner.keyPath(of: "workspace"), "a member has a directory or a workspace, not both")
          }
          specification.workspace = nil
        }
        node.coRunners.append(
          ProcessAction(
            title: title, specification: specification, readiness: nil,
            readyLimit: 0, failsPhase: failsWithAny, mayEnd: true))
      }
    }
    if node.specification == nil {
      table.problems.add(
        table.keyPath, "one member of a parallel phase has to be measured: measured = true")
    }
    return [node]
  }
}

/// `workload`: a known benchmark tool, whose report becomes metrics.
struct WorkloadPhase: PhaseKind {
  let name = "workload"
  private let adapters: [any WorkloadAdapter]

  init(_ adapters: [any WorkloadAdapter]) { self.adapters = adapters }

  func resolve(_ table: PlanTable, _ scope: PlanScope, _ planner: Planner) -> [PhaseNode] {
    var node = planner.node(table, name, scope)
    let names = adapters.map(\.tool)
    // Read first, so that an unknown tool does not make the other keys unknown too.
    let arguments = table.list("arguments") ?? []
    guard var specification = CommandPhase.specification(table, scope, planner) else { return [] }
    guard let tool = table.text("tool") else {
      table.problems.add(
        table.keyPath, "a workload phase needs a tool: \(names.joined(separator: ", "))")
      return []
    }
    guard let adapter = adapters.first(where: { $0.tool == tool }) else {
      let nearest = Nearest.word(to: tool, in: names)
      table.problems.add(
        table.keyPath(of: "tool"),
        "unknown tool \(tool)\(Nearest.hint(nearest)); there are \(names.joined(separator: ", "))")
      return []
    }
    specification.command = adapter.command(arguments)
    specification.metrics += adapter.metrics
    CommandSettings.checkMeasured(specification, table)
    node.specification = specification
    return [node]
  }
}
