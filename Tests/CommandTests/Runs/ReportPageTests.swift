import Foundation
import RunStore
import SampleModel
import TestSupport
import Testing

/// Pages about runs of every kind, in a browser.
@Suite struct ReportPageTests {
  /// Markup, quotes, what ends a script or a line of one, and what turns the direction of writing.
  private static let hostile =
    "<b onmouseover='throw 1'>&amp;\"'`</script><script>throw 2</script>\u{2028}\u{202E}\u{200F}é漢"

  private static let tick: UInt64 = 1_000_000

  /// Stores a run of `count` repetitions of `true`, each with three samples unless `isSampled` is
  /// false.
  private func store(
    _ command: Command, _ name: String, repetitions count: Int, host: [(String, String)] = [],
    label: String = "v", column instance: String = "eth0", isSampled: Bool = true
  ) throws {
    let folder = command.folder.file("data/lbsample/runs")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let start: UInt64 = 1_767_225_600_000_000_000
    let id = RunDirectory.newRunID(name: name, unixNanoseconds: start, random: 1)
    let writer = try RunWriter(
      path: "\(folder)/\(id).lbsample",
      identity: RunWriter.Identity(
        runID: id, name: name, kind: "run", version: "0.1.0", interval: Self.tick,
        startUnixNanoseconds: start),
      host: host.map { (name: $0.0, value: $0.1) }, configuration: [], labels: ["why": label])
    let phase = try writer.addPhase(PhaseResult(name: "main", command: ["true", Self.hostile]))
    if isSampled { try sample(writer, brackets: count, instance) }
    for number in 1...count {
      var repetition = RepetitionResult(repetition: number, warmUp: false)
      repetition.status = .completed
      let row = try writer.addRepetition(repetition, phase: phase)
      let attemptRow = try writer.addAttempt(
        number: 1, bracket: UInt32(number), repetition: row)
      var attempt = AttemptResult(attempt: 1)
      attempt.status = .completed
      attempt.wallNanoseconds = UInt64(2_000_000 + number * 7919 % 1000)
      attempt.metrics = ["net.rx_bytes[\(instance)]": Double(number % 17)]
      try writer.finishAttempt(attemptRow, attempt, output: [])
    }
    var result = RunResult(runID: id, name: name, kind: "run", startUnixNanoseconds: start)
    result.status = .completed
    result.durationNanoseconds = UInt64(count) * 3 * Self.tick
    try writer.finish(result)
  }

  private func sample(_ writer: RunWriter, brackets: Int, _ instance: String) throws {
    let sink = StoreSink(writer, now: { 0 })
    let metric = MetricDescription("rx_bytes", .bytes, .counter, meaning: Self.hostile)
    let begin: UInt64 = 1000 * Self.tick
    try sink.begin(
      StreamMeta(
        interval: Self.tick,
        streams: [
          .init(collector: "net", stream: 0, thread: 0, cpu: 0, cadence: 1, required: true)
        ], unavailable: [], records: [],
        anchor: ClockAnchor(
          monotonic: begin, realtime: 1_767_225_600_000_000_000, boottime: begin),
        notes: [Self.hostile]))
    try sink.layout(
      Layout(
        collector: "net", stream: 0, epoch: 1,
        columns: [Column(collector: "net", metric: metric, instance: instance)]))
    for bracket in 1...brackets {
      for step in 0..<3 as Range<UInt64> {
        let time = begin + (UInt64(bracket) * 3 + step) * Self.tick
        let edge: BracketEdge = step == 0 ? .open : step == 2 ? .close : .none
        try sink.frame(
          FrameHeader(
            edge: edge, stream: 0, epoch: 1, bracket: UInt32(bracket), deadlineIndex: step,
            deadline: time, start: time, end: time + 10), [UInt64(bracket) * 100 + step * 50].span)
      }
    }
    try sink.commit(watermark: .max)
  }

  private func report(_ command: Command, _ sides: [String], code: Int32 = 0) throws -> String {
    let name = sides.joined(separator: "-").map { $0.isLetter || $0.isNumber ? $0 : "-" }
    let page = command.folder.file("\(String(name)).html")
    let outcome = try command.start(
      ["report", "--config", "/dev/null", "-o", page] + sides
    ).finish()
    try #require(outcome.code == code, "\(sides): \(outcome.error)")
    return page
  }

  /// What holds for each page: nothing fails, nothing is asked of a network, no text is an element,
  /// each link leads to a section, and nothing is wider than the window.
  private func check(_ page: [String: Any], _ path: String, links: [String]) throws {
    #expect(page["errors"] as? [String] == [])
    #expect(Set(try #require(page["requests"] as? [String])) == ["file://\(path)"])
    let found = try #require(page["links"] as? [[Any]])
    #expect(found.map { $0[0] as? String } == links)
    #expect(found.allSatisfy { $0[1] as? Bool == true })
    #expect((page["sections"] as? [String])?.count == links.count)
    let known: Set = [
      "a", "b", "bdi", "body", "button", "canvas", "caption", "code", "datalist", "dd", "details",
      "div", "dl", "dt", "figcaption", "figure", "footer", "h1", "h2", "h3", "h4", "head", "header",
      "html", "input", "label", "li", "main", "meta", "nav", "noscript", "option", "output", "p",
      "script", "section", "span", "style", "summary", "table", "tbody", "td", "th", "thead",
      "title", "tr", "ul",
    ]
    #expect(Set(page["elements"] as? [String] ?? ["none"]).isSubset(of: known))
    #expect(page["width"] as? Double == 0)
    let without = try #require(page["withoutScript"] as? [String: Any])
    #expect(without["charts"] as? Double == 0)
  }

