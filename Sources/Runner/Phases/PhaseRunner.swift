import LinuxSystem
import Logging
import RunAnalysis
import RunStore
import SampleModel

/// Executes phases: their actions, the repetitions of measured ones, and fallbacks.
final class PhaseRunner {
  let context: RunContext
  let session: RunSession
  private let collectors: any CollectorLifecycle
  private let repetitions: RepetitionRunner
  let progress: (RunProgress) -> Void
  /// The stored runs in which phases that were measured earlier are searched.
  let stored: StoredCells?
  let inspection: CellInspection
  /// The `setup` commands that prepared the run and the lists that are being executed.
  private(set) var setups: [String]
  /// Metrics by the names that `include` phases export; nil where they were not measured.
  private var exports: [String: Double?] = [:]
  /// What phases began and has not ended, in order of beginning.
  private(set) var resources: [any PhaseResource] = []

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

  /// Executes a node with all nodes below it. Errors without a phase get this one.
  func run(_ node: PhaseNode) throws(LBError) -> PhaseEnd {
    let outer = session.phase
    if !node.name.isEmpty { session.phase = node.name }
    defer { session.phase = outer }
    do throws(LBError) {
      return PhaseEnd(try execute(node).error?.located(phase: session.phase))
    } catch {
      throw error.located(phase: session.phase)
    }
  }

  private func execute(_ node: PhaseNode) throws(LBError) -> PhaseEnd {
    let end = try executeItself(node)
    guard let fallback = node.fallback?.node, !isStopped else { return end }
    let names = node.names
    let failed = session.result.phases.indices.filter { index in
      let phase = session.result.phases[index]
      return names.contains(phase.name) && phase.replacedBy == nil
        && [.failed, .timeout].contains(phase.status)
    }
    guard end.error != nil || !failed.isEmpty else { return .over }
    if let error = end.error {
      if RunSession.endingCategories.contains(error.category) { return end }
      session.recordOnce(error)
    }
    let last = session.errors(of: names).last?.message ?? "no error was recorded"
    let message =
      "\(node.name) failed (\(last)); "
      + "\(fallback.name) takes its place"
    session.result.warnings.append(message)
    try context.journal.record(.warning, "phase.fallback", message, error: end.error)
    let fallbackEnd = try run(fallback)
    // If the fallback fails too, the errors of both are kept, those of the first phase first.
    guard case .over = fallbackEnd, session.errors(of: fallback.namesOfChain).isEmpty,
      session.isComplete(fallback), !isStopped || !fallback.measured().isEmpty
    else { return fallbackEnd }
    for index in failed { try session.replace(index, by: fallback.name) }
    session.removeErrors(of: names)
    return .over
  }

  /// Executes a node without its fallback.
  private func executeItself(_ node: PhaseNode) throws(LBError) -> PhaseEnd {
    if isStopped { return .over }
    // An earlier session has ended the phase: nothing is prepared for it again.
    if node.specification != nil, session.isDone(node.name) { return .over }
    let before = resources.count
    do throws(LBError) {
      for action in node.actions {
        switch try enter(action, node) {
        case .skip(let reason, let warns):
          if warns { session.result.warnings.append("\(node.name): \(reason)") }
          try session.skip(node.unexecuted, because: reason)
          try context.journal.record(.notice, "phase.skipped", "\(node.name): \(reason)")
          return .over
        case .proceed(let resource): if let resource { resources.append(resource) }
        }
      }
    } catch {
      reportEnd(from: before, node, error)
      stopResources(downTo: before)
      var failure = error
      failure.context.phase = node.name
      if node.specification != nil, !isStopped, error.category != .stopRequested {
        try session.fail(node.unexecuted, because: error.message)
      }
      return .failed(failure)
    }
    // The resources of the phase are ended whatever happens; an error of the run's own fails it
    // too.
    var end = PhaseEnd.over
    do throws(LBError) { end = try executeBody(of: node) } catch { end = .failed(error) }
    reportEnd(from: before, node, end.error)
    if !node.outlivesPhase { stopResources(downTo: before) }
    return end
  }

  /// Executes the command or the children of a node, after its actions.
  private func executeBody(of node: PhaseNode) throws(LBError) -> PhaseEnd {
    if node.specification != nil { return try measure([node], .sequential) }
    let hooks = node.listHooks.map { HookRunner(context.executing($0)) }
    let setup = node.listHooks?.hooks[.setup]
    if let setup { setups.append(setup) }
    defer { if setup != nil { setups.removeLast() } }
    var end = PhaseEnd(hooks?.run(.setup))
    if case .over = end {
      do throws(LBError) { end = try runList(node.children, node.order) } catch {
        end = .failed(error)
      }
    }
    if let failure = hooks?.run(.cleanup) { session.record(failure) }
    for (name, metric) in node.exports { exports[name] = .some(value(of: metric)) }
    return end
  }

  private func enter(_ action: any PhaseAction, _ node: PhaseNode) throws(LBError) -> PhaseEntry {
    let phase = PhaseContext(
      run: context, name: node.name, result: session.result, exports: exports,
      decisions: session.decisions
    ) { [self] message throws(LBError) in
      try session.setWaiting(true)
      collectors.suspend()
      try context.journal.record(.notice, "run.waiting", message, status: .waiting)
      progress(
        RunProgress(phase: node.name, attempt: nil, total: 0, activity: .waiting(message)))
    }
    let entry: PhaseEntry
    do throws(LBError) {
      entry = try action.enter(phase)
    } catch {
      do throws(LBError) { try session.setWaiting(false) } catch let unsaved {
        session.record(unsaved)
      }
      throw error
    }
    try session.setWaiting(false)
    return entry
  }

