import RunAnalysis
import RunStore
import SampleModel
import TestSupport
import Testing

@testable import Exchange

/// A whole run as a trace.
@Suite struct PerfettoExportTests {
  private static let epoch: UInt64 = 1_700_000_000_000_000_000
  private static let millisecond: UInt64 = 1_000_000

  private final class Bytes {
    var all: [UInt8] = []
  }

  /// Two repetitions of so many samples, 1 s apart, of which the second skips deadlines 3 and 4, is
  /// contaminated, and has a process.
  private func record(_ path: String, samples: UInt64) throws {
    let writer = try RunWriter(
      path: path,
      identity: RunWriter.Identity(
        runID: "r-20231114-221320-00000001", name: "r", kind: "run", version: "0",
        interval: Self.millisecond, startUnixNanoseconds: Self.epoch, repetitions: 2, warmUps: 0),
      host: [("hostname", "h\u{EF80}")], configuration: [], labels: [:])
    let sink = StoreSink(writer, now: { 0 })
    let process = RecordSchema(
      collector: "tree", stream: 1, name: "process",
      fields: ["kind", "pid", "tid"].map { MetricDescription($0, .count, .gauge, meaning: "") },
      rowsPerTick: 4)
    try sink.begin(
      StreamMeta(
        interval: Self.millisecond,
        streams: [("c", 0), ("tree", 1)].map {
          StreamMeta.Stream(
            collector: $0.0, stream: $0.1, thread: 0, cpu: 0, cadence: 1, required: true)
        }, unavailable: [], records: [process],
        anchor: ClockAnchor(monotonic: 100, realtime: Self.epoch, boottime: 5100), notes: []))
    let level = MetricDescription("level", .bytes, .gauge, meaning: "how high it is")
    for (stream, name) in [(0, "c"), (1, "tree")] as [(UInt16, String)] {
      try sink.layout(
        Layout(
          collector: name, stream: stream, epoch: 1,
          columns: [Column(collector: name, metric: level, instance: "a")]))
    }
    var random = SplitMix64(seed: 6)
    for bracket in [1, 2] as [UInt32] {
      for index in 0..<samples where bracket == 1 || index != 3 && index != 4 {
        let start = 100 + UInt64(bracket - 1) * 1000 * Self.millisecond + index * Self.millisecond
        let edge: BracketEdge = index == 0 ? .open : index == samples - 1 ? .close : .none
        var header = FrameHeader(
          edge: edge, stream: 0, epoch: 1, bracket: bracket, deadlineIndex: index, deadline: start,
          start: start, end: start + 1)
        let values = [random.next() >> 30]
        try sink.frame(header, values.span)
        guard bracket == 2 else { continue }
        (header.stream, header.kind) = (1, .records)
        let row: [UInt64] = [index == samples - 1 ? 3 : 0, 77, 77]
        try sink.records(header, row.span)
      }
    }
    try sink.event(
      SampleEvent(.note, time: 100 + 5 * Self.millisecond, message: "a note\u{1B}[31m"))
    try sink.commit(watermark: .max)
    try finish(writer, samples)
  }

  private func finish(_ writer: RunWriter, _ samples: UInt64) throws {
    var phase = PhaseResult(name: "main", command: ["true"])
    phase.status = .completed
    let row = try writer.addPhase(phase)
    for number in 1...2 {
      var repetition = RepetitionResult(repetition: number, warmUp: false)
      repetition.status = .completed
      let repetitionRow = try writer.addRepetition(repetition, phase: row)
      let attemptRow = try writer.addAttempt(
        number: 1, bracket: UInt32(number), repetition: repetitionRow)
      var attempt = AttemptResult(attempt: 1)
      attempt.status = .completed
      attempt.exitCode = 0
      attempt.startUnixNanoseconds = Self.epoch
      var thread = ThreadLedger(thread: 0, cpu: 0)
      thread.ticks.deadlines = samples
      thread.ticks.skipped = number == 2 ? 2 : 0
      thread.ticks.onTime = samples - thread.ticks.skipped
      attempt.ledger = Ledger(threads: [thread])
      if number == 2 { attempt.contamination = ["2 of 20 deadlines were skipped", "a neighbour"] }
      try writer.finishAttempt(attemptRow, attempt, output: [])
    }
    var result = RunResult(
      runID: "r-20231114-221320-00000001", name: "r", kind: "run",
      startUnixNanoseconds: Self.epoch)
    result.status = .completed
    _ = try writer.finish(result)
    _ = writer.close()
  }

