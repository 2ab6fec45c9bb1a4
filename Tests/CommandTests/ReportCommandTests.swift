import Foundation
import TestSupport
import Testing

/// `lbsample report`: its page in a browser says what `export`, `compare` and `runs show` say.
@Suite struct ReportCommandTests {
  private func json(_ outcome: Command.Outcome) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  /// A run of three repetitions with names that are markup.
  private func run(_ command: Command, _ name: String, _ time: String) throws {
    // A busy host disturbs no number that is compared here.
    let configuration = command.folder.file("gates.conf")
    try "[gates]\nskipped = \"\"\nown_cost = \"\"\nforeign_cpu = \"\"\nsteal = \"\"\n".write(
      toFile: configuration, atomically: true, encoding: .utf8)
    let outcome = try command.start([
      "run", "--config", configuration, "--name", name, "-r", "7", "-i", "10ms", "--cpu",
      "--memory",
      "--label", "x=<img src=x onerror=\"document.title='owned'\">", "--quiet", "--",
      "sh", "-c", "sleep \(time)", "</script><script>throw 1</script>\u{2028}\u{202E}",
    ]).finish()
    try #require(outcome.code == 0, "\(outcome.error)")
  }

  @Test(.enabled(if: Browser.isThere, Browser.need))
  func aBrowserSeesTheNumbersOfTheOtherCommands() throws {
    let command = try Command()
    try run(command, "one", "0.05")
    try run(command, "two", "0.06")
    let page = command.folder.file("page.html")
    let made = try command("report", "--config", "/dev/null", "one", "two", "-o", page)
    try #require(made.code == 0, "\(made.error)")
    let seen = try Browser.whole(command, page)

    #expect(seen["errors"] as? [String] == [])
    let requests = Set(try #require(seen["requests"] as? [String]))
    #expect(requests == ["file://\(page)"], "\(requests)")
    #expect(seen["title"] as? String == "lbsample: one, two")
    #expect((seen["layoutShift"] as? Double ?? 1) < 0.1)

    // Every chart has pixels, words and a table.
    let figures = try #require(seen["figures"] as? [[String: Any]])
    #expect(figures.count >= 6)
    for figure in figures {
      let title = figure["title"] as? String ?? ""
      #expect((figure["colours"] as? Int ?? 0) > 5, "\(title)")
      #expect((figure["rows"] as? Int ?? 0) > 0, "\(title)")
      #expect((figure["caption"] as? String ?? "").count > 20, "\(title)")
    }
    try checkEnvelopes(command, figures)
    try checkComparison(command, seen)
    try checkDigest(command, seen)
    try checkMetrics(command, seen)
    checkReader(seen)
  }

  /// The tables behind the charts are the envelopes of what `export` writes: of each bucket of time
  /// the least, the median and the greatest value of all samples in it.
  private func checkEnvelopes(_ command: Command, _ figures: [[String: Any]]) throws {
    let exported = try command("export", "--config", "/dev/null", "one", "--format", "ndjson")
    var samples: [String: [(time: Double, value: Double)]] = [:]
    for object in try exported.objects() where object["type"] as? String == "sample" {
      let elapsed = try #require(object["elapsed_ns"] as? Double)
      for (name, value) in try #require(object["values"] as? [String: Double]) {
        samples[name, default: []].append((elapsed / 1e6, value))
      }
    }
    var checked = Set<String>()
    for figure in figures {
      let headings = figure["headings"] as? [String] ?? []
      let table = figure["table"] as? [[Any]] ?? []
      for (column, heading) in headings.enumerated()
      where heading.hasPrefix("A: ") && heading.hasSuffix(" min") {
        let name = String(heading.dropFirst(3).dropLast(4))
        guard let own = samples[name] else {
          // A chart may be made of several metrics.
          continue
        }
        try check(table, column, own, name)
        checked.insert(name)
      }
    }
    #expect(checked.contains("memory.MemAvailable") && checked.contains("cpu.user[all]"))
    #expect(checked.count >= 5, "\(checked)")
  }

