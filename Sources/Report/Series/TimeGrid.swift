/// The buckets of time that series are drawn in: each sampled stretch of a run has some of them.
///
/// A recording is one stretch, or one for each session; a run has one for each bracket. All series
/// of a run share the grid, so that one bucket is the same time in all of them.
package struct TimeGrid: Sendable, Equatable {
  /// A stretch of a run that was sampled without a break.
  package struct Stretch: Sendable, Equatable {
    /// Its brackets: one, or several in a row where a run has very many.
    package private(set) var brackets: [UInt32]
    /// Start of the first acquisition and end of the last one, on the run's time line in
    /// nanoseconds.
    package let start: UInt64
    package private(set) var end: UInt64

    /// The stretch of `bracket` between two times; an end before the start counts as the start.
    package init(bracket: UInt32, start: UInt64, end: UInt64) {
      brackets = [bracket]
      self.start = start
      self.end = max(start, end)
    }

    fileprivate var span: UInt64 { end - start }

    fileprivate mutating func join(_ other: Stretch) {
      brackets += other.brackets
      end = max(end, other.end)
    }
  }

  /// A stretch with its buckets.
  package struct Segment: Sendable, Equatable {
    package let stretch: Stretch
    /// At least one bucket, all equally long.
    package let buckets: Range<Int>

    /// Where bucket `bucket` begins, on the run's time line; the end of the last for the bound.
    package func start(of bucket: Int) -> UInt64 {
      let place = UInt64(bucket - buckets.lowerBound)
      let product = stretch.span.multipliedFullWidth(by: place)
      return stretch.start + UInt64(buckets.count).dividingFullWidth(product).quotient
    }

    /// The bucket of a time; one outside the stretch is in the first or last bucket.
    package func bucket(at time: UInt64) -> Int {
      guard time > stretch.start, stretch.span > 0 else { return buckets.lowerBound }
      let product = (time - stretch.start).multipliedFullWidth(by: UInt64(buckets.count))
      // At or after the end it would be the bucket behind the last.
      guard time < stretch.end, product.high < stretch.span else { return buckets.upperBound - 1 }
      let place = stretch.span.dividingFullWidth(product).quotient
      return buckets.lowerBound + min(Int(place), buckets.count - 1)
    }
  }

  /// Stretches that a grid has at most: more of them share buckets.
  package static let mostSegments = 4000

  /// In order of time.
  package let segments: [Segment]
  package var bucketCount: Int { segments.last?.buckets.upperBound ?? 0 }

  /// A grid of about `buckets` buckets over these stretches, by their length: at least one each,
  /// and no more than one for each `interval`, of which a bucket more would be empty.
  package init(_ stretches: [Stretch], buckets: Int, interval: UInt64) {
    let sorted = Self.joined(
      stretches.sorted { ($0.start, $0.brackets[0]) < ($1.start, $1.brackets[0]) })
    let total = sorted.reduce(0.0) { $0 + Double($1.span) }
    var segments: [Segment] = []
    var next = 0
    for stretch in sorted {
      let share = total > 0 ? Double(stretch.span) / total * Double(buckets) : 0
      let most = stretch.span / max(1, interval)
      let count = max(1, min(Int(share), most > UInt64(buckets) ? buckets : Int(most)))
      segments.append(Segment(stretch: stretch, buckets: next..<next + count))
      next += count
    }
    self.segments = segments
  }

  private static func joined(_ stretches: [Stretch]) -> [Stretch] {
    guard stretches.count > mostSegments else { return stretches }
    let size = (stretches.count + mostSegments - 1) / mostSegments
    var joined: [Stretch] = []
    for (place, stretch) in stretches.enumerated() {
      if place % size == 0 {
        joined.append(stretch)
      } else {
        joined[joined.count - 1].join(stretch)
      }
    }
    return joined
  }
}
