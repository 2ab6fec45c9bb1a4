import Foundation
import GRDB
import Output
import RunStore
import SampleModel
import TestSupport
import Testing

/// Runs of several sessions: CLOCK_MONOTONIC begins anew at each boot.
@Suite struct SessionTests {
  private static let second: UInt64 = 1_000_000_000
  /// When the first session's clocks were read together, long after its boot.
  private static let first = ClockAnchor(
    monotonic: 900_000 * second, realtime: 1_700_000_000 * second, boottime: 900_000 * second)
  /// Soon after another boot, a minute later.
  private static let later = ClockAnchor(
    monotonic: 20 * second, realtime: 1_700_000_060 * second, boottime: 20 * second)

  private static let streams = ["one", "two"].enumerated().map { place, name in
    StreamMeta.Stream(
      collector: name, stream: UInt16(place), thread: place, cpu: place, cadence: 1,
      required: true)
  }

  /// A bracket of five frames of two streams, 1 ms apart, with records and an event in its middle.
  private func record(
    _ writer: RunWriter, resuming earlier: ResumePoint, _ anchor: ClockAnchor
  ) throws {
    let metric = MetricDescription("value", .count, .gauge, meaning: "a number")
    let sink = StoreSink(writer, resuming: earlier, now: { 0 })
    try sink.begin(
      StreamMeta(
        interval: 1_000_000, streams: Self.streams, unavailable: [],
        records: [
          RecordSchema(collector: "one", stream: 0, name: "row", fields: [metric], rowsPerTick: 1)
        ], anchor: anchor, notes: []))
    for stream in Self.streams {
      let column = Column(collector: stream.collector, metric: metric, instance: "")
      try sink.layout(
        Layout(collector: stream.collector, stream: stream.stream, epoch: 1, columns: [column]))
    }
    for index in 0..<5 as Range<UInt64> {
      let time = anchor.monotonic + (index + 1) * 1_000_000
      if index == 3 {
        try sink.event(SampleEvent(.gap, time: time - 1, message: "one: gone for a while"))
      }
      for stream in 0...1 as ClosedRange<UInt16> {
        var header = FrameHeader(
          edge: index == 0 ? .open : .none, stream: stream, epoch: 1, bracket: 1,
          deadlineIndex: index, deadline: time, start: time + UInt64(stream),
          end: time + 10 + UInt64(stream))
        try sink.frame(header, [index + 1].span)
        header.kind = .records
        if stream == 0 { try sink.records(header, [index].span) }
      }
    }
    try sink.commit(watermark: .max)
  }

  /// Begins a run, which is interrupted behind its first bracket.
  private func begin(_ path: String) throws {
    let writer = try RunWriter(
      path: path,
      identity: RunWriter.Identity(
        runID: "s-20260101-000000-00000001", name: "s", kind: "run", version: "0",
        interval: 1_000_000, startUnixNanoseconds: Self.first.realtime),
      host: [], configuration: [], labels: [:])
    var phase = PhaseResult(name: "main", command: ["x"])
    phase.status = .interrupted
    _ = try writer.addPhase(phase)
    try addAttempt(1, writer)
    try record(writer, resuming: ResumePoint(), Self.first)
    try end(writer)
  }

  private func addAttempt(_ number: Int, _ writer: RunWriter) throws {
    let row = try writer.addRepetition(
      RepetitionResult(repetition: number, warmUp: false), phase: 1)
    let attempt = try writer.addAttempt(number: 1, bracket: UInt32(number), repetition: row)
    var result = AttemptResult(attempt: 1)
    result.status = .completed
    try writer.finishAttempt(attempt, result, output: [])
  }

  private func end(_ writer: RunWriter) throws {
    try writer.setRunStatus(.interrupted)
    writer.close()
  }

  /// As if everything until now had been before the host was booted.
  private func reboot(_ path: String, _ boot: String = "an-earlier-boot") throws {
    let file = try DatabaseQueue(path: path)
    try file.write { db in
      try db.execute(
        sql: """
          UPDATE run SET boot_id = '\(boot)';
          UPDATE session SET boot_id = '\(boot)' WHERE id = (SELECT max(id) FROM session);
          """)
    }
    try file.close()
    try Seal.renew(inFile: path)
  }

