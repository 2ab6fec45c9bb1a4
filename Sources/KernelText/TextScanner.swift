import Glibc

/// Single-pass scanning over the bytes of a kernel file. Every function is given the position and
/// moves it; none reads at or past `text.count`.
package enum TextScanner {
  package static let newline = UInt8(ascii: "\n")
  package static let space = UInt8(ascii: " ")

  /// The byte at `position`. Callers have checked `position < text.count`.
  @inline(__always)
  package static func byte(_ text: Span<UInt8>, _ position: Int) -> UInt8 {
    // Safe: every caller stands behind a comparison with text.count.
    unsafe text[unchecked: position]
  }

  /// Moves past spaces and tabs.
  @inline(__always)
  package static func skipBlanks(_ text: Span<UInt8>, _ position: inout Int) {
    while position < text.count {
      let byte = byte(text, position)
      guard byte == space || byte == 9 else { return }
      position += 1
    }
  }

  /// Reads a decimal number after blanks; nil where there is no digit or it exceeds 64 bits.
  @inline(__always)
  package static func number(_ text: Span<UInt8>, _ position: inout Int) -> UInt64? {
    skipBlanks(text, &position)
    var value: UInt64 = 0
    let first = position
    while position < text.count {
      let digit = byte(text, position) &- 48
      guard digit < 10 else { break }
      // Nineteen digits cannot overflow; only a twentieth needs the checked path.
      if position - first < 19 {
        value = value &* 10 &+ UInt64(digit)
      } else {
        let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
        let (sum, carried) = product.addingReportingOverflow(UInt64(digit))
        if tooLarge || carried { return nil }
        value = sum
      }
      position += 1
    }
    return position == first ? nil : value
  }

  /// Moves behind the next newline, or to the end of the text.
  /// Returns false when there was none: the line is cut off.
  @inline(__always)
  package static func skipLine(_ text: Span<UInt8>, _ position: inout Int) -> Bool {
    let from = position
    let count = text.count
    guard from < count else { return false }
    // Safe: the search stays within the span, which outlives the closure.
    let found = unsafe text.withUnsafeBytes { bytes -> Int? in
      guard let base = bytes.baseAddress,
        let hit = unsafe memchr(base + from, Int32(newline), count - from)
      else { return nil }
      return unsafe UnsafeRawPointer(hit) - base
    }
    guard let found else {
      position = count
      return false
    }
    position = found + 1
    return true
  }

  /// Whether `word` stands at `position`, followed by a space; moves behind it if so.
  @inline(__always)
  package static func take(
    _ word: StaticString, _ text: Span<UInt8>, _ position: inout Int
  ) -> Bool {
    let length = word.utf8CodeUnitCount
    guard position + length < text.count, byte(text, position + length) == space else {
      return false
    }
    for offset in 0..<length {
      // Safe: offset is below the static string's own length.
      guard unsafe byte(text, position + offset) == word.utf8Start[offset] else { return false }
    }
    position += length
    return true
  }
}
