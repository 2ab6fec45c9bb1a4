import Foundation
import GRDB
import LinuxSystem
import Output
import RunAnalysis
import RunStore
import SampleModel
import Sampler
import TestSupport
import Testing

private func encoded(_ values: [UInt64]) -> [UInt8] { encoded([values])[0] }

/// Each of `columns`, all of one length, as `ColumnEncoder` encodes them beside each other.
private func encoded(_ columns: [[UInt64]]) -> [[UInt8]] {
  var encoder = ColumnEncoder(width: columns.count)
  for place in columns[0].indices {
    let row = columns.map { $0[place] }
    encoder.append(row.span)
  }
  var bytes: [UInt8] = []
  encoder.write(to: &bytes)
  return columns.map { _ in
    var length = 0
    var shift = 0
    while let byte = bytes.first {
      bytes.removeFirst()
      length |= Int(byte & 127) << shift
      shift += 7
      if byte < 128 { break }
    }
    defer { bytes.removeFirst(length) }
    return Array(bytes[..<length])
  }
}

private func decoded(_ bytes: [UInt8], limit: Int) throws -> [UInt64] {
  try DeltaBinaryPacked.decode(bytes.span, limit: limit)
}

@Suite struct CodecTests {
  private func survives(_ values: [UInt64]) throws -> Int {
    let bytes = encoded(values)
    #expect(try decoded(bytes, limit: values.count) == values)
    return bytes.count
  }

  @Test func everyLengthAndWidthSurvives() throws {
    var random = SplitMix64(seed: 3)
    for count in [0, 1, 2, 31, 32, 33, 34, 127, 128, 129, 130, 256, 257, 512, 1000] {
      for width in 0...64 as ClosedRange<UInt64> {
        let mask = width == 64 ? UInt64.max : (1 << width) - 1
        _ = try survives((0..<count).map { _ in random.next() & mask })
      }
    }
  }

  /// More columns than one tile, over more than one block: each comes out as if it stood alone.
  @Test(arguments: [1, 127, 128, 129, 130, 300]) func columnsDoNotMix(rows: Int) throws {
    var random = SplitMix64(seed: 5)
    let columns = (0..<19).map { column in
      (0..<rows).map { _ in random.next() >> UInt64(column * 3) }
    }
    for (column, bytes) in zip(columns, encoded(columns)) {
      #expect(try decoded(bytes, limit: rows) == column)
      #expect(bytes == encoded(column))
    }
  }

  @Test func extremesSurvive() throws {
    _ = try survives([0, .max, 0, .max, 1 << 63, 0, (1 << 63) - 1, .max])
    _ = try survives([.max])
    _ = try survives(Array(repeating: .max, count: 300))
  }

  @Test func steadyCountersTakeAlmostNothing() throws {
    let steady = (0..<512).map { UInt64($0) * 1_000_000 + 77 }
    #expect(try survives(steady) < 50)
  }

  /// Parquet's own example: deltas 1, 2, 3, 4 from 7, and the header that it prescribes.
  @Test func theBytesAreParquets() {
    let bytes = encoded([1, 2, 3, 4, 5])
    // Block size 128, 4 miniblocks, 5 values, first value zigzag(1) = 2; then one block: least
    // difference zigzag(1) = 2, four widths of 0.
    #expect(bytes == [0x80, 0x01, 0x04, 0x05, 0x02, 0x02, 0, 0, 0, 0])
  }

  @Test func damagedBytesAreRefusedNotTrusted() {
    let bytes = encoded((0..<200).map { UInt64($0 * $0) })
    for length in 0..<bytes.count {
      let cut = Array(bytes[..<length])
      #expect(throws: DeltaBinaryPacked.Malformed.self) { try decoded(cut, limit: 200) }
    }
    #expect(throws: DeltaBinaryPacked.Malformed.header) { try decoded(bytes, limit: 199) }
    var random = SplitMix64(seed: 11)
    for _ in 0..<3000 {
      var copy = bytes
      copy[random.index(below: copy.count)] = UInt8(truncatingIfNeeded: random.next())
      do { #expect(try decoded(copy, limit: 200).count <= 200) } catch {
        #expect(error is DeltaBinaryPacked.Malformed)
      }
    }
  }

