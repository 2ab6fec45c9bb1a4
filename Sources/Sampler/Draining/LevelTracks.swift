import SampleModel

/// How the levels of a stream's gauges developed over a bracket: of each its least, its greatest
/// and its mean by time.
///
/// The mean is that of the line through the readings (the trapezoid rule) from the first to the
/// last of them: a level that rises or falls evenly gets its true mean, and of one that jumps
/// between two readings, which nobody saw, the jump counts half-way. Holding each reading until the
/// next would be off by half an interval to one side. Both edges of the bracket are readings like
/// the others, but for the workload's own levels: at the opening it has not become its command yet,
/// and at the close it is gone, so that only what was read in between counts. Levels that the
/// kernel has averaged count from when as much of the bracket has passed as they look back over.
struct LevelTracks: Sendable {
  /// Which readings of a level count.
  enum Rule: Sendable, Equatable {
    /// It is no gauge.
    case none
    case all
    /// Between the edges.
    case within
    /// All, of which the greatest is what there is to say: the level is a peak itself.
    case peak
    /// Those so many nanoseconds after the opening, and later.
    case after(UInt64)
  }

  /// One gauge, in raw units.
  private struct Track {
    /// When it was read first, and last.
    var first: UInt64 = .max
    var last: UInt64 = 0
    var level: Double = 0
    var area: Double = 0
    var least: Double = 0
    var most: Double = 0
  }

  /// What one gauge did, in raw units.
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

  /// Takes a layout into force; what is known of a column stays by its name.
  mutating func enforce(_ layout: Layout, after old: Layout?, _ rule: (Column) -> Rule) {
    var known: [ExactText: Track] = [:]
    if let old, tracks.count == old.columns.count {
      for place in gauges { known[ExactText(old.columns[place].name)] = tracks[place] }
    }
    rules = layout.columns.map(rule)
    isSigned = layout.columns.map(\.metric.isSigned)
    gauges = rules.indices.filter { rules[$0] != .none }
    tracks = layout.columns.map { known[ExactText($0.name)] ?? Track() }
  }

  /// Takes a complete frame of the layout in force.
  mutating func take(_ header: FrameHeader, _ values: Span<UInt64>) {
    if header.edge == .open || header.bracket != bracket {
      bracket = header.bracket
      opened = header.start
      for place in gauges { tracks[place] = Track() }
    }
    for place in gauges {
      switch rules[place] {
      case .none: continue
      case .all, .peak: break
      case .within where header.edge != .none: continue
      case .within: break
      case .after(let span) where header.start &- opened < span: continue
      case .after: break
      }
      let raw = values[place]
      let level = isSigned[place] ? Double(Int64(bitPattern: raw)) : Double(raw)
      if tracks[place].first == .max {
        tracks[place] = Track(
          first: header.start, last: header.start, level: level, area: 0, least: level,
          most: level)
        continue
      }
      tracks[place].area +=
        (level + tracks[place].level) / 2 * Double(header.start &- tracks[place].last)
      tracks[place].last = header.start
      tracks[place].level = level
      if level < tracks[place].least { tracks[place].least = level }
      if level > tracks[place].most { tracks[place].most = level }
    }
  }

  /// What the gauge at `place` did, nil where none of its readings counts.
  func level(_ place: Int) -> Level? {
    let track = tracks[place]
    guard track.first != .max else { return nil }
    if rules[place] == .peak {
      return Level(mean: track.most, least: track.most, most: track.most)
    }
    let span = Double(track.last &- track.first)
    // Rounding must not bring a mean out of its range.
    let mean =
      span > 0 && track.least < track.most
      ? min(max(track.area / span, track.least), track.most) : track.level
    return Level(mean: mean, least: track.least, most: track.most)
  }
}
