import LinuxSystem
import Runner
import SampleModel

/// The values of a workload's environment that are not written into result files: those of
/// variables whose names match patterns of secrets (`run.mask`).
struct EnvironmentMask: Sendable {
  /// The text in place of a value.
  static let text = "***"

  private let patterns: [String]

  /// Shell patterns of names, separated by commas; regardless of case.
  init(_ patterns: String) {
    self.patterns = patterns.split(separator: ",").map { $0.trimmed.uppercased() }
  }

  /// Whether the value of that variable is hidden.
  func hides(_ name: some StringProtocol) -> Bool {
    patterns.contains { Glob.matches($0, name.uppercased()) }
  }

  /// `NAME=value` as it may be written.
  func masked(_ pair: String) -> String {
    guard let (name, _) = pair.halves("="), hides(name) else { return pair }
    return "\(name)=\(Self.text)"
  }

  /// The arguments of `run` with the values of --env masked.
  func masked(arguments: [String]) -> [String] {
    var isValue = false
    var isOver = false
    return arguments.map { argument in
      defer { isValue = argument == "--env" && !isValue && !isOver }
      if isOver { return argument }
      if isValue { return masked(argument) }
      isOver = argument == "--"
      let option = "--env="
      return argument.begins(option)
        ? option + masked(String(argument.unicodeScalars.dropFirst(option.utf8.count))) : argument
    }
  }

  /// A plan with the values of its `env` tables masked.
  func masked(plan: RunPlan) -> RunPlan { RunPlan(settings: masked(settings: plan.settings)) }

  private func masked(settings: [String: PlanValue]) -> [String: PlanValue] {
    var result = settings.mapValues { masked(value: $0) }
    if case .table(var variables)? = settings["env"] {
      for name in variables.keys where hides(name) { variables[name] = .text(Self.text) }
      result["env"] = .table(variables)
    }
    return result
  }

  private func masked(value: PlanValue) -> PlanValue {
    switch value {
    case .table(let table): .table(masked(settings: table))
    case .list(let list): .list(list.map { masked(value: $0) })
    case .boolean, .integer, .number, .text: value
    }
  }

  /// The variables of a resumed run: a masked value is taken from the environment of lbsample,
  /// which must have it.
  static func restored(_ pairs: [String]) throws(LBError) -> [String] {
    let own = ProgramEnvironment.variables
    return try pairs.map { pair throws(LBError) -> String in
      guard let (name, hidden) = pair.halves("="), hidden == text else { return pair }
      guard let value = own[name] else {
        throw LBError(
          .configuration,
          "the run was started with --env \(name), whose value was not kept (run.mask): set "
            + "\(name) in lbsample's own environment")
      }
      return "\(name)=\(value)"
    }
  }
}
