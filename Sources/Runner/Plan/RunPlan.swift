/// A plan: phases in order, each of a kind that lbsample or a handler defines.
///
/// It has the form of a plan file: `name`, `order`, settings that all phases inherit, and `phase`,
/// a list of tables. It is checked when it is resolved.
public struct RunPlan: Sendable, Hashable, Codable {
  /// The settings of the whole plan and, below `phase`, those of each phase.
  public var settings: [String: PlanValue]

  /// A plan of `phases`, with settings that they inherit.
  public init(_ phases: [PhasePlan], settings: [String: PlanValue] = [:]) {
    self.settings = settings
    self.settings["phase"] = .list(phases.map { .table($0.settings) })
  }

  /// A plan with the content of a plan file.
  public init(settings: [String: PlanValue]) { self.settings = settings }

  /// Decodes one table.
  public init(from decoder: any Decoder) throws {
    settings = try [String: PlanValue](from: decoder)
  }

  /// Encodes one table.
  public func encode(to encoder: any Encoder) throws { try settings.encode(to: encoder) }
}

/// One phase of a plan.
public struct PhasePlan: Sendable, Hashable {
  /// Its settings, `kind` and `name` among them.
  public var settings: [String: PlanValue]

  /// A phase of a kind: `command`, `workload`, `parallel`, `repeat`, `when`, `include`,
  /// `background`, `approve`, or one of your own.
  public init(
    _ kind: String = "command", name: String, _ settings: [String: PlanValue] = [:],
    phases: [PhasePlan] = []
  ) {
    self.settings = settings
    self.settings["kind"] = .text(kind)
    self.settings["name"] = .text(name)
    if !phases.isEmpty {
      self.settings["phase"] = .list(phases.map { .table($0.settings) })
    }
  }
}
