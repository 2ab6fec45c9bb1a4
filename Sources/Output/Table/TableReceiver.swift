package import SampleModel

/// A row of the table as values.
package struct TableRow: Sendable {
  /// A frame of its tick.
  package let header: FrameHeader
  /// Unix nanoseconds.
  package let time: UInt64
  /// The values of the columns, in their order; nil is absent.
  package let values: [Double?]
  /// The places of values that were counted for a part of the time only.
  package let partial: [Int]
  /// Lines of records that go below it.
  package let below: [String]
}

/// Takes the rows of a table as values, to draw them itself.
package protocol TableReceiver: AnyObject {
  /// The columns of the rows that follow.
  func columns(_ columns: [TableColumn])
  /// A complete row.
  func row(_ row: TableRow)
  /// Lines of records that belong to no row, with a CLOCK_MONOTONIC and a Unix time.
  func lines(_ lines: [String], at start: UInt64, time: UInt64)
  /// What happened beside the samples.
  func event(_ event: SampleEvent)
}
