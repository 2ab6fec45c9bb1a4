/// Why a kernel text has no values: thrown by learning if nothing in the text can be used, and by
/// parsing if the text does not match its template.
///
/// A plain value: throwing it does not allocate.
package enum KernelTextError: Error, Equatable {
  /// The text ends early.
  case truncated
  /// The text does not match the template: instances changed.
  case layoutChanged
  /// A line does not parse: line and field, both from 1.
  case malformed(line: Int32, field: Int32)
}
