import KernelText
import SampleModel

/// Which of the values that a parser writes become columns.
///
/// A parser always writes all of them; when some are not wanted it writes into a buffer of its
/// own, from which the wanted ones are picked.
struct ColumnSelection {
  private let isWhole: Bool
  private let picks: [Int]
  private var all: [UInt64]

  /// The selection of the non-nil columns.
  init(_ columns: [Column?]) {
    picks = columns.indices.filter { columns[$0] != nil }
    isWhole = picks.count == columns.count
    all = isWhole ? [] : Array(repeating: 0, count: columns.count)
  }

  /// Lets `parse` write all values, and leaves the wanted ones in `values`. Allocates nothing.
  @inline(__always)
  mutating func fill(
    _ values: inout MutableSpan<UInt64>,
    _ parse: (inout MutableSpan<UInt64>) throws(KernelTextError) -> Void
  ) throws(KernelTextError) {
    if isWhole {
      try parse(&values)
      return
    }
    var span = all.mutableSpan
    try parse(&span)
    for index in picks.indices { values[index] = span[picks[index]] }
  }
}
