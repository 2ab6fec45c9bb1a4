import ArgumentParser
import Collectors
import LinuxSystem
import Runner
import SampleModel
import Sampler

/// Several commands, parameters, and plan files.
struct PlanOptions: ParsableArguments {
  @Option(
    name: .customLong("plan"),
    help: ArgumentHelp("Execute the phases of this file (TOML).", valueName: "file"))
  var plan: String?
  @Option(
    name: .customLong("command"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "A command as one argument: split into words as a shell would, but executed without a shell; "
        + "may be repeated to compare several commands.", valueName: "command"))
  var commands: [String] = []
  @Option(
    name: [.customShort("L"), .customLong("parameter-list")], parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Execute all repetitions with each value for {name} in the command; may be repeated, for all "
        + "combinations.",
      valueName: "name=a,b,c"))
  var lists: [String] = []
  @Option(
    name: .customLong("parameter-scan"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Execute all repetitions with each number of a range for {name} in the command.",
      valueName: "name=from:to[:step]"))
  var scans: [String] = []
  @Option(
    name: .customLong("parameter"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "The value for {name} in the command or plan; may be repeated.", valueName: "name=value"))
  var single: [String] = []
  @Option(
    name: .customLong("order"), parsing: .unconditional,
    help: ArgumentHelp(
      "Order of several commands' repetitions: sequential, interleaved (A B A B), abba (A B B A) "
        + "or random:SEED (default: sequential).", valueName: "order"))
  var order: String?
  @Option("plan.reuse") var reuse: Given?
  @Flag(name: .customLong("dry-run"), help: "Show what would be executed, and execute nothing.")
  var dryRun = false

  /// The default name of a run with a plan: the plan's name, or that of its file.
  func title() throws(LBError) -> String? {
    guard let plan else { return nil }
    if case .text(let name)? = try PlanFiles().plan(at: plan).settings["name"] { return name }
    let file = plan.parts("/").last.map(String.init) ?? plan
    return file.hasSuffix(".toml") ? String(file.dropLast(5)) : file
  }

  /// The options as entries of a result's configuration.
  var entries: [ConfigurationEntry] {
    let given: [(String, [String])] = [
      ("plan.file", plan.map { [$0] } ?? []), ("plan.commands", commands),
      ("plan.parameter_lists", lists), ("plan.parameter_scans", scans),
      ("plan.parameters", single), ("plan.order", order.map { [$0] } ?? []),
      ("plan.reuse", reuse.map { [$0.text] } ?? []),
    ]
    return given.filter { !$0.1.isEmpty }.map {
      ConfigurationEntry(key: $0.0, value: $0.1.joined(separator: "; "), origin: "command line")
    }
  }

  /// A plan with its phases.
  struct Resolved {
    let root: PhaseNode
    /// All plan files as text. A resumed run must have the same.
    let definition: String
    /// The mistakes of phases that are skipped.
    let mistakes: [String]
  }

  /// The plan's choice of what is sampled.
  func sampling() throws(LBError) -> PlanSampling {
    try plan.map { path throws(LBError) in
      PlanSampling(try PlanFiles().plan(at: path, ofAnyKind: true))
    }
      ?? PlanSampling()
  }

  /// The phases of the plan file, or of the command line.
  func resolve(
    _ command: [String], base: RunSpecification, mask: EnvironmentMask, pinned: Set<String>
  ) throws -> Resolved {
    let files = PlanFiles()
    var scope = PlanScope(base)
    let matrix = try matrix()
    for text in single {
      let (name, value) = try Self.pair(text, "--parameter")
      scope.parameters[name] = value
    }
    var order = RunOrder.sequential
    if let text = self.order {
      guard let read = RunOrder(text) else {
        throw LBError(
          .configuration, "--order \(text): expected \(RunOrder.expectation)")
      }
      order = read
    }
    var whole: RunPlan
    if let plan {
      let others = [
        (command.isEmpty, "a command after --"), (commands.isEmpty, "--command"),
        (lists.isEmpty, "--parameter-list"), (scans.isEmpty, "--parameter-scan"),
      ]
      if let other = others.first(where: { !$0.0 })?.1 {
        throw LBError(
          .configuration, "--plan cannot be combined with \(other): write it into the plan")
      }
      whole = try files.plan(at: plan, ofAnyKind: true)
      scope.includes = [Directories.real(plan) ?? plan]
      scope.directory = plan.unicodeScalars.lastIndex(of: "/").map { String(plan[..<$0]) }
    } else {
      whole = try commandLine(command, matrix)
    }
    let planner = Planner(.standard, pinned: pinned, source: files)
    guard var root = planner.resolve(whole, in: scope) else {
      throw files.error(planner.problems.all, in: plan ?? "command line")
    }
    let given = matrix.parameters.map(\.name) + scope.parameters.keys.sorted()
    if let unused = given.first(where: { !planner.problems.usedParameters.contains($0) }) {
      throw LBError(
        .configuration,
        "the parameter \(unused) has no effect: nothing in \(plan ?? "the command") uses "
          + "{\(unused)}")
    }
    if self.order != nil { root = root.ordered(by: order) }
    var parts = files.plans
    if plan == nil { parts["command line"] = whole }
    return Resolved(
      root: root, definition: try JSONText.stored(parts.mapValues { mask.masked(plan: $0) }),
      mistakes: files.texts(planner.problems.forgiven, in: plan ?? "command line"))
  }

  private func commandLine(
    _ command: [String], _ matrix: ParameterMatrix
  ) throws(LBError) -> RunPlan {
    var given: [[String]] = command.isEmpty ? [] : [command]
    for text in commands {
      guard let words = CommandWords.split(text) else {
        throw LBError(
          .configuration, "--command \(text): the text is empty, or a quote is not closed")
      }
      given.append(words)
    }
    guard !given.isEmpty else {
      throw LBError(
        .configuration, "no command to run: put it after --, as in: lbsample run -- sleep 1")
    }
    var names: [String: Int] = [:]
    let phases = given.map { words in
      let base = given.count == 1 ? "main" : Self.name(words)
      names[base, default: 0] += 1
      let name = names[base].map { $0 > 1 ? "\(base)-\($0)" : base } ?? base
      return PhasePlan(name: name, ["command": .list(words.map { .text($0) })])
    }
    guard !matrix.parameters.isEmpty else { return RunPlan(phases) }
    var values: [String: PlanValue] = [:]
    for parameter in matrix.parameters {
      values[parameter.name] = .list(parameter.values.map { .text($0) })
    }
    let order = matrix.parameters.map { PlanValue.text($0.name) }
    return RunPlan([
      PhasePlan(
        "repeat", name: "matrix", ["parameters": .table(values), "slowest_first": .list(order)],
        phases: phases)
    ])
  }

  private static func name(_ words: [String]) -> String {
    let base = words[0].parts("/").last.map(String.init) ?? "command"
    let plain = String(base.map { ParameterMatrix.isName("\($0)") ? $0 : "-" })
    return plain.isEmpty ? "command" : plain
  }

  private func matrix() throws(LBError) -> ParameterMatrix {
    var matrix = ParameterMatrix()
    func add(_ option: String, _ name: String, _ values: [String]) throws(LBError) {
      if let wrong = matrix.add(.init(name, values)) {
        throw LBError(.configuration, "\(option): \(wrong)")
      }
    }
    for text in lists {
      let (name, values) = try Self.pair(text, "--parameter-list")
      let list = values.parts(",", keepEmpty: true).map(String.init)
      try add("--parameter-list", name, list)
    }
    for text in scans {
      let (name, range) = try Self.pair(text, "--parameter-scan")
      let parts = range.split(separator: ":").map(String.init)
      guard (2...3).contains(parts.count),
        let values = ParameterMatrix.scan(
          from: parts[0], to: parts[1], step: parts.count == 3 ? parts[2] : "1")
      else {
        throw LBError(
          .configuration,
          "--parameter-scan \(text): expected NAME=FROM:TO or NAME=FROM:TO:STEP with numbers; STEP "
            + "must not be 0 and must lead from FROM to TO")
      }
      try add("--parameter-scan", name, values)
    }
    return matrix
  }

  private static func pair(
    _ text: String, _ option: String
  ) throws(LBError) -> (String, String) {
    guard let (name, value) = text.halves("="), !name.isEmpty else {
      throw LBError(.configuration, "\(option) \(text): expected NAME=…")
    }
    return (name, value)
  }
}
