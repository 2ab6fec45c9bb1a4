/// The share of time for which an event was counted: less than 1 if there are more events than
/// hardware counters.
package struct CountingShare: Sendable {
  /// Nanoseconds for which it was enabled, and for which it was counted.
  package let enabled: UInt64
  package let running: UInt64
  /// The smallest share from which a count is scaled up.
  package let least: Double

  /// The share of two times.
  package init(enabled: UInt64, running: UInt64, least: Double) {
    self.enabled = enabled
    self.running = running
    self.least = least
  }

  /// The share of the times in the columns `columns`, nil if one of them is unknown.
  init?(_ grown: [UInt64?], _ columns: (enabled: Int, running: Int), least: Double) {
    guard let enabled = grown[columns.enabled], let running = grown[columns.running] else {
      return nil
    }
    self.init(enabled: enabled, running: running, least: least)
  }

  /// The count scaled to the whole time, as perf does; nil if it was not counted, or for less than
  /// `least` of the time.
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
