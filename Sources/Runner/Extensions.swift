import LinuxSystem
public import SampleModel

/// A kind of phase that your program adds: `kind = "NAME"` in a plan.
public protocol PhaseHandler: Sendable {
  /// The value of `kind` in a plan, in the place of a kind of the same name.
  var kind: String { get }
  /// Does what the phase is for, before the phases below it. An error fails the phase: an
  /// `LBSampleError` as it is, any other error as one of the category `workload`.
  func run(_ phase: HandledPhase) throws
}

/// A phase as it is passed to its handler.
public struct HandledPhase: Sendable {
  /// Its name, with the parameters that distinguish it.
  public let name: String
  /// Its keys in the plan except `name`, `kind`, `phase` and `on_failure`, with the values of
  /// parameters filled in.
  public let settings: [String: PlanValue]
  /// What was measured before the phase.
  public let result: RunResult
  private let stop: @Sendable () -> Bool

  init(
    name: String, settings: [String: PlanValue], result: RunResult,
    stop: @escaping @Sendable () -> Bool
  ) {
    self.name = name
    self.settings = settings
    self.result = result
    self.stop = stop
  }

  /// Whether a stop of the run was requested. A handler that takes long checks it repeatedly.
  public var isStopped: Bool { stop() }
}

/// A gate that your program adds: it checks each completed attempt, warm-ups included.
public protocol RepetitionGate: Sendable {
  /// A short name, used in events.
  var name: String { get }
  /// Why the attempt is contaminated; nil where it is clean.
  func objection(to attempt: AttemptResult) -> String?
}

/// Decides, in place of `retries` and `backoff`, whether another attempt follows a failed one.
///
/// A workload that has begun is executed again only if it is idempotent, and `max_attempts` is the
/// limit, as without a policy.
public protocol RetryPolicy: Sendable {
  /// The time until the next attempt after these, of which the last one failed or took too long;
  /// nil for no more.
  func pause(after attempts: [AttemptResult]) -> Duration?
}

/// The phase kind of a handler.
package struct HandlerKind: PhaseKind {
  private let handler: any PhaseHandler

  /// The kind that `handler` executes.
  package init(_ handler: any PhaseHandler) { self.handler = handler }

  package var name: String { handler.kind }

  /// One node that calls the handler, with the phases below it.
  package func resolve(_ table: PlanTable, _ scope: PlanScope, _ planner: Planner) -> [PhaseNode] {
    var node = planner.node(table, name, scope)
    let own: Set<String> = ["name", "kind", "phase", "on_failure"]
    let settings = table.keys.filter { !own.contains($0) }.reduce(into: [String: PlanValue]()) {
      $0[$1] = table.value($1)?.filled(table.filled)
    }
    node.actions = [HandlerAction(handler: handler, name: node.name, settings: settings)]
    node.children = planner.phases(of: table, in: scope)
    return [node]
  }
}

private struct HandlerAction: PhaseAction {
  let handler: any PhaseHandler
  let name: String
  let settings: [String: PlanValue]

  var summary: String { "calls the program's handler of \(handler.kind)" }

  func enter(_ phase: PhaseContext) throws(LBError) -> PhaseEntry {
    let stop = phase.run.services.stop
    let handled = HandledPhase(name: name, settings: settings, result: phase.result) {
      stop.raised != nil
    }
    do { try handler.run(handled) } catch {
      throw error as? LBError ?? LBError(.workload, "\(name): \(error)")
    }
    return .proceed(nil)
  }
}
