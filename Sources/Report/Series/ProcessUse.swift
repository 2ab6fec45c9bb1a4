import SampleModel

/// The CPU time of processes by name in the buckets of a grid, from records of processes
/// (`busiest` of `top`, `process` of `tree`).
///
/// A record of `busiest` has the CPU time of its own window, one of `process` that since the
/// process's start: of two such, the growth between them counts; of the first one of a process that
/// came after the bracket's first records, all of it.
struct ProcessUse {
  /// Names that are kept, and processes whose last reading is known.
  static let mostNames = 512
  static let mostKnown = 65_536
  /// Bands that are shown; all others are one.
  static let mostBands = 12

  private struct Reading {
    let bracket: UInt32
    let at: UInt64
    let time: UInt64
  }

  private let grid: TimeGrid
  private var schemas: [UInt16: RecordSchema] = [:]
  private var used: [String: [Float]] = [:]
  private var others: [Float] = []
  private var known: [UInt64: Reading] = [:]
  private var latest: [UInt16: (bracket: UInt32, at: UInt64)] = [:]
  /// Processes of a tree: `busiest` has the same CPU time of them.
  private var ofTree: Set<UInt64> = []

  init(_ grid: TimeGrid) { self.grid = grid }

  mutating func begin(_ meta: StreamMeta) {
    for schema in meta.records where ["busiest", "process"].contains(schema.name) {
      schemas[schema.stream] = schema
    }
  }

  /// Takes a batch within segment `segment` of the grid.
  mutating func take(_ header: FrameHeader, _ rows: Span<UInt64>, in segment: TimeGrid.Segment) {
    guard let schema = schemas[header.stream] else { return }
    let before = latest[header.stream].flatMap { $0.bracket == header.bracket ? $0.at : nil }
    latest[header.stream] = (header.bracket, header.start)
    for row in 0..<rows.count / schema.fields.count {
      take(
        RecordValue.read(rows, row: row, schema), isTree: schema.name == "process", header,
        before: before, segment)
    }
  }

  private mutating func take(
    _ row: [RecordValue], isTree: Bool, _ header: FrameHeader, before: UInt64?,
    _ segment: TimeGrid.Segment
  ) {
    var numbers: [String: UInt64] = [:]
    var name = ""
    for value in row {
      switch value.content {
      case .number(let number): numbers[value.name] = number
      case .text(let text): if value.name == "comm" { name = text }
      }
    }
    guard let pid = numbers["pid"], let time = numbers["sum_exec_runtime"] else { return }
    guard isTree else {
      guard !ofTree.contains(pid), let window = numbers["elapsed"] else { return }
      let start = header.start > window ? header.start - window : 0
      return add(name, time, from: start, to: header.start, segment)
    }
    // Threads are within their processes.
    guard numbers["kind"] != 1 else { return }
    if ofTree.count < Self.mostKnown { ofTree.insert(pid) }
    let last = known[pid].flatMap { $0.bracket == header.bracket ? $0 : nil }
    if known[pid] != nil || known.count < Self.mostKnown {
      known[pid] = Reading(bracket: header.bracket, at: header.start, time: time)
    }
    if let last, time >= last.time {
      add(name, time - last.time, from: last.at, to: header.start, segment)
    } else if let before {
      add(name, time, from: before, to: header.start, segment)
    }
  }

  private mutating func add(
    _ name: String, _ amount: UInt64, from start: UInt64, to end: UInt64,
    _ segment: TimeGrid.Segment
  ) {
    let from = max(start, segment.stretch.start)
    guard amount > 0, end > from else { return }
    let whole = Double(end - start)
    let isKept = used[name] != nil || used.count < Self.mostNames
    if isKept, used[name] == nil { used[name] = Array(repeating: 0, count: grid.bucketCount) }
    if !isKept, others.isEmpty { others = Array(repeating: 0, count: grid.bucketCount) }
    for bucket in segment.bucket(at: from)...segment.bucket(at: end) {
      let low = max(from, segment.start(of: bucket))
      let high = min(end, segment.start(of: bucket + 1))
      guard high > low else { continue }
      let share = Float(Double(amount) * Double(high - low) / whole)
      if isKept { used[name]?[bucket] += share } else { others[bucket] += share }
    }
  }

  /// One name's share of a CPU in each bucket.
  func bands() -> [ProcessBand] {
    let all = used.map { (name: $0.key, time: $0.value.reduce(0, +), use: $0.value) }.sorted {
      ($1.time, $0.name) < ($0.time, $1.name)
    }
    var bands = all.prefix(Self.mostBands).map { ProcessBand(name: $0.name, share: $0.use) }
    var rest = others.isEmpty ? Array(repeating: 0, count: grid.bucketCount) : others
    for one in all.dropFirst(Self.mostBands) {
      for bucket in rest.indices { rest[bucket] += one.use[bucket] }
    }
    if rest.contains(where: { $0 > 0 }) { bands.append(ProcessBand(name: nil, share: rest)) }
    for segment in grid.segments {
      for bucket in segment.buckets {
        let span = segment.start(of: bucket + 1) - segment.start(of: bucket)
        for band in bands.indices { bands[band].share[bucket] /= Float(max(1, span)) }
      }
    }
    return bands
  }
}

/// What processes of one name used of a CPU: 1 in a bucket is one CPU all the time.
package struct ProcessBand: Sendable, Equatable {
  /// nil for all others together.
  package let name: String?
  package internal(set) var share: [Float]
}
