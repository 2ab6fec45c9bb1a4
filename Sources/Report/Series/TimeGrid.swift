/// The time buckets that all series of a run share. Each sampled stretch of the run has its own
/// buckets.
///
/// A recording has one stretch for each session, a run has one for each bracket. A bucket covers
/// the same time in every series.
package struct TimeGrid: Sendable, Equatable {
  /// A part of a run that was sampled without interruption.
  package struct Stretch: Sendable, Equatable {
    /// The brackets it covers: one, or several consecutive ones if the run has very many.
    package private(set) var brackets: [UInt32]
    /// Start of the first acquisition and end of the last one, on the run's time line in
    /// nanoseconds.
    package let start: UInt64
    package private(set) var end: UInt64

    /// The stretch of `bracket` from `start` to `end`; an end before the start is set to the start.
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
    /// At least one bucket; all have the same length.
    package let buckets: Range<Int>

    /// The start of a bucket, on the run's time line in nanoseconds. The upper bound of `buckets`
    /// gives the end of the last bucket.
    package func start(of bucket: Int) -> UInt64 {
      let index = UInt64(bucket - buckets.lowerBound)
      let product = stretch.span.multipliedFullWidth(by: index)
      return stretch.start + UInt64(buckets.count).dividingFullWidth(product).quotient
    }

    /// The bucket that contains a time. Times outside the stretch belong to the first or last
    /// bucket.
    package func bucket(at time: UInt64) -> Int {
      guard time > stretch.start, stretch.span > 0 else { return buckets.lowerBound }
      let product = (time - stretch.start).multipliedFullWidth(by: UInt64(buckets.count))
      // At the end or later, the quotient would be one past the last bucket.
      guard time < stretch.end, product.high < stretch.span else { return buckets.upperBound - 1 }
      let index = stretch.span.dividingFullWidth(product).quotient
      return buckets.lowerBound + min(Int(index), buckets.count - 1)
    }
  }

  /// The maximum number of segments: if there are more stretches, consecutive ones are joined.
  package static let mostSegments = 4000

  /// In chronological order.
  package let segments: [Segment]
  package var bucketCount: Int { segments.last?.buckets.upperBound ?? 0 }

  /// A grid of about `buckets` buckets, distributed over the stretches in proportion to their
  /// length. Each stretch gets at least one bucket, and no bucket is shorter than `interval`
  /// (nanoseconds), since it might then contain no sample.
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
    for (index, stretch) in stretches.enumerated() {
      if index % size == 0 {
        joined.append(stretch)
      } else {
        joined[joined.count - 1].join(stretch)
      }
    }
    return joined
  }
}
