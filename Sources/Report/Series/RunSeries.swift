package import SampleModel

/// One metric over time.
package struct Series: Sendable {
  /// `cpu.user[all]`.
  package let name: String
  package let metric: MetricDescription
  package let instance: String
  /// The unit of the values: of a counter a rate, of counted nanoseconds a share of the time.
  package let unit: String
  package let collector: String
  /// Index of the collector within the session: its gaps are those of the series.
  package let stream: UInt16
  package internal(set) var envelope: Envelope
  /// Every value in order of time, of a series that is kept whole; else empty.
  package internal(set) var samples: [Sample] = []

  /// One value of a series that is kept whole; nil where it was absent.
  package struct Sample: Sendable, Equatable {
    /// Start of the acquisition, on the run's time line.
    package let time: UInt64
    package let value: Double?
  }
}

/// A time in which a collector has no values.
package struct SeriesGap: Sendable, Equatable {
  /// Why.
  package enum Cause: Sendable, Hashable {
    /// Deadlines without a frame: skipped by the sampling thread, or dropped since the ring was
    /// full. The ledger of the bracket has how many of each.
    case deadlines
    /// Acquisitions without values.
    case outcome(AcquisitionOutcome)
  }

  package let stream: UInt16
  package let bracket: UInt32
  package let cause: Cause
  /// From the last acquisition with values to the next one, on the run's time line.
  package let start: UInt64
  package internal(set) var end: UInt64
  /// Deadlines, or acquisitions.
  package internal(set) var count: UInt64
}

/// A run as series over time: what charts, pictures and tables are made of.
package struct RunSeries: Sendable {
  package let grid: TimeGrid
  /// In order of collectors and of their layouts.
  package let series: [Series]
  /// In order of time; at most `SeriesSink.mostGaps`.
  package let gaps: [SeriesGap]
  /// Gaps beyond that.
  package let gapsLeftOut: Int
  /// Metrics beyond the most that are kept.
  package let seriesLeftOut: Int
  /// What the sinks were told: notes, steps of the clock, suspends, changes of the budget and of
  /// layouts; without clock anchors. At most `SeriesSink.mostEvents`.
  package let events: [SampleEvent]
  package let eventsLeftOut: Int
  /// Nanoseconds between two deadlines.
  package let interval: UInt64
  /// Start of the first sample, on the run's time line, and its Unix time, in nanoseconds.
  package let origin: UInt64
  package let originUnix: UInt64
  /// The clocks in order of time, which turn dates into times.
  package let anchors: [ClockAnchor]
  /// What processes used of the CPUs, most of it first; empty without records of processes.
  package let processes: [ProcessBand]

  /// The series of a name.
  package subscript(name: String) -> Series? { series.first { $0.name == name } }

  /// The time of a date on the run's time line, by the last clock anchor that was read before it.
  package func time(ofUnix unix: UInt64) -> UInt64 {
    let anchor = anchors.last { $0.realtime <= unix } ?? anchors.first
    guard let anchor else { return 0 }
    return anchor.monotonic &+ (unix &- anchor.realtime)
  }
}
