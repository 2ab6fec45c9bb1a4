package import SampleModel

/// A phase as it will be executed: resolved, with nothing left to look up.
package struct PhaseNode: Sendable {
  /// Its name, with the parameters that tell it apart: `load[threads=2]`.
  package var name: String
  package var kind: String
  package var parameters: [String: String] = [:]
  /// What is repeated and measured; nil for a phase that only has others below it.
  package var specification: RunSpecification?
  /// Done before the phase, undone behind it in reverse.
  package var actions: [any PhaseAction] = []
  /// Done before each attempt, undone behind it.
  package var companions: [ProcessAction] = []
  /// Whether what its actions began lasts until the end of the list that it stands in.
  package var lasts = false
  package var children: [PhaseNode] = []
  /// What its list is set up and cleaned up with, as a specification of these hooks alone.
  package var around: RunSpecification?
  /// What a whole plan may use and change.
  package var bounds = PlanBounds()
  /// The order of its children's repetitions.
  package var order = RunOrder.sequential
  /// The phase that takes its place when it fails.
  package var fallback: Fallback?
  /// Whether it is skipped where something turns out to be wrong with it.
  package var isSoft = false
  /// Names for metrics of the phases below it, by which later conditions know them.
  package var exports: [String: String] = [:]

  /// The phases that may be measured in it, fallbacks too.
  package var everyMeasured: [PhaseNode] {
    (specification == nil ? [] : [self]) + children.flatMap(\.everyMeasured)
      + (fallback?.node.everyMeasured ?? [])
  }

  /// The names of the node and of all that is below it, what may take their places too; without
  /// what takes the node's own.
  package var names: Set<String> {
    children.reduce(into: [name]) { names, child in
      names.formUnion(child.names)
      if let fallback = child.fallback?.node { names.formUnion(fallback.namesOfChain) }
    }
  }

  /// The same with what may take the node's own place.
  package var namesOfChain: Set<String> {
    names.union(fallback?.node.namesOfChain ?? [])
  }

  /// The names of everything in it, fallbacks too.
  var everyName: Set<String> { namesOfChain }

  /// The names that includes in it give metrics.
  var everyExport: Set<String> {
    children.reduce(into: Set(exports.keys)) { $0.formUnion($1.everyExport) }
      .union(fallback?.node.everyExport ?? [])
  }

  /// Everything that may be measured in it.
  package var specifications: [RunSpecification] { everyMeasured.compactMap(\.specification) }

  /// Everything that is executed in it: what is measured, what runs beside it, servers.
  package var everyCommand: [RunSpecification] {
    let beside = companions + actions.compactMap { $0 as? ProcessAction }
    return (specification.map { [$0] } ?? []) + beside.map(\.specification)
      + children.flatMap(\.everyCommand) + (fallback?.node.everyCommand ?? [])
  }

  /// The same with another order of the repetitions of every list in it.
  package func ordered(by order: RunOrder) -> PhaseNode {
    var node = self
    node.order = order
    node.children = children.map { $0.ordered(by: order) }
    return node
  }

  /// The phases that will certainly be measured: not what a condition guards.
  package var certain: [PhaseNode] {
    guard kind != "when" else { return [] }
    return (specification == nil ? [] : [self]) + children.flatMap(\.certain)
  }

  /// The phases that are measured in it, without fallbacks and without what is below a phase of
  /// these names.
  package func measured(without skipped: Set<String> = []) -> [PhaseNode] {
    if skipped.contains(name) { return [] }
    return (specification == nil ? [] : [self])
      + children.flatMap { $0.measured(without: skipped) }
  }

  /// Counted repetitions and warm-ups in all; nil where that is not known beforehand.
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

  /// The same where phases of these names are skipped, each for its reason.
  package func skipping(_ reasons: [String: String]) -> PhaseNode {
    var node = self
    if let reason = reasons[name] {
      node.actions = [SkipAction(reason: reason)]
      node.specification = nil
      node.companions = []
      node.children = []
    }
    node.children = node.children.map { $0.skipping(reasons) }
    node.fallback = node.fallback.map { Fallback($0.node.skipping(reasons)) }
    return node
  }

  /// A phase that does nothing yet.
  package init(name: String, kind: String) {
    self.name = name
    self.kind = kind
  }

  /// A phase that is executed only instead of another one.
  package final class Fallback: Sendable {
    package let node: PhaseNode

    /// A fallback.
    package init(_ node: PhaseNode) { self.node = node }
  }
}

/// Something that a phase does beside measuring.
package protocol PhaseAction: Sendable {
  /// What it does, for `--dry-run`: `starts nc -lk 5201, ready when port 5201 answers`.
  var summary: String { get }
  /// Does it. A stop request ends it with a `stopRequested` error.
  func enter(_ place: PhasePlace) throws(LBError) -> PhaseEntry
}

/// What an action led to.
package enum PhaseEntry {
  /// The phase is not to be executed, for this reason, which may be one to be warned of.
  case skip(String, warns: Bool = false)
  /// It is; what was begun is ended by the lease.
  case proceed((any PhaseLease)?)
}

/// Skips a phase of a soft plan, since something is wrong with it.
struct SkipAction: PhaseAction {
  let reason: String

  var summary: String { "skipped: \(reason)" }

  func enter(_ place: PhasePlace) throws(LBError) -> PhaseEntry { .skip(reason) }
}

/// Something that an action began and that has to be ended.
package protocol PhaseLease: AnyObject {
  /// What it is called in messages.
  var title: String { get }
  /// Why it ended though nobody ended it; nil while all is well.
  var failure: LBError? { get }
  /// What is to be said of it though it has not failed.
  var remark: String? { get }
  /// Readable once it has ended, nil for what cannot end by itself.
  var endDescriptor: Int32? { get }
  /// Begins it again after a failure.
  func renew() throws(LBError)
  /// Told what became of its phase, before it is ended; gives what went wrong with what it does
  /// about that.
  func settle(_ status: RunStatus) -> LBError?
  /// Ends it; gives what went wrong with that.
  func leave() -> LBError?
}

extension PhaseLease {
  /// Of what nobody named.
  package var title: String { "what it needs" }
  /// Nothing.
  package var remark: String? { nil }
  /// It does not end by itself.
  package var endDescriptor: Int32? { nil }
  /// Whatever became of the phase.
  package func settle(_ status: RunStatus) -> LBError? { nil }
}

/// Where an action stands: the run, its phase, and what was measured so far.
package struct PhasePlace {
  package let context: RunContext
  package let phase: String
  package let result: RunResult
  /// Metrics by the names that `include` gave them, nil where they were not measured.
  package let exports: [String: Double?]
  /// What earlier sessions of the run decided.
  package let decided: EarlierDecisions
  /// Tells what is being waited for.
  package let waiting: (String) throws(LBError) -> Void

  /// A phase's place in a run.
  package init(
    context: RunContext, phase: String, result: RunResult, exports: [String: Double?] = [:],
    decided: EarlierDecisions = EarlierDecisions(),
    waiting: @escaping (String) throws(LBError) -> Void = { _ throws(LBError) in }
  ) {
    self.context = context
    self.phase = phase
    self.result = result
    self.exports = exports
    self.decided = decided
    self.waiting = waiting
  }
}
