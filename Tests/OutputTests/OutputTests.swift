import Foundation
import RunAnalysis
import Testing

@testable import Output
@testable import SampleModel

let cpuMetrics = ["user", "idle"].map {
  MetricDescription(
    $0, .nanoseconds, .counter, scale: Scale(10_000_000), mayStepBack: $0 == "idle", meaning: "")
}
let bytesIn = MetricDescription("rx_bytes", .bytes, .counter, meaning: "")

func cpuLayout(_ instances: [String], epoch: UInt32 = 1) -> Layout {
  Layout(
    collector: "cpu", stream: 0, epoch: epoch,
    columns: instances.flatMap { instance in
      cpuMetrics.map { Column(collector: "cpu", metric: $0, instance: instance) }
    })
}

func meta() -> StreamMeta {
  StreamMeta(
    interval: 1_000_000_000,
    streams: [
      .init(collector: "cpu", stream: 0, thread: 0, cpu: 0, cadence: 1, required: true)
    ], unavailable: [], records: [],
    anchor: ClockAnchor(monotonic: 0, realtime: 1_000, boottime: 0), notes: [])
}

func header(
  _ tick: UInt64, epoch: UInt32 = 1, outcome: AcquisitionOutcome = .complete
) -> FrameHeader {
  FrameHeader(
    outcome: outcome, edge: tick == 0 ? .open : .none, stream: 0, epoch: epoch, bracket: 1,
    deadlineIndex: tick, deadline: tick * 1_000_000_000, start: tick * 1_000_000_000 + 5,
    end: tick * 1_000_000_000 + 9)
}

func send(
  _ values: [UInt64], _ header: FrameHeader, to sink: any SampleSink
) throws {
  let span = values.span
  try sink.frame(header, span)
}

final class Lines {
  var text = ""
  var notices: [String] = []
  func write(_ bytes: [UInt8]) throws(LBError) { text += String(decoding: bytes, as: UTF8.self) }
  var lines: [String] { text.split(separator: "\n").map(String.init) }
}

@Suite struct TextTests {
  @Test func jsonStringsAreEscaped() throws {
    let nasty = "a\"b\\c\n\t\r\u{1}\u{1f}é漢😀/\u{7F}\u{9B}\u{2028}\u{202E}\u{FEFF}\u{E0041}"
    var buffer = TextBuffer()
    buffer.append(json: nasty)
    let value = try JSONSerialization.jsonObject(
      with: Data(buffer.bytes), options: .fragmentsAllowed)
    #expect(value as? String == nasty)
    let text = String(decoding: buffer.bytes, as: UTF8.self)
    #expect(text.shownInLine == text && text.contains(#"é漢😀/\u007f\u009b\u2028"#), "\(text)")
  }

  @Test func numbersAreExactAndShort() {
    let table: [(Double, String)] = [
      (0, "0"), (-0.0, "0"), (1, "1"), (-3, "-3"), (0.1, "0.1"), (1e15, "1000000000000000.0"),
      (123456789.25, "123456789.25"), (1.0 / 3, "0.3333333333333333"),
    ]
    for (number, text) in table {
      var buffer = TextBuffer()
      buffer.append(real: number)
      #expect(String(decoding: buffer.bytes, as: UTF8.self) == text)
      #expect(Double(text) == number)
    }
    for number in [0, 9, 10, 99, 12345, UInt64.max] {
      var buffer = TextBuffer()
      buffer.append(number: number)
      #expect(String(decoding: buffer.bytes, as: UTF8.self) == "\(number)")
    }
  }

