import Foundation
import GRDB
import Output
import RunStore
import SampleModel
import TestSupport
import Testing

/// Result files that somebody changed and sealed anew: whatever a column holds, a reader says so
/// and lives.
@Suite struct DamagedFileTests {
  /// What is put in the place of a value.
  private static let values = [
    "-1", "0", "9223372036854775807", "-9223372036854775808", "1e30", "9e999", "'x'", "'[1'",
    "NULL",
  ]
  private static var members: [Any] {
    [-1, 0, UInt64.max, 1e30, "x", NSNull(), [Any](), [String: Any]()]
  }

  private static let metrics = [
    MetricDescription(
      "a", .nanoseconds, .counter, scale: Scale(10, per: 3), width: 32, meaning: ""),
    MetricDescription("b", .bytes, .gauge, isSigned: true, meaning: ""),
  ]

  /// A run of one phase, repetition and attempt, with frames, records and everything else that a
  /// reader decodes.
  func record(_ path: String) throws {
    let writer = try RunWriter(
      path: path,
      identity: RunWriter.Identity(
        runID: "r", name: "r", kind: "run", version: "0", interval: 1_000_000,
        startUnixNanoseconds: 1_700_000_000_000_000_000, repetitions: 1, warmUps: 0),
      host: [("kernel", "6")], configuration: [], labels: ["a": "b"])
    let sink = StoreSink(writer, now: { 0 })
    let anchor = ClockAnchor(monotonic: 5, realtime: 1_700_000_000_000_000_000, boottime: 5)
    let schema = RecordSchema(
      collector: "top", stream: 1, name: "busiest", fields: Self.metrics, rowsPerTick: 4)
    try sink.begin(
      StreamMeta(
        interval: 1_000_000,
        streams: [("cpu", 0), ("top", 1)].map {
          StreamMeta.Stream(
            collector: $0.0, stream: $0.1, thread: 0, cpu: 0, cadence: 1, required: true)
        },
        unavailable: [.init(collector: "x", outcome: "absent", reason: "none")],
        records: [schema], anchor: anchor, notes: ["a note"]))
    for (stream, name) in [(0, "cpu"), (1, "top")] as [(UInt16, String)] {
      let columns = Self.metrics.map { Column(collector: name, metric: $0, instance: "all") }
      let half = Column(collector: name, metric: Self.metrics[1], instance: "half")
      try sink.layout(
        Layout(
          collector: name, stream: stream, epoch: 1, columns: columns,
          formulas: [Formula(half, tokens: [columns[0].name, "/", "2"])], minimumRunningRatio: 0.1))
    }
    for index in 0..<4 as Range<UInt64> {
      for stream in 0...1 as ClosedRange<UInt16> {
        var header = FrameHeader(
          edge: index == 0 ? .open : .none, stream: stream, epoch: 1, bracket: 1,
          deadlineIndex: index, deadline: 10 + index * 100, start: 10 + index * 100,
          end: 12 + index * 100)
        let values: [UInt64] = [index * 3, index]
        try sink.frame(header, values.span)
        header.kind = .records
        if stream == 1 { try sink.records(header, values.span) }
      }
    }
    try sink.event(SampleEvent(.suspend, time: 200, message: "a suspend", anchor: anchor))
    try sink.commit(watermark: .max)
    try finish(writer)
  }

  private func finish(_ writer: RunWriter) throws {
    var phase = PhaseResult(name: "main", command: ["true"], parameters: ["n": "1"])
    var summary = MetricSummary(
      metric: "wall", unit: "ns", count: 3, median: 2, minimum: 1, maximum: 3,
      medianAbsoluteDeviation: 1, medianLow: 1, medianHigh: 3)
    summary.running = 0.5
    summary.repetitions = [1]
    phase.metrics = [summary]
    let row = try writer.addPhase(phase)
    let repetition = try writer.addRepetition(
      RepetitionResult(repetition: 1, warmUp: false), phase: row)
    let attempt = try writer.addAttempt(number: 1, bracket: 1, repetition: repetition)
    var result = AttemptResult(attempt: 1)
    result.status = .failed
    result.metrics = ["cpu.a[all]": 1]
    var thread = ThreadLedger(thread: 0, cpu: 0)
    var collector = CollectorLedger(collector: "cpu")
    collector.gaps = ["absent": 1]
    thread.collectors = [collector, collector]
    result.ledger = Ledger(threads: [thread])
    result.overhead = Overhead()
    result.overhead?.samplingThreadNanoseconds = [1, 1]
    result.error = LBError(.workload, "it failed")
    result.contamination = ["a disturbance"]
    try writer.finishAttempt(attempt, result, output: Array("out".utf8))
    try writer.updatePhase(row, phase)
    var whole = RunResult(runID: "r", name: "r", kind: "run", startUnixNanoseconds: 1)
    whole.status = .failed
    whole.errors = [LBError(.workload, "it failed")]
    whole.warnings = ["a warning"]
    try writer.finish(whole)
  }

