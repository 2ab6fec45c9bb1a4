import LinuxSystem
import Logging
import RunAnalysis
import RunStore
import SampleModel

/// Executes phases: their actions, the repetitions of those that measure, what takes the place of
/// one that failed.
final class PhaseRunner {
  let context: RunContext
  let session: RunSession
  private let collectors: any CollectorLifecycle
  private let repetitions: RepetitionRunner
  let progress: (RunProgress) -> Void
  /// Where phases that were measured earlier are looked for.
  let stored: StoredCells?
  let inspection: CellInspection
  /// Commands that have prepared the run and the lists under way.
  private(set) var setups: [String]
  /// What includes give, nil where it was not measured.
  private var exports: [String: Double?] = [:]
  /// What was begun and lasts, in order.
  private(set) var leases: [any PhaseLease] = []

  init(
    _ context: RunContext, _ session: RunSession, executor: any RepetitionExecuting,
    collectors: any CollectorLifecycle, stored: StoredCells?,
    progress: @escaping (RunProgress) -> Void
  ) {
    self.context = context
    self.session = session
    self.collectors = collectors
    self.stored = stored
    self.progress = progress
    let stop = context.services.stop
    inspection = CellInspection(ContentHashes()) { stop.raised != nil }
    setups = context.specification.hooks[.setup].map { [$0] } ?? []
    repetitions = RepetitionRunner(
      session, executor: executor, collectors: collectors, progress: progress)
  }

  var isStopped: Bool { context.services.stop.raised != nil }

  /// Executes a node with all below it; gives the error that ends the run, nil to go on. Errors
  /// that do not say their phase are of this one.
  func run(_ node: PhaseNode) throws(LBError) -> LBError? {
    let outer = session.phase
    if !node.name.isEmpty { session.phase = node.name }
    defer { session.phase = outer }
    do throws(LBError) {
      return try execute(node)?.located(phase: session.phase)
    } catch {
      throw error.located(phase: session.phase)
    }
  }

  private func execute(_ node: PhaseNode) throws(LBError) -> LBError? {
    let fatal = try attempt(node)
    guard let fallback = node.fallback?.node, !isStopped else { return fatal }
    let names = node.names
    let failed = session.result.phases.indices.filter { index in
      let phase = session.result.phases[index]
      return names.contains(phase.name) && phase.replacedBy == nil
        && [.failed, .timeout].contains(phase.status)
    }
    guard fatal != nil || !failed.isEmpty else { return nil }
    if let fatal, RunSession.ending.contains(fatal.category) { return fatal }
    if let fatal, !session.hasNoted(fatal) { session.note(fatal) }
    let last = session.errors(of: names).last?.message ?? "no error was noted"
    let message =
      "\(node.name) failed (\(last)); "
      + "\(fallback.name) takes its place"
    session.result.warnings.append(message)
    try context.journal.record(.warning, "phase.fallback", message, error: fatal)
    let failure = try run(fallback)
    // Where it fails too, the errors of both are kept, those of the first one first.
    guard failure == nil, session.errors(of: fallback.namesOfChain).isEmpty,
      session.isComplete(fallback), !isStopped || !fallback.measured().isEmpty
    else { return failure }
    for index in failed { try session.replace(index, by: fallback.name) }
    session.withdrawErrors(of: names)
    return nil
  }

  private func attempt(_ node: PhaseNode) throws(LBError) -> LBError? {
    if isStopped { return nil }
    // An earlier session has ended it: nothing is to be prepared for it again.
    if node.specification != nil, session.isDone(node.name) { return nil }
    let before = leases.count
    do throws(LBError) {
      for action in node.actions {
        switch try enter(action, node) {
        case .skip(let reason, let warns):
          if warns { session.result.warnings.append("\(node.name): \(reason)") }
          try session.skip(node.unexecuted, because: reason)
          try context.journal.record(.notice, "phase.skipped", "\(node.name): \(reason)")
          return nil
        case .proceed(let lease): if let lease { leases.append(lease) }
        }
      }
    } catch {
      settle(from: before, node, error)
      leave(downTo: before)
      var failure = error
      failure.context.phase = node.name
      if node.specification != nil, !isStopped, error.category != .stopRequested {
        try session.fail(node.unexecuted, because: error.message)
      }
      return failure
    }
    var fatal: LBError?
    do throws(LBError) { fatal = try work(at: node) } catch { fatal = error }
    settle(from: before, node, fatal)
    if !node.lasts { leave(downTo: before) }
    return fatal
  }

