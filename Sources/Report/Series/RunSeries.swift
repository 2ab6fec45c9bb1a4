package import SampleModel

/// One metric over time.
package struct Series: Sendable {
  /// `cpu.user[all]`.
  package let name: String
  package let metric: MetricDescription
  package let instance: String
  /// The unit of the values. Counters are rates; a counter of nanoseconds is a ratio of time.
  package let unit: String
  package let collector: String
  /// The number of the collector's stream, which also identifies the gaps of this series.
  package let stream: UInt16
  package internal(set) var envelope: Envelope
  /// Every sample in chronological order if they were requested, otherwise empty.
  package internal(set) var samples: [Sample] = []

  /// One sample; its value is nil if it was absent.
  package struct Sample: Sendable, Equatable {
    /// Start of the acquisition, on the run's time line.
    package let time: UInt64
    package let value: Double?
  }
}

/// A period in which a collector has no values.
package struct SeriesGap: Sendable, Equatable {
  /// The cause of a gap.
  package enum Cause: Sendable, Hashable {
    /// Deadlines without a frame: skipped by the sampling thread, or dropped because the ring was
    /// full. The bracket's ledger counts both.
    case deadlines
    /// Acquisitions without values.
    case outcome(AcquisitionOutcome)
  }

  package let stream: UInt16
  package let bracket: UInt32
  package let cause: Cause
  /// The period from the last acquisition with values to the next one, in nanoseconds on the run's
  /// time line.
  package let start: UInt64
  package internal(set) var end: UInt64
  /// The number of deadlines or acquisitions without values.
  package internal(set) var count: UInt64
}

/// The series of a run, from which charts, pictures and tables are drawn.
package struct RunSeries: Sendable {
  package let grid: TimeGrid
  /// In the order of collectors and of the columns of their layouts.
  package let series: [Series]
  /// In chronological order; at most `SeriesSink.mostGaps`.
  package let gaps: [SeriesGap]
  /// The number of further gaps.
  package let gapsLeftOut: Int
  /// The number of columns without a series, because there are too many.
  package let seriesLeftOut: Int
  /// Events of the sampling: notes, clock steps, suspends, changes of the budget and of layouts,
  /// without clock anchors. At most `SeriesSink.mostEvents`.
  package let events: [SampleEvent]
  package let eventsLeftOut: Int
  /// Nanoseconds between two deadlines.
  package let interval: UInt64
  /// The start of the first sample: nanoseconds on the run's time line, and Unix nanoseconds.
  package let origin: UInt64
  package let originUnix: UInt64
  /// Clock anchors in chronological order, which convert between dates and the time line.
  package let anchors: [ClockAnchor]
  /// CPU use of processes by name, the largest first; empty without records of processes.
  package let processes: [ProcessBand]

  /// The series with this name.
  package subscript(name: String) -> Series? { series.first { $0.name == name } }

  /// Converts Unix nanoseconds to the run's time line, by the last clock anchor before them.
  package func time(ofUnix unix: UInt64) -> UInt64 {
    let anchor = anchors.last { $0.realtime <= unix } ?? anchors.first
    guard let anchor else { return 0 }
    return anchor.monotonic &+ (unix &- anchor.realtime)
  }
}