  @Test func readableNumbersFitTheirColumns() {
    let table: [(String, String)] = [
      (Readable.bytes(0), "0B"), (Readable.bytes(1023), "1023B"), (Readable.bytes(1024), "1K"),
      (Readable.bytes(1536), "1.5K"), (Readable.bytes(1_048_575), "1.0M"),
      (Readable.count(999.96), "1.0k"), (Readable.count(12_345), "12.3k"),
      (Readable.fixed(0.05, 1), "0.1"), (Readable.fixed(-0.01, 1), "0.0"),
      (Readable.fixed(9.96, 1), "10.0"), (Readable.duration(1500), "1.5 µs"),
      (Readable.duration(2_500_000), "2.50 ms"), (Readable.count(1e18), "1000P"),
      (Readable.count(1.7e308), "1.7e308"), (Readable.exact(1.7e308), "1.7e308"),
      (Readable.bytes(9.99e300), "1.0e301"),
    ]
    for (text, expected) in table { #expect(text == expected) }
    for power in 0..<60 {
      let value = Double(UInt64(1) << UInt64(power)) * 0.999
      #expect(Readable.bytes(value).count <= 6, "\(value)")
      #expect(Readable.count(value).count <= 6, "\(value)")
    }
  }
}

@Suite struct SinkTests {
  @Test func csvSaysUnitsAndDatesOnRequest() throws {
    let lines = Lines()
    var style = CSVStyle()
    (style.units, style.time) = (.header, .iso)
    let layout = Layout(
      collector: "cpu", stream: 0, epoch: 1,
      columns: [
        Column(collector: "cpu", metric: cpuMetrics[0], instance: "all"),
        Column(collector: "net", metric: bytesIn, instance: "a,b"),
        Column(
          collector: "m", metric: MetricDescription("free", .bytes, .gauge, meaning: ""),
          instance: ""),
      ])
    for raw in [false, true] {
      let sink = CSVSink(
        reader: StreamReader(raw: raw), style: style, writer: lines.write, notice: { _ in })
      try sink.begin(meta())
      try sink.layout(layout)
      try send([10, 100, 7], header(0), to: sink)
      try send([60, 150, 8], header(1), to: sink)
      try sink.commit(watermark: .max)
    }
    #expect(
      lines.lines[0]
        == "time,elapsed_ns,cpu.user[all] (1),\"net.rx_bytes[a,b] (bytes/s)\",m.free (bytes)")
    #expect(lines.lines[1] == "1970-01-01T00:00:01.000001005Z,1000000000,0.5,50,8")
    #expect(
      lines.lines[2]
        == "time,elapsed_ns,cpu.user[all] (ns),\"net.rx_bytes[a,b] (bytes)\",m.free (bytes)")
  }

  @Test func recordsAreRowsOnRequest() throws {
    let lines = Lines()
    let number = MetricDescription("pid", .count, .gauge, meaning: "")
    let name = MetricDescription("comm", .text, .gauge, meaning: "")
    var about = meta()
    about.records = [
      RecordSchema(
        collector: "tree", stream: 3, name: "process", fields: [number, name, name, bytesIn],
        rowsPerTick: 4)
    ]
    func sink(_ record: String) -> RecordCSVSink {
      RecordCSVSink(
        reader: StreamReader(raw: false), record: record, style: CSVStyle(), writer: lines.write)
    }
    let records = sink("process")
    try records.begin(about)
    func word(_ text: String) -> UInt64 {
      text.utf8.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    let rows: [UInt64] = [
      12, word("a \"long,"), word(" name"), RecordSchema.absent, 13, word("sh"), 0, 5,
    ]
    var header = header(1)
    header.stream = 3
    try records.records(header, rows.span)
    try records.commit(watermark: .max)
    #expect(
      lines.lines == [
        "time_ns,pid,comm,rx_bytes", "1000001005,12,\"a \"\"long, name\",",
        "1000001005,13,sh,5",
      ])
    #expect {
      try sink("flow").begin(about)
    } throws: { error in
      (error as? LBError)?.message.contains("there are records of process") ?? false
    }
  }

  @Test func recordsOfSeveralTreesSayWhoseTheyAre() throws {
    let lines = Lines()
    let number = MetricDescription("pid", .count, .gauge, meaning: "")
    var about = meta()
    about.records = ["tree", "tree[a,b]"].enumerated().map { place, name in
      RecordSchema(
        collector: name, stream: UInt16(place + 3), name: "process", fields: [number],
        rowsPerTick: 4)
    }
    let records = RecordCSVSink(
      reader: StreamReader(raw: false), record: "process", style: CSVStyle(), writer: lines.write)
    try records.begin(about)
    for stream in [3, 4] as [UInt16] {
      var header = header(1)
      header.stream = stream
      let rows: [UInt64] = [UInt64(stream)]
      try records.records(header, rows.span)
    }
    try records.commit(watermark: .max)
    #expect(
      lines.lines == [
        "time_ns,collector,pid", "1000001005,tree,3", "1000001005,\"tree[a,b]\",4",
      ])
  }

  @Test func csvHasOneHeaderAndOneRowATick() throws {
    let lines = Lines()
    let sink = CSVSink(
      reader: StreamReader(raw: false), writer: lines.write, notice: { lines.notices.append($0) })
    try sink.begin(meta())
    try sink.layout(cpuLayout(["all"]))
    try send([10, 100], header(0), to: sink)
    try send([60, 150], header(1), to: sink)
    try sink.commit(watermark: 2_000_000_000)
    #expect(lines.lines.count == 2, "the row appears at its own tick, not at the next")
    try send([], header(2, outcome: .absent), to: sink)
    try sink.layout(cpuLayout(["all", "1"], epoch: 2))
    try send([160, 140, 1, 1], header(3, epoch: 2), to: sink)
    try sink.commit(watermark: .max)
    #expect(lines.lines[0] == "time_ns,elapsed_ns,cpu.user[all],cpu.idle[all]")
    #expect(lines.lines[1] == "1000001005,1000000000,0.5,0.5")
    #expect(lines.lines[2] == "2000001005,2000000000,,", "a gap has its row")
    #expect(lines.lines[3] == "3000001005,3000000000,0.5,0")
    #expect(
      lines.notices == [
        "cpu: its source cannot be read; CSV cells left empty (reported once)",
        "cpu: cpu[1] appeared after the CSV header was written and is not in the output; use "
          + "--format ndjson or --record to keep it",
      ])
    #expect(sink.lateInstanceCount == 1)
    #expect(CSVSink.quoted("a,\"b") == "\"a,\"\"b\"")
  }

  /// Of a stream whose later layouts are known, what comes late has its columns behind the others.
  @Test func csvHasColumnsForWhatIsExpected() throws {
    let lines = Lines()
    let sink = CSVSink(
      reader: StreamReader(raw: false), writer: lines.write, notice: { lines.notices.append($0) })
    sink.expect([cpuLayout(["all"]), cpuLayout(["all", "1"], epoch: 2)])
    try sink.begin(meta())
    try sink.layout(cpuLayout(["all"]))
    try send([10, 100], header(0), to: sink)
    try send([60, 150], header(1), to: sink)
    try sink.layout(cpuLayout(["all", "1"], epoch: 2))
    try send([160, 150, 0, 0], header(2, epoch: 2), to: sink)
    try send([160, 250, 30, 70], header(3, epoch: 2), to: sink)
    try sink.commit(watermark: .max)
    #expect(
      lines.lines == [
        "time_ns,elapsed_ns,cpu.user[all],cpu.idle[all],cpu.user[1],cpu.idle[1]",
        "1000001005,1000000000,0.5,0.5,,", "2000001005,2000000000,1,0,,",
        "3000001005,3000000000,0,1,0.3,0.7",
      ])
    #expect(lines.notices.isEmpty && sink.lateInstanceCount == 0)
  }

  /// What happened beside the samples is said once, whatever the columns are; what explains a frame
  /// without values is not said twice.
  @Test func csvSaysWhatHappenedOnce() throws {
    let lines = Lines()
    let sink = CSVSink(
      reader: StreamReader(raw: false), writer: lines.write, notice: { lines.notices.append($0) })
    try sink.begin(meta())
    try sink.layout(cpuLayout(["all"]))
    try send([10, 100], header(0), to: sink)
    try sink.commit(watermark: .max)
    let empty =
      "cpu: p/stat: the file is empty; values from this file are left out until the file can be "
      + "read again (reported once)"
    try sink.event(SampleEvent(.gap, time: header(1).start, message: empty))
    try send([], header(1, outcome: .malformed), to: sink)
    for _ in 0..<2 { try sink.event(SampleEvent(.note, time: 0, message: "said once")) }
    try sink.layout(cpuLayout((0..<100).map { "\($0)" }, epoch: 2))
    #expect(
      lines.notices == [
        empty, "said once",
        "cpu: 100 instances (cpu[0] … cpu[99]) appeared after the CSV header was written "
          + "and are not in the output; use --format ndjson or --record to keep them",
      ])
  }

  /// Two sampling threads: the second one's frame of a tick starts behind the first one's next.
  private func interleaved(_ sink: any SampleSink) throws {
    var meta = meta()
    meta.streams.append(
      .init(collector: "slow", stream: 1, thread: 1, cpu: 1, cadence: 1, required: true))
    try sink.begin(meta)
    try sink.layout(cpuLayout(["all"]))
    try sink.layout(
      Layout(
        collector: "load", stream: 1, epoch: 1,
        columns: [
          Column(
            collector: "load",
            metric: MetricDescription("load1", .count, .gauge, extent: .host, meaning: ""),
            instance: "")
        ]))
    func late(_ tick: UInt64) -> FrameHeader {
      var late = header(tick)
      late.stream = 1
      late.start = tick * 1_000_000_000 + 1_000_000_500
      return late
    }
    try send([10, 100], header(0), to: sink)
    try send([1], late(0), to: sink)
    try send([60, 150], header(1), to: sink)
    try send([110, 200], header(2), to: sink)
    // The slow thread is at tick 1 still, then at tick 2.
    try sink.commit(watermark: 1_000_000_000)
    try send([2], late(1), to: sink)
    try sink.commit(watermark: 2_000_000_000)
    try send([160, 250], header(3), to: sink)
    try send([3], late(2), to: sink)
    try sink.commit(watermark: 3_000_000_000)
    try send([4], late(3), to: sink)
    try sink.commit(watermark: .max)
  }

  /// Threads that take a closing edge on both sides of a deadline count different ones as passed.
  @Test func anEdgeIsOneTick() {
    func closing(_ index: UInt64, bracket: UInt32 = 1) -> FrameHeader {
      FrameHeader(
        edge: .close, stream: 0, epoch: 1, bracket: bracket, deadlineIndex: index,
        deadline: index * 1_000)
    }
    var tick = closing(3)
    tick.edge = .none
    #expect(OpenRows.isSameTick(closing(3), closing(4)))
    #expect(!OpenRows.isSameTick(closing(3), closing(3, bracket: 2)))
    #expect(!OpenRows.isSameTick(closing(3), tick))
  }

  @Test func twoThreadsGiveOneRowATick() throws {
    let lines = Lines()
    try interleaved(
      CSVSink(reader: StreamReader(raw: false), writer: lines.write, notice: { _ in }))
    #expect(
      lines.lines == [
        "time_ns,elapsed_ns,cpu.user[all],cpu.idle[all],load.load1",
        "1000001005,1000000000,0.5,0.5,2", "2000001005,2000000000,0.5,0.5,3",
        "3000001005,3000000000,0.5,0.5,4",
      ])
    let rows = Lines()
    try interleaved(
      TableSink(
        reader: StreamReader(raw: false), style: .init(cpuCount: 1), clock: { "\($0 / 1000)" },
        writer: rows.write, notice: { _ in }))
    let shown = rows.lines.filter { $0.first?.isNumber == true }
      .map { $0.split(separator: " ").filter { $0 != "|" }.map(String.init) }
    #expect(
      shown == [
        ["1000001", "50.0", "50.0", "2.00"], ["2000001", "50.0", "50.0", "3.00"],
        ["3000001", "50.0", "50.0", "4.00"],
      ])
  }

  /// A thread that hangs does not have rows pile up.
  @Test func rowsThatWaitHaveABound() throws {
    var meta = meta()
    meta.streams.append(
      .init(collector: "slow", stream: 1, thread: 1, cpu: 1, cadence: 1, required: true))
    let lines = Lines()
    let sink = CSVSink(reader: StreamReader(raw: false), writer: lines.write, notice: { _ in })
    try sink.begin(meta)
    try sink.layout(cpuLayout(["all"]))
    for tick in 0...2000 as ClosedRange<UInt64> {
      try send([tick, tick], header(tick), to: sink)
    }
    try sink.commit(watermark: 0)
    #expect(lines.lines.count == 1 + 2000 - OpenRows.ofSeveralThreads)
    try sink.commit(watermark: .max)
    #expect(lines.lines.count == 2001)
  }

  @Test func everyNdjsonLineIsAnObjectWithAType() throws {
    let lines = Lines()
    let sink = NDJSONSink(
      reader: StreamReader(raw: false), host: [("kernel", "6.1")],
      configuration: [ConfigurationEntry(key: "k", value: "v", origin: "o")],
      writer: lines.write)
    try sink.begin(meta())
    try sink.layout(cpuLayout(["all"]))
    try sink.commit(watermark: 0)
    #expect(lines.lines.count == 1)
    try send([10, 100], header(0), to: sink)
    try send([60, 150], header(1), to: sink)
    try send([], header(2, outcome: .denied), to: sink)
    try sink.event(SampleEvent(.clockStep, time: 7, message: "stepped \"far\""))
    try sink.layout(cpuLayout(["all", "1"], epoch: 2))
    try sink.end(ledger: Ledger(), overhead: Overhead())
    let objects = try lines.lines.map {
      try #require(
        try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    #expect(
      objects.map { $0["type"] as? String }
        == ["meta", "sample", "event", "event", "event", "end"])
    #expect((objects[0]["layouts"] as? [Any])?.count == 1)
    let values = try #require(objects[1]["values"] as? [String: Double])
    #expect(values == ["cpu.user[all]": 0.5, "cpu.idle[all]": 0.5])
    #expect(objects[1]["window_ns"] as? Int == 1_000_000_000)
    #expect(objects[1]["time_ns"] as? Int == 1_000_001_005)
  }

  /// Live they come as they were found out, of a stored run by name.
  @Test func theHostsFactsAreInOneOrder() throws {
    let facts = [("kernel", "6.1"), ("cpus", "2"), ("arch", "x")].map { (name: $0.0, value: $0.1) }
    var first: [String] = []
    for host in [facts, facts.reversed()] {
      let lines = Lines()
      let sink = NDJSONSink(
        reader: StreamReader(raw: false), host: host, configuration: [], writer: lines.write)
      try sink.begin(meta())
      try sink.commit(watermark: .max)
      first.append(lines.lines[0])
    }
    #expect(first[0] == first[1])
    #expect(first[0].contains(#""host":{"arch":"x","cpus":"2","kernel":"6.1"}"#))
  }

  /// Everything reads zero for once: the rates behind it are over two seconds, and say so.
  @Test func ratesOverAnotherTimeThanTheFramesNameIt() throws {
    let lines = Lines()
    let sink = NDJSONSink(
      reader: StreamReader(raw: false), host: [], configuration: [], writer: lines.write)
    let layout = Layout(
      collector: "net", stream: 0, epoch: 1,
      columns: ["eth0", "eth1"].map { Column(collector: "net", metric: bytesIn, instance: $0) })
    try sink.begin(meta())
    try sink.layout(layout)
    for (tick, values) in [[1000, 5], [0, 6], [1010, 7], [1011, 8]].enumerated() {
      try send(values.map { UInt64($0) }, header(UInt64(tick)), to: sink)
    }
    try sink.commit(watermark: .max)
    let samples = lines.lines.filter { $0.contains(#""type":"sample""#) }
    #expect(samples.count == 3)
    #expect(samples[0].hasSuffix(#""values":{"net.rx_bytes[eth1]":1}}"#))
    #expect(
      samples[1].hasSuffix(
        #""values":{"net.rx_bytes[eth0]":5,"net.rx_bytes[eth1]":1},"#
          + #""windows_ns":{"net.rx_bytes[eth0]":2000000000}}"#))
    #expect(samples[2].hasSuffix(#""values":{"net.rx_bytes[eth0]":1,"net.rx_bytes[eth1]":1}}"#))
  }

  @Test func theLedgerSaysWhoseDeadlinesTheyAre() {
    var first = ThreadLedger(thread: 0, cpu: nil)
    first.ticks.deadlines = 5
    first.ticks.onTime = 5
    first.ring.pushed = 1
    first.ring.drained = 1
    var collector = CollectorLedger(collector: "disk")
    collector.resets = 1
    collector.stepsBack = 1
    collector.gaps = ["malformed": 1]
    first.collectors = [collector]
    var second = ThreadLedger(thread: 1, cpu: nil)
    second.ticks = first.ticks
    let overhead = ", including sampling 0 ns and drain 0 ns"
    let line = LedgerText.line(Ledger(threads: [first, second]), Overhead())
    #expect(line.hasPrefix("10 deadlines (5 on each of 2 sampling threads) = 10 on time + 0 late"))
    #expect(
      line.contains(
        "; 1 frame = 1 drained + 0 dropped; 1 frame without values; 1 counter reset; 1 counter "
          + "step back; overhead 0 ns CPU over 0 ns"))
    #expect(line.hasSuffix("of one CPU)\(overhead)"), "\(line)")
    second.ticks.deadlines = 1
    second.ticks.onTime = 1
    #expect(
      LedgerText.line(Ledger(threads: [first, second]), Overhead())
        .hasPrefix("6 deadlines on 2 sampling threads = 6 on time"))
    first.ring.drained = 0
    #expect(
      LedgerText.line(Ledger(threads: [first]), Overhead()).contains(LedgerText.mismatch))
  }

  /// Its resets and wraps stand in the end line, the resets for people too.
  @Test func theLedgerNamesResetsAndWraps() throws {
    var thread = ThreadLedger(thread: 0, cpu: nil)
    var line = CollectorLedger(collector: "disk")
    line.resets = 3
    line.wraps = 4
    thread.collectors = [line]
    let ledger = Ledger(threads: [thread])
    #expect(LedgerText.line(ledger, Overhead()).contains("; 3 counter resets; "))
    #expect(!LedgerText.line(Ledger(), Overhead()).contains("reset"))
    var buffer = TextBuffer()
    LedgerText.append(ledger, to: &buffer)
    let text = String(decoding: buffer.bytes, as: UTF8.self)
    #expect(text.contains(#""resets":3,"wraps":4,"#))
  }

  /// Busy time of an unknown whole is no share of it.
  @Test func aSuitesRowWithoutAllTimesHasNoShare() throws {
    let rows = SuiteRows()
    try rows.begin(meta())
    try rows.layout(cpuLayout(["all"]))
    for (tick, values) in [[10, 1000], [60, 1050], [110, 5], [160, 55]].enumerated() {
      try send(values.map { UInt64($0) }, header(UInt64(tick)), to: rows)
    }
    #expect(rows.rows["cpu"]?.map { $0[2] } == ["", "50.00", "", "50.00"])
  }

  @Test func aRunsFramesCarryTheirPlaceAndEdges() throws {
    let lines = Lines()
    let label = AttemptID(phase: "main", repetition: 4, warmUp: false, attempt: 1)
    let sink = NDJSONSink(
      reader: StreamReader(raw: true, labels: [1: label]), host: [], configuration: [],
      writer: lines.write)
    try sink.begin(meta())
    try sink.layout(cpuLayout(["all"]))
    try send([10, 100], header(0), to: sink)
    try sink.commit(watermark: .max)
    let sample = lines.lines[1]
    #expect(sample.contains(#""phase":"main","repetition":4,"attempt":1,"edge":"open""#))
    #expect(sample.contains(#""cpu.user[all]":100000000"#))
  }

  private func table(_ style: TableSink.Style, _ layouts: Layout) throws -> Lines {
    let lines = Lines()
    let sink = TableSink(
      reader: StreamReader(raw: false), style: style, clock: { _ in "12:00:00" },
      writer: lines.write, notice: { lines.notices.append($0) })
    try sink.begin(meta())
    try sink.layout(layouts)
    let width = layouts.columns.count
    for tick in 0..<8 as Range<UInt64> {
      try send((0..<width).map { UInt64($0 + 1) * 10 * tick }, header(tick), to: sink)
    }
    try sink.commit(watermark: .max)
    return lines
  }

  @Test func theTableShowsRatesUnderHeadingsOnceAScreen() throws {
    let lines = try table(.init(pageRows: 3, cpuCount: 2), cpuLayout(["all", "0"]))
    #expect(lines.lines.filter { $0.hasPrefix("time") }.count == 3)
    let row = try #require(lines.lines.first { $0.hasPrefix("12:00:00") })
    // 10 and 20 ticks of 10 ms in a second, of two CPUs.
    #expect(row.split(separator: " ").map(String.init) == ["12:00:00", "|", "5.0", "10.0"])
    #expect(!lines.text.contains("\u{1b}"))
    // What the kernel lists says how many there are.
    let listed = try table(.init(), cpuLayout(["all", "0", "1", "2", "3"]))
    let share = try #require(listed.lines.first { $0.hasPrefix("12:00:00") })
    #expect(share.split(separator: " ").map(String.init) == ["12:00:00", "|", "2.5", "5.0"])
    let perCPU = try table(.init(perCPU: true, cpuCount: 2), cpuLayout(["all", "0"]))
    #expect(perCPU.lines.contains { $0.contains("cpu0") })
    let coloured = try table(.init(colour: true), cpuLayout(["all"]))
    #expect(coloured.text.contains("\u{1b}[1m"))
  }

  @Test func aNarrowTerminalDropsByRankAndSaysSo() throws {
    let lines = try table(.init(width: 16, perCPU: true), cpuLayout(["all", "0", "1"]))
    #expect(lines.lines.allSatisfy { $0.count <= 16 })
    #expect(lines.notices == ["table: cpu (1 of 6 columns; --only chooses others)"])
    #expect(lines.lines.contains { $0.contains("usr") })
  }

  @Test func aTimeByItsRequestsIsALatency() throws {
    let columns = [
      MetricDescription("read_ios", .count, .counter, meaning: "reads"),
      MetricDescription("read_ticks", .nanoseconds, .counter, meaning: "their time"),
    ].map { Column(collector: "disk", metric: $0, instance: "sda") }
    let lines = Lines()
    let sink = TableSink(
      reader: StreamReader(raw: false), style: .init(), clock: { _ in "12:00:00" },
      writer: lines.write, notice: { lines.notices.append($0) })
    try sink.begin(meta())
    try sink.layout(Layout(collector: "disk", stream: 0, epoch: 1, columns: columns))
    try send([10, 5_000_000], header(0), to: sink)
    // Four reads of 2.5 ms each, and none.
    try send([14, 15_000_000], header(1), to: sink)
    try send([14, 15_000_000], header(2), to: sink)
    try sink.commit(watermark: .max)
    let rows = lines.lines.filter { $0.hasPrefix("12:00:00") }
    #expect(rows.count == 2 && rows[0].hasSuffix("2.50") && rows[1].hasSuffix("-"), "\(rows)")
  }

  @Test func textFieldsOfARecordAreJoinedAndAbsentOnesLeftOut() {
    let fields = [
      MetricDescription("pid", .count, .gauge, meaning: "process"),
      MetricDescription("comm", .text, .gauge, meaning: "name"),
      MetricDescription("comm", .text, .gauge, meaning: "its rest"),
      MetricDescription("rss", .bytes, .gauge, meaning: "memory"),
    ]
    let schema = RecordSchema(
      collector: "tree", stream: 0, name: "process", fields: fields, rowsPerTick: 2)
    func word(_ text: String) -> UInt64 {
      text.utf8.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    let words = [7, word("kworker/"), word("0:1"), RecordSchema.absent]
    #expect(
      RecordValue.read(words.span, row: 0, schema) == [
        RecordValue(name: "pid", content: .number(7)),
        RecordValue(name: "comm", content: .text("kworker/0:1")),
      ])
  }

  @Test func aNameCannotMoveTheCursor() {
    let fields = [
      MetricDescription("pid", .count, .gauge, meaning: "process"),
      MetricDescription("comm", .text, .gauge, meaning: "name"),
      MetricDescription("elapsed", .nanoseconds, .gauge, meaning: "window"),
      MetricDescription("sum_exec_runtime", .nanoseconds, .counter, meaning: "CPU time"),
    ]
    let schema = RecordSchema(
      collector: "top", stream: 0, name: "busiest", fields: fields, rowsPerTick: 1)
    let name: UInt64 = 0x1b | UInt64(UInt8(ascii: "[")) << 8 | UInt64(UInt8(ascii: "x")) << 16
    let words = [9, name, 1_000_000_000, 250_000_000]
    let text = BusiestLines.lines(words.span, schema).joined()
    #expect(!text.contains("\u{1b}") && text.contains("[x") && text.contains(" 25.0 "), "\(text)")
  }

  @Test func aLayoutThatShrinksShiftsNoColumn() throws {
    let lines = Lines()
    let sink = TableSink(
      reader: StreamReader(raw: false), style: .init(cpuCount: 1), clock: { _ in "12:00:00" },
      writer: lines.write, notice: { lines.notices.append($0) })
    let memory = Layout(
      collector: "memory", stream: 1, epoch: 1,
      columns: ["MemTotal", "MemFree", "MemAvailable"].map {
        Column(
          collector: "memory", metric: MetricDescription($0, .bytes, .gauge, meaning: ""),
          instance: "")
      })
    func tick(_ number: UInt64, epoch: UInt32, _ cpu: [UInt64]) throws {
      try send(cpu, header(number, epoch: epoch), to: sink)
      var other = header(number)
      other.stream = 1
      try send([9 << 30, 5 << 30, 7 << 30], other, to: sink)
    }
    try sink.begin(meta())
    // All CPUs stand behind the single ones, of which the table shows none.
    try sink.layout(cpuLayout(["0", "1", "all"]))
    try sink.layout(memory)
    for number in 0...2 {
      let time = UInt64(number) * 50
      try tick(UInt64(number), epoch: 1, [0, 0, 0, 0, time, 100 - time])
    }
    try sink.layout(cpuLayout(["0", "all"], epoch: 2))
    for number in 3...5 {
      try tick(UInt64(number), epoch: 2, [0, 0, UInt64(number) * 50, 500])
    }
    try sink.commit(watermark: .max)
    let rows = lines.lines.filter { $0.hasPrefix("12:00:00") }
    let cells = rows.map { $0.split(separator: " ").dropFirst().joined(separator: " ") }
    #expect(cells.count == 5, "\(lines.text)")
    // MemFree, MemAvailable; of the CPUs half of one in each second.
    #expect(cells.allSatisfy { $0.hasSuffix("| 5G 7G") }, "\(lines.text)")
    #expect(cells.allSatisfy { $0.hasPrefix("| 50.0 ") }, "\(lines.text)")
  }

  @Test func absentCellsAreDashes() throws {
    let lines = Lines()
    let sink = TableSink(
      reader: StreamReader(raw: false), style: .init(), clock: { _ in "12:00:00" },
      writer: lines.write, notice: { lines.notices.append($0) })
    try sink.begin(meta())
    try sink.layout(cpuLayout(["all"]))
    try send([1, 1], header(0), to: sink)
    try sink.layout(
      Layout(
        collector: "cpu", stream: 0, epoch: 2,
        columns: cpuLayout(["all"]).columns + [
          Column(collector: "cpu", metric: cpuMetrics[0], instance: "9")
        ]))
    try send([], header(1, outcome: .malformed), to: sink)
    try send([2, 2, 3], header(2, epoch: 2), to: sink)
    try sink.commit(watermark: .max)
    #expect(
      lines.notices.contains { $0.contains("cpu: its file contents could not be parsed; shown as") }
    )
    #expect(lines.lines.last?.hasPrefix("12:00:00") ?? false)
  }
}

