package import SampleModel

/// What is wrong with the text of a row, in words.
package struct DigestRowError: Error, Equatable {
  package let reason: String
}

/// One row of the digest, as `[digest]` of collectors.conf has it.
///
/// Its text is `group; name; unit; better; formula`, and any number of further formulas: the first
/// one whose metrics are there is used. A formula is an `Expression` over names of metrics; a name
/// with `*` or `?` is the sum of all metrics that match. If `name` is `*`, the
/// row is expanded into one for each metric that its only pattern matches.
package struct DigestRow: Sendable, Equatable {
  /// A formula with its text.
  package struct Rule: Sendable, Equatable {
    package let text: String
    package let expression: Expression

    /// The formula of a text.
    init(_ text: String) throws(FormulaError) {
      self.text = text
      expression = try Expression(Expression.tokens(text))
    }
  }

  /// Units of a row; empty: the unit of the metric itself.
  package static let units = ["ns", "bytes", "count", "1", "J", "W", "bytes/s", "count/s", ""]
  /// The form of a row, for messages.
  package static let form =
    "'group; name; unit; better; formula', such as "
    + "'time; wall time; ns; lower; wall_time'"
  /// The most formulas of a row, and bytes of its text.
  package static let mostRules = 8
  package static let longest = 2000

  /// What the row is called in the configuration.
  package let key: String
  /// The heading that it stands under.
  package let group: String
  /// The name of the row; `*` for one row a metric.
  package let name: String
  /// The base unit of its values in a repetition; empty: that of its metric.
  package let unit: String
  /// Which values are wanted; nil where neither lower nor higher ones are better by themselves.
  package let better: Comparison.Better?
  /// In order of preference; one at least.
  package let rules: [Rule]

  /// Whether it is expanded into a row for each metric that matches.
  package var isOfEach: Bool { name == "*" }

  /// The row that a text describes.
  package init(key: String, _ text: String) throws(DigestRowError) {
    guard text.utf8.count <= Self.longest else {
      throw DigestRowError(reason: "longer than \(Self.longest) bytes; expected \(Self.form)")
    }
    let parts = text.split(separator: ";", omittingEmptySubsequences: false).map {
      Self.trimmed($0)
    }
    guard parts.count >= 5 else {
      throw DigestRowError(reason: "\(parts.count) of 5 parts; expected \(Self.form)")
    }
    guard !parts[0].isEmpty, !parts[1].isEmpty else {
      throw DigestRowError(reason: "no group or no name; expected \(Self.form)")
    }
    guard Self.units.contains(parts[2]) else {
      let known = Self.units.dropLast().joined(separator: ", ")
      throw DigestRowError(
        reason: "unit '\(parts[2])': expected one of \(known), or nothing for the metric's own")
    }
    switch parts[3] {
    case "lower": better = .lower
    case "higher": better = .higher
    case "none": better = nil
    default:
      throw DigestRowError(
        reason: "better is '\(parts[3])': expected one of lower, higher, none")
    }
    guard parts.count - 4 <= Self.mostRules else {
      throw DigestRowError(
        reason: "\(parts.count - 4) formulas; expected at most \(Self.mostRules)")
    }
    var rules: [Rule] = []
    for formula in parts[4...] {
      do throws(FormulaError) {
        rules.append(try Rule(formula))
      } catch {
        throw DigestRowError(
          reason: "formula '\(formula)': \(error.reason); expected names of metrics and numbers "
            + "with blanks around + - * /")
      }
    }
    if parts[1] == "*", rules.count != 1 || rules[0].expression.onlyName == nil {
      throw DigestRowError(
        reason: "a row that is called * is one row for each metric: expected one pattern of "
          + "metrics, such as workload.*, as its only formula")
    }
    for name in rules.flatMap(\.expression.names) {
      if let reason = DigestName.complaint(name) { throw DigestRowError(reason: reason) }
    }
    self.key = key
    group = parts[0]
    name = parts[1]
    unit = parts[2]
    self.rules = rules
  }

  private static func trimmed(_ text: Substring) -> String {
    let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    guard let first = text.firstIndex(where: { !isBlank($0) }),
      let last = text.lastIndex(where: { !isBlank($0) })
    else { return "" }
    return String(text[first...last])
  }

  private init(_ row: DigestRow, metric: String, _ rule: Rule) {
    key = row.key
    group = row.group
    name = metric
    unit = row.unit
    better = row.better
    rules = [rule]
  }

  /// The row of one metric that the pattern of this row matches; nil if a formula cannot have the
  /// name of that metric, such as one with a blank.
  package func row(of metric: String) -> DigestRow? {
    do throws(FormulaError) {
      let rule = try Rule(metric)
      return rule.expression.onlyName == metric ? DigestRow(self, metric: metric, rule) : nil
    } catch {
      return nil
    }
  }
}

extension Expression {
  /// The name that it is made of alone; nil where it computes anything.
  package var onlyName: String? {
    names.count == 1 && evaluate([1]) == 1 && evaluate([2]) == 2 ? names[0] : nil
  }
}

/// Names of a formula that are no metrics of a collector.
package enum DigestName {
  /// From the start of the opening sample to the end of the closing one: the time that the host's
  /// counters of a repetition cover.
  package static let bracketTime = "bracket_time"

  /// Whether a name is a time that every repetition has.
  package static func isTime(_ name: String) -> Bool {
    name == bracketTime || name == RunSummary.wallTime
  }

  /// The names that every repetition has, without those of collectors and of the workload.
  private static let own = Set(RunSummary.ownUnits.keys).union([bracketTime])

  /// What is wrong with a name in a formula; nil of one that a metric may have.
  static func complaint(_ name: String) -> String? {
    func isOperand(_ part: String) -> Bool {
      guard !own.contains(part) else { return true }
      let halves = part.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
      return halves.count == 2 && halves.allSatisfy { !$0.isEmpty } && Double(part) == nil
    }
    if let sign = Expression.gluedOperator(in: name, isOperand) {
      return "\(name) is one name: the \(sign) in it needs a blank before and behind it"
    }
    guard !own.contains(name), !isPattern(name), !name.prefix(while: { $0 != "[" }).contains(".")
    else { return nil }
    return "\(name) is no metric: names are COLLECTOR.FIELD, workload.NAME, "
      + own.sorted().joined(separator: ", ")
  }

  /// Whether a name may match several metrics.
  package static func isPattern(_ name: String) -> Bool {
    name.contains { $0 == "*" || $0 == "?" }
  }

  /// The metrics of `all` that a name of a formula means; what levels and rates did within a
  /// repetition (`.max`, `.rate.mean`, …) is not among those of a pattern.
  static func metrics(_ name: String, among all: [String], _ known: Set<String>) -> [String] {
    guard isPattern(name) else { return known.contains(name) ? [name] : [] }
    return all.filter {
      Glob.matches(name, $0) && !(MetricCourse.base(of: $0).map(known.contains) ?? false)
    }
  }
}

/// Names of what a level or rate did within a repetition.
package enum MetricCourse {
  private static let endings = [
    ".rate.mean", ".rate.max", ".rate.p50", ".rate.p95", ".min", ".max",
  ]

  /// The metric whose minimum, maximum or other statistic this name is; nil for any other name.
  package static func base(of name: String) -> String? {
    endings.first { name.hasSuffix($0) }.map { String(name.dropLast($0.utf8.count)) }
  }
}
