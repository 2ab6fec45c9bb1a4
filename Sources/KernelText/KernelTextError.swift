/// Why a kernel text did not give its values: learning throws it where nothing of the text can be
/// used, parsing where the text has not the learnt shape.
///
/// A plain value: throwing it allocates nothing, so parsers may run on a sampling thread.
package enum KernelTextError: Error, Equatable {
  /// The text ends before what its layout promises.
  case truncated
  /// Instances are not those of the layout.
  case layoutChanged
  /// A line does not parse: its number and field, both from 1.
  case malformed(line: Int32, field: Int32)
}