@Suite struct ReportTests {
  @Test func theReportNamesWhatMatters() {
    var result = RunResult(
      runID: "x-20260101-000000-00000000", name: "x", kind: "run", startUnixNanoseconds: 0)
    result.status = .timeout
    result.durationNanoseconds = 1_500_000_000
    var phase = PhaseResult(name: "main", command: ["sleep", "1"])
    var repetition = RepetitionResult(repetition: 1, warmUp: false)
    repetition.status = .timeout
    var attempt = AttemptResult(attempt: 1)
    attempt.wallNanoseconds = 1_000_000_000
    attempt.signal = 15
    repetition.attempts = [attempt]
    phase.repetitions = [repetition]
    result.phases = [phase]
    result.errors = [LBError(.workload, "too long")]
    result.phases[0].metrics = ["a", "zero", "workload.none"].map { name in
      MetricSummary(
        metric: name, unit: "bytes", count: 1, median: name == "a" ? 2048 : 0,
        minimum: name == "a" ? 2048 : 0, maximum: name == "a" ? 2048 : 0,
        medianAbsoluteDeviation: 0, medianLow: nil, medianHigh: nil)
    }
    let text = RunReport.text(result, digest: nil)
    for part in ["timeout in 1.500 s", "sleep 1", "sig 15", "1.000 s", "2K", "too long"] {
      #expect(text.contains(part), "\(part)")
    }
    #expect(!text.contains("zero") && text.contains("(1 metric is not shown; lbsample runs show "))
    #expect(text.contains("workload.none"), "what was asked for is said, and be it zero")
    #expect(RunReport.text(result, all: true).contains("zero"))
  }