  @Test func theChecksumIsCRC32C() {
    #expect(Checksum.crc32c(Array("123456789".utf8)) == 0xE306_9283)
    #expect(Checksum.crc32c([]) == 0)
    // RFC 3720, B.4: 32 bytes of zeros, of ones, and from 0 to 31.
    #expect(Checksum.crc32c(Array(repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(Checksum.crc32c(Array(repeating: 0xFF, count: 32)) == 0x62A8_AB43)
    #expect(Checksum.crc32c((0..<32).map { UInt8($0) }) == 0x46DD_794E)
  }

  @Test func chunksKeepFramesGapsAndRecords() throws {
    let chunk = ChunkBuilder(kind: .frame, stream: 3, epoch: 2, bracket: 9, columns: 2)
    var expected: [(FrameHeader, [UInt64])] = []
    for index in 0..<300 as Range<UInt64> {
      let gap = index % 7 == 3
      let header = FrameHeader(
        outcome: gap ? .absent : .complete, edge: index == 0 ? .open : .none, stream: 3,
        epoch: 2, bracket: 9, deadlineIndex: index, deadline: index * 10, start: index * 10 + 1,
        end: index * 10 + 3)
      let values: [UInt64] = gap ? [] : [index, .max - index]
      chunk.append(header, values.span)
      expected.append((header, values))
    }
    let decoded = try Chunk(decoding: chunk.encoded(), stream: 3, epoch: 2, bracket: 9)
    let (frames, rows) = try decoded.frames()
    #expect(frames.count == 300)
    for ((header, place), wanted) in zip(frames, expected) {
      #expect(header == wanted.0 && Array(rows[place]) == wanted.1)
    }
    let bytes = chunk.encoded()
    // A part of the columns has the same frames, without the values of the others.
    for (wanted, columns) in [([1], [1]), ([], []), ([0, 1], [0, 1]), ([1, 7], [1])] {
      let part = try Chunk(decoding: bytes, stream: 3, epoch: 2, bracket: 9, only: wanted)
      let (same, few) = try part.frames()
      #expect(part.columnCount == 2 && same.map(\.0) == frames.map(\.0))
      for ((_, place), (_, values)) in zip(same, expected) {
        #expect(Array(few[place]) == (values.isEmpty ? [] : columns.map { values[$0] }))
      }
    }
    for length in stride(from: 0, to: bytes.count, by: 3) {
      #expect(throws: Chunk.Malformed.self) {
        try Chunk(decoding: Array(bytes[..<length]), stream: 3, epoch: 2, bracket: 9)
      }
    }
  }
}

/// A file with one bracket of scripted samples in it.
private func record(
  _ path: String, collector: ScriptedCollector = ScriptedCollector(),
  others: [ScriptedCollector] = [], limit: UInt64 = 50, beside: [any SampleSink] = []
) throws -> RunWriter {
  let writer = try RunWriter(
    path: path,
    identity: RunWriter.Identity(
      runID: "test-20260101-000000-00000001", name: "test", kind: "sample", version: "0",
      interval: 1_000_000, startUnixNanoseconds: 5),
    host: [("kernel", "6.1")],
    configuration: [ConfigurationEntry(key: "k", value: "v", origin: "default")],
    labels: ["who": "me"])
  var configuration = SamplerConfiguration(
    interval: 1_000_000, cpus: [CPUSet.allowed().members[0]],
    context: CollectorContext(roots: MountRoots()))
  configuration.limit = limit
  configuration.lockMemory = false
  let session = SamplerSession(
    configuration, requests: ([collector] + others).map { CollectorRequest($0) },
    sinks: beside + [StoreSink(writer, now: Clock.monotonic)])
  try session.arm()
  _ = try session.start()
  while !session.isFinished {
    _ = Poll.wait(
      readable: [session.attentionDescriptor], until: Clock.monotonic() + 5_000_000)
  }
  _ = try session.stop(sampling: false)
  session.disarm()
  return writer
}

