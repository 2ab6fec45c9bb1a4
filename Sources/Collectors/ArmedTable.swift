import KernelText
import SampleModel
import Sampler

/// The armed half of every collector that reads one kernel table: the open file, the table's
/// shape, and which of its values become columns.
final class ArmedTable<Table: KernelTable>: ArmedCollector, @unchecked Sendable {
  // Sendable: as the base class says.
  private let file: TextFile
  private let table: Table
  private var selection: ColumnSelection

  /// Arms `table` over `file`; `columns` has one entry a value, nil for what is not wanted.
  init(file: TextFile, table: Table, columns: [Column?]) {
    precondition(columns.count == table.valueCount, "one column a value")
    self.file = file
    self.table = table
    selection = ColumnSelection(columns)
    super.init(columns: columns.compactMap { $0 })
  }

  override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
    let outcome = file.read { text throws(KernelTextError) in
      try selection.fill(&values) { all throws(KernelTextError) in
        try table.parse(text, into: &all)
      }
    }
    systemCallsOfSample = file.callCount
    return outcome
  }
}

extension KernelTable {
  /// The shape of `file` as it reads now; its numbers must parse too.
  static func learn(from file: TextFile) throws(LBError) -> Self {
    var table: Self?
    let outcome = file.read { text throws(KernelTextError) in
      let shape = try Self(shapeOf: text)
      var values = [UInt64](repeating: 0, count: shape.valueCount)
      var span = values.mutableSpan
      try shape.parse(text, into: &span)
      table = shape
    }
    if let table { return table }
    throw LBError(
      .collectorUnavailable,
      "\(file.path) was \(outcome.word) at its first read: is it the kernel's own file?",
      context: ErrorContext(path: file.path))
  }
}