  private func trace(
    samples: UInt64 = 20, _ change: (inout PerfettoExport.Options) -> Void = { _ in },
    _ select: (inout RunReplay.Selection) -> Void = { _ in }
  ) throws -> (trace: ReadTrace, summary: PerfettoExport.Summary, bytes: [UInt8]) {
    let folder = try TemporaryFolder()
    try record(folder.file("r.lbsample"), samples: samples)
    let reader = try RunReader(path: folder.file("r.lbsample"))
    defer { reader.close() }
    var options = PerfettoExport.Options()
    change(&options)
    var selection = RunReplay.Selection()
    select(&selection)
    let bytes = Bytes()
    let summary = try PerfettoExport(reader, selection: selection, options: options)
      .write { part throws(LBError) in bytes.all += part }
    return (try #require(ReadTrace(bytes.all)), summary, bytes.all)
  }

  /// Times are CLOCK_BOOTTIME, 5000 ahead of the run's line.
  @Test func aRunHasItsPhasesAndWhatDisturbedThem() throws {
    let (trace, summary, _) = try trace()
    #expect(summary.remarks.isEmpty && summary.frames > 0)
    #expect(Set(trace.names.values.compactMap(\.first)) == ["h\\x80"])
    let second = 1000 * Self.millisecond
    let slices = trace.events("phases and repetitions")
    #expect(slices.map(\.type) == [1, 1, 2, 1, 2, 2])
    #expect(slices.compactMap(\.name) == ["main", "repetition 1", "repetition 2"])
    let last = 19 * Self.millisecond + 1
    #expect(
      slices.map { $0.time - 5100 } == [0, 0, last, second, second + last, second + last])
    #expect(slices[1].notes["status"] == "completed" && slices[1].notes["exit_code"] == "0")
    let found = trace.events("contamination")
    #expect(found.map { $0.time - 5100 } == [second + last, second + last])
    #expect(
      found.compactMap { $0.notes["cause"] } == ["2 of 20 deadlines were skipped", "a neighbour"])
    let events = trace.packets.compactMap { $0.message(11) }
    let begun = events.flatMap { $0.fields.filter { $0.number == 47 }.map(\.value) }
    let ended = events.flatMap { $0.fields.filter { $0.number == 48 }.map(\.value) }
    #expect(begun == ended && begun.count == 2)
  }

  @Test func theLedgerHasItsNumbersAndWhereDeadlinesAreMissing() throws {
    let (trace, _, _) = try trace()
    let ledgers = trace.events("ledger").filter { $0.type == 1 }
    #expect(ledgers.map { $0.notes["skipped"] } == ["0", "2"])
    #expect(ledgers.map { $0.notes["deadlines"] } == ["20", "20"])
    let gaps = trace.events("ledger", "c: deadlines without values")
    #expect(gaps.first?.name == "2 deadlines without a sample")
    let start = 5100 + 1002 * Self.millisecond
    #expect(gaps.map(\.time) == [start, start + 3 * Self.millisecond])
  }

  @Test func journalAndProcessesStandAtTheirTimes() throws {
    let (trace, _, _) = try trace()
    let note = try #require(trace.events("events").first { $0.name == "note" })
    #expect(note.time == 5100 + 5 * Self.millisecond && note.notes["message"] == "a note\u{1B}[31m")
    let life = trace.events("processes", "lives of processes")
    #expect(life.map(\.time) == [1000, 1019].map { 5100 + $0 * Self.millisecond })
    #expect(life.first?.notes["pid"] == "77" && life.first?.notes["has_ended"] == "1")
  }

  /// Both begin with the trace.
  @Test func repetitionsStandAboveOneAnother() throws {
    let (trace, _, _) = try trace()
    for repetition in ["repetition 1", "repetition 2"] {
      let points = trace.events("repetitions", "main", "c.level[a]", repetition)
      #expect(points.first?.time == 5100)
      #expect(points.last?.time == 5100 + 19 * Self.millisecond)
    }
    let alone = try self.trace(samples: 20, { _ in }, { $0.brackets = [2] }).trace
    #expect(!alone.names.values.contains { $0.contains("repetitions") })
    #expect(alone.events("c", "c.level", "c.level[a]").count == 18)
    #expect(alone.events("events").allSatisfy { $0.name != "note" })
  }

  @Test func aTraceThatIsThinnedSaysSo() throws {
    let (trace, summary, _) = try trace(samples: 400, { $0.mostPoints = 200 })
    let said = try #require(summary.remarks.first)
    #expect(said.contains("1596 points") && said.contains("about 200") && said.contains("--full"))
    #expect(trace.events("events").first { $0.name == "trace" }?.notes["message"] == said)
    let points = trace.events.values.joined().filter { $0.type == 4 }
    #expect(points.count <= 200 && points.count > 50)
    let whole = try self.trace(samples: 400, { $0.mostPoints = nil })
    #expect(whole.summary.remarks.isEmpty)
    let drawn = trace.events("c", "c.level", "c.level[a]").compactMap(\.whole)
    let all = whole.trace.events("c", "c.level", "c.level[a]").compactMap(\.whole)
    #expect(all.count == 798 && drawn.max() == all.max() && drawn.min() == all.min())
  }

  @Test func theSameRunGivesTheSameBytes() throws {
    #expect(try trace().bytes == trace().bytes)
  }
}
