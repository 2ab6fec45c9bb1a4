import Foundation
import Testing

@testable import Report
@testable import RunAnalysis
@testable import SampleModel

/// The page as text: what a browser makes of it is tested with the command.
@Suite struct PageTests {
  /// Markup, quotes, what ends a script or a line of one, and what turns the direction of writing.
  private let nasty = "<b>&amp;\"'`</script><!--\u{2028}\u{2029}\u{202E}\u{200F}\u{7}é漢😀"

  private func result(_ name: String, label: String = "v") -> RunResult {
    var result = RunResult(
      runID: name, name: "n", kind: "run", startUnixNanoseconds: 1_700_000_000_000_000_000)
    result.status = .completed
    result.labels = [nasty: label, "a": "b"]
    result.host = ["kernel": nasty, "cpus": "2", "hostname": name]
    result.warnings = [nasty]
    result.errors = [LBError(.workload, nasty)]
    var phase = PhaseResult(name: nasty, command: ["sh", nasty])
    phase.status = .completed
    for number in 1...3 {
      var repetition = RepetitionResult(repetition: number, warmUp: false)
      repetition.status = .completed
      var attempt = AttemptResult(attempt: 1)
      attempt.status = .completed
      attempt.bracket = UInt32(number)
      attempt.wallNanoseconds = UInt64(number) * 1_000_000
      attempt.metrics = ["m.level[\(nasty)]": Double(number)]
      if number == 2 { attempt.contamination = [nasty] }
      repetition.attempts = [attempt]
      phase.repetitions.append(repetition)
    }
    phase.metrics = [
      MetricSummary(
        metric: "m.level[\(nasty)]", unit: "bytes", count: 3, median: 2, minimum: 1, maximum: 3,
        medianAbsoluteDeviation: 1, medianLow: nil, medianHigh: nil)
    ]
    result.phases = [phase]
    return result
  }

  private func series() throws -> RunSeries {
    let stretches = (1...3).map {
      TimeGrid.Stretch(bracket: $0, start: UInt64($0) * 1000, end: UInt64($0) * 1000 + 100)
    }
    let sink = SeriesSink(TimeGrid(stretches, buckets: 30, interval: 10), origin: 1000)
    try sink.begin(
      StreamMeta(
        interval: 10,
        streams: [
          .init(collector: "m", stream: 0, thread: 0, cpu: 0, cadence: 1, required: true)
        ], unavailable: [], records: [],
        anchor: ClockAnchor(monotonic: 0, realtime: 0, boottime: 0), notes: [nasty]))
    let level = MetricDescription("level", .bytes, .gauge, meaning: nasty)
    try sink.layout(
      Layout(
        collector: "m", stream: 0, epoch: 1,
        columns: [Column(collector: "m", metric: level, instance: nasty)]))
    for bracket in 1...3 as ClosedRange<UInt32> {
      for tick in 0...9 as ClosedRange<UInt64> {
        let time = UInt64(bracket) * 1000 + tick * 10
        try sink.frame(
          FrameHeader(
            edge: tick == 0 ? .open : .none, stream: 0, epoch: 1, bracket: bracket,
            deadlineIndex: tick, deadline: time, start: time, end: time), [tick].span)
      }
    }
    return sink.finish()
  }

  private func page(label: String = "v") throws -> String {
    let result = result("run-1", label: label)
    let entry = JournalEntry(
      unixNanoseconds: 5, level: "error", kind: nasty, message: nasty, run: "run-1")
    let run = ReportedRun(
      name: nasty, result: result, findings: RunFindings(result), digest: .standard,
      series: try series(), lacks: [nasty], journal: [entry])
    let bytes = ReportPage(runs: [run, run], comparison: nil, incomparable: nasty, version: "0")
      .html()
    #expect(String(validating: bytes, as: UTF8.self) != nil)
    return String(decoding: bytes, as: UTF8.self)
  }

