public import Runner
import SampleModel

/// Its phases once for every combination of parameters, whose values stand for `{name}` wherever a
/// phase has text.
///
/// ```swift
/// Matrix(["threads": [1, 2, 4]], order: .interleaved) { Benchmark("./work", "{threads}") }
/// ```
public struct Matrix: PlanPhase, Hashable {
  /// The settings so far.
  public var settings: PhaseSettings

  /// The parameters with their values; the first one varies slowest. `order` is that of the
  /// repetitions of its phases.
  public init(
    _ parameters: KeyValuePairs<String, [PlanValue]>, order: RunOrder? = nil,
    name: String = "matrix", @PlanBuilder phases: () -> [any PlanPhase]
  ) {
    settings = PhaseSettings("repeat", name, phases: phases())
    settings["parameters"] = .table(
      Dictionary(parameters.map { ($0.key, .list($0.value)) }, uniquingKeysWith: { $1 }))
    settings["slowest_first"] = .words(parameters.map(\.key))
    settings["order"] = order.map { .text($0.text) }
  }
}

/// Its phases where a condition holds: `host.cpus >= 4 and available.perf`, `load.wall_time < 2s`.
public struct When: PlanPhase, Hashable {
  /// The settings so far.
  public var settings: PhaseSettings

  /// Phases under a condition, as docs/reference/plans.md has it.
  public init(
    _ condition: String, name: String = "when", @PlanBuilder phases: () -> [any PlanPhase]
  ) {
    settings = PhaseSettings("when", name, phases: phases())
    settings["condition"] = .text(condition)
  }
}

/// A process that lives beside the phases that follow it, such as a server. It ends with the list
/// of phases that it stands in.
public struct Background: PlanPhase, ProcessSettings, Hashable {
  /// The settings so far.
  public var settings: PhaseSettings

  /// When it can be used.
  public enum Readiness: Sendable, Hashable {
    /// This TCP port of the loopback interface answers; text for a parameter: `.port("{port}")`.
    case port(PlanValue)
    /// This shell command succeeds.
    case command(String)
  }

  /// A command with its arguments, which is waited for where `ready` says when it can be used.
  public init(
    _ name: String, _ command: [String], ready: Readiness? = nil, within limit: Duration? = nil
  ) {
    settings = PhaseSettings("background", name)
    settings["command"] = .words(command)
    switch ready {
    case .port(let port)?: settings["ready_port"] = port
    case .command(let command)?: settings["ready_command"] = .text(command)
    case nil: break
    }
    settings["ready_within"] = limit.map { .time($0) }
  }
}

/// Waits for `lbsample approve RUN`; a run that is refused ends.
public struct Approval: PlanPhase, Hashable {
  /// The settings so far.
  public var settings: PhaseSettings

  /// A question, and how long its answer is waited for: the default is 10 minutes.
  public init(_ name: String, message: String, within limit: Duration? = nil) {
    settings = PhaseSettings("approve", name)
    settings["message"] = .text(message)
    settings["within"] = limit.map { .time($0) }
  }
}

/// A phase of a kind of the program's own, which a `PhaseHandler` of the options does.
public struct CustomPhase: PlanPhase, Hashable {
  /// The settings so far.
  public var settings: PhaseSettings

  /// A phase of `kind`, whose handler gets `settings`, before the phases within it.
  public init(
    _ kind: String, name: String, _ settings: [String: PlanValue] = [:],
    @PlanBuilder phases: () -> [any PlanPhase] = { [] }
  ) {
    self.settings = PhaseSettings(kind, name, phases: phases())
    self.settings.values.merge(settings) { own, _ in own }
  }
}
