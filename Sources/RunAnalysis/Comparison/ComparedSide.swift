package import SampleModel

/// One repetition as one side of a comparison has it.
package struct ComparedRepetition: Sendable {
  /// Its number in its phase, from 1.
  package let number: Int
  /// Its place among all brackets of its run; nil where that is not known.
  package let order: UInt64?
  /// Metrics in base units, by name.
  package let values: [String: Double]
  /// What disturbed it; empty for a clean one.
  package let contamination: [String]

  /// A repetition.
  package init(
    number: Int, order: UInt64? = nil, values: [String: Double], contamination: [String] = []
  ) {
    self.number = number
    self.order = order
    self.values = values
    self.contamination = contamination
  }

  /// Its value of a metric. A level that stood still has no `.max`: it is that itself.
  package func value(of metric: String) -> Double? {
    if let value = values[metric] { return value }
    return metric.hasSuffix(".max") ? values[String(metric.dropLast(4))] : nil
  }
}

/// Something that was so when a phase ran, such as a host's kernel or a command.
package struct ComparedFact: Sendable, Hashable {
  package let name: String
  package let value: String

  /// The name of the fact that tells the executable's contents.
  package static let executable = "executable"
  /// How names of facts begin that tell an input's contents, and a variable's value.
  package static let input = "input "
  package static let variable = "variable "

  /// Whether a fact of this name tells contents.
  static func isOfContents(_ name: String) -> Bool {
    name == executable || name.hasPrefix(input) || name.hasPrefix(variable)
  }

  /// A fact.
  package init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

/// One phase of one run, of which a side of a comparison has one or several.
package struct ComparedPhase: Sendable {
  /// The run's id.
  package let run: String
  package let phase: String
  /// The run that measured it, where `run` has taken it from another one.
  package let origin: String
  /// Those that count and completed, in order of their numbers.
  package var repetitions: [ComparedRepetition]
  /// Counted repetitions that did not complete.
  package var failed = 0
  /// Base units by metric.
  package var units: [String: String]
  /// Of metrics that their source counts in steps, the step in base units.
  package var resolutions: [String: Double]
  /// In the order in which their differences are reported.
  package var facts: [ComparedFact]
  /// What the rules say of it.
  package var findings = PhaseFindings()

  /// A phase.
  package init(
    run: String, phase: String, origin: String? = nil, repetitions: [ComparedRepetition],
    units: [String: String] = [:], resolutions: [String: Double] = [:],
    facts: [ComparedFact] = []
  ) {
    self.run = run
    self.origin = origin ?? run
    self.phase = phase
    self.repetitions = repetitions
    self.units = units
    self.resolutions = resolutions
    self.facts = facts
  }
}

/// One side of a comparison: its name and its repetitions.
package struct ComparedSide: Sendable {
  /// The side as the user named it.
  package let name: String
  package let phases: [ComparedPhase]

  /// A side.
  package init(name: String, phases: [ComparedPhase]) {
    self.name = name
    self.phases = phases
  }
}

extension ComparedPhase {
  /// The sum of `user_time` and `system_time`.
  package static let cpuTime = "cpu_time"

  /// Suffixes of extremes within a repetition. They depend on its length or repeat the metric, and
  /// are not compared, except the greatest level.
  private static let within = [".rate.mean", ".rate.max", ".rate.p50", ".rate.p95", ".min"]

  /// Settings that repeat other facts.
  private static let repeated: Set = [
    "command.arguments", "plan.definition", "plan.commands", "plan.reuse",
  ]

  /// A phase of a stored run. The value of a repetition is that of its last completed attempt, of
  /// its last clean one if there is one. `version` is that of the lbsample that measured.
  package init(
    _ result: RunResult, _ phase: PhaseResult, version: String?, resolutions: [String: Double]
  ) {
    let counted = phase.repetitions.filter { !$0.warmUp }
    var units = Dictionary(phase.metrics.map { ($0.metric, $0.unit) }) { first, _ in first }
    // Units of these metrics are the same in every file, also without a summary.
    units.merge(RunSummary.ownUnits) { _, own in own }
    var repetitions: [ComparedRepetition] = []
    let origin = phase.provenance?.takenFrom
    for repetition in counted {
      let completed = repetition.attempts.filter { $0.status == .completed }
      guard let standing = completed.last(where: { $0.contamination.isEmpty }) ?? completed.last
      else { continue }
      // What was taken from another run has no bracket here; times tell its order within that run.
      let order = standing.bracket.map { UInt64($0) }
      repetitions.append(
        ComparedRepetition(
          number: repetition.repetition,
          order: origin == nil ? order : standing.startUnixNanoseconds,
          values: Self.values(of: standing), contamination: standing.contamination))
    }
    units[Self.cpuTime] = "ns"
    self.init(
      run: result.runID, phase: phase.name, origin: origin,
      repetitions: repetitions.sorted { $0.number < $1.number }, units: units,
      resolutions: resolutions, facts: Self.facts(result, phase, version))
    failed = counted.count - repetitions.count
    if let judge = FindingJudge(result, phase) { findings = judge.findings(FindingRules.all) }
  }

  private static func values(of attempt: AttemptResult) -> [String: Double] {
    var values = attempt.metrics.filter { name, value in
      value.isFinite
        && !within.contains { name.hasSuffix($0) && attempt.metrics[base(name, $0)] != nil }
    }
    for one in RunSummary.ownValues(of: attempt) { values[one.name] = one.value }
    if let user = attempt.userNanoseconds, let system = attempt.systemNanoseconds {
      values[cpuTime] = Double(user) + Double(system)
    }
    return values
  }

  private static func base(_ name: String, _ suffix: String) -> String {
    String(name.dropLast(suffix.utf8.count))
  }

  private static func facts(
    _ result: RunResult, _ phase: PhaseResult, _ version: String?
  ) -> [ComparedFact] {
    var facts = [ComparedFact("command", phase.command.joined(separator: " "))]
    for (name, value) in phase.parameters.sorted(by: { $0.key < $1.key }) {
      facts.append(ComparedFact("parameter \(name)", value))
    }
    if let provenance = phase.provenance { facts += Self.facts(provenance) }
    for (name, value) in result.labels.sorted(by: { $0.key < $1.key })
    where ![RunResult.startWallLabel, RunResult.startCPULabel].contains(name) {
      facts.append(ComparedFact("label \(name)", value))
    }
    for (name, value) in result.host.sorted(by: { $0.key < $1.key }) {
      facts.append(ComparedFact("host \(name)", value))
    }
    if let version { facts.append(ComparedFact("lbsample", version)) }
    for entry in result.configuration where !repeated.contains(entry.key) {
      facts.append(ComparedFact("setting \(entry.key)", entry.value))
    }
    return facts
  }

  /// Variables, then files: of each value and of the contents of each file a hash.
  private static func facts(_ provenance: PhaseProvenance) -> [ComparedFact] {
    var facts = provenance.environment.sorted { $0.key < $1.key }.map {
      ComparedFact(ComparedFact.variable + $0.key, $0.value)
    }
    func contents(_ hash: String) -> String { "sha256 \(hash.prefix(16))" }
    if let file = provenance.executable, let hash = file.sha256 {
      facts.append(ComparedFact(ComparedFact.executable, "\(contents(hash)) \(file.path)"))
    }
    for file in provenance.inputs {
      facts.append(
        ComparedFact(
          ComparedFact.input + file.path, file.sha256.map(contents) ?? "cannot be read"))
    }
    return facts
  }

  /// What was measured and how, in one text that sessions of the same share; nil where the contents
  /// of its executable are not known. Labels and variables may differ: the latter do between any
  /// two logins.
  package var identity: String? {
    guard facts.contains(where: { $0.name == ComparedFact.executable }) else { return nil }
    let others = ["label ", ComparedFact.variable]
    let own = facts.filter { fact in
      fact.name != "host boot_id" && !others.contains { fact.name.hasPrefix($0) }
    }
    return ([phase] + own.flatMap { [$0.name, $0.value] }).joined(separator: "\0")
  }

  /// Facts of the host on which it was measured, by which other runs are known to be of the same.
  package var hostFacts: [ComparedFact] {
    facts.filter { $0.name.hasPrefix("host ") && $0.name != "host boot_id" }
  }
}