@Suite(.serialized) struct RunFileTests {
  @Test func aReplayGivesTheSameFramesAsTheLiveStream() throws {
    let folder = try TemporaryFolder()
    let live = CollectingSink()
    let collector = ScriptedCollector(
      script: [.value(1), .value(5), .gap(.layoutChanged)], instances: [["a"], ["a", "b"]],
      records: 2)
    let writer = try record(
      folder.file("r.lbsample"), collector: collector, beside: [live])
    let reader = try RunReader(path: writer.path)
    let replayed = CollectingSink()
    try RunReplay(reader).play(into: replayed)
    #expect(live.frames.count > 10)
    #expect(replayed.frames == live.frames)
    #expect(replayed.recordBatches == live.recordBatches)
    #expect(replayed.layouts == live.layouts)
    #expect(try reader.integrity() == "ok")
    reader.close()
    writer.close()
  }

  /// A replay that seeks gives the same rows of a part, and reads little of what is before it.
  @Test func aReplayThatSeeksGivesTheSameRows() throws {
    let folder = try TemporaryFolder()
    // More than one chunk has room for.
    let writer = try record(
      folder.file("r.lbsample"), others: [ScriptedCollector(name: "two")], limit: 2400)
    let reader = try RunReader(path: writer.path)
    let origin = try RunReplay.firstStart(reader)
    func rows(_ from: UInt64, _ to: UInt64, seeking: Bool) throws -> (text: String, passed: Int) {
      var selection = RunReplay.Selection()
      (selection.from, selection.to) = (origin + from, origin + to)
      selection.isSeeking = seeking
      let text = Collected()
      let sink = PassCounter(
        CSVSink(
          reader: StreamReader(raw: false, origin: origin), writer: text.write, notice: { _ in }))
      try RunReplay(reader, selection: selection).play(into: sink)
      return (text.text, sink.passed)
    }
    for (from, to) in [(0, 50), (700, 760), (2200, 2250), (2300, 9000), (5000, 6000)] {
      let (all, sought) = (
        try rows(UInt64(from) * 1_000_000, UInt64(to) * 1_000_000, seeking: false),
        try rows(UInt64(from) * 1_000_000, UInt64(to) * 1_000_000, seeking: true)
      )
      #expect(all.text == sought.text, "\(from) to \(to) ms")
      #expect(sought.passed <= all.passed)
      if from == 2200 { #expect(sought.passed < all.passed, "\(all.passed) are before it") }
    }
    reader.close()
    writer.close()
  }

  @Test func everyFormatIsByteIdenticalToTheLiveStream() throws {
    let folder = try TemporaryFolder()
    let texts = (0..<4).map { _ in Collected() }
    func sinks(_ texts: [Collected]) -> [any SampleSink] {
      [
        CSVSink(reader: StreamReader(raw: false), writer: texts[0].write, notice: { _ in }),
        CSVSink(reader: StreamReader(raw: true), writer: texts[1].write, notice: { _ in }),
        NDJSONSink(
          reader: StreamReader(raw: false), host: [], configuration: [], writer: texts[2].write),
        TableSink(
          reader: StreamReader(raw: false), style: .init(), clock: { "\($0 / 1_000_000_000)" },
          writer: texts[3].write, notice: { _ in }),
      ]
    }
    // Records of two collectors among the frames of all.
    let writer = try record(
      folder.file("r.lbsample"),
      collector: ScriptedCollector(name: "one", records: 3, recordName: "busiest"),
      others: [ScriptedCollector(name: "two"), ScriptedCollector(name: "three", records: 1)],
      beside: sinks(texts))
    let again = (0..<4).map { _ in Collected() }
    let reader = try RunReader(path: writer.path)
    for sink in sinks(again) { try RunReplay(reader).play(into: sink) }
    reader.close()
    writer.close()
    for (live, replayed) in zip(texts, again) {
      #expect(live.text.split(separator: "\n").count > 10)
      #expect(live.text == replayed.text)
    }
    func count(_ format: Int, _ words: String) -> Int {
      texts[format].text.split(separator: "\n").count { $0.contains(words) }
    }
    #expect(count(2, #""type":"records""#) > 10)
    // The table shows those of the busiest processes, under one heading.
    #expect(count(3, "cpu %") == 1)
    let rows = count(3, " | ")
    #expect(texts[3].text.split(separator: "\n").count > 2 * rows)
  }

  @Test func aSelectionIsPlayedAlone() throws {
    let folder = try TemporaryFolder()
    let writer = try record(folder.file("r.lbsample"))
    writer.close()
    let reader = try RunReader(path: writer.path)
    defer { reader.close() }
    let first = try RunReplay.firstStart(reader)
    var selection = RunReplay.Selection()
    selection.from = first + 10_000_000
    selection.to = first + 20_000_000
    selection.passes = { $0.hasSuffix("[b]") }
    let sink = CollectingSink()
    try RunReplay(reader, selection: selection).play(into: sink)
    #expect(!sink.frames.isEmpty && sink.frames.count < 20)
    #expect(sink.frames.allSatisfy { $0.header.start >= first + 10_000_000 })
    #expect(sink.frames.allSatisfy { $0.values.count == 1 })
    #expect(sink.layouts[0].columns.map(\.name) == ["scripted.value[b]"])
  }

  /// Wherever a part begins, its rows are those of the whole: also behind a row that was zero, one
  /// that stepped back, a reset and a gap.
  @Test func aPartHasTheRatesOfTheWhole() throws {
    let folder = try TemporaryFolder()
    let script: [UInt64?] = [
      1_000_000, 1_000_100, 1_000_200, 0, 1_000_400, 1_000_500, 1_000_490, 1_000_600, 30, 40, nil,
      60, 0, 0, 80, 90,
    ]
    let collector = ScriptedCollector(
      script: script.map { $0.map { .value($0) } ?? .gap(.absent) }, instances: [["a", "b"]])
    let writer = try record(folder.file("r.lbsample"), collector: collector, limit: 20)
    writer.close()
    let reader = try RunReader(path: writer.path)
    defer { reader.close() }
    func rows(from: UInt64?, raw: Bool, _ sink: (StreamReader, Collected) -> any SampleSink) throws
      -> [Substring]
    {
      let text = Collected()
      var selection = RunReplay.Selection()
      selection.from = from
      try RunReplay(reader, selection: selection).play(
        into: sink(StreamReader(raw: raw), text))
      return text.text.split(separator: "\n")
    }
    let seen = CollectingSink()
    try RunReplay(reader).play(into: seen)
    for raw in [false, true] {
      for sink in [
        { CSVSink(reader: $0, writer: $1.write, notice: { _ in }) },
        { NDJSONSink(reader: $0, host: [], configuration: [], writer: $1.write) },
      ] as [(StreamReader, Collected) -> any SampleSink] {
        let whole = try rows(from: nil, raw: raw, sink).filter { !$0.contains(#""event":"gap""#) }
        for frame in seen.frames.dropFirst() {
          let part = try rows(from: frame.header.start, raw: raw, sink)
            .filter { !$0.contains(#""event":"gap""#) }
          #expect(part.first == whole.first)
          #expect(part.dropFirst().elementsEqual(whole.suffix(part.count - 1)))
        }
        #expect(whole.count > 5)
      }
    }
  }

  @Test func theResultSurvivesTheFile() throws {
    let folder = try TemporaryFolder()
    let writer = try record(folder.file("r.lbsample"))
    var phase = PhaseResult(
      name: "main", command: ["a", "b c"], kind: "parallel", parameters: ["n": "1"])
    phase.status = .running
    let phaseRow = try writer.addPhase(phase)
    var repetition = RepetitionResult(repetition: 1, warmUp: false)
    repetition.status = .running
    let row = try writer.addRepetition(repetition, phase: phaseRow)
    let attemptRow = try writer.addAttempt(number: 1, bracket: 1, repetition: row)
    var attempt = AttemptResult(attempt: 1)
    attempt.status = .failed
    attempt.startUnixNanoseconds = 77
    attempt.wallNanoseconds = 88
    attempt.bracketNanoseconds = 99
    attempt.exitCode = 3
    attempt.userNanoseconds = 1
    attempt.systemNanoseconds = 2
    attempt.peakResidentBytes = 3
    attempt.metrics = ["cpu.user[all]": 1.5]
    var thread = ThreadLedger(thread: 0, cpu: 1)
    thread.ticks.deadlines = 4
    thread.ticks.onTime = 4
    var collector = CollectorLedger(collector: "cpu")
    collector.gaps = ["absent": 2]
    thread.collectors = [collector]
    attempt.ledger = Ledger(threads: [thread])
    var cost = Overhead()
    cost.samplingThreadNanoseconds = [5]
    cost.memoryResident = 6
    attempt.overhead = cost
    attempt.outputBytes = 3
    attempt.outputBytesKept = 2
    attempt.error = LBError(.workload, "it failed", causes: ["because"])
    try writer.finishAttempt(attemptRow, attempt, output: [104, 105])
    try writer.setRepetitionStatus(row, .failed)
    phase.status = .failed
    phase.note = "it was so"
    phase.replacedBy = "another"
    phase.metrics = [
      MetricSummary(
        metric: "wall_time", unit: "ns", count: 1, median: 88, minimum: 88, maximum: 88,
        medianAbsoluteDeviation: 0, medianLow: nil, medianHigh: nil)
    ]
    phase.cleanMetrics = phase.metrics
    try writer.updatePhase(phaseRow, phase)
    var result = RunResult(
      runID: writer.runID, name: "test", kind: "run", startUnixNanoseconds: 5)
    result.status = .failed
    result.endUnixNanoseconds = 1000
    result.durationNanoseconds = 995
    result.errors = [LBError(.workload, "it failed")]
    result.warnings = ["careful"]
    try writer.finish(result)

    #expect(directoryEntries(folder.path) == ["r.lbsample"], "one plain file when closed")
    let reader = try RunReader(path: writer.path)
    defer { reader.close() }
    let read = try reader.result()
    #expect(read.status == .failed)
    #expect(read.labels == ["who": "me"] && read.host == ["kernel": "6.1"])
    #expect(read.configuration.map(\.key) == ["k"])
    #expect(read.metrics == phase.metrics, "it is the only one that measured")
    #expect(read.errors == result.errors && read.warnings == ["careful"])
    let phaseRead = try #require(read.phases.first)
    #expect(phaseRead.command == ["a", "b c"])
    #expect(phaseRead.kind == phase.kind && phaseRead.parameters == phase.parameters)
    #expect(phaseRead.note == "it was so" && phaseRead.replacedBy == "another")
    #expect(phaseRead.metrics == phase.metrics && phaseRead.cleanMetrics == phase.metrics)
    let attemptRead = try #require(phaseRead.repetitions.first?.attempts.first)
    #expect(attemptRead.metrics == attempt.metrics)
    #expect(attemptRead.ledger == attempt.ledger)
    #expect(attemptRead.overhead == attempt.overhead)
    #expect(attemptRead.error == attempt.error)
    #expect(attemptRead.exitCode == 3 && attemptRead.wallNanoseconds == 88)
    #expect(attemptRead.outputBytes == 3 && attemptRead.outputBytesKept == 2)
    #expect(try reader.output(bracket: 1) == [104, 105])
  }

  @Test func aLiveFileIsReadWhileItIsWritten() throws {
    let folder = try TemporaryFolder()
    let writer = try record(folder.file("r.lbsample"))
    let reader = try RunReader(path: writer.path)
    #expect(try reader.result().status == .running)
    #expect(try reader.writerIsAlive())
    #expect(try !reader.finishIfAbandoned())
    #expect(try reader.frameCount() > 10)
    var result = try reader.result()
    result.status = .completed
    // With this reader attached the log has to stay; the last one out folds it in.
    try writer.finish(result)
    reader.close()
    #expect(directoryEntries(folder.path) == ["r.lbsample"])
    let last = try RunReader(path: writer.path)
    #expect(try last.result().status == .completed)
    #expect(try last.frameCount() > 10)
    last.close()
  }

  @Test func aDamagedChunkIsNamed() throws {
    let folder = try TemporaryFolder()
    let writer = try record(folder.file("r.lbsample"))
    writer.close()
    var bytes = try SmallFile.read(writer.path)
    let magic = Array("LBC1".utf8)
    let place = try #require(
      bytes.indices.dropLast(4).last { Array(bytes[$0..<$0 + 4]) == magic })
    bytes[place + 20] ^= 0x55
    try Data(bytes).write(to: URL(fileURLWithPath: writer.path))
    let reader = try RunReader(path: writer.path)
    defer { reader.close() }
    #expect {
      try RunReplay(reader).play(into: CollectingSink())
    } throws: {
      ($0 as? LBError)?.message.contains("checksum") ?? false
    }
  }

  @Test(arguments: [
    ("UPDATE phase SET status = 'done'", "there is no status done"),
    ("UPDATE phase SET command = '[1'", "column command"),
    ("UPDATE collector SET thread = 'x'", "thread"), ("UPDATE run SET pid = 'x'", "pid"),
  ]) func aDamagedRowIsNamed(_ damage: String, _ words: String) throws {
    let folder = try TemporaryFolder()
    let writer = try record(folder.file("r.lbsample"))
    _ = try writer.addPhase(PhaseResult(name: "main", command: ["true"]))
    writer.close()
    let queue = try DatabaseQueue(path: writer.path)
    try queue.write { db in try db.execute(sql: damage) }
    try queue.close()
    try Seal.renew(inFile: writer.path)
    let reader = try RunReader(path: writer.path)
    defer { reader.close() }
    let error = #expect(throws: LBError.self) {
      _ = try reader.writerIsAlive()
      _ = try reader.result()
      try RunReplay(reader).play(into: CollectingSink())
    }
    #expect(error?.category == .resultPersistence && error?.message.contains("corrupt") == true)
    #expect(error?.causes.contains { $0.contains(words) } == true, "\(error?.causes ?? [])")
  }

  @Test func aRunWithoutItsEndHasTheErrorsOfItsRepetitions() throws {
    let folder = try TemporaryFolder()
    let writer = try record(folder.file("r.lbsample"))
    let phase = try writer.addPhase(PhaseResult(name: "main", command: ["false"]))
    var repetition = RepetitionResult(repetition: 1, warmUp: false)
    repetition.status = .running
    let row = try writer.addRepetition(repetition, phase: phase)
    var attempt = AttemptResult(attempt: 1)
    attempt.status = .failed
    attempt.error = LBError(.workload, "it failed")
    // It did not come to a bracket of its own.
    let attemptRow = try writer.addAttempt(number: 1, bracket: nil, repetition: row)
    try writer.finishAttempt(attemptRow, attempt, output: [])
    try writer.setRepetitionStatus(row, .failed)
    writer.close()
    let reader = try RunReader(path: writer.path)
    defer { reader.close() }
    let result = try reader.result()
    #expect(result.errors.map(\.message) == ["it failed"])
    #expect(result.phases[0].repetitions[0].attempts.map(\.bracket) == [nil])
  }

  @Test func whatIsNoResultIsRefused() throws {
    let folder = try TemporaryFolder()
    let text = try folder.write("text.lbsample", "not a database, just some text of good length")
    for path in [folder.file("nothing.lbsample"), folder.path, text] {
      #expect(throws: LBError.self) { _ = try RunReader(path: path) }
    }
    let writer = try record(folder.file("r.lbsample"))
    #expect(throws: LBError.self) { _ = try record(writer.path) }
    writer.close()
  }

  /// What is no file of ours says so, and is no fault of a disk.
  @Test func whatCannotBeAResultIsNamed() throws {
    let folder = try TemporaryFolder()
    #expect(unsafe mkfifo(folder.file("fifo"), 0o600) == 0)
    for path in [folder.file("fifo"), "/proc/self/mem", "/dev/null", "/dev/zero"] {
      let error = #expect(throws: LBError.self) { _ = try RunReader(path: path) }
      #expect(
        error?.category == .configuration
          && error?.message.hasPrefix("\(path) is not an lbsample result file") == true,
        "\(String(describing: error))")
    }
  }
}

/// Text that a sink wrote.
private final class Collected {
  private(set) var text = ""
  func write(_ bytes: [UInt8]) throws(LBError) {
    text += String(decoding: bytes, as: UTF8.self)
  }
}

@Suite struct RunDirectoryTests {
  @Test func idsAreNamesWithTheTime() {
    let id = RunDirectory.newRunID(
      name: "sort", unixNanoseconds: 1_700_000_000_000_000_000, random: 0xAB)
    #expect(id == "sort-20231114-221320-000000ab")
    #expect(RunDirectory.id(ofFile: "/x/\(id).lbsample") == id)
  }

