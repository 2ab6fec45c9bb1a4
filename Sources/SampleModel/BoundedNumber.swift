extension FixedWidthInteger {
  /// The whole number nearest to `value`, or the nearest that there is: what a workload printed, or
  /// a file says, may be beyond all of them. Of what is no number, 0.
  package init(bounded value: Double) {
    guard !value.isNaN else {
      self = 0
      return
    }
    let whole = value.rounded()
    // The largest number may round to the first one that is too large.
    if whole >= Double(Self.max) {
      self = .max
    } else if whole <= Double(Self.min) {
      self = .min
    } else {
      self = Self(whole)
    }
  }
}
