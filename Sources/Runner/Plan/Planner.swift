import LinuxSystem
package import SampleModel

/// What phases of one list share: settings that they inherit, and where they stand.
package struct PlanScope: Sendable {
  /// What a command of this list is unless it says otherwise.
  package var specification: RunSpecification
  package var parameters: [String: String] = [:]
  /// The parameters of `repeat`, as they tell names apart: `[threads=2]`.
  package var suffix = ""
  /// The directory that an included file's path is relative to.
  package var directory: String?
  /// Files being included, outermost first.
  package var includes: [String] = []
  /// Whether phases with mistakes are skipped, rather than the plan refused.
  var isSoft = false
  /// Lists of phases that this one is within, those of including plans among them.
  var depth = 0

  /// The scope of a plan's own list.
  package init(_ specification: RunSpecification) { self.specification = specification }
}

/// A kind of phase: turns its table into what is executed.
package protocol PhaseKind: Sendable {
  /// The word behind `kind =`.
  var name: String { get }
  /// The phases that a table of this kind stands for. What is wrong goes to the table's problems.
  func resolve(_ table: PlanTable, _ scope: PlanScope, _ planner: Planner) -> [PhaseNode]
}

/// The kinds of phases there are, by name.
package struct PhaseRegistry: Sendable {
  private var kinds: [String: any PhaseKind] = [:]

  /// A registry of `kinds`.
  package init(_ kinds: [any PhaseKind]) {
    for kind in kinds { self.kinds[kind.name] = kind }
  }

  /// Adds a kind, in the place of one of the same name.
  package mutating func register(_ kind: any PhaseKind) { kinds[kind.name] = kind }

  package var names: [String] { kinds.keys.sorted() }

  package subscript(_ name: String) -> (any PhaseKind)? { kinds[name] }
}

/// Where plan files come from.
package protocol PlanSource {
  /// The plan in a file.
  func plan(at path: String) throws(LBError) -> RunPlan
}

