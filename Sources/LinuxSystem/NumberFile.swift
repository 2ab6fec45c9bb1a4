import Glibc

/// A kernel's file that holds one number, kept open, so that reading it allocates nothing.
package struct NumberFile: ~Copyable {
  /// -1 where there is no such file.
  private let file: OwnedDescriptor

  /// The file at `path`; one that is not there has no number.
  package init(_ path: String) {
    do throws(SystemError) {
      file = try OwnedDescriptor(open: path, O_RDONLY)
    } catch {
      file = OwnedDescriptor(owning: -1)
    }
  }

  /// Its number now, decimal or hexadecimal behind 0x; nil where there is none.
  package borrowing func read() -> UInt64? {
    var text = InlineArray<32, UInt8>(repeating: 0)
    var span = text.mutableSpan
    let count = file.read(into: &span, at: 0)
    guard count > 0 else { return nil }
    let isHexadecimal = count > 2 && text[0] == UInt8(ascii: "0") && text[1] == UInt8(ascii: "x")
    var value: UInt64 = 0
    var digits = 0
    for place in (isHexadecimal ? 2 : 0)..<count {
      let letter = text[place]
      let digit: UInt8
      switch letter {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = letter - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f") where isHexadecimal:
        digit = letter - UInt8(ascii: "a") + 10
      default: return digits > 0 ? value : nil
      }
      value = value &* (isHexadecimal ? 16 : 10) &+ UInt64(digit)
      digits += 1
    }
    return digits > 0 ? value : nil
  }
}
