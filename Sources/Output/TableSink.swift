package import SampleModel

/// The live table: grouped headings once a screen, a row a tick, units scaled, colour by meaning.
package final class TableSink: SampleSink {
  /// What the terminal offers.
  package struct Style: Sendable {
    package var width: Int
    /// Rows between two headings.
    package var pageRows: Int
    package var colour: Bool
    /// Whether each CPU has columns of its own.
    package var perCPU: Bool
    /// Online CPUs: the time of all of them is shown as a share of what they have together.
    package var cpuCount: Int

    /// A style; a pipe has plenty of width, no colour and one heading.
    package init(
      width: Int = .max, pageRows: Int = .max, colour: Bool = false, perCPU: Bool = false,
      cpuCount: Int = 1
    ) {
      self.perCPU = perCPU
      self.cpuCount = max(1, cpuCount)
      self.width = width
      self.pageRows = pageRows
      self.colour = colour
    }
  }

  private var reader: StreamReader
  private let style: Style
  private let writer: TextWriter
  private let notice: (String) -> Void
  private let clock: (UInt64) -> String
  private let clockWidth: Int
  private var buffer = TextBuffer()
  private var columns: [TableColumn]?
  /// What those need of each stream's values: most of them the table does not show.
  private var needed: [UInt16: [(place: Int, name: String)]] = [:]
  /// Instances that have counted nothing since boot: the first to go.
  private var idle: [UInt16: Set<String>] = [:]
  private var toldDropped = Set<String>()
  private var rowsSinceHeading = 0
  private var row: (header: FrameHeader, time: UInt64)?
  private var cells: [String: Double] = [:]
  private var schemas: [UInt16: RecordSchema] = [:]
  /// Lines that go below the open row.
  private var busiest = ""
  package private(set) var bytesWritten: UInt64 = 0

  /// A table; `clock` turns Unix nanoseconds into wall-clock time, always as long.
  package init(
    reader: StreamReader, style: Style, clock: @escaping (UInt64) -> String,
    writer: @escaping TextWriter, notice: @escaping (String) -> Void
  ) {
    self.reader = reader
    self.style = style
    self.clock = clock
    clockWidth = max(4, clock(0).count)
    self.writer = writer
    self.notice = notice
  }

  /// Terminal columns that these take, separators between groups included.
  static func width(of columns: [TableColumn]) -> Int {
    var width = 0
    var group: String?
    for column in columns {
      width += 1 + max(column.format.width, column.heading.count)
      if column.group != group { width += 2 }
      group = column.group
    }
    return width
  }

  /// Takes the clock anchor.
  package func begin(_ meta: StreamMeta) throws(LBError) {
    reader.begin(meta)
    for schema in meta.records { schemas[schema.stream] = schema }
  }

  /// New columns: the next row comes under a new heading.
  package func layout(_ layout: Layout) throws(LBError) {
    endRow()
    reader.layout(layout)
    columns = nil
  }

  /// Puts the values into the row of their tick.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    if let cause = reader.absence(header) { notice("\(cause); shown as -") }
    if columns == nil { noteIdle(header, values) }
    guard let frame = reader.read(header, values) ?? reader.gap(header),
      !(reader.isRun && header.edge == .close)
    else { return }
    if let open = row,
      open.header.deadlineIndex != header.deadlineIndex || open.header.bracket != header.bracket
        || open.header.edge != header.edge
    {
      endRow()
    }
    if row == nil { row = (header, frame.time) }
    if columns == nil {
      for (column, value) in zip(frame.layout.shown, frame.values) {
        cells[column.name] = value.number
      }
    } else if !frame.values.isEmpty {
      for (place, name) in needed[header.stream] ?? [] { cells[name] = frame.values[place].number }
    }
  }

  /// The busiest processes and flows stand below their row; other records are not shown.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
    guard let schema = schemas[header.stream], header.edge == .none else { return }
    switch schema.name {
    case BusiestLines.recordName:
      busiest += BusiestLines.text(rows, schema, indent: clockWidth)
    case FlowLines.recordName: busiest += FlowLines.text(rows, schema, indent: clockWidth)
    default: break
    }
  }

  /// Says what happened beside the samples.
  package func event(_ event: SampleEvent) throws(LBError) {
    reader.event(event)
    if event.kind != .clockAnchor { notice(event.message) }
  }

  /// Shows the row of every tick that is complete.
  package func commit(watermark: UInt64) throws(LBError) {
    if let open = row, watermark > open.header.deadline, watermark > open.header.start { endRow() }
    guard !buffer.isEmpty else { return }
    try writer(buffer.bytes)
    bytesWritten += UInt64(buffer.bytes.count)
    buffer.clear()
  }

  private func endRow() {
    guard let open = row else { return }
    row = nil
    let columns = currentColumns()
    if rowsSinceHeading == 0 { appendHeading(columns) }
    rowsSinceHeading += 1
    if rowsSinceHeading >= style.pageRows { rowsSinceHeading = 0 }
    buffer.append(clock(open.time))
    var group: String?
    for column in columns {
      if column.group != group { buffer.append(" |") }
      group = column.group
      buffer.append(ascii: " ")
      let width = max(column.format.width, column.heading.count)
      let value = value(of: column)
      let share = column.share.flatMap { cells[$0] } ?? 1
      let text = value.map { (share < 1 ? "~" : "") + column.format.text($0) } ?? "-"
      let pad = String(repeating: " ", count: max(0, width - text.count))
      buffer.append(pad)
      buffer.append(coloured(text, value: value, column: column))
    }
    buffer.append(ascii: "\n")
    cells.removeAll(keepingCapacity: true)
    guard !busiest.isEmpty else { return }
    buffer.append(busiest)
    busiest = ""
    rowsSinceHeading = 0
  }

  private func value(of column: TableColumn) -> Double? {
    guard let value = cells[column.source] else { return nil }
    guard let divisor = column.divisor else { return value / self.divisor(of: column) }
    guard let count = cells[divisor], count > 0 else { return nil }
    return value / count
  }

  /// The line of all CPUs adds their times up: 100 % is what all of them have.
  private func divisor(of column: TableColumn) -> Double {
    guard column.format == .percent, column.source.hasSuffix("[all]") else { return 1 }
    return Double(style.cpuCount)
  }

  private func noteIdle(_ header: FrameHeader, _ values: Span<UInt64>) {
    guard let layout = reader.layouts[header.stream], layout.columns.count == values.count else {
      return
    }
    var busy = Set<String>()
    for (index, column) in layout.columns.enumerated() where values[index] != 0 {
      busy.insert(column.instance)
    }
    idle[header.stream] = Set(layout.columns.map(\.instance)).subtracting(busy)
  }

  private func currentColumns() -> [TableColumn] {
    if let columns { return columns }
    let layouts = reader.layouts.values.sorted { $0.stream < $1.stream }
    let fitted = TableView.fit(
      TableView.columns(of: layouts, perCPU: style.perCPU, idle: idle), width: style.width,
      fixed: clockWidth)
    columns = fitted.kept
    let names = Set(fitted.kept.flatMap { [$0.source, $0.divisor, $0.share].compactMap(\.self) })
    needed = reader.layouts.mapValues { layout in
      layout.shown.enumerated().filter { names.contains($0.element.name) }
        .map { ($0.offset, $0.element.name) }
    }
    rowsSinceHeading = 0
    let fresh = fitted.dropped.map(\.source).filter { toldDropped.insert($0).inserted }
    if !fresh.isEmpty {
      notice(
        "the terminal has \(style.width) columns: left out \(fresh.count) of the table "
          + "(\(fresh.prefix(4).joined(separator: ", "))\(fresh.count > 4 ? ", …" : "")); "
          + "csv and ndjson have them all")
    }
    return fitted.kept
  }

  private func appendHeading(_ columns: [TableColumn]) {
    var top = String(repeating: " ", count: clockWidth)
    var bottom = "time" + String(repeating: " ", count: clockWidth - 4)
    var index = 0
    while index < columns.count {
      let group = columns[index].group
      var line = ""
      while index < columns.count, columns[index].group == group {
        let width = max(columns[index].format.width, columns[index].heading.count)
        let pad = String(repeating: " ", count: width - columns[index].heading.count)
        line += " " + pad + columns[index].heading
        index += 1
      }
      bottom += " |" + line
      let title = String(group.prefix(max(1, line.count - 1)))
      let left = (line.count - title.count) / 2
      top +=
        " |" + String(repeating: " ", count: left) + title
        + String(repeating: " ", count: line.count - title.count - left)
    }
    buffer.append(style.colour ? "\u{1b}[1m\(top)\u{1b}[0m\n" : top + "\n")
    buffer.append(style.colour ? "\u{1b}[4m\(bottom)\u{1b}[0m\n" : bottom + "\n")
  }

  /// Nothing is dim, a busy share is yellow, a nearly full one or any loss is red.
  private func coloured(_ text: String, value: Double?, column: TableColumn) -> String {
    guard style.colour, let value else { return text }
    let isIdle = column.source.hasPrefix("cpu.idle")
    let isLoss = ["drp in", "err in"].contains(column.heading)
    let code: String? =
      switch column.format {
      case _ where value == 0: "2"
      case .percent where !isIdle && value >= 0.9: "31"
      case .percent where !isIdle && value >= 0.5: "33"
      case _ where isLoss: "31"
      case .bytes where value >= 1_048_576: "36"
      default: nil
      }
    return code.map { "\u{1b}[\($0)m\(text)\u{1b}[0m" } ?? text
  }
}
