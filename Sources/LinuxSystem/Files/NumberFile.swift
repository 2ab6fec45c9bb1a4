import Glibc

/// A kernel's file that holds one number, kept open, so that reading it allocates nothing.
package struct NumberFile: ~Copyable {
  /// -1 where there is no such file.
  private let file: OwnedDescriptor

  /// The file at `path`; one that is not there has no number.
  package init(_ path: String) {
    do throws(SystemError) {
      file = try OwnedDescriptor(text: path)
    } catch {
      file = OwnedDescriptor(owning: -1)
    }
  }

  /// Its number now, decimal or hexadecimal behind 0x, the first word of the file; nil where that
  /// is none or exceeds 64 bits.
  package borrowing func read() -> UInt64? {
    var text = InlineArray<64, UInt8>(repeating: 0)
    var span = text.mutableSpan
    let count = file.read(into: &span, at: 0)
    guard count > 0 else { return nil }
    var place = 0
    while place < count, Self.isBlank(text[place]) { place += 1 }
    let isHexadecimal =
      place + 2 < count && text[place] == UInt8(ascii: "0") && text[place + 1] | 0x20 == 120
    if isHexadecimal { place += 2 }
    let base: UInt64 = isHexadecimal ? 16 : 10
    var value: UInt64 = 0
    let first = place
    while place < count, !Self.isBlank(text[place]) {
      let digit = Self.digit(text[place])
      let (product, isTooLarge) = value.multipliedReportingOverflow(by: base)
      let (sum, carried) = product.addingReportingOverflow(digit)
      guard digit < base, !isTooLarge, !carried else { return nil }
      value = sum
      place += 1
    }
    // A number that reaches the buffer's end may go on in the file.
    return place > first && place < text.count ? value : nil
  }

  /// What a letter stands for in base 16; 16 for one that is no digit.
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
