/// How a counter moved between two readings, judged by the two values alone.
package enum CounterStep: Equatable {
  case forward(UInt64)
  /// It reached the end of its range and continued from zero; the total growth.
  case wrapped(UInt64)
  /// It fell by no more than its source may step back.
  case back
  /// It fell otherwise: the counter was recreated, or misread.
  case reset

  /// The growth: 0 for a step back, nil for a reset.
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

  /// The step by a column's rule.
  ///
  /// A counter with a range wraps if it falls by more than half of it: growth between two readings
  /// is less than half of the range. Any other fall is a reset. A fall to exactly zero is a wrap
  /// only near the end of the range: drivers without a number yet return zero.
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
    // A sum may exceed the range of its parts, of which several may wrap at once. A single counter
    // beyond its range is wider than its metric declares.
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
