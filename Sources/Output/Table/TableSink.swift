package import SampleModel

/// The live table: grouped headings once a screen, a row a tick, units scaled, colour by meaning.
package final class TableSink: SampleSink {
  /// A cell as it stood in the last row.
  private struct DrawnCell {
    var value: Double?
    var isPartial: Bool
    var text: TextBuffer
  }

  /// The row of a tick that is not complete.
  private struct Row {
    let header: FrameHeader
    let time: UInt64
    /// Its values by slot; by name until the columns are known.
    var values: [Double?]
    var early: [String: Double] = [:]
    /// Records that go below it.
    var below: [(kind: RecordLines, lines: [String])] = []
  }

  /// The indexes of a stream's values that a row needs, and their slots.
  private struct Needed {
    var indices: [Int] = []
    var slots: [Int] = []
  }

  private var reader: StreamReader
  private var style: Style
  private let writer: TextWriter
  private let notice: (String) -> Void
  private let detail: (String) -> Void
  private let clock: (UInt64) -> String
  private let clockWidth: Int
  private var buffer = TextBuffer()
  /// The cells of a row, after the columns were chosen.
  private var shown: [TableCell]?
  private var drawn: [DrawnCell] = []
  private var columns: [TableColumn] = []
  /// What those need of each stream's values: most of them the table does not show.
  private var needed: [Needed?] = []
  /// Instances that have counted nothing since boot: the first to go.
  private var idle: [UInt16: Set<String>] = [:]
  private var toldDropped = Set<String>()
  private var hasToldWhatIsShown = false
  /// The next row's columns have a heading.
  private var hasHeading = false
  private var linesSinceHeading = 0
  /// Records that have a heading of their own on this screen.
  private var headed = Set<RecordLines>()
  /// Open rows, in order of their first frames.
  private var rows: [Row] = []
  private var limit = OpenRows.ofOneThread
  /// The slots of a row's values, by name.
  private var slots: [String: Int] = [:]
  private var schemas: [UInt16: RecordSchema] = [:]
  package private(set) var bytesWritten: UInt64 = 0
  /// Takes rows as values, with all columns; nothing is written then.
  package var receiver: (any TableReceiver)? {
    didSet { if receiver != nil { (style.width, style.window) = (.max, nil) } }
  }

  /// A table. `clock` formats Unix nanoseconds as wall-clock time, always in the same width.
  /// `notice` receives messages for every user, `detail` those for `--verbose`.
  package init(
    reader: StreamReader, style: Style, clock: @escaping (UInt64) -> String,
    writer: @escaping TextWriter, notice: @escaping (String) -> Void,
    detail: @escaping (String) -> Void = { _ in }
  ) {
    self.reader = reader
    self.style = style
    self.clock = clock
    clockWidth = max(4, clock(0).count)
    self.writer = writer
    self.notice = notice
    self.detail = detail
  }

  /// Takes the clock anchor.
  package func begin(_ meta: StreamMeta) throws(LBError) {
    reader.begin(meta)
    limit = OpenRows.limit(meta)
    for schema in meta.records { schemas[schema.stream] = schema }
  }

  /// New columns: the next row comes under a new heading.
  package func layout(_ layout: Layout) throws(LBError) {
    while !rows.isEmpty { endRow() }
    chooseAnew()
    reader.layout(layout)
  }

  /// Columns are chosen before the next row.
  private func chooseAnew() {
    guard shown != nil else { return }
    // After skipped frames there is no previous value for a rate.
    for stream in reader.layouts.keys where needed(of: stream) == nil { reader.invalidate(stream) }
    for index in rows.indices {
      for (name, slot) in slots { rows[index].early[name] = rows[index].values[slot] }
    }
    shown = nil
  }

  /// Chooses the columns again after the window's width has changed. Open rows have no values for
  /// new columns.
  private func followWindow() {
    guard let window = style.window?() else { return }
    style.pageRows = window.pageRows
    guard window.width != style.width else { return }
    style.width = window.width
    chooseAnew()
  }

  /// Of an earlier frame, what later rates are counted from.
  package func pass(_ header: FrameHeader, _ values: Span<UInt64>) { reader.pass(header, values) }

  /// Puts the values into the row of their tick.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    if let cause = reader.absence(header) {
      notice("\(cause); shown as \"-\" (reported once, counted as \"frames without values\")")
    }
    // As long as the columns are not known, all of them are read.
    let mine = shown == nil ? nil : needed(of: header.stream)
    if let shown {
      // Without any cells the rows are their times.
      if mine == nil, !shown.isEmpty {
        let isEdge = header.edge == .open || reader.isRun && header.edge == .close
        if !isEdge { _ = open(header, time: reader.unixTime(of: header.start)) }
        return
      }
    } else {
      noteIdle(header, values)
    }
    guard let frame = reader.read(header, values, only: mine?.indices) ?? reader.gap(header),
      !(reader.isRun && header.edge == .close)
    else { return }
    let index = open(header, time: frame.time)
    if shown == nil {
      for (column, value) in zip(frame.layout.shown, frame.values) {
        rows[index].early[column.name] = value.number
      }
    } else if let needed = needed(of: header.stream), !frame.values.isEmpty {
      // Taken out, as in `endRow`.
      var row: [Double?] = []
      swap(&row, &rows[index].values)
      for (index, slot) in needed.slots.enumerated() {
        // This frame may have been read just before the columns were known.
        row[slot] = frame.values[mine == nil ? needed.indices[index] : index].number
      }
      swap(&row, &rows[index].values)
    }
  }

  private func needed(of stream: UInt16) -> Needed? {
    Int(stream) < needed.count ? needed[Int(stream)] : nil
  }

  /// The index of the row of this frame's tick, which is opened if it is not.
  private func open(_ header: FrameHeader, time: UInt64) -> Int {
    if let known = rows.lastIndex(where: { OpenRows.isSameTick($0.header, header) }) {
      return known
    }
    if rows.count >= limit { endRow() }
    rows.append(
      Row(header: header, time: time, values: Array(repeating: nil, count: slots.count)))
    return rows.count - 1
  }

  /// The busiest processes and flows are shown below their row, each in a line with its time; other
  /// records are not shown.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
    guard let schema = schemas[header.stream], let kind = RecordLines(rawValue: schema.name),
      header.edge == .none || reader.isRun && header.edge == .close
    else { return }
    let index = self.rows.lastIndex { OpenRows.isSameTick($0.header, header) }
    let unix = index.map { self.rows[$0].time } ?? reader.unixTime(of: header.start)
    let time = clock(unix)
    let lines = kind.lines(rows, schema).map { "\(time) \($0)" }
    if let index {
      self.rows[index].below.append((kind, lines))
    } else if let receiver {
      receiver.lines(headed(kind, lines), at: header.start, time: unix)
    } else {
      append(kind, lines)
    }
  }

  /// Lines of records below their heading.
  private func headed(_ kind: RecordLines, _ lines: [String]) -> [String] {
    ["time" + String(repeating: " ", count: clockWidth - 3) + kind.heading] + lines
  }

  /// Records, under their heading where this screen has none yet.
  private func append(_ kind: RecordLines, _ lines: [String]) {
    var lines = lines
    let isFirst = headed.insert(kind).inserted
    if isFirst { lines = headed(kind, lines) }
    for (index, line) in lines.enumerated() {
      // A line that wraps would take two lines of the screen and not fit its heading.
      let line = TableView.cut(line, to: max(1, style.width), style.ellipsis)
      buffer.append((index == 0 && isFirst ? marked(line, "4") : line) + "\n")
    }
    linesSinceHeading += lines.count
  }

  /// Says what happened beside the samples.
  package func event(_ event: SampleEvent) throws(LBError) {
    reader.event(event)
    guard event.kind != .clockAnchor else { return }
    receiver?.event(event)
    notice(event.message)
  }

  /// Shows the row of every tick that is complete.
  package func commit(watermark: UInt64) throws(LBError) {
    while let open = rows.first, OpenRows.isComplete(open.header, at: watermark) { endRow() }
    guard !buffer.isEmpty else { return }
    try writer(buffer.bytes)
    bytesWritten += UInt64(buffer.bytes.count)
    buffer.clear()
  }

  /// Draws the oldest open row.
  private func endRow() {
    followWindow()
    let cells = shown ?? prepare()
    let row = rows.removeFirst()
    if let receiver {
      receiver.row(
        TableRow(
          header: row.header, time: row.time, values: cells.map { $0.value(row.values) },
          partial: cells.indices.filter { cells[$0].isPartial(row.values) },
          below: row.below.flatMap { headed($0.kind, $0.lines) }))
      return
    }
    if !hasHeading || linesSinceHeading >= style.pageRows { appendHeading() }
    linesSinceHeading += 1
    // Taken out, so that not each cell meets a check of exclusive access.
    var line = TextBuffer()
    var drawn: [DrawnCell] = []
    swap(&line, &buffer)
    swap(&drawn, &self.drawn)
    line.append(clock(row.time))
    for (index, cell) in cells.enumerated() {
      let value = cell.value(row.values)
      let isPartial = cell.isPartial(row.values)
      // Most counters do not change from one row to the next.
      if drawn[index].value != value || drawn[index].isPartial != isPartial {
        drawn[index] = draw(cell, value, isPartial)
      }
      line.append(drawn[index].text)
    }
    swap(&line, &buffer)
    swap(&drawn, &self.drawn)
    buffer.append(ascii: "\n")
    for (kind, lines) in row.below { append(kind, lines) }
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

  /// Chooses the columns, and the slots of their values.
  private func prepare() -> [TableCell] {
    let layouts = reader.layouts.values.sorted { $0.stream < $1.stream }
    let fitted = TableView.fit(
      TableView.columns(of: layouts, style, idle: idle, notice: tellOnce), width: style.width,
      fixed: clockWidth)
    columns = fitted.kept
    slots = [:]
    func slot(_ name: String) -> Int {
      if let known = slots[name] { return known }
      slots[name] = slots.count
      return slots.count - 1
    }
    let cpuCount = max(1, style.cpuCount ?? Self.cpus(in: layouts))
    var group: String?
    let cells = fitted.kept.map { column in
      defer { group = column.group }
      return TableCell(
        column, beginsGroup: column.group != group, cpuCount: cpuCount, slot: slot)
    }
    shown = cells
    drawn = cells.map { draw($0, nil, false) }
    needed = Array(repeating: nil, count: 1 + Int(layouts.last?.stream ?? 0))
    for layout in layouts {
      var mine = Needed()
      for (index, column) in layout.shown.enumerated() {
        guard let slot = slots[column.name] else { continue }
        mine.indices.append(index)
        mine.slots.append(slot)
      }
      if !mine.indices.isEmpty { needed[Int(layout.stream)] = mine }
    }
    for index in rows.indices {
      rows[index].values = Array(repeating: nil, count: slots.count)
      for (name, slot) in slots { rows[index].values[slot] = rows[index].early[name] }
      rows[index].early = [:]
    }
    hasHeading = false
    receiver?.columns(columns)
    reportShown(fitted, layouts)
    return cells
  }

  /// Reports once how many of all metrics are shown, and for which columns there is no room.
  private func reportShown(
    _ fitted: (kept: [TableColumn], dropped: [TableColumn]), _ layouts: [Layout]
  ) {
    let count = fitted.kept.count + fitted.dropped.count
    if !hasToldWhatIsShown,
      let glance = TableView.glance(
        fitted.kept, of: count, layouts.filter { !$0.columns.isEmpty }, isChosen: style.showsAll)
    {
      hasToldWhatIsShown = true
      notice(glance)
    }
    let fresh = fitted.dropped.map(\.source).filter { toldDropped.insert($0).inserted }
    if !fresh.isEmpty { detail("no room in the table for \(fresh.joined(separator: ", "))") }
  }

  private func tellOnce(_ message: String) {
    if toldDropped.insert(message).inserted { notice(message) }
  }

  /// CPUs of which the kernel lists the time.
  private static func cpus(in layouts: [Layout]) -> Int {
    let columns = layouts.first { $0.collector == "cpu" }?.columns ?? []
    return Set(columns.map(\.instance).filter { UInt($0) != nil }).count
  }

  private func appendHeading() {
    let lines = TableView.heading(columns, clockWidth: clockWidth, ellipsis: style.ellipsis)
    for (index, line) in lines.enumerated() {
      // Groups bold, a line below the last.
      let mark = index == 0 ? "1" : index == lines.count - 1 ? "4" : nil
      buffer.append((mark.map { marked(line, $0) } ?? line) + "\n")
    }
    hasHeading = true
    linesSinceHeading = 0
    headed = []
  }

  private func marked(_ line: String, _ mark: String) -> String {
    style.colour ? "\u{1b}[\(mark)m\(line)\u{1b}[0m" : line
  }

  private func draw(_ cell: TableCell, _ value: Double?, _ isPartial: Bool) -> DrawnCell {
    DrawnCell(
      value: value, isPartial: isPartial,
      text: cell.text(value, isPartial: isPartial, colour: style.colour))
  }
}