  @Test func runsAreFoundByIdPrefixLastAndPath() throws {
    let folder = try TemporaryFolder()
    let older = try folder.write("b-20230101-000000-00000001.lbsample", "")
    let newer = try folder.write("a-20240101-000000-00000002.lbsample", "")
    let directory = RunDirectory(path: folder.path)
    #expect(try directory.files() == [newer, older])
    #expect(try directory.resolve("last") == newer)
    #expect(try directory.resolve("b-2023") == older)
    #expect(try directory.resolve(older) == older)
    #expect(throws: LBError.self) { try directory.resolve("c") }
    try folder.write("b-20230101-000000-00000003.lbsample", "")
    #expect {
      try directory.resolve("b-2023")
    } throws: {
      ($0 as? LBError)?.message.contains("2 runs") ?? false
    }
    #expect(throws: LBError.self) { try RunDirectory(path: "/nowhere").resolve("last") }
  }

  /// A variable that is empty, or names no directory by itself, is as good as none.
  @Test func withoutAHomeInTheEnvironmentItIsThatOfTheUser() {
    let own = RunDirectory.standard(environment: [:]).path
    #expect(own.hasPrefix("/") && !own.hasPrefix("/.local"))
    for environment in [["HOME": ""], ["HOME": "here"], ["HOME": "", "XDG_DATA_HOME": ""]] {
      #expect(RunDirectory.standard(environment: environment).path == own, "\(environment)")
    }
    let given = ["HOME": "/a", "XDG_DATA_HOME": "b"]
    #expect(RunDirectory.standard(environment: given).path == "/a/.local/share/lbsample/runs")
  }

