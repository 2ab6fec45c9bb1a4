import Runner
import SampleModel

/// One command, repeated and measured.
///
/// ```swift
/// let result = try await Benchmark("sort", "big.txt")
///   .repetitions(10).warmUps(2).timeout(.seconds(30)).environment(["LC_ALL": "C"])
///   .run(sampling: .cpu, .tree, into: "sort.lbsample")
/// for row in result.summary() { print(row.key, row.median, row.unit) }
/// ```
/// It is a plan of one phase, called `main`, or a phase of a `Plan`.
public struct Benchmark: PlanPhase, MeasurementSettings, Hashable {
  /// The settings so far.
  public var settings: PhaseSettings
  /// Whether it was named: else it is called after its command, or `main` where it is alone.
  private let isNamed: Bool

  /// A command with its arguments, which no shell reads. In a plan its name is that of the command
  /// unless it is given: letters, digits, `_` and `-`, and no other phase has it.
  public init(_ command: String..., name: String? = nil) { self.init(command, name: name) }

  /// A command with its arguments, which no shell reads.
  public init(_ command: [String], name: String? = nil) {
    settings = PhaseSettings("command", name ?? Self.name(command))
    settings["command"] = .words(command)
    isNamed = name != nil
  }

  /// The plan that it is alone.
  public var plan: Plan {
    var only = self
    if !isNamed { only.settings["name"] = "main" }
    var plan = Plan { only }
    // A run is called after its command.
    if case .list(let words)? = settings["command"], case .text(let word)? = words.first {
      plan.settings["name"] = .text(word.parts("/").last.map(String.init) ?? word)
    }
    return plan
  }

  /// A phase's name of the last part of the command's path.
  static func name(_ words: [String]) -> String {
    let base = words.first.flatMap { $0.parts("/").last.map(String.init) } ?? "command"
    let plain = String(base.map { ParameterMatrix.isName("\($0)") ? $0 : "-" })
    return plain.isEmpty ? "command" : plain
  }
}

/// A benchmark tool whose report lbsample knows: its numbers become metrics.
public struct Tool: PlanPhase, MeasurementSettings, Hashable {
  /// The settings so far.
  public var settings: PhaseSettings

  /// Which tools there are.
  public enum Name: String, Sendable, CaseIterable {
    /// stress-ng(1).
    case stressNG = "stress-ng"
    /// fio(1).
    case fio
    /// iperf3(1).
    case iperf3
  }

  /// A tool with its arguments; those for its report are added.
  public init(_ tool: Name, _ arguments: String..., name: String? = nil) {
    settings = PhaseSettings("workload", name ?? tool.rawValue)
    settings["tool"] = .text(tool.rawValue)
    settings["arguments"] = .words(arguments)
  }
}

/// A process beside what is measured: a load within `Together`.
public struct Load: ProcessSettings, Hashable {
  /// The settings so far.
  public var settings = PhaseSettings()

  /// A command with its arguments. `name` is that of its metrics; one of its command's otherwise.
  public init(_ command: String..., name: String? = nil) {
    settings["name"] = .text(name ?? Benchmark.name(command))
    settings["command"] = .words(command)
  }
}

/// A command that is measured while loads run beside it; they end with it.
public struct Together: PlanPhase, Hashable {
  /// The settings so far.
  public var settings: PhaseSettings

  /// Whose failure fails the repetition.
  public enum Failure: String, Sendable {
    /// That of any of them.
    case any
    /// That of the command alone.
    case measured
  }

  /// Measures `benchmark` beside `loads`.
  public init(
    _ name: String, measuring benchmark: Benchmark, beside loads: [Load],
    failingWith failure: Failure = .any
  ) {
    settings = PhaseSettings("parallel", name)
    settings["fail"] = .text(failure.rawValue)
    var measured = benchmark.settings
    measured["kind"] = nil
    measured["measured"] = .boolean(true)
    settings["member"] = .list(
      [.table(measured.values)] + loads.map { .table($0.settings.values) })
  }
}
