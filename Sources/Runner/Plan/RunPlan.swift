/// A plan: phases in order, each of a kind that lbsample or a handler defines.
///
/// Its form is that of a plan file: `name`, `order`, settings that all phases inherit, and `phase`,
/// a list of tables. Nothing of it is checked before it is resolved.
package struct RunPlan: Sendable, Hashable, Codable {
  /// The settings of the whole plan and, below `phase`, those of each phase.
  package var settings: [String: PlanValue]

  /// A plan of `phases`, with settings that they inherit.
  package init(_ phases: [PhasePlan], settings: [String: PlanValue] = [:]) {
    self.settings = settings
    self.settings["phase"] = .list(phases.map { .table($0.settings) })
  }

  /// A plan as a file has it.
  package init(settings: [String: PlanValue]) { self.settings = settings }

  /// Decodes one table.
  package init(from decoder: any Decoder) throws {
    settings = try [String: PlanValue](from: decoder)
  }

  /// Encodes one table.
  package func encode(to encoder: any Encoder) throws { try settings.encode(to: encoder) }
}

/// One phase of a plan.
package struct PhasePlan: Sendable, Hashable {
  /// Its settings, `kind` and `name` among them.
  package var settings: [String: PlanValue]

  /// A phase of a kind: `command`, `workload`, `parallel`, `repeat`, `when`, `include`,
  /// `background`, `approve`, or one of your own.
  package init(
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
