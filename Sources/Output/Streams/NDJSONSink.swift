package import SampleModel

/// One JSON object a line: `meta`, then `sample` and `event` lines, then `end`.
///
/// Every pass of the drain ends on a whole line that has been handed over.
package final class NDJSONSink: SampleSink {
  package static let schemaVersion: UInt64 = 1

  private var reader: StreamReader
  private let writer: TextWriter
  private let host: [(name: String, value: String)]
  private let configuration: [ConfigurationEntry]
  private var buffer = TextBuffer()
  private var meta: StreamMeta?
  private var metaWritten = false
  package private(set) var bytesWritten: UInt64 = 0

  /// A sink that hands whole lines to `writer`.
  package init(
    reader: StreamReader, host: [(name: String, value: String)],
    configuration: [ConfigurationEntry], writer: @escaping TextWriter
  ) {
    self.reader = reader
    // In one order, live and of a stored run.
    self.host = host.sorted { $0.name < $1.name }
    self.configuration = configuration
    self.writer = writer
  }

  /// Remembers the meta line's content.
  package func begin(_ meta: StreamMeta) throws(LBError) {
    self.meta = meta
    reader.begin(meta)
  }

  /// A first layout goes into the meta line, a later one into an event line.
  package func layout(_ layout: Layout) throws(LBError) {
    reader.layout(layout)
    guard metaWritten else { return }
    buffer.append(#"{"type":"event","event":"layout","#)
    buffer.append(#""layout":"#)
    Self.append(layout, to: &buffer)
    endLine()
  }

  /// Of an earlier frame, what later rates are counted from.
  package func pass(_ header: FrameHeader, _ values: Span<UInt64>) { reader.pass(header, values) }

  /// A sample line; an absence is reported once.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    try writeMeta()
    if let cause = reader.absence(header) {
      appendEvent(kind: "gap", time: header.start, message: "\(cause); values left out")
    }
    guard let frame = reader.read(header, values) else { return }
    buffer.append(#"{"type":"sample","collector":"#)
    buffer.append(json: frame.layout.collector)
    buffer.member("time_ns", frame.time)
    buffer.member("elapsed_ns", frame.elapsed)
    if let window = frame.window { buffer.member("window_ns", window) }
    if let label = frame.label { Self.append(label, to: &buffer) }
    switch header.edge {
    case .open: buffer.member("edge", "open")
    case .close: if reader.isRun { buffer.member("edge", "close") }
    case .none: break
    }
    buffer.key("values")
    buffer.append(ascii: "{")
    for (column, value) in zip(frame.layout.shown, frame.values) {
      switch value {
      case .absent: continue
      case .integer(let number): buffer.member(column.name, number)
      case .real(let number):
        buffer.key(column.name)
        buffer.append(real: number)
      }
    }
    buffer.append("}")
    appendWindows(frame)
    endLine()
  }

  /// The windows of rates that differ from the line's window, if there are any.
  private func appendWindows(_ frame: ReadFrame) {
    guard !frame.windows.isEmpty else { return }
    buffer.key("windows_ns")
    buffer.append(ascii: "{")
    for (index, column) in frame.layout.shown.enumerated() {
      if let window = frame.windows[index] { buffer.member(column.name, window) }
    }
    buffer.append("}")
  }

  /// One line for each batch: its rows as objects, a field that is not there left out.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
    try writeMeta()
    guard let schema = meta?.records.first(where: { $0.stream == header.stream }) else { return }
    buffer.append(#"{"type":"records","collector":"#)
    buffer.append(json: schema.collector)
    buffer.member("record", schema.name)
    buffer.member("time_ns", reader.unixTime(of: header.start))
    buffer.key("rows")
    buffer.append(ascii: "[")
    let width = schema.fields.count
    for row in 0..<rows.count / width {
      buffer.element()
      buffer.append(ascii: "{")
      for value in RecordValue.read(rows, row: row, schema) {
        switch value.content {
        case .text(let text): buffer.member(value.name, text)
        case .number(let number): buffer.member(value.name, number)
        }
      }
      buffer.append(ascii: "}")
    }
    buffer.append(ascii: "]")
    buffer.append(ascii: "}")
    buffer.append(ascii: "\n")
  }

  /// One event line.
  package func event(_ event: SampleEvent) throws(LBError) {
    reader.event(event)
    guard event.kind != .clockAnchor else { return }
    try writeMeta()
    appendEvent(kind: event.kind.rawValue, time: event.time, message: event.message)
  }

  /// Writes the buffered lines.
  package func commit(watermark: UInt64) throws(LBError) {
    try writeMeta()
    guard !buffer.isEmpty else { return }
    try writer(buffer.bytes)
    bytesWritten += UInt64(buffer.bytes.count)
    buffer.clear()
  }

  /// The last line: ledger and own cost.
  package func end(ledger: Ledger, overhead: Overhead) throws(LBError) {
    try writeMeta()
    buffer.append(#"{"type":"end""#)
    buffer.key("ledger")
    LedgerText.append(ledger, to: &buffer)
    buffer.key("overhead")
    LedgerText.append(overhead, to: &buffer)
    endLine()
    try commit(watermark: .max)
  }

  private func endLine() {
    buffer.append(ascii: "}")
    buffer.append(ascii: "\n")
  }

  private func appendEvent(kind: String, time: UInt64, message: String) {
    buffer.append(#"{"type":"event","event":"#)
    buffer.append(json: kind)
    buffer.member("time_ns", reader.unixTime(of: time))
    buffer.member("message", message)
    endLine()
  }

  private func writeMeta() throws(LBError) {
    guard !metaWritten, let meta else { return }
    metaWritten = true
    buffer.append(#"{"type":"meta""#)
    buffer.member("schema_version", Self.schemaVersion)
    buffer.member("interval_ns", meta.interval)
    buffer.member("time_ns", meta.anchor.realtime)
    buffer.member("values", reader.raw ? "raw" : "rates")
    buffer.key("layouts")
    buffer.append(ascii: "[")
    for layout in reader.layouts.values.sorted(by: { $0.stream < $1.stream }) {
      buffer.element()
      Self.append(layout, to: &buffer)
    }
    buffer.append(ascii: "]")
    buffer.key("unavailable")
    buffer.append(ascii: "[")
    for missing in meta.unavailable {
      buffer.element()
      buffer.append(ascii: "{")
      buffer.member("collector", missing.collector)
      buffer.member("outcome", missing.outcome)
      buffer.member("reason", missing.reason)
      buffer.append(ascii: "}")
    }
    buffer.append(ascii: "]")
    buffer.key("host")
    buffer.append(ascii: "{")
    for fact in host { buffer.member(fact.name, fact.value) }
    buffer.append(ascii: "}")
    buffer.key("configuration")
    buffer.append(ascii: "{")
    for entry in configuration { buffer.member(entry.key, entry.value) }
    buffer.append(ascii: "}")
    endLine()
  }

  private static func append(_ label: AttemptID, to buffer: inout TextBuffer) {
    buffer.member("phase", label.phase)
    buffer.member("repetition", UInt64(label.repetition))
    if label.warmUp {
      buffer.key("warm_up")
      buffer.append("true")
    }
    buffer.member("attempt", UInt64(label.attempt))
  }

  private static func append(_ layout: Layout, to buffer: inout TextBuffer) {
    buffer.append(ascii: "{")
    buffer.member("collector", layout.collector)
    buffer.member("epoch", UInt64(layout.epoch))
    buffer.key("columns")
    buffer.append(ascii: "[")
    for column in layout.columns {
      buffer.element()
      buffer.append(ascii: "{")
      buffer.member("name", column.name)
      buffer.member("unit", column.metric.unit.rawValue)
      buffer.member("kind", column.metric.kind.rawValue)
      buffer.member("scale_numerator", column.metric.scale.numerator)
      buffer.member("scale_denominator", column.metric.scale.denominator)
      buffer.append(ascii: "}")
    }
    buffer.append(ascii: "]")
    guard !layout.formulas.isEmpty else {
      buffer.append(ascii: "}")
      return
    }
    buffer.key("formulas")
    buffer.append(ascii: "[")
    for formula in layout.formulas {
      buffer.element()
      buffer.append(ascii: "{")
      buffer.member("name", formula.column.name)
      buffer.member("unit", formula.column.metric.unit.rawValue)
      buffer.member("formula", formula.tokens.joined(separator: " "))
      buffer.append(ascii: "}")
    }
    buffer.append(ascii: "]")
    buffer.append(ascii: "}")
  }
}
