/// Stretches of time in which a row of a recording's digest was far above its usual level.
///
/// A value is high above the row's threshold (`threshold(…)`), and an episode is at least
/// `leastValues` values in a row that are high. Of each row the `most` longest are kept.
package struct Episodes: Sendable {
  /// One of them, in CLOCK_MONOTONIC nanoseconds of the run's time line.
  package struct Episode: Sendable, Equatable {
    package var start: UInt64
    package var end: UInt64
    /// The mean by time, in it.
    package var mean: Double

    /// How long it was.
    package var duration: UInt64 { end &- start }
  }

  /// Values in a row that make an episode: one alone may be an accident of the reading.
  package static let leastValues = 3
  /// Episodes that are kept of a row.
  package static let most = 16
  /// Times that a level is above another one to be called high.
  package static let factor = 1.5

  private let threshold: Double
  private var first: UInt64 = 0
  private var last: UInt64 = 0
  private var values = 0
  private var area = 0.0
  private var weight = 0.0
  /// The longest so far, in order of time.
  private(set) var kept: [Episode] = []
  /// All that there were.
  package private(set) var count = 0

  /// No values yet; high ones are above `threshold`.
  package init(above threshold: Double) { self.threshold = threshold }

  /// What is high for a row of these quantiles by time: halfway from the median to the 95th
  /// percentile where that is at least 1.5 times the median, for then the row is busy for more than
  /// a twentieth of the time; else halfway from the 95th percentile to the maximum where that is
  /// 1.5 times it; nil if the row is never that far above its usual level.
  package static func threshold(
    median: Double, percentile95: Double, maximum: Double
  ) -> Double? {
    guard median >= 0, maximum > 0 else { return nil }
    if percentile95 > 0, percentile95 >= factor * median { return (median + percentile95) / 2 }
    return maximum >= factor * percentile95 ? (percentile95 + maximum) / 2 : nil
  }

  /// Adds a value that held from `start` to `end`; values come in order of time.
  package mutating func add(_ value: Double, from start: UInt64, to end: UInt64) {
    guard value > threshold else { return finish() }
    if values == 0 { (first, area, weight) = (start, 0, 0) }
    values += 1
    last = end
    let span = Double(max(1, end &- start))
    area += value * span
    weight += span
  }

  /// Ends what has begun: a low value came, or the recording is over.
  package mutating func finish() {
    defer { values = 0 }
    guard values >= Self.leastValues else { return }
    count += 1
    kept.append(Episode(start: first, end: last, mean: area / weight))
    guard kept.count > Self.most,
      let shortest = kept.indices.min(by: { kept[$0].duration < kept[$1].duration })
    else { return }
    kept.remove(at: shortest)
  }

  /// The longest, in order of time.
  package var longest: [Episode] { kept }
}

/// A stretch in which one or more rows were high.
package struct BusyStretch: Sendable, Equatable {
  /// A row that was high in it.
  package struct Part: Sendable, Equatable {
    /// The index of the row in the digest.
    package let row: Int
    package let mean: Double
    /// How many times its usual level it was; infinite above a usual level of 0.
    package let times: Double
  }

  package var start: UInt64
  package var end: UInt64
  /// Those that stand out most first.
  package var parts: [Part]

  /// The longest `most` stretches in order of time, of episodes of rows whose usual levels are
  /// `usual`: two belong together where they overlap for at least half of the shorter one.
  package static func merged(
    _ rows: [[Episodes.Episode]], usual: [Double], most: Int
  ) -> [BusyStretch] {
    var all: [BusyStretch] = []
    for (row, episodes) in rows.enumerated() {
      for episode in episodes {
        let times = usual[row] > 0 ? episode.mean / usual[row] : .infinity
        let part = Part(row: row, mean: episode.mean, times: times)
        all.append(BusyStretch(start: episode.start, end: episode.end, parts: [part]))
      }
    }
    all.sort { ($0.start, $0.end) < ($1.start, $1.end) }
    var merged: [BusyStretch] = []
    for one in all {
      guard let index = merged.lastIndex(where: { $0.belongs(with: one) }) else {
        merged.append(one)
        continue
      }
      merged[index].end = max(merged[index].end, one.end)
      // Of a row's several episodes in one stretch the one that stands out most.
      for part in one.parts {
        if let known = merged[index].parts.firstIndex(where: { $0.row == part.row }) {
          if part.mean > merged[index].parts[known].mean { merged[index].parts[known] = part }
        } else {
          merged[index].parts.append(part)
        }
      }
    }
    let longest = merged.sorted { $0.end &- $0.start > $1.end &- $1.start }.prefix(most)
    return longest.sorted { $0.start < $1.start }.map { stretch in
      var stretch = stretch
      stretch.parts.sort { ($1.times, $0.row) < ($0.times, $1.row) }
      return stretch
    }
  }

  private func belongs(with other: BusyStretch) -> Bool {
    let overlap =
      min(end, other.end) > max(start, other.start)
      ? min(end, other.end) - max(start, other.start) : 0
    return overlap > 0 && 2 * Double(overlap) >= Double(min(end - start, other.end - other.start))
  }
}
