/// For how much of the time a count was kept: less than all of it where there are more events than
/// the processor has counters.
package struct CountingShare: Sendable {
  /// Nanoseconds for which it was to be counted, and was.
  package let enabled: UInt64
  package let running: UInt64
  /// The least share of the time that a count is scaled from.
  package let least: Double

  /// A share of two times.
  package init(enabled: UInt64, running: UInt64, least: Double) {
    self.enabled = enabled
    self.running = running
    self.least = least
  }

  /// The share of the times that `places` names, nil where one of them is not known.
  init?(_ grown: [UInt64?], _ places: (enabled: Int, running: Int), least: Double) {
    guard let enabled = grown[places.enabled], let running = grown[places.running] else {
      return nil
    }
    self.init(enabled: enabled, running: running, least: least)
  }

  /// What the count stands for, as perf scales it: nothing is known of what never ran, and too
  /// little of what ran too seldom.
  package func corrected(_ value: Double) -> Double? {
    if running == enabled { return value }
    let share = Double(running) / Double(enabled)
    return running == 0 || share < least ? nil : value / share
  }

  func corrected(_ value: UInt64, _ rule: ValueRule) -> DerivedValue {
    if running == enabled, let exact = rule.scale.exactly(value) { return .integer(exact) }
    return corrected(rule.scale.apply(Double(value))).map(DerivedValue.real) ?? .absent
  }

  func corrected(_ value: DerivedValue) -> DerivedValue {
    guard case .real(let number) = value else { return value }
    return corrected(number).map(DerivedValue.real) ?? .absent
  }
}
