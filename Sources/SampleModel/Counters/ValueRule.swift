/// The properties of a column that are needed to interpret its values, without strings: a loop over
/// thousands of columns then copies no reference-counted values.
package struct ValueRule: Sendable {
  package let isGauge: Bool
  /// The unit is nanoseconds.
  package let isTime: Bool
  package let scale: Scale
  package let isSigned: Bool
  /// It is a sum; several of its parts may wrap at once.
  let isSum: Bool
  /// The value after which the counter continues from zero; 0 for 64 bits, which do not wrap.
  let modulus: UInt64
  /// The most raw units by which the source may step back.
  let stepBack: UInt64

  /// The rule of `metric`'s values, which wrap at `range` if given, and are sums over instances if
  /// `isSum`.
  package init(_ metric: MetricDescription, range: UInt64? = nil, isSum: Bool = false) {
    isGauge = metric.kind == .gauge
    isTime = metric.unit == .nanoseconds
    scale = metric.scale
    isSigned = metric.isSigned
    self.isSum = isSum || metric.isSum
    modulus = range ?? (metric.width < 64 ? 1 << UInt64(metric.width) : 0)
    stepBack = metric.mayStepBack ? metric.stepBackLimit ?? Self.usualStepBack(metric) : 0
  }

  /// The rule of a column's values.
  package init(_ column: Column) {
    self.init(column.metric, range: column.range, isSum: column.isSum)
  }

  /// For times, one second: kernel/time/tick-sched.c lets idle and iowait fall by at most the
  /// duration of an idle period, which ends with a disk request. For counts, the usual number of
  /// ticks in a second.
  private static func usualStepBack(_ metric: MetricDescription) -> UInt64 {
    guard metric.unit == .nanoseconds else { return 100 }
    let (product, overflow) = metric.scale.denominator.multipliedReportingOverflow(
      by: 1_000_000_000)
    return overflow ? .max : max(1, product / metric.scale.numerator)
  }

  /// Whether a wrap with this growth is likely even if another counter was reset: the counter was
  /// in the last sixteenth of its range.
  func isNearEnd(_ growth: UInt64) -> Bool { growth <= modulus / 16 }

  /// A raw level in base units.
  package func level(_ raw: UInt64) -> Double {
    scale.apply(isSigned ? Double(Int64(bitPattern: raw)) : Double(raw))
  }
}