/// Resolves a plan: every phase with its settings, or everything that is wrong with it at once.
package final class Planner {
  /// Phases that fall back to one another: no more than this.
  static let fallbackLimit = 10
  /// Plans that include one another: no deeper than this.
  static let includeLimit = 20
  /// Plans that are included by one and by those that it includes: each time counts.
  static let includedLimit = 1000
  /// Free ports that one plan may ask for.
  static let portLimit = 100
  /// Phases that are within one another: no deeper than this.
  static let depthLimit = 64
  /// Phases of a whole plan: `repeat` within `repeat` soon makes more than anybody can wait for.
  static let phaseLimit = 100_000

  package let problems = PlanProblems()
  /// Settings that the command line gave: they go before the plan's.
  let pinned: Set<String>
  private let registry: PhaseRegistry
  private let source: any PlanSource
  private var names: Set<String> = []
  private var fallbackChain: [String] = []
  /// Tables of phases that were resolved, and plans that were included, whatever their names.
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

  /// The whole plan below one node; nil when something is wrong with it.
  package func resolve(_ plan: RunPlan, in scope: PlanScope) -> PhaseNode? {
    guard fits(plan) else { return nil }
    var root = PhaseNode(name: "", kind: "plan")
    let table = PlanTable(
      plan.settings, at: "", parameters: scope.parameters, problems: problems)
    root.bounds = PlanBounds(table)
    fill(&root, table, scope)
    if root.children.isEmpty, problems.all.isEmpty {
      problems.add("", "a plan has at least one phase: write [[phase]]")
    }
    let (phases, exports) = (root.everyName, root.everyExport)
    root = checkConditions(of: root, phases, exports)
    // Nothing but skipped phases: the plan as a whole is a mistake.
    if root.everyMeasured.isEmpty || isTooLarge { problems.forgiveNothing() }
    return problems.all.isEmpty ? root : nil
  }

  /// Whether the phases that a plan adds are few enough, which is said before any is resolved.
  private func fits(_ plan: RunPlan) -> Bool {
    guard resolved <= Self.phaseLimit else { return false }
    let added = PlanSize(limit: Self.phaseLimit).count(plan.settings)
    if resolved + added > Self.phaseLimit { refuseSize() }
    return resolved <= Self.phaseLimit
  }

  /// Says that the plan is too large, once, and that nothing more of it is resolved.
  private func refuseSize() {
    resolved = Self.phaseLimit + 1
    problems.add(
      "", "the plan has more than \(Self.phaseLimit) phases, with those of repeats and includes")
  }

  /// Reads what a plan's own table has: settings for all its phases, and these.
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
    // Those of the command line are the run's own; these are this list's.
    scope.specification.hooks[.setup] = nil
    scope.specification.hooks[.cleanup] = nil
    CommandSettings.apply(table, &scope.specification, pinned: pinned)
    var around = scope.specification
    around.hooks = around.hooks.filter { $0.key == .setup || $0.key == .cleanup }
    node.around = around.hooks.isEmpty ? nil : around
    node.order = order(table) ?? node.order
    node.children = phases(of: table, in: scope)
    table.rejectTheRest()
  }

  /// The names of `free_ports`. Each port is searched for with a socket of its own.
  private func portNames(_ table: PlanTable) -> [String] {
    let names = table.list("free_ports") ?? []
    let place = table.at("free_ports")
    guard names.count <= Self.portLimit else {
      problems.add(
        place, "free_ports has \(names.count) names: \(Self.portLimit) at most in one plan")
      return []
    }
    for name in names where !ParameterMatrix.isName(name) {
      problems.add(place, "\(name): a parameter's name has letters, digits, _ and -")
    }
    return names
  }

  private func freePort(_ table: PlanTable) -> UInt16? {
    do throws(SystemError) {
      return try TCPPort.free()
    } catch {
      table.problems.add(table.at("free_ports"), "no free port is to be had: \(error)")
      return nil
    }
  }

  /// The order that a table asks for, unless the command line has one.
  func order(_ table: PlanTable) -> RunOrder? {
    guard let text = table.text("order") else { return nil }
    let order = RunOrder(text)
    if order == nil {
      problems.add(
        table.at("order"), "order is \(text): expected \(RunOrder.expectation)")
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
        table.at("phase"), "phases are more than \(Self.depthLimit) deep within one another")
      return []
    }
    let reached = list.reached
    return list.tables.flatMap { one -> [PhaseNode] in
      if problems.isFull { return [] }
      guard let name = one.values["name"]?.plain, list.spares.contains(ExactText(name)) else {
        return nodes(one, among: list, scope)
      }
      if !reached.contains(ExactText(name)) {
        problems.add(
          "\(one.place).on_failure",
          "\(name) falls back in a circle that no other phase leads to")
      }
      return []
    }
  }

  private func nodes(
    _ one: PhaseList.Table, among list: PhaseList, _ scope: PlanScope
  ) -> [PhaseNode] {
    let table = PlanTable(
      one.values, at: one.place, parameters: scope.parameters, problems: problems)
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
    let name = (table.text("name") ?? table.place) + scope.suffix
    let node = PhaseNode(
      name: taken.contains(name) ? table.place + scope.suffix : name,
      kind: table.text("kind") ?? "command")
    return [node.skipping([node.name: problems.forgive(behind: before)])]
  }

  private func nodes(
    _ table: PlanTable, among list: PhaseList, _ scope: PlanScope
  ) -> [PhaseNode] {
    // Names do not count: phases of one name are a mistake, and many of them no less work.
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
        table.at("kind"),
        "unknown kind \(word)\(Nearest.hint(nearest)); there are "
          + registry.names.joined(separator: ", "))
      return []
    }
    let spare = table.text("on_failure")
    let checkpoint = table.text("checkpoint")
    var nodes = kind.resolve(table, scope, self)
    table.rejectTheRest()
    if let checkpoint { nodes = nodes.map { $0.checked(checkpoint, table, scope) } }
    if let spare, let fallback = fallback(to: spare, table, among: list, scope) {
      for index in nodes.indices { nodes[index].fallback = PhaseNode.Fallback(fallback) }
    }
    return nodes
  }

  private func fallback(
    to name: String, _ table: PlanTable, among list: PhaseList, _ scope: PlanScope
  ) -> PhaseNode? {
    let place = table.at("on_failure")
    let own = table.text("name") ?? table.place
    let chain = fallbackChain + [own]
    guard !chain.contains(name) else {
      problems.add(
        place, "falls back in a circle: \((chain + [name]).joined(separator: " → "))")
      return nil
    }
    guard chain.count <= Self.fallbackLimit else {
      problems.add(place, "more than \(Self.fallbackLimit) phases fall back to one another")
      return nil
    }
    guard let target = list[name] else {
      let nearest = Nearest.word(to: name, in: list.names)
      problems.add(place, "no phase beside this one is called \(name)\(Nearest.hint(nearest))")
      return nil
    }
    fallbackChain = chain
    defer { fallbackChain.removeLast() }
    return nodes(target, among: list, scope).first
  }

  /// A node with the table's name, made its own by the scope's parameters.
  package func node(_ table: PlanTable, _ kind: String, _ scope: PlanScope) -> PhaseNode {
    let plain = table.text("name")
    if plain == nil { problems.add(table.place, "a phase needs a name: name = \"…\"") }
    if let plain, !ParameterMatrix.isName(plain) {
      problems.add(
        table.at("name"), "\(plain): a phase's name has letters, digits, _ and -")
    }
    var name = (plain ?? table.place) + scope.suffix
    if !names.insert(name).inserted {
      if let failed = fallbackChain.last {
        // One spare may take the place of several.
        name += "[for=\(failed)\(scope.suffix)]"
        names.insert(name)
      } else {
        let hint =
          scope.includes.isEmpty
          ? ""
          : " (if the file is included twice, use a parameter: \"\(plain ?? name)-{n}\")"
        problems.add(
          table.at("name"), "the phase name \(name) is used twice; rename one\(hint)")
      }
    }
    var node = PhaseNode(name: name, kind: kind)
    node.parameters = scope.parameters
    return node
  }

  /// The plan in a file, which is read once however often it is included.
  private func plan(at path: String) throws(LBError) -> RunPlan {
    if let known = plans[ExactText(path)] { return known }
    let plan = try source.plan(at: path)
    plans[ExactText(path)] = plan
    return plan
  }

  /// Another plan's phases, within this one's.
  package func include(
    _ file: String, _ table: PlanTable, into node: inout PhaseNode, _ scope: PlanScope
  ) {
    let isRelative = !file.begins("/")
    let named = isRelative ? scope.directory.map { "\($0)/\(file)" } ?? file : file
    let path = Directories.real(named) ?? named
    guard scope.includes.count < Self.includeLimit else {
      problems.add(table.at("file"), "more than \(Self.includeLimit) plans include one another")
      return
    }
    guard !scope.includes.contains(path) else {
      problems.add(
        table.at("file"),
        "includes itself: \((scope.includes + [path]).joined(separator: " → "))")
      return
    }
    included += 1
    guard included <= Self.includedLimit else {
      if included == Self.includedLimit + 1 {
        problems.add(table.at("file"), "more than \(Self.includedLimit) plans are included")
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
        plan.settings, at: "\(path):", parameters: inner.parameters, problems: problems)
      let before = problems.all.count
      fill(&node, settings, inner)
      if node.children.isEmpty, problems.all.count == before, !isTooLarge {
        problems.add(table.at("file"), "\(file) has no phases: add at least one [[phase]]")
      }
    } catch {
      problems.add(table.at("file"), error.message)
    }
  }
}
