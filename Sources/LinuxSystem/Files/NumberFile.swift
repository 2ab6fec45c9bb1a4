import Glibc

/// A kernel's file that holds one number, kept open, so that reading it allocates nothing.
package struct NumberFile: ~Copyable {
  /// -1 if there is no such file.
  private let file: OwnedDescriptor

  /// Opens the file at `path`; a missing file has no number.
  package init(_ path: String) {
    do throws(SystemError) {
      file = try OwnedDescriptor(text: path)
    } catch {
      file = OwnedDescriptor(owning: -1)
    }
  }

  /// Reads the number: the first word of the file, decimal or hexadecimal with 0x; nil if it is not
  /// a number or exceeds 64 bits.
  package borrowing func read() -> UInt64? {
    var text = InlineArray<64, UInt8>(repeating: 0)
    var span = text.mutableSpan
    let count = file.read(into: &span, at: 0)
    guard count > 0 else { return nil }
    var offset = 0
    while offset < count, Self.isBlank(text[offset]) { offset += 1 }
    let isHexadecimal =
      offset + 2 < count && text[offset] == UInt8(ascii: "0") && text[offset + 1] | 0x20 == 120
    if isHexadecimal { offset += 2 }
    let base: UInt64 = isHexadecimal ? 16 : 10
    var value: UInt64 = 0
    let first = offset
    while offset < count, !Self.isBlank(text[offset]) {
      let digit = Self.digit(text[offset])
      let (product, isTooLarge) = value.multipliedReportingOverflow(by: base)
      let (sum, carried) = product.addingReportingOverflow(digit)
      guard digit < base, !isTooLarge, !carried else { return nil }
      value = sum
      offset += 1
    }
    // A number at the buffer's end may be cut.
    return offset > first && offset < text.count ? value : nil
  }

  /// The value of a digit in base 16; 16 for any other letter.
  private static func digit(_ letter: UInt8) -> UInt64 {
    switch letter {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(letter - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(letter - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(letter - UInt8(ascii: "A") + 10)
    default: 16
    }
  }

  private static func isBlank(_ letter: UInt8) -> Bool {
    letter == UInt8(ascii: " ") || letter &- 9 < 5 || letter == 0
  }
}
