import SampleModel

/// The busiest processes of a tick as lines below the table's row, as pidstat's users know them.
enum BusiestLines {
  static let recordName = "busiest"

  /// A heading, and a line for each row: CPU as a share of one, I/O by the second.
  static func text(_ rows: Span<UInt64>, _ schema: RecordSchema, indent: Int) -> String {
    let margin = String(repeating: " ", count: indent + 1)
    var lines = margin + "    pid  cpu %     rss  thr   cpu   read/s  write/s  command\n"
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
      lines += margin
      for (text, width) in cells {
        lines += String(repeating: " ", count: max(0, width - text.count)) + text + " "
      }
      // A name may hold anything: control characters would move the terminal's cursor.
      lines += " " + command.filter { !$0.isNewline && ($0.asciiValue ?? 32) >= 32 } + "\n"
    }
    return lines
  }
}
