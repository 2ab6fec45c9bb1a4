import SampleModel

/// How fast the counters of a stream grew over a bracket: of each the greatest rate between two
/// readings and quantiles by time.
///
/// Quantiles come from a histogram of 16 bins for each doubling, from one in sixteen seconds to
/// 2^44 a second, each bin with the milliseconds of that rate: they are within 3 % of the true ones.
/// It takes 3 KiB of a counter that has ever moved, and is kept for the next brackets; a counter
/// that stands still takes none.
struct RateTracks: Sendable {
  /// Readings between which there are too few rates for a greatest one to say more than the growth,
  /// and for a twentieth of them to be one.
  static let leastRates = 2
  static let leastForQuantiles = 20

  private static let binsPerDoubling = 16
  private static let lowest = -4
  private static let doublings = 48
  private static let bins = doublings * binsPerDoubling

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
    var growth: Double = 0
    /// Where its histogram stands in `histograms`, -1 for none yet.
    var histogram = -1
    /// It has moved in this bracket.
    var isMoved = false
  }

  private var tracks: [Track] = []
  private var histograms: [UInt32] = []
  private var bracket: UInt32 = 0
  /// Of the bracket: the rates so far, the nanoseconds of all, and the weight of all in bins.
  private var rates = 0
  private var time: UInt64 = 0
  private var weight: UInt64 = 0
  private var lastTime: UInt64?

  /// Takes a layout into force; histograms stay by the names of their columns.
  mutating func enforce(_ layout: Layout, after old: Layout?) {
    var known: [String: Track] = [:]
    if let old, tracks.count == old.columns.count {
      for (column, track) in zip(old.columns, tracks) where track.histogram >= 0 {
        known[column.name] = track
      }
    }
    tracks = layout.columns.map { known[$0.name] ?? Track() }
  }

  /// Takes a complete frame of the layout in force, of which `account` has the steps already.
  mutating func take(_ header: FrameHeader, _ account: CounterAccount) {
    if header.edge == .open || header.bracket != bracket { begin(header) }
    defer { lastTime = header.start }
    guard let lastTime, header.start > lastTime else { return }
    let window = header.start &- lastTime
    let share = UInt32(clamping: max(1, (window + 500_000) / 1_000_000))
    rates += 1
    time &+= window
    weight &+= UInt64(share)
    for place in tracks.indices {
      guard let step = account.step(place), step > 0 else { continue }
      tracks[place].growth += Double(step)
      // What came about over another time has no rate of this one.
      guard !account.hasOwnWindows || account.window(place) == nil else { continue }
      let rate = Double(step) * 1e9 / Double(window)
      if tracks[place].histogram < 0 {
        tracks[place].histogram = histograms.count
        histograms.append(contentsOf: repeatElement(0, count: Self.bins))
      }
      tracks[place].isMoved = true
      if rate > tracks[place].most { tracks[place].most = rate }
      let bin = tracks[place].histogram + Self.bin(rate)
      histograms[bin] = histograms[bin].addingReportingOverflow(share).partialValue
    }
  }

  private mutating func begin(_ header: FrameHeader) {
    bracket = header.bracket
    (rates, time, weight, lastTime) = (0, 0, 0, nil)
    for place in tracks.indices {
      tracks[place].growth = 0
      guard tracks[place].isMoved else { continue }
      let start = tracks[place].histogram
      for bin in start..<start + Self.bins { histograms[bin] = 0 }
      tracks[place] = Track(histogram: start)
    }
  }

  /// What the counter at `place` did, nil where it stood still or was read too seldom.
  func rate(_ place: Int) -> Rate? {
    let track = tracks[place]
    guard track.isMoved, rates >= Self.leastRates, time > 0 else { return nil }
    var rate = Rate(mean: track.growth * 1e9 / Double(time), most: track.most)
    if rates >= Self.leastForQuantiles {
      rate.median = quantile(track, 0.5)
      rate.ninetyFifth = quantile(track, 0.95)
    }
    return rate
  }

  /// The rate that the counter kept below or at for this share of the time.
  private func quantile(_ track: Track, _ share: Double) -> Double {
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

  /// The bin of a rate: the bits of a number have its doubling in front of where it is in it.
  private static func bin(_ rate: Double) -> Int {
    let step = Int(rate.bitPattern >> 48) - (1023 + lowest) * binsPerDoubling
    return min(max(step, 0), bins - 1)
  }

  private static func middle(_ bin: Int) -> Double {
    let (doubling, part) = bin.quotientAndRemainder(dividingBy: binsPerDoubling)
    let low = Double(sign: .plus, exponent: doubling + lowest, significand: 1)
    return low * (1 + (Double(part) + 0.5) / Double(binsPerDoubling))
  }
}
