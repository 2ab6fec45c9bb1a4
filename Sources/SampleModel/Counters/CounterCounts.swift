/// How often counters did otherwise than grow.
package struct CounterCounts: Sendable, Equatable {
  /// Counters that reached the end of their range and went on from zero.
  package var wraps: UInt64 = 0
  /// Counters that fell further than their source steps back, and not by a wrap; and those of
  /// devices that were away.
  package var resets: UInt64 = 0
  /// Counters that stepped back where their source is known to, or for one reading.
  package var stepsBack: UInt64 = 0

  /// None.
  package init() {}
}
