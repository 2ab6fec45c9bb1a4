import LinuxSystem
package import SampleModel

/// What the phases of one list share: inherited settings and their position in the plan.
package struct PlanScope: Sendable {
  /// The settings that a command of the list inherits.
  package var specification: RunSpecification
  package var parameters: [String: String] = [:]
  /// The parameters of `repeat` as a suffix of names: `[threads=2]`.
  package var suffix = ""
  /// The directory that an included file's path is relative to.
  package var directory: String?
  /// Files being included, outermost first.
  package var includes: [String] = []
  /// Whether phases with mistakes are skipped instead of the plan being refused.
  var isSoft = false
  /// The number of lists around this one, those of including plans included.
  var depth = 0

  /// The scope of the plan's top list.
  package init(_ specification: RunSpecification) { self.specification = specification }
}

/// A kind of phase, which turns a table into executable nodes.
package protocol PhaseKind: Sendable {
  /// The value of `kind` in a plan.
  var name: String { get }
  /// The nodes of a table of this kind. Mistakes are added to the table's problems.
  func resolve(_ table: PlanTable, _ scope: PlanScope, _ planner: Planner) -> [PhaseNode]
}

/// The known kinds of phases, by name.
package struct PhaseRegistry: Sendable {
  private var kinds: [String: any PhaseKind] = [:]

  /// A registry of `kinds`.
  package init(_ kinds: [any PhaseKind]) {
    for kind in kinds { self.kinds[kind.name] = kind }
  }

  /// Adds a kind; it replaces a kind of the same name.
  package mutating func register(_ kind: any PhaseKind) { kinds[kind.name] = kind }

  package var names: [String] { kinds.keys.sorted() }

  package subscript(_ name: String) -> (any PhaseKind)? { kinds[name] }
}

/// Reads plan files.
package protocol PlanSource {
  /// The plan in a file.
  func plan(at path: String) throws(LBError) -> RunPlan
}

