package import SampleModel

/// One header, one row a tick; columns are fixed by the first layouts, and those to `expect`.
package final class CSVSink: SampleSink {
  private var reader: StreamReader
  private let writer: TextWriter
  private let notice: (String) -> Void
  private let style: CSVStyle
  private var buffer = TextBuffer()
  private var columns: [String: Int] = [:]
  private var order: [Column] = []
  /// The cell of each value of each stream in a row; nil for values without a column.
  private var cells: [UInt16: [Int?]] = [:]
  private var headerWritten = false
  private var lateInstances = Set<String>()
  /// Notices that were given: each is given once.
  private var reported = Set<String>()
  /// Rows whose ticks are not complete, in order of their first frames.
  private var rows: [(frame: ReadFrame, cells: [DerivedValue])] = []
  private var limit = OpenRows.ofOneThread
  package private(set) var bytesWritten: UInt64 = 0

  /// Instances that came after the header and have no column.
  package var lateInstanceCount: Int { lateInstances.count }

  /// A sink that writes complete rows by `writer`, and reports once to `notice` which columns it
  /// cannot show.
  package init(
    reader: StreamReader, style: CSVStyle = CSVStyle(), writer: @escaping TextWriter,
    notice: @escaping (String) -> Void
  ) {
    self.reader = reader
    self.style = style
    self.writer = writer
    self.notice = notice
  }

  /// Adds the columns of layouts that will come in the course of the stream to the header.
  package func expect(_ layouts: [Layout]) { for layout in layouts { addColumns(of: layout) } }

  private func addColumns(of layout: Layout) {
    for column in layout.shown where columns[column.name] == nil {
      columns[column.name] = order.count
      order.append(column)
    }
  }

  /// Takes the clock anchor.
  package func begin(_ meta: StreamMeta) throws(LBError) {
    reader.begin(meta)
    limit = OpenRows.limit(meta)
  }

  /// Adds columns until the header is written; reports those that come later.
  package func layout(_ layout: Layout) throws(LBError) {
    reader.layout(layout)
    if !headerWritten { addColumns(of: layout) }
    var late: [String] = []
    var isInstance = true
    for column in layout.shown where columns[column.name] == nil {
      let instance = "\(layout.collector)[\(column.instance)]"
      let isNew = lateInstances.insert(instance).inserted
      if column.instance.isEmpty {
        if reported.insert(column.name).inserted {
          late.append(column.name)
          isInstance = false
        }
      } else if isNew {
        late.append(instance)
      }
    }
    if let first = late.first, let last = late.last {
      let kind = isInstance ? "instances" : "columns"
      let what = late.count == 1 ? first : "\(late.count) \(kind) (\(first) … \(last))"
      notice(
        "\(layout.collector): \(what) appeared after the CSV header was written and "
          + "\(late.count == 1 ? "is" : "are") not in the output; use --format ndjson or --record "
          + "to keep \(late.count == 1 ? "it" : "them")")
    }
    cells[layout.stream] = layout.shown.map { columns[$0.name] }
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
    for (cell, value) in zip(cells[header.stream] ?? [], frame.values) {
      if let cell { rows[row].cells[cell] = value }
    }
  }

  /// Ignored: `RecordCSVSink` writes records.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}

  /// Updates the clock for dates, and reports the event.
  package func event(_ event: SampleEvent) throws(LBError) {
    reader.event(event)
    if event.kind != .clockAnchor, reported.insert(event.message).inserted { notice(event.message) }
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

  /// RFC 4180: quotes around a text with a comma, a quote or a line break. Bytes that are not UTF-8
  /// are written by `OSText.written`.
  package static func quoted(_ text: String) -> String {
    // By scalars: a quote that a combining mark follows is another Character, but still a quote.
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
