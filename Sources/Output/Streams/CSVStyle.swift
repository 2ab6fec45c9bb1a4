package import SampleModel

/// How a CSV writes times and names.
package struct CSVStyle: Sendable {
  /// The times of rows.
  package enum Time: String, Sendable, CaseIterable {
    /// Nanoseconds since 1970, in `time_ns`.
    case unix
    /// `2026-01-02T03:04:05.000000006Z`, in `time`.
    case iso
  }

  /// Where units are written.
  package enum Units: String, Sendable, CaseIterable {
    /// Nowhere.
    case none
    /// Behind each name of the header, as in `net.rx_bytes[eth0] (bytes/s)`: a second line of
    /// headings would make text of every column for those that guess types (pandas, DuckDB), and a
    /// row of data for sqlite.
    case header
  }

  package var time = Time.unix
  package var units = Units.none

  /// Plain numbers under plain names.
  package init() {}

  /// Appends a row's time.
  func append(_ nanoseconds: UInt64, to buffer: inout TextBuffer) {
    guard time == .iso else { return buffer.append(number: nanoseconds) }
    let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    let date = CivilTime(unixSeconds: Int64(seconds)).text.split(separator: " ")
    buffer.append("\(date[0])T\(date[1]).")
    let digits = "\(rest)"
    buffer.append(String(repeating: "0", count: 9 - digits.count) + digits + "Z")
  }

  /// The name of the column of times.
  var timeName: String { time == .iso ? "time" : "time_ns" }

  /// A column's heading, in which its unit stands if it is to; `isRate` where a counter's rate is
  /// shown.
  func heading(_ name: String, _ metric: MetricDescription, isRate: Bool) -> String {
    guard units == .header, metric.unit != .text else { return CSVSink.quoted(name) }
    return CSVSink.quoted("\(name) (\(metric.shownUnit(isRate: isRate)))")
  }
}

/// The records of one kind, a row each: processes, exits, flows.
package final class RecordCSVSink: SampleSink {
  private var reader: StreamReader
  private let record: String
  private let style: CSVStyle
  private let writer: TextWriter
  private var buffer = TextBuffer()
  private var schemas: [UInt16: RecordSchema] = [:]
  /// Several collectors give them, and a column says which did: one for each process tree.
  private var namesCollector = false
  /// Of each schema, its columns: fields of text that are several words are one.
  private var columns: [String] = []
  package private(set) var bytesWritten: UInt64 = 0

  /// A sink of the records called `record`.
  package init(
    reader: StreamReader, record: String, style: CSVStyle, writer: @escaping TextWriter
  ) {
    self.reader = reader
    self.record = record
    self.style = style
    self.writer = writer
  }

  /// Writes the header; throws where nothing gives such records.
  package func begin(_ meta: StreamMeta) throws(LBError) {
    reader.begin(meta)
    let found = meta.records.filter { $0.name == record }
    guard let first = found.first else {
      let known = Set(meta.records.map(\.name)).sorted()
      throw LBError(
        .configuration,
        "--records \(record): "
          + (known.isEmpty
            ? "no selected collector writes records; add --top N, --tree PID, or --packets "
              + "INTERFACES with --packets-top N"
            : "there are records of \(known.joined(separator: ", "))"))
    }
    for schema in found where schema.fields == first.fields { schemas[schema.stream] = schema }
    buffer.append(style.timeName)
    if reader.isRun { buffer.append(",phase,repetition,warm_up,attempt") }
    namesCollector = schemas.count > 1
    if namesCollector { buffer.append(",collector") }
    for field in first.fields where !columns.contains(field.name) {
      columns.append(field.name)
      buffer.append(ascii: ",")
      buffer.append(style.heading(field.name, field, isRate: false))
    }
    buffer.append(ascii: "\n")
  }

  /// Keeps what names the repetitions.
  package func layout(_ layout: Layout) throws(LBError) { reader.layout(layout) }

  /// Samples are of no interest here.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {}

  /// Writes one row per record; a missing field is an empty cell.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
    guard let schema = schemas[header.stream] else { return }
    for row in 0..<rows.count / schema.fields.count {
      style.append(reader.unixTime(of: header.start), to: &buffer)
      if reader.isRun {
        let label = reader.label(of: header)
        buffer.append(",\(CSVSink.quoted(label?.phase ?? "")),\(label?.repetition ?? 0)")
        buffer.append(",\(label?.warmUp == true ? 1 : 0),\(label?.attempt ?? 0)")
      }
      if namesCollector { buffer.append(",\(CSVSink.quoted(schema.collector))") }
      var values = RecordValue.read(rows, row: row, schema)[...]
      for name in columns {
        buffer.append(ascii: ",")
        guard let value = values.first, value.name == name else { continue }
        values.removeFirst()
        switch value.content {
        case .number(let number): buffer.append(number: number)
        case .text(let text): buffer.append(CSVSink.quoted(text))
        }
      }
      buffer.append(ascii: "\n")
    }
  }

  /// Keeps the dates right.
  package func event(_ event: SampleEvent) throws(LBError) { reader.event(event) }

  /// Writes the buffered rows.
  package func commit(watermark: UInt64) throws(LBError) {
    guard !buffer.isEmpty else { return }
    try writer(buffer.bytes)
    bytesWritten += UInt64(buffer.bytes.count)
    buffer.clear()
  }
}
