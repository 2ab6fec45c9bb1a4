import Output
import SampleModel

/// The CPU time of processes in each bucket of a grid, by process name.
struct ProcessUse {
  /// The maximum number of names that are kept.
  static let mostNames = 512
  /// The maximum number of names that get a band of their own; all others share one.
  static let mostBands = 12

  private let grid: TimeGrid
  private var times = ProcessTimes(countsNew: true)
  private var used: [String: [Float]] = [:]
  private var others: [Float] = []

  init(_ grid: TimeGrid) { self.grid = grid }

  mutating func begin(_ meta: StreamMeta) { times.begin(meta) }

  /// Receives a batch of process records that lies in `segment`.
  mutating func take(_ header: FrameHeader, _ rows: Span<UInt64>, in segment: TimeGrid.Segment) {
    var uses: [ProcessTimes.Use] = []
    times.take(header, rows) { uses.append($0) }
    for use in uses { add(use, segment) }
  }

  private mutating func add(_ use: ProcessTimes.Use, _ segment: TimeGrid.Segment) {
    let (name, end) = (use.name, use.end)
    let from = max(use.start, segment.stretch.start)
    guard use.time > 0, end > from else { return }
    let whole = Double(end - use.start)
    let isKept = used[name] != nil || used.count < Self.mostNames
    if isKept, used[name] == nil { used[name] = Array(repeating: 0, count: grid.bucketCount) }
    if !isKept, others.isEmpty { others = Array(repeating: 0, count: grid.bucketCount) }
    for bucket in segment.bucket(at: from)...segment.bucket(at: end) {
      let low = max(from, segment.start(of: bucket))
      let high = min(end, segment.start(of: bucket + 1))
      guard high > low else { continue }
      let share = Float(Double(use.time) * Double(high - low) / whole)
      if isKept { used[name]?[bucket] += share } else { others[bucket] += share }
    }
  }

  /// The CPU use of each name in each bucket, where 1 is one CPU.
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

/// The CPU use of all processes of one name, by bucket, where 1 is one CPU.
package struct ProcessBand: Sendable, Equatable {
  /// nil for the sum of all other processes.
  package let name: String?
  package internal(set) var share: [Float]
}
