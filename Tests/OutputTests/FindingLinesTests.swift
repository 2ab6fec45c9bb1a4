import Foundation
import RunAnalysis
import SampleModel
import Testing

@testable import Output

/// Findings as people and programs read them.
@Suite struct FindingLinesTests {
  private func finding(
    _ id: String, _ template: String = "it took {time}", instance: String? = nil,
    _ numbers: [Finding.Number] = [.init("time", 1.5e9, "ns")]
  ) -> Finding {
    Finding(
      id: id, severity: .warning, template: template, instance: instance, numbers: numbers,
      repetitions: 4, next: ["lbsample --top 5: the busiest"])
  }

  @Test func aSentenceHasItsNumbersWithUnits() {
    let numbers: [Finding.Number] = [
      .init("a", 0.125, "share"), .init("b", 2048, "bytes"), .init("c", 12, "count"),
      .init("d", 0.1412, "1"), .init("g", 3.2e-7, "p"), .init("e", -1e6, "ns"),
      .init("f", 5, "count/s"),
    ]
    let text = FindingLines.sentence(
      finding("x", "{@}: {a} {b} {c}, {d} {g}; {e} ({f})", instance: "{a}\u{1B}", numbers))
    #expect(text == "{a}\u{1B}: 12.50 % 2K 12, 0.141 <0.000001; -1.00 ms (5/s)", "\(text)")
    #expect(FindingLines.sentence(finding("x", "no number")) == "no number")
  }

  @Test func aLongListIsCut() {
    var findings = PhaseFindings()
    #expect(FindingLines.text(findings) == [])
    findings.findings = (1...5).map { finding("rule-\($0)") }
    let five = FindingLines.text(findings)
    #expect(five.count == 6 && five[0] == "finding  rule-1 (warning): it took 1.500 s")
    #expect(five[5] == "next     lbsample --top 5: the busiest")
    findings.findings.append(finding("rule-6"))
    let six = FindingLines.text(findings)
    #expect(six.count == 6 && six[4] == "finding  2 more: lbsample runs show --format json")
  }

  @Test func aReportHasThemBelowTheSummary() throws {
    var attempt = AttemptResult(attempt: 1)
    attempt.status = .completed
    attempt.wallNanoseconds = 1_000_000_000
    attempt.userNanoseconds = 990_000_000
    attempt.systemNanoseconds = 0
    var repetition = RepetitionResult(repetition: 1, warmUp: false)
    repetition.status = .completed
    repetition.attempts = [attempt]
    var phase = PhaseResult(name: "main", command: ["work"])
    phase.repetitions = [repetition]
    phase.metrics = RunSummary.rows(of: phase) { _ in "ns" }
    var run = RunResult(runID: "r", name: "r", kind: "run", startUnixNanoseconds: 1)
    run.phases = [phase]
    run.host = ["cpus_online": "0-3"]
    let lines = RunReport.text(run).split(separator: "\n").map(String.init)
    let place = try #require(lines.firstIndex { $0.hasPrefix("finding  one-cpu (info): ") })
    #expect(lines[place].contains("990.0 ms") && lines[place].contains("99.00 %"))
    #expect(lines[place + 1].hasPrefix("next     lbsample run --tree workload"))
    let row = try #require(lines.firstIndex { $0.hasPrefix("time ") })
    #expect(row < place)
    // Those of all metrics, where some were chosen.
    let chosen = RunFindings(run)
    run.phases[0].metrics = []
    run.phases[0].repetitions[0].attempts[0].userNanoseconds = nil
    #expect(RunReport.text(run, findings: chosen).contains("finding  one-cpu"))
    #expect(!RunReport.text(run).contains("finding  one-cpu"))
  }

  // MARK: Compared

  private func side(_ name: String, _ phases: [[String]], unjudged: String? = nil) -> ComparedSide {
    ComparedSide(
      name: name,
      phases: phases.enumerated().map { place, ids in
        var phase = ComparedPhase(
          run: "\(name)\(place)", phase: "main",
          repetitions: (1...6).map {
            ComparedRepetition(number: $0, values: ["wall_time": 1e9 + Double($0)])
          })
        phase.findings.findings = ids.map { finding($0) }
        if let unjudged {
          phase.findings.unjudged = [UnjudgedRule(id: unjudged, reason: "no value of it")]
        }
        return phase
      })
  }

  @Test func aComparisonHasThoseOfOneSideOnly() throws {
    let a = side("old", [["both", "mine"]], unjudged: "theirs")
    let comparison = try Comparison(
      base: a, others: [side("new", [["both", "theirs"]])], settings: Comparison.Settings())
    let lines = ComparisonText(comparison).text.split(separator: "\n").filter {
      $0.hasPrefix("finding ")
    }
    #expect(
      lines == [
        "finding  only A: mine: it took 1.500 s",
        "finding  only B: theirs: it took 1.500 s; not judged for A: no value of it",
      ])
    #expect(ComparisonText(comparison).markdown.contains("- finding, only A: mine: it took"))
    let document = try JSONEncoder().encode(ComparisonDocument(comparison) { _ in true })
    let json = try #require(try JSONSerialization.jsonObject(with: document) as? [String: Any])
    let pair = try #require((json["comparisons"] as? [[String: Any]])?.first)
    let findings = try #require(pair["findings"] as? [String: [[String: Any]]])
    #expect(findings["base"]?.map { $0["id"] as? String } == ["mine"])
    let other = try #require(findings["side"]?.first)
    #expect(other["unjudged"] as? String == "no value of it")
    #expect(other["sentence"] as? String == "it took 1.500 s")
    #expect((other["numbers"] as? [[String: Any]])?.first?["value"] as? Double == 1.5e9)
  }

  @Test func ofSeveralRunsMostHaveToShowIt() {
    let one = side("a", [["often", "seldom"], ["often"], []])
    #expect(FindingLines.only(one, not: side("b", [[], [], []])).map(\.finding.id) == ["often"])
    #expect(FindingLines.only(one, not: side("b", [[], ["often"]])).isEmpty)
  }
}
