import SampleModel

/// Counts counters that fell: steps back that the kernel is known for, and resets.
struct StepWatch {
  private struct Stream {
    var epoch: UInt32 = 0
    var bracket: UInt32 = 0
    var cumulative: [Bool] = []
    var previous: [UInt64] = []
    var known = false
  }

  private var streams: [Stream] = []
  private(set) var stepsBack: [UInt64] = []
  private(set) var resets: [UInt64] = []

  /// Looks at one complete frame against the last one of its epoch and bracket.
  mutating func observe(_ header: FrameHeader, _ values: Span<UInt64>, _ layout: Layout) {
    let index = Int(header.stream)
    while streams.count <= index {
      streams.append(Stream())
      stepsBack.append(0)
      resets.append(0)
    }
    if streams[index].epoch != header.epoch {
      streams[index] = Stream(
        epoch: header.epoch, bracket: header.bracket,
        cumulative: layout.columns.map { $0.metric.kind != .gauge },
        previous: Array(repeating: 0, count: layout.columns.count))
    }
    // Taken out, so that the loops below work on a buffer of their own.
    var previous = streams[index].previous
    streams[index].previous = []
    if streams[index].known, streams[index].bracket == header.bracket {
      for column in values.indices
      where values[column] < previous[column] && streams[index].cumulative[column] {
        let metric = layout.columns[column].metric
        switch CounterStep(from: previous[column], to: values[column], metric: metric) {
        case .back: stepsBack[index] += 1
        case .reset: resets[index] += 1
        case .forward: break
        }
      }
    }
    for column in values.indices { previous[column] = values[column] }
    streams[index].previous = previous
    streams[index].known = true
    streams[index].bracket = header.bracket
  }

  /// The counts of a stream since the last call.
  mutating func take(_ stream: Int) -> (stepsBack: UInt64, resets: UInt64) {
    guard stream < streams.count else { return (0, 0) }
    defer {
      stepsBack[stream] = 0
      resets[stream] = 0
    }
    return (stepsBack[stream], resets[stream])
  }
}
