public import SampleModel

/// The drain's half of a collector whose acquisitions are raw: it knows the shape of what is read,
/// and learns another one from the very reading that has it.
///
/// A class to be overridden, like `ArmedCollector`. It belongs to the drain once it is armed.
open class RawDecoder {
  /// What one reading was.
  public enum Outcome: Sendable, Equatable {
    /// Values of the columns there were before.
    case values
    /// Values of other columns: `columns` has changed.
    case valuesOfNewColumns
    /// No source had a value.
    case gap(AcquisitionOutcome)
  }

  /// The columns of the values that were decoded last.
  package internal(set) final var columns: [Column]
  /// The values that were decoded last, one for each column.
  package final var values: [UInt64]
  /// What was found out since it was last taken: values that are absent, each with its cause.
  package final var messages: [String] = []
  /// Sources came or went: what is open is no longer what there is.
  package final var wantsRearm = false

  /// A decoder that has read `columns` so far.
  package init(columns: [Column] = []) {
    self.columns = columns
    values = Array(repeating: 0, count: columns.count)
  }

  /// Other columns from the reading on that is being decoded.
  package final func change(columns: [Column]) {
    self.columns = columns
    values = Array(repeating: 0, count: columns.count)
  }

  /// Decodes one reading into `values`, which mean nothing where there is a gap.
  open func decode(_ body: Span<UInt64>) -> Outcome {
    preconditionFailure("a decoder overrides decode")
  }
}