  /// The median of `PHASE.METRIC`; nil where it was not measured.
  private func value(of name: String) -> Double? {
    for phase in session.result.phases where name.hasPrefix(phase.name + ".") {
      let metric = name.dropFirst(phase.name.count + 1)
      if let row = phase.metrics.first(where: { $0.metric == metric }) { return row.median }
    }
    return nil
  }

  /// Reports the outcome of a node to the resources that it began, those from the `first` on.
  private func reportEnd(from first: Int, _ node: PhaseNode, _ failure: LBError?) {
    let names = node.names
    let hasFailed = session.result.phases.contains {
      names.contains($0.name) && [.failed, .timeout].contains($0.status)
    }
    let status: RunStatus =
      isStopped || session.isResumable(after: failure)
      ? .interrupted : failure != nil || hasFailed ? .failed : .completed
    for resource in resources[first...].reversed() {
      if let failure = resource.phaseEnded(status) { session.record(failure) }
    }
  }

  /// Stops the resources that were begun last, until `count` are left.
  private func stopResources(downTo count: Int) {
    while resources.count > count {
      if let failure = resources.removeLast().stop() { session.record(failure) }
    }
  }

  /// Executes the phases of one list. Servers among them end with the list.
  private func runList(_ nodes: [PhaseNode], _ order: RunOrder) throws(LBError) -> PhaseEnd {
    let before = resources.count
    defer { stopResources(downTo: before) }
    var rest = nodes[...]
    while let first = rest.first, !isStopped {
      let mixed = order == .sequential ? rest.prefix(1) : rest.prefix(while: Self.isPlain)
      let end = mixed.count > 1 ? try measure(Array(mixed), order) : try run(first)
      if let error = end.error {
        // Phases whose repetitions took turns fail together.
        guard mixed.count == 1, try continues(after: first, error) else { return end }
      }
      rest = rest.dropFirst(max(1, mixed.count))
    }
    return .over
  }

  /// Whether the run continues with the phases after one that failed.
  private func continues(after node: PhaseNode, _ error: LBError) throws(LBError) -> Bool {
    let limit = context.specification.askLimit
    var failure = FailurePolicy.Failure(error)
    failure.isMeasured = node.specification != nil && !node.outlivesPhase
    failure.mayAsk = limit != nil
    let action = session.failurePolicy.action(after: failure, phase: node.name)
    guard action == .skipPhase || action == .ask else { return false }
    // Recorded before the answer to a question: the first error decides the exit code.
    session.recordOnce(error)
    if action == .ask {
      let question = ApproveAction(
        message: "it failed (\(error.message)); continue without it?", limit: limit ?? 0)
      do throws(LBError) {
        _ = try enter(question, node)
      } catch {
        session.record(error)
        return false
      }
    }
    try context.journal.record(
      .warning, "phase.skipped", "\(node.name) ends here: \(error.message)", error: error)
    let known = Set(session.result.phases.map(\.name))
    let skipped = Set(session.result.phases.filter { $0.status == .skipped }.map(\.name))
    for below in node.measured(without: skipped)
    where below.name != node.name && !known.contains(below.name) {
      try session.skip(
        below.unexecuted, because: "\(node.name) failed before it")
    }
    return true
  }

  /// Whether a phase has repetitions only, which can take turns with those of other phases.
  private static func isPlain(_ node: PhaseNode) -> Bool {
    node.specification != nil && node.actions.isEmpty && node.fallback == nil
  }

  /// Executes the repetitions of phases in this order, after the `setup` hooks and before the
  /// `cleanup` hooks of all of them.
  private func measure(_ nodes: [PhaseNode], _ order: RunOrder) throws(LBError) -> PhaseEnd {
    let open = nodes.filter { $0.specification != nil && !session.isDone($0.name) }
    guard !open.isEmpty else { return .over }
    let provenances = provenances(of: open, order)
    if isStopped { return .over }
    if try take(open, provenances) { return .over }
    var measured: [MeasuredPhase] = []
    for (node, provenance) in zip(open, provenances) {
      guard let specification = node.specification else { continue }
      let index = try begin(node, provenance)
      measured.append(
        MeasuredPhase(
          node: node, index: index, context: context.executing(specification),
          specification: specification))
    }
    var failure: LBError?
    for phase in measured where failure == nil && !isStopped {
      failure = HookRunner(phase.context).run(.setup)?.located(phase: phase.node.name)
    }
    if failure == nil {
      let background = resources.compactMap { $0 as? any BackgroundTask }
      do throws(LBError) {
        failure = try checkInputs(of: measured, order)
        if failure == nil, !isStopped {
          failure = try repetitions.run(measured, order, background).error
        }
        if failure == nil { try noteChanges(of: measured) }
      } catch {
        failure = error
      }
    }
    var unsaved: LBError?
    for phase in measured {
      if let failure = HookRunner(phase.context).run(.cleanup) {
        session.record(failure.located(phase: phase.node.name))
      }
      let isCutShort = isStopped || session.isResumable(after: failure)
      let status: RunStatus? = isCutShort ? .interrupted : failure == nil ? nil : .failed
      do throws(LBError) {
        try session.endPhase(phase.index, status) {
          $0.summarise(
            collectors, own: phase.specification.metrics,
            confidence: phase.specification.confidence)
        }
      } catch {
        // The hooks of the other phases still have to run.
        unsaved = unsaved ?? error
      }
    }
    guard let failure, let unsaved else { return PhaseEnd(failure ?? unsaved) }
    // The first error decides the exit code.
    session.recordOnce(failure)
    session.record(unsaved)
    return .failed(failure)
  }
}

/// A phase that is being measured.
struct MeasuredPhase {
  var node: PhaseNode
  /// Its index among the result's phases.
  let index: Int
  var context: RunContext
  var specification: RunSpecification
}
