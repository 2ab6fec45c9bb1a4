package import SampleModel

/// One header, one row a tick; columns are fixed by the first layouts, and those to `expect`.
package final class CSVSink: SampleSink {
  private var reader: StreamReader
  private let writer: TextWriter
  private let notice: (String) -> Void
  private let style: CSVStyle
  private var buffer = TextBuffer()
  private var columns: [ExactText: Int] = [:]
  private var order: [Column] = []
  /// Where the values of each stream stand in a row, nil for those without a column.
  private var places: [UInt16: [Int?]] = [:]
  private var headerWritten = false
  private var strangers = Set<String>()
  /// What was said: each once.
  private var told = Set<String>()
  /// Rows whose ticks are not complete, in order of their first frames.
  private var rows: [(frame: ReadFrame, cells: [DerivedValue])] = []
  private var limit = OpenRows.ofOneThread
  package private(set) var bytesWritten: UInt64 = 0

  /// Instances that came after the header and have no column.
  package var strangerCount: Int { strangers.count }

  /// A sink that hands whole rows to `writer`, and says once what it cannot show to `notice`.
  package init(
    reader: StreamReader, style: CSVStyle = CSVStyle(), writer: @escaping TextWriter,
    notice: @escaping (String) -> Void
  ) {
    self.reader = reader
    self.style = style
    self.writer = writer
    self.notice = notice
  }

  /// Gives the columns of these layouts, which come in the course of the stream, their places in
  /// the header.
  package func expect(_ layouts: [Layout]) { for layout in layouts { place(layout) } }

  private func place(_ layout: Layout) {
    for column in layout.shown where columns[ExactText(column.name)] == nil {
      columns[ExactText(column.name)] = order.count
      order.append(column)
    }
  }

  /// Takes the clock anchor.
  package func begin(_ meta: StreamMeta) throws(LBError) {
    reader.begin(meta)
    limit = OpenRows.limit(meta)
  }

  /// Adds columns until the header is written; names what comes later.
  package func layout(_ layout: Layout) throws(LBError) {
    reader.layout(layout)
    if !headerWritten { place(layout) }
    var fresh: [String] = []
    for column in layout.shown where columns[ExactText(column.name)] == nil {
      let instance = "\(layout.collector)[\(column.instance)]"
      let isNew = strangers.insert(instance).inserted
      if column.instance.isEmpty {
        if told.insert(column.name).inserted { fresh.append(column.name) }
      } else if isNew {
        fresh.append(instance)
      }
    }
    if let first = fresh.first, let last = fresh.last {
      let kind = fresh.allSatisfy { $0.hasSuffix("]") } ? "instances" : "columns"
      let what = fresh.count == 1 ? first : "\(fresh.count) \(kind) (\(first) … \(last))"
      notice(
        "\(layout.collector): \(what) appeared after the CSV header was written and "
          + "\(fresh.count == 1 ? "is" : "are") not in the output; use --format ndjson or --record "
          + "to keep \(fresh.count == 1 ? "it" : "them")")
    }
    places[layout.stream] = layout.shown.map { columns[ExactText($0.name)] }
  }

  /// Of an earlier frame, what later rates are counted from.
  package func pass(_ header: FrameHeader, _ values: Span<UInt64>) { reader.pass(header, values) }

  /// Puts the values into the row of their tick.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    writeHeader()
    if let cause = reader.absence(header) {
      notice("\(cause); CSV cells left empty (reported once)")
    }
    guard let frame = reader.read(header, values) ?? reader.gap(header) else { return }
    let known = rows.lastIndex { OpenRows.isSameTick($0.frame.header, frame.header) }
    if known == nil {
      if rows.count >= limit { endRow() }
      rows.append((frame, Array(repeating: .absent, count: order.count)))
    }
    let row = known ?? rows.count - 1
    for (place, value) in zip(places[header.stream] ?? [], frame.values) {
      if let place { rows[row].cells[place] = value }
    }
  }

  /// Records have no place in a table of ticks (`RecordCSVSink`).
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}

  /// Keeps the dates right, and says what happened.
  package func event(_ event: SampleEvent) throws(LBError) {
    reader.event(event)
    if event.kind != .clockAnchor, told.insert(event.message).inserted { notice(event.message) }
  }

  /// Ends the row of every tick that is complete, and hands over.
  package func commit(watermark: UInt64) throws(LBError) {
    if watermark == .max { writeHeader() }
    while let open = rows.first, OpenRows.isComplete(open.frame.header, at: watermark) { endRow() }
    guard !buffer.isEmpty else { return }
    try writer(buffer.bytes)
    bytesWritten += UInt64(buffer.bytes.count)
    buffer.clear()
  }

  private func writeHeader() {
    guard !headerWritten else { return }
    headerWritten = true
    buffer.append("\(style.timeName),elapsed_ns")
    if reader.isRun { buffer.append(",phase,repetition,warm_up,attempt,edge") }
    for column in order {
      buffer.append(ascii: ",")
      buffer.append(style.heading(column.name, column.metric, isRate: !reader.raw))
    }
    buffer.append(ascii: "\n")
  }

  /// Writes the oldest open row.
  private func endRow() {
    let (open, cells) = rows.removeFirst()
    style.append(open.time, to: &buffer)
    buffer.append(ascii: ",")
    buffer.append(number: open.elapsed)
    if reader.isRun {
      let label = open.label
      buffer.append(",\(Self.quoted(label?.phase ?? "")),\(label?.repetition ?? 0)")
      buffer.append(",\(label?.warmUp == true ? 1 : 0),\(label?.attempt ?? 0),")
      buffer.append(
        open.header.edge == .open ? "open" : open.header.edge == .close ? "close" : "")
    }
    for cell in cells {
      buffer.append(ascii: ",")
      switch cell {
      case .absent: break
      case .integer(let number): buffer.append(number: number)
      case .real(let number): buffer.append(real: number)
      }
    }
    buffer.append(ascii: "\n")
  }

  /// RFC 4180: quotes around what has a comma, a quote or a line break. Bytes that are no UTF-8
  /// are written as `OSText.written` has them.
  package static func quoted(_ text: String) -> String {
    // By scalars: with an accent behind it a quote is another character, and still a quote.
    let text = OSText.written(text)
    let scalars = text.unicodeScalars
    guard scalars.contains(where: { $0 == "," || $0 == "\"" || $0 == "\n" || $0 == "\r" }) else {
      return text
    }
    var quoted = String.UnicodeScalarView()
    quoted.append("\"")
    for scalar in scalars {
      if scalar == "\"" { quoted.append(scalar) }
      quoted.append(scalar)
    }
    quoted.append("\"")
    return String(quoted)
  }
}
