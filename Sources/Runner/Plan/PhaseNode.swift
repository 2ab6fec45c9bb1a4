package import SampleModel

/// A phase of a resolved plan: it is executed without looking anything up.
package struct PhaseNode: Sendable {
  /// Its name, with the parameters that distinguish it: `load[threads=2]`.
  package var name: String
  package var kind: String
  package var parameters: [String: String] = [:]
  /// The command that is repeated and measured; nil for a phase that only has phases below it.
  package var specification: RunSpecification?
  /// Actions before the phase; what they began is ended after it, in reverse order.
  package var actions: [any PhaseAction] = []
  /// Processes that are started before each attempt and ended after it: the members of a `parallel`
  /// phase that are not measured.
  package var coRunners: [ProcessAction] = []
  /// Whether what its actions began ends with the list of phases that it stands in, not with the
  /// phase.
  package var outlivesPhase = false
  package var children: [PhaseNode] = []
  /// The `setup` and `cleanup` hooks of the list of its children, with the settings to run them.
  package var listHooks: RunSpecification?
  /// What a whole plan may use and change.
  package var bounds = PlanBounds()
  /// The order of its children's repetitions.
  package var order = RunOrder.sequential
  /// The phase that takes its place when it fails.
  package var fallback: Fallback?
  /// Whether it is skipped if the plan has a mistake in it (`validate = "soft"`).
  package var isSoft = false
  /// Names by which later conditions refer to metrics of the phases below it.
  package var exports: [String: String] = [:]

  /// The measured phases in it, fallbacks included.
  package var everyMeasured: [PhaseNode] {
    (specification == nil ? [] : [self]) + children.flatMap(\.everyMeasured)
      + (fallback?.node.everyMeasured ?? [])
  }

  /// The names of the node and of all nodes below it, with their fallbacks; without the node's own
  /// fallback.
  package var names: Set<String> {
    children.reduce(into: [name]) { names, child in
      names.formUnion(child.names)
      if let fallback = child.fallback?.node { names.formUnion(fallback.namesOfChain) }
    }
  }

  /// `names` with those of the node's own fallback.
  package var namesOfChain: Set<String> {
    names.union(fallback?.node.namesOfChain ?? [])
  }

  /// The names of all nodes in it, fallbacks included.
  var everyName: Set<String> { namesOfChain }

  /// The names that `include` phases in it export.
  var everyExport: Set<String> {
    children.reduce(into: Set(exports.keys)) { $0.formUnion($1.everyExport) }
      .union(fallback?.node.everyExport ?? [])
  }

  /// The specifications of all measured phases in it.
  package var specifications: [RunSpecification] { everyMeasured.compactMap(\.specification) }

  /// All commands in it: measured ones, co-runners, servers.
  package var everyCommand: [RunSpecification] {
    let beside = coRunners + actions.compactMap { $0 as? ProcessAction }
    return (specification.map { [$0] } ?? []) + beside.map(\.specification)
      + children.flatMap(\.everyCommand) + (fallback?.node.everyCommand ?? [])
  }

  /// What is wrong with an input of the phase that is measured first; nil where a command, a
  /// process or a condition comes before it, which may make the file or skip the phase.
  func firstMistakeInInputs(in directory: String) -> LBError? {
    guard actions.isEmpty, coRunners.isEmpty, listHooks?.hooks[.setup] == nil else { return nil }
    if let one = specification {
      guard one.hooks[.setup] == nil else { return nil }
      return one.inputs.lazy.compactMap {
        CellInspection.mistake(in: $0.begins("/") ? $0 : "\(directory)/\($0)", of: name)
      }.first
    }
    return children.first?.firstMistakeInInputs(in: directory)
  }

  /// A copy with another order of the repetitions of every list in it.
  package func ordered(by order: RunOrder) -> PhaseNode {
    var node = self
    node.order = order
    node.children = children.map { $0.ordered(by: order) }
    return node
  }

  /// The phases that will certainly be measured: those without a condition.
  package var certain: [PhaseNode] {
    guard kind != "when" else { return [] }
    return (specification == nil ? [] : [self]) + children.flatMap(\.certain)
  }

  /// The measured phases in it, without fallbacks and without those below a skipped phase.
  package func measured(without skipped: Set<String> = []) -> [PhaseNode] {
    if skipped.contains(name) { return [] }
    return (specification == nil ? [] : [self])
      + children.flatMap { $0.measured(without: skipped) }
  }

  /// The number of counted repetitions and warm-ups; nil where it is not known beforehand.
  package var planned: (repetitions: Int, warmUps: Int)? {
    if kind == "when" || fallback != nil || specification?.until != nil { return nil }
    var sum = (
      repetitions: specification?.repetitions ?? 0, warmUps: specification?.warmUps ?? 0
    )
    for child in children {
      guard let inner = child.planned else { return nil }
      sum.repetitions += inner.repetitions
      sum.warmUps += inner.warmUps
    }
    return sum
  }

  /// A copy in which the phases of these names are skipped, each for its reason.
  package func skipping(_ reasons: [String: String]) -> PhaseNode {
    var node = self
    if let reason = reasons[name] {
      node.actions = [SkipAction(reason: reason)]
      node.specification = nil
      node.coRunners = []
      node.children = []
    }
    node.children = node.children.map { $0.skipping(reasons) }
    node.fallback = node.fallback.map { Fallback($0.node.skipping(reasons)) }
    return node
  }

  /// A phase without actions and command.
  package init(name: String, kind: String) {
    self.name = name
    self.kind = kind
  }

  /// A phase that is executed only in place of another one.
  package final class Fallback: Sendable {
    package let node: PhaseNode

    /// A fallback to `node`.
    package init(_ node: PhaseNode) { self.node = node }
  }
}

/// An action before a phase: it starts a process, checks a condition, waits for an approval.
package protocol PhaseAction: Sendable {
  /// A description for `--dry-run`: `starts nc -lk 5201, ready when port 5201 answers`.
  var summary: String { get }
  /// Performs the action. A stop request ends it with a `stopRequested` error.
  func enter(_ phase: PhaseContext) throws(LBError) -> PhaseEntry
}

/// The result of an action.
package enum PhaseEntry {
  /// The phase is skipped for this reason; `warns`: the reason is also a warning of the run.
  case skip(String, warns: Bool = false)
  /// The phase is executed; what the action began is ended through the resource.
  case proceed((any PhaseResource)?)
}

/// Skips a phase of a soft plan that has a mistake.
struct SkipAction: PhaseAction {
  let reason: String

  var summary: String { "skipped: \(reason)" }

  func enter(_ phase: PhaseContext) throws(LBError) -> PhaseEntry { .skip(reason) }
}

/// What an action of a phase works with: the run, the phase's name, and what was measured so far.
package struct PhaseContext {
  package let run: RunContext
  /// The phase's name.
  package let name: String
  /// The result so far.
  package let result: RunResult
  /// Metrics by the names that `include` gave them, nil where they were not measured.
  package let exports: [String: Double?]
  /// What earlier sessions of the run decided.
  package let decisions: ResumeDecisions
  /// Announces what the action waits for.
  package let announceWait: (String) throws(LBError) -> Void

  /// The context of the phase `name` in `run`.
  package init(
    run: RunContext, name: String, result: RunResult, exports: [String: Double?] = [:],
    decisions: ResumeDecisions = ResumeDecisions(),
    announceWait: @escaping (String) throws(LBError) -> Void = { _ throws(LBError) in }
  ) {
    self.run = run
    self.name = name
    self.result = result
    self.exports = exports
    self.decisions = decisions
    self.announceWait = announceWait
  }
}
