import Runner

/// One phase of a plan: what `Plan` and the groups are built of.
public protocol PlanPhase: Sendable {
  /// The settings, the kind and the name among them.
  var settings: PhaseSettings { get set }
}

extension PlanPhase {
  /// The phase beside this one that takes its place where it fails; it is executed only then.
  public func fallback(to name: String) -> Self { with("on_failure", .text(name)) }

  /// A directory that is copied before the phase, and put back where it fails.
  public func checkpoint(_ directory: String) -> Self { with("checkpoint", .text(directory)) }

  func with(_ key: String, _ value: PlanValue) -> Self {
    var copy = self
    copy.settings[key] = value
    return copy
  }
}

extension PhaseSettings {
  /// The settings of a phase of this kind, with phases of its own.
  init(_ kind: String, _ name: String, phases: [any PlanPhase] = []) {
    self.init()
    values["kind"] = .text(kind)
    values["name"] = .text(name)
    if !phases.isEmpty {
      values["phase"] = .list(phases.map { .table($0.settings.values) })
    }
  }
}

/// Collects the phases of a plan or a group, in order; `if` and `for` may stand among them.
@resultBuilder
public enum PlanBuilder {
  /// One phase.
  public static func buildExpression(_ phase: any PlanPhase) -> [any PlanPhase] { [phase] }
  /// Phases that were made elsewhere.
  public static func buildExpression(_ phases: [any PlanPhase]) -> [any PlanPhase] { phases }
  /// Phases one after the other.
  public static func buildBlock(_ parts: [any PlanPhase]...) -> [any PlanPhase] {
    parts.flatMap { $0 }
  }
  /// Those of `if` without `else`.
  public static func buildOptional(_ phases: [any PlanPhase]?) -> [any PlanPhase] { phases ?? [] }
  /// Those of `if`.
  public static func buildEither(first phases: [any PlanPhase]) -> [any PlanPhase] { phases }
  /// Those of `else`.
  public static func buildEither(second phases: [any PlanPhase]) -> [any PlanPhase] { phases }
  /// Those of each turn of `for`.
  public static func buildArray(_ parts: [[any PlanPhase]]) -> [any PlanPhase] {
    parts.flatMap { $0 }
  }
}
