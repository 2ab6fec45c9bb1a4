import SampleModel

/// The gauges of a stream over a bracket: for each its minimum, maximum and time-weighted mean.
///
/// The mean is that of the line through the readings (the trapezoid rule) from the first to the
/// last one. A level that changes linearly gets its true mean; a jump between two readings counts
/// half-way. Holding each reading until the next would be biased by half an interval. Both edges of
/// the bracket are readings like the others, except for the workload's own levels: at the opening
/// it has not executed its command yet, and at the close it has ended, so only the readings in
/// between count. Levels that the kernel averages count once the bracket has lasted as long as
/// their averaging window.
struct LevelTracks: Sendable {
  /// Which readings of a level count.
  enum Rule: Sendable, Equatable {
    /// Not a gauge.
    case none
    case all
    /// Readings between the edges.
    case within
    /// All readings, of which the greatest is reported: the level is a peak itself.
    case peak
    /// Readings at least that many nanoseconds after the opening.
    case after(UInt64)
  }

  /// One gauge, in raw units.
  private struct Track {
    /// The times of the first and the last reading.
    var first: UInt64 = .max
    var last: UInt64 = 0
    var level: Double = 0
    var area: Double = 0
    var least: Double = 0
    var most: Double = 0
  }

  /// The summary of one gauge, in raw units.
  struct Level {
    var mean: Double
    var least: Double
    var most: Double
  }

  private var rules: [Rule] = []
  private var isSigned: [Bool] = []
  /// The columns that are gauges.
  private var gauges: [Int] = []
  private var tracks: [Track] = []
  /// The bracket of the last frame.
  private(set) var bracket: UInt32 = 0
  private var opened: UInt64 = 0

  /// Changes the layout; the state of columns is kept by name.
  mutating func enforce(_ layout: Layout, after old: Layout?, _ rule: (Column) -> Rule) {
    var known: [String: Track] = [:]
    if let old, tracks.count == old.columns.count {
      for index in gauges { known[old.columns[index].name] = tracks[index] }
    }
    rules = layout.columns.map(rule)
    isSigned = layout.columns.map(\.metric.isSigned)
    gauges = rules.indices.filter { rules[$0] != .none }
    tracks = layout.columns.map { known[$0.name] ?? Track() }
  }

  /// Adds a complete frame of the present layout.
  mutating func take(_ header: FrameHeader, _ values: Span<UInt64>) {
    if header.edge == .open || header.bracket != bracket {
      bracket = header.bracket
      opened = header.start
      for index in gauges { tracks[index] = Track() }
    }
    for index in gauges {
      switch rules[index] {
      case .none: continue
      case .all, .peak: break
      case .within where header.edge != .none: continue
      case .within: break
      case .after(let span) where header.start &- opened < span: continue
      case .after: break
      }
      let raw = values[index]
      let level = isSigned[index] ? Double(Int64(bitPattern: raw)) : Double(raw)
      if tracks[index].first == .max {
        tracks[index] = Track(
          first: header.start, last: header.start, level: level, area: 0, least: level,
          most: level)
        continue
      }
      tracks[index].area +=
        (level + tracks[index].level) / 2 * Double(header.start &- tracks[index].last)
      tracks[index].last = header.start
      tracks[index].level = level
      if level < tracks[index].least { tracks[index].least = level }
      if level > tracks[index].most { tracks[index].most = level }
    }
  }

  /// The summary of the gauge at `index`, nil if none of its readings counts.
  func level(_ index: Int) -> Level? {
    let track = tracks[index]
    guard track.first != .max else { return nil }
    if rules[index] == .peak {
      return Level(mean: track.most, least: track.most, most: track.most)
    }
    let span = Double(track.last &- track.first)
    // Rounding must not move the mean out of its range.
    let mean =
      span > 0 && track.least < track.most
      ? min(max(track.area / span, track.least), track.most) : track.level
    return Level(mean: mean, least: track.least, most: track.most)
  }
}