  /// Tables that a replay reads.
  private static let sampled: Set<String> = [
    "run", "session", "anchor", "collector", "record_schema", "layout", "chunk", "journal",
  ]

  /// Everything that a command makes of a file, or of what stands beside the samples only.
  private func readAll(_ path: String, samples: Bool = true) throws -> Int {
    let reader = try RunReader(path: path)
    defer { reader.close() }
    _ = try reader.writerIsAlive()
    let result = try reader.result()
    var bytes = RunReport.text(result, all: true).utf8.count
    _ = try JSONEncoder().encode(result)
    _ = (try reader.planned(), try reader.frameCount(), try reader.journal(run: "r"))
    _ = try reader.output(bracket: 1)
    var labels: [UInt32: AttemptID] = [:]
    for phase in result.phases {
      for repetition in phase.repetitions {
        for attempt in repetition.attempts {
          _ = LedgerText.line(attempt.ledger, attempt.overhead ?? Overhead())
          labels[attempt.bracket ?? 0] = AttemptID(
            phase: phase.name, repetition: repetition.repetition, warmUp: false,
            attempt: attempt.attempt)
        }
      }
    }
    let writer: TextWriter = { text throws(LBError) in bytes += text.count }
    let lines = NDJSONSink(
      reader: StreamReader(raw: false, labels: labels), host: [], configuration: [],
      writer: writer)
    if samples { try RunReplay(reader).play(into: lines) }
    let attempts = result.phases.flatMap(\.repetitions).flatMap(\.attempts)
    try lines.end(
      ledger: .merged(attempts.map(\.ledger)), overhead: .merged(attempts.compactMap(\.overhead)))
    guard samples else { return bytes }
    try RunReplay(reader).play(
      into: CSVSink(
        reader: StreamReader(raw: true, labels: labels), writer: writer, notice: { _ in }))
    try RunReplay(reader).play(
      into: TableSink(
        reader: StreamReader(raw: false), style: TableSink.Style(width: 80),
        clock: { _ in "00:00" }, writer: writer, notice: { _ in }))
    try RunReplay(reader).play(into: SuiteRows())
    return bytes
  }

  /// Reads a copy of `original` in which `statement` was executed; nil where SQLite refuses that.
  /// An error must say what is wrong where.
  private func read(
    _ original: String, _ copy: String, after statement: String, samples: Bool = true
  ) throws -> LBError? {
    _ = unsafe unlink(copy)
    try FileManager.default.copyItem(atPath: original, toPath: copy)
    let queue = try DatabaseQueue(path: copy)
    do { try queue.write { db in try db.execute(sql: statement) } } catch is DatabaseError {
      return nil
    }
    try queue.close()
    try Seal.renew(inFile: copy)
    do {
      #expect(try readAll(copy, samples: samples) > 0)
      return nil
    } catch let error as LBError {
      #expect(error.message.contains(copy), "\(error)")
      return error
    }
  }

