import Foundation
import RunAnalysis
import SampleModel
import Testing

@testable import Output

/// A comparison as people and programs read it.
@Suite struct ComparisonTextTests {
  private func side(
    _ name: String, _ factor: Double, _ run: String, _ place: UInt64
  ) -> ComparedSide {
    let repetitions = (1...8).map { number in
      // Each repetition has its own share of noise, the same on both sides.
      let noise = 1 + Double(number * number % 7) / 1000
      var values = [
        "wall_time": 1e9 * factor * noise * (1 + Double(number * 3 % 5) / 1000 * (factor - 1)),
        "workload.rate": 500 * noise, "vm.pgfault": 1e4 * factor * noise,
        "vm.still": 4, "vm.odd|name": Double(number % 3) * factor,
      ]
      if run == "r2" { values["net.rx_bytes[eth0]"] = 5 }
      return ComparedRepetition(
        number: number, order: 2 * UInt64(number) + place, values: values,
        contamination: number == 8 && place == 1 ? ["steal 4 %"] : [])
    }
    return ComparedSide(
      name: name,
      phases: [
        ComparedPhase(
          run: run, phase: name, repetitions: repetitions,
          units: ["wall_time": "ns", "vm.pgfault": "count", "workload.rate": "1/s"],
          facts: [ComparedFact("command", "work --\(name)"), ComparedFact("host kernel", "6.1")])
      ])
  }

  private func comparison(inTurns: Bool) throws -> Comparison {
    try Comparison(
      base: side("old", 1, "r1", 0), others: [side("new", 1.1, inTurns ? "r1" : "r2", 1)])
  }

  @Test func theTextSaysWhatDiffersFirstAndHasARowForEachPrimaryMetric() throws {
    let text = ComparisonText(try comparison(inTurns: true)).text
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    #expect(lines[0] == "A        old = r1:old, 7 repetitions")
    #expect(lines[1] == "B        new = r1:new, 7 repetitions")
    #expect(lines[2] == "design   one run, repetitions in turns: 7 pairs")
    #expect(lines[3] == "differs  command: work --old → work --new")
    #expect(!text.contains("host kernel"), "it is the same")
    #expect(text.contains("left out of B: 1 contaminated repetition (steal 4 %)"))
    let wall = try #require(lines.first { $0.hasPrefix("wall_time") })
    #expect(wall.contains("+10.") && wall.contains(" … ") && wall.hasSuffix("slower"), "\(wall)")
    let rate = try #require(lines.first { $0.hasPrefix("workload.rate") })
    #expect(rate.contains("same"), "\(rate)")
    #expect(try #require(lines.firstIndex(of: wall)) > 4)
    #expect(text.contains("changed: ") && text.contains("never moved: 1"))
    #expect(lines.contains { $0.hasPrefix("vm.pgfault") && $0.hasSuffix("changed") })
    #expect(!text.contains("not recorded"), "one run has one executable")
    let head = try #require(lines.first { $0.contains("verdict") })
    #expect(head.contains(" detectable "), "\(head)")
    #expect(lines.count { $0.hasPrefix("detectable: the smallest effect") } == 1)
  }

  @Test func ofTwoRunsNothingIsCalledSlower() throws {
    let text = ComparisonText(try comparison(inTurns: false)).text
    let lines = text.split(separator: "\n").map(String.init)
    #expect(text.contains("two runs") && text.contains("contents are not recorded"))
    #expect(!text.contains("slower") && !text.contains("worse"))
    #expect(lines.contains { $0.hasPrefix("wall_time") && $0.hasSuffix("changed") })
    #expect(text.contains("not comparable: 1 (not measured in A)"))
    let all = ComparisonText(try comparison(inTurns: false), all: true).text
    #expect(all.contains("net.rx_bytes[eth0]") && !text.contains("net.rx_bytes[eth0]"))
    let chosen = ComparisonText(try comparison(inTurns: false)) { $0.hasPrefix("net.") }.text
    #expect(chosen.contains("net.rx_bytes[eth0]") && !chosen.contains("wall_time "))
  }