  private func check(
    _ table: [[Any]], _ column: Int, _ samples: [(time: Double, value: Double)], _ name: String
  ) throws {
    let rows = table.compactMap { row -> (time: Double, values: [Double])? in
      let values = row[column...column + 2].compactMap { $0 as? Double }
      guard let time = row[0] as? Double, values.count == 3 else { return nil }
      return (time, values)
    }
    var buckets: [Double: [Double]] = [:]
    for (time, value) in samples {
      let row = try #require(rows.min { abs($0.time - time) < abs($1.time - time) })
      buckets[row.time, default: []].append(value)
    }
    #expect(samples.count > 20 && buckets.count == rows.count, "\(name)")
    for row in rows {
      let own = try #require(buckets[row.time]).sorted()
      let middle = own.count / 2
      let median = own.count % 2 == 1 ? own[middle] : (own[middle - 1] + own[middle]) / 2
      for (one, other) in zip(row.values, [own[0], median, own[own.count - 1]]) {
        #expect(abs(one - other) <= abs(other) * 1e-7, "\(name) \(row) \(own)")
      }
    }
  }

  /// The tables of all metrics and of repetitions have the numbers of `runs show`.
  private func checkMetrics(_ command: Command, _ seen: [String: Any]) throws {
    let run = try json(
      try command("runs", "show", "--config", "/dev/null", "one", "--format", "json"))
    let phase = try #require((run["phases"] as? [[String: Any]])?.first)
    let metrics = try #require(phase["metrics"] as? [[String: Any]])
    let shown = try rows(seen) { $0 == "A: over the repetitions" }
    #expect(shown.count > 10)
    for row in shown {
      let same = try #require(metrics.first { $0["metric"] as? String == row[0].text })
      #expect(row[1].text == same["unit"] as? String)
      let names = [
        "count", "median", "minimum", "maximum", "medianAbsoluteDeviation", "medianLow",
      ]
      #expect(row[2...7].map(\.value) == names.map { same[$0] as? Double }, "\(row)")
    }
    let repetitions = try #require(phase["repetitions"] as? [[String: Any]])
    let attempts = repetitions.map { ($0["attempts"] as? [[String: Any]])?.last ?? [:] }
    let listed = try rows(seen) { $0 == "A: 7 repetitions" }
    #expect(listed.map { $0[3].value } == attempts.map { $0["wallNanoseconds"] as? Double })
    #expect(listed.map { $0[4].value } == attempts.map { $0["userNanoseconds"] as? Double })
  }

  private func rows(_ seen: [String: Any], _ id: String) throws -> [[(
    text: String, value: Double?
  )]] {
    try rows(seen, "id") { $0 == id }
  }

