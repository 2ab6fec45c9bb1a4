package import SampleModel

/// One acquisition that a `SimulatedCollector` has made, as the collector itself knows it.
package struct SimulatedAcquisition: Sendable {
  /// From 1, over all armings of the collector.
  package let number: UInt64
  /// Number of the shape that its values have.
  package let shape: Int
  /// The edge that it was made at.
  package let edge: BracketEdge
  /// The outcome that it reports.
  package let outcome: AcquisitionOutcome
  /// A raw reading that found no room for all of it.
  package let isCut: Bool
  /// Words of its body in the ring.
  package let words: Int
  /// When it ended, CLOCK_MONOTONIC.
  package let end: UInt64
}
