public import Runner
import SampleModel

/// Phases that a run executes in order, with settings that hold for all of them.
///
/// ```swift
/// let plan = Plan(freePorts: ["port"]) {
///   Background("server", ["./server", "{port}"], ready: .port("{port}"))
///   Matrix(["threads": [1, 2, 4]]) { Benchmark("./client", "{port}", "{threads}") }
/// }
/// .repetitions(5)
/// ```
/// It is encoded in the form of a plan file. Nothing of it is checked before it is run.
public struct Plan: MeasurementSettings, Hashable, Codable {
  /// What holds for all phases, and below `phase` the phases themselves.
  public var settings: PhaseSettings

  /// A plan of these phases. `name` is the run's, `order` that of the phases' repetitions; each of
  /// `freePorts` is a parameter whose value is a free TCP port.
  public init(
    name: String? = nil, order: RunOrder? = nil, freePorts: [String] = [],
    @PlanBuilder phases: () -> [any PlanPhase]
  ) {
    settings = PhaseSettings()
    settings["name"] = name.map { .text($0) }
    settings["order"] = order.map { .text($0.text) }
    if !freePorts.isEmpty { settings["free_ports"] = .words(freePorts) }
    settings["phase"] = .list(phases().map { .table($0.settings.values) })
  }

  /// A plan as a file has it: its keys with their values.
  public init(settings: [String: PlanValue]) {
    self.settings = PhaseSettings()
    self.settings.values = settings
  }

  /// Decodes one table.
  public init(from decoder: any Decoder) throws {
    self.init(settings: try [String: PlanValue](from: decoder))
  }

  /// Encodes one table.
  public func encode(to encoder: any Encoder) throws { try settings.values.encode(to: encoder) }

  /// Phases with mistakes are skipped with a warning, in place of refusing the plan.
  public func skippingMistakes() -> Plan { setting("validate", "soft") }
}