  @Test func valuesHaveTheirDigitsAndUnits() {
    for (value, unit, text) in [
      (8441.0, "count", "8441"), (9_999_999, "", "9999999"), (8, "ms", "8 ms"),
      (12.5, "MB/s", "12.5 MB/s"), (0.0125, "1/s", "0.0125 1/s"), (0, "count", "0"),
      (1e-9, "x", "1e-09 x"), (1.0487126243307532e-9, "x", "1.049e-09 x"), (2048, "bytes", "2.0K"),
      (-3, "count", "-3"),
    ] {
      #expect(RunReport.value(value, unit).replacing("2K", with: "2.0K") == text)
    }
    // What a workload printed may be beyond everything.
    for value in [1e30, -1e30, .infinity, .nan, 1.8e19] {
      for unit in ["ns", "bytes", "count", "x"] { #expect(!RunReport.value(value, unit).isEmpty) }
    }
    #expect(!Readable.fixed(9.9e14, 6).isEmpty)
    #expect(UInt64(bounded: 1e30) == .max && UInt64(bounded: -1) == 0 && UInt64(bounded: .nan) == 0)
    #expect(Int(bounded: -1e30) == .min && Int(bounded: 0x1p63) == .max && Int(bounded: 2.5) == 3)
    #expect(Int8(bounded: 127.4) == 127 && Int8(bounded: 127.6) == 127)
  }

  @Test func anErrorOfSeveralRepetitionsStandsOnceWithTheirNumbers() {
    var result = RunResult(runID: "x", name: "x", kind: "run", startUnixNanoseconds: 0)
    func phase(_ name: String, _ repetitions: Int) -> PhaseResult {
      var phase = PhaseResult(name: name, command: ["x"])
      phase.repetitions = (0..<repetitions).map {
        RepetitionResult(repetition: $0 + 1, warmUp: false)
      }
      return phase
    }
    func failed(_ text: String, _ phase: String, _ number: Int?, warmUp: Bool = false) -> LBError {
      LBError(.workload, text).located(phase: phase, repetition: number, isWarmUp: warmUp)
    }
    func lines() -> [String] {
      RunReport.text(result).split(separator: "\n").map(String.init).filter {
        $0.hasPrefix("error")
      }
    }
    result.phases = [phase("main", 7)]
    result.errors =
      [1, 2, 3, 7].map { failed("code 3", "main", $0) } + [failed("code 4", "main", 5)]
      + [failed("code 3", "main", 1, warmUp: true), failed("hook", "main", nil)]
    #expect(
      lines() == [
        "error    repetitions 1-3, 7: code 3", "error    repetition 5: code 4",
        "error    warm-up 1: code 3", "error    hook",
      ])
    result.phases.append(phase("other", 1))
    result.errors = [failed("code 3", "main", 2), failed("code 3", "other", 1)]
    #expect(
      lines() == ["error    main, repetition 2: code 3", "error    other, repetition 1: code 3"])
    result.phases = [phase("other", 1)]
    result.errors.removeFirst()
    #expect(lines() == ["error    code 3"], "the only repetition needs no number")
  }

  @Test func phasesAreComparedWithTheirUncertainty() {
    var result = RunResult(runID: "x", name: "x", kind: "run", startUnixNanoseconds: 0)
    func phase(_ name: String, _ wall: [UInt64]) -> PhaseResult {
      var phase = PhaseResult(name: name, command: Array(repeating: "argument", count: 9))
      phase.repetitions = wall.map { wall in
        var repetition = RepetitionResult(repetition: 1, warmUp: false)
        repetition.status = .completed
        var attempt = AttemptResult(attempt: 1)
        attempt.status = .completed
        attempt.wallNanoseconds = wall
        repetition.attempts = [attempt]
        return repetition
      }
      phase.metrics = RunSummary.rows(of: phase) { _ in "" }
      return phase
    }
    result.phases = [
      phase("slow", (0..<10).map { 2_000_000 + $0 }),
      phase("fast", (0..<10).map { 1_000_000 + $0 }),
      phase("few", [3_000_000, 3_000_000]),
    ]
    let lines = RunReport.text(result).split(separator: "\n").map(String.init)
    let table = lines.suffix(5)
    #expect(table.contains { $0.contains("2.00 ×") && $0.contains("2.00 … 2.00") }, "\(table)")
    #expect(table.contains { $0.contains("3.00 ×") && $0.contains("unknown") })
    #expect(table.contains { $0.contains("argument…") || $0.hasSuffix("…") })
    #expect(table.last?.contains("7 repetitions") == true)
  }

  @Test func quotesAreQuotedByScalars() {
    #expect(CSVSink.quoted("a\"\u{301}b") == "\"a\"\"\u{301}b\"")
    #expect(CSVSink.quoted("a\r\nb") == "\"a\r\nb\"" && CSVSink.quoted("plain") == "plain")
  }

  /// Two interfaces of which nothing but a byte that is no UTF-8 differs, the same spelt out, and
  /// two that Unicode calls equal: five columns, in text that every reader takes.
  @Test func namesThatAreNoUTF8StayApart() throws {
    let names = ["\u{EFFF}", "\u{EFFE}", "\\xff", "\u{E9}", "e\u{301}", ",\u{301}"]
    let layout = Layout(
      collector: "net", stream: 0, epoch: 1,
      columns: names.map { Column(collector: "net", metric: bytesIn, instance: $0) })
    let headings = [#"\xff"#, #"\xfe"#, #"\\xff"#, "\u{E9}", #"e\xcc\x81"#, ",\u{301}"].map {
      "net.rx_bytes[\($0)]"
    }
    let lines = Lines()
    let sink = CSVSink(reader: StreamReader(raw: true), writer: lines.write, notice: { _ in })
    try sink.begin(meta())
    try sink.layout(layout)
    try send([1, 2, 3, 4, 5, 6], header(0), to: sink)
    try send([1, 2, 3, 4, 5, 6], header(1), to: sink)
    try sink.commit(watermark: .max)
    let expected = (headings.dropLast() + ["\"\(headings[5])\""]).joined(separator: ",")
    #expect(Array(lines.lines[0].utf8) == Array("time_ns,elapsed_ns,\(expected)".utf8))
    #expect(lines.lines[1].hasSuffix(",1,2,3,4,5,6"))

    var buffer = TextBuffer()
    buffer.append(ascii: "{")
    for name in names { buffer.member(name, name) }
    buffer.append(ascii: "}")
    #expect(String(validating: buffer.bytes, as: UTF8.self) != nil)
    let text = String(decoding: buffer.bytes, as: UTF8.self)
    #expect(text.hasPrefix(#"{"\\xff":"\\xff","\\xfe":"\\xfe","\\\\xff":"\\\\xff","#), "\(text)")
  }

  /// What lies between the edges of a repetition stands beside its metric, in no row of its own.
  @Test func peaksStandBesideTheirMetrics() throws {
    var result = RunResult(
      runID: "x-20260101-000000-00000000", name: "x", kind: "run", startUnixNanoseconds: 0)
    var phase = PhaseResult(name: "main", command: ["sleep", "1"])
    let metrics: [(String, String, Double)] = [
      ("disk.bytes", "bytes", 4096), ("disk.bytes.rate.max", "bytes/s", 3_145_728),
      ("disk.bytes.rate.mean", "bytes/s", 1_048_576), ("tree.exits", "count", 2),
      ("tree.rss", "bytes", 1_048_576), ("tree.rss.min", "bytes", 1024),
      ("tree.rss.max", "bytes", 9_437_184), ("cpu.user", "ns", 5e8),
      ("cpu.user.rate.max", "1", 0.75), ("cgroup.pids.max", "count", 12),
    ]
    phase.metrics = metrics.map { name, unit, median in
      MetricSummary(
        metric: name, unit: unit, count: 1, median: median, minimum: median, maximum: median,
        medianAbsoluteDeviation: 0, medianLow: nil, medianHigh: nil)
    }
    result.phases = [phase]
    let lines = RunReport.text(result, digest: nil).split(separator: "\n").map(String.init)
    func line(_ name: String) -> String? { lines.first { $0.hasPrefix(name + " ") } }
    #expect(try #require(line("disk.bytes")).hasSuffix("3M/s"))
    #expect(try #require(line("tree.rss")).hasSuffix("9M"))
    #expect(try #require(line("cpu.user")).hasSuffix("75.00 %"))
    #expect(line("cgroup.pids.max") != nil, "the kernel's own name")
    let ticks = "± counted in kernel clock ticks"
    #expect(line("cpu.user ±") != nil && lines.contains { $0.hasPrefix(ticks) })
    #expect(!(line("tree.exits")?.contains("±") ?? true), "it is exact")
    #expect(!lines.contains { $0.hasPrefix("tree.rss.") || $0.contains(".rate.") })
    #expect(lines.contains { $0.contains("gauges of the workload's tree") })
    #expect(!lines.contains { $0.contains("not shown") })
  }
}