  /// What a node is for, once its actions are done.
  private func work(at node: PhaseNode) throws(LBError) -> LBError? {
    if node.specification != nil { return try measure([node], .sequential) }
    let hooks = node.around.map { HookRunner(context.executing($0)) }
    let setup = node.around?.hooks[.setup]
    if let setup { setups.append(setup) }
    defer { if setup != nil { setups.removeLast() } }
    var fatal = hooks?.run(.setup)
    do throws(LBError) {
      if fatal == nil { fatal = try runList(node.children, node.order) }
    } catch {
      fatal = error
    }
    if let failure = hooks?.run(.cleanup) { session.note(failure) }
    for (name, metric) in node.exports { exports[name] = .some(value(of: metric)) }
    return fatal
  }

  private func enter(_ action: any PhaseAction, _ node: PhaseNode) throws(LBError) -> PhaseEntry {
    let place = PhasePlace(
      context: context, phase: node.name, result: session.result, exports: exports,
      decided: session.decided
    ) { [self] message throws(LBError) in
      try session.wait(true)
      collectors.suspend()
      try context.journal.record(.notice, "run.waiting", message, status: .waiting)
      progress(
        RunProgress(phase: node.name, place: nil, total: 0, activity: .waiting(message)))
    }
    let entry: PhaseEntry
    do throws(LBError) {
      entry = try action.enter(place)
    } catch {
      do throws(LBError) { try session.wait(false) } catch let unsaved { session.note(unsaved) }
      throw error
    }
    try session.wait(false)
    return entry
  }

  /// `PHASE.METRIC` of what was measured: a median.
  private func value(of name: String) -> Double? {
    for phase in session.result.phases where name.hasPrefix(phase.name + ".") {
      let metric = name.dropFirst(phase.name.count + 1)
      if let row = phase.metrics.first(where: { $0.metric == metric }) { return row.median }
    }
    return nil
  }

  /// Tells what a node's actions began, from the `first` on, what became of the node.
  private func settle(from first: Int, _ node: PhaseNode, _ fatal: LBError?) {
    let names = node.names
    let hasFailed = session.result.phases.contains {
      names.contains($0.name) && [.failed, .timeout].contains($0.status)
    }
    let status: RunStatus =
      isStopped || session.isResumable(after: fatal)
      ? .interrupted : fatal != nil || hasFailed ? .failed : .completed
    for lease in leases[first...].reversed() {
      if let failure = lease.settle(status) { session.note(failure) }
    }
  }

  /// Ends what lasts, the last one first.
  private func leave(downTo count: Int) {
    while leases.count > count {
      if let failure = leases.removeLast().leave() { session.note(failure) }
    }
  }

  /// Phases of one list. What lasts of them ends with the list.
  private func runList(_ nodes: [PhaseNode], _ order: RunOrder) throws(LBError) -> LBError? {
    let before = leases.count
    defer { leave(downTo: before) }
    var rest = nodes[...]
    while let first = rest.first, !isStopped {
      let mixed = order == .sequential ? rest.prefix(1) : rest.prefix(while: Self.isPlain)
      let fatal = mixed.count > 1 ? try measure(Array(mixed), order) : try run(first)
      if let fatal {
        // Of phases that took turns none can be told to be over.
        guard mixed.count == 1, try goesOn(behind: first, fatal) else { return fatal }
      }
      rest = rest.dropFirst(max(1, mixed.count))
    }
    return nil
  }