  /// Goes on with the run, with the bracket of that number.
  private func resume(_ path: String, _ anchor: ClockAnchor, bracket: Int = 2) throws {
    let writer = try RunWriter(resuming: path)
    let earlier = try writer.resumePoint()
    #expect(Int(earlier.brackets) == bracket - 1)
    try addAttempt(bracket, writer)
    try record(writer, resuming: earlier, anchor)
    try end(writer)
  }

  private func played(_ path: String, brackets: Set<UInt32>? = nil) throws -> CollectingSink {
    let reader = try RunReader(path: path)
    defer { reader.close() }
    var selection = RunReplay.Selection()
    selection.brackets = brackets
    let sink = CollectingSink()
    try RunReplay(reader, selection: selection).play(into: sink)
    return sink
  }

  private func text(_ path: String, _ sink: (StreamReader, Collected) -> any SampleSink) throws
    -> [String]
  {
    let reader = try RunReader(path: path)
    defer { reader.close() }
    var labels: [UInt32: AttemptID] = [:]
    for repetition in try reader.result().phases[0].repetitions {
      for attempt in repetition.attempts {
        labels[attempt.bracket ?? 0] = AttemptID(
          phase: "main", repetition: repetition.repetition, warmUp: false, attempt: 1)
      }
    }
    let lines = Collected()
    try RunReplay(reader).play(into: sink(StreamReader(raw: true, labels: labels), lines))
    return lines.text.split(separator: "\n").map(String.init)
  }

  @Test func aRunGoneOnWithAfterARebootHasOneTimeLine() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("s.lbsample")
    try begin(path)
    try reboot(path)
    try resume(path, Self.later)
    let all = try played(path)
    let starts = all.frames.map(\.header.start)
    #expect(starts.count == 20 && zip(starts, starts.dropFirst()).allSatisfy(<))
    let brackets = all.frames.map(\.header.bracket)
    #expect(brackets[..<10].allSatisfy { $0 == 1 } && brackets[10...].allSatisfy { $0 == 2 })
    #expect(starts[10] - starts[0] == 60 * Self.second, "as far away as the wall clock says")
    let words: [[UInt64]] = [[0], [1], [2], [3], [4]]
    #expect(all.recordBatches.map(\.values) == words + words)
    let reader = try RunReader(path: path)
    #expect(try RunReplay.firstStart(reader) == starts[0])
    reader.close()

