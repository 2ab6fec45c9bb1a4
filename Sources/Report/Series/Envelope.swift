/// What a series was in each bucket of a grid: the least, the median and the greatest value.
///
/// No value is lost to the eye: one that stands out is the least or the greatest of its bucket.
/// Values are kept as 32-bit floating-point numbers, within 6e-8 of the value.
package struct Envelope: Sendable, Equatable {
  /// One bucket.
  package enum Bucket: Sendable, Equatable {
    /// No acquisition began in it: between two acquisitions, or in a gap.
    case empty
    /// There were acquisitions, and none had a value.
    case absent
    /// The values of all acquisitions that began in it.
    case values(minimum: Float, median: Float, maximum: Float)
  }

  /// NaN in empty buckets, infinite in absent ones: values are finite.
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

  /// The least and the greatest value of all; nil without values.
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

  /// Says that there were acquisitions without a value, unless some had one.
  mutating func setAbsent(_ bucket: Int) {
    if minima[bucket].isNaN { minima[bucket] = .infinity }
  }

  /// Sets a bucket from its finite values, which it sorts; of an even number the median is the mean
  /// of the middle two.
  mutating func set(_ bucket: Int, _ values: inout [Double]) {
    guard !values.isEmpty else { return setAbsent(bucket) }
    values.sort()
    let middle = values.count / 2
    let median =
      values.count % 2 == 1
      ? values[middle] : values[middle - 1] / 2 + values[middle] / 2
    set(bucket, minimum: values[0], median: median, maximum: values[values.count - 1])
  }

  /// Sets a bucket.
  mutating func set(_ bucket: Int, minimum: Double, median: Double, maximum: Double) {
    minima[bucket] = Self.kept(minimum)
    medians[bucket] = Self.kept(median)
    maxima[bucket] = Self.kept(maximum)
  }

  /// What is beyond the range of 32 bits becomes its end.
  private static func kept(_ value: Double) -> Float {
    let most = Double(Float.greatestFiniteMagnitude)
    return Float(min(max(value, -most), most))
  }
}
