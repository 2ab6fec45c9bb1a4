/// The minimum, median and maximum of a series in each bucket of a time grid.
///
/// No outlier is lost: it is the minimum or maximum of its bucket. Values are stored as 32-bit
/// floating-point numbers, with a relative error of at most 6e-8.
package struct Envelope: Sendable, Equatable {
  /// One bucket.
  package enum Bucket: Sendable, Equatable {
    /// No acquisition began in the bucket.
    case empty
    /// Acquisitions began in the bucket, but none has a value of this series.
    case absent
    /// Statistics of the acquisitions that began in the bucket and have a value.
    case values(minimum: Float, median: Float, maximum: Float)
  }

  /// NaN marks empty buckets, infinity absent ones; values themselves are finite.
  private var minima: [Float]
  private var medians: [Float]
  private var maxima: [Float]

  /// An envelope of empty buckets.
  package init(buckets: Int) {
    minima = Array(repeating: .nan, count: buckets)
    medians = minima
    maxima = minima
  }

  package var count: Int { minima.count }

  package subscript(bucket: Int) -> Bucket {
    if minima[bucket].isNaN { return .empty }
    if minima[bucket].isInfinite { return .absent }
    return .values(
      minimum: minima[bucket], median: medians[bucket], maximum: maxima[bucket])
  }

  /// Whether any bucket has values.
  package var hasValues: Bool { minima.contains { $0.isFinite } }

  /// The minimum and maximum over all buckets; nil if no bucket has values.
  package var range: ClosedRange<Float>? {
    var range: ClosedRange<Float>?
    for bucket in minima.indices where minima[bucket].isFinite {
      range =
        min(
          range?.lowerBound ?? minima[bucket], minima[bucket])...max(
          range?.upperBound ?? maxima[bucket], maxima[bucket])
    }
    return range
  }

  /// Marks a bucket as absent, unless it has values.
  mutating func setAbsent(_ bucket: Int) {
    if minima[bucket].isNaN { minima[bucket] = .infinity }
  }

  /// Sets the statistics of a bucket. The numbers must be finite.
  mutating func set(_ bucket: Int, minimum: Double, median: Double, maximum: Double) {
    minima[bucket] = Self.kept(minimum)
    medians[bucket] = Self.kept(median)
    maxima[bucket] = Self.kept(maximum)
  }

  /// The nearest 32-bit number; numbers out of its range become the largest one.
  private static func kept(_ value: Double) -> Float {
    let most = Double(Float.greatestFiniteMagnitude)
    return Float(min(max(value, -most), most))
  }
}