  private func rows(
    _ seen: [String: Any], _ key: String = "caption", where matches: (String) -> Bool
  ) throws -> [[(text: String, value: Double?)]] {
    let tables = try #require(seen["tables"] as? [[String: Any]])
    let table = try #require(tables.first { matches($0[key] as? String ?? "") })
    return try #require(table["rows"] as? [[[Any]]]).map { row in
      row.map { ($0[0] as? String ?? "", $0[1] as? Double) }
    }
  }

  private func checkComparison(_ command: Command, _ seen: [String: Any]) throws {
    let shown = try rows(seen, "compare-1")
    let pair = try #require(
      (try json(try command("compare", "--config", "/dev/null", "--format", "json", "one", "two"))[
        "comparisons"] as? [[String: Any]])?.first)
    let metrics = try #require(pair["metrics"] as? [[String: Any]])
    #expect(shown.count == metrics.count && metrics.count > 3)
    for (row, metric) in zip(shown, metrics) {
      #expect(row[0].text == metric["metric"] as? String)
      let base = metric["base"] as? [String: Any], side = metric["side"] as? [String: Any]
      let effect = metric["effect"] as? [String: Any]
      let expected = [
        base?["median"] as? Double, side?["median"] as? Double, effect?["value"] as? Double,
        effect?["low"] as? Double, metric["detectable"] as? Double,
      ]
      #expect(Array(row[1...5].map(\.value)) == expected, "\(row)")
    }
    let order = try #require(seen["sorted"] as? [Double])
    #expect(order == order.sorted() && order.count > 1)
  }

  private func checkDigest(_ command: Command, _ seen: [String: Any]) throws {
    let shown = try rows(seen, "digest")
    let run = try json(
      try command("runs", "show", "--config", "/dev/null", "one", "--format", "json"))
    let digest = try #require(run["digest"] as? [[String: Any]])
    #expect(shown.count > 5)
    for row in shown {
      let same = try #require(
        digest.first {
          $0["name"] as? String == row[0].text && $0["group"] as? String == row[1].text
        })
      #expect(row[2].value == same["median"] as? Double, "\(row)")
      #expect(row[4].value == same["spread"] as? Double, "\(row)")
    }
    let withoutScript = try #require(seen["withoutScript"] as? [String: Any])
    let text = try #require(withoutScript["text"] as? String)
    #expect(withoutScript["charts"] as? Int == 0)
    for part in ["wall time", "deadlines", "own cost", "<img src=x onerror="] {
      #expect(text.contains(part), "\(part)")
    }
    #expect(text.contains("</script><script>throw 1</script>"))
    #expect(text.contains("\\u{202E}") && !text.unicodeScalars.contains("\u{202E}"))
  }

  /// Zoom, cursor, search, keyboard and the dark scheme.
  private func checkReader(_ seen: [String: Any]) {
    func numbers(_ key: String) -> [Double] { seen[key] as? [Double] ?? [] }
    let (whole, zoomed) = (numbers("view"), numbers("zoomed"))
    let span = (whole.last ?? 0) - (whole.first ?? 0)
    #expect(zoomed.count == 2 && abs((zoomed[1] - zoomed[0]) / span - 0.5) < 0.01, "\(zoomed)")
    #expect(numbers("whole") == whole)
    let keyZoomed = numbers("keyZoomed")
    #expect(keyZoomed.count == 2 && abs((keyZoomed[1] - keyZoomed[0]) / span - 0.5) < 0.01)
    #expect((seen["stepped"] as? Double ?? 0) > (seen["cursor"] as? Double ?? .infinity))
    #expect((seen["said"] as? String ?? "").contains(" s: "))
    #expect(seen["searchFocused"] as? String == "find")
    let found = seen["found"] as? [String] ?? []
    #expect(found.contains("cpu.user[all]") && found.allSatisfy { $0.contains("user") })
    #expect(seen["added"] as? Int == 1)
    #expect(numbers("light").first == 255 && (numbers("dark").first ?? 255) < 60)
  }

  /// A page about a recording beside a run has both, and the reason why they are not compared; a
  /// metric, a side or a file that cannot be is refused with a reason.
  @Test func aPageNamesWhatItCannotCompare() throws {
    let command = try Command()
    let recording = command.folder.file("r.lbsample")
    let sampled = try command(
      "sample", "--config", "/dev/null", "--memory", "-i", "10ms", "--count", "5", "--record",
      recording, "--format", "csv", "--quiet")
    try #require(sampled.code == 0, "\(sampled.error)")
    try run(command, "one", "0.02")
    let page = command.folder.file("page.html")
    let made = try command("report", "--config", "/dev/null", "one", recording, "-o", page)
    #expect(made.code == 0, "\(made.error)")
    let text = try String(contentsOfFile: page, encoding: .utf8)
    #expect(text.contains("Not compared: ") && text.contains("is a recording without repetitions"))
    let whole = try command(
      "report", "--config", "/dev/null", recording, "--full", "memory.MemFree", "-o", page)
    #expect(whole.code == 0, "\(whole.error)")

    let unknown = try command(
      "report", "--config", "/dev/null", recording, "--full", "memory.Nothing", "-o", page)
    #expect(
      unknown.code == 2 && unknown.error.contains("--full memory.Nothing"), "\(unknown.error)")
    let same = try command("report", "--config", "/dev/null", recording, "-o", recording)
    #expect(same.code == 2 && same.error.contains("same file"), "\(same.error)")
    let open = try command("report", "--config", "/dev/null", recording, "--open")
    #expect(open.code == 2 && open.error.contains("-o report.html"), "\(open.error)")
  }
}
