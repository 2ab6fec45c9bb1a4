/// How a counter moved between two readings, by their two values alone.
package enum CounterStep: Equatable {
  case forward(UInt64)
  /// It reached the end of its range and went on from zero; the growth is the whole of both.
  case wrapped(UInt64)
  /// It fell no further than its source is known to step back.
  case back
  /// It fell otherwise: what it counts was made anew, or was misread.
  case reset

  /// What it grew by: nothing when it stepped back, nil when it was reset.
  package var difference: UInt64? {
    switch self {
    case .forward(let difference), .wrapped(let difference): difference
    case .back: 0
    case .reset: nil
    }
  }

  /// The step from `old` to `new` by the metric's width and its limit of stepping back.
  package init(from old: UInt64, to new: UInt64, metric: MetricDescription) {
    self.init(from: old, to: new, rule: ValueRule(metric))
  }

  /// The same by a column's rule.
  ///
  /// A counter of a range wraps when it falls by more than half of it: between two readings it
  /// grows by less than the other half. Any other fall is a reset. A fall to exactly zero is a wrap
  /// only from near the end of the range: drivers that have no number yet give zero.
  package init(from old: UInt64, to new: UInt64, rule: ValueRule) {
    guard new < old else {
      self = .forward(new - old)
      return
    }
    let fall = old - new
    guard fall > rule.stepBack else {
      self = .back
      return
    }
    // A sum is greater than the range of its parts, of which several may wrap at once; a single
    // counter beyond its range is wider than its metric says.
    guard rule.modulus > 0, rule.isSum || old <= rule.modulus else {
      self = .reset
      return
    }
    let part = rule.isSum ? fall % rule.modulus : fall
    let growth = part == 0 ? 0 : rule.modulus - part
    let isWrap = part == 0 || part > growth
    let isNoNumber = new == 0 && !rule.isNearEnd(growth)
    self = isWrap && !isNoNumber ? .wrapped(growth) : .reset
  }
}