  @Test func anyValueInAnyColumnIsReadOrNamed() throws {
    let folder = try TemporaryFolder()
    let original = folder.file("r.lbsample")
    try record(original)
    #expect(try readAll(original) > 1000)
    let queue = try DatabaseQueue(path: original)
    let columns = try queue.read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT m.name AS t, c.name AS c FROM sqlite_master m, pragma_table_info(m.name) c
          WHERE m.type = 'table' AND m.name <> 'seal' ORDER BY 1, c.cid
          """
      ).map { (table: $0["t"] as String, column: $0["c"] as String) }
    }
    try queue.close()
    #expect(columns.count > 80)
    var named = Set<String>()
    for (table, column) in columns where !(table == "chunk" && column == "data") {
      for value in Self.values {
        let error = try read(
          original, folder.file("copy.lbsample"),
          after: "UPDATE \(table) SET \(column) = \(value)",
          samples: Self.sampled.contains(table))
        if error?.causes.contains(where: { $0.contains(column) }) == true {
          named.insert("\(table).\(column)")
        }
      }
    }
    let json = [
      "run.errors", "run.warnings", "phase.parameters", "phase.command", "attempt.contamination",
      "attempt.error", "layout.definition", "record_schema.definition", "ledger.collectors",
      "overhead.sampling_ns", "summary.repetitions", "summary.median", "metric.value",
      "repetition.number", "attempt.number", "chunk.rows", "ledger.on_time", "run.interval_ns",
    ]
    #expect(named.isSuperset(of: json), "not named: \(Set(json).subtracting(named).sorted())")
  }

  /// Every member of every JSON column takes every value.
  @Test(arguments: [
    ("run", "errors"), ("attempt", "error"), ("layout", "definition"),
    ("record_schema", "definition"), ("ledger", "collectors"), ("overhead", "sampling_ns"),
  ]) func anyMemberOfAJSONColumnIsReadOrNamed(_ table: String, _ column: String) throws {
    let folder = try TemporaryFolder()
    let original = folder.file("r.lbsample")
    try record(original)
    let queue = try DatabaseQueue(path: original)
    let text = try #require(
      try queue.read { db in try String.fetchOne(db, sql: "SELECT \(column) FROM \(table)") })
    try queue.close()
    let value = try JSONSerialization.jsonObject(with: Data(text.utf8))
    var refused = 0
    for changed in variants(of: value) {
      let bytes = try JSONSerialization.data(withJSONObject: changed, options: .fragmentsAllowed)
      let quoted = String(decoding: bytes, as: UTF8.self)
        .split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
      let key = table == "layout" ? " WHERE stream = 0" : ""
      let error = try read(
        original, folder.file("copy.lbsample"),
        after: "UPDATE \(table) SET \(column) = '\(quoted)'\(key)",
        samples: Self.sampled.contains(table))
      guard let error else { continue }
      refused += 1
      let isOfSchema = error.message.contains("its record schema has")
      #expect(
        isOfSchema || error.causes.contains { $0.contains("column \(column): ") },
        "\(quoted.prefix(400)): \(error)")
    }
    #expect(refused > 5)
  }

  /// `value` with one of its members, however deep, replaced by each of `members`, or left out.
  private func variants(of value: Any) -> [Any] {
    var all: [Any] = Self.members
    if let object = value as? [String: Any] {
      for (key, member) in object {
        for changed in variants(of: member) {
          var copy = object
          copy[key] = changed
          all.append(copy)
        }
        var copy = object
        copy[key] = nil
        all.append(copy)
      }
    } else if let array = value as? [Any], let first = array.first {
      for changed in variants(of: first) { all.append([changed] + array.dropFirst()) }
      all.append(array + [first])
    }
    return all
  }

  /// Numbers below zero are those of the tail's chunks.
  @Test func aChunkBelowZeroIsNamed() throws {
    let folder = try TemporaryFolder()
    let original = folder.file("r.lbsample")
    try record(original)
    let error = try read(
      original, folder.file("copy.lbsample"), after: "UPDATE chunk SET id = -id")
    #expect(error?.causes.contains { $0.contains("column id: no chunk has") } == true)
  }

  @Test(arguments: [
    (#"replace(definition, '"denominator":3', '"denominator":0')"#, "scale of 10/0"),
    (#"replace(definition, '"width":32', '"width":0')"#, "no counter is 0 bits wide"),
    (#"replace(definition, '"width":32', '"width":65')"#, "no counter is 65 bits wide"),
    (#"replace(definition, '"stream":0', '"stream":9')"#, "it is of stream 9"),
    (#"replace(definition, '"metric":[0', '"metric":[7')"#, "columns do not fit"),
  ]) func aLayoutThatWouldTrapIsNamed(_ expression: String, _ words: String) throws {
    let folder = try TemporaryFolder()
    let original = folder.file("r.lbsample")
    try record(original)
    let error = try read(
      original, folder.file("copy.lbsample"),
      after: "UPDATE layout SET definition = \(expression) WHERE stream = 0")
    #expect(error?.category == .resultPersistence)
    let cause = error?.causes.first ?? ""
    #expect(cause.contains("stream 0, epoch 1, column definition: "), "\(cause)")
    #expect(cause.contains(words), "\(cause)")
  }

  /// A short text that asks for much: refused before anything is made of it.
  @Test func namesOutOfProportionAreRefused() throws {
    let long = String(repeating: "x", count: 1 << 20)
    let metric = #"""
      {"name":"a","unit":"ns","kind":"counter","scale":{"numerator":1,"denominator":1},"width":64,
      "extent":"host","mayStepBack":false,"isSigned":false,"mayLag":false,"isSum":false,
      "meaning":""}
      """#
    func layout(_ columns: Int) -> Data {
      let places = Array(repeating: "0", count: columns).joined(separator: ",")
      let instances = Array(repeating: #""""#, count: columns).joined(separator: ",")
      return Data(
        """
        {"collector":"c","stream":0,"epoch":1,"prefix":"\(long)","metrics":[\(metric)],
        "metric":[\(places)],"instance":[\(instances)]}
        """.utf8)
    }
    #expect(try JSONDecoder().decode(Layout.self, from: layout(2)).columns.count == 2)
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(Layout.self, from: layout(1000))
    }
  }

  /// A table that is gone is named, whichever it is; the file can be removed all the same.
  /// A trigger or a view would have reading or writing the file execute what its maker wants.
  @Test(arguments: [
    "CREATE TRIGGER t AFTER UPDATE ON run BEGIN DELETE FROM chunk; END",
    "CREATE VIEW v AS SELECT 1",
    "ALTER TABLE run RENAME TO r_; CREATE VIEW run AS SELECT * FROM r_",
    "DROP VIEW runs; CREATE VIEW runs AS SELECT 1",
  ])
  func aProgramInAFileIsNotExecuted(_ sql: String) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.lbsample")
    let made = try RunWriter(
      path: path,
      identity: RunWriter.Identity(
        runID: "a", name: "a", kind: "run", version: "0", interval: 1_000_000,
        startUnixNanoseconds: 5), host: [], configuration: [], labels: [:])
    try made.setRunStatus(.interrupted)
    made.close()
    let queue = try DatabaseQueue(path: path)
    try queue.write { db in try db.execute(sql: sql) }
    try queue.close()
    for mayLackTables in [false, true] {
      let failure = #expect(throws: LBError.self) {
        try RunReader(path: path, mayLackTables: mayLackTables)
      }
      #expect(failure?.message.contains("not as lbsample writes it") == true, "\(failure as Any)")
    }
    #expect(throws: LBError.self) { try RunWriter(resuming: path) }
  }

  @Test func aTableThatIsGoneIsNamed() throws {
    let folder = try TemporaryFolder()
    let original = folder.file("r.lbsample")
    try record(original)
    let queue = try DatabaseQueue(path: original)
    let tables = try queue.read { db in
      try String.fetchAll(db, sql: "SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    try queue.close()
    #expect(Set(tables).isSuperset(of: Self.sampled) && tables.contains("output"))
    let copy = folder.file("copy.lbsample")
    var settings = GRDB.Configuration()
    settings.foreignKeysEnabled = false
    for table in tables + ["chunk"] {
      _ = unsafe unlink(copy)
      try FileManager.default.copyItem(atPath: original, toPath: copy)
      let changed = try DatabaseQueue(path: copy, configuration: settings)
      try changed.write { db in try db.execute(sql: "DROP TABLE \(table)") }
      try changed.close()
      let error = #expect(throws: LBError.self) { try RunReader(path: copy) }
      #expect(error?.category == .resultPersistence)
      #expect(error?.message == "\(copy): corrupt: table \(table) is missing")
    }
    try RunDirectory(path: folder.path).remove(copy)
    #expect(!FileManager.default.fileExists(atPath: copy))
  }

  /// A few bytes may say that they are gigabytes.
  @Test(arguments: [(1 << 20, 1 << 20, 64), (16, 16, 1 << 20), (1 << 20, 1 << 20, 1 << 20)])
  func aChunkThatWouldTakeMuchMemoryIsRefused(rows: Int, valueRows: Int, columns: Int) throws {
    var bytes = Array("LBC1".utf8) + [FrameHeader.Kind.frame.rawValue]
    for number in [rows, valueRows, columns] {
      var rest = number
      while rest >= 128 {
        bytes.append(UInt8(rest & 127) | 128)
        rest >>= 7
      }
      bytes.append(UInt8(rest))
    }
    let refusal = #expect(throws: Chunk.Malformed.self) {
      try Chunk(decoding: bytes, stream: 0, epoch: 1, bracket: 1)
    }
    #expect(
      refusal?.reason.contains("no chunk takes more than 128 MiB") == true,
      "\(refusal?.reason ?? "")")
  }

  /// The chunks of all streams that are open at once have a limit together.
  @Test func theStreamsOfAFileHaveALimitOfMemoryTogether() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    try record(path)
    let reader = try RunReader(path: path)
    defer { reader.close() }
    var selection = RunReplay.Selection()
    // Two streams have four rows of frames and one of them four of records, of two values each: ten
    // words a row.
    selection.mostWords = 3 * 40
    let whole = CollectingSink()
    try RunReplay(reader, selection: selection).play(into: whole)
    #expect(whole.frames.count == 8)
    selection.mostWords -= 1
    let error = #expect(throws: LBError.self) {
      try RunReplay(reader, selection: selection).play(into: CollectingSink())
    }
    #expect(error?.category == .resultPersistence)
    #expect(error?.message.contains("MiB of memory at once") == true, "\(error?.message ?? "")")
  }

  /// However well its values compress, a writer closes a chunk that readers would unpack to much.
  @Test func aWriterClosesChunksOfManyValues() throws {
    let chunk = ChunkBuilder(
      kind: .frame, stream: 0, epoch: 1, bracket: 1, columns: ChunkBuilder.valueLimit / 3)
    let header = FrameHeader(
      stream: 0, epoch: 1, bracket: 1, deadlineIndex: 0, deadline: 1, start: 1, end: 2)
    for count in 1...4 {
      chunk.append(header, [UInt64]().span)
      #expect(chunk.isFull == (count > 3), "\(count)")
    }
  }
}
