import SampleModel

/// How fast the counters of a stream grew over a bracket: of each the greatest rate between two
/// readings and quantiles by time.
///
/// A rate is over at least half of the first window, so that a late reading, or the closing one
/// just behind the last, makes no great rate of little time; of a counter that the kernel keeps in
/// ticks it is over ten of them. What is left at the close is in the mean alone.
///
/// Quantiles come from a histogram of 16 bins for each doubling, from one in sixteen seconds to
/// 2^44 a second, each bin with the milliseconds of that rate: they are within 3 % of the true
/// ones. It takes 3 KiB of a counter that has ever moved, and is kept for the next brackets; a
/// counter that stands still takes none.
struct RateTracks: Sendable {
  /// Rates without which a greatest one says no more than the growth, and without which none is a
  /// twentieth of all.
  static let leastRates = 2
  static let leastForQuantiles = 20

  /// The first bin is that of one in sixteen seconds.
  private static let lowest = LogBins.bin(0.0625)
  private static let bins = 48 * LogBins.perDoubling

  /// What one counter did, in raw units a second.
  struct Rate {
    var mean: Double
    var most: Double
    /// Nil of too few rates.
    var median: Double?
    var ninetyFifth: Double?
  }

  private struct Track {
    var most: Double = 0
    /// The growth since the opening that rates were made of so far.
    var sum: UInt64 = 0
    /// Where its histogram stands in `histograms`, -1 for none yet.
    var histogram = -1
    /// It has moved in this bracket.
    var isMoved = false
  }

  /// Counters of one resolution: rates of theirs are over the same windows.
  private struct Group {
    let resolution: UInt64
    var places: [Int] = []
    /// When the last rate ended.
    var since: UInt64 = 0
    var rates = 0
    /// The weight of all rates.
    var weight: UInt64 = 0
  }

  private var tracks: [Track] = []
  private var groups: [Group] = []
  private var groupOf: [Int] = []
  private var histograms: [UInt32] = []
  private var bracket: UInt32 = 0
  private var opened: UInt64 = 0
  private var lastTime: UInt64 = 0
  private var firstWindow: UInt64 = 0

  /// Takes a layout into force; what is known of a column stays by its name.
  mutating func enforce(_ layout: Layout, after old: Layout?) {
    var known: [ExactText: Track] = [:]
    if let old, tracks.count == old.columns.count {
      for (column, track) in zip(old.columns, tracks) where track.histogram >= 0 {
        known[ExactText(column.name)] = track
      }
    }
    tracks = layout.columns.map { known[ExactText($0.name)] ?? Track() }
    for place in groups.indices { groups[place].places = [] }
    groupOf = Array(repeating: -1, count: tracks.count)
    for (place, column) in layout.columns.enumerated() where column.metric.kind != .gauge {
      let resolution = column.metric.resolution ?? 0
      let known = groups.firstIndex { $0.resolution == resolution }
      if known == nil { groups.append(Group(resolution: resolution, since: lastTime)) }
      let group = known ?? groups.count - 1
      groups[group].places.append(place)
      groupOf[place] = group
    }
  }

  /// Takes a complete frame of the layout in force, of which `account` has the sums already.
  mutating func take(_ header: FrameHeader, _ account: CounterAccount) {
    if header.edge == .open || header.bracket != bracket {
      begin(header)
      return
    }
    guard header.start > lastTime else { return }
    lastTime = header.start
    if firstWindow == 0 { firstWindow = header.start &- opened }
    for group in groups.indices {
      let window = header.start &- groups[group].since
      guard window >= max(firstWindow / 2, 10 &* groups[group].resolution) else { continue }
      groups[group].since = header.start
      groups[group].rates += 1
      let share = UInt32(clamping: max(1, (window &+ 500_000) / 1_000_000))
      groups[group].weight &+= UInt64(share)
      for place in groups[group].places {
        guard let sum = account.sum(place), sum > tracks[place].sum else { continue }
        add(Double(sum &- tracks[place].sum) * 1e9 / Double(window), at: place, share)
        tracks[place].sum = sum
      }
    }
  }

  private mutating func add(_ rate: Double, at place: Int, _ share: UInt32) {
    if tracks[place].histogram < 0 {
      tracks[place].histogram = histograms.count
      histograms.append(contentsOf: repeatElement(0, count: Self.bins))
    }
    tracks[place].isMoved = true
    if rate > tracks[place].most { tracks[place].most = rate }
    let bin = tracks[place].histogram + Self.bin(rate)
    histograms[bin] = histograms[bin].addingReportingOverflow(share).partialValue
  }

  private mutating func begin(_ header: FrameHeader) {
    bracket = header.bracket
    opened = header.start
    lastTime = header.start
    firstWindow = 0
    for group in groups.indices {
      groups[group].since = header.start
      groups[group].rates = 0
      groups[group].weight = 0
    }
    for place in tracks.indices where tracks[place].isMoved {
      let start = tracks[place].histogram
      for bin in start..<start + Self.bins { histograms[bin] = 0 }
      tracks[place] = Track(histogram: start)
    }
  }

  /// What the counter at `place` did that grew by `sum` since the opening, nil where it stood still
  /// or was read too seldom.
  func rate(_ place: Int, _ sum: UInt64) -> Rate? {
    let track = tracks[place]
    guard groupOf[place] >= 0, track.isMoved, lastTime > opened else { return nil }
    let group = groups[groupOf[place]]
    guard group.rates >= Self.leastRates else { return nil }
    var rate = Rate(mean: Double(sum) * 1e9 / Double(lastTime &- opened), most: track.most)
    if group.rates >= Self.leastForQuantiles {
      rate.median = quantile(track, group.weight, 0.5)
      rate.ninetyFifth = quantile(track, group.weight, 0.95)
    }
    return rate
  }

  /// The rate that the counter kept below or at for this share of the time.
  private func quantile(_ track: Track, _ weight: UInt64, _ share: Double) -> Double {
    let bins = histograms[track.histogram..<track.histogram + Self.bins]
    // What is in no bin was zero.
    let moving = bins.reduce(into: UInt64(0)) { $0 &+= UInt64($1) }
    var below = Double(weight) - Double(moving)
    let wanted = share * Double(weight)
    if below >= wanted { return 0 }
    for (bin, weight) in bins.enumerated() where weight > 0 {
      below += Double(weight)
      if below >= wanted { return min(Self.middle(bin), track.most) }
    }
    return track.most
  }

  /// The bin of a rate.
  private static func bin(_ rate: Double) -> Int {
    min(max(LogBins.bin(rate) - lowest, 0), bins - 1)
  }

  private static func middle(_ bin: Int) -> Double { LogBins.middle(bin + lowest) }
}
