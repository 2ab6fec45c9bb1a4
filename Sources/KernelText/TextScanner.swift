/// Single-pass scanning of a kernel text. Every function advances `position`; none reads at or past
/// `text.count`.
///
/// Reads eight bytes at a time if possible: a digit at a time costs a mispredicted branch for each
/// number, more than the conversion itself.
package enum TextScanner {
  package static let newline = UInt8(ascii: "\n")
  package static let space = UInt8(ascii: " ")

  /// Whether `byte` separates words: a blank, a tab, a carriage return, or the zero byte that some
  /// kernels print after a text.
  @inline(__always)
  package static func isSeparator(_ byte: UInt8) -> Bool {
    byte == space || byte == 9 || byte == 13 || byte == 0
  }

  /// The byte at `position`. Callers have checked `position < text.count`.
  @inline(__always)
  package static func byte(_ text: Span<UInt8>, _ position: Int) -> UInt8 {
    // Safe: every caller has compared the position with text.count.
    unsafe text[unchecked: position]
  }

  /// Eight bytes from `position` on, the first one lowest. Callers have checked that they exist.
  @inline(__always)
  private static func word(_ text: Span<UInt8>, _ position: Int) -> UInt64 {
    // Safe: every caller has compared position + 8 with text.count.
    unsafe text.withUnsafeBytes {
      UInt64(littleEndian: unsafe $0.loadUnaligned(fromByteOffset: position, as: UInt64.self))
    }
  }

  /// Moves past spaces and tabs.
  @inline(__always)
  package static func skipBlanks(_ text: Span<UInt8>, _ position: inout Int) {
    while position < text.count {
      if position + 8 <= text.count {
        let others = word(text, position) ^ 0x2020_2020_2020_2020
        let blanks = others.trailingZeroBitCount >> 3
        position += blanks
        if blanks == 8 { continue }
        if byte(text, position) != 9 { return }
      } else {
        let byte = byte(text, position)
        guard byte == space || byte == 9 else { return }
      }
      position += 1
    }
  }

  /// Reads a decimal number after blanks; nil without a digit, or above 64 bits.
  @inline(__always)
  package static func number(_ text: Span<UInt8>, _ position: inout Int) -> UInt64? {
    if position < text.count, byte(text, position) == space {
      position += 1
      // Usually one blank separates numbers; right-aligned ones have many.
      if position < text.count, byte(text, position) &- 48 >= 10 { skipBlanks(text, &position) }
    } else if position < text.count, byte(text, position) == 9 {
      skipBlanks(text, &position)
    }
    guard position + 8 <= text.count else { return shortNumber(text, &position, 0, 0) }
    // 0 to 9 in each byte that holds a digit.
    let digits = word(text, position) ^ 0x3030_3030_3030_3030
    let count = nonDigits(digits).trailingZeroBitCount >> 3
    guard count > 0 else { return nil }
    position += count
    // Shifts the digits to the top; the zeros shifted in are leading zeros.
    let value = eightDigits(digits << UInt64(truncatingIfNeeded: (8 &- count) &* 8))
    if count < 8 || position < text.count && byte(text, position) &- 48 >= 10 { return value }
    return shortNumber(text, &position, value, 8)
  }

  /// The number of the first digits of eight bytes, those that remain after a shift by `shift`
  /// bits.
  @inline(__always)
  static func firstDigits(of word: UInt64, shift: UInt64) -> UInt64 {
    // The zeros shifted in are leading zeros.
    eightDigits((word ^ 0x3030_3030_3030_3030) &<< shift)
  }

  /// The numbers of two words of digits, shifted to the top like those of `firstDigits`.
  @inline(__always)
  static func numbers(_ one: UInt64, _ other: UInt64) -> SIMD2<UInt64> {
    let digits = SIMD2(one, other) & SIMD2(repeating: 0x0F0F_0F0F_0F0F_0F0F)
    let pairs =
      ((digits &<< 3) &+ (digits &<< 1) &+ (digits &>> 8))
      & SIMD2(repeating: 0x00FF_00FF_00FF_00FF)
    let hundreds = unsafe unsafeBitCast(
      unsafeBitCast(pairs, to: SIMD8<UInt16>.self) &* SIMD8(repeating: 100),
      to: SIMD2<UInt64>.self)
    let fours = (hundreds &+ (pairs &>> 16)) & SIMD2(repeating: 0x0000_FFFF_0000_FFFF)
    return (fours & SIMD2(repeating: 0xFFFF_FFFF)) &* SIMD2(repeating: 10_000) &+ (fours &>> 32)
  }

  /// The top bit of each byte that is not 0 to 9.
  @inline(__always)
  private static func nonDigits(_ digits: UInt64) -> UInt64 {
    ((digits & 0x7F7F_7F7F_7F7F_7F7F) &+ 0x7676_7676_7676_7676 | digits) & 0x8080_8080_8080_8080
  }

  /// The number of eight bytes of 0 to 9, the first one lowest.
  @inline(__always)
  private static func eightDigits(_ digits: UInt64) -> UInt64 {
    let pairs = (digits &* (1 + 10 << 8)) >> 8 & 0x00FF_00FF_00FF_00FF
    let fours = (pairs &* (1 + 100 << 16)) >> 16 & 0x0000_FFFF_0000_FFFF
    return (fours &* (1 + 10_000 << 32)) >> 32
  }

  /// Continues a number whose first `already` digits are `value`, a digit at a time.
  private static func shortNumber(
    _ text: Span<UInt8>, _ position: inout Int, _ value: UInt64, _ already: Int
  ) -> UInt64? {
    var value = value
    var count = already
    while position < text.count {
      let digit = byte(text, position) &- 48
      guard digit < 10 else { break }
      // Nineteen digits cannot overflow; only a twentieth needs the checked path.
      if count < 19 {
        value = value &* 10 &+ UInt64(digit)
      } else {
        let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
        let (sum, carried) = product.addingReportingOverflow(UInt64(digit))
        if tooLarge || carried { return nil }
        value = sum
      }
      position += 1
      count += 1
    }
    return count == 0 ? nil : value
  }

  /// Reads a number of this form after blanks; nil if there is none, or above 64 bits.
  @inline(__always)
  package static func number(
    _ text: Span<UInt8>, _ position: inout Int, _ form: NumberForm
  ) -> UInt64? {
    switch form {
    case .decimal: number(text, &position)
    case .hexadecimal: hexadecimal(text, &position)
    case .signed: signed(text, &position)
    case .hundredths: hundredths(text, &position)
    case .speed: speed(text, &position)
    case .limit: limit(text, &position)
    case .millidegrees: millidegrees(text, &position)
    }
  }

  /// Reads the speed of a link; nil if unknown: −1 in 16 or 32 bits.
  @inline(__always)
  package static func speed(_ text: Span<UInt8>, _ position: inout Int) -> UInt64? {
    guard let value = number(text, &position), value != UInt64(UInt16.max),
      value != UInt64(UInt32.max)
    else { return nil }
    return value
  }

  /// Reads a limit; nil if unlimited.
  @inline(__always)
  package static func limit(_ text: Span<UInt8>, _ position: inout Int) -> UInt64? {
    guard let value = number(text, &position), value >> 62 == 0 else { return nil }
    return value
  }

  /// Reads a hexadecimal number after blanks; nil if there is none, or above 64 bits.
  @inline(__always)
  package static func hexadecimal(_ text: Span<UInt8>, _ position: inout Int) -> UInt64? {
    skipBlanks(text, &position)
    var value: UInt64 = 0
    let first = position
    while position < text.count {
      let byte = byte(text, position)
      let digit = byte &- 48 < 10 ? byte &- 48 : (byte | 0x20) &- 97 &+ 10
      guard byte &- 48 < 10 || (byte | 0x20) &- 97 < 6 else { break }
      guard value >> 60 == 0 else { return nil }
      value = value << 4 | UInt64(digit)
      position += 1
    }
    return position == first ? nil : value
  }

  /// Reads a decimal number that may be negative, as its two's complement.
  @inline(__always)
  package static func signed(_ text: Span<UInt8>, _ position: inout Int) -> UInt64? {
    skipBlanks(text, &position)
    guard position < text.count, byte(text, position) == UInt8(ascii: "-") else {
      guard let value = number(text, &position), value >> 63 == 0 else { return nil }
      return value
    }
    position += 1
    guard position < text.count, byte(text, position) &- 48 < 10,
      let value = number(text, &position), value <= 1 << 63
    else { return nil }
    return 0 &- value
  }

  /// Reads a temperature, as `signed`; nil if it means no reading.
  @inline(__always)
  package static func millidegrees(_ text: Span<UInt8>, _ position: inout Int) -> UInt64? {
    guard let value = signed(text, &position), Int64(bitPattern: value) >= -273_150 else {
      return nil
    }
    return value
  }

  /// Reads a decimal number with up to two digits after its point, in hundredths.
  @inline(__always)
  package static func hundredths(_ text: Span<UInt8>, _ position: inout Int) -> UInt64? {
    guard let whole = number(text, &position), whole <= .max / 100 - 1 else { return nil }
    var value = whole &* 100
    guard position < text.count, byte(text, position) == UInt8(ascii: ".") else { return value }
    position += 1
    var unit: UInt64 = 10
    while position < text.count {
      let digit = byte(text, position) &- 48
      guard digit < 10 else { break }
      // Further digits are below the resolution.
      value &+= UInt64(digit) &* unit
      unit /= 10
      position += 1
    }
    return value
  }

  /// Skips blanks and a number in any form; false if there is none.
  @inline(__always)
  package static func skipNumber(_ text: Span<UInt8>, _ position: inout Int) -> Bool {
    skipBlanks(text, &position)
    let first = position
    while position < text.count {
      let byte = byte(text, position)
      guard byte &- 48 < 10 || (byte | 0x20) &- 97 < 6 || byte == 45 || byte == 46 else { break }
      position += 1
    }
    return position > first
  }

  /// Skips to after the last closing parenthesis of the text; false if there is none. A name may
  /// contain parentheses and newlines, and the rest of the text has neither.
  package static func skipName(_ text: Span<UInt8>, _ position: inout Int) -> Bool {
    var close = text.count - 1
    while close >= position {
      if byte(text, close) == UInt8(ascii: ")") {
        position = close + 1
        return true
      }
      close -= 1
    }
    return false
  }

  /// Skips separators and a word; false if there is none.
  package static func skipWord(_ text: Span<UInt8>, _ position: inout Int) -> Bool {
    while position < text.count, isSeparator(byte(text, position)) { position += 1 }
    let first = position
    while !isWordEnd(text, position) { position += 1 }
    return position > first
  }

  /// Whether `text` at `position` has the `length` bytes of `literals` from `start` on. `literals`
  /// has eight bytes more than its literals.
  @inline(__always)
  package static func matches(
    _ literals: Span<UInt8>, _ start: Int, _ length: Int, _ text: Span<UInt8>, _ position: Int
  ) -> Bool {
    guard position + length <= text.count else { return false }
    var offset = 0
    while offset < length {
      let left = length - offset
      guard position + offset + 8 <= text.count else {
        while offset < length {
          // Safe: offset < length, and both ends were compared above.
          if unsafe literals[unchecked: start + offset] != byte(text, position + offset) {
            return false
          }
          offset += 1
        }
        return true
      }
      let difference = word(literals, start + offset) ^ word(text, position + offset)
      // Only the remaining bytes of the last word count.
      let kept = left >= 8 ? difference : difference << UInt64(truncatingIfNeeded: (8 &- left) &* 8)
      if kept != 0 { return false }
      offset += 8
    }
    return true
  }

  /// Whether `text` ends within a literal and agrees with it until then.
  package static func isCut(
    _ literals: Span<UInt8>, _ start: Int, _ length: Int, _ text: Span<UInt8>, _ position: Int
  ) -> Bool {
    let there = min(length, max(0, text.count - position))
    return there < length && matches(literals, start, there, text, position)
  }

  /// Skips to after the next newline, or to the end of the text, since its last newline may be
  /// missing.
  @inline(__always)
  package static func skipLine(_ text: Span<UInt8>, _ position: inout Int) {
    position = min(newlineOrEnd(text, position) + 1, text.count)
  }

  /// Whether a word ends at `position`: at a separator, a newline or the end of the text.
  @inline(__always)
  package static func isWordEnd(_ text: Span<UInt8>, _ position: Int) -> Bool {
    guard position < text.count else { return true }
    let byte = byte(text, position)
    return byte == newline || isSeparator(byte)
  }

  /// Not zero if sixteen bytes contain a newline.
  @inline(__always)
  private static func newlines(_ words: SIMD2<UInt64>) -> SIMD2<UInt64> {
    let others = words ^ SIMD2(repeating: 0x0A0A_0A0A_0A0A_0A0A)
    return (others &- SIMD2(repeating: 0x0101_0101_0101_0101)) & ~others
      & SIMD2(repeating: 0x8080_8080_8080_8080)
  }

  /// Sixteen bytes from `position` on. Callers have checked that they exist.
  @inline(__always)
  private static func words(_ text: Span<UInt8>, _ position: Int) -> SIMD2<UInt64> {
    // Safe: the caller has compared position + 32 with text.count.
    unsafe text.withUnsafeBytes {
      unsafe $0.loadUnaligned(fromByteOffset: position, as: SIMD2<UInt64>.self)
    }
  }

  /// The position of the next newline from `from` on, or the end. By words rather than memchr(3),
  /// whose code pages a tick does not use otherwise.
  private static func newlineOrEnd(_ text: Span<UInt8>, _ from: Int) -> Int {
    let count = text.count
    var position = from
    while position + 32 <= count {
      let found = newlines(words(text, position)) | newlines(words(text, position + 16))
      if found[0] | found[1] != 0 { break }
      position += 32
    }
    while position + 8 <= count {
      // The lowest top bit set marks the first newline (Hacker's Delight, 6-1).
      let others = word(text, position) ^ 0x0A0A_0A0A_0A0A_0A0A
      let zeros = (others &- 0x0101_0101_0101_0101) & ~others & 0x8080_8080_8080_8080
      if zeros != 0 { return position + zeros.trailingZeroBitCount >> 3 }
      position += 8
    }
    while position < count, byte(text, position) != newline { position += 1 }
    return position
  }
}
