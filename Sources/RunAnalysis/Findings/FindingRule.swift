/// A rule for one finding: its condition, its sentence, and what to examine next.
/// `FindingRules.all` is the table of them.
package struct FindingRule: Sendable {
  /// How much a finding matters.
  package enum Severity: String, Sendable, Comparable, CaseIterable {
    /// It says what the workload's time is bound by.
    case info
    /// It says what lengthens the workload's time or makes repetitions differ.
    case warning

    /// Whether `right` matters more.
    package static func < (left: Severity, right: Severity) -> Bool {
      left == .info && right == .warning
    }
  }

  /// The repetitions that a rule rests on.
  package enum Sample: Sendable {
    /// Counted, completed and not contaminated.
    case clean
    /// Counted and completed: for what contaminates, and could not be seen otherwise.
    case counted
  }

  /// How the cases of a rule belong together.
  package enum Choice: Sendable {
    /// Each case is a reason by itself: the finding names the first that holds.
    case any
    /// The cases measure the same thing from several sources, the best first: the first case that
    /// can be judged decides.
    case first
  }

  /// A number that a finding rests on.
  package struct Number: Sendable {
    /// Its name in conditions, sentences and JSON.
    package let name: String
    /// Its base unit, as those of metrics; `share` is one of which 1 is 100 %, `p` a probability by
    /// chance.
    package let unit: String
    /// Arithmetic over medians of metrics, facts (`FindingFacts`) and the numbers before it, as
    /// `Expression` reads it. `[*]` is the sum of all instances but `all`, `[@]` the case's
    /// instance.
    package let formula: String

    /// A number.
    package init(_ name: String, _ unit: String, _ formula: String) {
      self.name = name
      self.unit = unit
      self.formula = formula
    }
  }

  /// A limit for a number.
  package struct Condition: Sendable {
    /// How a number stands to a limit.
    package enum Relation: Sendable {
      case atLeast
      case atMost
      case above
      case below
    }
    package let number: String
    package let relation: Relation
    package let limit: Double

    /// A condition.
    package init(_ number: String, _ relation: Relation, _ limit: Double) {
      self.number = number
      self.relation = relation
      self.limit = limit
    }

    /// Whether a value keeps to it.
    func holds(_ value: Double) -> Bool {
      switch relation {
      case .atLeast: value >= limit
      case .atMost: value <= limit
      case .above: value > limit
      case .below: value < limit
      }
    }
  }

  /// One way in which a rule can hold.
  package struct Case: Sendable {
    /// A metric whose instances are judged one by one, such as `net.rx_drop`. Of the instances for
    /// which the case holds, the finding names the one with the greatest first number. nil for a
    /// case without `[@]`.
    package let each: String?
    package let numbers: [Number]
    /// All of them have to hold.
    package let conditions: [Condition]
    /// The sentence: `{name}` is a number with its unit, `{@}` the instance.
    package let sentence: String

    /// A case.
    package init(
      each: String? = nil, _ numbers: [Number], _ conditions: [Condition], _ sentence: String
    ) {
      self.each = each
      self.numbers = numbers
      self.conditions = conditions
      self.sentence = sentence
    }
  }

  /// Its name, in kebab-case. Programs rely on it, so it never changes.
  package let id: String
  package let severity: Severity
  /// The fewest repetitions that the rule needs.
  package let fewest: Int
  package let sample: Sample
  package let choice: Choice
  package let cases: [Case]
  /// Options or commands of lbsample that show more, each followed by a description.
  package let next: [String]
  /// Condition and meaning, for docs/reference/findings.md, which a test holds to it.
  package let about: String

  /// A rule.
  package init(
    _ id: String, _ severity: Severity, fewest: Int, sample: Sample = .clean,
    choice: Choice = .any, cases: [Case], next: [String], about: String
  ) {
    self.id = id
    self.severity = severity
    self.fewest = fewest
    self.sample = sample
    self.choice = choice
    self.cases = cases
    self.next = next
    self.about = about
  }
}
