import Foundation
import SampleModel
import TestSupport
import Testing

@testable import RunAnalysis

/// The table of rules, and its document.
@Suite struct FindingTableTests {
  private static let root = #filePath.components(separatedBy: "/Tests/")[0]

  private static func text(_ document: String) throws -> String {
    try String(contentsOfFile: "\(root)/docs/reference/\(document)", encoding: .utf8)
  }

  private static func words(_ text: some StringProtocol) -> String {
    text.split { $0 == " " || $0 == "\n" }.joined(separator: " ")
  }

  /// What a rule's section says, as words.
  private static func section(_ rule: FindingRule) -> String {
    let sample = rule.sample == .clean ? "" : " (contaminated ones too)"
    let severity = "*\(rule.severity.rawValue)*, needs at least \(rule.fewest) "
    let repetitions = rule.fewest == 1 ? "repetition" : "repetitions"
    let next = rule.next.map { line in
      let parts = line.components(separatedBy: ": ")
      return "- `\(parts[0])`: " + parts.dropFirst().joined(separator: ": ")
    }
    return words(
      ([severity + repetitions + sample + ".", rule.about] + next).joined(separator: "\n"))
  }

  @Test func everyRuleHasItsParagraph() throws {
    let parts = try Self.text("findings.md").components(separatedBy: "\n## ").dropFirst()
    var sections: [String: String] = [:]
    for part in parts where part.hasPrefix("Rule ") {
      let lines = part.components(separatedBy: "\n")
      sections[String(lines[0].dropFirst(5))] = Self.words(
        lines.dropFirst().joined(separator: "\n"))
    }
    #expect(Set(sections.keys) == Set(FindingRules.all.map(\.id)))
    for rule in FindingRules.all {
      #expect(sections[rule.id] == Self.section(rule), "findings.md, \(rule.id)")
    }
  }

  @Test func rulesAreWellFormed() {
    for rule in FindingRules.all {
      #expect(rule.id.allSatisfy { $0.isLowercase || $0 == "-" }, "\(rule.id)")
      #expect(rule.fewest > 0 && !rule.cases.isEmpty && (1...2).contains(rule.next.count))
      for one in rule.cases {
        let names = one.numbers.map(\.name)
        #expect(Set(names).count == names.count, "\(rule.id) has a number twice")
        for condition in one.conditions { #expect(names.contains(condition.number), "\(rule.id)") }
        let quoted = one.sentence.components(separatedBy: "{").dropFirst().map {
          String($0.prefix { $0 != "}" })
        }
        #expect(quoted.contains { $0 != "@" }, "\(rule.id) quotes no number")
        for name in quoted where name != "@" { #expect(names.contains(name), "\(rule.id)") }
        #expect(quoted.contains("@") == (one.each != nil), "\(rule.id)")
      }
    }
  }

  /// Conditions are about metrics that there are, by the tables that are made from collectors.
  @Test func everyMetricOfAFormulaIsThatOfACollector() throws {
    let tables = try Self.text("collectors.md")
    let facts: Set = [
      "wall_time", "cpu_time", "bracket_time", "host_cpus", "workload_cpus", "workload_cpus_root",
      "foreign_time", "dip_statistic", "dip_limit", "lower_count", "lower_median", "upper_count",
      "upper_median", "repetitions", "trend_p", "first_third", "last_third",
    ]
    var metrics = 0
    for rule in FindingRules.all {
      for one in rule.cases {
        var known = facts
        for number in one.numbers {
          let names = FindingJudge.expression(number.formula)?.names ?? []
          #expect(!names.isEmpty, "\(rule.id): \(number.formula)")
          for name in names where !known.contains(name) {
            let base = name.prefix { $0 != "[" && $0 != "*" }
            let rest = name.contains("[") && !name.contains("*[") ? "[" : ""
            #expect(tables.contains("| `\(base)\(rest)"), "\(rule.id): \(name)")
            metrics += 1
          }
          known.insert(number.name)
        }
      }
    }
    #expect(metrics > 20)
  }

  // MARK: Dips

  /// Values of the package diptest 0.11 (PyPI), which has the authors' own algorithm.
  @Test func dipsAreThoseOfThePaper() throws {
    let known: [([Double], Double)] = [
      ([1, 1.1, 1.2, 1.31, 1.4, 5, 5.12, 5.2, 5.3, 5.41], 0.22443890274314215),
      ([1, 2, 4, 8, 16, 32, 64, 128, 256, 512], 0.05),
      ([0.1, 0.12, 0.15, 0.2, 0.21, 0.22, 0.9, 0.91, 0.95, 0.99], 0.17662337662337663),
    ]
    for (values, dip) in known {
      let found = try #require(Dip(values.reversed()))
      #expect((found.statistic - dip).magnitude < 1e-12, "\(values)")
      #expect((found.limit - 0.5053 / 10.0.squareRoot()).magnitude < 1e-12)
      #expect(found.isMultimodal == (dip > 0.16))
    }
    #expect(Dip([Double](repeating: 1, count: 9)) == nil)
    #expect(Dip([Double](repeating: .nan, count: 12)) == nil)
    let equal = try #require(Dip([Double](repeating: 1, count: 12)))
    #expect(!equal.isMultimodal)
    // Between sizes, and beyond them.
    let limits = [11, 25, 70, 1000, 4000].map { count in
      Dip((0..<count).map(Double.init))?.limit ?? 0
    }
    #expect(zip(limits, limits.dropFirst()).allSatisfy(>))
    #expect((limits[4] - 0.6213 / 4000.0.squareRoot()).magnitude < 1e-12)
  }

  @Test func oneGroupIsRarelyCalledTwo() {
    var noise = Noise(seed: 11)
    var uniform = 0
    var normal = 0
    for _ in 0..<1000 {
      if Dip((0..<12).map { _ in noise.uniform() })?.isMultimodal == true { uniform += 1 }
      if Dip((0..<12).map { _ in noise.normal() })?.isMultimodal == true { normal += 1 }
    }
    // 1 % and its binomial bound at three deviations; nothing would be found at all if it were 0.
    #expect((1...19).contains(uniform), "\(uniform)")
    #expect(normal < 8, "\(normal)")
  }

  @Test func twoGroupsAreSplitWhereTheyAreFarthestApart() throws {
    let groups = try #require(TwoGroups([5, 1, 6, 2, 5.5, 1.5, 2.5]))
    #expect(groups.lower == [1, 1.5, 2, 2.5] && groups.upper == [5, 5.5, 6])
    #expect(TwoGroups([1]) == nil)
    #expect(TwoGroups([3, 3])?.lower == [3])
  }

  @Test func listsOfCPUsAreRead() {
    #expect(FindingFacts.cpus("0-2,8") == [0, 1, 2, 8])
    for list in ["", "a", "3-1", "-1", "0-", "0-99999999", "1-2-3"] {
      #expect(FindingFacts.cpus(list) == nil, "\(list)")
    }
  }
}
