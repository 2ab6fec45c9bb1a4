package import RunAnalysis
import SampleModel

/// Findings in words, for everything that shows them.
package enum FindingLines {
  /// The most lines of one phase that a report has.
  package static let most = 5

  /// The lines of a phase below its summary, the most severe first; empty where nothing is found.
  /// A longer list ends with how many more there are. Terminals get them through `shownInLine`.
  package static func text(_ findings: PhaseFindings) -> [String] {
    let all = findings.findings
    let shown = all.count > most ? most - 1 : all.count
    var lines = all.prefix(shown).map {
      "finding  \($0.id) (\($0.severity.rawValue)): \(sentence($0))"
    }
    if shown < all.count {
      lines.append("finding  \(all.count - shown) more: lbsample runs show --format json")
    }
    if let first = all.first?.next.first { lines.append("next     \(first)") }
    return lines
  }

  /// A finding's sentence with its numbers and their units.
  package static func sentence(_ finding: Finding) -> String {
    var sentence = ""
    // Inserted values are not searched for braces: an instance may have braces in its name.
    for (index, part) in finding.template.parts("{", keepEmpty: true).enumerated() {
      guard index > 0 else {
        sentence += part
        continue
      }
      let name = String(part.prefix { $0 != "}" })
      sentence += value(name, finding) + part.dropFirst(name.count + 1)
    }
    return sentence
  }

  private static func value(_ name: String, _ finding: Finding) -> String {
    if name == "@" { return finding.instance ?? "" }
    guard let number = finding.numbers.first(where: { $0.name == name }) else { return "" }
    switch number.unit {
    case "share":
      return number.value < 0
        ? "-" + Readable.percent(-number.value) : Readable.percent(number.value)
    case "1": return Readable.fixed(number.value, 3)
    case "p": return ComparisonWords.probability(number.value)
    default:
      return number.value < 0
        ? "-" + RunReport.value(-number.value, number.unit)
        : RunReport.value(number.value, number.unit)
    }
  }

  // MARK: Compared

  /// Findings of a side of a comparison that the other one has not.
  struct OfSide {
    let finding: Finding
    /// Why the rule could not be judged on the other side; nil where it was, and found nothing.
    let unjudged: String?
  }

  /// What most phases of `side` show and no phase of `other` does, by the first that shows it.
  static func only(_ side: ComparedSide, not other: ComparedSide) -> [OfSide] {
    let others = Set(other.phases.flatMap { $0.findings.findings.map(\.id) })
    var seen: Set<String> = []
    return side.phases.flatMap(\.findings.findings).filter { finding in
      let phases = side.phases.count { phase in
        phase.findings.findings.contains { $0.id == finding.id }
      }
      return !others.contains(finding.id) && 2 * phases > side.phases.count
        && seen.insert(finding.id).inserted
    }.map { finding in
      let reasons = other.phases.compactMap { phase in
        phase.findings.unjudged.first { $0.id == finding.id }?.reason
      }
      return OfSide(
        finding: finding, unjudged: reasons.count == other.phases.count ? reasons.first : nil)
    }
  }

  /// Sentences about the findings of one side only, which are called by these letters.
  package static func text(
    _ a: ComparedSide, _ letterA: String, _ b: ComparedSide, _ letterB: String
  ) -> [String] {
    func lines(_ list: [OfSide], _ own: String, _ other: String) -> [String] {
      list.map { one in
        let rest = one.unjudged.map { "; not judged for \(other): \($0)" } ?? ""
        return "only \(own): \(one.finding.id): \(sentence(one.finding))\(rest)"
      }
    }
    return lines(only(a, not: b), letterA, letterB) + lines(only(b, not: a), letterB, letterA)
  }
}

/// A finding for programs; docs/reference/findings.md describes every key.
package struct FindingDocument: Encodable {
  struct Number: Encodable {
    let name: String
    let value: Double
    let unit: String
  }

  private let phase: String?
  private let id: String
  private let severity: String
  private let sentence: String
  private let instance: String?
  private let numbers: [Number]
  private let repetitions: Int
  private let next: [String]
  private let unjudged: String?

  /// A finding of a phase; of a side of a comparison without its name, and with why the rule could
  /// not be judged on the other side.
  package init(_ finding: Finding, phase: String? = nil, unjudged: String? = nil) {
    self.phase = phase
    id = finding.id
    severity = finding.severity.rawValue
    sentence = FindingLines.sentence(finding)
    instance = finding.instance
    numbers = finding.numbers.map { Number(name: $0.name, value: $0.value, unit: $0.unit) }
    repetitions = finding.repetitions
    next = finding.next
    self.unjudged = unjudged
  }

  /// All findings of a run.
  package static func all(_ run: RunFindings) -> [FindingDocument] {
    run.phases.flatMap { name, findings in
      findings.findings.map { FindingDocument($0, phase: name) }
    }
  }
}

/// A rule that could not be judged, for programs.
package struct UnjudgedDocument: Encodable {
  private let phase: String
  private let id: String
  private let reason: String

  /// All of a run.
  package static func all(_ run: RunFindings) -> [UnjudgedDocument] {
    run.phases.flatMap { name, findings in
      findings.unjudged.map { UnjudgedDocument(phase: name, id: $0.id, reason: $0.reason) }
    }
  }
}
