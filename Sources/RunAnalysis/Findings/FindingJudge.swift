import SampleModel

/// Judges one phase by the rules.
struct FindingJudge {
  private let run: RunResult
  /// Of counted, completed attempts, which are not contaminated.
  private let clean: FindingFacts
  /// Of all that are counted and completed.
  private let counted: FindingFacts

  /// nil for a phase in which no counted repetition completed.
  init?(_ run: RunResult, _ phase: PhaseResult) {
    // As in summaries, every completed attempt counts, so that repeating what was
    // disturbed cannot flatter.
    let attempts = phase.repetitions.filter { !$0.warmUp }.flatMap { $0.attempts }.filter {
      $0.status == .completed
    }.sorted {
      ($0.bracket ?? 0, $0.startUnixNanoseconds) < ($1.bracket ?? 0, $1.startUnixNanoseconds)
    }
    guard !attempts.isEmpty else { return nil }
    self.run = run
    counted = FindingFacts(run, attempts: attempts, summary: phase.metrics)
    let undisturbed = attempts.filter { $0.contamination.isEmpty }
    clean =
      undisturbed.count == attempts.count
      ? counted : FindingFacts(run, attempts: undisturbed, summary: phase.cleanMetrics)
  }

  /// What all rules say.
  func findings(_ rules: [FindingRule]) -> PhaseFindings {
    var result = PhaseFindings()
    for rule in rules {
      switch judge(rule) {
      case .found(let finding): result.findings.append(finding)
      case .unknown(let reason):
        result.unjudged.append(UnjudgedRule(id: rule.id, reason: reason))
      case .silent: break
      }
    }
    // Stable: rules of one severity keep their order.
    result.findings =
      result.findings.filter { $0.severity == .warning }
      + result.findings.filter { $0.severity == .info }
    return result
  }

  private enum Outcome {
    case found(Finding)
    case silent
    case unknown(String)
  }

  private func judge(_ rule: FindingRule) -> Outcome {
    let facts = rule.sample == .clean ? clean : counted
    guard facts.repetitions >= rule.fewest else {
      let kind = rule.sample == .clean ? "completed and uncontaminated " : "completed "
      let word = facts.repetitions == 1 ? "repetition" : "repetitions"
      return .unknown(
        "\(facts.repetitions == 0 ? "no" : "\(facts.repetitions)") \(kind)\(word); "
          + "the rule needs \(rule.fewest)")
    }
    var reasons: [String] = []
    for one in rule.cases {
      switch judge(one, of: rule, facts) {
      case .found(let finding): return .found(finding)
      case .unknown(let reason): reasons.append(reason)
      case .silent: if rule.choice == .first { return .silent }
      }
    }
    return reasons.count == rule.cases.count
      ? .unknown(reasons.first ?? "the rule has no case") : .silent
  }

  private func judge(_ one: FindingRule.Case, of rule: FindingRule, _ facts: FindingFacts)
    -> Outcome
  {
    guard let metric = one.each else { return judge(one, nil, of: rule, facts) }
    let instances = facts.instances(of: metric)
    guard !instances.isEmpty else { return .unknown(missing("\(metric)[…]")) }
    var best: Finding?
    var reasons: [String] = []
    for instance in instances {
      switch judge(one, instance, of: rule, facts) {
      case .found(let finding):
        if finding.numbers[0].value > best?.numbers[0].value ?? -.infinity { best = finding }
      case .unknown(let reason): reasons.append(reason)
      case .silent: break
      }
    }
    if let best { return .found(best) }
    return reasons.count == instances.count ? .unknown(reasons[0]) : .silent
  }

  private func judge(
    _ one: FindingRule.Case, _ instance: String?, of rule: FindingRule, _ facts: FindingFacts
  ) -> Outcome {
    var numbers: [Finding.Number] = []
    for number in one.numbers {
      guard let expression = Self.expression(number.formula) else {
        return .unknown("the rule's formula \(number.formula) is not arithmetic")
      }
      var values: [Double?] = []
      for name in expression.names {
        if let earlier = numbers.first(where: { $0.name == name }) {
          values.append(earlier.value)
          continue
        }
        switch facts.value(name, instance: instance, fewest: rule.fewest) {
        case .known(let value): values.append(value)
        case .absent:
          return .unknown(missing(instance.map { name.replacing("[@]", with: "[\($0)]") } ?? name))
        case .partial(let count):
          return .unknown(
            "\(name) is there in \(count) of \(facts.repetitions) repetitions; "
              + "the rule needs \(rule.fewest)")
        }
      }
      // A division by zero: of no packets no share was dropped.
      guard let value = expression.evaluate(values) else { return .silent }
      numbers.append(Finding.Number(number.name, value, number.unit))
    }
    for condition in one.conditions {
      guard let number = numbers.first(where: { $0.name == condition.number }),
        condition.holds(number.value)
      else { return .silent }
    }
    // The digest includes the contaminated repetitions: the sentence says that this one does not.
    let isPart = facts.repetitions < counted.repetitions
    let word = facts.repetitions == 1 ? "repetition" : "repetitions"
    let part =
      isPart ? " (from \(facts.repetitions) clean \(word) of \(counted.repetitions))" : ""
    return .found(
      Finding(
        id: rule.id, severity: rule.severity, template: one.sentence + part, instance: instance,
        numbers: numbers, repetitions: facts.repetitions, next: rule.next))
  }

  /// A formula as `Expression` reads it; nil for one that it refuses.
  static func expression(_ formula: String) -> Expression? {
    do throws(FormulaError) { return try Expression(Expression.tokens(formula)) } catch {
      return nil
    }
  }

  /// Why a metric is not there, where the run knows it.
  private func missing(_ name: String) -> String {
    let collector = String(name.prefix { $0 != "." })
    let known = run.unavailable.first { $0.collector == collector }
    return "no value of \(name)" + (known.map { ": \($0.reason)" } ?? "")
  }
}
