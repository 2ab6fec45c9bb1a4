import Foundation
import RunAnalysis
import SampleModel
import Testing

@testable import Output

/// A history as people and programs read it.
@Suite struct HistoryTextTests {
  /// Thirty runs a day apart, of which the last twelve take 5 % longer.
  private func history(_ count: Int = 30, phases: [String] = ["main"]) -> RunHistory {
    let runs = (0..<count).map { number in
      RunHistory.Run(
        run: "sort-\(number)", startUnixNanoseconds: UInt64(number) * 86_400_000_000_000,
        status: "completed", host: number == 0 ? nil : "h|1", command: ["sort"])
    }
    let stored = (0..<count).map { number -> [RunHistory.Phase] in
      let wall = (number < 18 ? 1e9 : 1.05e9) + Double(number * 7 % 5) * 1e6
      return phases.map { name in
        RunHistory.Phase(
          ComparedPhase(
            run: "sort-\(number)", phase: name,
            repetitions: [ComparedRepetition(number: 1, values: ["wall_time": wall])],
            units: ["wall_time": "ns"]))
      }
    }
    return RunHistory(runs, phases: stored, metrics: { _ in true })
  }

  @Test func theTextMarksTheRunWhereAChangeBegins() throws {
    let text = HistoryText(history(), title: "sort on h", notes: ["left out: a run"]).text
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    #expect(
      lines[0] == "history  sort on h: 30 runs, from 1970-01-01 00:00:00 to 1970-01-30 00:00:00 UTC"
    )
    #expect(lines[1] == "note     left out: a run" && lines[2].isEmpty && lines[3] == "wall_time")
    #expect(lines[4].hasSuffix("  1.000 s … 1.054 s") && lines[4].count == 49, "\(lines[4])")
    #expect(lines[4].prefix(18).allSatisfy { $0 == "0" || $0 == "1" })
    #expect(lines[5] == String(repeating: " ", count: 18) + "^")
    let marked = lines.filter { $0.contains("p = ") }
    #expect(marked.count == 1 && marked[0].hasPrefix("sort-18 "), "\(marked)")
    #expect(marked[0].hasSuffix("+4.99 % (p = 0.0010)"), "\(marked)")
    #expect(lines.count { $0.hasPrefix("sort-") } == 30)
    #expect(text.contains("\n1 change (E-divisive, 999 permutations, false-positive rate at most "))
    #expect(!text.contains("wall_time of"))
    let two = HistoryText(history(phases: ["a", "b"]), title: "t").text
    #expect(two.contains("\nwall_time of a\n") && two.contains("\nwall_time of b\n"))
    let few = HistoryText(history(9), title: "t").text
    #expect(few.hasSuffix("at least 10 runs are needed to find a change\n"))
    let still = HistoryText(history(17), title: "t").text
    #expect(still.contains("\nno change found (E-divisive"))
  }

  @Test func markdownEscapesWhatTablesWouldTakeForTheirOwn() throws {
    let text = HistoryText(history(), title: "a|b `c`").markdown
    #expect(text.hasPrefix("### History of `a\\|b 'c'`\n"))
    let row = try #require(text.split(separator: "\n").first { $0.contains("sort-18") })
    #expect(row.hasPrefix("| `sort-18` | 1970-01-19 00:00:00 | 1 | 1.051 s | - | **+4.99 % (p"))
    #expect(row.split(separator: "|").count == 6)
  }

  @Test func theDocumentHasEveryKeyAndAReasonForEachNull() throws {
    let document = HistoryDocument(history(), title: "sort", notes: [])
    let object = try #require(
      try JSONSerialization.jsonObject(with: try JSONEncoder().encode(document))
        as? [String: Any])
    #expect(object["schema"] as? Int == 1 && object["fewestRuns"] as? Int == 10)
    #expect(object["alpha"] as? Double == 0.01 && object["permutations"] as? Int == 999)
    let runs = try #require(object["runs"] as? [[String: Any]])
    #expect(runs.count == 30 && runs[0]["host"] is NSNull && runs[1]["host"] as? String == "h|1")
    #expect((runs[0]["reasons"] as? [String: String])?.keys.sorted() == ["host"])
    let series = try #require((object["series"] as? [[String: Any]])?.first)
    let values = try #require(series["values"] as? [[String: Any]])
    #expect(values[2]["low"] is NSNull && values[2]["median"] as? Double == 1.004e9)
    #expect((values[2]["reasons"] as? [String: String])?.keys.sorted() == ["high", "low"])
    let change = try #require((series["changes"] as? [[String: Any]])?.first)
    #expect(change["run"] as? String == "sort-18" && change["index"] as? Int == 18)
    #expect(change["before"] as? Double == 1.002e9 && change["after"] as? Double == 1.052e9)
    #expect(change["p"] as? Double == 0.001 && change["changesCommand"] as? Bool == false)
  }

  @Test func csvHasARowForEachRun() throws {
    let lines = HistoryCSV.text(history()).split(separator: "\n").map(String.init)
    #expect(lines.count == 31 && lines[0].hasPrefix("run,start_unix_ns,status,host,phase,metric,"))
    #expect(lines[1] == "sort-0,0,completed,,main,wall_time,ns,1,0,1000000000,,,,,,")
    let changed = lines.filter { !$0.hasSuffix(",,,,,,") }
    #expect(changed.count == 2, "the header, and the change")
    #expect(changed[1].hasPrefix("sort-18,") && changed[1].hasSuffix(",0.001"), "\(changed)")
    #expect(
      lines.allSatisfy { $0.split(separator: ",", omittingEmptySubsequences: false).count == 16 })
  }

  @Test func aSparklineFitsItsWidthAndMarksChanges() {
    let blocks = Sparkline([1, 2, 3, 8], changes: [3], width: 80, marks: .blocks)
    #expect(blocks.line == "▁▂▃█" && blocks.changes == "   ^")
    // Two values a mark; the change is in the second one.
    let narrow = Sparkline([0, 0, 9, 9, 0, 0], changes: [2, 4], width: 3, marks: .digits)
    #expect(narrow.line == "090" && narrow.changes == " ^^")
    #expect(Sparkline([5, 5, 5], width: 9, marks: .digits).line == "000")
    #expect(Sparkline([], width: 9, marks: .digits).line.isEmpty)
    #expect(Sparkline([1, 2, 3, 4], width: 0, marks: .digits).line.count == 1)
    let wide = [-Double.greatestFiniteMagnitude, .greatestFiniteMagnitude]
    #expect(Sparkline(wide, width: 2, marks: .digits).line == "09")
    let long = (0..<1000).map { Double($0) }
    let folded = Sparkline(long, changes: [0, 999], width: 70, marks: .digits)
    #expect(folded.line.count == 70 && folded.changes.count == 70)
    #expect(folded.changes.first == "^" && folded.changes.last == "^")
  }
}