/// Resolves a plan into nodes with all settings, or reports all of its mistakes at once.
package final class Planner {
  /// Longest chain of fallbacks.
  static let fallbackLimit = 10
  /// Deepest nesting of includes.
  static let includeLimit = 20
  /// Most includes of a plan, those in included plans counted each time.
  static let includedLimit = 1000
  /// Most free ports of a plan.
  static let portLimit = 100
  /// Deepest nesting of phases.
  static let depthLimit = 64
  /// Most phases of a plan: nested `repeat` phases multiply.
  static let phaseLimit = 100_000

  package let problems = PlanProblems()
  /// Keys of settings that the command line has set; they take precedence over the plan.
  let pinned: Set<String>
  private let registry: PhaseRegistry
  private let source: any PlanSource
  private var names: Set<String> = []
  private var fallbackChain: [String] = []
  /// The numbers of resolved phases and of included plans.
  private var resolved = 0
  private var included = 0
  private var plans: [ExactText: RunPlan] = [:]
  var isTooLarge: Bool { resolved > Self.phaseLimit || included > Self.includedLimit }

  /// A planner; plans that others include come from `source`.
  package init(
    _ registry: PhaseRegistry, pinned: Set<String> = [], source: any PlanSource
  ) {
    self.registry = registry
    self.pinned = pinned
    self.source = source
  }

  /// The whole plan below one node; nil if it has mistakes.
  package func resolve(_ plan: RunPlan, in scope: PlanScope) -> PhaseNode? {
    guard fits(plan) else { return nil }
    var root = PhaseNode(name: "", kind: "plan")
    let table = PlanTable(
      plan.settings, keyPath: "", parameters: scope.parameters, problems: problems)
    root.bounds = PlanBounds(table)
    fill(&root, table, scope)
    if root.children.isEmpty, problems.all.isEmpty {
      problems.add("", "a plan has at least one phase: write [[phase]]")
    }
    let (phases, exports) = (root.everyName, root.everyExport)
    root = checkConditions(of: root, phases, exports)
    // If all phases are skipped, the plan is refused with their mistakes.
    if root.everyMeasured.isEmpty || isTooLarge { problems.forgiveNothing() }
    return problems.all.isEmpty ? root : nil
  }

  /// Whether the phases that a plan adds are few enough. Checked before any of them is resolved.
  private func fits(_ plan: RunPlan) -> Bool {
    guard resolved <= Self.phaseLimit else { return false }
    let size = PlanSize(limit: Self.phaseLimit)
    if let parameters = size.excessiveParameters(plan.settings) {
      refuseSize(parameters, ParameterMatrix.excess)
    } else if resolved + size.count(plan.settings) > Self.phaseLimit {
      refuseSize()
    }
    return resolved <= Self.phaseLimit
  }

  /// Reports once that the plan is too large; nothing more of it is resolved.
  private func refuseSize(_ keyPath: String = "", _ message: String = tooManyPhases) {
    resolved = Self.phaseLimit + 1
    problems.add(keyPath, message)
  }

  private static let tooManyPhases =
    "the plan has more than \(phaseLimit) phases, with those of repeats and includes"

  /// Reads the table of a plan: settings for all its phases, and the phases.
  private func fill(_ node: inout PhaseNode, _ table: PlanTable, _ scope: PlanScope) {
    var scope = scope
    _ = table.text("name")
    if let word = table.choice("validate", ["strict", "soft"]) { scope.isSoft = word == "soft" }
    for name in portNames(table) {
      guard scope.parameters[name] == nil else {
        problems.usedParameters.insert(name)
        continue
      }
      scope.parameters[name] = freePort(table).map { "\($0)" }
    }
    // The hooks of the command line belong to the run; the table's belong to this list.
    scope.specification.hooks[.setup] = nil
    scope.specification.hooks[.cleanup] = nil
    CommandSettings.apply(table, &scope.specification, pinned: pinned)
    var listHooks = scope.specification
    listHooks.hooks = listHooks.hooks.filter { $0.key == .setup || $0.key == .cleanup }
    node.listHooks = listHooks.hooks.isEmpty ? nil : listHooks
    node.order = order(table) ?? node.order
    node.children = phases(of: table, in: scope)
    table.rejectTheRest()
  }

  /// The names of `free_ports`. Each port is searched for with a socket of its own.
  private func portNames(_ table: PlanTable) -> [String] {
    let names = table.list("free_ports") ?? []
    let keyPath = table.keyPath(of: "free_ports")
    guard names.count <= Self.portLimit else {
      problems.add(
        keyPath, "free_ports has \(names.count) names: \(Self.portLimit) at most in one plan")
      return []
    }
    for name in names where !ParameterMatrix.isName(name) {
      problems.add(keyPath, "\(name): a parameter's name has letters, digits, _ and -")
    }
    return names
  }

  private func freePort(_ table: PlanTable) -> UInt16? {
    do throws(SystemError) {
      return try TCPPort.free()
    } catch {
      table.problems.add(table.keyPath(of: "free_ports"), "no free port was found: \(error)")
      return nil
    }
  }

  /// The order of a table; nil without one.
  func order(_ table: PlanTable) -> RunOrder? {
    guard let text = table.text("order") else { return nil }
    let order = RunOrder(text)
    if order == nil {
      problems.add(
        table.keyPath(of: "order"), "order is \(text): expected \(RunOrder.expectation)")
    }
    return order
  }

  /// The phases below a table.
  package func phases(of table: PlanTable, in scope: PlanScope) -> [PhaseNode] {
    let list = PhaseList(table.tables("phase"))
    var scope = scope
    scope.depth += list.tables.isEmpty ? 0 : 1
    guard scope.depth <= Self.depthLimit else {
      problems.add(
        table.keyPath(of: "phase"),
        "phases are more than \(Self.depthLimit) deep within one another")
      return []
    }
    let reached = list.reached
    return list.tables.flatMap { one -> [PhaseNode] in
      if problems.isFull { return [] }
      guard let name = one.values["name"]?.plain, list.fallbackNames.contains(ExactText(name))
      else {
        return nodes(one, among: list, scope)
      }
      if !reached.contains(ExactText(name)) {
        problems.add(
          "\(one.keyPath).on_failure",
          "\(name) and its fallbacks form a circle that no other phase leads to: remove an "
            + "on_failure")
      }
      return []
    }
  }

  private func nodes(
    _ one: PhaseList.Table, among list: PhaseList, _ scope: PlanScope
  ) -> [PhaseNode] {
    let table = PlanTable(
      one.values, keyPath: one.keyPath, parameters: scope.parameters, problems: problems)
    guard scope.isSoft else { return nodes(table, among: list, scope) }
    let (before, taken) = (problems.all.count, names)
    let found = nodes(table, among: list, scope)
    guard problems.all.count > before else {
      return found.map { node in
        var node = node
        node.isSoft = true
        return node
      }
    }
    let name = (table.text("name") ?? table.keyPath) + scope.suffix
    let node = PhaseNode(
      name: taken.contains(name) ? table.keyPath + scope.suffix : name,
      kind: table.text("kind") ?? "command")
    return [node.skipping([node.name: problems.forgive(after: before)])]
  }

  private func nodes(
    _ table: PlanTable, among list: PhaseList, _ scope: PlanScope
  ) -> [PhaseNode] {
    // Counted by tables, not by names: phases with the same name cost as much time.
    guard !isTooLarge else { return [] }
    resolved += 1
    guard resolved <= Self.phaseLimit else {
      refuseSize()
      return []
    }
    let word = table.text("kind") ?? "command"
    guard let kind = registry[word] else {
      let nearest = Nearest.word(to: word, in: registry.names)
      problems.add(
        table.keyPath(of: "kind"),
        "unknown kind \(word)\(Nearest.hint(nearest)); there are "
          + registry.names.joined(separator: ", "))
      return []
    }
    let fallbackName = table.text("on_failure")
    let checkpoint = table.text("checkpoint")
    var nodes = kind.resolve(table, scope, self)
    table.rejectTheRest()
    if let checkpoint { nodes = nodes.map { $0.withCheckpoint(of: checkpoint, table, scope) } }
    if let fallbackName, let fallback = fallback(to: fallbackName, table, among: list, scope) {
      for index in nodes.indices { nodes[index].fallback = PhaseNode.Fallback(fallback) }
    }
    return nodes
  }

  private func fallback(
    to name: String, _ table: PlanTable, among list: PhaseList, _ scope: PlanScope
  ) -> PhaseNode? {
    let keyPath = table.keyPath(of: "on_failure")
    let own = table.text("name") ?? table.keyPath
    let chain = fallbackChain + [own]
    guard !chain.contains(name) else {
      problems.add(
        keyPath, "fallbacks form a circle: \((chain + [name]).joined(separator: " → "))")
      return nil
    }
    guard chain.count <= Self.fallbackLimit else {
      problems.add(
        keyPath, "a chain of fallbacks has more than \(Self.fallbackLimit) phases: shorten it")
      return nil
    }
    guard let target = list[name] else {
      let nearest = Nearest.word(to: name, in: list.names)
      problems.add(
        keyPath, "no phase in the same list is called \(name)\(Nearest.hint(nearest))")
      return nil
    }
    fallbackChain = chain
    defer { fallbackChain.removeLast() }
    return nodes(target, among: list, scope).first
  }

  /// A node with the table's name and the scope's suffix.
  package func node(_ table: PlanTable, _ kind: String, _ scope: PlanScope) -> PhaseNode {
    let plain = table.text("name")
    if plain == nil { problems.add(table.keyPath, "a phase needs a name: name = \"…\"") }
    if let plain, !ParameterMatrix.isName(plain) {
      problems.add(
        table.keyPath(of: "name"), "\(plain): a phase's name has letters, digits, _ and -")
    }
    var name = (plain ?? table.keyPath) + scope.suffix
    if !names.insert(name).inserted {
      if let failed = fallbackChain.last {
        // One phase may be the fallback of several.
        name += "[for=\(failed)\(scope.suffix)]"
        names.insert(name)
      } else {
        let hint =
          scope.includes.isEmpty
          ? ""
          : " (if the file is included twice, use a parameter: \"\(plain ?? name)-{n}\")"
        problems.add(
          table.keyPath(of: "name"), "the phase name \(name) is used twice; rename one\(hint)")
      }
    }
    var node = PhaseNode(name: name, kind: kind)
    node.parameters = scope.parameters
    return node
  }

  /// The plan in a file, which is read once even if it is included several times.
  private func plan(at path: String) throws(LBError) -> RunPlan {
    if let known = plans[ExactText(path)] { return known }
    let plan = try source.plan(at: path)
    plans[ExactText(path)] = plan
    return plan
  }

  /// Resolves another plan's phases into `node`.
  package func include(
    _ file: String, _ table: PlanTable, into node: inout PhaseNode, _ scope: PlanScope
  ) {
    let isRelative = !file.begins("/")
    let named = isRelative ? scope.directory.map { "\($0)/\(file)" } ?? file : file
    let path = Directories.real(named) ?? named
    guard scope.includes.count < Self.includeLimit else {
      problems.add(
        table.keyPath(of: "file"), "more than \(Self.includeLimit) plans include one another")
      return
    }
    guard !scope.includes.contains(where: { ExactText($0) == ExactText(path) }) else {
      problems.add(
        table.keyPath(of: "file"),
        "includes itself: \((scope.includes + [path]).joined(separator: " → "))")
      return
    }
    included += 1
    guard included <= Self.includedLimit else {
      if included == Self.includedLimit + 1 {
        problems.add(
          table.keyPath(of: "file"), "more than \(Self.includedLimit) plans are included")
      }
      return
    }
    var inner = scope
    inner.includes.append(path)
    inner.directory = path.unicodeScalars.lastIndex(of: "/").map { String(path[..<$0]) }
    do throws(LBError) {
      let plan = try self.plan(at: path)
      guard fits(plan) else { return }
      let settings = PlanTable(
        plan.settings, keyPath: "\(path):", parameters: inner.parameters, problems: problems)
      let before = problems.all.count
      fill(&node, settings, inner)
      if node.children.isEmpty, problems.all.count == before, !isTooLarge {
        problems.add(table.keyPath(of: "file"), "\(file) has no phases: add at least one [[phase]]")
      }
    } catch {
      problems.add(table.keyPath(of: "file"), error.message)
    }
  }
}
