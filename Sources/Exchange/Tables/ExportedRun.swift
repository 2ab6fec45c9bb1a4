package import RunStore
package import SampleModel

/// What the tables of a run share: whose samples they are, and its clocks.
package struct ExportedRun: Sendable {
  /// The run's id.
  package let run: String
  /// Whether rows say which run they are of: not where the name of their directory does.
  package let namesRun: Bool
  /// The repetitions of the brackets; empty for a recording.
  package let labels: [UInt32: AttemptID]
  /// The time of the first sample on the run's time line.
  package let origin: UInt64
  private let anchors: [ClockAnchor]

  /// The context of a run that `replay` reads.
  package init(_ result: RunResult, _ replay: ColumnarReplay, namesRun: Bool) {
    run = result.runID
    self.namesRun = namesRun
    labels = Dictionary(result.attemptsByBracket(), uniquingKeysWith: { first, _ in first })
    origin = replay.origin
    anchors = replay.anchors.sorted { $0.monotonic < $1.monotonic }
  }

  /// Unix time in nanoseconds of times on the run's time line, by the last clock reading before.
  package func unixTimes(_ times: [UInt64]) -> [UInt64] {
    guard let first = anchors.first else { return times.map { _ in 0 } }
    var next = 0
    var anchor = first
    var before: UInt64 = 0
    return times.map { time in
      if time < before { (next, anchor) = (0, first) }
      before = time
      while next < anchors.count, anchors[next].monotonic <= time {
        anchor = anchors[next]
        next += 1
      }
      return anchor.unixTime(of: time)
    }
  }

  /// Unix time in nanoseconds of one time.
  package func unixTime(_ time: UInt64) -> UInt64 { unixTimes([time])[0] }

  /// A span of the run's time line as a number with a sign.
  func elapsed(_ time: UInt64) -> UInt64 { time &- origin }
}
