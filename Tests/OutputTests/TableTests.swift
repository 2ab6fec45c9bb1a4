import Synchronization
import Testing

@testable import Output
@testable import SampleModel

/// A window that a test sizes.
private final class Window: Sendable {
  let width: Mutex<Int>
  init(_ width: Int) { self.width = Mutex(width) }
}

@Suite struct TableTests {
  private func cells(_ line: String) -> [String] {
    line.split(separator: " ").filter { $0 != "|" }.map(String.init)
  }

  /// The row that is due has other columns, under a new heading; what was not read before is absent
  /// until there is a rate of it.
  @Test func aWindowThatChangesHasOtherColumns() throws {
    let lines = Lines()
    let window = Window(44)
    var style = TableSink.Style(perCPU: true, cpuCount: 2)
    style.window = { (width: window.width.withLock { $0 }, pageRows: 50) }
    let sink = TableSink(
      reader: StreamReader(raw: false), style: style, clock: { "0000000\($0 / 1_000_000_000)" },
      writer: lines.write, notice: { lines.notices.append($0) })
    try sink.begin(meta())
    try sink.layout(cpuLayout(["all", "0", "1"]))
    var shown: [[String]] = []
    for tick in 0...9 as ClosedRange<UInt64> {
      window.width.withLock { $0 = (3...5).contains(tick) ? 20 : 44 }
      try send((0..<6).map { tick * 10 * ($0 + 1) }, header(tick), to: sink)
      let before = lines.lines.count
      try sink.commit(watermark: tick * 1_000_000_000 + 500_000_000)
      shown.append(Array(lines.lines[before...]))
    }
    #expect(shown.map(\.count) == [0, 4, 1, 4, 1, 1, 4, 1, 1, 1], "heading and row: \(shown)")
    for tick in [3, 4, 5] { #expect(shown[tick].allSatisfy { $0.count <= 20 }) }
    #expect(shown[3][1].contains("usr  idl") && shown[3][0].contains("cpu"))
    #expect(cells(shown[1][3]) == ["00000001", "5.0", "10.0", "30.0", "40.0", "50.0", "60.0"])
    #expect(cells(shown[3][3]) == ["00000003", "5.0", "10.0"])
    #expect(cells(shown[6][3]) == ["00000006", "5.0", "10.0", "-", "-", "-", "-"])
    #expect(cells(shown[8][0]) == ["00000008"] + cells(shown[1][3]).dropFirst())
    #expect(lines.notices == ["table: cpu (2 of 6 columns; --only chooses others)"])
  }

  @Test func unitsStandBelowTheHeadings() throws {
    func column(
      _ name: String, _ unit: MetricUnit, _ kind: MetricKind, _ instance: String = ""
    ) -> Column {
      let collector = name.prefix { $0 != "." }
      return Column(
        collector: "\(collector)",
        metric: MetricDescription(
          "\(name.dropFirst(collector.count + 1))", unit, kind, meaning: ""),
        instance: instance)
    }
    let all = [
      column("cpu.user", .nanoseconds, .counter, "all"), column("cpu.ctxt", .count, .counter),
      column("memory.MemFree", .bytes, .gauge), column("net.rx_bytes", .bytes, .counter, "lo"),
      column("disk.read_ios", .count, .counter, "sda"),
      column("disk.read_ticks", .nanoseconds, .counter, "sda"),
      column("load.load1", .count, .gauge), column("temperature.input", .celsius, .gauge, "0"),
    ]
    let groups = Dictionary(grouping: all) { $0.name.prefix { $0 != "." } }
    let layouts = groups.sorted { $0.key < $1.key }.enumerated().map { place, group in
      Layout(
        collector: String(group.key), stream: UInt16(place), epoch: 1, columns: group.value)
    }
    var style = TableSink.Style()
    style.named = ["temperature"]
    let columns = TableView.columns(of: layouts, style)
    let lines = TableView.heading(columns, clockWidth: 8, ellipsis: "…")
    #expect(cells(lines[1]).dropFirst().count == 9, "\(lines)")
    #expect(Array(cells(lines[2])) == ["%", "/s", "/s", "ms", "B", "B/s", "C"], "\(lines)")
    #expect(Set(lines.map(\.count)).count == 1)
    // Each unit ends where its heading does.
    let (names, units) = (Array(lines[1]), Array(lines[2]))
    for place in units.indices where units[place] != " " && units[place] != "|" {
      let isEnd = place + 1 == units.count || units[place + 1] == " "
      #expect(!isEnd || names[place] != " ", "\(lines)")
    }
    #expect(
      TableView.heading(Array(columns.filter { $0.unit == "" }), clockWidth: 8, ellipsis: "~")
        .count == 2)
  }

