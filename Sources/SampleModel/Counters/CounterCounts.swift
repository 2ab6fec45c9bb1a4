/// How often counters wrapped, were reset or stepped back.
package struct CounterCounts: Sendable, Equatable {
  /// Counters that reached the end of their range and continued from zero.
  package var wraps: UInt64 = 0
  /// Counters that fell by more than their source may step back, without a wrap; and those of
  /// devices that were absent.
  package var resets: UInt64 = 0
  /// Counters that fell by no more than their source may step back, or for one reading.
  package var stepsBack: UInt64 = 0

  /// All counts zero.
  package init() {}
}
