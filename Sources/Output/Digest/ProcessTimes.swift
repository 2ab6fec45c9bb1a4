package import SampleModel

/// CPU time of processes within windows of time, from their records (`busiest` of `top`, `process`
/// of `tree`).
///
/// A record of `busiest` has the CPU time of its own window, one of `process` that since the start
/// of the process: of two such, the growth between them counts.
package struct ProcessTimes {
  /// The CPU time that a process used between two times.
  package struct Use {
    package let pid: UInt64
    package let name: String
    package let time: UInt64
    package let start: UInt64
    package let end: UInt64
  }

  /// The names of the schemas that it takes.
  package static let schemas: Set<String> = ["busiest", "process"]
  /// The most processes whose last reading is known.
  static let most = 65_536

  private struct Reading {
    let bracket: UInt32
    let at: UInt64
    let time: UInt64
  }

  /// A new process of `process` counts from the records before its first one in the bracket.
  private let countsNew: Bool
  private var streams: [UInt16: RecordSchema] = [:]
  private var known: [UInt64: Reading] = [:]
  private var latest: [UInt16: (bracket: UInt32, at: UInt64)] = [:]
  /// Processes of a tree: `busiest` has the same CPU time of them.
  private var ofTree: Set<UInt64> = []

  /// `countsNew`: whether all CPU time of a process that came after the first records of a bracket
  /// counts, in the window before its first record.
  package init(countsNew: Bool) { self.countsNew = countsNew }

  /// Takes the schemas of processes.
  package mutating func begin(_ meta: StreamMeta) {
    for schema in meta.records where Self.schemas.contains(schema.name) {
      streams[schema.stream] = schema
    }
  }

  /// Takes a batch of records. `joined` gets each process whose first record of `process` this is,
  /// `used` the CPU time of each record that has some.
  package mutating func take(
    _ header: FrameHeader, _ rows: Span<UInt64>, joined: (UInt64) -> Void = { _ in },
    used: (Use) -> Void
  ) {
    guard let schema = streams[header.stream], !schema.fields.isEmpty else { return }
    let before = latest[header.stream].flatMap { $0.bracket == header.bracket ? $0.at : nil }
    latest[header.stream] = (header.bracket, header.start)
    for row in 0..<rows.count / schema.fields.count {
      var numbers: [String: UInt64] = [:]
      var name = ""
      for value in RecordValue.read(rows, row: row, schema) {
        switch value.content {
        case .number(let number): numbers[value.name] = number
        case .text(let text): if value.name == "comm" { name = text }
        }
      }
      guard let pid = numbers["pid"], let time = numbers["sum_exec_runtime"] else { continue }
      if schema.name == "busiest" {
        guard !ofTree.contains(pid), let window = numbers["elapsed"] else { continue }
        let start = header.start > window ? header.start - window : 0
        used(Use(pid: pid, name: name, time: time, start: start, end: header.start))
        continue
      }
      // Threads are within their processes.
      guard numbers["kind"] != 1 else { continue }
      if ofTree.count < Self.most, ofTree.insert(pid).inserted { joined(pid) }
      let last = known[pid].flatMap { $0.bracket == header.bracket ? $0 : nil }
      if known[pid] != nil || known.count < Self.most {
        known[pid] = Reading(bracket: header.bracket, at: header.start, time: time)
      }
      // A number may have been given to another process: its time is less.
      if let last, time >= last.time {
        used(
          Use(pid: pid, name: name, time: time - last.time, start: last.at, end: header.start))
      } else if countsNew, let before {
        // A process that cannot have used so much since then was left out of earlier records.
        let threads = min(max(numbers["num_threads"] ?? 1, 1), 65_536)
        let window = header.start > before ? header.start - before : 0
        guard Double(time) <= Double(window) * Double(threads) else { continue }
        used(Use(pid: pid, name: name, time: time, start: before, end: header.start))
      }
    }
  }
}
