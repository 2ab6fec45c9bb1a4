import SampleModel

/// Formats records below the rows of the table, one per line, by the names of their schemas.
enum RecordLines: String {
  case busiest
  case flows = "packet_flow"

  /// The heading above the lines.
  var heading: String {
    switch self {
    case .busiest: BusiestLines.heading
    case .flows: FlowLines.heading
    }
  }

  /// A line for each row.
  func lines(_ rows: Span<UInt64>, _ schema: RecordSchema) -> [String] {
    switch self {
    case .busiest: BusiestLines.lines(rows, schema)
    case .flows: FlowLines.lines(rows, schema)
    }
  }

  /// Cells of these widths, each with a space after it, and what follows them.
  static func line(_ cells: [(String, Int)], _ rest: String) -> String {
    cells.reduce(into: "") { line, cell in
      line += String(repeating: " ", count: max(0, cell.1 - cell.0.count)) + cell.0 + " "
    } + " " + rest
  }
}

/// The busiest processes of a tick as lines below the table's row, as pidstat's users know them.
enum BusiestLines {
  static let heading = "    pid  cpu %     rss  thr   cpu   read/s  write/s  command"

  /// A line for each row: CPU as a share of one, I/O by the second.
  static func lines(_ rows: Span<UInt64>, _ schema: RecordSchema) -> [String] {
    var lines: [String] = []
    for row in 0..<rows.count / schema.fields.count {
      var numbers: [String: Double] = [:]
      var command = ""
      for value in RecordValue.read(rows, row: row, schema) {
        switch value.content {
        case .number(let number): numbers[value.name] = Double(number)
        case .text(let text): if value.name == "comm" { command = text }
        }
      }
      let window = max(1, numbers["elapsed"] ?? 1)
      let rate: (String) -> String = { name in
        numbers[name].map { Readable.bytes($0 * 1e9 / window) } ?? "-"
      }
      let share = (numbers["sum_exec_runtime"] ?? 0) / window * 100
      let cells = [
        (Readable.fixed(numbers["pid"] ?? 0, 0), 7), (Readable.fixed(share, 1), 6),
        (Readable.bytes(numbers["rss"] ?? 0), 7),
        (Readable.fixed(numbers["num_threads"] ?? 0, 0), 4),
        (Readable.fixed(numbers["processor"] ?? 0, 0), 5), (rate("read_bytes"), 8),
        (rate("write_bytes"), 8),
      ]
      // A name may hold anything, also a line feed, which would begin another process's line.
      let name = command.parts("\n", keepEmpty: true)
      lines.append(RecordLines.line(cells, name.joined(separator: "\\n").shown))
    }
    return lines
  }
}