  @Test func contentsAndVariablesThatDifferAreTold() throws {
    func side(_ name: String, _ run: String, _ facts: [(String, String)]) -> ComparedSide {
      let repetitions = (1...4).map {
        ComparedRepetition(number: $0, values: ["wall_time": Double($0)])
      }
      return ComparedSide(
        name: name,
        phases: [
          ComparedPhase(
            run: run, phase: "main", repetitions: repetitions,
            facts: facts.map { ComparedFact($0.0, $0.1) })
        ])
    }
    let a = side(
      "a", "r1",
      [
        ("variable LANG", "1"), ("variable HOME", "1"), ("variable OLD", "1"),
        ("variable KEY", "***"), ("executable", "sha256 aa /bin/x"),
      ])
    let b = side(
      "b", "r2",
      [
        ("variable LANG", "2"), ("variable HOME", "1"), ("variable NEW", "1"),
        ("variable KEY", "***"), ("executable", "sha256 bb /bin/x"),
      ])
    let text = ComparisonText(try Comparison(base: a, others: [b])).text
    let lines = text.split(separator: "\n").map(String.init)
    #expect(
      lines.contains(
        "differs  environment: other values of LANG; only A has OLD; A does not have NEW"))
    #expect(lines.contains("differs  executable: sha256 aa /bin/x → sha256 bb /bin/x"))
    #expect(lines.contains { $0.hasPrefix("unknown  whether input files changed") })
    #expect(lines.contains { $0.hasPrefix("unknown  whether variables") && $0.hasSuffix(": KEY") })
    #expect(!text.contains("HOME") && !text.contains("executables or input files"))
  }

  @Test func knownNoiseBetweenSessionsLetsTwoRunsBeSlower() throws {
    func text(_ difference: Double) throws -> String {
      let sessions = (0..<8).flatMap { place in
        [1, 1 + difference].map {
          SessionNoise.Session(identity: "\(place)", medians: ["wall_time": 1e9 * $0])
        }
      }
      return ComparisonText(
        try Comparison(
          base: side("old", 1, "r1", 0), others: [side("new", 1.1, "r2", 1)],
          noise: SessionNoise(sessions))
      ).text
    }
    let quiet = try text(0.001)
    #expect(quiet.contains("in wall_time (95 %, from 8 pairs of stored runs)"))
    let lines = quiet.split(separator: "\n")
    #expect(lines.contains { $0.hasPrefix("wall_time") && $0.hasSuffix("slower") })
    let loud = try text(0.2)
    let wall = try #require(loud.split(separator: "\n").first { $0.hasPrefix("wall_time") })
    #expect(wall.contains("changed") && wall.contains("identical runs differ by up to"))
  }

  @Test func markdownKeepsItsTables() throws {
    let text = ComparisonText(try comparison(inTurns: true), all: true).markdown
    let rows = text.split(separator: "\n").filter { $0.hasPrefix("|") }
    #expect(rows.count > 5)
    for row in rows {
      // A bar that is escaped ends no cell.
      let cells = row.replacing("\\|", with: "").split(separator: "|")
      #expect(cells.count == 7, "\(row)")
    }
    #expect(text.contains("`vm.odd\\|name`") && text.hasPrefix("### B against A\n"))
  }

  @Test func jsonHasEveryKeyAndReasonsForWhatIsNull() throws {
    let document = ComparisonDocument(try comparison(inTurns: false)) { _ in true }
    let object = try #require(
      try JSONSerialization.jsonObject(with: try JSONEncoder().encode(document))
        as? [String: Any])
    #expect(object["schema"] as? Int == 1 && object["alpha"] as? Double == 0.05)
    let base = try #require(object["base"] as? [String: Any])
    #expect(base["name"] as? String == "old")
    let pair = try #require((object["comparisons"] as? [[String: Any]])?.first)
    #expect(pair["design"] as? String == "separate" && pair["isConfounded"] as? Bool == true)
    #expect(pair["betweenSessions"] is NSNull)
    #expect((pair["reasons"] as? [String: String])?["betweenSessions"] != nil)
    #expect(pair["neverMoved"] as? [String] == ["vm.still"])
    let metrics = try #require(pair["metrics"] as? [[String: Any]])
    let keys: Set = [
      "metric", "unit", "family", "better", "base", "side", "effect", "test", "detectable",
      "verdict", "direction", "needs", "why", "reasons", "betweenSessions",
    ]
    for metric in metrics {
      #expect(Set(metric.keys) == keys)
      let reasons = try #require(metric["reasons"] as? [String: String])
      for (key, value) in metric where value is NSNull {
        #expect(reasons[key]?.isEmpty == false, "\(metric["metric"] ?? ""): \(key)")
      }
    }
    let wall = try #require(metrics.first { $0["metric"] as? String == "wall_time" })
    #expect(wall["family"] as? String == "primary" && wall["verdict"] as? String == "changed")
    #expect(wall["better"] as? String == "lower" && wall["direction"] is NSNull)
    let effect = try #require(wall["effect"] as? [String: Any])
    #expect(effect["kind"] as? String == "ratio")
    #expect(try #require(effect["low"] as? Double) > 0.09)
    let lone = try #require(metrics.first { $0["metric"] as? String == "net.rx_bytes[eth0]" })
    #expect(lone["base"] is NSNull && lone["verdict"] as? String == "notComparable")
  }

  @Test func csvHasARowForEachMetric() throws {
    let text = ComparisonCSV.text(try comparison(inTurns: true)) { $0 != "vm.odd|name" }
    let lines = text.split(separator: "\n").map(String.init)
    #expect(lines.count == 1 + 3)
    let columns = lines[0].split(separator: ",").map(String.init)
    for line in lines.dropFirst() {
      #expect(line.split(separator: ",", omittingEmptySubsequences: false).count == columns.count)
    }
    let wall = lines[1].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    func cell(_ name: String) throws -> String {
      let place = try #require(columns.firstIndex(of: name))
      return wall[place]
    }
    #expect(try cell("metric") == "wall_time" && cell("direction") == "worse")
    #expect(try cell("verdict") == "changed" && cell("design") == "paired")
    #expect(try #require(Double(try cell("effect"))) > 0.09)
  }

  @Test func percentagesHaveTheirSignAndFewDigits() {
    #expect(ComparisonWords.percent(0.05) == "+5.00 %")
    #expect(ComparisonWords.percent(-0.1234) == "-12.3 %")
    #expect(ComparisonWords.percent(12.5) == "+1250 %")
    #expect(ComparisonWords.percent(0) == "0.00 %" && ComparisonWords.percent(-1e-9) == "0.00 %")
    #expect(ComparisonWords.percent(0.02, signed: false) == "2.00 %")
    #expect(ComparisonWords.probability(0.25) == "0.25")
    #expect(ComparisonWords.probability(0.0042) == "0.0042")
    #expect(ComparisonWords.probability(1e-9) == "<0.000001")
  }
}
