package import SampleModel

/// A run as one row of a table, and of a data set's catalogue.
package struct RunRow: Codable, Sendable, Equatable {
  package var run: String
  package var name: String
  package var kind: String
  package var status: String
  package var start: UInt64
  package var end: UInt64?
  package var duration: UInt64?
  package var host: String?
  package var kernel: String?
  package var cpuModel: String?
  package var cpus: UInt64?
  package var command: String
  package var repetitions: UInt64
  package var version: String
  /// JSON objects: labels, facts of the host, the configuration.
  package var labels: String
  package var facts: String
  package var configuration: String

  /// The row of a run that `version` of lbsample recorded.
  package init(_ result: RunResult, version: String) {
    run = result.runID
    name = result.name
    kind = result.kind
    status = result.status.rawValue
    (start, end) = (result.startUnixNanoseconds, result.endUnixNanoseconds)
    duration = result.durationNanoseconds
    host = result.host["hostname"]
    kernel = result.host["kernel"]
    cpuModel = result.host["cpu_model"]
    cpus = result.host["cpus"].flatMap { UInt64($0) }
    let first = result.phases.first { !$0.command.isEmpty }?.command ?? []
    command = first.map(OSText.written).joined(separator: " ")
    repetitions = result.phases.reduce(0) { total, phase in
      total + UInt64(phase.repetitions.count { !$0.warmUp && $0.status == .completed })
    }
    self.version = version
    labels = Self.object(result.labels)
    facts = Self.object(result.host)
    configuration = Self.object(
      Dictionary(
        result.configuration.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 }))
  }

  private static func object(_ members: [String: String]) -> String {
    var text = TextBuffer()
    text.append(ascii: "{")
    for (key, value) in members.sorted(by: { $0.key < $1.key }) { text.member(key, value) }
    text.append(ascii: "}")
    return String(decoding: text.bytes, as: UTF8.self)
  }

  /// The columns of a table of runs.
  static let columns = [
    ParquetColumn("run", .text), ParquetColumn("name", .text), ParquetColumn("kind", .text),
    ParquetColumn("status", .text), ParquetColumn("start", .timestamp),
    ParquetColumn("start_ns", .integer, facts: [("unit", "ns")]),
    ParquetColumn("end_ns", .integer, isOptional: true, facts: [("unit", "ns")]),
    ParquetColumn("duration_ns", .integer, isOptional: true, facts: [("unit", "ns")]),
    ParquetColumn("host", .text, isOptional: true),
    ParquetColumn("kernel", .text, isOptional: true),
    ParquetColumn("cpu_model", .text, isOptional: true),
    ParquetColumn("cpus", .integer, isOptional: true), ParquetColumn("command", .text),
    ParquetColumn(
      "repetitions", .integer, facts: [("meaning", "counted and completed repetitions")]),
    ParquetColumn("lbsample_version", .text),
    ParquetColumn("labels", .text, facts: [("meaning", "a JSON object")]),
    ParquetColumn("host_facts", .text, facts: [("meaning", "a JSON object")]),
    ParquetColumn("configuration", .text, facts: [("meaning", "a JSON object")]),
  ]

  var cells: [Cell] {
    [
      .text(run), .text(name), .text(kind), .text(status), .integer(start / 1000),
      .integer(start), Cell(end), Cell(duration), Cell(host), Cell(kernel), Cell(cpuModel),
      Cell(cpus), .text(command), .integer(repetitions), .text(version), .text(labels),
      .text(facts), .text(configuration),
    ]
  }
}
