import LinuxSystem
public import SampleModel

/// A kind of phase of one's own: `kind = "NAME"` in a plan.
public protocol PhaseHandler: Sendable {
  /// The value of `kind` in a plan, in the place of a kind of the same name.
  var kind: String { get }
  /// Does what the phase is for, before the phases below it. What it throws fails the phase: an
  /// `LBSampleError` as it is, any other error as one of the category `workload`.
  func run(_ phase: HandledPhase) throws
}

/// A phase as its handler sees it.
public struct HandledPhase: Sendable {
  /// Its name, with the parameters that tell it apart.
  public let name: String
  /// Its keys in the plan, but for `name`, `kind` and `phase`, with parameters put in.
  public let settings: [String: PlanValue]
  /// What was measured before it.
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

  /// Whether the run was asked to stop: a handler that takes long looks.
  public var isStopped: Bool { stop() }
}

/// A judge of one's own: looks at each completed attempt, warm-ups too.
public protocol RepetitionGate: Sendable {
  /// A short word for programs.
  var name: String { get }
  /// Why the attempt is contaminated, nil where it is not.
  func objection(to attempt: AttemptResult) -> String?
}

/// Decides in the place of `retries` and pauses whether a failed attempt is followed by another.
///
/// As everywhere, nothing that has begun is repeated unless the workload is idempotent, and the
/// plan's `max_attempts` bounds it.
public protocol RetryPolicy: Sendable {
  /// The time until the next attempt after these, of which the last one failed or took too long;
  /// nil for no more.
  func pause(after attempts: [AttemptResult]) -> Duration?
}

/// A handler as the planner knows kinds.
package struct HandlerKind: PhaseKind {
  private let handler: any PhaseHandler

  /// The kind that `handler` does.
  package init(_ handler: any PhaseHandler) { self.handler = handler }

  package var name: String { handler.kind }

  /// One node that does what the handler does, with the phases below it.
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

  var summary: String { "does what the program has for \(handler.kind)" }

  func enter(_ place: PhasePlace) throws(LBError) -> PhaseEntry {
    let stop = place.context.services.stop
    let phase = HandledPhase(name: name, settings: settings, result: place.result) {
      stop.raised != nil
    }
    do { try handler.run(phase) } catch {
      throw error as? LBError ?? LBError(.workload, "\(name): \(error)")
    }
    return .proceed(nil)
  }
}