  private func data(_ page: String) throws -> [String: Any] {
    let start = try #require(page.range(of: "id=\"data\">"))
    let end = try #require(page.range(of: "</script>", range: start.upperBound..<page.endIndex))
    let text = page[start.upperBound..<end.lowerBound]
    #expect(!text.contains("<") && !text.contains(">") && !text.contains("&"))
    #expect(!text.unicodeScalars.contains { $0 == "\u{2028}" || $0 == "\u{2029}" })
    return try #require(
      try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  @Test func namesOfTheHostAreText() throws {
    let page = try page()
    // Our own two scripts; nothing of a name begins or ends an element.
    #expect(page.components(separatedBy: "<script").count == 3)
    #expect(page.components(separatedBy: "</script").count == 3)
    let body = try #require(page.range(of: "<body>"))
    let script = try #require(page.range(of: "<script type"))
    let shown = page[body.upperBound..<script.lowerBound]
    #expect(!shown.contains("<b>&") && !shown.contains("<!--"))
    #expect(!shown.unicodeScalars.contains { $0 == "\u{202E}" || $0 == "\u{200F}" })
    #expect(shown.contains("&lt;b&gt;&amp;amp;&quot;&#39;`&lt;/script&gt;&lt;!--"))
    let runs = try #require(try data(page)["runs"] as? [[String: Any]])
    let one = try #require((runs[0]["series"] as? [[Any]])?.first)
    #expect(
      (one[0] as? String)?.unicodeScalars.elementsEqual("m.level[\(nasty)]".unicodeScalars) == true)
    #expect(
      (runs[0]["segments"] as? [[String: Any]])?.map { $0["phase"] as? String }
        == [nasty, nasty, nasty])
  }

  @Test func aVeryLongLabelIsWhole() throws {
    let long = String(repeating: "<é>", count: 300_000)
    let page = try page(label: long)
    #expect(page.contains(String(repeating: "&lt;é&gt;", count: 300_000)))
  }

  @Test func theSameRunsGiveTheSameBytes() throws {
    let first = try page()
    for _ in 0..<3 { #expect(try page() == first) }
    #expect(first.contains("default-src &#39;none&#39;") && !first.contains("unsafe-inline"))
    #expect(!first.contains("http://") && !first.contains("https://"))
  }

  /// A second reader of the encoding, and Foundation's base 64.
  @Test func envelopesAreReadAsTheyWereWritten() throws {
    var envelope = Envelope(buckets: 700)
    for bucket in 0..<700 {
      switch bucket {
      case 0..<200: continue
      case 200..<205: envelope.setAbsent(bucket)
      case 205..<400: envelope.set(bucket, minimum: 3, median: 3, maximum: 3)
      case 400..<403: envelope.set(bucket, minimum: -1e300, median: 0, maximum: 7.25)
      case 403: continue
      case 404: envelope.set(bucket, minimum: -1e300, median: 0, maximum: 7.25)
      default:
        envelope.set(
          bucket, minimum: Double(bucket), median: Double(bucket) + 0.5 * Double(bucket % 2),
          maximum: Double(bucket) + Double(bucket % 2))
      }
    }
    let bytes = SeriesEncoding.bytes(envelope)
    #expect(Data(base64Encoded: Base64.text(bytes)) == Data(bytes))
    for count in 0..<5 {
      #expect(
        Base64.text(Array(bytes.prefix(count))) == Data(bytes.prefix(count)).base64EncodedString())
    }
    var read = Envelope(buckets: 700)
    var place = 0
    var bucket = 0
    var last: (Float, Float, Float)?
    func number() -> Float {
      defer { place += 4 }
      let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1) }
      return Float(bitPattern: bits)
    }
    while place < bytes.count {
      let kind = bytes[place] >> 5
      var count = Int(bytes[place] & 31) + 1
      place += 1
      if count == 32 {
        var shift = 0
        repeat {
          count += Int(bytes[place] & 127) << shift
          shift += 7
          place += 1
        } while bytes[place - 1] & 128 != 0
      }
      for _ in 0..<count {
        switch kind {
        case 1: read.setAbsent(bucket)
        case 2:
          let one = number()
          last = (one, one, one)
        case 3: last = (number(), number(), number())
        default: break
        }
        if kind > 1, let last {
          read.set(
            bucket, minimum: Double(last.0), median: Double(last.1), maximum: Double(last.2))
        }
        bucket += 1
      }
    }
    #expect(bucket == 700)
    for place in 0..<700 { #expect(read[place] == envelope[place]) }
  }

  /// CPU time between two records of a process lies in the buckets between them.
  @Test func processesHaveTheirShare() throws {
    let fields = ["kind", "pid", "sum_exec_runtime"].map {
      MetricDescription($0, .count, .gauge, meaning: "")
    }
    let schema = RecordSchema(
      collector: "tree", stream: 3, name: "process",
      fields: fields + [MetricDescription("comm", .text, .gauge, meaning: "")], rowsPerTick: 9)
    var use = ProcessUse(
      TimeGrid([.init(bracket: 1, start: 0, end: 1000)], buckets: 10, interval: 100))
    use.begin(
      StreamMeta(
        interval: 100, streams: [], unavailable: [], records: [schema],
        anchor: ClockAnchor(monotonic: 0, realtime: 0, boottime: 0), notes: []))
    let segment = TimeGrid([.init(bracket: 1, start: 0, end: 1000)], buckets: 10, interval: 100)
      .segments[0]
    func take(_ time: UInt64, _ rows: [(pid: UInt64, used: UInt64)]) {
      let words = rows.flatMap { [0, $0.pid, $0.used, UInt64($0.pid == 7 ? 0x61 : 0x62)] }
      use.take(
        FrameHeader(kind: .records, stream: 3, epoch: 1, bracket: 1, start: time), words.span,
        in: segment)
    }
    take(0, [(7, 1_000_000)])
    // Half of a CPU; a process that came uses 40 of the last 200.
    take(400, [(7, 1_000_200)])
    // The time of another one is more than it can have used since then: it was left out before.
    take(600, [(7, 1_000_200), (8, 40), (9, 999_999)])
    let bands = use.bands()
    #expect(bands.map(\.name) == ["a", "b"])
    #expect(bands[0].share == [0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0, 0, 0])
    #expect(bands[1].share == [0, 0, 0, 0, 0.2, 0.2, 0, 0, 0, 0])
  }
}
