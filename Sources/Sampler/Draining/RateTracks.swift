import SampleModel

/// The rates of a stream's counters over a bracket: for each the greatest rate between two
/// readings, and time-weighted quantiles.
///
/// A rate is taken over at least half of the first window, so that a late reading, or the closing
/// one just after the last, does not give a large rate over a short time. For a counter that the
/// kernel keeps in ticks it is taken over at least ten ticks. The rest at the close only counts for
/// the mean.
///
/// Quantiles come from a histogram with 16 bins per doubling, from one in sixteen seconds to 2^44 a
/// second; each bin has the milliseconds at that rate. They are within 3 % of the exact ones. A
/// histogram takes 3 KiB for each counter that has ever changed, and is kept for the next brackets.
struct RateTracks: Sendable {
  /// The numbers of rates below which there is no maximum, and below which there are no quantiles.
  static let leastRates = 2
  static let leastForQuantiles = 20

  /// The first bin: one in sixteen seconds.
  private static let lowest = LogBins.bin(0.0625)
  private static let bins = 48 * LogBins.perDoubling

  /// The rates of one counter, in raw units a second.
  struct Rate {
    var mean: Double
    var most: Double
    /// Nil with too few rates.
    var median: Double?
    var ninetyFifth: Double?
  }

  private struct Track {
    var most: Double = 0
    /// The growth since the opening at the end of the last rate.
    var sum: UInt64 = 0
    /// The index of its first bin in `histograms`, -1 for none yet.
    var histogram = -1
    /// It changed in this bracket.
    var isMoved = false
  }

  /// Counters of one resolution: their rates are over the same windows.
  private struct Group {
    let resolution: UInt64
    var columns: [Int] = []
    /// The end of the last rate.
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

  /// Changes the layout; the state of columns is kept by name.
  mutating func enforce(_ layout: Layout, after old: Layout?) {
    var known: [String: Track] = [:]
    if let old, tracks.count == old.columns.count {
      for (column, track) in zip(old.columns, tracks) where track.histogram >= 0 {
        known[column.name] = track
      }
    }
    tracks = layout.columns.map { known[$0.name] ?? Track() }
    for index in groups.indices { groups[index].columns = [] }
    groupOf = Array(repeating: -1, count: tracks.count)
    for (index, column) in layout.columns.enumerated() where column.metric.kind != .gauge {
      let resolution = column.metric.resolution ?? 0
      let known = groups.firstIndex { $0.resolution == resolution }
      if known == nil { groups.append(Group(resolution: resolution, since: lastTime)) }
      let group = known ?? groups.count - 1
      groups[group].columns.append(index)
      groupOf[index] = group
    }
  }

  /// Adds a complete frame of the present layout, whose sums are in `account` already.
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
      for index in groups[group].columns {
        guard let sum = account.sum(index), sum > tracks[index].sum else { continue }
        add(Double(sum &- tracks[index].sum) * 1e9 / Double(window), at: index, share)
        tracks[index].sum = sum
      }
    }
  }

  private mutating func add(_ rate: Double, at index: Int, _ share: UInt32) {
    if tracks[index].histogram < 0 {
      tracks[index].histogram = histograms.count
      histograms.append(contentsOf: repeatElement(0, count: Self.bins))
    }
    tracks[index].isMoved = true
    if rate > tracks[index].most { tracks[index].most = rate }
    let bin = tracks[index].histogram + Self.bin(rate)
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
    for index in tracks.indices where tracks[index].isMoved {
      let start = tracks[index].histogram
      for bin in start..<start + Self.bins { histograms[bin] = 0 }
      tracks[index] = Track(histogram: start)
    }
  }

  /// The rates of the counter at `index`, which grew by `sum` since the opening; nil if it did not
  /// change or has too few readings.
  func rate(_ index: Int, _ sum: UInt64) -> Rate? {
    let track = tracks[index]
    guard groupOf[index] >= 0, track.isMoved, lastTime > opened else { return nil }
    let group = groups[groupOf[index]]
    guard group.rates >= Self.leastRates else { return nil }
    var rate = Rate(mean: Double(sum) * 1e9 / Double(lastTime &- opened), most: track.most)
    if group.rates >= Self.leastForQuantiles {
      rate.median = quantile(track, group.weight, 0.5)
      rate.ninetyFifth = quantile(track, group.weight, 0.95)
    }
    return rate
  }

  /// The rate that the counter did not exceed for `share` of the time.
  private func quantile(_ track: Track, _ weight: UInt64, _ share: Double) -> Double {
    let bins = histograms[track.histogram..<track.histogram + Self.bins]
    // Time in no bin had rate zero.
    let counted = bins.reduce(into: UInt64(0)) { $0 &+= UInt64($1) }
    var below = Double(weight) - Double(counted)
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
