import SampleModel

/// The flows and ports with most bytes as lines below the table's row.
enum FlowLines {
  static let heading = "   bytes  at most  packets  flow"

  /// A line for each row: amounts since the bracket began.
  static func lines(_ rows: Span<UInt64>, _ schema: RecordSchema) -> [String] {
    var lines: [String] = []
    for row in 0..<rows.count / schema.fields.count {
      var numbers: [String: UInt64] = [:]
      var texts: [String: String] = [:]
      for value in RecordValue.read(rows, row: row, schema) {
        switch value.content {
        case .number(let number): numbers[value.name] = number
        case .text(let text): texts[value.name] = text
        }
      }
      let bytes = numbers["bytes"] ?? 0
      let least = bytes - min(bytes, numbers["error"] ?? 0)
      let cells = [
        (Readable.bytes(Double(least)), 8), (Readable.bytes(Double(bytes)), 8),
        ((numbers["packets"] ?? 0) == 0 ? "-" : "\(numbers["packets"] ?? 0)", 8),
      ]
      let interface = (texts["interface"] ?? "").shownInLine
      lines.append(RecordLines.line(cells, interface + " " + name(numbers, texts)))
    }
    return lines
  }

  private static func name(_ numbers: [String: UInt64], _ texts: [String: String]) -> String {
    let known: [UInt64: String] = [
      1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 58: "icmpv6", 132: "sctp",
    ]
    let number = numbers["protocol"] ?? 0
    let word = known[number] ?? "protocol \(number)"
    let from = numbers["source_port"] ?? 0
    let to = numbers["destination_port"] ?? 0
    guard let source = texts["source"], !source.isEmpty else { return "\(word) port \(from)" }
    let destination = texts["destination"] ?? ""
    guard from != 0 || to != 0 else { return "\(word) \(source) → \(destination)" }
    // As tcpdump writes them: a point separates an IPv6 address from the port.
    return "\(word) \(source).\(from) → \(destination).\(to)"
  }
}