  private static let ofRun = [
    "Summary", "Timeline", "Can it be trusted?", "Repetitions", "All metrics", "Journal",
  ]

  @Test(.enabled(if: Browser.isThere, Browser.need))
  func everyKindOfRunIsAPage() throws {
    let command = try Command()
    let long = String(repeating: "<i>x</i>", count: 1 << 17)
    try store(command, "many", repetitions: 1000)
    try store(
      command, "hostile", repetitions: 8, host: [("hostname", Self.hostile), ("cpus", "64")],
      label: long, column: Self.hostile)
    try store(command, "bare", repetitions: 2, host: [("hostname", "b")], isSampled: false)
    let killed = try killedRun(command)
    let pages = [
      try report(command, ["many"]), try report(command, ["many", "hostile"]),
      try report(command, ["bare"]), try report(command, [killed]),
    ]
    let seen = try Browser.brief(command, pages)
    func text(_ page: Int, script: Bool = true) throws -> String {
      let without = try #require(seen[page]["withoutScript"] as? [String: Any])
      return try #require((script ? seen[page]["text"] : without["text"]) as? String)
    }
    func figures(_ page: Int) -> [String] { seen[page]["figures"] as? [String] ?? [] }

    try check(
      seen[0], pages[0],
      links: Self.ofRun)
    #expect(figures(0).contains { $0.hasPrefix("net.rx_bytes[eth0] over the repetitions") })
    #expect(try text(0, script: false).contains("digest of 1000 completed attempts"))
    #expect((seen[0]["seconds"] as? Double ?? 99) < 20)

    // Runs of different hosts, whose names and labels are text.
    try check(
      seen[1], pages[1],
      links: [
        "Summary", "Comparison", "Timeline", "Can it be trusted?", "Repetitions", "All metrics",
        "Journal",
      ])
    for script in [false, true] {
      let shown = try text(1, script: script)
      #expect(shown.contains("<b onmouseover='throw 1'>&amp;\"'`</script><script>throw 2</script>"))
      #expect(shown.contains(long) && shown.contains("\\u{202E}"))
      #expect(!shown.unicodeScalars.contains { ["\u{202E}", "\u{200F}"].contains($0) })
    }

    try check(
      seen[2], pages[2],
      links: ["Summary", "Can it be trusted?", "Repetitions", "All metrics"])
    #expect(try text(2).contains("No samples: nothing was sampled before it ended."))

    try check(seen[3], pages[3], links: Self.ofRun)
    let last = try text(3, script: false)
    #expect(last.contains("interrupted") && last.contains("Charts need JavaScript"))
    #expect(figures(3).count > 2)
  }

  /// A run whose recording process was killed after some repetitions; gives its name.
  private func killedRun(_ command: Command) throws -> String {
    let count = command.folder.file("count")
    let running = try command.start([
      "run", "--config", "/dev/null", "--name", "killed", "-r", "1000", "-i", "5ms", "--cpu",
      "--memory", "--", "sh", "-c", "echo x >> \(count); sleep 0.03",
    ])
    let began = running.wait {
      (FileManager.default.contents(atPath: count)?.count ?? 0) >= 20
    }
    kill(running.process.processIdentifier, SIGKILL)
    try #require(began, "\(running.error)")
    running.process.waitUntilExit()
    return "killed"
  }

  /// `report` takes the sides of `compare`: labels, phases and several runs a side.
  @Test func sidesAreNamedAsForCompare() throws {
    let command = try Command()
    for name in ["a1", "a2", "b1", "b2"] {
      try store(command, name, repetitions: 6, label: "of-\(name)")
    }
    func page(_ sides: String...) throws -> String {
      try String(contentsOfFile: try report(command, sides), encoding: .utf8)
    }
    let several = try page("a1,of-a2", "why=of-b1,b2")
    for letter in ["A1: a1", "A2: of-a2", "B1: why=of-b1", "B2: b2"] {
      #expect(several.contains("<h3>\(letter)</h3>"), "\(letter)")
    }
    #expect(several.contains("B against A") && several.contains("<h1>4 runs</h1>"))
    let phases = try page("a1:main", "b1:main")
    #expect(phases.contains("<h3>A: a1</h3>") && phases.contains("B against A"))
    let same = try page("a1", "of-a1")
    #expect(same.contains("is on both sides") && !same.contains("<h1>2 runs</h1>"))
    let few = try page("a1,a2", "b1")
    #expect(few.contains("Not compared: several runs a side") && few.contains("<h3>B: b1</h3>"))

    for (sides, words) in [
      (["a1:mian", "b1"], "has no phase mian; did you mean main"),
      (["a1:main"], "a page of one side shows whole runs: give a1"),
      (["a1", "of-c"], "none has the label of-c"), ([","], "names no run"),
      (["--format", "svg", "--metric", "net.*", "a1", "b1"], "--format svg draws one run"),
    ] {
      let outcome = try command.start(
        ["report", "--config", "/dev/null", "-o", command.folder.file("x.html")] + sides
      ).finish()
      #expect(outcome.code == 2 && outcome.error.contains(words), "\(sides): \(outcome.error)")
    }
    #expect(!FileManager.default.fileExists(atPath: command.folder.file("x.html")))
  }
}