  /// Whether the phases behind one that failed are executed nevertheless.
  private func goesOn(behind node: PhaseNode, _ fatal: LBError) throws(LBError) -> Bool {
    let limit = context.specification.askLimit
    var failure = Diagnosis.Failure(fatal)
    failure.isMeasured = node.specification != nil && !node.lasts
    failure.mayAsk = limit != nil
    let remedy = session.diagnosis.remedy(for: failure, phase: node.name)
    guard remedy == .skipPhase || remedy == .ask else { return false }
    // Before anybody's answer: the first error decides how the run ends.
    if !session.hasNoted(fatal) { session.note(fatal) }
    if remedy == .ask {
      let question = ApproveAction(
        message: "it failed (\(fatal.message)); go on without it?", limit: limit ?? 0)
      do throws(LBError) {
        _ = try enter(question, node)
      } catch {
        session.note(error)
        return false
      }
    }
    try context.journal.record(
      .warning, "phase.skipped", "\(node.name) ends here: \(fatal.message)", error: fatal)
    let known = Set(session.result.phases.map(\.name))
    let left = Set(session.result.phases.filter { $0.status == .skipped }.map(\.name))
    for below in node.measured(without: left)
    where below.name != node.name && !known.contains(below.name) {
      try session.skip(
        below.unexecuted, because: "\(node.name) failed before it")
    }
    return true
  }

  /// Whether a phase does nothing but measure, so that its repetitions can be mixed with others'.
  private static func isPlain(_ node: PhaseNode) -> Bool {
    node.specification != nil && node.actions.isEmpty && node.fallback == nil
  }

  /// The repetitions of phases, in order. Their own `setup` and `cleanup` are around all of them.
  private func measure(_ nodes: [PhaseNode], _ order: RunOrder) throws(LBError) -> LBError? {
    let open = nodes.filter { $0.specification != nil && !session.isDone($0.name) }
    guard !open.isEmpty else { return nil }
    let provenances = provenances(of: open, order)
    if isStopped { return nil }
    if try take(open, provenances) { return nil }
    var measured: [MeasuredPhase] = []
    for (node, provenance) in zip(open, provenances) {
      guard let specification = node.specification else { continue }
      let index = try begin(node, provenance)
      measured.append(
        MeasuredPhase(
          node: node, index: index, context: context.executing(specification),
          specification: specification))
    }
    var fatal: LBError?
    for phase in measured where fatal == nil && !isStopped {
      fatal = HookRunner(phase.context).run(.setup)?.located(phase: phase.node.name)
    }
    do throws(LBError) {
      if fatal == nil { fatal = try checkInputs(of: measured, order) }
      if fatal == nil, !isStopped { fatal = try repetitions.run(measured, order, leases) }
      if fatal == nil { try noteChanges(of: measured) }
    } catch {
      fatal = error
    }
    var unsaved: LBError?
    for phase in measured {
      if let failure = HookRunner(phase.context).run(.cleanup) {
        session.note(failure.located(phase: phase.node.name))
      }
      let isCutShort = isStopped || session.isResumable(after: fatal)
      let status: RunStatus? = isCutShort ? .interrupted : fatal == nil ? nil : .failed
      do throws(LBError) {
        try session.endPhase(phase.index, status) {
          $0.summarise(
            collectors, own: phase.specification.metrics,
            confidence: phase.specification.confidence)
        }
      } catch {
        // The other phases are still to be cleaned up.
        unsaved = unsaved ?? error
      }
    }
    guard let fatal, let unsaved else { return fatal ?? unsaved }
    // The first one decides how the run ends.
    if !session.hasNoted(fatal) { session.note(fatal) }
    session.note(unsaved)
    return fatal
  }
}

/// A phase that is being measured.
struct MeasuredPhase {
  var node: PhaseNode
  /// Its place among the result's phases.
  let index: Int
  var context: RunContext
  var specification: RunSpecification
}
