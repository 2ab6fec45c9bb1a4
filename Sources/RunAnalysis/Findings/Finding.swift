package import SampleModel

/// What a rule found in the repetitions of a phase.
package struct Finding: Sendable, Hashable {
  /// A number that it rests on, in base units.
  package struct Number: Sendable, Hashable {
    package let name: String
    package let value: Double
    package let unit: String

    /// A number.
    package init(_ name: String, _ value: Double, _ unit: String) {
      self.name = name
      self.value = value
      self.unit = unit
    }
  }

  /// The rule's name.
  package let id: String
  package let severity: FindingRule.Severity
  /// The sentence with `{name}` for each number and `{@}` for the instance.
  package let template: String
  /// The instance of the case, such as a network interface; nil where there is none.
  package let instance: String?
  /// In the order of the rule.
  package let numbers: [Number]
  /// Repetitions that it rests on.
  package let repetitions: Int
  /// What to look at next.
  package let next: [String]

  /// A finding.
  package init(
    id: String, severity: FindingRule.Severity, template: String, instance: String? = nil,
    numbers: [Number], repetitions: Int, next: [String]
  ) {
    self.id = id
    self.severity = severity
    self.template = template
    self.instance = instance
    self.numbers = numbers
    self.repetitions = repetitions
    self.next = next
  }
}

/// A rule that could not be judged, because metrics that it needs are missing.
package struct UnjudgedRule: Sendable, Hashable {
  /// The rule's name.
  package let id: String
  /// Why, in words.
  package let reason: String

  /// A rule, and why it could not be judged.
  package init(id: String, reason: String) {
    self.id = id
    self.reason = reason
  }
}

/// What the rules say of one phase.
package struct PhaseFindings: Sendable, Hashable {
  /// The most severe first, else in the order of the rules.
  package var findings: [Finding] = []
  /// In the order of the rules.
  package var unjudged: [UnjudgedRule] = []

  /// Nothing.
  package init() {}
}

/// What the rules say of a run, by the names of its phases that have a completed, counted
/// repetition.
package struct RunFindings: Sendable {
  /// In the order of the run.
  package let phases: [(name: String, findings: PhaseFindings)]

  /// Judges each phase of a run by its summaries and attempts. A recording has none.
  package init(_ run: RunResult, rules: [FindingRule] = FindingRules.all) {
    guard run.kind != "sample" else {
      phases = []
      return
    }
    phases = run.phases.compactMap { phase in
      guard let judge = FindingJudge(run, phase) else { return nil }
      return (phase.name, judge.findings(rules))
    }
  }

  /// Those of a phase; none for one that has no completed repetition.
  package subscript(phase: String) -> PhaseFindings {
    phases.first { $0.name == phase }?.findings ?? PhaseFindings()
  }
}
