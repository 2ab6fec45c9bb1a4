public import SampleModel

/// The drain's half of a collector whose acquisitions are raw. It keeps templates of the texts, and
/// learns a new one from the first acquisition that does not match.
///
/// A class to be overridden, like `ArmedCollector`. Used by the drain only, after arming.
open class RawDecoder {
  /// The result of decoding one acquisition.
  public enum Outcome: Sendable, Equatable {
    /// Values of the same columns.
    case values
    /// Values of new columns: `columns` has changed.
    case valuesOfNewColumns
    /// No source had any value.
    case gap(AcquisitionOutcome)
  }

  /// The columns of the values that were decoded last.
  package internal(set) final var columns: [Column]
  /// The values that were decoded last, one for each column.
  package final var values: [UInt64]
  /// Messages since the drain last took them: absent values with their causes.
  package final var messages: [String] = []
  /// Sources were added or removed: the collector must be re-armed.
  package final var wantsRearm = false

  /// A decoder whose acquisitions have had `columns`.
  package init(columns: [Column] = []) {
    self.columns = columns
    values = Array(repeating: 0, count: columns.count)
  }

  /// Replaces the columns, beginning with the present acquisition.
  package final func change(columns: [Column]) {
    self.columns = columns
    values = Array(repeating: 0, count: columns.count)
  }

  /// Decodes one acquisition into `values`, which are undefined after a gap.
  open func decode(_ body: Span<UInt64>) -> Outcome {
    preconditionFailure("a decoder overrides decode")
  }
}