  @Test func aNameThatIsCutSaysSo() {
    #expect(TableView.cut("protocols", to: 6, "…") == "proto…")
    #expect(TableView.cut("/mnt/scratch", to: 7, "~") == "~cratch")
    #expect(TableView.cut("disk", to: 4, "…") == "disk" && TableView.cut("disk", to: 1, "…") == "…")
    let column = TableColumn(
      group: "/sys/fs/cgroup", heading: "avail", source: "f", format: .bytes, rank: 0)
    let lines = TableView.heading([column], clockWidth: 4, ellipsis: "~")
    #expect(lines == ["     |~group ", "time |  avail"])
  }

  /// The start names what there is at a glance; each column is for those who ask.
  @Test func whatHasNoRoomIsADetail() throws {
    let lines = Lines()
    var details: [String] = []
    let sink = TableSink(
      reader: StreamReader(raw: false), style: .init(width: 22), clock: { _ in "12:00:00" },
      writer: lines.write, notice: { lines.notices.append($0) }, detail: { details.append($0) })
    try sink.begin(meta())
    try sink.layout(cpuLayout(["all"]))
    let net = Column(collector: "net", metric: bytesIn, instance: "eth0")
    try sink.layout(Layout(collector: "net", stream: 1, epoch: 1, columns: [net]))
    for tick in 0...2 as ClosedRange<UInt64> {
      try send([tick, tick], header(tick), to: sink)
      var other = header(tick)
      other.stream = 1
      try send([tick], other, to: sink)
    }
    try sink.commit(watermark: .max)
    #expect(
      lines.notices == ["table: cpu (1 of 2 collectors, 2 of 3 columns; --only chooses others)"])
    #expect(details == ["no room in the table for net.rx_bytes[eth0]"])
  }

  /// A stream that has records of the busiest processes.
  private func metaWithRecords() -> StreamMeta {
    let fields = [
      MetricDescription("pid", .count, .gauge, meaning: "process"),
      MetricDescription("comm", .text, .gauge, meaning: "name"),
    ]
    var meta = meta()
    meta.records = [
      RecordSchema(collector: "top", stream: 0, name: "busiest", fields: fields, rowsPerTick: 2)
    ]
    return meta
  }

  @Test func recordsFitTheWindow() throws {
    let lines = Lines()
    let window = Window(200)
    var style = TableSink.Style(width: 200, colour: true)
    style.window = { (width: window.width.withLock { $0 }, pageRows: 3) }
    let sink = TableSink(
      reader: StreamReader(raw: false), style: style,
      clock: { "0000000\($0 / 1_000_000_000)" }, writer: lines.write, notice: { _ in })
    try sink.begin(metaWithRecords())
    try sink.layout(cpuLayout(["all"]))
    let name: UInt64 = 0x6873  // sh
    for tick in 0...5 as ClosedRange<UInt64> {
      window.width.withLock { $0 = tick > 2 ? 30 : 200 }
      try send([tick, tick], header(tick), to: sink)
      var records = header(tick)
      records.kind = .records
      let rows: [UInt64] = [7, name]
      try sink.records(records, rows.span)
      try sink.commit(watermark: tick * 1_000_000_000 + 500_000_000)
    }
    let own = lines.lines.filter { $0.contains("pid  cpu %") || $0.contains(" 7  ") }
    let widths = own.map { line in
      line.replacing("\u{1b}[4m", with: "").replacing("\u{1b}[0m", with: "").count
    }
    #expect(widths.contains { $0 > 60 } && widths.last == 30, "\(own)")
    #expect(own.filter { $0.hasSuffix("…") || $0.hasSuffix("…\u{1b}[0m") }.count >= 3, "\(own)")
    #expect(own.first?.hasSuffix("command\u{1b}[0m") == true && own.last?.hasSuffix("…") == true)
  }

  @Test func recordsHaveOneHeadingAScreenAndATimeEach() throws {
    let lines = Lines()
    let sink = TableSink(
      reader: StreamReader(raw: false), style: .init(pageRows: 7),
      clock: { "0000000\($0 / 1_000_000_000)" }, writer: lines.write, notice: { _ in })
    try sink.begin(metaWithRecords())
    try sink.layout(cpuLayout(["all"]))
    let name: UInt64 = 0x6873  // sh
    for tick in 0...5 as ClosedRange<UInt64> {
      try send([tick, tick], header(tick), to: sink)
      var records = header(tick)
      records.kind = .records
      let rows: [UInt64] = [7, name, 8, name]
      try sink.records(records, rows.span)
      try sink.commit(watermark: tick * 1_000_000_000 + 500_000_000)
    }
    let kinds = lines.lines.map { line in
      line.contains("command")
        ? "H"
        : line.hasSuffix(" sh")
          ? "r"
          : line.contains("usr")
            ? "h" : line.hasPrefix("0") ? "R" : "."
    }.joined()
    // 7 lines of a screen are two rows with two processes each, and their heading.
    #expect(kinds == ".h.RHrrRrr.h.RHrrRrr.h.RHrr", "\(lines.text)")
    let processes = lines.lines.filter { $0.hasSuffix(" sh") }
    #expect(processes.count == 10 && processes.allSatisfy { $0.hasPrefix("0000000") })
    #expect(processes.last?.hasPrefix("00000005 ") == true)
  }
}