  @Test func aDirectoryIsMadeWithWhatIsAboveIt() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a/b//c/")
    try RunDirectory(path: path).create()
    try RunDirectory(path: path).create()
    #expect(FileManager.default.fileExists(atPath: folder.file("a/b/c")))
    let file = try folder.write("file", "")
    for below in [file, "\(file)/x", "\(file)/x/y"] {
      let error = #expect(throws: LBError.self) { try RunDirectory(path: below).create() }
      #expect(error?.category == .resultPersistence)
      #expect(["Not a directory", "File exists"].contains(error?.causes.first), "\(below)")
    }
  }
}

/// Counts the frames that are passed, and gives all on.
private final class PassCounter: SampleSink {
  private let sink: any SampleSink
  private(set) var passed = 0

  init(_ sink: any SampleSink) { self.sink = sink }
  func begin(_ meta: StreamMeta) throws(LBError) { try sink.begin(meta) }
  func layout(_ layout: Layout) throws(LBError) { try sink.layout(layout) }
  func pass(_ header: FrameHeader, _ values: Span<UInt64>) {
    passed += 1
    sink.pass(header, values)
  }
  func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    try sink.frame(header, values)
  }
  func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
    try sink.records(header, rows)
  }
  func event(_ event: SampleEvent) throws(LBError) { try sink.event(event) }
  func commit(watermark: UInt64) throws(LBError) { try sink.commit(watermark: watermark) }
  var bytesWritten: UInt64 { sink.bytesWritten }
}
