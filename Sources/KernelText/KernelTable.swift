/// A kernel text whose shape is learnt once and whose numbers are then read in a single pass.
package protocol KernelTable: Sendable {
  /// Reads the shape of a text that was read whole. One pass; allocates.
  init(shapeOf text: Span<UInt8>) throws(KernelTextError)

  /// Values that `parse` writes.
  var valueCount: Int { get }

  /// Writes `valueCount` values of a text of this shape. One pass, no allocation.
  func parse(
    _ text: Span<UInt8>, into values: inout MutableSpan<UInt64>
  ) throws(KernelTextError)
}
