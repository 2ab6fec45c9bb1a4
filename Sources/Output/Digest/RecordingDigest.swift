package import RunAnalysis

/// The digest of a recording: what each row was over time, and when it was high.
package struct RecordingDigest: Sendable {
  /// One row.
  package struct Entry: Sendable {
    /// The row; one that was expanded has the name of its metric.
    package let row: DigestRow
    /// The base unit of all amounts; of counters, a second.
    package let unit: String
    /// The formula that is in force; of an absent row, the first.
    package let formula: String
    /// Values that it is made of; 0 of an absent row.
    package var count = 0
    /// The mean by time, and what the row was at or below for half and for 95 % of the time, these
    /// within 3 %.
    package var mean = 0.0
    package var median = 0.0
    package var percentile95 = 0.0
    package var maximum = 0.0
    /// When the maximum was read first: since the first sample, and as Unix time, in nanoseconds.
    package var maximumElapsed: UInt64 = 0
    package var maximumUnix: UInt64 = 0
    /// When it was high: the longest stretches, and how many there were.
    package var episodes: [Episodes.Episode] = []
    package var episodeCount = 0

    init(row: DigestRow, unit: String, formula: String) {
      self.row = row
      self.unit = unit
      self.formula = formula
    }

    init(absent row: DigestRow) {
      self.init(row: row, unit: row.unit, formula: row.rules[0].text)
    }

    /// Whether it was 0 all the time.
    var isZero: Bool { count > 0 && mean == 0 && maximum == 0 }
  }

  /// A process in a busy stretch.
  package struct Process: Sendable, Equatable {
    package let pid: UInt64
    package let name: String
    /// Its CPU time in the stretch, in nanoseconds.
    package let time: Double
  }

  /// Busy stretches that are shown.
  package static let mostStretches = 5
  /// Processes that are named of each.
  package static let mostProcesses = 3

  /// CLOCK_MONOTONIC of the first sample, on the run's time line.
  package let origin: UInt64
  /// From the first sample to the last, in nanoseconds.
  package let span: UInt64
  /// Acquisitions, those without values too.
  package let frames: Int
  /// Rows, those that the recording does not have too.
  package let entries: [Entry]
  /// Rows beyond the most that there may be.
  package let leftOut: Int
  /// Whether there are records of processes.
  package let hasProcesses: Bool

  /// What a row is known by.
  static func key(_ row: DigestRow) -> String { "\(row.key);\(row.name)" }

  /// What is high for each row: low values of what is better higher are none.
  var thresholds: [String: Double] {
    var thresholds: [String: Double] = [:]
    for entry in entries where entry.count > 0 && entry.row.better != .higher {
      thresholds[Self.key(entry.row)] = Episodes.threshold(
        median: entry.median, percentile95: entry.percentile95, maximum: entry.maximum)
    }
    return thresholds
  }

  /// Whether a second pass can find anything.
  package var mayHaveBeenBusy: Bool { !thresholds.isEmpty }

  /// The longest stretches in which rows were high, in order of time.
  package var stretches: [BusyStretch] {
    BusyStretch.merged(
      entries.map(\.episodes), usual: entries.map(\.median), most: Self.mostStretches)
  }
}