    // Dates are those of the clocks of each session.
    let ticks: [UInt64] = [1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000]
    let first = ticks.map { Self.first.realtime + $0 }
    let second = ticks.map { Self.later.realtime + $0 }
    let rows = try text(path) { CSVSink(reader: $0, writer: $1.write, notice: { _ in }) }
    let cells = rows.dropFirst().map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    #expect(cells.map { UInt64($0[0]) } == first + second)
    #expect(cells.map { "\($0[3])" }.joined() == "1111122222", "the repetitions")
    #expect(cells.allSatisfy { $0[7] != "" && $0[8] != "" }, "each tick is one row")
    let lines = try text(path) {
      NDJSONSink(reader: $0, host: [], configuration: [], writer: $1.write)
    }
    let events = lines.filter { $0.contains(#""event":"gap""#) }
    #expect(events.count == 2)
    for (event, anchor) in zip(events, [Self.first, Self.later]) {
      #expect(event.contains(#""time_ns":\#(anchor.realtime + 4_000_000 - 1)"#), "\(event)")
    }
    let dates = lines.filter { $0.contains(#""type":"records""#) }
    #expect(dates.count == 10)
    for (line, date) in zip(dates, first + second) {
      #expect(line.contains(#""time_ns":\#(date)"#), "\(line)")
    }
  }

  @Test func aBracketOfEitherSessionIsPlayedAlone() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("s.lbsample")
    try begin(path)
    try reboot(path)
    try resume(path, Self.later)
    let all = try played(path)
    #expect(try played(path, brackets: [1]).frames == Array(all.frames[..<10]))
    #expect(try played(path, brackets: [2]).frames == Array(all.frames[10...]))
    #expect(try played(path, brackets: [1, 2]).frames == all.frames)
  }

  /// A chunk that is read is held against its checksum.
  @Test func aBracketIsReadWithoutTheOthers() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("s.lbsample")
    try begin(path)
    for bracket in 2...4 {
      let away = UInt64(bracket) * Self.second
      let anchor = ClockAnchor(
        monotonic: Self.first.monotonic + away, realtime: Self.first.realtime + away,
        boottime: Self.first.boottime + away)
      try resume(path, anchor, bracket: bracket)
    }
    let whole = try played(path)
    let reader = try RunReader(path: path)
    let replay = RunReplay(reader)
    for bracket in [3, 1, 4, 2] as [UInt32] {
      var selection = RunReplay.Selection()
      selection.brackets = [bracket]
      let sink = CollectingSink()
      try replay.selecting(selection).play(into: sink)
      #expect(sink.frames == whole.frames.filter { $0.header.bracket == bracket })
      #expect(sink.layouts == whole.layouts.filter { [1, bracket].contains($0.epoch) })
    }
    reader.close()
    let file = try DatabaseQueue(path: path)
    try file.write {
      try $0.execute(sql: "UPDATE chunk SET checksum = checksum + 1 WHERE bracket <> 3")
    }
    try file.close()
    try Seal.renew(inFile: path)
    #expect(try played(path, brackets: [3]).frames.count == 10)
    let error = #expect(throws: LBError.self) { try played(path) }
    #expect(error?.message.contains("checksum mismatch") == true)
  }

  @Test func aSessionOfTheSameBootHasTheSameClock() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("s.lbsample")
    try begin(path)
    let anchor = ClockAnchor(
      monotonic: Self.first.monotonic + 5 * Self.second,
      // The wall clock was set meanwhile.
      realtime: Self.first.realtime + 7 * Self.second, boottime: 1)
    try resume(path, anchor)
    let starts = try played(path).frames.map(\.header.start)
    #expect(starts[10] == anchor.monotonic + 1_000_000)
  }

  @Test func aWallClockThatWasSetBackLeavesTheOrder() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("s.lbsample")
    try begin(path)
    try reboot(path)
    let anchor = ClockAnchor(monotonic: 20 * Self.second, realtime: 5 * Self.second, boottime: 1)
    try resume(path, anchor)
    let starts = try played(path).frames.map(\.header.start)
    #expect(zip(starts, starts.dropFirst()).allSatisfy(<))
    let rows = try text(path) { CSVSink(reader: $0, writer: $1.write, notice: { _ in }) }
    let dates = rows.dropFirst().map { UInt64($0.prefix { $0 != "," }) }
    #expect(dates[5] == 5 * Self.second + 1_000_000, "dates are what the clock said")
  }

  /// Three boots, and a session of the last one that came to nothing.
  @Test func aSessionThatCameToNothingChangesNothing() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("s.lbsample")
    try begin(path)
    try reboot(path, "the-first")
    try resume(path, Self.later)
    try reboot(path, "the-second")
    try end(RunWriter(resuming: path))
    let last = ClockAnchor(
      monotonic: 3 * Self.second, realtime: Self.first.realtime + 3600 * Self.second, boottime: 1)
    try resume(path, last, bracket: 3)
    let all = try played(path)
    let starts = all.frames.map(\.header.start)
    #expect(starts.count == 30 && zip(starts, starts.dropFirst()).allSatisfy(<))
    #expect(starts[20] - starts[0] == 3600 * Self.second)
    #expect(all.frames[20...].allSatisfy { $0.header.bracket == 3 })
  }

  @Test func aSessionThatIsNotThereIsNamed() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("s.lbsample")
    try begin(path)
    let file = try DatabaseQueue(path: path)
    try file.write { try $0.execute(sql: "UPDATE chunk SET session = 9") }
    try file.close()
    try Seal.renew(inFile: path)
    let error = #expect(throws: LBError.self) { try played(path) }
    #expect(error?.message.contains("is of session 9, which is not in the file") == true)
  }
}

private final class Collected {
  private(set) var text = ""
  func write(_ bytes: [UInt8]) throws(LBError) {
    text += String(decoding: bytes, as: UTF8.self)
  }
}
