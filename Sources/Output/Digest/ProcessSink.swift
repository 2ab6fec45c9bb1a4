package import RunAnalysis
package import SampleModel

/// Takes a recording's records of processes (`busiest` of `top`, `process` of `tree`), and finds
/// which of them used the CPUs in stretches of time.
///
/// A record of `busiest` has the CPU time of its own window, one of `process` that since the
/// process's start: of two such, the growth between them counts. Of a window that a stretch has in
/// part, the same part of the CPU time is the stretch's.
package final class ProcessSink: SampleSink {
  /// Processes that are kept of each stretch, and those whose last reading is known.
  static let most = 4096
  static let mostKnown = 65_536

  /// The names of the schemas that it takes.
  static let schemas: Set<String> = ["busiest", "process"]

  private let stretches: [BusyStretch]
  private var schemas: [UInt16: RecordSchema] = [:]
  private var used: [[UInt64: (name: String, time: Double)]]
  private var known: [UInt64: (at: UInt64, time: UInt64)] = [:]
  /// Processes of a tree: `busiest` has the same CPU time of them.
  private var ofTree: Set<UInt64> = []

  package var bytesWritten: UInt64 { 0 }

  /// Looks for processes in these stretches.
  package init(_ stretches: [BusyStretch]) {
    self.stretches = stretches
    used = stretches.map { _ in [:] }
  }

  /// Takes the schemas of processes.
  package func begin(_ meta: StreamMeta) throws(LBError) {
    for schema in meta.records where Self.schemas.contains(schema.name) {
      schemas[schema.stream] = schema
    }
  }

  /// Takes a batch of records.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
    guard let schema = schemas[header.stream], !schema.fields.isEmpty else { return }
    for row in 0..<rows.count / schema.fields.count {
      take(RecordValue.read(rows, row: row, schema), schema.name, at: header.start)
    }
  }

  private func take(_ row: [RecordValue], _ kind: String, at time: UInt64) {
    var numbers: [String: UInt64] = [:]
    var name = ""
    for value in row {
      switch value.content {
      case .number(let number): numbers[value.name] = number
      case .text(let text): if value.name == "comm" { name = text }
      }
    }
    guard let pid = numbers["pid"], let reading = numbers["sum_exec_runtime"] else { return }
    if kind == "busiest" {
      guard !ofTree.contains(pid), let window = numbers["elapsed"] else { return }
      add(pid, name, Double(reading), from: time > window ? time - window : 0, to: time)
      return
    }
    // Threads are within their processes.
    guard numbers["kind"] != 1 else { return }
    let before = known[pid]
    if ofTree.count < Self.mostKnown, ofTree.insert(pid).inserted {
      for index in used.indices { used[index][pid] = nil }
    }
    if before != nil || known.count < Self.mostKnown { known[pid] = (time, reading) }
    // A number may have been given to another process.
    guard let before, reading >= before.time, time > before.at else { return }
    add(pid, name, Double(reading - before.time), from: before.at, to: time)
  }

  private func add(
    _ pid: UInt64, _ name: String, _ amount: Double, from start: UInt64, to end: UInt64
  ) {
    guard end > start else { return }
    for (place, stretch) in stretches.enumerated() {
      let (low, high) = (max(start, stretch.start), min(end, stretch.end))
      guard high > low else { continue }
      let share = amount * Double(high - low) / Double(end - start)
      guard used[place][pid] != nil || used[place].count < Self.most else { continue }
      used[place][pid, default: (name, 0)].time += share
      if !name.isEmpty { used[place][pid]?.name = name }
    }
  }

  /// Of each stretch the processes that used most CPU time, most of it first.
  package var processes: [[RecordingDigest.Process]] {
    used.map { all in
      let sorted = all.filter { $0.value.time > 0 }.sorted {
        ($1.value.time, $0.key) < ($0.value.time, $1.key)
      }
      return sorted.prefix(RecordingDigest.mostProcesses).map { pid, use in
        RecordingDigest.Process(pid: pid, name: use.name, time: use.time)
      }
    }
  }

  /// Only records say of processes.
  package func layout(_ layout: Layout) throws(LBError) {}
  /// Frames have no processes.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {}
  /// Events do not change what was collected.
  package func event(_ event: SampleEvent) throws(LBError) {}
  /// Records are counted as they arrive.
  package func commit(watermark: UInt64) throws(LBError) {}
}
